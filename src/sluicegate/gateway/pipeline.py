"""THE order of policies, which everybody reads here. Top sees a call first. A policy that is not configured is not in the chain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import attrs
import trio

from ..backends.backend import Backend
from ..config.model import BackendConfig
from ..policies.argument_size import ArgumentSize
from ..policies.as_written import AsWritten
from ..policies.budget import Budgeted
from ..policies.canary_guard import CanaryGuard
from ..policies.compose import stack
from ..policies.concurrency import Concurrency
from ..policies.deadline import AttemptDeadline
from ..policies.guardrails import Guardrails
from ..policies.lifetime import CallDeadline
from ..policies.mirror import Mirror, Shadow
from ..policies.quiet import Quiet
from ..policies.result_size import ResultSize
from ..protocol.calls import Handler, Layer
from ..protocol.json_pointers import read_pointer
from ..routing.failover import Candidate, Failover, Preference
from ..routing.shaping.reshaped import Reshaped
from ..routing.shaping.shape import Shaping
from ..routing.split import Canary, Schedule, Split
from .differences import Change, differences
from .handles import Handles, Policies
from .policy_making import PolicyContext, tried
from .shaping_making import other_rules, shaping_of
from .stand_in_order import canaries, stand_ins
from .validating import NOTHING_VALIDATED, Validating, validating

__all__ = ["Pipeline", "blueprint"]


def _route(config: BackendConfig, made: Handles, validated: Validating, way: Handler) -> Handler:
    """Once per client call, after the name has led to a backend; ``way`` chooses who of its group answers."""
    budget, arguments = made.budget, made.arguments
    return stack(
        lambda inner: CallDeadline(inner, config.timeout.seconds),  # outside failover: one clock for all attempts together
        (lambda inner: ArgumentSize(inner, arguments)) if arguments is not None else None,  # what is refused is no call of the budget
        validated.arguments,  # what clients write, by the schemas that they see, whoever answers
        made.layer(ResultSize, config.result_size),  # whoever else is asked, and how often, has as much to say
        made.layer(Guardrails, config.guardrails),  # and none of them may tell it, what was kept before included
        (lambda inner: Budgeted(inner, budget)) if budget is not None else None,  # and one budget for them
        around=way,
    )


_Copied = tuple[tuple[Shadow, Shaping | None], ...]
"""Who gets copies; with its rules for the parameters of tools, where they are others than those of whom it gets them from."""


def _target(own: Handler, shaping: Shaping, validated: Validating, copied: _Copied) -> Handler:
    """For every backend that may answer."""
    return stack(
        AsWritten if any(rules is not None for _shadow, rules in copied) else None,  # before anybody makes something else of it
        *validated.of_target,  # what is not as promised, whoever has kept it
        (lambda inner: Reshaped(inner, shaping)) if shaping else None,  # below it calls are in the backend's own terms
        around=own,
    )


def _own(layers: Sequence[Layer], around: Handler) -> Handler:
    """The program's own: they see each call, may refuse it or make another one of it, and whatever answers it comes after them."""
    return stack(*reversed(layers), around=around)  # the one added last is outermost


def _once(config: BackendConfig, handler: Handler, copied: _Copied, made: Handles, background: trio.Nursery, backend: Backend) -> Handler:
    """Behind that, what sees a call once, however many attempts it takes: what may do without asking the backend, or ask it for several."""
    shadows = tuple(shadow for shadow, _rules in copied)
    own = {shadow.name: Reshaped(shadow.handler, rules) for shadow, rules in copied if rules is not None}
    return stack(
        Quiet if config.progress == "off" else None,  # outside of what several share: each of their calls is told that it gets one document
        made.cache.layer,
        made.coalesce.layer,  # inside of the cache, which would else be asked by each who waits
        (lambda inner: Mirror(inner, shadows, background, backend, own)) if shadows else None,
        around=handler,
    )


