"""Real captures, published by others: every packet and octet accounted for, whatever the batches, back to bytes."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from analysis.model import InputError, Message, Origin
from analysis.sources import Options, packets
from tests.packets.reading import CAPTURES, REAL, check, count, read

pytestmark = pytest.mark.skipif(not CAPTURES, reason=f"no captures of real apps at {REAL}")
each_capture = pytest.mark.parametrize("path", CAPTURES, ids=lambda p: p.name)


@each_capture
def test_every_packet_and_octet_is_accounted_for(path: Path) -> None:
    check(read(path), count(path))


@each_capture
def test_batches_of_any_size_give_the_same_rows(path: Path) -> None:
    whole, one, seven = (read(path, batch=size) for size in (1 << 30, 1, 7))
    assert whole == one
    assert whole == seven


@each_capture
def test_origins_lead_back_to_the_octets_of_ten_messages_of_each_kind(path: Path) -> None:
    kinds: defaultdict[str, list[Message]] = defaultdict(list)
    for message in read(path).messages:
        kinds[message.kind].append(message)
    for messages in kinds.values():
        for message in messages[:: max(len(messages) // 10, 1)][:10]:
            origin = Origin.parse(str(message.origin))
            assert packets.layer_bytes(path, origin, Options()) == message.body


@each_capture
def test_origins_lead_back_to_the_heads_of_exchanges(path: Path) -> None:
    reading = read(path)
    for exchange in reading.exchanges[:: max(len(reading.exchanges) // 5, 1)]:
        head = packets.layer_bytes(path, exchange.origin, Options())
        start = head.split(b"\r\n")[0].decode("latin-1")
        assert len(head) == exchange.origin.length
        assert start.startswith(exchange.method or "HTTP/")


def test_an_origin_that_the_file_lacks_is_refused_in_a_sentence() -> None:
    path = next(p for p in CAPTURES if p.name == "websocket.pcap")
    with pytest.raises(InputError, match="no http-request-body in packets 99"):
        packets.layer_bytes(path, Origin(path.name, (99,), "http-request-body", 0, 1), Options())
