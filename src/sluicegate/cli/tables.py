"""Printing tables: aligned for a person at a terminal, tab-separated and whole for a program."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["print_table"]


def print_table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, console: Console | None = None) -> None:
    """Print rows under their heads. A program that reads us gets no heads and nothing shortened."""
    out = console or Console(highlight=False)
    if not out.is_terminal:
        for row in rows:
            print("\t".join(" ".join(cell.split()) for cell in row), file=out.file)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in heads:
        table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))  # as text, because names may look like markup
    out.print(table)
