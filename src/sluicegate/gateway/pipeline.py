"""THE order of policies. Start-up, dynamic changes, the embedding program and ``sluicegate show pipeline`` all read it here.

Top sees a call first. A policy that is not configured is not in the chain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import trio

from ..config.model import BackendConfig
from ..observe.access import AccessLog, Sink
from ..observe.metrics import Counts, Metrics
from ..policies.argument_size import ArgumentSize
from ..policies.budget import Budgeted
from ..policies.compose import chain, stack
from ..policies.deadline import AttemptDeadline
from ..policies.lifetime import CallDeadline, Lifetime
from ..policies.mirror import Mirror, Shadow
from ..policies.quiet import Quiet
from ..protocol.calls import Handler, Layer
from ..routing.failover import Candidate, Failover
from ..routing.split import Canary, Schedule, Split
from .member import Member
from .policy_handles import Policies, PolicyContext, gate_layer, hedge_layer, limit_layer, queue_layer, retry_layer

__all__ = ["assemble", "canaries", "describe", "edge", "guarded", "own", "route", "stand_ins", "target"]


def edge(router: Handler, *, lines: Sink | None, counts: Counts | None, wall: Callable[[], float], limit: Layer | None = None) -> Handler:
    """Once per client call, before anything is known about where it goes."""
    return stack(
        (lambda inner: AccessLog(inner, lines, wall)) if lines is not None else None,  # outermost: what is refused is logged too
        _counted_by(counts),
        Lifetime,  # inside of both: they see an answer even of a call that was cut
        limit,
        around=router,
    )


def own(answer: Handler, *, counts: Counts | None, limit: Layer | None = None) -> Handler:
    """Around the methods that we answer ourselves, such as ``ping`` and the lists."""
    return stack(_counted_by(counts), Lifetime, limit, around=answer)


def _counted_by(counts: Counts | None) -> Layer | None:
    return None if counts is None else lambda inner: Metrics(inner, counts)


def route(config: BackendConfig, policies: Policies, way: Handler) -> Handler:
    """Once per client call, after the name has led to a backend; ``way`` chooses who of its group answers."""
    budget, arguments = policies.budget, policies.arguments
    return stack(
        lambda inner: CallDeadline(inner, config.timeout.seconds),  # outside failover: one clock for all attempts together
        (lambda inner: ArgumentSize(inner, arguments)) if arguments is not None else None,  # what is refused is no call of the budget
        (lambda inner: Budgeted(inner, budget)) if budget is not None else None,  # and one budget for them
        around=way,
    )


def target(policies: Policies, shadows: Sequence[Shadow], layers: Sequence[Layer], background: trio.Nursery) -> Handler:
    """For every backend that may answer: what sees a call once, however many attempts it takes."""
    return stack(
        (lambda inner: Mirror(inner, tuple(shadows), background)) if shadows else None,
        *reversed(layers),  # the program's own: the one added last is outermost
        around=policies.handler,
    )


def guarded(config: BackendConfig, backend: Handler, around: PolicyContext) -> Handler:
    """The policies of one backend that remember something; from the hedge down, once per attempt. Made once in a backend's life."""
    attempt = config.timeout.per_attempt_seconds
    return stack(
        Quiet if config.progress == "off" else None,
        retry_layer(config, around),
        hedge_layer(config, around),
        gate_layer(config),
        (lambda inner: AttemptDeadline(inner, attempt, config.name)) if attempt is not None else None,
        limit_layer(config.rate_limit, config.name),  # inside the deadline: who waits for his turn in vain says nothing about the backend
        queue_layer(config),
        around=backend,
    )


def assemble(members: Mapping[str, Member], layers: Mapping[str, Sequence[Layer]], background: trio.Nursery) -> dict[str, Handler]:
    """The chain of every backend, by name, from the whole-call deadline down to its session.

    Args:
        members: every backend, in the order of the configuration; one that stays keeps its policies, with all that they have counted.
        layers: policies of the embedding program, per backend, innermost first.
        background: where mirror copies run.
    """
    configs = [one.config for one in members.values()]
    candidates: dict[str, Candidate] = {}
    for name, one in members.items():
        source = one.config.stands_for or name  # a mirror is attached to every member that may answer for its source
        shadows = tuple(members[mirror.name].shadow for mirror in configs if mirror.mirror_of == source and mirror.mirror_percent > 0)
        parts = shadows, tuple(layers.get(name, ()))
        handler = one.target_of(parts, partial(target, one.policies, *parts, background))
        candidates[name] = Candidate(name, handler, one.is_available, one.backend.lists, one.policies.is_ejected)
    return {name: route(one.config, one.policies, _way(one, configs, candidates)) for name, one in members.items()}


def _way(one: Member, configs: Sequence[BackendConfig], candidates: Mapping[str, Candidate]) -> Handler:
    """Who of a group answers: the canary split, then the failover order of whom it chose."""
    primary = candidates[one.config.name]
    members = tuple(candidates[other] for other in stand_ins(one.config, configs))
    way: Handler = Failover(primary, members) if members else primary.handler
    trials = [Canary(candidates[other.name], other.weight, other.canary_sticky) for other in canaries(one.config, configs)]
    if not trials:
        return way
    ways = tuple((trial, Failover(trial.candidate, (primary, *members))) for trial in trials)
    return Split(way, ways, one.schedule_for(Schedule.of(trials)))


def stand_ins(config: BackendConfig, configs: Iterable[BackendConfig]) -> tuple[str, ...]:
    """Who answers for a backend when it cannot, in the order in which they are asked: by priority, then as configured."""
    members = [other for other in configs if other.failover_for == config.name]
    return tuple(member.name for member in sorted(members, key=lambda member: member.priority))


def canaries(config: BackendConfig, configs: Iterable[BackendConfig]) -> tuple[BackendConfig, ...]:
    """Who gets a share of a backend's calls, as configured."""
    return tuple(other for other in configs if other.canary_of == config.name)


def describe(handler: Handler) -> list[str]:
    """The policies that a call passes, outermost first, in words: for ``sluicegate show pipeline``.

    Failover and the canary split are the last steps, because from there the way parts; they show the way of each candidate:
    ``Failover(a: Mirror(s) -> a | b: b)``, ``Split(c 10 %: Failover(…) | else: a)``.
    """
    steps = []
    for step in chain(handler):
        steps.append(_described(step))
        if isinstance(step, Failover | Split):
            break
    return steps


def _described(step: Handler) -> str:
    if isinstance(step, Failover):
        ways = (f"{candidate.name}: {' -> '.join(describe(candidate.handler))}" for candidate in (step.primary, *step.members))
        return f"Failover({' | '.join(ways)})"
    if isinstance(step, Split):
        shares = (f"{canary.candidate.name} {canary.percent} %: {' -> '.join(describe(way))}" for canary, way in step.canaries)
        return f"Split({' | '.join(shares)} | else: {' -> '.join(describe(step.inner))})"
    if isinstance(step, Mirror):
        return f"Mirror({', '.join(shadow.name for shadow in step.shadows)})"
    return str(getattr(step, "__name__", type(step).__name__))
