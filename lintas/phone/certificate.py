"""The proxy's certificate on the phone: into the system's store where there is root, else handed to the user.

Android names a certificate of its store by OpenSSL's old hash of the subject (``subject_hash_old``: the first four
octets of MD5 over the DER of the subject, little-endian). The store cannot be written; as the documentation of
mitmproxy and HTTP Toolkit describe it, a file system in memory is laid over ``/system/etc/security/cacerts`` with all
certificates that were there and the new one. From Android 14 apps read the store of the module Conscrypt instead, and
each process sees mounts of its own: so it is laid over that too, for the processes from which apps are made (zygote)
and for those that run. It lasts until the phone starts again.

Nothing is said to be installed that was not seen in the store afterwards.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from analysis.model import InputError
from lintas.phone.adb import Phone
from lintas.phone.memory import Memory, key_of
from lintas.phone.server import PhoneError

SYSTEM = "/system/etc/security/cacerts"
CONSCRYPT = "/apex/com.android.conscrypt/cacerts"
USER = "/data/misc/user/0/cacerts-added"
_STAGE = "/data/local/tmp/lintas-cacerts"
_HANDED = "/sdcard/Download"


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate authority. ``name``: as Android's store calls it; ``pem``: the certificate and nothing else."""

    name: str
    subject: str
    sha256: str
    pem: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it. ``store``: where it was seen; None where it was handed to the user, who has to install it."""

    store: Literal["system"] | None
    text: str


def load(path: Path) -> Certificate:
    """The certificate authority of a file in PEM or DER. A private key in it is passed over and goes nowhere.

    Raises InputError where the file holds none."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"The certificate {path} cannot be read ({error.strerror}).") from error
    try:
        found = re.search(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", raw, re.DOTALL)
        made = x509.load_pem_x509_certificate(found[0]) if found else x509.load_der_x509_certificate(raw)
        constraints = [e.value for e in made.extensions if isinstance(e.value, x509.BasicConstraints)]
        der, pem = made.public_bytes(Encoding.DER), made.public_bytes(Encoding.PEM)
        name, subject = made.subject.public_bytes(), made.subject.rfc4514_string()
    except ValueError as error:
        raise InputError(f"{path} holds no certificate; mitmproxy's is mitmproxy-ca-cert.pem.") from error
    if not any(c.ca for c in constraints):
        raise InputError(f"The certificate {path} is no certificate authority: no phone would trust what it signs.")
    old = int.from_bytes(hashlib.md5(name, usedforsecurity=False).digest()[:4], "little")
    return Certificate(f"{old:08x}.0", subject, hashlib.sha256(der).hexdigest(), pem)


def install(phone: Phone, path: Path) -> Outcome:
    """Put a certificate authority into the phone's system store where there is root, else hand it to the user.

    Raises InputError where the file holds none, PhoneError where the phone would not have it."""
    certificate = load(path)
    if phone.root is None and phone.said("getprop ro.build.type") in ("userdebug", "eng"):
        phone.restart_as_root()
    if phone.root is None:
        return _hand_over(phone, certificate)
    return _into_system(phone, certificate)


def in_system(phone: Phone, certificate: Certificate) -> bool:
    """Whether the store that apps read holds this certificate, seen as the processes see it that apps are made from.

    Without root the system's store can be read all the same; what single processes see cannot."""
    look = f"if [ -d {CONSCRYPT} ]; then cat {CONSCRYPT}/{certificate.name}; else cat {SYSTEM}/{certificate.name}; fi"
    if phone.root is not None:
        answer = phone.as_root(
            f"{_ENTER}\nfor z in $(pidof zygote zygote64); do enter $z {shlex.quote(look)} || exit 1; done"
        )
    else:
        answer = phone.run(look)
    held = re.findall(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", answer.out, re.DOTALL)
    wanted = _bare(certificate.pem.decode())
    return answer.ok and bool(held) and all(_bare(one) == wanted for one in held)


def by_user(phone: Phone, certificate: Certificate) -> bool | None:
    """Whether the user's store holds it; None where that cannot be seen (without root)."""
    if phone.root is None:
        return None
    return phone.as_root(f"ls {USER}/{certificate.name}").ok


def _into_system(phone: Phone, certificate: Certificate) -> Outcome:
    if not in_system(phone, certificate):
        staged = f"/data/local/tmp/{certificate.name}"
        phone.push(certificate.pem, staged)
        memory = Memory(key_of(phone))
        memory.write(certificate={"name": certificate.name, "store": "system"})
        # A root of one's own may have mounts of its own: in those of the first process all see it.
        script = shlex.quote(_script(staged, certificate.name))
        answer = phone.as_root(f"{_ENTER}\nenter 1 {script}", 60.0)
        phone.run(["rm", "-f", staged])
        if not answer.ok or not in_system(phone, certificate):
            why = " ".join((answer.err or answer.out).split())[-160:] or "it does not stand in the store"
            raise PhoneError(
                f"The certificate could not be put into the phone's system store ({why}); start the phone again, "
                "which undoes what was begun, and install it by hand."
            )
    return Outcome(
        "system",
        "The certificate stands in the phone's system store, until the phone starts again. Apps that pin a certificate "
        "of their own refuse it all the same.",
    )


_ENTER = """
enter() {
    if command -v nsenter >/dev/null; then nsenter --mount=/proc/$1/ns/mnt -- sh -c "$2"; else sh -c "$2"; fi
}"""
"""Runs a text in the mounts of a process. Before Android 8 there is no program for it, and all share one view."""


def _script(staged: str, name: str) -> str:
    """As root, in one piece: all that can fail comes before the store is covered, and if the copy fails it is
    uncovered. Labels are those of the store as it was."""
    return f"""
set -e
from={SYSTEM}
if [ -d {CONSCRYPT} ]; then from={CONSCRYPT}; fi
rm -rf {_STAGE}
mkdir -p {_STAGE}
chmod 700 {_STAGE}
cp "$from"/* {_STAGE}/
cp {staged} {_STAGE}/{name}
label=u:object_r:system_file:s0
for word in $(ls -Zd "$from"); do case "$word" in u:object_r:*) label="$word" ;; esac; done
mount -t tmpfs tmpfs {SYSTEM}
trap 'umount {SYSTEM}' EXIT
cp {_STAGE}/* {SYSTEM}/
chown root:root {SYSTEM} {SYSTEM}/*
chmod 755 {SYSTEM}
chmod 644 {SYSTEM}/*
chcon "$label" {SYSTEM} {SYSTEM}/*
trap - EXIT
rm -rf {_STAGE}
if [ -d {CONSCRYPT} ]; then
    zygotes=$(pidof zygote zygote64)
    for z in $zygotes; do nsenter --mount=/proc/$z/ns/mnt -- mount --bind {SYSTEM} {CONSCRYPT}; done
    ps -A -o PID,PPID | while read -r pid parent; do
        for z in $zygotes; do
            if [ "$parent" = "$z" ]; then
                nsenter --mount=/proc/$pid/ns/mnt -- mount --bind {SYSTEM} {CONSCRYPT} || true
            fi
        done
    done
fi
"""


def _hand_over(phone: Phone, certificate: Certificate) -> Outcome:
    place = f"{_HANDED}/lintas-{certificate.name.removesuffix('.0')}.crt"
    memory = Memory(key_of(phone))
    memory.change("files", add=place)
    memory.write(certificate={"name": certificate.name, "store": "user"})
    phone.push(certificate.pem, place)
    phone.run(["am", "start", "-a", "android.settings.SECURITY_SETTINGS"])
    name = place.rpartition("/")[2]
    return Outcome(
        None,
        f"The certificate lies in the phone's folder Download as {name}, and is not installed yet: only the phone's "
        "user can do that. On the settings screen that has opened on the phone, choose Encryption and credentials "
        "(on newer ones under More security settings), Install a certificate, CA certificate, Install anyway, and that "
        "file. Apps made for Android 7 and later trust it only if they say so.",
    )


def _bare(pem: str) -> str:
    return "".join(pem.split())
