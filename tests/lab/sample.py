"""A recording laid out as two capture folders: the proxy's dump with the packets beside it, and packets alone."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import yaml

from tests.lab.record import PERSONA, Recording

_MADE = (
    "Its packets were really sent, by curl and by a client with the fingerprint of Chrome on "
    "Android, through mitmproxy to servers that all stood on one machine (scripts/make_lab.py). The app, the hosts "
    "and the person are invented; every address is of loopback (127.0.0.0/8), so no place can be shown."
)
_ALONE = (
    "The same session as the sample lab, as somebody between the proxy and the servers sees it: what is encrypted "
    "stays closed, names of hosts and what was sent in the clear can be read."
)


def lay(recording: Recording, lab: Path, packets: Path, persona: str) -> None:
    """Write the two capture folders. ``persona`` is written into their manifests as it is."""
    both = [("flows.mitm", "phone"), ("packets.pcap", "wire")]
    _folder(recording, lab, "Lab", _MADE, both, "user_certificate", persona)
    _folder(recording, packets, "Packets", f"{_MADE} {_ALONE}", [("wire.pcap", "wire")], "none", persona)


def _folder(
    recording: Recording, out: Path, name: str, made: str, files: list[tuple[str, str]], opened: str, persona: str
) -> None:
    out.mkdir(parents=True, exist_ok=True)
    listed = []
    for file, leg in files:
        shutil.copyfile(recording.folder / file, out / file)
        listed.append({"name": file, "sha256": hashlib.sha256((out / file).read_bytes()).hexdigest(), "leg": leg})
    manifest = {
        "format": 1,
        "name": name,
        "sample": True,
        "made": made,
        "app": {"id": "com.example.lab", "name": "Lab", "platform": "android"},
        # Behind the proxy the phone's own address is not to be seen.
        **({"device": {"address": recording.phone}} if opened != "none" else {}),
        "user_country": "ID",
        "timezone": "Asia/Jakarta",
        "opened_by": opened,
        "app_only": True,
        "persona": persona,
        "phases": [{"phase": phase, "start": start.isoformat()} for phase, start in recording.phases],
        "tools": {"script": "scripts/make_lab.py", **recording.tools},
        "salt": hashlib.sha256(f"salt of the sample {name}".encode()).hexdigest(),
        "files": listed,
    }
    text = yaml.safe_dump(manifest, sort_keys=False, width=110, allow_unicode=True)
    (out / "capture.yaml").write_text(text, encoding="utf-8")


SAMPLES = f"../personas/{PERSONA.name}"
"""The persona as the samples' manifests name it."""
