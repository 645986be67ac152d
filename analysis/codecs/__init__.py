"""Encodings and digests, both ways: ``decode`` undoes them, ``needles`` makes what detection searches for
with them.

``table`` lists every codec once. ``content`` undoes HTTP's content codings and ``text`` the ways to write
text as other text, ``forms`` knows how software writes a value before it is encoded, ``coordinates``
compares places as numbers.
"""

from analysis.codecs.base import MOST_OCTETS, Decoded, most_octets
from analysis.codecs.coordinates import CoordinateMatch, coordinate_matches, coordinate_pair
from analysis.codecs.forms import canonical, forms, is_weak
from analysis.codecs.needles import Needle, encodings_of, needles
from analysis.codecs.replay import replay
from analysis.codecs.table import CHARSETS, CODECS, COMBINATIONS, DIGESTS, Codec, content_codings, decode, encode

__all__ = [
    "CHARSETS",
    "CODECS",
    "COMBINATIONS",
    "DIGESTS",
    "MOST_OCTETS",
    "Codec",
    "CoordinateMatch",
    "Decoded",
    "Needle",
    "canonical",
    "content_codings",
    "coordinate_matches",
    "coordinate_pair",
    "decode",
    "encode",
    "encodings_of",
    "forms",
    "is_weak",
    "most_octets",
    "needles",
    "replay",
]  # fmt: skip
