"""Printing tables: aligned for a person at a terminal, tab-separated and whole for a program."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console

__all__ = ["print_table", "printable"]

_GAP = "  "
_NARROW = 30
"""Columns of a terminal; with less beside it, the last cell gets lines of its own."""
_INDENT = "    "


def print_table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, console: Console | None = None) -> None:
    """Print rows under their heads. A program that reads us gets no heads.

    The last cell may be long; at a terminal it goes on under its own beginning, and no word of it is cut, so that a path can be copied.
    """
    out = console or Console(highlight=False)
    if not out.is_terminal:
        for row in rows:
            print("\t".join(" ".join(cell.split()) for cell in row), file=out.file)
        return
    table = [tuple(heads), *(tuple(map(printable, row)) for row in rows)]
    widths = [max(cell_len(row[place]) for row in table) for place in range(len(heads) - 1)]
    for row in table:
        for line in _lines(row, widths, out.width):
            print(line.rstrip(), file=out.file)


def _lines(row: Sequence[str], widths: Sequence[int], width: int) -> Iterator[str]:
    """One row on as many lines as its last cell takes."""
    *cells, last = row
    head = "".join(cell + " " * (wide - cell_len(cell)) + _GAP for cell, wide in zip(cells, widths, strict=True))
    taken = sum(widths) + len(_GAP) * len(widths)
    beside = width - taken >= max(_NARROW, min(cell_len(last), width // 2)) or cell_len(last) <= width - taken
    indent = " " * taken if beside else _INDENT
    wrapped = textwrap.wrap(last, max(width - len(indent), _NARROW), break_long_words=False, break_on_hyphens=False) or [""]
    if not beside:
        yield head
        yield from (indent + part for part in wrapped)
        return
    yield head + wrapped[0]
    yield from (indent + part for part in wrapped[1:])


def printable(cell: str) -> str:
    """On one line, and without what would move the cursor: names and descriptions are others' words."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in " ".join(cell.split()))
