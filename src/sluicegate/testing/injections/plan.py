"""A plan of faults as a TOML file: what ``sluicegate run --faults`` reads.

Example::

    seed = 42                  # --seed wins; without either one is drawn

    [[faults]]
    fault = "delay"
    seconds = { uniform = [0.1, 0.5] }
    percent = 20
    backend = "time"

    [[faults]]
    fault = "reset"
    numbers = [3]
    tool = "get_current_time"
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from operator import attrgetter
from pathlib import Path
from typing import Any

import attrs

from ...config.nearest import instead_of_unknown
from ...config.problem import ConfigError, Problem, line_of
from ...config.toml_lines import lines
from .kinds import Injection, Transport
from .rules import Rule, is_over
from .words import FAULTS, WrongFault, fault_from

__all__ = ["load_plan", "read_plan"]

_TRANSPORTS = {
    "stdio": Transport.CHILD,
    "http": Transport.HTTP,
    "inprocess": Transport.FRAMES,
    "websocket": Transport.SOCKET,
    "sse": Transport.EVENTS,
}
_TOP = ("seed", "faults")
_CONDITIONS = tuple(field.name for field in attrs.fields(Rule) if field.name != "fault")


def load_plan(path: str | Path, backends: Mapping[str, str] | None = None) -> tuple[list[Rule], int | str]:
    """Read a plan: its rules, and its seed; raises `ConfigError` with all that is wrong.

    Args:
        path: of the file.
        backends: the transport of each backend by its name, where they are known: then what could have no effect is wrong, too.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ConfigError([Problem(str(path), None, "", f"cannot be read: {why}")]) from None
    return read_plan(text, str(path), backends)


def read_plan(text: str, file: str | None = None, backends: Mapping[str, str] | None = None) -> tuple[list[Rule], int | str]:
    """Read the text of a plan; arguments and errors as with `load_plan`."""
    try:
        plan = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([Problem(file, None, "", f"is no TOML: {error}")]) from None
    reader = _Reader(file, lines(text), backends)
    rules = reader.rules(plan)
    if reader.problems:
        raise ConfigError(reader.problems)
    return rules, plan.get("seed", "")


@attrs.define(eq=False, repr=False)
class _Reader:
    """Makes rules, and collects what is wrong."""

    file: str | None
    places: Mapping[str, int]
    backends: Mapping[str, str] | None
    problems: list[Problem] = attrs.field(factory=list, init=False)

    def complain(self, path: str, what: str, instead: str = "") -> None:
        self.problems.append(Problem(self.file, line_of(path, self.places), path, what, instead))

    def rules(self, plan: Mapping[str, Any]) -> list[Rule]:
        for key in plan:
            if key not in _TOP:
                self.complain(key, "unknown key", instead_of_unknown(key, _TOP))
        seed, tables = plan.get("seed", ""), plan.get("faults", [])
        if not isinstance(seed, int | str) or isinstance(seed, bool):
            self.complain("seed", "must be an integer or a text")
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            self.complain("faults", "must be tables", "write [[faults]]")
            tables = []
        elif not tables:
            self.complain("faults", "there is none", 'write [[faults]] and fault = "reset"')
        rules = [rule for place, table in enumerate(tables) if (rule := self.rule(f"faults[{place}]", table)) is not None]
        sums = dict.fromkeys((rule.backend, sum(other.percent or 0.0 for other in rules if _goes_with(other, rule))) for rule in rules)
        for backend, drawn in sums:
            if drawn > 100:
                self.complain("faults", f"the percentages for {_whom(backend)} add up to {drawn:g}", "at most 100 is possible")
        return rules

    def rule(self, path: str, table: dict[str, Any]) -> Rule | None:
        before = len(self.problems)
        given = {key: table[key] for key in _CONDITIONS if key in table}
        for key, wrong in _wrong(given):
            self.complain(f"{path}.{key}", wrong)
        settings = {key: value for key, value in table.items() if key not in ("fault", *given)}
        name = table.get("fault")
        if not isinstance(name, str):
            self.complain(f"{path}.fault", "says what goes wrong, and is missing", f"write one of {', '.join(FAULTS)}")
            return None
        try:
            fault = fault_from(name, settings)
        except WrongFault as found:
            for key, what, instead in found.wrong:
                self.complain(f"{path}.{key}", what, self._nearest(key, instead))
            return None
        name = given.get("backend")
        if self.backends is not None and (name is None or isinstance(name, str)):
            self.reach(path, fault, name, self.backends)
        return None if len(self.problems) > before else Rule(fault, **given)

    def reach(self, path: str, fault: Injection, name: str | None, backends: Mapping[str, str]) -> None:
        """Complain about what can never happen."""
        if name is None:
            if not any(is_over(fault, _TRANSPORTS[transport]) for transport in backends.values()):
                where = " or ".join(transport for transport, kind in _TRANSPORTS.items() if is_over(fault, kind))
                self.complain(f"{path}.fault", f"no backend is reached over {where}, and elsewhere there is no such thing")
        elif name not in backends:
            self.complain(f"{path}.backend", f"there is no backend '{name}'", instead_of_unknown(name, backends))
        elif not is_over(fault, _TRANSPORTS[backends[name]]):
            self.complain(f"{path}.fault", f"backend '{name}' is reached over {backends[name]}, where there is no such thing")

    @staticmethod
    def _nearest(key: str, instead: str) -> str:
        """A misspelt condition looks like a setting that the injection does not have."""
        near = instead_of_unknown(key, _CONDITIONS)
        return near if near.startswith("did you mean") and not instead.startswith("did you mean") else instead


def _goes_with(other: Rule, rule: Rule) -> bool:
    """Whether the other one is about every attempt that this one is about; where that cannot be told, it is not."""
    whom, when = attrgetter("backend", "method", "tool", "caller"), attrgetter("numbers", "every", "first", "last")
    if when(other) != ((), None, 1, None):
        return when(other) == when(rule) and bool(whom(other) == whom(rule))
    return all(its in (None, ours) for its, ours in zip(whom(other), whom(rule), strict=True))


def _wrong(given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    first, last = given.get("first"), given.get("last")
    if isinstance(first, int) and isinstance(last, int) and last < first:
        yield "last", f"comes before first, which is {first}"
    for key, value in given.items():
        if key in ("backend", "method", "tool", "caller"):
            if not isinstance(value, str):
                yield key, "must be a text"
        elif key == "numbers":
            if not isinstance(value, list) or not value or not all(_is_count(number) for number in value):
                yield key, "must be a list of integers, counted from 1"
        elif key == "percent":
            if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= 100:
                yield key, "must be more than 0 and at most 100"
        elif not _is_count(value):
            yield key, "must be an integer of at least 1"


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _whom(backend: str | None) -> str:
    return "every backend" if backend is None else f"backend '{backend}'"
