"""Sessions of Fiddler (.saz) and Charles (.chlsj): read as what they hold, and hostile ones bounded."""

from __future__ import annotations

import base64
import gzip
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis.audit import AuditOptions, run
from analysis.model import InputError
from analysis.sources import Options
from analysis.sources.identify import kind_of, layer_bytes
from tests.sources.made import Seen, check_laws, gather

MAIL = b'{"email": "ayu.tester@example.org"}'
POST = (
    b"POST https://api.shop.example/v1/e?x=1 HTTP/1.1\r\nHost: api.shop.example\r\nContent-Type: application/json\r\n"
)
ASKED = POST + b"Content-Length: %d\r\n\r\n" % len(MAIL) + MAIL
CAME = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"


def notes(bits: int = 1, **flags: str) -> bytes:
    timers = (
        'ClientBeginRequest="2026-03-01T10:00:00.2500000+07:00" ServerGotRequest="2026-03-01T10:00:00.3+07:00" '
        'ClientDoneResponse="2026-03-01T10:00:00.2900000+07:00"'
    )
    inside = "".join(f'<SessionFlag N="{name.replace("_", "-")}" V="{value}" />' for name, value in flags.items())
    return (
        f'<?xml version="1.0"?><Session SID="1" BitFlags="{bits}"><SessionTimers {timers} />'
        f"<SessionFlags>{inside}</SessionFlags></Session>"
    ).encode()


