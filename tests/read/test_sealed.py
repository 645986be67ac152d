"""Ciphertext inside what was opened: told in each wrapper, and never where something stands that is none."""

from __future__ import annotations

import base64
import bz2
import gzip
import hashlib
import json
import lzma
import random
import struct
import uuid
import zlib
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import brotli  # type: ignore[import-untyped]
import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st

from analysis.model import Message
from analysis.read.decode.ciphertext import LEAST, is_chance, is_ciphertext
from analysis.read.decode.walk import Forest, Limits, Walk, Walked
from tests.read.messages import FORM, JSON, message

OCTETS = (("Content-Type", "application/octet-stream"),)
PLAIN = (("Content-Type", "text/plain"),)


def walk(one: Message) -> Walked:
    return Walk(one, Forest(), Limits()).run()


def chance(seed: int, length: int) -> bytes:
    return random.Random(seed).randbytes(length)


def wrapped(raw: bytes, width: int = 76) -> bytes:
    text = base64.b64encode(raw)
    return b"\r\n".join(text[n : n + width] for n in range(0, len(text), width))


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def jwe(raw: bytes) -> str:
    header = url(json.dumps({"alg": "RSA-OAEP-256", "enc": "A256GCM"}).encode())
    return ".".join((header, url(raw[:32]), url(raw[:12]), url(raw), url(raw[:16])))


MULTIPART = (("Content-Type", "multipart/form-data; boundary=ux"),)
PART = b'--ux\r\nContent-Disposition: form-data; name="d"%s\r\n\r\n%s\r\n--ux--\r\n'
WRAPPERS: dict[str, Callable[[bytes], Message]] = {
    "raw": lambda r: message(r, OCTETS),
    "raw, called protobuf": lambda r: message(r, (("Content-Type", "application/x-protobuf"),)),
    "raw, over TCP": lambda r: message(r, kind="tcp"),
    "packed": lambda r: message(gzip.compress(r), (*OCTETS, ("Content-Encoding", "gzip"))),
    "JSON": lambda r: message(json.dumps({"v": 3, "message": b64(r)}).encode(), JSON),
    "JSON, slashes escaped": lambda r: message(json.dumps({"m": b64(r)}).replace("/", "\\/").encode(), JSON),
    "JSON, a string alone": lambda r: message(json.dumps(url(r)).encode(), JSON),
    "JSON within JSON": lambda r: message(json.dumps({"a": json.dumps({"b": b64(r)})}).encode(), JSON),
    "JSON, hex": lambda r: message(json.dumps({"enc": r.hex()}).encode(), JSON),
    "JSON, upper hex": lambda r: message(json.dumps([{"enc": r.hex().upper()}]).encode(), JSON),
    "JSON, base32": lambda r: message(json.dumps({"x": base64.b32encode(r).decode().rstrip("=")}).encode(), JSON),
    "JSON, iv and data": lambda r: message(json.dumps({"p": r[:16].hex() + ":" + b64(r)}).encode(), JSON),
    "form": lambda r: message(f"t=1&p={quote_plus(b64(r))}".encode(), FORM),
    "form, not encoded": lambda r: message(b"t=1&p=" + base64.b64encode(r), FORM),
    "form, url-safe": lambda r: message(f"p={url(r)}".encode(), FORM),
    "text": lambda r: message(base64.b64encode(r), PLAIN),
    "text, no padding": lambda r: message(base64.b64encode(r).rstrip(b"="), PLAIN),
    "text, url-safe and padded": lambda r: message(base64.urlsafe_b64encode(r), PLAIN),
    "text, in lines": lambda r: message(wrapped(r), PLAIN),
    "text, hex": lambda r: message(r.hex().encode(), PLAIN),
    "text, plus as space": lambda r: message(base64.b64encode(r).replace(b"+", b" "), PLAIN),
    "part, raw": lambda r: message(PART % (b'; filename="e"\r\nContent-Type: application/octet-stream', r), MULTIPART),
    "part, text": lambda r: message(PART % (b"", base64.b64encode(r)), MULTIPART),
    "JWE": lambda r: message(json.dumps({"j": jwe(r)}).encode(), JSON),
    "PGP": lambda r: message(b"-----BEGIN PGP MESSAGE-----\n\n" + wrapped(r) + b"\n-----END PGP MESSAGE-----", PLAIN),
    "frame": lambda r: message(r, kind="websocket"),
    "answer": lambda r: message(json.dumps({"d": b64(r)}).encode(), JSON, kind="response"),
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("length", [200, 256, 700, 1536, 9_000])
def test_ciphertext_is_sealed_in_each_wrapper(wrapper: str, length: int) -> None:
    one = WRAPPERS[wrapper](chance(length, length))
    walked = walk(one)
    assert walked.state == "sealed", walked
    assert not walked.decoded
    assert one.size // 4 < walked.not_understood <= one.size
    assert [kind for kind, _, _ in walked.losses] == ["body_undecoded"]


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(sorted(set(WRAPPERS) - {"part, raw", "part, text"})), st.integers(128, 3_000), st.integers(0))
def test_any_ciphertext_is_sealed(wrapper: str, length: int, seed: int) -> None:
    walked = walk(WRAPPERS[wrapper](chance(seed, length)))
    assert walked.state == "sealed"


