"""What can be configured of one backend: how it is reached, what is shown of it, and what its calls pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import attrs

from ..policies.settings import (
    BreakerSettings,
    ConcurrencySettings,
    HealthSettings,
    HedgeSettings,
    OutlierSettings,
    RateLimitSettings,
    RetrySettings,
)
from ..protocol.addresses import public_part
from .inheritance import Inherit

__all__ = ["AliasConfig", "BackendConfig", "BackendTlsConfig", "RestartConfig", "TimeoutConfig"]


@attrs.frozen
class TimeoutConfig:
    """How long a call may take: all its attempts together, and each of them."""

    seconds: float = 300.0
    per_attempt_seconds: float | None = None


def _shown_address(url: str | None) -> str:
    """An address without user, password and query, any of which may be a key."""
    return repr(url if url is None else public_part(url))


def _timeout(given: TimeoutConfig | None) -> TimeoutConfig:
    return TimeoutConfig() if given is None else given


@attrs.frozen
class AliasConfig:
    """A backend's own name and the one that clients see instead."""

    from_: str
    to: str


@attrs.frozen
class RestartConfig:
    """How a backend that went away is brought back."""

    initial_seconds: float = 0.5
    """The first wait; each further one is twice as long, with jitter."""
    max_seconds: float = 30.0
    crash_limit: int = 5
    """That many ends within the window are a crash loop: then only the longest wait is used."""
    crash_window_seconds: float = 60.0


@attrs.frozen
class BackendTlsConfig:
    """How to know a backend's certificate, and what to show it of ours. Files are PEM, relative to the configuration."""

    ca: str | None = None
    """The authorities to believe instead of the system's."""
    certificate: str | None = None
    """Our certificate, where the backend asks for one."""
    key: str | None = None
    """Its private key; None where the certificate's file holds that, too."""


@attrs.frozen
class BackendConfig:
    """One MCP server behind the gateway."""

    name: str
    transport: Literal["stdio", "http", "inprocess", "websocket"]
    command: str | None = None
    args: tuple[str, ...] = attrs.field(default=(), repr=False)
    """Not shown where the object is printed, as `env` is not: programs are given keys in both."""
    url: str | None = attrs.field(default=None, repr=_shown_address)
    env: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    cwd: str | None = None
    inherit_env: Inherit = ()
    """What it sees of the gateway's environment beside ``env``: names are added to those that every program gets."""
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    bearer_token: str | None = attrs.field(default=None, repr=False)
    tls: BackendTlsConfig | None = None
    proxy: str | None = attrs.field(default=None, repr=_shown_address)
    """The HTTP proxy through which the backend is reached."""
    timeout: TimeoutConfig = attrs.field(factory=TimeoutConfig, converter=_timeout)
    namespace: str | None = None
    """None takes the backend's name; empty passes its names through unchanged."""
    enabled: bool = True
    required: bool = False
    """Whether the gateway must not start without it."""
    connect_timeout_seconds: float = 30.0
    sessions: Literal["shared", "per_client"] = "shared"
    failover_for: str | None = None
    priority: int = 0
    """Among the stand-ins of one backend the lowest is asked first."""
    canary_of: str | None = None
    weight: int = 100
    """A canary's share of its primary's calls, in percent."""
    canary_sticky: bool = False
    """Whether a caller stays where it was led first; then the share is one of callers, not of calls."""
    mirror_of: str | None = None
    mirror_percent: int = 100
    mirror_hidden: bool = False
    expose_tools: tuple[str, ...] = ()
    hide_tools: tuple[str, ...] = ()
    expose_resources: tuple[str, ...] = ()
    hide_resources: tuple[str, ...] = ()
    expose_prompts: tuple[str, ...] = ()
    hide_prompts: tuple[str, ...] = ()
    aliases: tuple[AliasConfig, ...] = ()
    progress: Literal["auto", "off"] = "auto"
    """Whether its progress and log lines reach callers; without any its answers over HTTP are plain JSON, which has no limit to its size."""
    fidelity: Literal["mended", "strict"] = "mended"
    """Whether its lists are offered as clients can read them, or as they came."""
    restart: RestartConfig = attrs.field(factory=RestartConfig)
    retry: RetrySettings | None = None
    hedging: HedgeSettings | None = None
    circuit_breaker: BreakerSettings | None = None
    outlier_detection: OutlierSettings | None = None
    rate_limit: RateLimitSettings | None = None
    concurrency: ConcurrencySettings | None = None
    health: HealthSettings | None = None

    @property
    def effective_namespace(self) -> str:
        """What stands before its names; empty for a transparent backend."""
        return self.name if self.namespace is None else self.namespace

    @property
    def is_strict(self) -> bool:
        """Whether its lists are offered as they came."""
        return self.fidelity == "strict"

    @property
    def stands_for(self) -> str | None:
        """The backend under whose names it answers, as a stand-in or as a canary."""
        return self.failover_for if self.failover_for is not None else self.canary_of

    def prefix(self, separator: str) -> str:
        """Namespace and separator, or nothing for a transparent backend."""
        namespace = self.effective_namespace
        return namespace + separator if namespace else ""
