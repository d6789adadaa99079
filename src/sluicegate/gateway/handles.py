"""The policies of one backend that remember something, each by a handle of its own: to be read, and moved by hand, while they work.

Where settings change, only the policies that are made of these are made anew. The others stay, with all that they have counted, and lead on to
the new ones from the moment in which everything else changes, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar, cast

import attrs

from ..backends.backend import Backend
from ..config.model import BackendConfig
from ..policies.argument_size import ArgumentLimit
from ..policies.breaker import Breaker
from ..policies.budget import Budget
from ..policies.cache import Cache
from ..policies.canary_guard import CanaryTrial
from ..policies.coalesce import Coalesce
from ..policies.concurrency import Concurrency
from ..policies.gate import Gate
from ..policies.hedge import Hedge
from ..policies.outlier import Group, Outlier
from ..policies.rate import RateLimit
from ..policies.remembering import Remembering
from ..policies.request_keys import RequestKeys
from ..policies.retry import Retry
from ..protocol.calls import Handler, Layer
from ..telling.statistics import Counting, Value
from .policy_making import (
    PolicyContext,
    allowance_of,
    attempts_of,
    breaker_of,
    budget_of,
    cache_layer,
    coalesce_layer,
    hedge_layer,
    limit_layer,
    may_hedge,
    outlier_of,
    retry_layer,
    trial_of,
    tried,
)
from .slots import Slot

__all__ = ["Handles", "Policies"]


R = TypeVar("R", bound="Remembering[Any]")
S = TypeVar("S", bound=attrs.AttrsInstance)
T = TypeVar("T")


@attrs.frozen(eq=False, repr=False)
class Policies:
    """What of one backend's policies can be read and moved; None where it is not configured."""

    handler: Handler
    """From the outermost of them down to the backend."""
    arguments: ArgumentLimit | None = None
    breaker: Breaker | None = None
    outlier: Outlier | None = None
    retry: Retry | None = None
    budget: Budget | None = None
    hedge: Hedge | None = None
    rate: RateLimit | None = None
    cache: Cache | None = None
    coalesce: Coalesce | None = None
    canary_guard: CanaryTrial | None = None
    _others: Mapping[object, Slot[Remembering[Any]]] = attrs.field(factory=dict, repr=False)
    """Those that are made of their settings alone, by their class."""

    def of(self, kind: type[R]) -> R | None:
        """The one of this class that is made of its settings alone, such as `Concurrency`; None where it is not configured."""
        slot = self._others.get(kind)
        return None if slot is None else cast("R | None", slot.policy)

    @property
    def concurrency(self) -> Concurrency | None:
        """The queue for its places."""
        return self.of(Concurrency)

    @classmethod
    def names(cls) -> list[str]:
        """Of those with a name of their own, in the order in which they are shown; the others are behind them, by the names of their tables."""
        return [field.name for field in attrs.fields(cls) if field.name not in {"handler", "_others"}]

    def parts(self) -> dict[str, Counting]:
        """Those that are configured, by name."""
        parts: dict[str, Counting | None] = {name: getattr(self, name) for name in self.names()}
        parts |= {slot.policy.settings.table: slot.policy for slot in self._others.values() if slot.policy is not None}
        return {name: part for name, part in parts.items() if part is not None}

    def statistics(self) -> dict[str, Value]:
        """What each of them has counted until now, by name."""
        return {name: part.statistics() for name, part in self.parts().items()}

    @property
    def is_open(self) -> bool:
        """Whether its breaker would refuse a call now."""
        return self.breaker is not None and self.breaker.is_open

    def is_ejected(self) -> bool:
        """Whether its group does without it for now."""
        return self.outlier is not None and self.outlier.is_ejected

    @property
    def holds_calls(self) -> bool:
        """Whether calls are on their way through them to the backend, and wait: for their next attempt, for a token or for a place."""
        retry, rate, places, flights = self.retry, self.rate, self.concurrency, self.coalesce
        waiting = (retry and retry.waiting) or (rate and rate.bucket.waiting) or (places and places.running)
        return bool(waiting or (flights and flights.flying))

    def join(self, group: Group) -> None:
        """The backend serves from now on: it counts among those that stand in for each other."""
        if self.outlier is not None and self.outlier.group is not group:
            self.outlier.move(group)

    def leave(self) -> None:
        """The backend is gone: it counts in its group no more."""
        if self.outlier is not None:
            self.outlier.leave()


