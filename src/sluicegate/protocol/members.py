"""One level of a JSON object: its members, each as the raw bytes that came, and never more of them than anybody needs.

A dict of 340 000 members takes a tenth of a second to make and more to free, in which everybody else waits. So a large object is read with a
count that ends it at the first member too many; what a small one can hold is counted when it is there.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import cache
from typing import TypeVar

import msgspec

from .errors import INVALID_REQUEST, PARSE_ERROR
from .halves import find_half

__all__ = [
    "MEDIUM",
    "MOST_ENTRIES",
    "MOST_MEMBERS",
    "SMALL",
    "TOO_MANY",
    "Bound",
    "CountedKey",
    "Malformed",
    "Params",
    "Raw",
    "TooMany",
    "counting",
    "decode_array",
    "decode_counted",
    "decode_object",
    "is_null",
    "no_json",
    "plain",
    "read_text",
    "text",
]

T = TypeVar("T")
K = TypeVar("K", bound=str)

Raw = msgspec.Raw
Params = dict[str, Raw]
"""The raw members of one object level."""

MOST_MEMBERS = 512
"""Members of a level that we read, the same one twice counted twice. What lies below, such as a tool's arguments, may have any number."""
MOST_ENTRIES = 10_000
"""Entries of an array that we read: what comes after them in a list is left out, and in a result it is left as it came."""
SMALL = 16 * 1024
"""Bytes that cannot hold so many members that a dict of them takes long: 3 000 in 0.3 ms."""
MEDIUM = 64 * 1024
"""Up to so many bytes it is quicker to look first whether there can be too many members than to count each while it is read: 0.1 ms, not 0.7."""
TOO_MANY = f"an object that the gateway reads has more than {MOST_MEMBERS} members"


class Malformed(msgspec.Struct, frozen=True):
    """What cannot be read, as the JSON-RPC error that says why."""

    code: int
    message: str
    id: bytes = b"null"


class TooMany(Exception):
    """There is more in a document than anybody needs."""


class Bound(threading.local):
    """How many more of something a decoder may make; gateways may run in several threads."""

    left: int

    def take(self) -> None:
        """Count one more; raises `TooMany`."""
        self.left -= 1
        if self.left < 0:
            raise TooMany


class CountedKey(str):
    """A key that is counted; msgspec asks the hook only for types that it does not know."""

    __slots__ = ()


_bound = Bound()


def _counted(_kind: type, key: str) -> CountedKey:
    _bound.take()
    return CountedKey(key)


def counting(kind: type[T]) -> msgspec.json.Decoder[T]:
    """A decoder for `decode_counted`."""
    return msgspec.json.Decoder(kind, dec_hook=_counted)


_ABSENT = Raw(b"")
_object = msgspec.json.Decoder(dict[str, Raw])
_counted_object = counting(dict[CountedKey, Raw])
_array = msgspec.json.Decoder(list[Raw])
_NO_TEXT = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_text = msgspec.json.Decoder(str)
"""Ends at the first sign of anything else: whoever reads what is no text must not wait for a million values of it."""


def decode_object(data: bytes | Raw) -> Params | Malformed:
    """The members of one JSON object, or why there are none."""
    try:
        if isinstance(data, Raw):
            size = memoryview(data).nbytes
        else:
            size = len(data)
            if not data.isascii():
                data.decode()
        members = _object.decode(data) if size <= SMALL or (size <= MEDIUM and _has_few_colons(data)) else _count(data)
    except UnicodeDecodeError:
        return Malformed(PARSE_ERROR, "the message is not valid UTF-8")
    except RecursionError:
        return Malformed(PARSE_ERROR, "the message is nested too deeply")
    except TooMany:
        return Malformed(INVALID_REQUEST, TOO_MANY)
    except msgspec.ValidationError:
        return Malformed(INVALID_REQUEST, "a message must be a JSON object")
    except msgspec.DecodeError as error:
        return no_json(bytes(data), error)
    return members if len(members) <= MOST_MEMBERS else Malformed(INVALID_REQUEST, TOO_MANY)


def _has_few_colons(data: bytes | Raw) -> bool:
    """Whether no level of it can have too many members."""
    return bytes(data).count(b":") <= MOST_MEMBERS


def decode_counted(decoder: msgspec.json.Decoder[T], data: bytes | Raw) -> T:
    """Decode something in which one object has keys of type `CountedKey`; raises `TooMany` at the first one too many, and what msgspec raises."""
    _bound.left = MOST_MEMBERS
    return decoder.decode(data)


def no_json(data: bytes, error: msgspec.DecodeError) -> Malformed:
    """Why something cannot be read; of half a character our decoder says that the document is cut off."""
    place = find_half(data)
    if place is None:
        return Malformed(PARSE_ERROR, f"not valid JSON: {error}")
    half = data[place : place + 6].decode()
    return Malformed(
        PARSE_ERROR, f"a text has half of a surrogate pair ({half}, byte {place}), which is no character: write whole ones, or \\ufffd"
    )


def _count(data: bytes | Raw) -> Params:
    """The members of a large object; raises at the first one too many."""
    counted = decode_counted(_counted_object, data)
    return plain(counted)


def plain(members: Mapping[K, Raw]) -> Params:
    """The same without what they were counted by."""
    return {str(key): raw for key, raw in members.items()}


def decode_array(raw: Raw) -> list[Raw]:
    """The entries of an array; of very many the first `MOST_ENTRIES` and one more, which says so. Raises as msgspec does."""
    if bytes(raw).count(b",") < MOST_ENTRIES:
        return _array.decode(raw)
    return [entry for entry in msgspec.structs.astuple(_long_array().decode(raw)) if entry is not _ABSENT]


@cache
def _long_array() -> msgspec.json.Decoder[msgspec.Struct]:
    """Takes so many entries and passes over all others, which costs next to nothing. It takes 20 ms to make, and is seldom needed."""
    fields = [(f"_{number}", Raw, _ABSENT) for number in range(MOST_ENTRIES + 1)]
    return msgspec.json.Decoder(msgspec.defstruct("LongArray", fields, array_like=True, gc=False))


def is_null(raw: Raw) -> bool:
    """Whether a member is there and null; a large one is not copied to find out."""
    return memoryview(raw).nbytes == len(b"null") and bytes(raw) == b"null"


def text(raw: Raw | None) -> str | None:
    """The string that a raw member holds, or None if it is no string."""
    if raw is None:
        return None
    try:
        return _text.decode(raw)
    except _NO_TEXT:
        return None


def read_text(params: Params, key: str) -> str | None:
    """The string under ``key``, or None if it is missing or no string."""
    raw = params.get(key)
    if raw is None:
        return None
    try:
        return _text.decode(raw)
    except _NO_TEXT:
        return None
