"""Clients that are libraries, run on the lab's phone: curl_cffi (libcurl with BoringSSL and the fingerprint of Chrome
on Android), aioquic, websockets, grpcio.

Run as a program: ``python -m tests.lab.handset``, with a JSON object on standard input: ``ca`` (a file), ``proxy`` (a
URL or null), and ``steps``, each a client's name below with its words. It answers with a list of JSON objects, one a
step: ``ok``, ``error`` where it failed, and what was received (bytes and SHA-256 of each body or message)."""

from __future__ import annotations

import asyncio
import hashlib
import json
import ssl
import sys
from typing import Any
from urllib.parse import urlsplit

PATIENCE = 8
"""Seconds for one exchange."""
QUIC_PATIENCE = 3
"""Seconds in which a server of QUIC must say something: aioquic does not hear that it was refused."""


def measured(octets: bytes) -> list[Any]:
    return [len(octets), hashlib.sha256(octets).hexdigest()]


class Phone:
    def __init__(self, ca: str, proxy: str | None) -> None:
        self._ca, self._proxy = ca, proxy
        self._tls = ssl.create_default_context(cafile=ca)

    async def android(self, url: str, version: str | None = None, send: str | None = None) -> list[Any]:
        """A request as Chrome on Android makes it; ``version`` is curl_cffi's (``v3only``, ``v3``, ``v2``)."""
        from curl_cffi import Session

        def ask() -> list[Any]:
            proxies = {"all": self._proxy} if self._proxy else None
            with Session(
                impersonate="chrome131_android", timeout=PATIENCE, verify=self._ca, proxies=proxies
            ) as session:
                answer = session.request(
                    "POST" if send is not None else "GET", url, http_version=version, data=send, stream=False
                )
                answer.raise_for_status()
                return [answer.http_version, *measured(answer.content)]

        return await asyncio.to_thread(ask)

    async def quic(self, url: str, send: str = "") -> list[Any]:
        """HTTP/3 (RFC 9114) by aioquic, which knows no proxy."""
        from aioquic.asyncio.client import connect
        from aioquic.asyncio.protocol import QuicConnectionProtocol
        from aioquic.h3.connection import H3_ALPN, H3Connection
        from aioquic.h3.events import DataReceived, HeadersReceived
        from aioquic.quic.configuration import QuicConfiguration
        from aioquic.quic.events import QuicEvent

        body, answered = bytearray(), asyncio.get_running_loop().create_future()

        class Client(QuicConnectionProtocol):
            http: H3Connection | None = None

            def quic_event_received(self, event: QuicEvent) -> None:
                for one in self.http.handle_event(event) if self.http is not None else ():
                    if isinstance(one, HeadersReceived) and dict(one.headers).get(b":status") not in (None, b"200"):
                        answered.set_exception(OSError("not 200"))
                    if isinstance(one, DataReceived):
                        body.extend(one.data)
                    if isinstance(one, (HeadersReceived, DataReceived)) and one.stream_ended and not answered.done():
                        answered.set_result(None)

        parts = urlsplit(url)
        configuration = QuicConfiguration(is_client=True, alpn_protocols=H3_ALPN, idle_timeout=QUIC_PATIENCE)
        configuration.load_verify_locations(self._ca)
        async with connect(str(parts.hostname), 443, configuration=configuration, create_protocol=Client) as client:
            client.http = H3Connection(client._quic)
            stream = client._quic.get_next_available_stream_id()
            head = {":method": "POST", ":scheme": "https", ":authority": str(parts.hostname), ":path": parts.path}
            head["content-length"] = str(len(send.encode()))
            client.http.send_headers(stream, [(k.encode(), v.encode()) for k, v in head.items()])
            client.http.send_data(stream, send.encode(), end_stream=True)
            client.transmit()
            await answered
        return measured(bytes(body))

    async def websocket(self, url: str, texts: list[str], octets: int) -> list[Any]:
        """Hears the greeting, says each text and one message of so many octets, and hears each back."""
        heard = []
        said: list[str | bytes] = [*texts, bytes(range(256)) * (octets // 256)]
        if self._proxy and self._proxy.startswith("socks"):
            heard = await asyncio.to_thread(self._websocket_by_curl, url, said)
        else:
            import websockets

            async with websockets.connect(url, ssl=self._tls, proxy=self._proxy, close_timeout=2) as socket:
                heard.append(await socket.recv())
                for one in said:
                    await socket.send(one)
                    heard.append(await socket.recv())
        if heard[1:] != said:
            raise OSError("the server said something else")
        return [measured(one.encode() if isinstance(one, str) else one) for one in heard]

    def _websocket_by_curl(self, url: str, said: list[str | bytes]) -> list[str | bytes]:
        from curl_cffi import CurlWsFlag, Session

        heard: list[str | bytes] = []
        with Session(impersonate="chrome131_android", timeout=PATIENCE) as session:
            socket = session.ws_connect(url, verify=self._ca, proxies={"all": self._proxy})

            def hear() -> None:
                octets, flags = socket.recv()
                heard.append(octets.decode() if flags & CurlWsFlag.TEXT else octets)

            hear()
            for one in said:
                socket.send(one.encode() if isinstance(one, str) else one, _flag(one))
                hear()
            socket.close()
        return heard

    async def rpc(self, host: str, method: str, message: str) -> list[Any]:
        """A gRPC call: by grpcio, or behind SOCKS5, which it does not speak, by curl."""
        if self._proxy and self._proxy.startswith("socks"):
            return await asyncio.to_thread(self._rpc_by_curl, host, method, message.encode())
        import grpc

        with open(self._ca, "rb") as file:
            trusted = grpc.ssl_channel_credentials(file.read())
        options = [("grpc.http_proxy", self._proxy)] if self._proxy else [("grpc.enable_http_proxy", 0)]
        async with grpc.aio.secure_channel(f"{host}:443", trusted, options=options) as channel:
            call = channel.unary_stream(method)(message.encode(), timeout=PATIENCE)
            return [measured(answer) async for answer in call]

    def _rpc_by_curl(self, host: str, method: str, message: bytes) -> list[Any]:
        from curl_cffi import Session

        with Session(timeout=PATIENCE) as session:
            answer = session.request(
                "POST",
                f"https://{host}{method}",
                data=b"\0" + len(message).to_bytes(4) + message,
                headers={"content-type": "application/grpc", "te": "trailers"},
                http_version="v2",
                verify=self._ca,
                proxies={"all": self._proxy},
            )
            answer.raise_for_status()
        heard, body = [], answer.content
        while body:
            length = int.from_bytes(body[1:5])
            heard.append(measured(body[5 : 5 + length]))
            body = body[5 + length :]
        return heard


def _flag(message: str | bytes) -> Any:
    from curl_cffi import CurlWsFlag

    return CurlWsFlag.TEXT if isinstance(message, str) else CurlWsFlag.BINARY


async def main() -> None:
    task: dict[str, Any] = json.load(sys.stdin)
    phone = Phone(task["ca"], task["proxy"])
    told = []
    for step in task["steps"]:
        client = getattr(phone, step.pop("client"))
        try:
            told.append({"ok": True, "got": await asyncio.wait_for(client(**step), 2 * PATIENCE)})
        except Exception as error:
            told.append({"ok": False, "error": f"{type(error).__name__}: {error}"[:300]})
    print(json.dumps(told))


if __name__ == "__main__":
    asyncio.run(main())
