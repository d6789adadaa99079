"""Header lines of requests, encoded and checked once for all the requests that carry them."""

from __future__ import annotations

from collections.abc import Iterable

from ...protocol.headers import is_header_name, is_header_value

__all__ = ["OWN_HEADERS", "encode_headers"]

OWN_HEADERS = frozenset({"connection", "content-length", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"})
"""What says where a message ends or whom a connection belongs to: only the client writes these."""


def encode_headers(pairs: Iterable[tuple[str, str]]) -> bytes:
    """Header lines as they are sent; raises `ValueError` for what would not be one line of Latin letters each, or is not the caller's."""
    lines: list[str] = []
    for name, value in pairs:
        trimmed = value.strip(" \t")
        if not is_header_name(name) or not is_header_value(trimmed):
            raise ValueError(f"header {name!r} cannot be sent: its name must be ASCII and its value one line")
        if name.lower() in OWN_HEADERS:
            raise ValueError(f"header {name!r} cannot be set: it follows from the request and its connection")
        lines.append(f"{name}: {trimmed}\r\n")
    return "".join(lines).encode("latin-1")
