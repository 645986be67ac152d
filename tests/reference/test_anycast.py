"""Kinds of networks that use anycast: every record can fit, and none depends on a country."""

from __future__ import annotations

import ipaddress

import pytest

from analysis.reference import Reference
from analysis.reference.anycast import AnycastKinds

REFERENCE = Reference.load()
RECORDS = REFERENCE._file("anycast").anycast


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: r.id)
def test_a_record_fits_by_each_of_its_lists(record) -> None:  # type: ignore[no-untyped-def]
    alone = AnycastKinds([record])
    nowhere = "192.0.2.1"
    assert alone.of(nowhere, None, (), None) is None
    for text in record.networks:
        network = ipaddress.ip_network(text)
        assert alone.of(str(network[1]), None, (), None) is record
        assert alone.of(str(network.network_address - 1), None, (), None) is None or len(record.networks) > 1
    for number in record.asns:
        assert alone.of(nowhere, int(number.removeprefix("AS")), (), None) is record
    for port in record.ports:
        assert alone.of(nowhere, None, (port,), None) is record
    for host in record.hosts:
        assert alone.of(nowhere, None, (), f"A.{host}.".upper()) is record
        assert alone.of(nowhere, None, (), f"not-{host}") is None
    assert record.source


def test_an_ipv4_address_in_an_ipv6_one_is_that_address() -> None:
    kinds = REFERENCE.anycast_kinds
    assert kinds.of("::ffff:8.8.8.8", None, (), None) == kinds.of("8.8.8.8", None, (), None) is not None
    assert kinds.of("no address", None, (), None) is None
