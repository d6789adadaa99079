"""From the settings of a backend to each of the policies that remember something, and to what keeps the backend itself."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

import attrs
import trio

from ..backends.backend import Backend
from ..backends.health import Health
from ..config.model import BackendConfig
from ..policies.argument_size import ArgumentLimit
from ..policies.breaker import Breaker
from ..policies.budget import Budget
from ..policies.cache import Cache
from ..policies.canary_guard import CanaryTrial
from ..policies.coalesce import Coalesce
from ..policies.hedge import Hedge, HedgeTimer
from ..policies.keepable import KeptTools
from ..policies.memory_store import MemoryStore
from ..policies.outlier import Group, Outlier
from ..policies.rate import Bucket, RateLimit
from ..policies.repeatable import repeatable
from ..policies.request_keys import RequestKeys
from ..policies.retry import Retry
from ..policies.settings import CacheSettings, RateLimitSettings, RetrySettings
from ..policies.store import Store
from ..protocol.blot import Blot
from ..protocol.calls import WORK, Handler
from ..routing.patterns import Pattern, PatternList
from .kept_outside import KeptOutside, is_known

__all__ = [
    "PolicyContext",
    "allowance_of",
    "attempts_of",
    "breaker_of",
    "budget_of",
    "cache_layer",
    "coalesce_layer",
    "health_of",
    "hedge_layer",
    "limit_layer",
    "may_hedge",
    "outlier_of",
    "retry_layer",
    "trial_of",
    "tried",
]


@attrs.frozen(eq=False, repr=False)
class PolicyContext:
    """What the policies of backends need of the gateway around them."""

    chance: Callable[[str], random.Random]
    background: trio.Nursery
    calls: trio.Nursery
    max_argument_size: int | None = None
    """Bytes of the arguments of a tool's call; None is no limit."""
    coalesce_requests: bool = False
    """Whether requests that are the same are led together where a backend says nothing else."""
    kept: KeptOutside | None = None
    """Where answers are kept; None is in memory."""
    timer: HedgeTimer = attrs.field(factory=HedgeTimer)

    def begin(self, caches: Callable[[], Iterable[Cache | None]]) -> None:
        """Run what belongs to no call and to no backend; ``caches`` are those that there are at the time."""
        self.background.start_soon(self.timer.run)
        if self.kept is not None:
            self.kept.begin(self.background, caches)

    def argument_limit(self) -> ArgumentLimit | None:
        """What counts how many were larger."""
        return None if self.max_argument_size is None else ArgumentLimit(self.max_argument_size)

    def coalesces(self, config: BackendConfig) -> bool:
        """Whether requests to a backend that are the same are led together."""
        return self.coalesce_requests if config.coalesce_requests is None else config.coalesce_requests


def allowance_of(config: BackendConfig) -> tuple[float, float] | None:
    """Of what its budget is made."""
    settings = config.retry
    return None if settings is None or settings.budget_percent is None else (settings.budget_percent, settings.min_retries_per_sec)


def budget_of(config: BackendConfig) -> Budget | None:
    """What the calls that are led to it may use up beyond their first attempts."""
    allowance = allowance_of(config)
    return None if allowance is None else Budget(*allowance)


def attempts_of(config: BackendConfig) -> RetrySettings | None:
    """Of what its retry is made: all but its budget."""
    return None if config.retry is None else attrs.evolve(config.retry, budget_percent=None, min_retries_per_sec=0)


def retry_layer(config: BackendConfig, backend: Backend, around: PolicyContext) -> Callable[[Handler], Retry] | None:
    """Send again what has failed."""
    settings = config.retry
    if settings is None or settings.max_retries == 0:
        return None
    may_repeat = repeatable(settings.only, backend.is_safe, backend.tasks.only_once)
    return lambda inner: Retry(inner, settings, may_repeat, around.chance(f"retry:{config.name}"), backend)


