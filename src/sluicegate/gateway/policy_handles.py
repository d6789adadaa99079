"""The policies of one backend that remember something: made of its settings once, to be read and moved by hand while they work."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeVar

import attrs
import trio

from ..backends.backend import Backend
from ..backends.health import Health
from ..backends.supervisor import Restarts
from ..config.model import BackendConfig
from ..policies.argument_size import ArgumentLimit
from ..policies.breaker import Breaker
from ..policies.budget import Budget
from ..policies.compose import chain
from ..policies.concurrency import Concurrency
from ..policies.gate import Gate
from ..policies.hedge import Hedge, HedgeTimer
from ..policies.outlier import Group, Outlier
from ..policies.rate import Bucket, RateLimit
from ..policies.repeatable import repeatable
from ..policies.retry import Retry
from ..policies.settings import RateLimitSettings
from ..protocol.blot import Blot
from ..protocol.calls import WORK, Handler, Layer

__all__ = [
    "Policies",
    "PolicyContext",
    "gate_layer",
    "health_of",
    "hedge_layer",
    "limit_layer",
    "queue_layer",
    "restarts_of",
    "retry_layer",
]


Policy = TypeVar("Policy")


@attrs.frozen(eq=False)
class PolicyContext:
    """What the policies of a backend need of the gateway around them."""

    backend: Backend
    chance: Callable[[str], random.Random]
    timer: HedgeTimer
    background: trio.Nursery


@attrs.frozen(eq=False)
class Policies:
    """What of one backend's policies can be read and moved; None where it is not configured."""

    handler: Handler
    """From the outermost of them down to the backend."""
    arguments: ArgumentLimit | None = None
    budget: Budget | None = None
    retry: Retry | None = None
    hedge: Hedge | None = None
    breaker: Breaker | None = None
    outlier: Outlier | None = None
    rate: RateLimit | None = None
    concurrency: Concurrency | None = None

    @classmethod
    def found_in(cls, handler: Handler, config: BackendConfig, most_arguments: int | None) -> Policies:
        """Those in a chain, with the limit of arguments and the budget of the calls that are led to this backend."""
        gate, retry = _found(handler, Gate), config.retry
        return cls(
            handler,
            None if most_arguments is None else ArgumentLimit(most_arguments),
            None if retry is None or retry.budget_percent is None else Budget(retry.budget_percent, retry.min_retries_per_sec),
            _found(handler, Retry),
            _found(handler, Hedge),
            None if gate is None else gate.breaker,
            None if gate is None else gate.outlier,
            _found(handler, RateLimit),
            _found(handler, Concurrency),
        )

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
        if self.outlier is not None:
            self.outlier.move(group)

    def leave(self) -> None:
        """The backend is gone: it counts in its group no more."""
        if self.outlier is not None:
            self.outlier.leave()


def _found(handler: Handler, kind: type[Policy]) -> Policy | None:
    return next((step for step in chain(handler) if isinstance(step, kind)), None)


def retry_layer(config: BackendConfig, around: PolicyContext) -> Layer | None:
    """Send again what has failed."""
    settings = config.retry
    if settings is None or settings.max_retries == 0:
        return None
    may_repeat = repeatable(settings.only, around.backend.is_safe)
    return lambda inner: Retry(inner, settings, may_repeat, around.chance(f"retry:{config.name}"), around.backend)


def hedge_layer(config: BackendConfig, around: PolicyContext) -> Layer | None:
    """Send copies of what takes long."""
    settings = config.hedging
    if settings is None or settings.max_hedges == 0:
        return None
    may_repeat = repeatable(settings.only, around.backend.is_safe)

    def layer(inner: Handler) -> Hedge:
        gate = inner if isinstance(inner, Gate) else None
        breaker = None if gate is None else gate.breaker
        may_hedge = _always if breaker is None else lambda: not (breaker.is_open or breaker.is_half_open)
        return Hedge(inner, settings, may_repeat, may_hedge, around.timer, around.background)

    return layer


def _always() -> bool:
    return True


def gate_layer(config: BackendConfig) -> Layer | None:
    """Keep away from a backend that fails."""
    opens, ejects = config.circuit_breaker, config.outlier_detection
    if opens is None and ejects is None:
        return None
    breaker = None if opens is None else Breaker(config.name, opens)
    outlier = None if ejects is None else Outlier(config.name, ejects, Group())  # alone, until it serves
    return lambda inner: Gate(inner, breaker, outlier)


def limit_layer(settings: RateLimitSettings | None, backend: str = "") -> Layer | None:
    """So many calls in so much time; what is made of one layer shares one bucket. A backend's is for work alone (RES-0c), the gateway's for all."""
    if settings is None:
        return None
    bucket = Bucket(settings)
    only = WORK if backend else None
    return lambda inner: RateLimit(inner, bucket, backend, only)


def queue_layer(config: BackendConfig) -> Layer | None:
    """So many calls at a time."""
    settings = config.concurrency
    return None if settings is None else lambda inner: Concurrency(inner, settings, config.name)


def health_of(config: BackendConfig, blot: Blot) -> Health | None:
    """What probes it, and judges it while it is up."""
    return None if config.health is None else Health(config.name, config.health, blot=blot)


def restarts_of(config: BackendConfig) -> Restarts:
    """How it is brought back."""
    restart = config.restart
    return Restarts(restart.initial_seconds, restart.max_seconds, restart.crash_limit, restart.crash_window_seconds)
