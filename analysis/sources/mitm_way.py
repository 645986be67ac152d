"""A request's way to the server, as a mitmproxy dump tells it: whether it left, and who gave the answer."""

from __future__ import annotations

from typing import Any

from analysis.sources.delivery import AT_ONCE, Way, is_of_a_script, is_own_server
from analysis.sources.mitm_state import State, broke_off, headers_of, mapping, stated_name, text_of
from analysis.sources.rows import address, micros, peer

_KILLED = "Connection killed."
"""mitmproxy's word for a flow that somebody ended in it, before it was handed on where there is no answer."""
_STANDS = ("timestamp_start", "timestamp_tcp_setup", "timestamp_tls_setup")


def way_of(state: State) -> Way:
    """What the record of an HTTP flow says of its request's way to the server. mitmproxy holds a request that it does
    not stream back until it is whole. An answer for which no connection to a server stood is the proxy's own."""
    request, response = mapping(state.get("request")), mapping(state.get("response"))
    noted = mapping(state.get("metadata"))
    held_back = "lintas_request_size" not in noted or bool(noted.get("lintas_request_held"))
    killed = text_of(mapping(state.get("error")).get("msg")) == _KILLED
    connected = _connected(state, bool(response))
    own_answer = bool(response) and (connected is False or _answered_here(response, state))
    return Way(
        answered=bool(response) and not own_answer,
        own_answer=own_answer,
        stopped=not response and (killed or (held_back and broke_off("request", request, state))),
        connected=connected,
    )


def _connected(state: State, answered: bool) -> bool | None:
    """Whether the proxy's connection to the server stood, and the TLS within. Behind an upstream proxy mitmproxy notes
    only when it began, which it does once that proxy has agreed."""
    client, server = mapping(state.get("client_conn")), mapping(state.get("server_conn"))
    through, secure = bool(server.get("via")), bool(server.get("tls"))
    over_udp = text_of(server.get("transport_protocol")) == "udp"
    last = "timestamp_tls_setup" if secure or over_udp else "timestamp_start" if through else "timestamp_tcp_setup"
    failed = bool(server.get("error"))
    if micros(server.get(last)) is not None and not (failed and last == "timestamp_start"):
        return True
    if not answered or failed:
        return False
    if peer(server.get("peername"))[0] is not None or any(micros(server.get(name)) is not None for name in _STANDS):
        return True
    # What was read from another tool's file has a client of no port, and nothing of any connection.
    return False if peer(client.get("peername"))[1] is not None else None


def _answered_here(response: dict[str, Any], state: State) -> bool:
    """Whether an answer is known to be the proxy's own, although a connection to the server may stand: one that was
    opened before anything was asked, or that an earlier request had.

    mitmproxy's block list and its files in place of a server name themselves, a replay is noted as one, and the
    recorder notes each other. Of what a script answers in a dump of somebody else the record shows no more than that
    it is HTTP/1 where the connection spoke HTTP/2 or 3, or that it came sooner than the server can have answered."""
    noted = mapping(state.get("metadata"))
    if noted.get("blocklisted") is True or noted.get("lintas_answered_here") is True:
        return True
    if text_of(state.get("is_replay")) == "response":
        return True
    fields = {name.lower(): said for name, said in reversed(headers_of(response))}
    if is_own_server(fields.get("server", "")):
        return True
    return _of_a_script(response, state)


def _of_a_script(response: dict[str, Any], state: State) -> bool:
    server = mapping(state.get("server_conn"))
    began, ended = _seconds(response.get("timestamp_start")), _seconds(response.get("timestamp_end"))
    asked = _seconds(mapping(state.get("request")).get("timestamp_end"))
    if began is None or ended is None or asked is None:
        return False
    if not text_of(response.get("http_version")).startswith("HTTP/1"):
        return False
    if ended - began < AT_ONCE:
        # A script put it in place of the server's answer: such a one has both its times at once.
        return False
    if text_of(server.get("alpn")) in ("h2", "h3"):
        return True
    opened, stood, sealed = (
        _seconds(server.get(name)) for name in ("timestamp_start", "timestamp_tcp_setup", "timestamp_tls_setup")
    )
    if opened is None or stood is None or not (sealed or address(stated_name(server))):
        # The time of a connection to a name is also that of asking for its address.
        return False
    shortest = min(stood - opened, stood - opened if sealed is None else sealed - stood)
    return asked >= 0 and is_of_a_script(headers_of(response), began - asked, ended - began, shortest)


def _seconds(value: object) -> float | None:
    return float(value) if micros(value) is not None and isinstance(value, (int, float)) else None
