"""``lintas phone``: the phone under test over adb, by hand what a capture does by itself."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lintas.terminal import as_typed, emit, fail, guarded, labelled, printable, table

if TYPE_CHECKING:
    from lintas.phone.adb import Phone

app = typer.Typer(
    name="phone",
    help="The phone under test, over adb: its apps, what it says of them, its proxy, its screen.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
Serial = Annotated[
    str | None,
    typer.Option(help="Serial number, where several phones are connected.", show_default="the one phone"),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Package = Annotated[str, typer.Argument(metavar="APP", help="Package name, like com.example.shop.", show_default=False)]


@app.callback(invoke_without_command=True)
def main_options(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command("list", epilog="Example: lintas phone list")
def list_phones(as_json: Json = False) -> None:
    """Say which phones are connected, and what to do about those that cannot be used."""
    with guarded():
        from lintas.phone.listing import NONE, listed

        found = listed()
        if as_json:
            emit([{"serial": p.serial, "state": p.state, "model": p.model} for p in found])
            return
        if not found:
            print(NONE)
        for phone in found:
            name = f" ({printable(phone.model)})" if phone.model else ""
            print(f"{printable(phone.serial)}{name}" if phone.usable else printable(phone.advice))


@app.command("apps", epilog="Example: lintas phone apps")
def list_apps(
    serial: Serial = None,
    system: Annotated[bool, typer.Option("--all", help="Also the apps that came with the phone.")] = False,
    as_json: Json = False,
) -> None:
    """List the apps that were installed on the phone, with version and user id."""
    with guarded():
        from lintas.phone.apps import installed

        found: list[Mapping[str, Any]] = [
            {"package": a.package, "version": a.version, "version_code": a.version_code, "uid": a.uid}
            for a in installed(_phone(serial), system)
        ]
        if as_json:
            emit(found)
            return
        if not found:
            print(
                as_typed(
                    "No app was installed on this phone; lintas phone apps --all also lists those that came with it."
                )
            )
            return
        shown: list[Mapping[str, Any]] = [
            {**a, "uid": str(a["uid"] or "–"), "version_code": str(a["version_code"] or "–")} for a in found
        ]
        headings = {"package": "App", "version": "Version", "version_code": "Code", "uid": "User id"}
        table(shown, headings, frozenset({"version_code", "uid"}))


@app.command(
    epilog="Examples:\n\n  lintas phone about com.example.shop\n\n"
    "  lintas phone about com.example.shop --persona-into captures/shop"
)
def about(
    package: Package,
    serial: Serial = None,
    into: Annotated[
        Path | None,
        typer.Option(
            "--persona-into",
            metavar="FOLDER",
            help="Folder whose persona.yaml gets the phone's true identifiers, where they can be read.",
            show_default=False,
        ),
    ] = None,
    persona: Annotated[
        Path | None, typer.Option(help="The persona to begin that file with.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what the phone says of an app and of itself: version, installer, hashes, permissions, clock."""
    with guarded():
        from lintas.phone import about as facts

        phone = _phone(serial)
        if into is not None and not into.is_dir():
            fail(f"{into} is no folder; make it first.")
        if into is None and persona is not None:
            fail("--persona says what to begin a persona file with; say with --persona-into where it is to be.")
        changes = facts.describe(phone, package)
        told = {name: value for name, value in changes.items() if name != "app.apks"}
        told["app.apks"] = [{"name": a.name, "sha256": a.sha256, "bytes": a.bytes} for a in changes["app.apks"]]
        identifiers: dict[str, Any] = {}
        if into is not None:
            identifiers = _plant(phone, package, changes.get("device.sdk"), into, persona)
        if as_json:
            emit({**told, **identifiers})
            return
        labelled(_lines(told), label_width=13)
        if into is not None:
            names = ", ".join(name.replace("_", " ") for name in identifiers["identifiers"])
            read = f"{names}; their values are in {identifiers['persona']} only" if names else "none could be read"
            labelled([("Identifiers", read)], label_width=13)
            labelled((("", text) for text in identifiers["missing"]), label_width=13)


def _plant(phone: Phone, package: str, sdk: int | None, into: Path, persona: Path | None) -> dict[str, Any]:
    """The identifiers' names; their values are in the file alone."""
    from lintas.phone import identity

    found = identity.read(phone, package, sdk)
    place = identity.plant(into, found.found, persona)
    return {
        "identifiers": [f.name for f in found.found],
        "persona": None if place is None else str(place),
        "missing": found.missing,
    }


_CERTIFICATES = {
    "trusted_by_default": "trusted by default (the app is made for Android before 7, or runs on it)",
    "not_trusted_by_default": "not trusted by default (made for Android 7 or later); the app may say otherwise",
}


def _lines(told: dict[str, Any]) -> Iterator[tuple[str, str]]:
    def both(first: str, second: str) -> str:
        return ", ".join(str(told[name]) for name in (first, second) if told.get(name) is not None)

    yield "App", told["app.id"]
    code = f", code {told['app.version_code']}" if told.get("app.version_code") is not None else ""
    yield "Version", f"{told.get('app.version') or 'not stated'}{code}"
    yield "Installed by", told.get("app.installer") or "not stated"
    if told.get("app.uid") is not None:
        shared = ", ".join(told.get("app.shared_with") or ())
        yield "User id", f"{told['app.uid']}" + (f", shared with {shared}" if shared else "")
    for apk in told["app.apks"]:
        yield "APK", f"{apk['name']} SHA-256 {apk['sha256']}"
    granted, asked = told.get("app.granted") or [], told.get("app.permissions") or []
    yield "Permissions", f"{len(asked)} requested, {len(granted)} granted: {', '.join(granted) or 'none'}"
    if told.get("app.user_certificates"):
        yield "User store", f"its certificates are {_CERTIFICATES[told['app.user_certificates']]}"
    yield "Phone", both("device.model", "device.system")
    yield "Patched", told.get("device.security_patch") or "not stated"
    yield "Set up in", both("device.locale", "device.timezone") or "not stated"
    if told.get("device.clock_ahead_ms") is not None:
        yield (
            "Clock",
            (
                f"{told['device.clock_ahead_ms']:+,.0f} ms against this computer "
                f"(within {told['device.clock_within_ms']:,.0f} ms)"
            ),
        )