def _guarded(config: BackendConfig, backend: Handler, made: Handles) -> Handler:
    """The policies of one backend that remember something; from the hedge down, once per attempt."""
    attempt = config.timeout.per_attempt_seconds
    return stack(
        made.retry.layer,
        made.hedge.layer,
        made.gate,
        (lambda inner: AttemptDeadline(inner, attempt, config.name)) if attempt is not None else None,
        made.rate.layer,  # inside the deadline: who waits for his turn in vain says nothing about the backend
        made.layer(Concurrency, config.concurrency),
        around=backend,
    )


@attrs.frozen(eq=False, repr=False)
class Pipeline:
    """What is made of a backend's settings for its calls. Nothing of it is in use before it has begun."""

    config: BackendConfig
    backend: Backend
    made: Handles
    policies: Policies
    shadow: Shadow | None
    """It as a mirror of another one; copies pass none of its own policies."""
    target: Handler
    own: Handler
    """Of `target`, the program's own layers, which may remember something, and stay as long as these parts do that are behind them."""
    parts: object
    headers: frozenset[str]
    """Those of a request that its tools are given, in lower case."""
    stand_ins: tuple[str, ...] = ()
    """Who answers for it when it cannot, in the order in which they are asked."""
    validated: Validating = NOTHING_VALIDATED
    preference: Preference | None = None
    """Who is asked first in its place."""
    schedule: Schedule | None = None
    """Whose turn it is among its canaries."""
    handler: Handler = attrs.field(default=attrs.Factory(lambda self: self.target, takes_self=True))
    """All that a call passes from the whole-call deadline down to the session."""

    def is_available(self) -> bool:
        """Whether it makes sense to send it a call now."""
        return self.backend.link.is_available and not self.policies.is_open

    @property
    def candidate(self) -> Candidate:
        """It as one of those that may answer."""
        trial, target = self.made.trial, self.target
        handler = target if trial is None else CanaryGuard(target, trial, of_canary=True)
        return Candidate(
            self.config.name, handler, self.is_available, self.backend.lists, self.backend.tasks.only_once, self.policies.is_ejected
        )

    def begin(self) -> None:
        """From now on calls pass this one, those that are on their way through what stays included."""
        self.made.begin()


def blueprint(
    configs: Sequence[BackendConfig],
    backends: Mapping[str, Backend],
    around: PolicyContext,
    *,
    layers: Mapping[str, Sequence[Layer]] | None = None,
    before: Mapping[str, Pipeline] | None = None,
) -> dict[str, Pipeline]:
    """The pipeline of every backend. What is there ``before`` goes on unchanged: whatever this raises, nothing has happened.

    Args:
        configs: the settings of every backend, in order.
        backends: those that are reached, by name.
        around: what policies need of the gateway around them.
        layers: policies of the embedding program, per backend, innermost first.
        before: those of the same backends until now; what is made of the same settings stays, with all that it has counted.
    """
    olds = {name: old for name, old in (before or {}).items() if backends.get(name) is old.backend}
    made = {config.name: _made(config, backends[config.name], around, olds.get(config.name)) for config in configs}
    shadows = {config.name: shadow for config in configs if (shadow := _shadow(config, backends[config.name], olds.get(config.name)))}
    validated = validating(configs, backends)
    named, drafts = {config.name: config for config in configs}, dict[str, Pipeline]()
    for config in configs:
        name, source = config.name, config.stands_for or config.name  # a mirror is attached to every member that may answer for its source
        handles, handler, policies = made[name]
        shaping = shaping_of(config, None if source == name else named.get(source))
        copying = [other for other in configs if other.mirror_of == source and other.mirror_percent > 0]
        copied = tuple((shadows[other.name], other_rules(shaping, other, named.get(source))) for other in copying)
        mine, once = tuple((layers or {}).get(name, ())), _once(config, handler, copied, handles, around.background, backends[name])
        parts = mine, config.progress, handles.cache.policy, handles.coalesce.policy, copied, handler
        old = olds.get(name)
        own = _own(mine, once) if old is None or old.parts != parts else old.own
        known = policies or handles.through(handler)
        target = _target(own, shaping, validated[name], copied)
        drafts[name] = Pipeline(
            config, backends[name], handles, known, shadows.get(name), target, own, parts, shaping.headers, validated=validated[name]
        )
    return {name: _whole(draft, configs, drafts, olds.get(name)) for name, draft in drafts.items()}


