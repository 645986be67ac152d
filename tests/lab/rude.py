"""A client that says nothing where others say why: it hears the server's certificate, and then closes without an alert
(``silent``), resets the connection (``reset``), or waits (``stall``).

Run as a program: ``python -m tests.lab.rude HOW HOST``. It ends with 0 once it has done so."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import sys
import time

WAIT = 4
"""Seconds for which a stalled client says nothing."""


def main(how: str, host: str) -> None:
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    # It trusts nobody, so what it wants to say behind the certificate is an alert, which is never sent.
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).wrap_bio(into, out, server_hostname=host)
    with socket.create_connection((host, 443), 5) as connection:
        with contextlib.suppress(ssl.SSLWantReadError):
            tls.do_handshake()
        connection.sendall(out.read())
        while True:
            said = connection.recv(65536)
            if not said:
                sys.exit("the server closed first")
            into.write(said)
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError:
                break
        if how == "stall":
            time.sleep(WAIT)
        if how == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


if __name__ == "__main__":
    main(*sys.argv[1:])
