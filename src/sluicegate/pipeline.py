"""THE order of policies. Start-up, dynamic changes, the embedding program and ``sluicegate show pipeline`` all read it here.

Top sees a call first. A policy that is not configured is not in the chain.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import TypeVar

import attrs
import trio

from .backends.backend import Backend
from .config.model import BackendConfig
from .observe.access import AccessLog, Lines
from .policies.compose import chain, stack
from .policies.deadline import AttemptDeadline, Deadline
from .policies.mirror import Mirror, Shadow
from .protocol.calls import Handler, Layer
from .routing.failover import Candidate, Failover

__all__ = ["Made", "Parts", "assemble", "describe", "edge", "route", "target"]


@attrs.frozen
class Parts:
    """What the chains of all backends are made of."""

    backends: Mapping[str, Backend]
    configs: Sequence[BackendConfig]
    """In the order of the configuration."""
    layers: Mapping[str, Sequence[Layer]]
    """Policies of the embedding program, per backend, innermost first."""
    background: trio.Nursery
    made: Made = attrs.field(factory=lambda: Made())  # noqa: PLW0108  it stands further down
    """What was made before, to be used again."""


T = TypeVar("T")


@attrs.define(eq=False)
class Made:
    """Policies that outlive a change of other backends, with all that they have counted."""

    targets: dict[str, tuple[object, Handler]] = attrs.field(factory=dict)
    """By backend: what the policies were made of, and the outermost of them."""
    shadows: dict[str, tuple[object, Shadow]] = attrs.field(factory=dict)

    def forget_all_but(self, names: Collection[str]) -> None:
        """Drop what belongs to backends that are gone."""
        for gone in self.targets.keys() - names:
            del self.targets[gone]
        for gone in self.shadows.keys() - names:
            del self.shadows[gone]


def _once(memory: dict[str, tuple[object, T]], name: str, made_of: object, make: Callable[[], T]) -> T:
    """What was made of the same parts before, else a new one."""
    if name not in memory or memory[name][0] != made_of:
        memory[name] = (made_of, make())
    return memory[name][1]


def edge(router: Handler, *, lines: Lines | None, wall: Callable[[], float]) -> Handler:
    """Once per client call, before anything is known about where it goes."""
    return stack(
        (lambda inner: AccessLog(inner, lines, wall)) if lines is not None else None,  # outermost: what is refused is logged too
        around=router,
    )


def route(config: BackendConfig, primary: Candidate, stand_ins: Sequence[Candidate]) -> Handler:
    """Once per client call, after the name has led to a backend."""
    return stack(
        lambda inner: Deadline(inner, config.timeout.seconds),  # outside failover: one clock for all attempts together
        (lambda _inner: Failover(primary, tuple(stand_ins))) if stand_ins else None,
        around=primary.handler,
    )


def target(
    config: BackendConfig, backend: Handler, shadows: Sequence[Shadow], layers: Sequence[Layer], background: trio.Nursery
) -> Handler:
    """For every backend that may answer; what is inside a policy that repeats runs once per attempt."""
    attempt = config.timeout.per_attempt_seconds
    return stack(
        (lambda inner: Mirror(inner, tuple(shadows), background)) if shadows else None,
        *reversed(layers),  # the program's own: the one added last is outermost
        (lambda inner: AttemptDeadline(inner, attempt, config.name)) if attempt is not None else None,
        around=backend,
    )


def assemble(parts: Parts) -> dict[str, Handler]:
    """The chain of every backend, by name, from the whole-call deadline down to its session."""
    shadows = {config.name: _shadows(config, parts) for config in parts.configs}
    candidates: dict[str, Candidate] = {}
    for config in parts.configs:
        source = config.failover_for or config.name  # a mirror is attached to every member that may answer for its source
        backend = parts.backends[config.name]
        made_of = config, backend, shadows.get(source, ()), tuple(parts.layers.get(config.name, ()))
        handler = _once(parts.made.targets, config.name, made_of, partial(target, *made_of, parts.background))
        candidates[config.name] = Candidate(config.name, handler, _is_up(backend), backend.lists)
    parts.made.forget_all_but(candidates)
    return {
        config.name: route(config, candidates[config.name], [candidates[name] for name in stand_ins(config, parts.configs)])
        for config in parts.configs
    }


def stand_ins(config: BackendConfig, configs: Iterable[BackendConfig]) -> tuple[str, ...]:
    """Who answers for a backend when it cannot, in the order in which they are asked: by priority, then as configured."""
    members = [other for other in configs if other.failover_for == config.name]
    return tuple(member.name for member in sorted(members, key=lambda member: member.priority))


def _is_up(backend: Backend) -> Callable[[], bool]:
    return lambda: backend.is_up


def _shadows(config: BackendConfig, parts: Parts) -> tuple[Shadow, ...]:
    return tuple(
        _shadow(other, parts.backends[other.name], parts.made)
        for other in parts.configs
        if other.mirror_of == config.name and other.mirror_percent > 0
    )


def _shadow(config: BackendConfig, backend: Backend, made: Made) -> Shadow:
    make = partial(Shadow, config.name, backend, config.mirror_percent, seconds=config.timeout.seconds)
    return _once(made.shadows, config.name, (config, backend), make)


def describe(handler: Handler) -> list[str]:
    """The policies that a call passes, outermost first, in words: for ``sluicegate show pipeline``.

    Failover is the last step, because from there the way parts; it shows the way of each candidate: ``Failover(a: Mirror(s) -> a | b: b)``.
    """
    steps = []
    for step in chain(handler):
        steps.append(_described(step))
        if isinstance(step, Failover):
            break
    return steps


def _described(step: Handler) -> str:
    if isinstance(step, Failover):
        ways = (f"{candidate.name}: {' -> '.join(describe(candidate.handler))}" for candidate in (step.primary, *step.members))
        return f"Failover({' | '.join(ways)})"
    if isinstance(step, Mirror):
        return f"Mirror({', '.join(shadow.name for shadow in step.shadows)})"
    return str(getattr(step, "__name__", type(step).__name__))
