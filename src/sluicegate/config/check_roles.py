"""Whether backends that answer for others, or get copies of their calls, are named so that it makes sense."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from .backends import BackendConfig, TimeoutConfig
from .model import Config
from .nearest import nearest
from .problem import Problem

__all__ = ["role_rules", "role_warnings"]

_ROLES = {"failover_for": "stand-in", "canary_of": "canary", "mirror_of": "mirror"}
"""The keys that name another backend, and what one is that has it."""
_SHOWN = (*(f"{verb}_{kind}" for verb in ("expose", "hide") for kind in ("tools", "resources", "prompts")), "aliases")
_DEFAULTS = BackendConfig(name="", transport="stdio")


def role_rules(config: Config, index: int) -> Iterator[Problem]:
    """What is wrong with the part of the backend at that place beside others."""
    role = _Role(config, index, config.backends[index])
    yield from role.numbers()
    yield from role.only_one()
    for key in _ROLES:
        yield from role.reference(key)
    yield from role.shares()


def role_warnings(config: Config, index: int) -> Iterator[Problem]:
    """What it says of its part and has no effect."""
    role = _Role(config, index, config.backends[index])
    yield from role.without_role()
    yield from role.of_the_primary()
    yield from role.not_enabled()


@attrs.frozen
class _Role:
    """The rules for one backend."""

    config: Config
    index: int
    backend: BackendConfig

    def numbers(self) -> Iterator[Problem]:
        backend = self.backend
        if not 0 <= backend.mirror_percent <= 100:
            what = f"mirror_percent must be 0-100, got {backend.mirror_percent}"
            yield self._at("mirror_percent", what, "write the share in percent; 0 is off")
        if not 1 <= backend.weight <= 100:
            yield self._at("weight", f"weight must be 1-100, got {backend.weight}", "write the canary's share of the calls in percent")
        if backend.priority < 0:
            yield self._at("priority", "priority must be >= 0", "the lowest number is asked first")

    def only_one(self) -> Iterator[Problem]:
        has = [key for key in _ROLES if getattr(self.backend, key) is not None]
        if len(has) > 1:
            what = f"backend '{self.backend.name}' cannot be a {_ROLES[has[0]]} and a {_ROLES[has[-1]]} at once"
            yield self._at(has[-1], what, "leave one of the two out")

    def reference(self, key: str) -> Iterator[Problem]:
        name = getattr(self.backend, key)
        if name is None:
            return
        others = {other.name: other for other in self.config.backends}
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

    def _known(self, name: str) -> str:
        names = {other.name for other in self.config.backends} - {self.backend.name}
        close = nearest(name, names)
        return f"did you mean '{close}'?" if close else f"name one of {', '.join(sorted(names)) or 'your backends'}"

    def shares(self) -> Iterator[Problem]:
        """More than everything cannot be given away; told once, at the canary where it becomes too much."""
        if self.backend.canary_of is None or not self.backend.enabled:
            return
        group = [other for other in self.config.backends[: self.index + 1] if other.canary_of == self.backend.canary_of and other.enabled]
        total = sum(other.weight for other in group)
        if total > 100 >= total - self.backend.weight:
            what = f"the canaries of '{self.backend.canary_of}' have weights of {total} % together"
            yield self._at("weight", what, "write shares that sum to at most 100; what is left is the primary's")

    def without_role(self) -> Iterator[Problem]:
        backend = self.backend
        for needs, keys in (
            ("failover_for", ("priority",)),
            ("mirror_of", ("mirror_percent", "mirror_hidden")),
            ("canary_of", ("weight", "canary_sticky")),
        ):
            for key in keys:
                if getattr(backend, needs) is None and getattr(backend, key) != getattr(_DEFAULTS, key):
                    yield self._at(key, f"{key} has no effect without {needs}", "leave it out")
        if backend.canary_of is not None and backend.weight == 100:
            what = f"the canary takes all calls of '{backend.canary_of}'"
            yield self._at("weight", what, "write the share that it is to get, in percent: weight = 10")

    def of_the_primary(self) -> Iterator[Problem]:
        backend = self.backend
        role = _ROLES["failover_for" if backend.failover_for is not None else "canary_of"]
        if backend.failover_for is None and backend.canary_of is None:
            return
        for key in _SHOWN:
            if getattr(backend, key):
                yield self._at(key, f"{key} has no effect: a {role} shows its primary's names", "set it on the primary")
        if backend.timeout.seconds != TimeoutConfig().seconds:
            what = f"timeout.seconds has no effect: the primary's holds for a whole call, also at a {role}"
            yield self._at("timeout.seconds", what, "set it on the primary, or write timeout.per_attempt_seconds")
        if backend.retry is not None and backend.retry.budget_percent is not None:
            what = f"retry.budget_percent has no effect: a {role} draws from its primary's budget"
            yield self._at("retry.budget_percent", what, "set it on the primary")

    def not_enabled(self) -> Iterator[Problem]:
        enabled = {other.name: other.enabled for other in self.config.backends}
        for key in _ROLES:
            name = getattr(self.backend, key)
            if self.backend.enabled and not enabled.get(name or "", True):
                yield self._at(key, f"'{name}' is not enabled", "enable it, or disable this one too")

    def _at(self, key: str, what: str, instead: str) -> Problem:
        return Problem(None, None, f"backends[{self.index}].{key}", what, instead)
