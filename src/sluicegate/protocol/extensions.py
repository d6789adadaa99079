"""The extensions of the protocol, and what becomes of each on its way through a gateway (P-87, P-130, P-131)."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType

import msgspec

from .eras import MODERN, SPOKEN
from .members import Malformed, Params, Raw, decode_object
from .messages import EMPTY, encode
from .values import read_value

__all__ = ["APPS", "EXTENSIONS", "OFFICIAL", "TASKS", "Extension", "Way", "agreed", "crossing", "declared_by", "without_extension"]

_MEMBERS = ("extensions", "experimental")
OFFICIAL = "io.modelcontextprotocol/"
"""How identifiers begin that are the protocol's own."""
APPS = f"{OFFICIAL}ui"
TASKS = f"{OFFICIAL}tasks"


class Way(enum.Enum):
    """What becomes of an extension."""

    CARRIED = "carried"
    """What belongs to it passes as it came."""
    TRANSLATED = "translated"
    """It passes under names that lead back."""
    REFUSED = "refused"
    """Neither side is told that the other has it."""


class Extension(msgspec.Struct, frozen=True):
    """One that is named."""

    name: str
    way: Way
    why: str
    """In words for the operator."""
    eras: tuple[str, ...] = SPOKEN
    """The revisions in which client and backend, both, can use it with each other."""

    def crosses(self, *eras: str) -> bool:
        """Whether it can be used between those who speak these revisions."""
        return self.way is not Way.REFUSED and all(era in self.eras for era in eras)


_OF_EACH_HOP = "it is between a client and who gives it its tokens; the gateway is a client of its own to each backend"

EXTENSIONS: Mapping[str, Extension] = MappingProxyType(
    {
        row.name: row
        for row in (
            Extension(APPS, Way.TRANSLATED, "the URIs of views lead to their backends, and so do the names that views call"),
            Extension(TASKS, Way.TRANSLATED, "the ids of tasks lead to their backends", MODERN),
            Extension(f"{OFFICIAL}skills", Way.REFUSED, "its methods list and read URIs with digests, which no namespace can be put into"),
            Extension(f"{OFFICIAL}oauth-client-credentials", Way.REFUSED, _OF_EACH_HOP),
            Extension(f"{OFFICIAL}enterprise-managed-authorization", Way.REFUSED, _OF_EACH_HOP),
        )
    }
)
"""All that the specification lists. Others of its prefix are refused, since nobody knows what they take; those of vendors are carried."""


def declared_by(capabilities: Params, member: str) -> Params:
    """What stands under ``extensions`` or ``experimental``, by identifier; nothing where that is no object."""
    return _members(bytes(capabilities[member])) if member in capabilities else {}


def _members(raw: bytes) -> Params:
    found = decode_object(raw or EMPTY)
    return {} if isinstance(found, Malformed) else found


def crossing(capabilities: Params, *eras: str) -> Params:
    """Of what one side declares what the other can be told: ``extensions`` and ``experimental``, where anything is left.

    ``eras`` are the revisions that the two speak.
    """
    given = [bytes(capabilities.get(member, b"")) for member in _MEMBERS]
    return _crossing(*given, eras) if any(given) else {}


@lru_cache(256)  # clients of one program write it alike, with each request of the newest revision
def _crossing(extensions: bytes, experimental: bytes, eras: tuple[str, ...]) -> Params:
    named = {name: raw for name, raw in _members(extensions).items() if _crosses(name, eras)}
    kept = zip(_MEMBERS, (named, _members(experimental)), strict=True)
    return {member: Raw(encode(declared)) for member, declared in kept if declared}


def without_extension(capabilities: Params, name: str) -> Params:
    """The same capabilities but for one extension."""
    left = {other: raw for other, raw in declared_by(capabilities, "extensions").items() if other != name}
    return capabilities | {"extensions": Raw(encode(left))}


def _crosses(name: str, eras: Iterable[str]) -> bool:
    row = EXTENSIONS.get(name)
    return row.crosses(*eras) if row is not None else "/" in name and not name.startswith(OFFICIAL)


def agreed(declared: Iterable[Params]) -> tuple[Params, frozenset[str]]:
    """What several declare, each under one name once; and the names on whose settings they do not agree.

    Of an extension that is translated, what they agree on is left. Of any other nobody knows what a part of its settings means: it is left out.
    """
    found: dict[str, list[Raw]] = {}
    for one in declared:
        for name, raw in one.items():
            found.setdefault(name, []).append(raw)
    merged: Params = {}
    apart: set[str] = set()
    for name, raws in found.items():
        first, *others = map(_value, raws)
        if all(other == first for other in others):
            merged[name] = raws[0]
            continue
        apart.add(name)
        if name in EXTENSIONS:
            merged[name] = _common(raws)
    return merged, frozenset(apart)


def _common(raws: list[Raw]) -> Raw:
    """The members that all of them have alike."""
    objects = [{} if isinstance(members := decode_object(raw), Malformed) else members for raw in raws]
    first, *others = objects
    same = {key: raw for key, raw in first.items() if all(key in one and _value(one[key]) == _value(raw) for one in others)}
    return Raw(encode(same))


def _value(raw: Raw) -> object:
    """What is compared: the value, or what cannot be read as it came."""
    try:
        return read_value(raw)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return bytes(raw)
