"""Whether backends that answer for others, or get copies of their calls, are named so that it makes sense."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import attrs

from ...protocol.json_pointers import read_pointer
from ..backends import BackendConfig, TimeoutSettings
from ..nearest import names_shown, nearest
from ..problem import Problem

__all__ = ["role_rules", "role_warnings"]

_ROLES = {"failover_for": "stand-in", "canary_of": "canary", "mirror_of": "mirror"}
"""The keys that name another backend, and what one is that has it."""
_SHOWN = (*(f"{verb}_{kind}" for verb in ("expose", "hide") for kind in ("tools", "resources", "prompts")), "aliases")
_MANY = 200
_DEFAULTS = BackendConfig(name="", transport="stdio")


def role_rules(backends: Sequence[BackendConfig]) -> Iterator[list[Problem]]:
    """What is wrong with the part of each backend beside the others, one list for each."""
    group = _Group.of(backends)
    for index, backend in enumerate(backends):
        role = _Role(group, index, backend)
        named = role.circle() if index in group.circles else (found for key in _ROLES for found in role.reference(key))
        yield [*role.only_one(), *named, *role.shares(), *role.places(), *role.triggers()]


def role_warnings(backends: Sequence[BackendConfig]) -> Iterator[list[Problem]]:
    """What each says of its part and has no effect."""
    group = _Group.of(backends)
    for index, backend in enumerate(backends):
        role = _Role(group, index, backend)
        yield [*role.without_role(), *role.of_its_stand_ins(), *role.of_the_primary(), *role.not_enabled()]


@attrs.frozen(repr=False)
class _Group:
    """What is asked of all backends together, counted once."""

    by_name: Mapping[str, BackendConfig]
    given_away: Mapping[int, int]
    """By the position of a canary, the percent of its primary's calls that it and those before it take."""

    stood_in_for: frozenset[str | None]
    """Who has a stand-in."""
    circles: Mapping[int, Sequence[str]]
    """By position, all who lead back to themselves, and who leads into them; empty where it was told of another of them."""

    @classmethod
    def of(cls, backends: Sequence[BackendConfig]) -> _Group:
        given: dict[int, int] = {}
        totals: dict[str, int] = {}
        for index, backend in enumerate(backends):
            if backend.canary_of is not None and backend.enabled:
                totals[backend.canary_of] = totals.get(backend.canary_of, 0) + backend.weight
                given[index] = totals[backend.canary_of]
        stood_in_for = frozenset(backend.failover_for for backend in backends)
        return cls({backend.name: backend for backend in backends}, given, stood_in_for, dict(_circles(backends)))


def _circles(backends: Sequence[BackendConfig]) -> Iterator[tuple[int, Sequence[str]]]:
    """Who names somebody that leads to a circle: with all of the circle for the first in it, with nobody for the others."""
    place = {backend.name: index for index, backend in enumerate(backends)}
    names = [next((name for key in _ROLES if (name := getattr(backend, key)) is not None), None) for backend in backends]
    after = [None if name is None or name == backend.name else place.get(name) for name, backend in zip(names, backends, strict=True)]
    seen: dict[int, int] = {}
    lost: set[int] = set()
    for start in range(len(backends)):
        way: list[int] = []
        at: int | None = start
        while at is not None and at not in seen:
            seen[at] = start
            way.append(at)
            at = after[at]
        if at is None or (seen[at] != start and at not in lost):
            continue
        lost.update(way)
        circle = way[way.index(at) :] if seen[at] == start else []
        yield from ((index, ()) for index in way if index != min(circle, default=None))
        if circle:
            yield min(circle), [backends[index].name for index in sorted(circle)]


