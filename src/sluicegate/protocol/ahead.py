"""What the beginning of a large message tells already: that an object in it has too many members.

To pass over four mebibytes of members takes two milliseconds, once for each level that is read, and everybody else waits. Who sends so many
sends them close together, so such a message is refused by its beginning, before the rest of it has come or is looked at.
"""

from __future__ import annotations

from functools import cache

import msgspec

from .errors import INVALID_REQUEST
from .ids import read_id
from .keys import NESTED
from .members import MEDIUM, MOST_MEMBERS, TOO_MANY, Bound, Malformed, Raw, TooMany

__all__ = ["ENOUGH", "MANY_PARAMS", "crowded_ahead", "crowded_object"]

ENOUGH = MEDIUM
"""Bytes that are to be there before it is looked; what is not longer is read as a whole just as well."""
LOOKED_AT = 32 * 1024
"""Bytes. What is not crowded in these has, if it goes on like that, 65 000 members in four mebibytes, which take half a millisecond."""
MANY_PARAMS = f'"params" must not have more than {MOST_MEMBERS} members'


def crowded_object(key: str) -> str:
    """What is said of an object within the parameters."""
    return f'"{key}" must not have more than {MOST_MEMBERS} members'


def crowded_ahead(data: bytes) -> Malformed | None:
    """Why a message that begins like this is refused whatever follows; None if nothing can be told, as of what is not longer than `ENOUGH`."""
    if len(data) <= ENOUGH or data.count(b":", None, LOOKED_AT) <= MOST_MEMBERS:
        return None
    beginning = data[:LOOKED_AT]
    for decoder, why in _levels():
        _seen.left, _seen.id = MOST_MEMBERS, b"null"
        try:
            decoder.decode(beginning)
        except TooMany:
            return Malformed(INVALID_REQUEST, why, _seen.id)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # at the latest where the beginning ends
            continue
    return None


class _Seen(Bound):
    id: bytes = b"null"
    """That of the message, where it has come by."""


class _Key(str):
    """A key that is counted."""

    __slots__ = ()


class _Id:
    """An id that is noted."""


_seen = _Seen()


def _see(kind: type, value: object) -> object:
    if kind is _Key:
        _seen.take()
        return _Key(value)
    own_id = msgspec.json.encode(value)
    _seen.id = own_id if read_id(own_id) is not None else b"null"
    return _Id()


@cache
def _levels() -> list[tuple[msgspec.json.Decoder[object], str]]:
    """One decoder for each object that is read: it counts its members, passes over all others, and notes the id on the way."""
    many = dict[_Key, Raw]
    within = [(_object_with((key, many)), crowded_object(key)) for key in NESTED]
    levels = [(_object_with(("id", _Id), ("params", params)), why) for params, why in [(many, MANY_PARAMS), *within]]
    return [(msgspec.json.Decoder(kind, dec_hook=_see), why) for kind, why in [(many, TOO_MANY), *levels]]


def _object_with(*members: tuple[str, object]) -> type[msgspec.Struct]:
    names = {f"_{number}": name for number, (name, _kind) in enumerate(members)}
    fields = [(f"_{number}", kind, None) for number, (_name, kind) in enumerate(members)]
    return msgspec.defstruct("Beginning", fields, rename=names)
