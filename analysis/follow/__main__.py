"""``python -m analysis.follow FOLDER``: one line of JSON for each thing that a follower tells, on standard output.

It runs at idle priority and has no screen. It ends by itself when the folder is sealed (0), when nobody reads what it
writes (0), or with one line on standard error when it cannot go on: 2 where it was asked for what cannot be done, 1
where it fails itself."""

from __future__ import annotations

import argparse
import errno
import json
import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

from analysis.follow import INTERVAL, Follower, follow
from analysis.model import InputError, printable

REFUSED, DEFECT = 2, 1


def main() -> int:
    """The program: its exit code."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    words = _words()
    idle()
    import pyarrow as pa

    from analysis.audit import AuditOptions, asked_address, asked_country, asked_day, asked_vantage, check_out

    # What Arrow would do beside, it would do on the core that the proxy needs.
    pa.set_cpu_count(1)

    def say(line: dict[str, Any]) -> None:
        if words.no_summary:
            line.pop("summary", None)
        _say(line)

    try:
        if words.tables is not None:
            if words.tables.resolve().is_relative_to(words.folder.resolve()):
                raise InputError(f"{words.tables} lies inside the capture {words.folder}; name another folder.")
            check_out(words.tables)
        options = AuditOptions(
            persona=words.persona,
            app=words.app,
            vendor=words.vendor,
            device=words.device and asked_address(words.device, "--device"),
            user_country=words.user_country and asked_country(words.user_country, "--user-country"),
            vantage=words.vantage and asked_vantage(words.vantage, "--vantage"),
            timezone=words.timezone,
            date=words.date and asked_day(words.date, "--date"),
            study_key=words.study_key,
            reference=words.reference,
            geo_country=tuple(words.geo_country),
            geo_asn=tuple(words.geo_asn),
        )
        follow(Follower(words.folder, options), say, _wait, words.interval, words.tables)
    except InputError as error:
        return _fail(str(error))
    except BrokenPipeError:
        _nobody_reads()
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if os.environ.get("LINTAS_DEBUG"):
            raise
        return _fail(f"this is a defect of Lintas ({type(error).__name__}); run it again with LINTAS_DEBUG=1.", DEFECT)
    return 0


def idle() -> None:
    """Give way to everybody: the lowest priority, and where the system knows it (Linux), only idle time."""
    os.nice(19)
    if hasattr(os, "SCHED_IDLE"):
        try:
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        except OSError:
            return


def _words() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m analysis.follow", description="Audit a capture folder while it grows.")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the capture folder, which may not be there yet")
    parser.add_argument("--tables", type=Path, metavar="OUT", help="folder for the tables of the last look")
    parser.add_argument("--interval", type=_seconds, default=INTERVAL, help="seconds between looks, at least")
    parser.add_argument("--persona", type=Path, help="YAML of the values that were planted on the phone")
    parser.add_argument("--app", help="app under test, by package or bundle id")
    parser.add_argument("--vendor", help="its maker: an operator's id")
    parser.add_argument("--device", help="address of the phone")
    parser.add_argument("--user-country", help="country that the user is set up in, like ID")
    parser.add_argument("--vantage", help="where the capture point stands: LAT,LON[,COUNTRY[,vpn]]")
    parser.add_argument("--timezone", help="time zone of the capture, like Asia/Jakarta")
    parser.add_argument("--date", help="day whose ownership and law hold")
    parser.add_argument("--study-key", type=Path, help="secret file of a study")
    parser.add_argument("--reference", type=Path, help="folder with operators and endpoints of your own")
    parser.add_argument("--geo-country", type=Path, action="append", default=[], help="your own country database")
    parser.add_argument("--geo-asn", type=Path, action="append", default=[], help="your own network database")
    parser.add_argument("--no-summary", action="store_true", help="leave the summary out of the lines")
    return parser.parse_args()


def _seconds(text: str) -> float:
    value = float(text)
    if not 0.05 <= value <= 3600:
        raise argparse.ArgumentTypeError(f"{text} is no interval; write seconds from 0.05 to 3600")
    return value


def _say(line: dict[str, Any]) -> None:
    """One line, in ASCII whatever the locale and the names of files. Raises BrokenPipeError where nobody reads it: the
    pipe has no other end, or the terminal is gone."""
    try:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
    except OSError as error:
        if error.errno == errno.EIO:
            raise BrokenPipeError from error
        raise


def _wait(seconds: float) -> None:
    """Sleep, unless nobody reads any more. Raises BrokenPipeError then."""
    watch = select.poll()
    watch.register(sys.stdout.fileno(), 0)
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if watch.poll(left * 1000):  # asked for nothing, it tells that the other end is gone
            raise BrokenPipeError


def _fail(sentence: str, code: int = REFUSED) -> int:
    sys.stderr.write(f"lintas follow: {printable(' '.join(sentence.split()))}\n")
    return code


def _nobody_reads() -> NoReturn:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
