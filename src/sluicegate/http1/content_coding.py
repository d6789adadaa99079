"""Undoing ``Content-Encoding: gzip`` and ``deflate`` (RFC 9110, 8.4.1), a bounded piece at a time. No I/O.

We ask for no compression, but there are servers, and caches in front of them, that compress whatever they send.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import attrs

__all__ = ["CODINGS", "PIECE", "Inflater", "Undecodable"]

CODINGS = frozenset({"gzip", "x-gzip", "deflate"})
PIECE = 65536
"""Bytes that come out at a time: a thousandfold of what went in must not be made at once."""

_MAGIC = b"\x1f\x8b"
_GZIP, _ZLIB, _RAW = 31, 15, -15
"""What zlib calls the formats. ``deflate`` is zlib's by the letter, and without its head from some servers."""


class Undecodable(Exception):
    """The body is not what its coding says."""


@attrs.define(eq=False, repr=False)
class Inflater:
    """Undoes one coding of one body."""

    coding: str
    """One of `CODINGS`."""
    _inflate: zlib._Decompress | None = attrs.field(default=None, init=False)
    """Made as soon as the first two bytes are there."""
    _kept: bytes = attrs.field(default=b"", init=False)
    _has_member: bool = attrs.field(default=False, init=False)
    """One has ended: more may follow (RFC 1952, 2.2), and anything else behind them is ignored."""
    _over: bool = attrs.field(default=False, init=False)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What comes out, in pieces of `PIECE` bytes at most; raises `Undecodable`. Exhaust it before the next call."""
        data = self._kept + data
        self._kept = b""
        while not self._over and not (self._has_member and self.coding == "deflate"):
            if self._inflate is None:
                if len(data) < len(_MAGIC):
                    self._kept = data
                    return
                if self._has_member and data[: len(_MAGIC)] != _MAGIC:
                    break
                self._inflate = zlib.decompressobj(self._format_of(data))
            piece = self._next(self._inflate, data)
            if piece:
                yield piece
            if self._inflate.eof:
                data = self._inflate.unused_data
                self._has_member = True
                self._inflate = None
            else:
                data = self._inflate.unconsumed_tail
                if not data and len(piece) < PIECE:
                    return
        self._over = True

    def finish(self) -> None:
        """The body has ended; raises `Undecodable` if it was not complete."""
        if self._inflate is not None or (self._kept and not self._has_member):
            raise Undecodable("its compressed body ended before it was complete")

    def _format_of(self, data: bytes) -> int:
        if self.coding != "deflate":
            return _GZIP
        return _ZLIB if data[0] & 0x0F == zlib.DEFLATED and int.from_bytes(data[:2]) % 31 == 0 else _RAW

    @staticmethod
    def _next(inflate: zlib._Decompress, data: bytes) -> bytes:
        try:
            return inflate.decompress(data, PIECE)
        except zlib.error:
            raise Undecodable("its compressed body is damaged") from None
