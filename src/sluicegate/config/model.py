"""What can be configured, with its defaults: the one place where a default is written.

Durations are seconds, sizes are bytes. The classes hold values; whether these make sense together is for `sluicegate.config.check` to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import attrs

from ..protocol.addresses import public_part
from .listen import ListenConfig, ListenTlsConfig
from .problem import Problem, line_of

__all__ = [
    "AccessLogConfig",
    "AliasConfig",
    "BackendConfig",
    "BackendTlsConfig",
    "BearerAuth",
    "Config",
    "ListenConfig",
    "ListenTlsConfig",
    "Loaded",
    "MetricsConfig",
    "ObservabilityConfig",
    "ProxyConfig",
    "RestartConfig",
    "SecurityConfig",
    "TimeoutConfig",
]

MIB = 1024 * 1024


@attrs.frozen
class ProxyConfig:
    """The gateway as its clients see it."""

    name: str
    version: str = "0.1.0"
    separator: str = "_"
    """Stands between a backend's namespace and its own names."""
    listen: ListenConfig = attrs.field(factory=ListenConfig)
    instructions: str | None = None
    """Sent instead of what the backends say about themselves."""
    shutdown_timeout_seconds: float = 30.0
    startup_wait_seconds: float | None = None
    """How long the first list waits for backends that are starting; None is 10, and 30 over stdio."""
    page_size: int = 0
    """Entries per page of a list; 0 sends a list whole."""
    max_tool_name: int = 64
    """Characters; longer names are shortened with a hash."""
    import_backends: str | None = None
    """A client's ``.mcp.json``, relative to the configuration."""


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
    inherit_env: bool = True
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
    restart: RestartConfig = attrs.field(factory=RestartConfig)

    @property
    def effective_namespace(self) -> str:
        """What stands before its names; empty for a transparent backend."""
        return self.name if self.namespace is None else self.namespace

    def prefix(self, separator: str) -> str:
        """Namespace and separator, or nothing for a transparent backend."""
        namespace = self.effective_namespace
        return namespace + separator if namespace else ""


@attrs.frozen
class BearerAuth:
    """Clients show one of these tokens."""

    tokens: tuple[str, ...] = attrs.field(default=(), repr=False)
    type: Literal["bearer"] = "bearer"


@attrs.frozen
class SecurityConfig:
    """Limits that hold whoever is calling."""

    max_body_size: int = 4 * MIB
    """Of a client's request."""
    max_message_size: int = 16 * MIB
    """Of one message from a backend."""
    allowed_hosts: tuple[str, ...] = ()
    """Values of ``Host`` beyond those of the bound address."""
    allowed_origins: tuple[str, ...] = ()
    """Web pages that may call, as their ``Origin``."""
    max_sessions: int = 10_000
    session_idle_seconds: float = 1800.0
    max_streams_per_session: int = 64
    orphan_seconds: float = 60.0
    """How long a call goes on after its client's connection was lost."""


@attrs.frozen
class AccessLogConfig:
    """One line for each call."""

    enabled: bool = True


@attrs.frozen
class MetricsConfig:
    """Numbers for Prometheus, under ``/metrics``."""

    enabled: bool = False


@attrs.frozen
class ObservabilityConfig:
    """What the gateway tells about itself."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    json_logs: bool = False
    access_log: AccessLogConfig = attrs.field(factory=AccessLogConfig)
    metrics: MetricsConfig = attrs.field(factory=MetricsConfig)


@attrs.frozen
class Config:
    """Everything that one gateway is told."""

    proxy: ProxyConfig
    backends: tuple[BackendConfig, ...] = ()
    auth: BearerAuth | None = None
    security: SecurityConfig = attrs.field(factory=SecurityConfig)
    observability: ObservabilityConfig = attrs.field(factory=ObservabilityConfig)
    source: Path | None = None
    """The file it came from; never written back."""
    planned: tuple[Problem, ...] = ()
    """Keys of the file that are understood but not built. They stay here, so that nobody runs without, say, the ``auth`` that was asked for."""


@attrs.frozen
class Loaded:
    """What reading a configuration gave."""

    config: Config
    warnings: tuple[str, ...] = ()
    planned: tuple[Problem, ...] = ()
    """What is asked for and not built yet: a warning to ``check``, a refusal to ``run``."""
    notes: tuple[str, ...] = ()
    """What was read beside the file itself (CLI-5)."""
    lines: Mapping[str, int] = attrs.field(factory=dict, repr=False)
    """Where the keys of the file stand."""

    def placed(self, problem: Problem) -> Problem:
        """A problem that was found later, with file and line."""
        source = self.config.source
        return attrs.evolve(problem, file=None if source is None else str(source), line=line_of(problem.path, self.lines))
