"""A client with the TLS and HTTP/2 fingerprint of Chrome on Android: libcurl with BoringSSL, by curl_cffi.

Run as a program: ``python -m tests.lab.client``, with a JSON object on standard input: ``proxy``, ``phone`` (the
address to speak from), ``ca`` (a file), and ``requests`` (method, url, and JSON to be sent) made over as few
connections as it likes, or ``websocket`` (a URL) and ``texts`` to be said there, each after the answer to the last."""

from __future__ import annotations

import json
import sys
from typing import Any

from curl_cffi import Session


def main() -> None:
    task: dict[str, Any] = json.load(sys.stdin)
    common: dict[str, Any] = {"verify": task["ca"], "proxies": {"all": task["proxy"]}, "interface": task["phone"]}
    with Session(impersonate="chrome131_android", timeout=10, **common) as session:
        for request in task.get("requests", ()):
            session.request(request["method"], request["url"], json=request.get("json")).raise_for_status()
        if "websocket" in task:
            socket = session.ws_connect(task["websocket"], **common)
            for text in task["texts"]:
                socket.send_str(text)
                heard = socket.recv()[0]
                if heard.decode() != text:
                    sys.exit("the server said something else")
            socket.close()


if __name__ == "__main__":
    main()