@app.command(epilog="Example: lintas phone proxy 192.168.1.20:8080")
def proxy(
    address: Annotated[
        str,
        typer.Argument(
            metavar="HOST:PORT", help="Where the proxy listens, as the phone reaches it.", show_default=False
        ),
    ],
    serial: Serial = None,
) -> None:
    """Send the phone's traffic to a proxy until Ctrl-C, then put back what was there before.

    A kill, or a phone that goes away, is made good at the next connection or by lintas phone clean."""
    with guarded(), _ends():
        from lintas.phone.proxy import set_proxy

        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal() or len(port) > 5:
            fail(f"{address[:80]!r} is no address of a proxy; write it like 192.168.1.20:8080.")
        held = set_proxy(_phone(serial), host, int(port))
        said: str | None = None
        try:
            print(f"The phone's proxy is {address} until you press Ctrl-C.", flush=True)
            threading.Event().wait()
        except (KeyboardInterrupt, _EndedError):
            pass
        finally:
            said = held.restore()
        if said is not None:
            fail(said)
        print("The phone's proxy was put back.")


@app.command(epilog="Example: lintas phone screen captures/shop --seconds 30")
def screen(
    folder: Annotated[Path, typer.Argument(help="Folder to put the video in.", show_default=False)],
    seconds: Annotated[int, typer.Option(help="How long, at most 180.")] = 180,
    serial: Serial = None,
) -> None:
    """Record the phone's screen until Ctrl-C or for so many seconds. The last line printed is the file's path."""
    with guarded(), _ends():
        from lintas.phone.screen import LONGEST, Screen

        if not folder.is_dir():
            fail(f"{folder} is no folder; make it first.")
        if not 1 <= seconds <= LONGEST:
            fail(f"--seconds {seconds}: a video has 1 to {LONGEST} seconds.")
        told: list[dict[str, Any]] = []
        video = Screen(_phone(serial), folder, lambda type, **keys: told.append(keys))  # noqa: A006
        if not video.begin(seconds=seconds):
            fail(video.trouble or "the phone does not record its screen.")
        place = None
        try:
            print("Recording; Ctrl-C ends it.", flush=True)
            threading.Event().wait(seconds)
        except (KeyboardInterrupt, _EndedError):
            pass
        finally:
            place = video.end()
        if place is None:
            fail(video.trouble or "the phone gave no video.")
        print(f"SHA-256 {told[-1]['sha256']}")
        print(printable(place))


@app.command(epilog="Example: lintas phone certificate ~/.mitmproxy/mitmproxy-ca-cert.pem")
def certificate(
    file: Annotated[Path, typer.Argument(help="The proxy's certificate (PEM or DER).", show_default=False)],
    serial: Serial = None,
) -> None:
    """Put the proxy's certificate into the phone's system store where it lets us, else hand it to its user."""
    with guarded():
        from lintas.phone.certificate import install

        print(printable(install(_phone(serial), file).text))


@app.command(epilog="Example: lintas phone clean")
def clean(serial: Serial = None, as_json: Json = False) -> None:
    """Put back what captures changed on the phone, and say how to remove the certificate and the tunnel."""
    with guarded():
        from lintas.phone.adb import choose as find
        from lintas.phone.clean import BY_HAND
        from lintas.phone.clean import clean as put_back
        from lintas.phone.memory import remembered
        from lintas.phone.server import PhoneError

        done: list[str] = []
        problem: PhoneError | None = None
        try:
            done = put_back(find(serial))
        except PhoneError as error:
            problem = error
        if as_json:
            emit(
                {
                    "done": done,
                    "problem": None if problem is None else str(problem),
                    "left": remembered(),
                    "by_hand": [{"about": label, "text": text} for label, text in BY_HAND],
                }
            )
        else:
            for text in done or ([] if problem else ["Nothing is left to be put back on this phone."]):
                print(printable(text))
            print("By hand, on the phone:")
            labelled(BY_HAND, indent=2, label_width=13)
        if problem is not None:
            left = remembered()
            more = f" {left} phone{'s have' if left != 1 else ' has'} something to be put back." if left else ""
            fail(f"{problem}{more}")


def _phone(serial: str | None) -> Phone:
    """The phone, with what a run before left on it put back."""
    from lintas.phone.adb import choose
    from lintas.phone.proxy import recover

    phone = choose(serial)
    said = recover(phone)
    if said is not None:
        typer.echo(f"lintas: {printable(said)}", err=True)
    return phone


class _EndedError(Exception):
    """The terminal was closed, or somebody ended this program."""


@contextmanager
def _ends() -> Iterator[None]:
    """Inside, SIGTERM and SIGHUP are an exception, so that what was changed is put back."""

    def end(number: int, frame: object) -> None:
        # Once: what is put back then is not to be cut off by a second one.
        for each in held:
            signal.signal(each, signal.SIG_IGN)
        raise _EndedError

    held = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    except _EndedError:
        raise SystemExit(128 + signal.SIGTERM) from None
    finally:
        for number, before in held.items():
            signal.signal(number, before)