def test_the_octets_are_those_of_the_ciphertext_as_written() -> None:
    raw = chance(1, 1_500)
    one = message(json.dumps({"cypher": 3, "message": b64(raw), "ts": 1741064767}).encode(), JSON)
    assert walk(one).not_understood == len(b64(raw))
    assert walk(message(raw, OCTETS)).not_understood == len(raw)


@pytest.mark.parametrize("place", ["query", "path"])
def test_ciphertext_in_the_target_of_a_request_without_a_body(place: str) -> None:
    text = quote(b64(chance(3, 600)), safe="")
    target = f"/v1/e?d={text}" if place == "query" else f"/e/{text}/x"
    walked = walk(message(b"", method="GET", target=target))
    assert walked.state == "sealed"
    assert not walked.decoded


def test_a_small_part_that_is_ciphertext_leaves_the_rest_read_and_is_counted() -> None:
    words = {f"name{n}": f"a plain value of some length, number {n}" for n in range(100)}
    raw = chance(4, 300)
    body = json.dumps(words | {"extra": b64(raw)}).encode()
    walked = walk(message(body, JSON))
    assert walked.state == "not_understood"
    assert walked.cause == "ciphertext_in_part"
    assert walked.not_understood == len(b64(raw))


def test_what_the_sender_calls_a_picture_or_packs_unknowably_is_not_called_sealed() -> None:
    raw = chance(5, 2_000)
    assert walk(message(raw, (("Content-Type", "image/jpeg"),))).state == "not_understood"
    assert walk(message(raw, (*OCTETS, ("Content-Encoding", "gzip")))).state == "not_understood"
    assert walk(message(raw, (*OCTETS, ("Content-Encoding", "rc4")))).state == "sealed"  # which is a cipher
    rtp = b"\x80\x60" + chance(6, 300)
    assert walk(message(rtp, kind="udp")).state == "not_understood"


def deflated(data: bytes) -> bytes:
    z = zlib.compressobj(9, zlib.DEFLATED, -15)
    return z.compress(data) + z.flush()


def records(seed: int, count: int) -> bytes:
    rng = random.Random(seed)
    return json.dumps(
        [{"id": rng.randrange(10**6), "u": str(uuid.UUID(int=rng.getrandbits(128))), "t": rng.random()}] * 2
        + [{"event": rng.choice(["view", "tap", "scroll"]), "v": rng.random(), "s": "x" * 9} for _ in range(count)]
    ).encode()


def protobuf(seed: int, count: int) -> bytes:
    rng = random.Random(seed)
    return b"".join(
        b"\x0a\x24" + str(uuid.UUID(int=rng.getrandbits(128))).encode() + b"\x10" + bytes([rng.randrange(128)])
        for _ in range(count)
    )


def identifiers(seed: int, count: int) -> bytes:
    return b"".join(b"\x0a\x10" + chance(seed + n, 16) for n in range(count))


PACKED = {
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "deflate": deflated,
    "brotli": brotli.compress,
    "zstd": zstandard.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}