def _made(config: BackendConfig, backend: Backend, around: PolicyContext, old: Pipeline | None) -> tuple[Handles, Handler, Policies | None]:
    """Its policies, from where there is one attempt after the other, and what can be read of them where that is what it was."""
    if old is not None and Change.POLICIES not in differences(old.config, config) and tried(old.config) == tried(config):
        return old.made, old.policies.handler, old.policies
    was = BackendConfig(config.name, config.transport) if old is None else old.config
    handles = Handles.of(config, backend, around, was, Policies(backend) if old is None else old.policies)
    return handles, _guarded(config, backend, handles), None


def _shadow(config: BackendConfig, backend: Backend, old: Pipeline | None) -> Shadow | None:
    if config.mirror_of is None:
        return None
    new = Shadow(
        config.name,
        backend,
        config.mirror_percent,
        seconds=config.timeout.seconds,
        read_only=config.mirror_read_only,
        ignored=tuple(map(read_pointer, config.mirror_ignore)) if config.mirror_compare else None,
    )
    if old is None or old.shadow is None or old.config.mirror_of != config.mirror_of:
        return new
    return (
        old.shadow if new.does_as(old.shadow) else attrs.evolve(new, tally=old.shadow.tally)
    )  # what was counted, and is on its way, counts on


def _whole(draft: Pipeline, configs: Sequence[BackendConfig], drafts: Mapping[str, Pipeline], old: Pipeline | None) -> Pipeline:
    """With its way: the canary split, then the failover order of whom it chose."""
    config = draft.config
    names = stand_ins(config, configs)
    primary, members = draft.candidate, tuple(drafts[name].candidate for name in names)
    trials = [_canary(drafts[other.name]) for other in canaries(config, configs)]
    watched = attrs.evolve(primary, handler=_watched(primary.handler, [drafts[trial.candidate.name] for trial in trials]))
    preference = _preference(config, old)
    way: Handler = Failover(watched, members, config.failover_after, preference) if members else watched.handler
    schedule: Schedule | None = None
    if trials:
        ways = tuple((trial, Failover(trial.candidate, (primary, *members))) for trial in trials)
        schedule = Schedule.of(trials)
        if old is not None and old.schedule is not None and old.schedule.shares == schedule.shares:
            schedule = old.schedule  # so that a change elsewhere does not begin a new round
        way = Split(way, ways, schedule)
    return attrs.evolve(
        draft, stand_ins=names, preference=preference, schedule=schedule, handler=_route(config, draft.made, draft.validated, way)
    )


def _preference(config: BackendConfig, old: Pipeline | None) -> Preference | None:
    seconds = config.failover_stays_seconds
    known = None if old is None else old.preference
    return known if known is not None and known.seconds == seconds else Preference(seconds) if seconds else None


def _canary(draft: Pipeline) -> Canary:
    config, trial = draft.config, draft.made.trial
    canary = Canary(draft.candidate, config.weight, config.canary_sticky)
    return canary if trial is None else attrs.evolve(canary, is_held_back=lambda: trial.is_held_back)


def _watched(handler: Handler, canaries: Iterable[Pipeline]) -> Handler:
    """The way of a primary, where its canaries are compared with it; what it answers in the place of one says nothing."""
    for draft in canaries:
        if draft.made.trial is not None:
            handler = CanaryGuard(handler, draft.made.trial, of_canary=False)
    return handler
