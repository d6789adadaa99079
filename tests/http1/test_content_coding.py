"""Undoing gzip and deflate: any chunking, bounded pieces, and what is no such body."""

from __future__ import annotations

import gzip
import random
import zlib
from collections.abc import Callable

import pytest

from sluicegate.http1.content_coding import Inflater, Undecodable


def raw(data: bytes) -> bytes:
    """Deflate without zlib's head, as some servers send it."""
    deflate = zlib.compressobj(wbits=-15)
    return deflate.compress(data) + deflate.flush()


def members(data: bytes) -> bytes:
    """Several gzip members, one after the other."""
    return b"".join(gzip.compress(data[start : start + 1000]) for start in range(0, len(data), 1000)) or gzip.compress(b"")


WAYS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("x-gzip", gzip.compress),
    "members": ("gzip", members),
    "padded": ("gzip", lambda data: gzip.compress(data) + b"\0" * 100),
    "one byte behind": ("gzip", lambda data: gzip.compress(data) + b"\x1f"),
    "deflate": ("deflate", zlib.compress),
    "deflate, raw": ("deflate", raw),
    "deflate, and something behind": ("deflate", lambda data: zlib.compress(data) + b"x" * 100),
}
TEXTS = [b"", b"x", b'{"a":1}' * 1000, random.Random(1).randbytes(200_000), b"\0" * 1_000_000]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("size", [1, 2, 3, 1000, 65536])
def test_a_body_comes_out_as_it_was_however_it_is_cut(way: str, size: int) -> None:
    coding, pack = WAYS[way]
    for text in TEXTS if size > 3 else TEXTS[:3]:
        packed, inflater = pack(text), Inflater(coding)
        pieces = [piece for start in range(0, len(packed), size) for piece in inflater.feed(packed[start : start + size])]
        inflater.finish()
        assert b"".join(pieces) == text
        assert max(map(len, pieces), default=0) <= 65_536


def test_a_bomb_goes_off_piece_by_piece() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    pieces = Inflater("gzip").feed(bomb)
    assert [len(next(pieces)) for _ in range(3)] == [65_536] * 3
    assert len(bomb) < 60_000


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_nothing_at_all_is_a_body(coding: str) -> None:
    inflater = Inflater(coding)
    assert list(inflater.feed(b"")) == []
    inflater.finish()


@pytest.mark.parametrize(("coding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("deflate", raw)])
@pytest.mark.parametrize("missing", [1, 5, -1])
def test_a_body_whose_end_is_missing_is_told_of(coding: str, pack: Callable[[bytes], bytes], missing: int) -> None:
    inflater = Inflater(coding)
    packed = pack(b'{"a":1}' * 100)
    list(inflater.feed(packed[:1] if missing < 0 else packed[:-missing]))
    with pytest.raises(Undecodable, match="ended before"):
        inflater.finish()


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
@pytest.mark.parametrize("data", [b'{"jsonrpc":"2.0"}', b"\xff" * 100])
def test_what_is_not_compressed_is_damaged(coding: str, data: bytes) -> None:
    with pytest.raises(Undecodable, match="damaged"):
        list(Inflater(coding).feed(data))


def test_what_is_compressed_in_another_way_is_damaged() -> None:
    with pytest.raises(Undecodable, match="damaged"):
        list(Inflater("gzip").feed(zlib.compress(b"x")))
    with pytest.raises(Undecodable, match="damaged"):
        list(Inflater("deflate").feed(gzip.compress(b"x")))


@pytest.mark.parametrize("packed", [b"\x08\x05\0\xfa\xffhello\x03\0", raw(b"58")])
def test_a_body_without_a_head_that_begins_almost_like_one_is_not_taken_for_one(packed: bytes) -> None:
    """A head has the method in its first byte, and 31 divides its two bytes; here one of both is so by chance."""
    assert b"".join(Inflater("deflate").feed(packed)) == zlib.decompress(packed, wbits=-15)
