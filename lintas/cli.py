"""The command line. Each command reads its words, calls one room, and says what came of it.

Exit codes: 0 done, also with losses or findings; 2 refused, with one line that says why; 130 stopped by Ctrl-C, 129 by
a closed terminal, 143 by kill.
"""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import Annotated

import typer

from lintas.persona import app as persona_commands
from lintas.phone.commands import app as phone
from lintas.terminal import Progress, emit, ended, fail, guarded, note, printable, room

app = typer.Typer(
    name="lintas",
    help="Where does an app's user data go, to whom, under whose law, and how sure is that?\n\n"
    "Lintas audits captures of an app's traffic: HAR, mitmproxy dumps, pcap and pcapng, or a folder of them.",
    epilog="Exit codes: 0 done, also with losses or findings; 2 refused, with one line why; 130 stopped by Ctrl-C "
    "(129 by a closed terminal, 143 by kill).",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_AUDIT, _READ = 420 << 20, 260 << 20
"""Octets of address space that an audit takes for libraries and reference data alone, and that the least of the other
commands which look into captures or audits take."""
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]

app.add_typer(phone)
app.add_typer(persona_commands)


@app.callback(invoke_without_command=True)
def main_options(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and end.", is_eager=True)] = False,
) -> None:
    if version:
        import importlib.metadata

        print(f"lintas {importlib.metadata.version('lintas')}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command(epilog="Examples:\n\n  lintas info session.har\n\n  lintas info captures/demo-shop --json")
def info(
    file: Annotated[Path, typer.Argument(help="A capture file or folder.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Say what is in a capture: which devices, when, what can be read, what would open the rest."""
    with guarded():
        room(_READ)
        from lintas.info import describe, show

        about = describe(file)
        emit(about) if as_json else show(about)


@app.command(
    epilog="Examples:\n\n  lintas audit session.har --persona me.yaml --app com.example.shop --user-country ID\n\n"
    "  lintas audit captures/demo-shop --out /tmp/demo"
)
def audit(
    path: Annotated[Path, typer.Argument(help="A capture file or a capture folder.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the audit: empty, or an earlier audit.",
            show_default="audits/<name of the capture>",
        ),
    ] = None,
    persona: Annotated[
        Path | None,
        typer.Option(help="YAML of the values that were planted on the phone.", show_default=False),
    ] = None,
    app_id: Annotated[str | None, typer.Option("--app", help="App under test, by package or bundle id.")] = None,
    vendor: Annotated[str | None, typer.Option(help="Its maker: an operator's id, where the app is not known.")] = None,
    device: Annotated[str | None, typer.Option(help="Address of the phone, where several devices speak.")] = None,
    user_country: Annotated[str | None, typer.Option(help="Country that the user is set up in, like ID.")] = None,
    vantage: Annotated[
        str | None,
        typer.Option(help="Where the capture point stood: LAT,LON[,COUNTRY[,vpn]], like -6.2,106.8,ID."),
    ] = None,
    timezone: Annotated[str | None, typer.Option(help="Time zone of the capture, like Asia/Jakarta.")] = None,
    day: Annotated[
        str | None, typer.Option("--date", help="Day whose ownership and law hold, instead of the capture's.")
    ] = None,
    study_key: Annotated[
        Path | None,
        typer.Option(help="Secret file of a study: equal values get equal keys in all its audits."),
    ] = None,
    reveal: Annotated[bool, typer.Option("--reveal", help="Keep the personal values in tables and report.")] = False,
    reference: Annotated[
        Path | None, typer.Option(help="Folder with operators and endpoints that you vouch for, laid over ours.")
    ] = None,
    geo_country: Annotated[
        list[Path] | None, typer.Option(help="Your own country database (MMDB: MaxMind, IPinfo, DB-IP).")
    ] = None,
    geo_asn: Annotated[list[Path] | None, typer.Option(help="Your own network database (MMDB).")] = None,
    as_json: Json = False,
) -> None:
    """Audit a capture: tables, findings and one HTML report. The last line printed is the report's path."""
    with guarded():
        room(_AUDIT)
        from analysis.audit import (
            AuditOptions,
            asked_address,
            asked_app,
            asked_country,
            asked_day,
            asked_vantage,
            asked_vendor,
            check_out,
            let_go,
            own_folder,
        )
        from analysis.audit import audit as run
        from analysis.folder import open_capture, own_persona
        from analysis.reference import Reference
        from lintas.persona import notes
        from lintas.summary import show
        from reports import PAGE

        capture = open_capture(path)
        asked = out
        out = asked if asked is not None else own_folder(Path("audits"), capture.path)
        try:
            # What can be told at once is not told after an hour of reading.
            if path.is_dir() and out.resolve().is_relative_to(path.resolve()):
                fail(f"{out} lies inside the capture {path}; name another folder with --out.")
            check_out(out)
            _databases(geo_country or [], geo_asn or [])
            known = Reference.load([] if reference is None else [reference])
            options = AuditOptions(
                persona=persona,
                app=None if app_id is None else asked_app(app_id, "--app"),
                vendor=None if vendor is None else asked_vendor(vendor, "--vendor", known),
                device=None if device is None else asked_address(device, "--device"),
                user_country=None if user_country is None else asked_country(user_country, "--user-country"),
                vantage=None if vantage is None else asked_vantage(vantage, "--vantage"),
                timezone=timezone,
                date=None if day is None else asked_day(day, "--date"),
                study_key=study_key,
                reveal=reveal,
                reference=reference,
                geo_country=tuple(geo_country or ()),
                geo_asn=tuple(geo_asn or ()),
            )
            country = options.user_country or capture.manifest.user_country
            for sentence in notes(persona or own_persona(capture), known, country):
                note(sentence)
            with Progress() as progress:
                about = run(path, out, options, progress, _report)
        finally:
            if asked is None:
                let_go(out)
        page = out / PAGE
        if as_json:
            emit({"audit": str(out), "report": str(page), **about})
            return
        show(out)
        print(printable(page))


@app.command(
    epilog="Examples:\n\n  lintas capture shop --app com.example.shop --user-country ID --store user\n\n"
    "  lintas capture shop --only-app com.example.shop\n\n"
    "  lintas capture shop --mode regular --mode socks5 --listen 192.168.1.5\n\n"
    "Exit codes: 0 sealed, however it was ended; 2 refused or not sealed; 130 stopped before the recording began."
)
def capture(
    name: Annotated[str, typer.Argument(help="Name of the capture: captures/NAME is made.", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="Folder to make instead.", show_default="captures/NAME")] = None,
    mode: Annotated[
        list[str] | None,
        typer.Option(
            help="How traffic comes in: wireguard, regular, socks5, transparent, dns, upstream:URL or local[:PROGRAM]; "
            "@PORT behind it. May be given several times.",
            show_default="wireguard",
        ),
    ] = None,
    listen: Annotated[
        list[str] | None,
        typer.Option(
            help="Address or interface to listen at; several for IPv4 and IPv6.",
            show_default="the address towards the network",
        ),
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port, where there is one mode.", show_default="the mode's")] = None,
    open_to: Annotated[
        list[str] | None,
        typer.Option(help="Public address or network that may come in; needed to listen at a public address."),
    ] = None,
    only_app: Annotated[
        str | None,
        typer.Option(metavar="PACKAGE", help="Let only this app enter the tunnel (Android).", show_default=False),
    ] = None,
    app_id: Annotated[str | None, typer.Option("--app", help="App under test, by package or bundle id.")] = None,
    device: Annotated[str | None, typer.Option(help="The phone, like 'Pixel 8, Android 15'.")] = None,
    store: Annotated[
        str | None,
        typer.Option(help="Where the phone has the certificate: user, system, emulator, ios or none."),
    ] = None,
    user_country: Annotated[str | None, typer.Option(help="Country that the user is set up in, like ID.")] = None,
    vantage: Annotated[
        str | None, typer.Option(help="Where this machine stands: LAT,LON[,COUNTRY[,vpn]], like -6.2,106.8,ID.")
    ] = None,
    timezone: Annotated[
        str | None, typer.Option(help="Time zone, like Asia/Jakarta.", show_default="this machine's")
    ] = None,
    persona: Annotated[
        Path | None, typer.Option(help="YAML of the values that were planted on the phone; it is copied.")
    ] = None,
    same_keys: Annotated[
        Path | None,
        typer.Option(metavar="CAPTURE", help="Use certificate and tunnel of an earlier capture: the phone has them."),
    ] = None,
    adb: Annotated[
        bool,
        typer.Option("--adb", help="Ask and watch the phone at the cable, and give it the certificate and the proxy."),
    ] = False,
    serial: Annotated[str | None, typer.Option(help="The same, where several phones are connected.")] = None,
    video: Annotated[bool, typer.Option("--video", help="The same, and record the screen in each phase.")] = False,
    phase: Annotated[str | None, typer.Option(help="Phase that begins with the recording, like first_launch.")] = None,
    options: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="An option of the proxy, like lintas_refusals=5."),
    ] = None,
    ask: Annotated[bool, typer.Option("--ask", help="Ask again also what was answered before.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing: what is not said is kept or unknown.")] = False,
) -> None:
    """Record a phone's traffic live. It ends with Ctrl-C; the last line printed is the command for the audit."""
    with guarded():
        from lintas.capture.run import Wanted
        from lintas.capture.run import capture as run

        code = run(
            Wanted(
                name,
                out=out,
                modes=mode or ["wireguard"],
                listen=listen or [],
                port=port,
                open_to=open_to or [],
                only_app=only_app,
                app=app_id,
                device=device,
                store=store,
                user_country=user_country,
                vantage=vantage,
                timezone=timezone,
                persona=persona,
                same_keys=same_keys,
                adb=adb,
                serial=serial,
                video=video,
                phase=phase,
                options=options or [],
                ask=ask,
                yes=yes,
            )
        )
        if code:
            raise SystemExit(code)


@app.command(epilog="Example: lintas report audits/demo-shop")
def report(
    folder: Annotated[Path, typer.Argument(metavar="AUDIT", help="An audit folder.", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="File to write.", show_default="report.html in the audit")] = None,
) -> None:
    """Write the HTML report of an audit again. The last line printed is its path."""
    with guarded():
        room(_READ)
        print(printable(_report(folder, out)))


@app.command(epilog="Example: lintas show audits/demo-shop 'flows.mitm#12!http-request-body>gzip:18+36'")
def show(
    folder: Annotated[Path, typer.Argument(metavar="AUDIT", help="An audit folder.", show_default=False)],
    origin: Annotated[str, typer.Argument(help="An origin, as tables and report give it.", show_default=False)],
    capture: Annotated[
        Path | None, typer.Option(help="Where the capture is now.", show_default="where it was when audited")
    ] = None,
    raw: Annotated[bool, typer.Option("--raw", help="Write the bytes alone to standard output.")] = False,
    as_json: Json = False,
) -> None:
    """Show the bytes that something was read from. They are personal data: they come from the capture itself."""
    with guarded():
        room(_READ)
        from lintas.show import find, print_found

        found = find(folder, origin, capture)
        if raw:
            sys.stdout.buffer.write(found.wanted)
        elif as_json:
            emit(found.told())
        else:
            print_found(found)


@app.command(epilog="Example: lintas doctor\n\nExit codes: 0 all is there; 1 something is missing.")
def doctor(as_json: Json = False) -> None:
    """Check this installation: Python, libraries, reference data, what it can read and draw."""
    with guarded():
        from lintas.doctor import examine, print_checks

        checks = examine()
        emit(checks) if as_json else print_checks(checks)
        if any(not c["ok"] for c in checks):
            raise SystemExit(1)


def _report(folder: Path, out: Path | None = None) -> Path:
    from reports import build

    return build(folder, out)


# ------------------------------------------------------------------------------------------------ options


def _databases(country: list[Path], asn: list[Path]) -> None:
    """Open the user's databases once, so that one that cannot be used is told before the capture is read."""
    if country or asn:
        from analysis.reference.geo import Geo

        Geo(tuple(country), tuple(asn))


def _begun(words: list[str]) -> typer.Typer:
    """The program with the one command that ``words`` begin with: Typer prepares all before it runs one. Where they
    begin with no command, all stay, for the help and for what is said of a word that is none."""
    commands = [c for c in app.registered_commands if c.callback is not None and c.callback.__name__ in words]
    groups = [g for g in app.registered_groups if g.typer_instance is not None and g.typer_instance.info.name in words]
    if not commands and not groups:
        return app
    begun = copy.copy(app)
    begun.registered_commands, begun.registered_groups = commands, groups
    return begun


def main() -> None:
    """Entry point of the command ``lintas``."""
    with ended():
        # Not in its own mode: that draws frames round errors, which no script can read.
        _begun(sys.argv[1:2])(standalone_mode=False)


if __name__ == "__main__":
    main()
