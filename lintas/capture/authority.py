"""The certificate authority of one capture: made for it, kept in its folder, and named so that a phone's owner finds
it among the others and takes it away again."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from analysis.model import InputError

_KEY, _CERTIFICATE = "mitmproxy-ca.pem", "mitmproxy-ca-cert.pem"
"""The names under which mitmproxy looks for them."""
_VALID = timedelta(days=365)
"""A study lasts months; a certificate that somebody forgot on a phone should not last ten years."""
_BEFORE = timedelta(days=2)
"""It is valid also for a phone whose clock is somewhat behind."""


@dataclass(frozen=True, slots=True)
class Authority:
    """``place``: the certificate without its key (PEM)."""

    place: Path
    certificate: x509.Certificate

    @property
    def name(self) -> str:
        """What a phone's settings show it as."""
        return str(self.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, in pairs as settings show it."""
        return self.certificate.fingerprint(hashes.SHA256()).hex(":").upper()

    @property
    def until(self) -> datetime:
        return self.certificate.not_valid_after_utc

    @property
    def android_name(self) -> str:
        """The file's name in Android's system store: OpenSSL's old hash of the subject (MD5 of its DER, the first
        four octets with the last first)."""
        return hashlib.md5(self.certificate.subject.public_bytes()).digest()[3::-1].hex() + ".0"

    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)


def make(private: Path, capture: str) -> Authority:
    """A new authority in the folder ``private``, named after the capture. Raises OSError."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, _common_name(capture)),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Lintas"),
        ]
    )
    now = datetime.now(UTC).replace(microsecond=0)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BEFORE)
        .not_valid_after(now + _VALID)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.KeyUsage(
                digital_signature=False,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=True,
                crl_sign=True,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    write_private(private / _KEY, secret + pem)
    write_private(private / _CERTIFICATE, pem)
    return Authority(private / _CERTIFICATE, certificate)


def _common_name(capture: str) -> str:
    """RFC 5280, appendix A.1: 64 characters at most, which libraries count as octets. A folder may be named with what
    no phone can show."""
    shown = "".join(c if c.isprintable() else "?" for c in f"Lintas test {capture}")
    return shown.encode()[:64].decode(errors="ignore")


def take(private: Path, earlier: Path) -> Authority:
    """The authority of an earlier capture, whose ``.private`` is ``earlier``, for this one too: the phone has it
    already. Raises InputError as ``read`` does, and OSError."""
    raw, certificate = read(earlier)
    write_private(private / _KEY, raw)
    write_private(private / _CERTIFICATE, certificate.public_bytes(serialization.Encoding.PEM))
    return Authority(private / _CERTIFICATE, certificate)


def read(earlier: Path) -> tuple[bytes, x509.Certificate]:
    """The file of an authority in ``earlier``, and its certificate. Raises InputError when it is not there, cannot be
    read or is no longer valid."""
    try:
        raw = (earlier / _KEY).read_bytes()
        key = serialization.load_pem_private_key(raw, None)
        certificate = x509.load_pem_x509_certificate(raw)
    except OSError as error:
        raise InputError(
            f"The certificate of {earlier.parent} cannot be read ({error.strerror}: {earlier / _KEY}); "
            "name a capture that Lintas made, or leave --same-keys out to make new ones."
        ) from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InputError(
            f"{earlier / _KEY} holds no key and certificate; leave --same-keys out to make new ones."
        ) from error
    if not isinstance(key, rsa.RSAPrivateKey) or certificate.public_key() != key.public_key():
        raise InputError(f"{earlier / _KEY}: key and certificate do not belong together; leave --same-keys out.")
    if certificate.not_valid_after_utc < datetime.now(UTC) + timedelta(days=1):
        raise InputError(
            f"The certificate of {earlier.parent} ended on {certificate.not_valid_after_utc:%Y-%m-%d}; leave "
            "--same-keys out to make a new one, and install that on the phone."
        )
    return raw, certificate


def write_private(place: Path, octets: bytes) -> None:
    """A file that only this user may read. Raises OSError."""
    number = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(number, "wb") as file:
        os.fchmod(number, 0o600)
        file.write(octets)
