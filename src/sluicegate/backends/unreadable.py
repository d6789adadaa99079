"""What a program writes in the place of a message, or before one on the same line: banners, colours, JSON for people."""

from __future__ import annotations

from ..protocol.errors import PARSE_ERROR
from ..protocol.messages import Malformed, Raw, Request, decode
from .diagnosis import printable

__all__ = ["described", "parted", "shown"]

SHOWN = 120
"""Characters of it that are shown."""
MOST_TEXT = 4096
"""Bytes before a message that are looked through."""


def shown(data: bytes | Raw) -> str:
    """Its beginning, with all that is not printable escaped."""
    begin = bytes(memoryview(data)[: 4 * SHOWN]).decode(errors="replace")
    return repr(begin[:SHOWN] + ("…" if len(begin) > SHOWN else ""))


def described(message: Malformed, data: bytes | Raw) -> str:
    """What is wrong with it, and how it begins; for the operator."""
    bare = bytes(data).strip() if len(data) <= MOST_TEXT else b""
    is_begin = bare[:1] in (b"{", b"[") and bare[-1:] in (b"{", b"[", b",", b":", b'"')
    if message.code == PARSE_ERROR and is_begin:
        return f"JSON over several lines, but a message has to be one line: {shown(data)}"
    return f"{message.message}: {shown(data)}"


def parted(line: bytes) -> tuple[bytes, bytes]:
    """What stands before a message on its line, and the message; no such text, and the line as it is, where there is no message behind it.

    A question or a call is no message behind readable text: programs that log what they get write such lines.
    """
    found = line.find(b'{"jsonrpc"', 0, MOST_TEXT)
    start = found if found >= 0 else line.find(b"{", 0, MOST_TEXT)
    if start < 0 or line[:start].strip() in (b"", b"["):
        return b"", line
    text, rest = line[:start], line[start:]
    message = decode(rest)
    if isinstance(message, Malformed) or (isinstance(message, Request) and printable(text).strip()):
        return b"", line
    return text, rest
