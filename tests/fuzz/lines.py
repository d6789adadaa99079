"""Lines of stdio backends: the same however they are cut, within memory, and with the id that Python's own JSON finds at their ends.

The first byte of an input says whether lines are limited.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from tests.fuzz.timing import in_time

from sluicegate.channel.lines import LineSplitter, Oversized, number_at_ends
from sluicegate.protocol.sizes import ENDS_KEPT

__all__ = ["LONGEST", "SEEDS", "TOKENS", "check"]

LONGEST = 8192
UNLIMITED = 1 << 20
NARROW = ENDS_KEPT + 1
"""No limit is less than what is kept of an end."""
TOKENS = (
    b"\n",
    b"\r\n",
    b'"',
    b"\\",
    b"{",
    b"}",
    b"[",
    b",",
    b":",
    b" ",
    b'"id":7,',
    b',"id":7}',
    b'"result":{',
    b'"jsonrpc":"2.0",',
    b"NaN",
    b",1",
)

LINES = [
    b'{"jsonrpc":"2.0","id":7,"result":{"a":[1,2]}}',
    b'{"jsonrpc":"2.0","result":{"a":"x,\\"id\\":8,"},"id":7}',
    b'{"result":NaN,"id":"7"}',
    b'{"id":1,"method":"ping"}',
    b'{"id":3,"result":' + b"[" * 1200 + b"]" * 1200 + b"}",
    b'{"a":1' + b',"a":1' * 700 + b',"id":5}',
    b"not json at all",
    b"",
]
SEEDS = [kind + b"\n".join(LINES[start:]) + end for kind in (b"\x00", b"\x01") for start in range(len(LINES)) for end in (b"", b"\n")]


def check(data: bytes) -> None:
    """Raises `AssertionError` for a finding."""
    limit = NARROW if data[:1] == b"\x01" else UNLIMITED
    stream = data[1:]
    whole = read([stream], limit)
    size = stream[0] % 7 + 2 if stream else 1
    assert whole == read((stream[at : at + size] for at in range(0, len(stream), size)), limit)
    *complete, rest = stream.split(b"\n")
    assert [seen(line, limit) for line in (*complete, *([rest] if rest else []))] == whole
    for line in complete[:8]:
        check_id(line)
    in_time(lambda bytes_of: [number_at_ends(line) if isinstance(line, bytes) else line.number for line in read([bytes_of], limit)], data)


def seen(line: bytes, limit: int) -> bytes | Oversized:
    """What becomes of a line."""
    return line if len(line) <= limit else Oversized(len(line), line[:ENDS_KEPT], line[-ENDS_KEPT:])


def read(chunks: Iterable[bytes], limit: int) -> list[bytes | Oversized]:
    """All lines of a stream."""
    lines = LineSplitter(limit)
    return [line for chunk in chunks for line in lines.feed(chunk)] + lines.end()


def check_id(line: bytes) -> None:
    """An id that is found in a document that Python can read is the one that Python finds: nothing inside of a result is taken for it."""
    number = number_at_ends(line)
    try:
        members = json.loads(line)
    except (ValueError, RecursionError):
        return
    if number is not None and isinstance(members, dict) and line.count(b'"id"') == 1:
        assert str(members["id"]) == str(number)
