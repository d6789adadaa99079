"""An index of the words of all tools: SQLite's FTS5, in memory. Everything here blocks, and runs in a thread.

It is made whole and never changed. A row is put in by itself, and SQLite lets the interpreter go for each, so whoever makes an index of 10 000
tools keeps no other thread waiting for longer than one tool takes.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice

import attrs

from .findable import Findable
from .search_words import indexed, query_for
from .tool_card import ToolCard, card_of

__all__ = ["EMPTY_INDEX", "Abandoned", "ToolIndex"]

_COLUMNS = {"name": 10.0, "title": 6.0, "description": 2.0, "server": 2.0, "parameters": 1.0, "tags": 2.0}
"""And how much a word counts that stands there."""
_LONGEST_TEXT = 4096
"""Characters of a description, or of what all parameters are called, that are indexed."""


class Abandoned(Exception):
    """Nobody waits for the index any more."""


@attrs.frozen(eq=False, repr=False)
class ToolIndex:
    """The tools that were there when it was made."""

    tools: Sequence[Findable] = ()
    _tags: Sequence[tuple[str, ...]] = ()
    _rows: Mapping[str, int] = attrs.field(factory=dict, repr=False)
    """By word, in how many rows it is."""
    _named: Mapping[str, int] = attrs.field(factory=dict, repr=False)
    """By word, in how many names and titles."""
    _connection: sqlite3.Connection | None = attrs.field(default=None, repr=False)

    @classmethod
    def of(cls, tools: Sequence[Findable], is_unwanted: Callable[[], bool]) -> ToolIndex:
        """Make one; raises `Abandoned` when that is in vain."""
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        making = _Making(tools, is_unwanted)
        try:
            connection.execute(
                f"CREATE VIRTUAL TABLE tools USING fts5({', '.join(_COLUMNS)}, content='', tokenize='porter unicode61 remove_diacritics 2')"
            )
            connection.execute("INSERT INTO tools(tools, rank) VALUES ('rank', ?)", (f"bm25({', '.join(map(str, _COLUMNS.values()))})",))
            connection.execute("BEGIN")
            places = ", ".join("?" * (len(_COLUMNS) + 1))
            connection.executemany(
                f"INSERT INTO tools(rowid, {', '.join(_COLUMNS)}) VALUES ({places})",  # noqa: S608  nothing of it comes from outside
                making.rows(),
            )
            connection.execute("COMMIT")
        except BaseException:
            connection.close()
            raise
        return cls(tools, making.tags, making.counts, making.named, connection)

    def close(self) -> None:
        """Give its memory back."""
        if self._connection is not None:
            self._connection.close()

    def search(self, text: str, visible: Mapping[str, Findable], limit: int) -> list[dict[str, object]]:
        """The tools whose words fit best, the best first; of those alone that are ``visible``, as they are there."""
        with closing(self._rows_with(text)) as rows:
            fitting = ((tool, rank) for row, rank in rows if visible.get((tool := self.tools[row]).name) == tool)
            return [_shown(tool, card_of(tool.entry)) | {"score": round(-rank, 6)} for tool, rank in islice(fitting, limit)]

    def _rows_with(self, text: str) -> Generator[tuple[int, float], None, None]:
        query = query_for(text, self._rows, self._named)
        if self._connection is None or not query.expression:
            return
        order = "rank FROM tools WHERE tools MATCH ? ORDER BY rank" if query.is_ordered else "0.0 FROM tools WHERE tools MATCH ?"
        with closing(self._connection.execute(f"SELECT rowid, {order}", (query.expression,))) as cursor:
            yield from cursor

    def similar(self, to: Findable, visible: Mapping[str, Findable], limit: int) -> list[dict[str, object]]:
        """The tools that have most in common with one of them (DISC-4)."""
        card = card_of(to.entry)
        others = {name: tool for name, tool in visible.items() if name != to.name}
        return self.search(f"{to.local} {card.title} {card.description}", others, limit)

    def categories(self, visible: Mapping[str, Findable]) -> list[dict[str, object]]:
        """How many there are by backend, and by what is said of them; the most first (DISC-5)."""
        alike = Counter((tool.server, tags) for tool, tags in zip(self.tools, self._tags, strict=True) if visible.get(tool.name) == tool)
        counts: Counter[tuple[str, str]] = Counter()
        servers: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        for (server, tags), count in alike.items():
            for one in (("server", server), *(("annotation", tag) for tag in tags)):
                counts[one] += count
                servers[one].add(server)
        return [
            {"name": name, "kind": kind, "tool_count": count, "servers": sorted(servers[kind, name])}
            for (kind, name), count in sorted(counts.items(), key=lambda one: (-one[1], one[0][0] != "server", one[0][1]))
        ]


EMPTY_INDEX = ToolIndex()


@attrs.define(eq=False, repr=False)
class _Making:
    """The rows of an index in the making, and what is known of them besides."""

    tools: Sequence[Findable]
    is_unwanted: Callable[[], bool]
    tags: list[tuple[str, ...]] = attrs.field(factory=list)
    counts: Counter[str] = attrs.field(factory=Counter)
    named: Counter[str] = attrs.field(factory=Counter)

    def rows(self) -> Iterator[tuple[object, ...]]:
        """One for each tool, made when the one before is in."""
        for row, tool in enumerate(self.tools):
            if self.is_unwanted():
                raise Abandoned
            card = card_of(tool.entry)
            self.tags.append(card.tags)
            columns = (
                indexed(tool.local, is_name=True),
                indexed(card.title[:_LONGEST_TEXT]),
                indexed(card.description[:_LONGEST_TEXT]),
                indexed(tool.server, is_name=True),
                indexed(" ".join(card.properties)[:_LONGEST_TEXT], is_name=True),
                indexed(" ".join(card.tags)),
            )
            self.counts.update({word for words in columns for word in words})
            self.named.update({*columns[0], *columns[1]})
            yield (row, *map(" ".join, columns))


def _shown(tool: Findable, card: ToolCard) -> dict[str, object]:
    return {"id": tool.id, "server": tool.server, "name": tool.name, "category": tool.server, **card.told()}
