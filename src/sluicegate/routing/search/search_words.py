"""The words of a tool, and of what somebody looks for: the same rules on both sides, so that no text is a mistake."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import accumulate, pairwise

import attrs

__all__ = ["Query", "indexed", "query_for"]

LONGEST_QUERY = 1024
"""Characters that are looked at."""
MOST_WORDS = 16
"""Words that are looked for."""
MOST_ROWS = 3000
"""Rows that are put in order for a query: each takes 1 µs for each word that it has."""
_LONGEST_WORD = 64
_RUN = re.compile(r"[^\W_]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")
"""Scripts that have no spaces between words, of which FTS5 makes one word a sentence."""


def indexed(text: str, *, is_name: bool = False) -> list[str]:
    """A text as it is put into the index; of a name that is made of several words also the whole."""
    return [word for run in _runs(text) for word in _parts(run, whole=is_name)]


@attrs.frozen
class Query:
    """What is asked of the index."""

    expression: str
    """Of FTS5; empty where nothing is looked for."""
    is_ordered: bool = True
    """Whether the best come first, and not just those that are listed first."""


def query_for(text: str, rows: Mapping[str, int], named: Mapping[str, int]) -> Query:
    """What has any of the words. Each is quoted, so none is an operator.

    What is in thousands of tools, such as "the", says little and takes long: it is looked for only where there is nothing else, and in names alone.
    What is in many counts where one of the rarer words is, too.

    Args:
        text: what somebody looks for; anything.
        rows: in how many tools a word is.
        named: in how many names and titles it is.
    """
    found = dict.fromkeys(word for run in _runs(text[:LONGEST_QUERY]) for word in _sought(run))
    rarest = sorted(found, key=lambda word: rows.get(word, 0))[:MOST_WORDS]
    if rarest and rows.get(rarest[0], 0) > MOST_ROWS:
        in_names = named.get(rarest[0], 0)
        return Query(f'{{name title}} : "{rarest[0]}"' if in_names else f'"{rarest[0]}"', 0 < in_names <= MOST_ROWS)
    rarest = [word for word in rarest if rows.get(word, 0) <= MOST_ROWS]
    few = sum(most <= MOST_ROWS for most in accumulate(rows.get(word, 0) for word in rarest))
    some, others = (" OR ".join(f'"{word}"' for word in words) for words in (rarest[:few], rarest[few:]))
    return Query(f"{some} OR (({some}) AND ({others}))" if others else some)


def _runs(text: str) -> Iterator[str]:
    """Letters and digits that stand together; those of a script without spaces apart from others."""
    for run in _RUN.findall(text):
        at = 0
        for unspaced in _UNSPACED.finditer(run):
            if unspaced.start() > at:
                yield run[at : unspaced.start()]
            yield unspaced[0]
            at = unspaced.end()
        if at < len(run):
            yield run[at:]


def _parts(run: str, *, whole: bool) -> Iterator[str]:
    if _UNSPACED.match(run):
        yield from run
        return
    parts = _CAMEL.split(run)
    yield from (part[:_LONGEST_WORD].lower() for part in parts)
    if whole and len(parts) > 1:
        yield run[:_LONGEST_WORD].lower()


def _sought(run: str) -> Iterator[str]:
    if not _UNSPACED.match(run):
        yield from _parts(run, whole=True)
    elif len(run) == 1:
        yield run
    else:
        yield from (f"{first} {second}" for first, second in pairwise(run))