PICTURE = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + zlib.compress(chance(7, 4_000))
DER = b"\x30\x82\x01\x22\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00\x03\x82\x01\x0f" + chance(8, 271)
PEM = b"-----BEGIN PUBLIC KEY-----\n" + wrapped(DER, 64).replace(b"\r", b"") + b"\n-----END PUBLIC KEY-----\n"
JWS = ".".join((url(b'{"alg":"RS256","typ":"JWT"}'), url(b'{"sub":"u-1","iat":1}'), url(chance(9, 256))))
INNOCENT: dict[str, Message] = {
    "hash": message(json.dumps({"sha512": hashlib.sha512(b"a").hexdigest()}).encode(), JSON),
    "hash, alone": message(hashlib.sha512(b"a").hexdigest().encode(), PLAIN),
    "signature": message(json.dumps({"sign": b64(chance(10, 256)), "ts": 1}).encode(), JSON),
    "signature of RSA 4096": message(json.dumps({"x_signature": b64(chance(11, 512)), "ts": 1}).encode(), JSON),
    "JWT": message(json.dumps({"jwt": JWS}).encode(), JSON),
    "JWT under any name": message(json.dumps({"p": JWS}).encode(), JSON),
    "push token": message(json.dumps({"token": "dQ9x:APA91b" + url(chance(12, 101))}).encode(), JSON),
    "refresh token": message(f"grant=x&refresh_token={url(chance(13, 900))}".encode(), FORM),
    "cookie and header": message(
        b'{"a":1}', (*JSON, ("Cookie", f"s={url(chance(14, 400))}"), ("X-Sig", b64(chance(15, 300))))
    ),
    "id in an ad's address": message(b"", target=f"/ad?e={url(chance(16, 120))}&w=320&h=50", method="GET"),
    "ids": message(json.dumps([str(uuid.UUID(int=n**9)) for n in range(50)]).encode(), JSON),
    "PEM": message(PEM, PLAIN),
    "PEM in JSON": message(json.dumps({"k": PEM.decode()}).encode(), JSON),
    "DER in JSON": message(json.dumps({"k": b64(DER)}).encode(), JSON),
    "picture": message(PICTURE, OCTETS),
    "picture in JSON": message(json.dumps({"p": b64(PICTURE)}).encode(), JSON),
    "archive": message(b"PK\x03\x04\x14\0\0\0\x08\0" + deflated(records(1, 300)), OCTETS),
    "prose": message(b"the quick brown fox jumps over the lazy dog and runs away " * 9, PLAIN),
    "long word": message(b"a" * 400, PLAIN),
    "path": message(json.dumps({"f": "/".join(["comExampleAppPackageName12"] * 20)}).encode(), JSON),
    "floats": message(struct.pack("<300f", *[n / 7 for n in range(300)]), OCTETS),
    "identifiers in a row": message(identifiers(1, 6), OCTETS),
    "many identifiers in a row": message(identifiers(1, 200), OCTETS),
    **{f"{name} in {n}": message(pack(records(n, n)), OCTETS) for name, pack in PACKED.items() for n in (1, 30, 900)},
    **{
        f"{name} in JSON": message(json.dumps({"d": b64(pack(records(40, 40)))}).encode(), JSON)
        for name, pack in PACKED.items()
    },
}


@pytest.mark.parametrize("name", INNOCENT)
def test_what_is_no_ciphertext_is_not_called_sealed(name: str) -> None:
    assert walk(INNOCENT[name]).state != "sealed"


@pytest.mark.parametrize("name", [n for n in INNOCENT if n.split()[0] in ("hash", "signature", "JWT", "cookie", "ids")])
def test_tokens_are_leaves_and_understood(name: str) -> None:
    assert walk(INNOCENT[name]).state == "understood"


@settings(deadline=None)
@given(st.integers(0, 1 << 30), st.integers(2, 400))
@example(0, 2)
def test_protobuf_and_records_are_never_chance(seed: int, count: int) -> None:
    assert not is_ciphertext(protobuf(seed, count))
    assert not is_ciphertext(records(seed, count))
    assert not is_ciphertext(deflated(records(seed, count)))
    assert not is_ciphertext(brotli.compress(records(seed, count)))


@given(st.text(min_size=LEAST))
def test_text_is_never_sealed(text: str) -> None:
    assert walk(message(text.encode("utf-8", "surrogatepass"), PLAIN)).state != "sealed"


@settings(deadline=None, max_examples=300)
@given(st.integers(0), st.integers(LEAST, 20_000))
def test_chance_is_chance_at_any_length(seed: int, length: int) -> None:
    assert is_chance(chance(seed, length))


def test_octets_of_a_known_wrapper_whose_content_nobody_knows_are_not_understood() -> None:
    """A value that unpacks to octets of no format was opened, and its leaves were not reached."""
    inner = protobuf(3, 30)
    walked = walk(message(json.dumps({"batch": b64(gzip.compress(inner))}).encode(), JSON))
    assert walked.state == "not_understood"
    assert walked.not_understood > 0


def test_of_a_multipart_body_only_the_part_that_nobody_knows_is_not_understood() -> None:
    inner = protobuf(5, 30)
    part = b'--ux\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
    file = b'; filename="e"\r\nContent-Type: application/octet-stream'
    body = part % (b"a", b"", b"word " * 600) + part % (b"b", file, inner) + b"--ux--\r\n"
    walked = walk(message(body, MULTIPART))
    assert (walked.state, walked.not_understood) == ("not_understood", len(inner))
