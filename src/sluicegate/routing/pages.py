"""A list as clients get it: encoded once, in pages."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping

import attrs

from ..protocol.calls import Reply
from ..protocol.messages import Raw, encode
from ..protocol.offers import ListKind

__all__ = ["Pages", "paged"]


@attrs.frozen(eq=False, repr=False)
class Pages:
    """One list, ready to be sent."""

    first: Reply
    rest: Mapping[str, Reply] = attrs.field(factory=dict)
    """By cursor."""
    entries: tuple[tuple[str, bytes], ...] = ()
    """What stands in them, each under its name; kept only where there are callers who may not see all of it."""
    size: int = 0
    """Entries of a page; 0 is all."""

    def of(self, kind: ListKind, names: Collection[str]) -> Pages:
        """The same list with these names alone."""
        return paged(kind, (entry for entry in self.entries if entry[0] in names), self.size)

    def says_the_same(self, other: Pages) -> bool:
        """Whether a client that has read one need not read the other."""
        mine, others = (self.first, *self.rest.values()), (other.first, *other.rest.values())
        return [bytes(reply.result) for reply in mine] == [bytes(reply.result) for reply in others]


def paged(kind: ListKind, items: Iterator[tuple[str, bytes]], size: int, *, keeps_entries: bool = False) -> Pages:
    """Cut a list into pages. A cursor stands for the last name before it, so replicas with equal lists understand each other's (P-83)."""
    entries = list(items)
    parts = [entries[start : start + size] for start in range(0, len(entries), size)] if size else [entries]
    replies: dict[str, Reply] = {}
    cursor = ""
    for part in parts or [[]]:
        following = _cursor(part[-1][0]) if part and part[-1] is not entries[-1] else ""
        tail = b',"nextCursor":%b' % encode(following) if following else b""
        body = b",".join(data for _name, data in part)
        replies[cursor] = Reply(Raw(b'{"%b":[%b]%b}' % (kind.member.encode(), body, tail)))
        cursor = following
    return Pages(replies.pop(""), replies, tuple(entries) if keeps_entries else (), size)


def _cursor(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:24]
