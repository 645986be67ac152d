"""A file's kind is told by what is in it, whatever it is called; what is no capture is named in one sentence."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from pathlib import Path

import pytest
from mitmproxy.test import tflow

from analysis.model import InputError, Origin
from analysis.sources import Options
from analysis.sources.identify import layer_bytes, open_source
from analysis.sources.kinds import kind_of
from tests.road import REAL
from tests.sources.made import dump, entry, event_lines, har, json_lines, needs_real

PCAP = b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00" + bytes(8) + b"\xff\xff\x00\x00\x01\x00\x00\x00"
PCAPNG = b"\x0a\x0d\x0d\x0a\x1c\x00\x00\x00\x4d\x3c\x2b\x1a\x01\x00\x00\x00" + b"\xff" * 8 + b"\x1c\x00\x00\x00"
PRETTY = json.dumps(json.loads(har(entry())), indent=4).encode()


def archive() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as file:
        file.writestr("a.har", har())
    return made.getvalue()


def tarball() -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as file:
        file.addfile(tarfile.TarInfo("a.har"), io.BytesIO(b""))
    return made.getvalue()


def _short(value: str | bytes) -> str:
    """Ids that are the same on each run: archives hold the time."""
    return value if isinstance(value, str) else "-"


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (har(entry()), "har"),
        (har(), "har"),
        (PRETTY, "har"),
        (b"\r\n\t" + PRETTY, "har"),
        (b"\xef\xbb\xbf" + PRETTY, "har"),
        (PRETTY.decode().encode("utf-16"), "har"),
        (b'{"log":{"entries":[{"startedDateTime":"2026', "har"),
        (dump(tflow.tflow(resp=True)), "mitmproxy"),
        (dump(tflow.tdnsflow(resp=True)), "mitmproxy"),
        (PCAP, "pcap"),
        (b"\xa1\xb2\x3c\x4d" + bytes(20), "pcap"),
        (PCAPNG, "pcapng"),
        (event_lines({"type": "phase", "at": 1}), "events"),
        (json_lines({"type": "flow", "flow": "x"}), "messages"),
        (json_lines({"flow": "x", "direction": "sent", "index": 0}), "messages"),
    ],
    ids=_short,
)
def test_kinds(tmp_path: Path, data: bytes, kind: str) -> None:
    for name, octets in (("a.png", data), ("b", gzip.compress(data))):
        (tmp_path / name).write_bytes(octets)
        assert kind_of(tmp_path / name) == (kind, "")


@pytest.mark.parametrize(
    ("data", "looks"),
    [
        (b"", "empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "PNG"),
        (b"\xff\xd8\xff\xe0" + bytes(50), "JPEG"),
        (archive(), "ZIP"),
        (tarball(), "tar"),
        (b"%PDF-1.7\n", "PDF"),
        (b"hello, world\n" * 20, "text"),
        (b"caf\xc3\xa9\n", "text"),
        (b'{"a": 1}', "JSON that is no HAR"),
        (b'{"log": {"a": 1}}', "no entries"),
        (b"[1, 2", "damaged"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"<?xml version='1.0'?>", "XML"),
        (bytes(1000), "zeros"),
        (b"\x9d\x02\x88" + b"\0" * 10 + bytes(range(256)), "binary"),
        (b"\x00\x00\x00\x18ftypmp42" + bytes(50), "MP4"),
        (b"CLIENT_RANDOM " + b"ab" * 32 + b" " + b"cd" * 48, "key log"),
        (b'{"type":"networkActivity","bundleID":"a.b"}\n', "App Privacy Report"),
        (gzip.compress(b"hello"), "gzip-compressed, and inside text"),
        (b"\x1f\x8b\x08\x00" + b"\xff" * 40, "damaged"),
        (b"SQLite format 3\x00" + bytes(80), "SQLite"),
    ],
    ids=_short,
)
def test_what_is_no_capture(tmp_path: Path, data: bytes, looks: str) -> None:
    path = tmp_path / "capture.har"
    path.write_bytes(data)
    kind, told = kind_of(path)
    assert kind == "other"
    assert looks in told
    with pytest.raises(InputError) as refused:
        open_source(path, "capture.har", Options())
    assert looks in str(refused.value)
    assert str(refused.value).endswith(".")


def test_of_a_large_file_only_what_is_asked_for_is_read(tmp_path: Path) -> None:
    path = tmp_path / "flows.mitm"
    with path.open("wb") as file:
        file.seek(40 << 30)
        file.write(b"5:hello,}")
    layer = layer_bytes(path, "mitmproxy", Origin("flows.mitm", (0,), "file", 40 << 30, 8), Options())
    assert len(layer) == (40 << 30) + 9
    assert layer[40 << 30 : (40 << 30) + 8] == b"5:hello,"
    assert layer[40 << 30 :] == b"5:hello,}"
    with pytest.raises(InputError, match="cannot be read"):
        layer_bytes(tmp_path / "none", "mitmproxy", Origin("none", (0,), "file", 0, 1), Options())


def test_a_missing_file_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        kind_of(tmp_path / "none")
    with pytest.raises(InputError, match="cannot be read"):
        kind_of(tmp_path)


@needs_real
@pytest.mark.parametrize("folder", ["mitmproxy", "ndpi", "pcapdroid"])
def test_the_captures_of_others(folder: str) -> None:
    expected = {".har": "har", ".mitm": "mitmproxy", ".pcap": "pcap"}
    for path in sorted((REAL / folder).iterdir()):
        kind = kind_of(path)[0]
        if path.name == "brokenfile.har":
            assert kind == "other"
        elif path.suffix == ".pcapng":
            assert kind in ("pcap", "pcapng")
        else:
            assert kind == expected[path.suffix], path.name
