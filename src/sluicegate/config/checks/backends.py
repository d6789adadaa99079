"""Whether the ``[[backends]]`` of a configuration make sense, each for itself and all together."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

import attrs

from ...protocol.names import ambiguous
from ...routing.automata import NotLinear, automaton
from ...settings.ranges import NOT_NEGATIVE, impossible
from ..model import BackendConfig, Config
from ..problem import Problem
from .idle_policies import policy_warnings
from .patterned import pattern_rules
from .policies import policy_rules
from .reach import reach_rules
from .roles import role_rules, role_warnings
from .shown import shown_rules, shown_warnings
from .supplied import parameter_rules

__all__ = ["backend_rules", "backend_warnings"]

_NAMESPACE = re.compile(r"[A-Za-z0-9_.-]*")
_BY_TOOL = "cache.ttl_seconds_by_tool"
_LONGEST_NAMESPACE = 128
"""Characters; names of tools are shortened to half of that."""
_DIMENSIONS = ("tools", "resources", "prompts")
_OF_CLIENTS = ("max_sessions", "session_idle_seconds")
"""Settings of the sessions that are for one client each."""
_USUAL = BackendConfig(name="", transport="stdio")


def backend_rules(config: Config) -> Iterator[Problem]:
    """What is wrong with the backends."""
    yield from _together(config)
    for (index, backend), of_its_role in zip(enumerate(config.backends), role_rules(config.backends), strict=True):
        check = _Backend(index, backend)
        yield from check.identity()
        yield from reach_rules(index, backend)
        yield from shown_rules(index, backend)
        yield from check.numbers()
        yield from check.visibility()
        yield from check.kept()
        yield from check.guarded()
        yield from of_its_role
        yield from policy_rules(index, backend)
        yield from parameter_rules(index, backend)


def backend_warnings(config: Config) -> Iterator[Problem]:
    """What can run but has no effect, or another than was probably meant."""
    yield from shown_warnings(config)
    if config.backends and not any(backend.enabled for backend in config.backends):
        yield Problem(None, None, "backends", "no backend is enabled, so there is nothing to offer", "enable one")
    for (index, backend), of_its_role in zip(enumerate(config.backends), role_warnings(config.backends), strict=True):
        yield from _Backend(index, backend).idle()
        yield from of_its_role
        yield from policy_warnings(index, backend)


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
        for short, long in ambiguous((space for space in spaces if len(space) <= _LONGEST_NAMESPACE), config.proxy.separator):
            what = f"Ambiguous namespace prefixes: '{long}{config.proxy.separator}' begins with '{short}{config.proxy.separator}'"
            instead = "give one of them another namespace, or choose another proxy.separator"
            yield Problem(None, None, _space(spaces[long], config.backends[spaces[long]]), what, instead)


def _space(index: int, backend: BackendConfig) -> str:
    return f"backends[{index}].{'name' if backend.namespace is None else 'namespace'}"


@attrs.frozen(repr=False)
class _Backend:
    """The rules for one backend."""

    index: int
    backend: BackendConfig

    def identity(self) -> Iterator[Problem]:
        name, space = self.backend.name, self.backend.effective_namespace
        key = "name" if self.backend.namespace is None else "namespace"
        if not name.strip() or not name.isprintable():
            yield self._at("name", "a backend's name must be visible text", "write a short word")
        elif space == "proxy":
            yield self._at(key, "the name 'proxy' is reserved for the gateway's own tools", "choose another name or namespace")
        elif len(space) > _LONGEST_NAMESPACE:
            yield self._at(key, f"the namespace has over {_LONGEST_NAMESPACE} characters", "choose a short one, or set namespace")
        elif not _NAMESPACE.fullmatch(space):
            instead = "use letters, digits, '-' and '_'" + (", or set namespace" if key == "name" else "")
            yield self._at(key, f"'{space}' cannot stand before a tool's name", instead)

    def numbers(self) -> Iterator[Problem]:
        backend = self.backend
        timeout, restart = backend.timeout, backend.restart
        for table, settings in (("timeout.", timeout), ("", backend), ("restart.", restart)):
            for key, range_, number in impossible(settings):
                got = f", got {number}" if range_.most < math.inf else ""
                yield self._at(table + key, f"{table}{key} {range_.words}{got}", range_.instead)
        if 0 < restart.max_seconds < restart.initial_seconds:
            yield self._at("restart.max_seconds", "the longest wait is shorter than the first", "write at least restart.initial_seconds")

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

    def kept(self) -> Iterator[Problem]:
        for key, patterns in () if self.backend.cache is None else self.backend.cache.patterns():
            for index, pattern in enumerate(patterns):
                yield from self._pattern(f"{key}.{pattern}" if key == _BY_TOOL else f"{key}[{index}]", pattern)
        for pattern, seconds in {} if self.backend.cache is None else self.backend.cache.ttl_seconds_by_tool.items():
            if not NOT_NEGATIVE.has(seconds):
                yield self._at(f"{_BY_TOOL}.{pattern}", f"{_BY_TOOL} {NOT_NEGATIVE.words}, got {seconds:g}", "write 0 or more seconds")

    def guarded(self) -> Iterator[Problem]:
        guardrails = self.backend.guardrails
        if guardrails is None:
            return
        for index, expression in enumerate(guardrails.patterns):
            try:
                automaton(expression, folds=False)
            except NotLinear as why:
                yield self._at(f"guardrails.patterns[{index}]", f"this is no regular expression: {why}", "write one that RE2 takes")
        if guardrails.results == guardrails.arguments == "pass":
            yield self._at("guardrails", "guardrails have no effect: all passes", 'write results = "redact", or leave them out')
        elif not guardrails.secrets and not guardrails.patterns:
            yield self._at("guardrails", "guardrails have no effect: they look for nothing", 'add patterns, such as ["[0-9]{16}"]')

    def _pattern(self, key: str, pattern: str) -> Iterator[Problem]:
        return pattern_rules(f"backends[{self.index}].{key}", pattern)

    def idle(self) -> Iterator[Problem]:
        backend = self.backend
        if backend.bearer_token is not None and any(name.lower() == "authorization" for name in backend.headers):
            yield self._at("bearer_token", "bearer_token has no effect: headers hold an Authorization", "keep one of the two")
        for key in _OF_CLIENTS if backend.sessions == "shared" else ():
            if getattr(backend, key) != getattr(_USUAL, key):
                yield self._at(key, f"{key} has no effect: all clients share one session", 'add sessions = "per_client", or leave it out')
        attempt = backend.timeout.per_attempt_seconds
        if attempt is not None and attempt >= backend.timeout.seconds:
            yield self._at(
                "timeout.per_attempt_seconds", "no attempt lasts longer than timeout.seconds", "make it shorter, or leave it out"
            )

    def _at(self, key: str, what: str, instead: str) -> Problem:
        return Problem(None, None, f"backends[{self.index}].{key}", what, instead)
