"""A server that does nothing with what it is sent, for `floods`: ``python swallowing.py`` says its URL and serves until SIGTERM.

Whoever attacks takes processor time himself, which is taken from everybody on a small machine whatever the gateway does. Sent here, the same requests
show how much of what calls wait is that.
"""

from __future__ import annotations

import asyncio
import re

from yielding import yield_the_processor

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)


class Swallower(asyncio.Protocol):
    """One connection with one request."""

    def __init__(self) -> None:
        self.head = b""
        self.left = 0
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody comes."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Drop it, and answer at its end."""
        if self.left:
            self.left -= len(data)
        else:
            self.head += data
            head, end, body = self.head.partition(b"\r\n\r\n")
            if not end:
                return
            found = _LENGTH.search(head + b"\r\n")
            self.left = (int(found[1]) if found else 0) - len(body)
        if self.left <= 0:
            self.transport.write(ANSWER)
            self.transport.close()


async def main() -> None:
    """Serve."""
    yield_the_processor()
    server = await asyncio.get_running_loop().create_server(Swallower, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/mcp ", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
