"""TLS handshakes made by a real TLS library, in memory."""

from __future__ import annotations

import datetime
import ssl
import tempfile
from functools import lru_cache
from pathlib import Path


def client_hello(name: str, alpn: tuple[str, ...] = ("h2", "http/1.1")) -> bytes:
    """The first octets of a client."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(list(alpn))
    inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        context.wrap_bio(inward, outward, server_hostname=name).do_handshake()
    except ssl.SSLWantReadError:
        return outward.read()
    raise AssertionError


@lru_cache(maxsize=1)
def certificate() -> tuple[bytes, bytes]:
    """A certificate and its key, in PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server.example")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(datetime.datetime(2090, 1, 1, tzinfo=datetime.UTC))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("sg1.node.example")]), False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    return made.public_bytes(pem), key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def shake(version: ssl.TLSVersion, trusted: bool, data: bytes = b"") -> list[tuple[int, bytes]]:
    """What the two ends say in turn, each with who says it (0 the phone), until the handshake is over or refused."""
    pem, key = certificate()
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        both = Path(folder) / "both.pem"
        both.write_bytes(pem + key)
        server_side.load_cert_chain(both)
    phone_side = ssl.create_default_context()
    phone_side.check_hostname = False
    if trusted:
        phone_side.verify_mode = ssl.CERT_NONE
    for context in (server_side, phone_side):
        context.minimum_version = context.maximum_version = version
    bios = [ssl.MemoryBIO() for _ in range(4)]
    phone = phone_side.wrap_bio(bios[0], bios[1], server_hostname="server.example")
    server = server_side.wrap_bio(bios[2], bios[3], server_side=True)
    said: list[tuple[int, bytes]] = []
    wrote = False
    for _ in range(12):
        for who, end, out, inward in ((0, phone, bios[1], bios[2]), (1, server, bios[3], bios[0])):
            try:
                end.do_handshake()
                if who == 0 and data and not wrote:
                    end.write(data)
                    wrote = True
            except ssl.SSLError:
                pass
            octets = out.read()
            if octets:
                said.append((who, octets))
                inward.write(octets)
    return said
