"""Values of a list that are almost what MCP says, and what they are put right to.

A *look* takes a value as it came and gives it back, the same object where nothing is wrong; another one that says the same; or nothing,
where the part should be left out. What was wrong it says in a phrase.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime

import msgspec

from ..protocol.members import MOST_MEMBERS, decode_array
from ..protocol.messages import EMPTY, Malformed, Params, Raw, decode_object, encode, text

__all__ = [
    "Hopeless",
    "Look",
    "begins",
    "choice",
    "each",
    "entries_of",
    "flag",
    "mended",
    "moment",
    "needed",
    "number",
    "object_of",
    "words",
]

Look = Callable[[Raw, str, list[str]], Raw | None]
"""From a value, the path to it, and what was said so far, to what becomes of it."""

_number = msgspec.json.Decoder(int | float)
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)")


class Hopeless(Exception):
    """A required part cannot be put right; the message says which, and why."""


def mended(members: Params, known: Mapping[str, Look], said: list[str], path: str = "") -> Params:
    """An object with its known members looked at. A null is left out: no member of MCP means anything by it."""
    changes: dict[str, Raw | None] = {}
    for key, look in known.items():
        value = members.get(key)
        if value is None:
            continue
        if bytes(value) == b"null":
            said.append(f"{path}{key} is null")
            changes[key] = None
        elif (new := look(value, path + key, said)) is not value:
            changes[key] = new
    if not changes:
        return members
    kept = {key: changes.get(key, value) for key, value in members.items()}
    return {key: value for key, value in kept.items() if value is not None}


def object_of(known: Mapping[str, Look]) -> Look:
    """An object; an empty list stands for one without members, as PHP writes it."""

    def look(raw: Raw, at: str, said: list[str]) -> Raw | None:
        members = decode_object(raw)
        if isinstance(members, Malformed):
            said.append(f"{at} is no object")
            return EMPTY if entries_of(raw) == [] else None
        new = mended(members, known, said, f"{at}.")
        return raw if new is members else Raw(encode(new))

    return look


def entries_of(raw: Raw) -> list[Raw] | None:
    """The entries of a list, or None if it is none."""
    try:
        return decode_array(raw)
    except (msgspec.DecodeError, RecursionError):
        return None


def each(one: Look) -> Look:
    """A list whose entries are looked at; a value that stands alone is its only entry."""

    def look(raw: Raw, at: str, said: list[str]) -> Raw | None:
        entries = entries_of(raw)
        if entries is None:
            said.append(f"{at} is no list")
            entries = [] if decode_object(raw) == {} else [raw]
            alone = True
        else:
            alone = False
        if len(entries) > MOST_MEMBERS:
            said.append(f"{at} has more than {MOST_MEMBERS} entries")
            return None
        kept = [_entry(one, entry, f"{at}[{index}]", said) for index, entry in enumerate(entries)]
        if not alone and all(new is old for new, old in zip(kept, entries, strict=True)):
            return raw
        return Raw(encode([entry for entry in kept if entry is not None]))

    return look


def _entry(one: Look, raw: Raw, at: str, said: list[str]) -> Raw | None:
    if bytes(raw) == b"null":
        said.append(f"{at} is null")
        return None
    return one(raw, at, said)


def needed(one: Look) -> Look:
    """What cannot be left out; raises `Hopeless`."""

    def look(raw: Raw, at: str, said: list[str]) -> Raw | None:
        new = one(raw, at, said)
        if new is None:
            raise Hopeless(said[-1])
        return new

    return look


def begins(raw: Raw, char: bytes) -> bool:
    """Whether a value is of the kind that begins so."""
    return memoryview(raw)[0] == char[0]


def words(raw: Raw, at: str, said: list[str]) -> Raw | None:
    """A text for people; what is none is taken as JSON writes it, and nothing where there is nothing in it."""
    if begins(raw, b'"'):
        return raw
    said.append(f"{at} is no text")
    return None if bytes(raw) in (b"[]", b"{}") else Raw(encode(bytes(raw).decode("utf-8", "replace")))


def flag(raw: Raw, at: str, said: list[str]) -> Raw | None:
    """True or false; also in quotes, or as a number."""
    if bytes(raw) in (b"true", b"false"):
        return raw
    said.append(f"{at} is neither true nor false")
    return _FLAGS.get(bytes(raw).lower())


_FLAGS = {b'"true"': Raw(b"true"), b"1": Raw(b"true"), b'"false"': Raw(b"false"), b"0": Raw(b"false")}


def number(*, whole: bool = False, share: bool = False) -> Look:
    """A number, also in quotes; ``share``: from 0 to 1."""
    what = "whole number" if whole else "number from 0 to 1" if share else "number"

    def fits(raw: Raw) -> bool:
        try:
            value = _number.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        return not (whole and value % 1) and (not share or 0 <= value <= 1)

    def look(raw: Raw, at: str, said: list[str]) -> Raw | None:
        if fits(raw):
            return raw
        said.append(f"{at} is no {what}")
        quoted = text(raw)
        bare = None if quoted is None else Raw(quoted.strip().encode("utf-8", "replace"))
        return bare if bare is not None and fits(bare) else None

    return look


def choice(*allowed: str) -> Look:
    """One of some words."""

    def look(raw: Raw, at: str, said: list[str]) -> Raw | None:
        if text(raw) in allowed:
            return raw
        said.append(f"{at} is none of {', '.join(allowed)}")
        return None

    return look


def moment(raw: Raw, at: str, said: list[str]) -> Raw | None:
    """A time with its zone, in the one form that clients in JavaScript take; without a zone nobody knows what is meant."""
    written = _MOMENT.fullmatch(text(raw) or "")
    try:
        if written is not None:
            datetime.fromisoformat(written[1])  # there is such a day
            return raw
    except ValueError:
        pass
    said.append(f"{at} is no time such as 2026-01-31T12:00:00Z")
    return None
