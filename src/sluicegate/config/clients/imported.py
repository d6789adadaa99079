"""What came of reading a client's file: backends, and what is to be said about the rest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs

from ..documents import Document
from ..interpolate import Interpolation
from ..problem import KeyPath, Problem, dotted, line_of

__all__ = ["Imported", "LeftOut"]


class LeftOut(Exception):
    """One server cannot be used, and ``reasons`` say why, each with its key in the file; the others run."""

    def __init__(self, path: KeyPath, what: str, instead: str) -> None:
        super().__init__(what)
        self.reasons = [Problem(None, None, dotted(path), what, instead)]

    @classmethod
    def because_of(cls, reasons: Iterable[Problem]) -> LeftOut:
        """Of several at once; there is at least one."""
        first, *rest = reasons
        made = cls((), first.what, first.instead)
        made.reasons = [first, *rest]
        return made


@attrs.define
class Imported:
    """The backends of one file, as tables of ``[[backends]]``."""

    document: Document
    tables: list[dict[str, Any]] = attrs.field(factory=list)
    places: list[str] = attrs.field(factory=list)
    """The key path of each table in its file."""
    warnings: list[str] = attrs.field(factory=list)
    problems: list[Problem] = attrs.field(factory=list)
    """What is wrong with the file as a whole."""
    interpolations: list[tuple[str, Interpolation]] = attrs.field(factory=list)
    """By the names of servers, what was put in for each."""
    left_out: list[Problem] = attrs.field(factory=list)
    """What is wrong with servers that therefore have no table."""

    def problem(self, path: KeyPath, what: str, instead: str) -> None:
        """Note an error at a key."""
        self.problems.append(self._placed(Problem(None, None, dotted(path), what, instead)))

    def warn(self, path: KeyPath, what: str, instead: str = "") -> None:
        """Note something that the operator should know."""
        self.warnings.append(str(self._placed(Problem(None, None, dotted(path), what, instead))))

    def leave_out(self, why: LeftOut) -> None:
        """Note that a server has no table."""
        self.left_out += map(self._placed, why.reasons)

    def about_those_left_out(self) -> list[str]:
        """The same in words for a gateway that has other backends."""
        return [str(attrs.evolve(problem, what=f"{problem.what}; the server is left out")) for problem in self.left_out]

    def _placed(self, problem: Problem) -> Problem:
        return attrs.evolve(problem, file=self.document.name, line=line_of(problem.path, self.document.lines))
