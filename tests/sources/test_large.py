"""Memory does not grow with the capture."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sources.made import dump, entry

_PEAK = """
import resource, sys
from pathlib import Path
from analysis.sources import Options
from analysis.sources.identify import open_source
count = 0
for batch in open_source(Path(sys.argv[1]), 'a', Options())[1]:
    count += len(batch.exchanges)
print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def peak(path: Path) -> tuple[int, int]:
    """Exchanges read, and the most octets that the process held."""
    done = subprocess.run([sys.executable, "-c", _PEAK, str(path)], check=True, capture_output=True, text=True)
    count, octets = done.stdout.split()
    return int(count), int(octets)


@pytest.mark.slow
def test_a_har_of_many_entries(tmp_path: Path) -> None:
    one = json.dumps(
        entry(request={"postData": {"text": "x" * 1500}}, serverIPAddress="203.0.113.7", connection="9")
    ).encode()
    small, large = tmp_path / "small.har", tmp_path / "large.har"
    for path, count in ((small, 2_000), (large, 120_000)):
        path.write_bytes(b'{"log":{"entries":[' + b",".join([one] * count) + b"]}}")
    (few, little), (many, much) = peak(small), peak(large)
    assert (few, many) == (2_000, 120_000)
    assert large.stat().st_size > 200_000_000
    assert much - little < 30_000_000


@pytest.mark.slow
def test_a_dump_of_many_flows(tmp_path: Path) -> None:
    from mitmproxy.test import tflow

    def flows(count: int) -> bytes:
        made = tflow.tflow(resp=True)
        made.response.content = b"y" * 20_000
        state = made.get_state()
        return dump(*(state | {"id": f"{n:036d}"} for n in range(count)))

    small, large = tmp_path / "small.mitm", tmp_path / "large.mitm"
    small.write_bytes(flows(300))
    large.write_bytes(flows(9_000))
    (few, little), (many, much) = peak(small), peak(large)
    assert (few, many) == (300, 9_000)
    assert large.stat().st_size > 180_000_000
    assert much - little < 40_000_000


@pytest.mark.slow
def test_what_is_read_over_takes_no_memory(tmp_path: Path) -> None:
    """A line or a row of brackets as long as the file: its length is counted, and it is not held."""
    small, large = tmp_path / "small", tmp_path / "large"
    line = b'{"flow":"f","direction":"sent","index":0,"kind":"tcp","size":5,"data":"aGVsbG8="}\n'
    rows = b"IPProto,SrcIP,SrcPort,DstIp,DstPort,UID,App,PackageName,Proto,Status,Info,BytesSent,BytesRcvd\n"
    row = b"6,10.0.0.2,1,1.2.3.4,443,1,a,b,TLS,Closed,x,1,1\n"
    event = b'{"type":"mark","at":1780000000000000,"note":"","prev":"' + b"0" * 64 + b'"}\n'
    one = json.dumps(entry()).encode()
    for first, last in (
        (line + b'{"flow":"f","data":"', b'"}\n'),
        (rows + row, b"\n"),
        (event + b'{"type":"mark","note":"', b'"}\n'),
        (b'{"log":{"version":"1.2","x":' + b"[" * 10, b"]" * 10 + b',"entries":[' + one + b"]}}"),
    ):
        filler = b"[" if first.startswith(b'{"log"') else b"x,"
        for path, count in ((small, 1 << 16), (large, 120 << 20)):
            closing = b"]" * count if filler == b"[" else b""
            path.write_bytes(first + filler * (count // len(filler)) + closing + last)
        little, much = peak(small)[1], peak(large)[1]
        # A line of a journal is held as far as a body may be.
        room = 320_000_000 if first.startswith(line) else 30_000_000
        assert much - little < room, first[:20]
