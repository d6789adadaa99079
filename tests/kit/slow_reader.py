"""A client that takes so many bytes a second, on a real socket and the mock clock."""

from __future__ import annotations

import socket

import trio

__all__ = ["read_slowly"]


async def read_slowly(client: socket.socket, rate: int, most: float) -> bytes:
    """Take so many bytes a second, until there is nothing more or that time is over; what came."""
    got, left = b"", 0
    while trio.current_time() < most:
        left += rate
        while left:
            try:
                piece = client.recv(left)
            except BlockingIOError:
                break
            if not piece:
                return got
            got, left = got + piece, left - len(piece)
        await trio.sleep(1)
    return got