@attrs.frozen(repr=False)
class _Role:
    """The rules for one backend."""

    group: _Group
    index: int
    backend: BackendConfig

    def only_one(self) -> Iterator[Problem]:
        has = [key for key in _ROLES if getattr(self.backend, key) is not None]
        if len(has) > 1:
            what = f"backend '{self.backend.name}' cannot be a {_ROLES[has[0]]} and a {_ROLES[has[-1]]} at once"
            yield self._at(has[-1], what, "leave one of the two out")

    def reference(self, key: str) -> Iterator[Problem]:
        name = getattr(self.backend, key)
        if name is None:
            return
        others = self.group.by_name
        if name == self.backend.name:
            yield self._at(key, f"backend '{name}': {key} cannot reference itself", "name another backend")
        elif name not in others:
            yield self._at(key, f"backend '{self.backend.name}': {key} references unknown backend '{name}'", self._known(name))
        elif others[name].failover_for is not None:
            yield self._at(key, f"'{name}' is a stand-in itself", f"name its primary '{others[name].failover_for}'")
        elif others[name].canary_of is not None:
            yield self._at(key, f"'{name}' is a canary itself", f"name its primary '{others[name].canary_of}'")
        elif others[name].mirror_of is not None and key != "failover_for":
            yield self._at(key, f"'{name}' is a mirror itself", f"name its source '{others[name].mirror_of}'")

    def circle(self) -> Iterator[Problem]:
        names = self.group.circles[self.index]
        if names:
            shown = f"{', '.join(repr(name) for name in names[:-1])} and {names[-1]!r}"
            key = next(key for key in _ROLES if getattr(self.backend, key) is not None)
            does = "stand in for each other" if key == "failover_for" else f"name each other in {key}"
            yield self._at(key, f"{shown} {does}, so that none of them is the primary", f"take {key} out of the one that is")

    def _known(self, name: str) -> str:
        if len(self.group.by_name) > _MANY:  # comparing every name with every other would take minutes
            return "name one of your backends"
        names = self.group.by_name.keys() - {self.backend.name}
        close = nearest(name, names)
        return f"did you mean '{close}'?" if close else f"name one of {names_shown(names) or 'your backends'}"

    def shares(self) -> Iterator[Problem]:
        """More than everything cannot be given away; told once, at the canary where it becomes too much."""
        total = self.group.given_away.get(self.index, 0)
        if total > 100 >= total - self.backend.weight:
            what = f"the canaries of '{self.backend.canary_of}' have weights of {total} % together"
            yield self._at("weight", what, "write shares that sum to at most 100; what is left is the primary's")

    def triggers(self) -> Iterator[Problem]:
        if not self.backend.failover_after:
            yield self._at(
                "failover_after", "after nothing at all nobody is asked", "name something, or take failover_for out of who stands in"
            )

    def places(self) -> Iterator[Problem]:
        for number, text in enumerate(self.backend.mirror_ignore):
            try:
                read_pointer(text)
            except ValueError as error:
                what = f"{text!r} is no JSON Pointer"
                yield self._at(f"mirror_ignore[{number}]", what, f"{error}")

    def without_role(self) -> Iterator[Problem]:
        backend = self.backend
        for needs, keys in (
            ("failover_for", ("priority",)),
            ("mirror_of", ("mirror_percent", "mirror_hidden", "mirror_read_only", "mirror_compare")),
            ("mirror_compare", ("mirror_ignore",)),
            ("canary_of", ("weight", "canary_sticky")),
        ):
            for key in keys:
                if getattr(backend, needs) in (None, False) and getattr(backend, key) != getattr(_DEFAULTS, key):
                    yield self._at(key, f"{key} has no effect without {needs}", "leave it out")
        if backend.canary_of is not None and backend.weight == 100:
            what = f"the canary takes all calls of '{backend.canary_of}'"
            yield self._at("weight", what, "write the share that it is to get, in percent: weight = 10")

    def of_its_stand_ins(self) -> Iterator[Problem]:
        """What a primary says of those who stand in for it."""
        backend = self.backend
        for key in ("failover_after", "failover_stays_seconds") if backend.name not in self.group.stood_in_for else ():
            if getattr(backend, key) != getattr(_DEFAULTS, key):
                yield self._at(key, f"{key} has no effect: nobody stands in for '{backend.name}'", "leave it out")

    def of_the_primary(self) -> Iterator[Problem]:
        backend = self.backend
        role = _ROLES["failover_for" if backend.failover_for is not None else "canary_of"]
        if backend.failover_for is None and backend.canary_of is None:
            return
        for key in _SHOWN:
            if getattr(backend, key):
                yield self._at(key, f"{key} has no effect: a {role} shows its primary's names", "set it on the primary")
        if backend.timeout.seconds != TimeoutSettings().seconds:
            what = f"timeout.seconds has no effect: the primary's holds for a whole call, also at a {role}"
            yield self._at("timeout.seconds", what, "set it on the primary, or write timeout.per_attempt_seconds")
        if backend.retry is not None and backend.retry.budget_percent is not None:
            what = f"retry.budget_percent has no effect: a {role} draws from its primary's budget"
            yield self._at("retry.budget_percent", what, "set it on the primary")

    def not_enabled(self) -> Iterator[Problem]:
        for key in _ROLES:
            name = getattr(self.backend, key)
            other = self.group.by_name.get(name or "")
            if self.backend.enabled and other is not None and not other.enabled:
                yield self._at(key, f"'{name}' is not enabled", "enable it, or disable this one too")

    def _at(self, key: str, what: str, instead: str) -> Problem:
        return Problem(None, None, f"backends[{self.index}].{key}", what, instead)
