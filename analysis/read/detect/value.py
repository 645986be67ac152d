"""Shapes: what a value shows by itself, where no key says anything. Only shapes that nothing else has; certainty is
low, since a shape does not say whose value it is."""

from __future__ import annotations

import re

from analysis.read.decode.leaves import LITERAL, Layer, Node
from analysis.read.detect import checks
from analysis.read.detect.checks import STRONG
from analysis.read.detect.context import words
from analysis.read.detect.found import Found, value_of
from analysis.read.detect.key import Keys

_EMAIL = re.compile(rb"[A-Za-z0-9!#$%&'*+=?^_`{|}~.\-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.\-]{1,251})[A-Za-z]{2,63}")
_SHORTEST = 6
"""Octets of the shortest shape there is: ``a@bc.de`` without its point."""
_MAC = re.compile(rb"[0-9A-Fa-f]{2}([:-])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}\Z")
_OF_RADIO = frozenset(
    """mac addr address hwaddr bssid wifi wlan ap router gateway bt ble bluetooth beacon peripheral eth network nic
    interface device hardware hw""".split()
)
"""Words of keys under which six pairs of hexadecimal digits are a network's, and no colours or bytes."""
_PHONE = re.compile(rb"\+[1-9][\d \-().]{6,20}\d\Z")
_CARD = re.compile(rb"\d{4}[ -]?\d{4}[ -]?\d{4}[ -]?\d{4}\Z|3\d{3}[ -]?\d{6}[ -]?\d{5}\Z")


def find(layer: Layer, numbers: list[int], keys: Keys, paying: bool, out: list[Found]) -> None:
    """Shapes among the leaves ``numbers``, of which no key said anything and which are no organisation's.
    ``paying``: the request is about a payment, where a number that passes Luhn is a card's."""
    data = layer.data
    numbers = _of_somebody(layer, numbers, keys)
    if data.find(b"@") >= 0:
        _emails(layer, numbers, out)
    match_mac, match_phone, match_card = _MAC.match, _PHONE.match, _CARD.match
    for number in numbers:
        node, _, start, end, form = layer.leaves[number]
        size = end - start
        if not 8 <= size <= 24:
            continue
        first = data[start]
        if first == 0x2B and match_phone(data, start, end) is not None:
            if checks.phone(value_of(layer, layer.leaves[number])) == STRONG:
                out.append(Found(layer, number, start, end, "phone_number", "value", "low"))
        elif size == 17 and form != LITERAL and match_mac(data, start, end) is not None:
            value = value_of(layer, layer.leaves[number])
            means = keys.meaning(node)
            if _OF_RADIO & set(words(node.name)) | means.parent & {"wifi", "device", "machine"} and (
                not checks.is_constant(value) and checks.mac48(value) == STRONG
            ):
                wifi = "wifi" in means.parent
                out.append(Found(layer, number, start, end, "wifi_bssid" if wifi else "mac_address", "value", "low"))
        elif size >= 15 and match_card(data, start, end) is not None:
            value = value_of(layer, layer.leaves[number])
            grouped = not value.isdigit()
            if (grouped or paying or "pay" in keys.meaning(node).parent) and checks.pan_shape(value) == STRONG:
                out.append(Found(layer, number, start, end, "payment_card", "value", "low"))


def find_within(layer: Layer, numbers: list[int], keys: Keys, out: list[Found]) -> None:
    """Mail addresses within leaves that a key named as some text: an address of a page, a message."""
    if layer.data.find(b"@") >= 0:
        _emails(layer, _of_somebody(layer, numbers, keys), out)


def _of_somebody(layer: Layer, numbers: list[int], keys: Keys) -> list[int]:
    """Of the leaves ``numbers`` those that may hold a shape, and a person's: each key is asked once, however many
    leaves it has."""
    leaves = layer.leaves
    known: dict[Node, bool] = {}
    kept = []
    for number in numbers:
        node, _, start, end, _ = leaves[number]
        if end - start < _SHORTEST:
            continue
        may = known.get(node)
        if may is None:
            may = known[node] = keys.may_be_somebodys(node)
        if may:
            kept.append(number)
    return kept


def _emails(layer: Layer, numbers: list[int], out: list[Found]) -> None:
    data = layer.data
    for number in numbers:
        _, _, start, end, form = layer.leaves[number]
        if form == LITERAL or data.find(b"@", start, end) < 0:
            continue
        at = start
        for _ in range(20):
            sign = data.find(b"@", at, end)
            if sign < 0:
                break
            at = sign + 1
            m = _EMAIL.search(data, max(start, sign - 64), min(end, sign + 256))
            if m is None or not m.start() < sign < m.end():
                continue
            text = m.group().decode("ascii")
            # user@host of a URL's authority is an account of a machine, or a key: https://key@host/1
            before = data[max(start, m.start() - 3) : m.start()]
            if before.endswith(b"//") or (before.endswith(b":") and b"//" in data[start : m.start()]):
                continue
            if checks.email(text) != STRONG or checks.of_a_role(text) or checks.is_constant(text):
                continue
            whole = m.start() == start and m.end() == end
            out.append(
                Found(layer, number, m.start(), m.end(), "email", "value", "low", same=text.lower(), whole=whole)
            )
            break
