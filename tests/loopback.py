"""Addresses and ports of loopback that this process of tests has for itself, so that tests may run beside each other.

On Linux all of 127.0.0.0/8 is loopback. Each process takes 256 addresses of it (:data:`NET`), and holds them by a name
that the kernel gives once in a network namespace and takes back when the process ends, however it ends."""

from __future__ import annotations

import itertools
import random
import socket
import sys

_held: list[socket.socket] = []


def _net() -> str:
    """The first three octets of addresses that no other process of tests has."""
    if not sys.platform.startswith("linux"):
        return "127.0.0"
    for number in range(64 * 256):
        holder = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            holder.bind(f"\0lintas-tests-{number}")
        except OSError:
            holder.close()
            continue
        _held.append(holder)
        return f"127.{64 + number // 256}.{number % 256}"
    raise OSError("every address of loopback is taken")


NET = _net()
"""The first three octets of every address that tests listen at."""

# Below those that Linux gives to whoever names none (ip(7), ip_local_port_range): what listens at a port of its own
# choice is never in the way. Not always the same first one: a connection that ended may still hold a port for a minute.
_ports = itertools.cycle(random.sample(range(10_000, 32_000), 22_000))


def port(address: str = f"{NET}.1") -> int:
    """A port of that address at which nothing listens, and that is given once. Where a program can be told 0 and says
    what port it got, tell it that instead."""
    for number in _ports:
        with socket.socket() as stream, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            try:
                stream.bind((address, number))
                datagrams.bind((address, number))
            except OSError:
                continue
        return number
    raise AssertionError("the numbers never end")
