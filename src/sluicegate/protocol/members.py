"""One level of a JSON object: its members, each as the raw bytes that came, and never more of them than anybody needs.

A dict of 340 000 members takes a tenth of a second to make and more to free, in which everybody else waits. So a large object is read with a
count that ends it at the first member too many; what a small one can hold is counted when it is there.
"""

from __future__ import annotations

import msgspec

from .errors import INVALID_REQUEST, PARSE_ERROR

__all__ = ["MOST_MEMBERS", "SMALL", "TOO_MANY", "Malformed", "Params", "Raw", "decode_object", "is_null", "read_text", "text"]

Raw = msgspec.Raw
Params = dict[str, Raw]
"""The raw members of one object level."""

MOST_MEMBERS = 512
"""Members of a level that we read, the same one twice counted twice. What lies below, such as a tool's arguments, may have any number."""
SMALL = 16 * 1024
"""Bytes that cannot hold so many members that a dict of them takes long: 3 000 in 0.3 ms."""
TOO_MANY = f"an object that the gateway reads has more than {MOST_MEMBERS} members"


class Malformed(msgspec.Struct, frozen=True):
    """What cannot be read, as the JSON-RPC error that says why."""

    code: int
    message: str
    id: bytes = b"null"


class _Key(str):
    """A key that is counted; msgspec asks the hook only for types that it does not know."""

    __slots__ = ()


class _TooManyMembers(Exception):
    pass


_object = msgspec.json.Decoder(dict[str, Raw])
_any = msgspec.json.Decoder()


def decode_object(data: bytes | Raw) -> Params | Malformed:
    """The members of one JSON object, or why there are none."""
    try:
        if isinstance(data, Raw):
            size = memoryview(data).nbytes
        else:
            size = len(data)
            if not data.isascii():
                data.decode()
        members = _object.decode(data) if size <= SMALL else _count(data)
    except UnicodeDecodeError:
        return Malformed(PARSE_ERROR, "the message is not valid UTF-8")
    except RecursionError:
        return Malformed(PARSE_ERROR, "the message is nested too deeply")
    except _TooManyMembers:
        return Malformed(INVALID_REQUEST, TOO_MANY)
    except msgspec.ValidationError:
        return Malformed(INVALID_REQUEST, "a message must be a JSON object")
    except msgspec.DecodeError as error:
        return Malformed(PARSE_ERROR, f"not valid JSON: {error}")
    return members if len(members) <= MOST_MEMBERS else Malformed(INVALID_REQUEST, TOO_MANY)


class _Counter:
    """Reads one large object at a time, and gives up at the first member too many."""

    def __init__(self) -> None:
        self.count = 0
        self.decoder = msgspec.json.Decoder(dict[_Key, Raw], dec_hook=self._counted)

    def _counted(self, _kind: type, key: str) -> _Key:
        self.count += 1
        if self.count > MOST_MEMBERS:
            raise _TooManyMembers
        return _Key(key)


_idle = [_Counter()]
"""A decoder takes 3 µs to make. Each is used by one reader at a time: gateways may run in several threads."""


def _count(data: bytes | Raw) -> Params:
    """The members of a large object; raises at the first one too many."""
    counter = _idle.pop() if _idle else _Counter()
    counter.count = 0
    try:
        return {str(key): raw for key, raw in counter.decoder.decode(data).items()}
    finally:
        _idle.append(counter)


def is_null(raw: Raw) -> bool:
    """Whether a member is there and null; a large one is not copied to find out."""
    return memoryview(raw).nbytes == len(b"null") and bytes(raw) == b"null"


def text(raw: Raw | None) -> str | None:
    """The string that a raw member holds, or None if it is no string."""
    if raw is None:
        return None
    try:
        value = _any.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return value if isinstance(value, str) else None


def read_text(params: Params, key: str) -> str | None:
    """The string under ``key``, or None if it is missing or no string."""
    return text(params.get(key))
