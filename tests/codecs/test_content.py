"""HTTP content codings: round trips, early ends, damage, and bombs."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import brotli
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.codecs import CODECS, content_codings, decode, encode

CONTENT = [name for name, codec in CODECS.items() if codec.kind == "content"]
LIMIT = 1 << 20
TEXT = b"".join(b'{"n":%d,"m":"%x"},' % (i, i * 2654435761) for i in range(5000))
RAW_DEFLATE = zlib.compress(TEXT)[2:-4]


def zstd_stream(data: bytes, *, checksum: bool = True, window_log: int = 17) -> bytes:
    """Several blocks, no content size, as a server that streams writes it."""
    parameters = zstandard.ZstdCompressionParameters(write_checksum=checksum, window_log=window_log)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    out = b""
    for i in range(0, len(data), 10_000):
        out += packer.compress(data[i : i + 10_000]) + packer.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    return out + packer.flush()


FORMS = {
    "gzip": gzip.compress(TEXT, mtime=0),
    "deflate": zlib.compress(TEXT),
    "raw deflate": RAW_DEFLATE,
    "br": brotli.compress(TEXT),
    "zstd": zstd_stream(TEXT),
}


def name_of(form: str) -> str:
    return form.rpartition(" ")[2]


@pytest.mark.parametrize("name", CONTENT)
@given(data=st.binary(max_size=2000))
def test_decode_undoes_encode(name: str, data: bytes) -> None:
    found = decode(name, encode(name, data), 4000)
    assert (found.data, found.complete, found.error) == (data, True, None)


@given(
    data=st.binary(max_size=500),
    names=st.lists(st.sampled_from([*CONTENT, "identity", "x-gzip"]), max_size=4),
)
def test_chains_are_undone_from_the_last_to_the_first(data: bytes, names: list[str]) -> None:
    body = data
    for name in names:
        body = body if name == "identity" else encode(name.removeprefix("x-"), body)
    found = decode(", ".join(n.upper() for n in names), body, 4000)
    assert (found.data, found.complete) == (data, True)


def test_the_order_and_names_of_a_header() -> None:
    assert content_codings(" X-GZIP ,br,, identity") == ("br", "gzip")
    assert content_codings("") == ()


@pytest.mark.parametrize("form", FORMS)
def test_all_forms_are_whole(form: str) -> None:
    found = decode(name_of(form), FORMS[form], LIMIT)
    assert (found.data, found.complete) == (TEXT, True)


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_an_early_end_gives_a_prefix_and_says_so(form: str, data: st.DataObject) -> None:
    cut = data.draw(st.integers(1, len(FORMS[form]) - 1))
    found = decode(name_of(form), FORMS[form][:cut], LIMIT)
    assert TEXT.startswith(found.data)
    assert not found.complete
    assert not found.limited
    assert found.error
    if cut > len(FORMS[form]) * 3 // 4:
        assert len(found.data) > len(TEXT) // 3


@pytest.mark.parametrize("form", ["gzip", "deflate", "zstd"])
def test_a_damaged_check_sum_keeps_all_and_says_so(form: str) -> None:
    body = bytearray(FORMS[form])
    body[-5 if form == "gzip" else -1] ^= 0xFF
    found = decode(form, bytes(body), LIMIT)
    assert found.data == TEXT
    assert not found.complete


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damage_keeps_what_stood_before_it(form: str, data: st.DataObject) -> None:
    body = bytearray(FORMS[form])
    at = data.draw(st.integers(len(body) // 2, len(body) - 1))
    body[at] ^= data.draw(st.integers(1, 255))
    found = decode(name_of(form), bytes(body), LIMIT)
    before = decode(name_of(form), FORMS[form][:at], LIMIT).data
    # Brotli hands out what is complete as its buffer fills, so that a few octets on either side may differ.
    assert found.data[: len(before) - 64] == TEXT[: len(before) - 64]


@pytest.mark.parametrize("name", CONTENT)
@given(data=st.binary(min_size=1, max_size=300))
def test_no_input_raises(name: str, data: bytes) -> None:
    found = decode(name, data, 1000)
    assert len(found.data) <= 1000
    assert found.complete is (found.error is None)


@pytest.mark.parametrize("name", CONTENT)
def test_the_limit_is_exact(name: str) -> None:
    body = encode(name, TEXT)
    assert decode(name, body, len(TEXT)).complete
    found = decode(name, body, len(TEXT) - 1)
    assert (found.data, found.complete, found.limited) == (TEXT[:-1], False, True)
    assert "limit" in (found.error or "")
    assert decode(name, body, 0).data == b""


def bomb(name: str) -> bytes:
    zeros, many = bytes(1 << 20), 160
    if name == "br":
        stream = brotli.Compressor(quality=1)
        return b"".join(stream.process(zeros) for _ in range(many)) + stream.finish()
    if name == "zstd":
        size = many << 20
        packer = zstandard.ZstdCompressor(level=1).compressobj(size=size)
        out = b"".join(packer.compress(zeros) for _ in range(many)) + packer.flush()
        assert zstandard.get_frame_parameters(out).content_size == size
        return out
    zipper = zlib.compressobj(wbits=31 if name == "gzip" else 15)
    return b"".join(zipper.compress(zeros) for _ in range(many)) + zipper.flush()


@pytest.mark.parametrize("name", CONTENT)
def test_a_bomb_stops_at_the_limit_and_costs_no_more_memory(name: str) -> None:
    body = bomb(name)
    tracemalloc.start()
    found = decode(name, body, LIMIT)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (len(found.data), found.complete, found.limited) == (LIMIT, False, True)
    assert peak < 6 * LIMIT


def test_a_bomb_within_a_bomb_stops_too() -> None:
    body = encode("gzip", bomb("gzip"))
    found = decode("gzip, gzip", body, LIMIT)
    assert (len(found.data), found.limited) == (LIMIT, True)


def test_several_gzip_members_padding_and_what_follows() -> None:
    two = gzip.compress(b"one ", mtime=0) + gzip.compress(b"two", mtime=0)
    assert decode("gzip", two, 100) == (b"one two", True, None, False)
    assert decode("gzip", two + bytes(20), 100).complete
    found = decode("gzip", two + b"trailing", 100)
    assert (found.data, found.complete) == (b"one two", False)
    assert "8 octets" in (found.error or "")
    cut = decode("gzip", two[:-6], 100)
    assert (cut.data, cut.complete) == (b"one two", False)


def test_very_many_empty_gzip_members_are_a_limit() -> None:
    found = decode("gzip", gzip.compress(b"", mtime=0) * 70_000, 100)
    assert (found.complete, found.limited) == (False, True)


def test_very_many_empty_zstd_blocks_are_a_limit() -> None:
    header = bytes.fromhex("28b52ffd0058")
    assert decode("zstd", header + bytes(3 * 1000) + b"\x01\0\0", 100) == (b"", True, None, False)
    found = decode("zstd", header + bytes(3 * 1_100_000), 100)
    assert (found.complete, found.limited) == (False, True)


def test_zstd_frames_skippable_ones_and_what_follows() -> None:
    skippable = b"\x53\x2a\x4d\x18\x03\0\0\0abc"
    body = encode("zstd", b"one ") + skippable + zstd_stream(b"two", checksum=False)
    assert decode("zstd", body, 100) == (b"one two", True, None, False)
    assert decode("zstd", skippable + body, 100).data == b"one two"
    found = decode("zstd", body + b"tail", 100)
    assert (found.data, found.complete) == (b"one two", False)


def test_zstd_window_is_bounded_by_http_and_by_the_limit() -> None:
    body = zstd_stream(TEXT, window_log=25)
    refused = decode("zstd", body, LIMIT)
    assert (refused.data, refused.complete) == (b"", False)
    assert "window" in (refused.error or "")
    assert decode("zstd", body, 1 << 25).data == TEXT


def test_zstd_with_a_dictionary_is_named() -> None:
    words = zstandard.train_dictionary(2000, [b'{"imei":"%d","model":"X%d"}' % (i, i % 7) for i in range(2000)])
    found = decode("zstd", zstandard.ZstdCompressor(dict_data=words).compress(TEXT), LIMIT)
    assert "dictionary" in (found.error or "")


def test_an_unknown_coding_is_an_error_with_its_name() -> None:
    for name in ("compress", "aws-chunked", "gzip, foo"):
        found = decode(name, b"abc", 100)
        assert (found.data, found.complete) == (b"", False)
        assert name.rpartition(" ")[2] in (found.error or "")
    assert "cannot be undone" in (decode("sha256", b"abc", 100).error or "")


def test_too_many_codings_are_a_limit() -> None:
    assert decode(", ".join(["gzip"] * 9), b"x", 100).limited


@pytest.mark.parametrize("name", CONTENT)
def test_an_empty_body_is_empty_under_any_coding(name: str) -> None:
    assert decode(name, b"", 100) == (b"", True, None, False)


@pytest.mark.parametrize("name", CONTENT)
def test_a_plain_body_under_a_false_name_gives_nothing_and_says_so(name: str) -> None:
    found = decode(name, b'{"plain": "json"}', 100)
    assert not found.complete
    assert found.error


def test_a_result_never_shows_what_it_holds() -> None:
    assert "secret" not in repr(decode("hex", b"secret".hex().encode(), 100))