def hedge_layer(
    config: BackendConfig, backend: Backend, around: PolicyContext, breaker: Breaker | None
) -> Callable[[Handler], Hedge] | None:
    """Send copies of what takes long."""
    settings = config.hedging
    if settings is None or settings.max_hedges == 0:
        return None
    may_repeat = repeatable(settings.only, backend.is_safe, backend.tasks.only_once)
    return lambda inner: Hedge(inner, settings, may_repeat, may_hedge(breaker), around.timer, around.background)


def cache_layer(config: BackendConfig, backend: Backend, around: PolicyContext, keys: RequestKeys) -> Callable[[Handler], Cache] | None:
    """Give answers again."""
    settings = config.cache
    if settings is None or not settings.ttls():
        return None
    is_common = config.sessions == "shared" and is_known(config)  # a session that is one client's has answers that are nobody else's
    kept = around.kept if is_common else None
    if kept is None:
        stores: dict[str, Store] = {method: MemoryStore(settings.max_entries, settings.max_bytes) for method in settings.ttls()}
    else:
        stores = {method: kept.store(config, backend, method, settings) for method in settings.ttls()}
    tools = KeptTools(backend, _fits(settings.tools), _fits(settings.except_tools), settings.clear_on_writes, _seconds_of(settings))
    return lambda inner: Cache(inner, settings, backend, stores, tools, keys, around.background, kept is not None)


def _seconds_of(settings: CacheSettings) -> Callable[[str], float]:
    """How long what a tool answers holds."""
    usual, rules = settings.tool_ttl_seconds, [(_fits((name,)), seconds) for name, seconds in settings.ttl_seconds_by_tool.items()]
    return lambda tool: next((seconds for fits, seconds in rules if fits(tool)), usual)


def _fits(patterns: tuple[str, ...]) -> Callable[[str], bool]:
    """Whether a name fits one of these."""
    return PatternList.of(list(map(Pattern.parse, patterns))).fits if patterns else lambda _name: False


def coalesce_layer(
    config: BackendConfig, backend: Backend, around: PolicyContext, keys: RequestKeys
) -> Callable[[Handler], Coalesce] | None:
    """Lead requests together that are the same."""
    return (
        (lambda inner: Coalesce(inner, backend, keys, around.background, around.calls, around.timer)) if around.coalesces(config) else None
    )


def may_hedge(breaker: Breaker | None) -> Callable[[], bool]:
    """Whether copies may be sent: not to a backend that is being spared or tried out."""
    return _always if breaker is None else lambda: not (breaker.is_open or breaker.is_half_open)


def _always() -> bool:
    return True


def breaker_of(config: BackendConfig) -> Breaker | None:
    """What keeps away from it while it fails."""
    return None if config.circuit_breaker is None else Breaker(config.name, config.circuit_breaker)


def outlier_of(config: BackendConfig) -> Outlier | None:
    """What takes it out of its group while it does worse than it may; it is alone in one until it serves."""
    return None if config.outlier_detection is None else Outlier(config.name, config.outlier_detection, Group())


def tried(config: BackendConfig) -> tuple[object, ...] | None:
    """Of what the trial of a canary is made, if there is one: whoever sets any of that anew puts it back."""
    if config.canary_of is None or config.canary_guard is None:
        return None
    return config.canary_of, config.weight, config.canary_sticky, config.canary_guard


def trial_of(config: BackendConfig) -> CanaryTrial | None:
    """What takes it back when it does worse than its primary."""
    if config.canary_of is None or config.canary_guard is None:
        return None
    return CanaryTrial(config.name, config.canary_of, config.canary_guard)


def limit_layer(settings: RateLimitSettings | None, backend: str = "") -> Callable[[Handler], RateLimit] | None:
    """So many calls in so much time; what is made of one layer shares one bucket. A backend's is for work alone (RES-0c), the gateway's for all."""
    if settings is None:
        return None
    bucket = Bucket(settings)
    only = WORK if backend else None
    return lambda inner: RateLimit(inner, bucket, backend, only)


def health_of(config: BackendConfig, blot: Blot) -> Health | None:
    """What probes it, and judges it while it is up."""
    return None if config.health is None else Health(config.name, config.health, blot=blot)
