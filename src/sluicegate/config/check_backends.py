"""Whether the ``[[backends]]`` of a configuration make sense, each for itself and all together."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import attrs

from ..protocol.names import ambiguous
from ..routing.patterns import BadPattern, Pattern
from .check_reach import reach_rules
from .model import BackendConfig, Config
from .nearest import nearest
from .problem import Problem

__all__ = ["backend_rules", "backend_warnings"]

_NAMESPACE = re.compile(r"[A-Za-z0-9_.-]*")
_DIMENSIONS = ("tools", "resources", "prompts")


def backend_rules(config: Config) -> Iterator[Problem]:
    """What is wrong with the backends."""
    if not config.backends:
        instead = "add a [[backends]] table, or import a client's .mcp.json that has servers"
        yield Problem(None, None, "backends", "at least one backend is required", instead)
    yield from _together(config)
    for index, backend in enumerate(config.backends):
        check = _Backend(config, index, backend)
        yield from check.identity()
        yield from reach_rules(index, backend)
        yield from check.numbers()
        yield from check.visibility()
        yield from check.references()


def backend_warnings(config: Config) -> Iterator[Problem]:
    """What can run but has no effect, or another than was probably meant."""
    if config.backends and not any(backend.enabled for backend in config.backends):
        yield Problem(None, None, "backends", "no backend is enabled, so there is nothing to offer", "enable one")
    for index, backend in enumerate(config.backends):
        yield from _Backend(config, index, backend).idle()


def _together(config: Config) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    spaces: dict[str, int] = {}
    for index, backend in enumerate(config.backends):
        if backend.name in seen:
            what = f"duplicate backend name '{backend.name}': the same as backends[{seen[backend.name]}]"
            yield Problem(None, None, f"backends[{index}].name", what, "give each backend a name of its own")
        elif backend.effective_namespace in spaces:
            other = config.backends[spaces[backend.effective_namespace]].name
            shared = f"the namespace '{backend.effective_namespace}'" if backend.effective_namespace else "an empty namespace"
            instead = "give one of them another namespace" if backend.effective_namespace else "only one backend may be transparent"
            yield Problem(None, None, _space(index, backend), f"backend '{backend.name}' has {shared}, as '{other}' has", instead)
        seen.setdefault(backend.name, index)
        spaces.setdefault(backend.effective_namespace, index)
    if config.proxy.separator:
        for short, long in ambiguous(spaces, config.proxy.separator):
            what = f"Ambiguous namespace prefixes: '{long}{config.proxy.separator}' begins with '{short}{config.proxy.separator}'"
            instead = "give one of them another namespace, or choose another proxy.separator"
            yield Problem(None, None, _space(spaces[long], config.backends[spaces[long]]), what, instead)


def _space(index: int, backend: BackendConfig) -> str:
    return f"backends[{index}].{'name' if backend.namespace is None else 'namespace'}"


@attrs.frozen
class _Backend:
    """The rules for one backend."""

    config: Config
    index: int
    backend: BackendConfig

    def identity(self) -> Iterator[Problem]:
        name, space = self.backend.name, self.backend.effective_namespace
        key = "name" if self.backend.namespace is None else "namespace"
        if not name.strip() or not name.isprintable():
            yield self._at("name", "a backend's name must be visible text", "write a short word")
        elif space == "proxy":
            yield self._at(key, "the name 'proxy' is reserved for the gateway's own tools", "choose another name or namespace")
        elif not _NAMESPACE.fullmatch(space):
            instead = "use letters, digits, '-' and '_'" + (", or set namespace" if key == "name" else "")
            yield self._at(key, f"'{space}' cannot stand before a tool's name", instead)

    def numbers(self) -> Iterator[Problem]:
        backend = self.backend
        attempt, restart = backend.timeout.per_attempt_seconds, backend.restart
        positive = {
            "timeout.seconds": backend.timeout.seconds,
            "timeout.per_attempt_seconds": 1 if attempt is None else attempt,
            "connect_timeout_seconds": backend.connect_timeout_seconds,
            "restart.initial_seconds": restart.initial_seconds,
            "restart.max_seconds": restart.max_seconds,
            "restart.crash_limit": restart.crash_limit,
            "restart.crash_window_seconds": restart.crash_window_seconds,
        }
        for key, value in positive.items():
            if value <= 0:
                yield self._at(key, f"{key} must be > 0", "write a positive number, or leave the key out for its default")
        if 0 < restart.max_seconds < restart.initial_seconds:
            yield self._at("restart.max_seconds", "the longest wait is shorter than the first", "write at least restart.initial_seconds")
        if not 0 <= backend.mirror_percent <= 100:
            yield self._at(
                "mirror_percent", f"mirror_percent must be 0-100, got {backend.mirror_percent}", "write the share in percent; 0 is off"
            )
        if backend.priority < 0:
            yield self._at("priority", "priority must be >= 0", "the lowest number is asked first")

    def visibility(self) -> Iterator[Problem]:
        for kind in _DIMENSIONS:
            if getattr(self.backend, f"expose_{kind}") and getattr(self.backend, f"hide_{kind}"):
                what = f"backend '{self.backend.name}': cannot specify both expose_{kind} and hide_{kind}"
                yield self._at(f"hide_{kind}", what, "keep the shorter of the two lists")
            for key in (f"expose_{kind}", f"hide_{kind}"):
                for index, pattern in enumerate(getattr(self.backend, key)):
                    yield from self._pattern(f"{key}[{index}]", pattern)
        aliases = self.backend.aliases
        origins, targets = Counter(alias.from_ for alias in aliases), Counter(alias.to for alias in aliases)
        for index, alias in enumerate(aliases):
            key = f"aliases[{index}]"
            if not alias.from_ or not alias.to:
                yield self._at(key, "an alias must not be empty", "write from and to")
            elif alias.from_ == alias.to:
                yield self._at(key, f"the alias '{alias.to}' is the name itself", "leave it out")
            elif origins[alias.from_] > 1:
                yield self._at(key, f"'{alias.from_}' has two aliases", "keep one of them")
            elif targets[alias.to] > 1:
                yield self._at(key, f"duplicate alias '{alias.to}'", "give each name an alias of its own")

    def _pattern(self, key: str, pattern: str) -> Iterator[Problem]:
        try:
            Pattern.parse(pattern)
        except BadPattern as error:
            yield self._at(key, str(error), "correct the pattern; a backslash takes the next character as it is")

    def references(self) -> Iterator[Problem]:
        if self.backend.failover_for is not None and self.backend.mirror_of is not None:
            yield self._at(
                "mirror_of", f"backend '{self.backend.name}' cannot be a stand-in and a mirror at once", "leave one of the two out"
            )
        yield from self._reference("failover_for", self.backend.failover_for)
        yield from self._reference("mirror_of", self.backend.mirror_of)

    def _reference(self, key: str, name: str | None) -> Iterator[Problem]:
        if name is None:
            return
        others = {other.name: other for other in self.config.backends}
        if name == self.backend.name:
            yield self._at(key, f"backend '{name}': {key} cannot reference itself", "name another backend")
        elif name not in others:
            close = nearest(name, others.keys() - {self.backend.name})
            known = (
                f"did you mean '{close}'?"
                if close
                else f"name one of {', '.join(sorted(others.keys() - {self.backend.name})) or 'your backends'}"
            )
            yield self._at(key, f"backend '{self.backend.name}': {key} references unknown backend '{name}'", known)
        elif others[name].failover_for is not None:
            yield self._at(key, f"'{name}' is a stand-in itself", f"name its primary '{others[name].failover_for}'")
        elif others[name].mirror_of is not None and key == "mirror_of":
            yield self._at(key, f"'{name}' is a mirror itself", f"name its source '{others[name].mirror_of}'")

    def idle(self) -> Iterator[Problem]:
        backend = self.backend
        if backend.priority and backend.failover_for is None:
            yield self._at("priority", "priority has no effect without failover_for", "leave it out")
        if backend.mirror_of is None and (backend.mirror_percent != 100 or backend.mirror_hidden):
            key = "mirror_hidden" if backend.mirror_hidden else "mirror_percent"
            yield self._at(key, f"{key} has no effect without mirror_of", "leave it out")
        if backend.failover_for is not None:
            for key in [f"{verb}_{kind}" for verb in ("expose", "hide") for kind in _DIMENSIONS] + ["aliases"]:
                if getattr(backend, key):
                    yield self._at(key, f"{key} has no effect: a stand-in shows its primary's names", "set it on the primary")
        if backend.bearer_token is not None and any(name.lower() == "authorization" for name in backend.headers):
            yield self._at("bearer_token", "bearer_token has no effect: headers hold an Authorization", "keep one of the two")
        attempt = backend.timeout.per_attempt_seconds
        if attempt is not None and attempt >= backend.timeout.seconds:
            yield self._at(
                "timeout.per_attempt_seconds", "no attempt lasts longer than timeout.seconds", "make it shorter, or leave it out"
            )
        enabled = {other.name: other.enabled for other in self.config.backends}
        for key in ("failover_for", "mirror_of"):
            if backend.enabled and not enabled.get(getattr(backend, key) or "", True):
                yield self._at(key, f"'{getattr(backend, key)}' is not enabled", "enable it, or disable this one too")

    def _at(self, key: str, what: str, instead: str) -> Problem:
        return Problem(None, None, f"backends[{self.index}].{key}", what, instead)
