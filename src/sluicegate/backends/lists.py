"""Reading one page of a list result: deep enough to route by it, and to know that clients can read it."""

from __future__ import annotations

import msgspec
import trio

from ..protocol.members import MOST_ENTRIES, decode_array
from ..protocol.messages import Malformed, Params, Raw, decode_object, read_text
from ..protocol.offers import Flaw, Item, Listed, ListKind
from .shapes import Hopeless, well_formed

__all__ = ["MOST_FLAWS", "Page", "joined", "read_page"]

AT_ONCE = 32
"""Entries after which others get their turn; one of the usual size takes 25 µs."""
BYTES_AT_ONCE = 16 * 1024
"""The same in bytes; an entry may be of any size."""
MOST_FLAWS = 100
"""Of one list that are told of one by one."""
MOST_PHRASES = 3
"""That tell what is wrong with one entry."""
LONGEST = 120
"""Characters of a name or a phrase that are shown."""


class Page(msgspec.Struct, frozen=True):
    """One page."""

    listed: Listed
    cursor: Raw | None = None
    """Of the next page."""


async def read_page(result: Raw, kind: ListKind, *, strict: bool = False) -> Page:
    """Read a page; ``strict`` takes entries as they are, if they only have a name."""
    members = decode_object(result)
    if isinstance(members, Malformed):
        await trio.lowlevel.checkpoint()
        return Page(Listed((), (Flaw(kind.name, "", f"{members.message}; nothing of it is listed"),)))
    entries, flaws = _entries(members, kind)
    items, size = list[Item](), 0
    for number, entry in enumerate(entries):
        size += memoryview(entry).nbytes
        if number % AT_ONCE == 0 or size > BYTES_AT_ONCE:
            size = 0
            await trio.lowlevel.checkpoint()
        item, flaw = _read(entry, kind, strict=strict)
        if item is not None:
            items.append(item)
        if flaw is not None:
            flaws.append(flaw)
    cursor = members.get("nextCursor")
    return Page(Listed(tuple(items), _bounded(flaws, kind)), None if cursor is None or bytes(cursor) in _NO_CURSOR else cursor)


_NO_CURSOR = (b"null", b"false", b"[]", b"{}")
"""What some write for none."""


def joined(pages: list[Page], kind: ListKind) -> Listed:
    """The list whose pages these are."""
    items = tuple(item for page in pages for item in page.listed.items)
    return Listed(items, _bounded([flaw for page in pages for flaw in page.listed.flaws], kind))


def _entries(members: Params, kind: ListKind) -> tuple[list[Raw], list[Flaw]]:
    raw = members.get(kind.member)
    if raw is None or bytes(raw) in (b"null", b"{}"):
        return [], [Flaw(kind.name, "", f"{kind.member} is {'missing' if raw is None else bytes(raw).decode()}, so nothing is listed")]
    try:
        entries = decode_array(raw)
    except (msgspec.DecodeError, RecursionError):
        return [], [Flaw(kind.name, "", f"{kind.member} is no list; nothing of it is listed")]
    if len(entries) <= MOST_ENTRIES:
        return entries, []
    return entries[:MOST_ENTRIES], [Flaw(kind.name, "", f"there are more than {MOST_ENTRIES} on a page; the others are not listed")]


def _read(entry: Raw, kind: ListKind, *, strict: bool) -> tuple[Item | None, Flaw | None]:
    raw = decode_object(entry)
    if isinstance(raw, Malformed):
        return None, Flaw(kind.name, "", "it is no object; it is left out")
    key = read_text(raw, kind.key)
    if not key:
        return None, Flaw(kind.name, "", f"{kind.key} is missing or no text; it is left out")
    if strict:
        return Item(key, raw), None
    said: list[str] = []
    try:
        whole = well_formed(kind, raw, said)
    except Hopeless as error:
        return None, Flaw(kind.name, _short(key), f"{_short(str(error))}; it is left out")
    return Item(key, whole), Flaw(kind.name, _short(key), f"{_phrases(said)}; it is listed without that fault") if said else None


def _phrases(said: list[str]) -> str:
    more = f" and {len(said) - MOST_PHRASES} more" if len(said) > MOST_PHRASES else ""
    return "; ".join(map(_short, said[:MOST_PHRASES])) + more


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _bounded(flaws: list[Flaw], kind: ListKind) -> tuple[Flaw, ...]:
    if len(flaws) <= MOST_FLAWS:
        return tuple(flaws)
    return (*flaws[:MOST_FLAWS], Flaw(kind.name, "", f"{len(flaws) - MOST_FLAWS} more entries are not as they should be"))
