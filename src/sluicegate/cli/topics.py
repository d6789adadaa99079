"""The topics of ``sluicegate help``: pages of reStructuredText that come with the package, each answering one question of a user's.

A page's title is its name, a colon and what it is about; the list of topics and what a search shows are read from there, so nothing is told twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import attrs
import click

__all__ = ["ORDER", "Section", "Topic", "matches", "readable", "topics"]

ORDER = (
    "running",
    "connecting",
    "configuration",
    "names",
    "backends",
    "policies",
    "listening",
    "identity",
    "security",
    "limits",
    "protocol",
    "matrix",
    "errors",
    "log",
    "metrics",
    "embedding",
    "faults",
    "simulation",
    "measuring",
    "contributing",
    "architecture",
    "requirements",
    "changes",
)
"""The topics as somebody comes to need them; those that search finds are in this order, too."""

_PACKAGE = Path(__file__).parents[1]
_ELSEWHERE = {"architecture": _PACKAGE / "ARCHITECTURE.rst", "requirements": _PACKAGE / "requirements.rst"}
"""Pages that stand beside the source that they are about."""

_UNDERLINE = re.compile(r"([=\-~])\1{2,}")
_MARKED = re.compile(r"``(.+?)``|\*\*(.+?)\*\*")
_MARKS = "````"
"""As much as is taken away of each."""


@attrs.frozen
class Section:
    """What stands under one heading, up to the next one."""

    topic: Topic
    heading: str
    lines: tuple[str, ...]

    def has(self, words: Sequence[str]) -> bool:
        """Whether all the words are in it, in whatever case; a word may be a phrase, and end in another line than it begins."""
        text = " ".join(" ".join([self.heading, *self.lines]).split()).casefold().replace("``", "")
        return all(word in text for word in words)


@attrs.frozen
class Topic:
    """One page."""

    name: str
    path: Path

    @property
    def text(self) -> str:
        """The page as it is in the package."""
        return self.path.read_text(encoding="utf-8")

    @property
    def purpose(self) -> str:
        """What it is about, in a line."""
        return self.text.partition("\n")[0].partition(": ")[2]

    def sections(self) -> Iterator[Section]:
        """All of it, cut at the headings."""
        heading, found = "", list[str]()
        lines = self.text.splitlines()
        for line, following in pairwise([*lines, ""]):
            if line and not line.startswith(" ") and _UNDERLINE.fullmatch(following):
                yield Section(self, heading, tuple(found))
                heading, found = line, []
            elif not _UNDERLINE.fullmatch(line):
                found.append(line)
        yield Section(self, heading, tuple(found))


def topics() -> dict[str, Topic]:
    """All of them by name, in their order."""
    return {name: Topic(name, _ELSEWHERE.get(name, _PACKAGE / "help" / f"{name}.rst")) for name in ORDER}


def readable(text: str) -> str:
    """A page for a terminal: headings and literals in bold, without the marks that are there for other readers of the format."""
    shown, verbatim = list[str](), False
    lines = text.splitlines()
    for line, following in pairwise([*lines, ""]):
        if not line:
            shown += [""] if shown and shown[-1] else []
        elif verbatim and line.startswith("   "):
            shown.append(line)
        elif verbatim := line.endswith("::") or line.startswith(".. code-block::"):
            shown += [_without_marks(line[:-1])] if line.strip(":") and not line.startswith("..") else []
        else:
            shown.append(click.style(line, bold=True) if _UNDERLINE.fullmatch(following) else _without_marks(line))
    return "\n".join(shown)


def _without_marks(line: str) -> str:
    """What follows a mark in a table stays in its column."""
    shown = ""
    for cell, gap in re.findall(r"(.+?)( {2,}|$)", line):
        text, marks = _MARKED.subn(lambda found: click.style(found[1] or found[2], bold=True), cell)
        shown += text + gap + " " * len(_MARKS) * marks * bool(gap)
    return shown


def matches(words: Sequence[str]) -> Iterator[Section]:
    """The sections that have all of the words, those first whose headings do."""
    folded = [" ".join(word.split()).casefold() for word in words]
    found = [section for topic in topics().values() for section in topic.sections() if section.has(folded)]
    yield from sorted(found, key=lambda section: not all(word in section.heading.casefold() for word in folded))
