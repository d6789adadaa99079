"""The policies of one backend that remember something, each by a handle of its own: to be read, and moved by hand, while they work.

Where settings change, only the policies that are made of these are made anew. The others stay, with all that they have counted, and lead on to
the new ones from the moment in which everything else changes, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import attrs

from ..backends.backend import Backend
from ..config.model import BackendConfig
from ..observe.statistics import Counting, Value
from ..policies.argument_size import ArgumentLimit
from ..policies.breaker import Breaker
from ..policies.budget import Budget
from ..policies.concurrency import Concurrency
from ..policies.gate import Gate
from ..policies.hedge import Hedge
from ..policies.outlier import Group, Outlier
from ..policies.rate import RateLimit
from ..policies.retry import Retry
from ..protocol.calls import Handler, Layer
from .policy_making import (
    PolicyContext,
    allowance_of,
    attempts_of,
    breaker_of,
    budget_of,
    hedge_layer,
    limit_layer,
    may_hedge,
    outlier_of,
    queue_layer,
    retry_layer,
)

__all__ = ["Handles", "Policies", "Slot"]


L = TypeVar("L", bound="Retry | Hedge | RateLimit | Concurrency")
"""Those that remember something and stand in the chain."""
T = TypeVar("T")


@attrs.frozen(eq=False)
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
    concurrency: Concurrency | None = None

    @classmethod
    def names(cls) -> list[str]:
        """Of all that there may be, in the order in which they are shown."""
        return [field.name for field in attrs.fields(cls) if field.name != "handler"]

    def parts(self) -> dict[str, Counting]:
        """Those that are configured, by name."""
        parts: dict[str, Counting | None] = {name: getattr(self, name) for name in self.names()}
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
        retry, rate, places = self.retry, self.rate, self.concurrency
        return bool((retry and retry.waiting) or (rate and rate.bucket.waiting) or (places and places.running))

    def join(self, group: Group) -> None:
        """The backend serves from now on: it counts among those that stand in for each other."""
        if self.outlier is not None and self.outlier.group is not group:
            self.outlier.move(group)

    def leave(self) -> None:
        """The backend is gone: it counts in its group no more."""
        if self.outlier is not None:
            self.outlier.leave()


@attrs.define(eq=False)
class Slot(Generic[L]):
    """The place of one policy in a chain: for a new one, or for the one that was there before."""

    make: Callable[[Handler], L] | None
    """None where it is not configured."""
    policy: L | None = None
    _inner: Handler | None = attrs.field(default=None, init=False)

    @property
    def layer(self) -> Layer | None:
        """What puts it around the rest of a chain; to one that works already nothing happens yet."""
        make = self.make
        if make is None:
            return None

        def layer(inner: Handler) -> Handler:
            self._inner = inner
            if self.policy is None:
                self.policy = make(inner)
            return self.policy

        return layer

    def begin(self) -> None:
        """Let it lead on to what is behind it in the new chain."""
        if self.policy is not None and self._inner is not None:
            self.policy.inner = self._inner


@attrs.frozen(eq=False)
class Handles:
    """The policies of one backend before they are a chain, each new or as it was."""

    arguments: ArgumentLimit | None
    budget: Budget | None
    breaker: Breaker | None
    outlier: Outlier | None
    retry: Slot[Retry]
    hedge: Slot[Hedge]
    rate: Slot[RateLimit]
    concurrency: Slot[Concurrency]

    @classmethod
    def of(cls, config: BackendConfig, backend: Backend, around: PolicyContext, was: BackendConfig, old: Policies) -> Handles:
        """Made of these settings; of the ``old``, whoever's settings are what they ``was`` made of stays."""
        breaker = _same(old.breaker, was.circuit_breaker, config.circuit_breaker) or breaker_of(config)
        return cls(
            old.arguments or around.argument_limit(),
            _same(old.budget, allowance_of(was), allowance_of(config)) or budget_of(config),
            breaker,
            _same(old.outlier, was.outlier_detection, config.outlier_detection) or outlier_of(config),
            Slot(retry_layer(config, backend, around), _same(old.retry, attempts_of(was), attempts_of(config))),
            Slot(hedge_layer(config, backend, around, breaker), _same(old.hedge, was.hedging, config.hedging)),
            Slot(limit_layer(config.rate_limit, config.name), _same(old.rate, was.rate_limit, config.rate_limit)),
            Slot(queue_layer(config), _same(old.concurrency, was.concurrency, config.concurrency)),
        )

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
            concurrency=self.concurrency.policy,
        )

    def begin(self) -> None:
        """Join those that stay to those that are new: from now on calls pass the new chain, wherever they are in it."""
        for slot in (self.retry, self.hedge, self.rate, self.concurrency):
            slot.begin()
        if self.hedge.policy is not None:
            self.hedge.policy.may_hedge = may_hedge(self.breaker)


def _same(policy: T | None, was: object, now: object) -> T | None:
    """The one that there is, where its settings are what they were."""
    return policy if was == now else None
