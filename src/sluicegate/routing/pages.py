"""A list as clients get it: encoded once, in pages."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

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

    def says_the_same(self, other: Pages) -> bool:
        """Whether a client that has read one need not read the other."""
        mine, others = (self.first, *self.rest.values()), (other.first, *other.rest.values())
        return [bytes(reply.result) for reply in mine] == [bytes(reply.result) for reply in others]


def paged(kind: ListKind, items: Iterator[tuple[str, bytes]], size: int) -> Pages:
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
    return Pages(replies.pop(""), replies)


def _cursor(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:24]
