"""THE order of policies. Start-up, dynamic changes, the embedding program and ``sluicegate show pipeline`` all read it here.

Top sees a call first. A policy that is not configured is not in the chain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import trio

from .backends.backend import Backend
from .config.model import BackendConfig
from .kept import Kept
from .observe.access import AccessLog, Lines
from .observe.metrics import Counts, Metrics
from .policies.compose import chain, stack
from .policies.deadline import AttemptDeadline
from .policies.lifetime import CallDeadline, Lifetime
from .policies.mirror import Mirror, Shadow
from .protocol.calls import Handler, Layer
from .routing.failover import Candidate, Failover

__all__ = ["assemble", "describe", "edge", "own", "route", "target"]


def edge(router: Handler, *, lines: Lines | None, counts: Counts | None, wall: Callable[[], float]) -> Handler:
    """Once per client call, before anything is known about where it goes."""
    return stack(
        (lambda inner: AccessLog(inner, lines, wall)) if lines is not None else None,  # outermost: what is refused is logged too
        _counted_by(counts),
        Lifetime,  # inside of both: they see an answer even of a call that was cut
        around=router,
    )


def own(answer: Handler, *, counts: Counts | None) -> Handler:
    """Around the methods that we answer ourselves, such as ``ping`` and the lists."""
    return stack(_counted_by(counts), Lifetime, around=answer)


def _counted_by(counts: Counts | None) -> Layer | None:
    return None if counts is None else lambda inner: Metrics(inner, counts)


def route(config: BackendConfig, primary: Candidate, stand_ins: Sequence[Candidate]) -> Handler:
    """Once per client call, after the name has led to a backend."""
    return stack(
        lambda inner: CallDeadline(inner, config.timeout.seconds),  # outside failover: one clock for all attempts together
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


def assemble(kept: Mapping[str, Kept], layers: Mapping[str, Sequence[Layer]], background: trio.Nursery) -> dict[str, Handler]:
    """The chain of every backend, by name, from the whole-call deadline down to its session.

    Args:
        kept: every backend, in the order of the configuration; one that stays keeps its policies, with all that they have counted.
        layers: policies of the embedding program, per backend, innermost first.
        background: where mirror copies run.
    """
    configs = [one.config for one in kept.values()]
    candidates: dict[str, Candidate] = {}
    for name, one in kept.items():
        source = one.config.failover_for or name  # a mirror is attached to every member that may answer for its source
        shadows = tuple(kept[mirror.name].shadow for mirror in configs if mirror.mirror_of == source and mirror.mirror_percent > 0)
        parts = shadows, tuple(layers.get(name, ()))
        handler = one.target_of(parts, partial(target, one.config, one.backend, *parts, background))
        candidates[name] = Candidate(name, handler, _is_up(one.backend), one.backend.lists)
    return {
        name: route(one.config, candidates[name], [candidates[other] for other in stand_ins(one.config, configs)])
        for name, one in kept.items()
    }


def stand_ins(config: BackendConfig, configs: Iterable[BackendConfig]) -> tuple[str, ...]:
    """Who answers for a backend when it cannot, in the order in which they are asked: by priority, then as configured."""
    members = [other for other in configs if other.failover_for == config.name]
    return tuple(member.name for member in sorted(members, key=lambda member: member.priority))


def _is_up(backend: Backend) -> Callable[[], bool]:
    return lambda: backend.is_up


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