def archive(path: Path, **members: bytes) -> Path:
    """A .saz: ``c1`` is ``raw/1_c.txt``, and so on."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("_index.htm", "<html></html>")
        for name, octets in members.items():
            made.writestr(f"raw/{name[1:]}_{name[0]}.{'xml' if name[0] == 'm' else 'txt'}", octets)
    return path


def saz(tmp_path: Path, options: Options | None = None, **members: bytes) -> Seen:
    path = archive(tmp_path / "a.saz", **members)
    seen = gather(path, options)
    check_laws(seen, path)
    return seen


class TestFiddler:
    def test_a_session_is_an_exchange(self, tmp_path: Path) -> None:
        flags = {"x_hostIP": "198.51.100.7", "x_clientIP": "192.168.1.20", "x_processinfo": "uji:4711"}
        seen = saz(tmp_path, c1=ASKED, s1=CAME, m1=notes(**flags))
        assert seen.kind == "saz"
        (exchange,) = seen.exchanges
        assert (exchange.method, exchange.host, exchange.path, exchange.status) == (
            "POST",
            "api.shop.example",
            "/v1/e",
            200,
        )
        assert [(m.kind, m.direction, m.body) for m in seen.messages] == [
            ("request", "sent", MAIL),
            ("response", "received", b"ok"),
        ]
        (flow,) = seen.flows
        assert (flow["dst"], flow["src"], flow["app"]) == ("198.51.100.7", "192.168.1.20", "uji")
        assert flow["first"].isoformat() == "2026-03-01T03:00:00.250000+00:00"
        assert not seen.losses

    def test_the_order_is_that_of_the_numbers(self, tmp_path: Path) -> None:
        other = ASKED.replace(b"/v1/e", b"/second")
        seen = saz(tmp_path, c10=other, s10=CAME, m10=notes(), c2=ASKED, s2=CAME, m2=notes())
        assert [e.path for e in seen.exchanges] == ["/v1/e", "/second"]

    def test_codings_stay_and_chunks_go(self, tmp_path: Path) -> None:
        coded = gzip.compress(MAIL, mtime=0)
        head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
        chunks = b"".join(
            b"%x;q=1\r\n%b\r\n" % (len(coded[n : n + 7]), coded[n : n + 7]) for n in range(0, len(coded), 7)
        )
        seen = saz(tmp_path, c1=ASKED, s1=head + chunks + b"0\r\n\r\n", m1=notes())
        assert seen.messages[1].body == coded
        made, _ = run(tmp_path / "a.saz", AuditOptions(workers=1))
        assert made["messages"]["decoded"].to_pylist() == [True, True]

    def test_a_target_without_scheme_has_that_of_the_flags(self, tmp_path: Path) -> None:
        asked = ASKED.replace(b"https://api.shop.example", b"")
        assert saz(tmp_path, c1=asked, s1=CAME, m1=notes(1)).exchanges[0].scheme == "https"
        assert saz(tmp_path, c1=asked, s1=CAME, m1=notes(0)).exchanges[0].scheme == "http"

    @pytest.mark.parametrize(("bits", "kind"), [(1 | 8192, "tunnel"), (129, "replayed"), (1 | 16384, "from_cache")])
    def test_what_no_client_sent(self, tmp_path: Path, bits: int, kind: str) -> None:
        seen = saz(tmp_path, c1=ASKED, s1=CAME, m1=notes(bits))
        assert not seen.messages
        assert seen.lost == {kind: 1}

    def test_an_answer_of_fiddler_is_no_delivery(self, tmp_path: Path) -> None:
        seen = saz(tmp_path, c1=ASKED, s1=CAME, m1=notes(257))
        assert [m.direction for m in seen.messages] == ["undelivered"]
        assert seen.flows[0]["bytes_out"] == 0

    def test_without_an_answer(self, tmp_path: Path) -> None:
        assert [m.direction for m in saz(tmp_path, c1=ASKED, m1=notes()).messages] == ["sent"]
        never = notes().replace(b"2026-03-01T10:00:00.3+07:00", b"0001-01-01T00:00:00")
        assert [m.direction for m in saz(tmp_path, c1=ASKED, s1=b"", m1=never).messages] == ["undelivered"]

    def test_a_body_that_was_dropped(self, tmp_path: Path) -> None:
        seen = saz(tmp_path, c1=POST + b"Content-Length: 900\r\n\r\n" + MAIL, s1=CAME, m1=notes())
        assert [(loss.kind, loss.bytes) for loss in seen.losses] == [("body_missing", 900 - len(MAIL))]

    def test_what_is_no_session_is_counted(self, tmp_path: Path) -> None:
        path = archive(tmp_path / "a.saz", c1=ASKED, s1=CAME, m1=notes(), w1=b"frames")
        with zipfile.ZipFile(path, "a") as made:
            made.writestr("../../etc/passwd", "x")
            made.writestr("raw/../../1_c.txt", "x")
        seen = gather(path)
        assert seen.lost == {"message_unread": 1, "member_unread": 2}
        assert sorted(p.name for p in tmp_path.iterdir()) == ["a.saz"]

    def test_a_member_twice_is_read_once(self, tmp_path: Path) -> None:
        path = archive(tmp_path / "a.saz", c1=ASKED, s1=CAME, m1=notes())
        with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as made:
            made.writestr("raw/1_c.txt", ASKED.replace(b"POST", b"PUT"))
        seen = gather(path)
        assert [e.method for e in seen.exchanges] == ["POST"]
        assert seen.lost == {"member_repeated": 1}

    def test_a_bomb_is_inflated_to_its_limit(self, tmp_path: Path) -> None:
        bomb = ASKED + b"\0" * (200 << 20)
        path = archive(tmp_path / "a.saz", **{f"c{n}": bomb for n in range(2)}, s0=CAME)
        assert path.stat().st_size < 1 << 20
        seen = gather(path, Options(max_body=16 << 20))
        assert seen.lost["member_limit"] >= 2
        assert sum(len(m.body) for m in seen.messages) <= (64 << 20) + 20 * path.stat().st_size

    def test_a_directory_that_is_too_large(self, tmp_path: Path) -> None:
        path = archive(tmp_path / "a.saz", c1=ASKED)
        octets = path.read_bytes()
        end = octets.rindex(b"PK\x05\x06")
        path.write_bytes(octets[: end + 12] + (1 << 30).to_bytes(4, "little") + octets[end + 16 :])
        with pytest.raises(InputError):
            gather(path)

    def test_a_password(self, tmp_path: Path) -> None:
        path = archive(tmp_path / "a.saz", c1=ASKED)
        octets = bytearray(path.read_bytes())
        for sign, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            at = octets.find(sign)
            while at >= 0:
                octets[at + place] |= 1
                at = octets.find(sign, at + 4)
        path.write_bytes(bytes(octets))
        with pytest.raises(InputError, match="password"):
            gather(path)

    def test_another_archive_is_told_to_be_unpacked(self, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "a.saz", "w") as made:
            made.writestr("a.har", "{}")
        with pytest.raises(InputError, match="ZIP archive: unpack it"):
            gather(tmp_path / "a.saz")

    @settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    @given(st.integers(0, 2_000), st.binary(max_size=8))
    def test_damage_anywhere_is_a_loss_or_a_sentence(self, tmp_path: Path, at: int, other: bytes) -> None:
        octets = archive(tmp_path / "a.saz", c1=ASKED, s1=CAME, m1=notes(x_hostIP="198.51.100.7")).read_bytes()
        at %= len(octets)
        (tmp_path / "b.saz").write_bytes(octets[:at] + other + octets[at + len(other) :])
        try:
            seen = gather(tmp_path / "b.saz")
        except InputError:
            return
        assert len(seen.exchanges) <= 1

    @settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    @given(st.binary(max_size=300), st.binary(max_size=300), st.binary(max_size=300))
    def test_members_of_any_octets(self, tmp_path: Path, c: bytes, s: bytes, m: bytes) -> None:
        assert len(saz(tmp_path, c1=c, s1=s, m1=m, c2=ASKED, s2=CAME, m2=notes()).exchanges) == 2


def session(**parts: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "status": "COMPLETE",
        "method": "POST",
        "protocolVersion": "HTTP/1.1",
        "scheme": "https",
        "host": "api.shop.example",
        "actualPort": 8443,
        "path": "/v1/e",
        "query": "x=1",
        "tunnel": False,
        "remoteAddress": "api.shop.example/198.51.100.7",
        "clientAddress": "/192.168.1.20",
        "times": {"start": "2026-03-01T10:00:00.250+07:00", "requestComplete": "2026-03-01T10:00:00.260+07:00"},
        "durations": {"total": 40},
        "request": {
            "sizes": {"headers": 90, "body": len(MAIL)},
            "mimeType": "application/json",
            "charset": "utf-8",
            "header": {"firstLine": "POST /v1/e HTTP/1.1", "headers": [{"name": "Host", "value": "api.shop.example"}]},
            "body": {"text": MAIL.decode()},
        },
        "response": {
            "status": 200,
            "sizes": {"headers": 40, "body": 3},
            "header": {"firstLine": "HTTP/1.1 200 OK", "headers": []},
            "body": {"encoded": base64.b64encode(b"\0\1\2").decode()},
        },
    }
    return made | parts


def charles(tmp_path: Path, *sessions: Any, data: bytes | None = None) -> Seen:
    path = tmp_path / "a.chlsj"
    path.write_bytes(data if data is not None else json.dumps(list(sessions)).encode())
    seen = gather(path)
    check_laws(seen, path)
    return seen


class TestCharles:
    def test_a_session_is_an_exchange(self, tmp_path: Path) -> None:
        seen = charles(tmp_path, session(), session(path="/second"))
        assert seen.kind == "charles"
        first = seen.exchanges[0]
        assert (first.method, first.host, first.port, first.path, first.status) == (
            *("POST", "api.shop.example", 8443, "/v1/e", 200),
        )
        assert [m.body for m in seen.messages[:2]] == [MAIL, b"\0\1\2"]
        assert (seen.flows[0]["dst"], seen.flows[0]["src"]) == ("198.51.100.7", "192.168.1.20")
        assert seen.flows[0]["first"].isoformat() == "2026-03-01T03:00:00.250000+00:00"
        assert not seen.losses
        found = layer_bytes(tmp_path / "a.chlsj", "charles", seen.messages[2].origin, Options())
        assert found == MAIL

    def test_a_tunnel_is_no_request_of_the_app(self, tmp_path: Path) -> None:
        seen = charles(tmp_path, session(method="CONNECT", tunnel=True))
        assert not seen.messages
        assert seen.lost == {"tunnel": 1}

    def test_what_failed_before_it_was_sent(self, tmp_path: Path) -> None:
        failed = session(status="FAILED", response={}, times={"start": "2026-03-01T10:00:00Z"})
        assert [m.direction for m in charles(tmp_path, failed).messages] == ["undelivered"]
        assert [m.direction for m in charles(tmp_path, session(response={})).messages] == ["sent"]

    def test_a_file_that_breaks_off(self, tmp_path: Path) -> None:
        whole = json.dumps([session(), session(path="/second")]).encode()
        seen = charles(tmp_path, data=whole[:-300])
        assert len(seen.exchanges) == 2
        assert {"file_torn", "entry_torn"} <= seen.lost.keys()

    @pytest.mark.parametrize("value", [None, 7, "x", [], [[]], {"a": 1}, True, 1e308])
    def test_values_of_any_type(self, tmp_path: Path, value: Any) -> None:
        wrong = [session(**{key: value}) for key in session()]
        inner = [session(request=session()["request"] | {key: value}) for key in session()["request"]]
        seen = charles(tmp_path, *wrong, *inner, session())
        assert len(seen.exchanges) == len(wrong) + len(inner) + 1
        assert seen.exchanges[-1].status == 200

    def test_it_is_told_by_content(self, tmp_path: Path) -> None:
        (tmp_path / "a.json").write_text(json.dumps([session()]))
        assert kind_of(tmp_path / "a.json")[0] == "charles"
        (tmp_path / "b.json").write_text(json.dumps([{"host": "x", "scheme": "y"}]))
        assert kind_of(tmp_path / "b.json")[0] == "other"

    def test_the_form_that_only_charles_reads(self, tmp_path: Path) -> None:
        (tmp_path / "a.chls").write_bytes(bytes(range(256)) * 10)
        with pytest.raises(InputError, match="export it as HAR"):
            gather(tmp_path / "a.chls")


def test_an_archive_of_nothing(tmp_path: Path) -> None:
    empty = io.BytesIO()
    zipfile.ZipFile(empty, "w").close()
    (tmp_path / "a.saz").write_bytes(empty.getvalue())
    with pytest.raises(InputError, match="empty ZIP"):
        gather(tmp_path / "a.saz")
