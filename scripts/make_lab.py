"""Make captures/lab and captures/packets: one session of real clients through a real mitmproxy, on loopback.

Needs Linux, curl, tcpdump, root and the tests' libraries (tests/lab/record.py). Run from the root:
``PYTHONPATH=. .venv/bin/python scripts/make_lab.py``. Unlike the other sample it is recorded, so each run gives other
bytes."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.lab.record import missing, person, record
from tests.lab.sample import SAMPLES, lay

CAPTURES = Path(__file__).resolve().parent.parent / "captures"
NET = "127.77.7"


def main() -> None:
    if lacking := missing():
        sys.exit(lacking)
    with tempfile.TemporaryDirectory() as place:
        recording = record(Path(place), NET, person())
        lay(recording, CAPTURES / "lab", CAPTURES / "packets", SAMPLES)
    requests = sum(1 for line in recording.served if line["method"] != "WEBSOCKET")
    print(f"{requests} requests reached the servers, in {len(recording.phases)} phases")


if __name__ == "__main__":
    main()