@attrs.frozen(eq=False, repr=False)
class Handles:
    """The policies of one backend before they are a chain, each new or as it was."""

    arguments: ArgumentLimit | None
    budget: Budget | None
    breaker: Breaker | None
    outlier: Outlier | None
    trial: CanaryTrial | None
    retry: Slot[Retry]
    hedge: Slot[Hedge]
    rate: Slot[RateLimit]
    cache: Slot[Cache]
    coalesce: Slot[Coalesce]
    backend: str
    before: Policies
    """Those that there were."""
    others: dict[object, Slot[Remembering[Any]]] = attrs.field(factory=dict)
    """Those that are made of their settings alone, by their class, in the order in which the chain was made."""

    @classmethod
    def of(cls, config: BackendConfig, backend: Backend, around: PolicyContext, was: BackendConfig, old: Policies) -> Handles:
        """Made of these settings; of the ``old``, whoever's settings are what they ``was`` made of stays."""
        keys = RequestKeys()
        breaker = _same(old.breaker, was.circuit_breaker, config.circuit_breaker) or breaker_of(config)
        return cls(
            old.arguments or around.argument_limit(),
            _same(old.budget, allowance_of(was), allowance_of(config)) or budget_of(config),
            breaker,
            _same(old.outlier, was.outlier_detection, config.outlier_detection) or outlier_of(config),
            _same(old.canary_guard, tried(was), tried(config)) or trial_of(config),
            Slot(retry_layer(config, backend, around), _same(old.retry, attempts_of(was), attempts_of(config))),
            Slot(hedge_layer(config, backend, around, breaker), _same(old.hedge, was.hedging, config.hedging)),
            Slot(limit_layer(config.rate_limit, config.name), _same(old.rate, was.rate_limit, config.rate_limit)),
            Slot(cache_layer(config, backend, around, keys), _same(old.cache, was.cache, config.cache)),
            Slot(coalesce_layer(config, backend, around, keys), _same(old.coalesce, around.coalesces(was), around.coalesces(config))),
            config.name,
            old,
        )

    def layer(self, kind: Callable[[Handler, S, str], Remembering[S]], settings: S | None) -> Layer | None:
        """What puts a policy of this class around the rest of a chain: the one of before, where its settings are what they were."""
        if settings is None:
            return None
        slot = self.others.get(kind)
        if slot is None:
            former = self.before.of(cast("type[Remembering[S]]", kind))
            is_same = former is not None and former.settings == settings
            slot = Slot(partial(_successor, kind, settings, self.backend, former), former if is_same else None)
            self.others[kind] = slot
        return slot.layer

    @property
    def gate(self) -> Layer | None:
        """What keeps away from a backend that fails."""
        breaker, outlier = self.breaker, self.outlier
        return None if breaker is None and outlier is None else lambda inner: Gate(inner, breaker, outlier)

    def through(self, handler: Handler) -> Policies:
        """What can be read and moved of them, now that they are a chain that begins with this handler."""
        return Policies(
            handler,
            arguments=self.arguments,
            breaker=self.breaker,
            outlier=self.outlier,
            retry=self.retry.policy,
            budget=self.budget,
            hedge=self.hedge.policy,
            rate=self.rate.policy,
            cache=self.cache.policy,
            coalesce=self.coalesce.policy,
            canary_guard=self.trial,
            others=self.others,
        )

    def begin(self) -> None:
        """Join those that stay to those that are new: from now on calls pass the new chain, wherever they are in it."""
        slots: tuple[Slot[Any], ...] = (self.retry, self.hedge, self.rate, self.cache, self.coalesce, *self.others.values())
        for slot in slots:
            slot.begin()
        for other in self.others.values():
            if other.policy is not None:
                other.policy.begin()
        if self.hedge.policy is not None:
            self.hedge.policy.may_hedge = may_hedge(self.breaker)


def _successor(
    kind: Callable[[Handler, S, str], Remembering[S]], settings: S, backend: str, former: Remembering[S] | None, inner: Handler
) -> Remembering[S]:
    """A new one, which takes over from the one of before."""
    policy = kind(inner, settings, backend)
    if former is not None:
        policy.follow(former)
    return policy


def _same(policy: T | None, was: object, now: object) -> T | None:
    """The one that there is, where its settings are what they were."""
    return policy if was == now else None
