"""Answers that are compressed although that was not asked for: what is undone, and what is refused by name."""

from __future__ import annotations

import trio

from ...http1.client.failures import TooLarge
from ...http1.client.response import ClientResponse
from ...http1.content_coding import CODINGS, PIECE, Inflater, Undecodable

__all__ = ["CODING", "inflater_for", "read_inflated"]

CODING = b"content-encoding"

_KNOWN = frozenset({"br", "zstd", "compress", "dcb", "dcz"})
"""Codings that are refused by name; other words are the backend's own."""


def inflater_for(coding: str) -> Inflater | None:
    """What undoes a ``Content-Encoding``; None where there is none. Raises `Undecodable` for others."""
    name = coding.strip().lower()
    if not name or name == "identity":
        return None
    if name in CODINGS:
        return Inflater(name)
    shown = f"with {name}" if name in _KNOWN else "in an unknown or manifold way"
    raise Undecodable(f"it is compressed {shown}, although the gateway asked for no compression; it can undo gzip and deflate")


async def read_inflated(answer: ClientResponse, inflater: Inflater, limit: int) -> bytes:
    """The whole body; raises `Undecodable`, and `TooLarge` as soon as more than ``limit`` bytes have come, or have come out."""
    parts: list[bytes] = []
    came = made = 0
    while chunk := await answer.receive():
        came += len(chunk)
        for part in inflater.feed(chunk):
            made += len(part)
            _check(answer, made, limit)
            parts.append(part)
            if len(part) == PIECE:
                await trio.lowlevel.checkpoint()
        _check(answer, came, limit)
    inflater.finish()
    return b"".join(parts)


def _check(answer: ClientResponse, size: int, limit: int) -> None:
    if size > limit:
        answer.close()
        raise TooLarge
