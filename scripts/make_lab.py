"""Make captures/lab and captures/packets: one session of real clients through a real mitmproxy, on loopback.

Needs curl, tcpdump and the tests' libraries. Run from the root: ``PYTHONPATH=. .venv/bin/python scripts/make_lab.py``.
Unlike the other sample it is recorded, so each run gives other bytes."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path

from tests.lab.record import person, record

ROOT = Path(__file__).resolve().parent.parent


def manifest(name: str, made: str, files: list[tuple[Path, str]], opened: str) -> str:
    listed = "".join(
        f"  - {{name: {p.name}, sha256: {hashlib.sha256(p.read_bytes()).hexdigest()}, leg: {leg}}}\n"
        for p, leg in files
    )
    return f"""format: 1
name: {name}
sample: true
made: >-
  {made}
app: {{id: org.example.lab, name: {name}, platform: android}}
user_country: ID
timezone: Asia/Jakarta
opened_by: {opened}
persona: ../personas/jakarta-buyer.yaml
salt: {hashlib.sha256(name.encode()).hexdigest()}
files:
{listed}"""


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        record(Path(place), person())
        lab, packets = ROOT / "captures" / "lab", ROOT / "captures" / "packets"
        for folder in (lab, packets):
            folder.mkdir(parents=True, exist_ok=True)
        for name in ("flows.mitm", "packets.pcap"):
            shutil.copy(Path(place) / name, lab / name)
        shutil.copy(Path(place) / "packets.pcap", packets / "packets.pcap")
    session = "curl and curl_cffi through mitmproxy to servers on loopback, with invented names and an invented person."
    made = f"This is a sample. It was recorded by scripts/make_lab.py: {session}"
    files = [(lab / "flows.mitm", "phone"), (lab / "packets.pcap", "wire")]
    (lab / "capture.yaml").write_text(manifest("Lab", made, files, "user_certificate"), encoding="utf-8")
    made += " Only its packets are here: what was encrypted stays closed."
    (packets / "capture.yaml").write_text(
        manifest("Packets", made, [(packets / "packets.pcap", "wire")], "none"), encoding="utf-8"
    )


if __name__ == "__main__":
    main()
