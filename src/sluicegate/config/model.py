"""What can be configured, with its defaults: the one place where a default is written.

Durations are seconds, sizes are bytes. The classes hold values; whether these make sense together is for `sluicegate.config.checks.whole` to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import attrs

from ..policies.settings import RateLimitSettings
from ..protocol.names import is_portable
from ..protocol.sizes import LARGEST_MESSAGE, LONGEST_TOOL_NAME, WHOLE_LIST
from ..settings.audit_settings import AuditSettings
from ..settings.clients import ClientLimits
from ..settings.composing import own_first
from ..settings.composite_tools import CompositeConfig
from ..settings.identity import AuthConfig, BearerAuth, IssuerSettings, JwtAuth, MtlsAuth, OAuthAuth, ToolScopes
from ..settings.keeping import StoreSettings
from ..settings.ranges import ANY_NUMBER, POSITIVE, WHOLE, Range, within
from ..settings.search import SearchSettings
from .backends import AliasConfig, BackendConfig, BackendTlsConfig, RestartSettings, TimeoutSettings
from .listen import ListenConfig, ListenTlsConfig
from .problem import Problem, Provenance, line_of, origin_of

__all__ = [
    "OTHER_WORDS",
    "AccessLogConfig",
    "AliasConfig",
    "BackendConfig",
    "BackendTlsConfig",
    "BearerAuth",
    "Config",
    "IssuerSettings",
    "JwtAuth",
    "ListenConfig",
    "ListenTlsConfig",
    "Loaded",
    "MetricsConfig",
    "MtlsAuth",
    "OAuthAuth",
    "ObservabilityConfig",
    "PerformanceConfig",
    "ProxyConfig",
    "RestartSettings",
    "SecurityConfig",
    "TimeoutSettings",
    "ToolScopes",
]

_NOBODY = Range(0, words="must be >= 0", instead="write 0 to wait for nobody")
OTHER_WORDS = {"warn": "warning", "trace": "debug"}
"""What other programs call a level of the log; there is none below debug."""


@attrs.frozen(field_transformer=own_first, repr=False)
class ProxyConfig(SearchSettings):
    """The gateway as its clients see it."""

    name: str = attrs.field(metadata={"example": "reference"})
    """The name that clients see."""
    version: str = "0.1.0"
    """The version that clients see."""
    listen: ListenConfig = attrs.field(factory=ListenConfig)
    public_url: str | None = attrs.field(default=None, metadata={"example": "https://gate.example"})
    """Where clients reach what is ``/`` here, e.g. through a reverse proxy; without /mcp. Its name is a Host that is allowed."""
    instructions: str | None = attrs.field(default=None, metadata={"example": "Ask for times."})
    """Sent to clients instead of what the backends say about themselves."""
    shutdown_timeout_seconds: float = attrs.field(default=30.0, metadata=within(ANY_NUMBER))
    """How long running calls may take to end after SIGTERM."""
    startup_wait_seconds: float | None = attrs.field(default=None, metadata=within(_NOBODY, example=10))
    """How long the first list waits for backends that are starting; 10 unless given, and 30 over stdio."""
    import_backends: str | None = attrs.field(default=None, metadata={"example": ".mcp.json"})
    """Adds the servers of a client's file, relative to this one."""
    hot_reload: bool = False
    """Whether the files of the configuration are watched, and what has changed in them takes effect by itself (CFG-28)."""
    rate_limit: RateLimitSettings | None = attrs.field(default=None, metadata={"example": {"requests": 1000}})
    """Of all requests of all clients together; its keys are those of [backends.rate_limit] (GRL-1)."""

    separator: str = "_"
    """Stands between a backend's namespace and its own names."""
    page_size: int = attrs.field(default=WHOLE_LIST, metadata=within(ANY_NUMBER))
    """Entries per page of a list; 0 sends a list whole."""
    max_tool_name: int = attrs.field(default=LONGEST_TOOL_NAME, metadata=within(ANY_NUMBER))
    """Characters; longer names are shortened with a hash; 0 is no limit."""
    tool_names: Literal["portable", "keep"] | None = attrs.field(default=None, metadata={"example": "portable"})
    """Names of tools and prompts: "portable" makes them of A-Z, a-z, 0-9, _ and -, others are replaced and get a hash; "keep" leaves them.
    Portable unless given, except where the separator is another character."""

    @property
    def portable_names(self) -> bool:
        """Whether clients see no names but portable ones; who chose a separator that is not portable chose his names himself."""
        return is_portable(self.separator) if self.tool_names is None else self.tool_names == "portable"


@attrs.frozen(repr=False)
class SecurityConfig(ClientLimits):
    """Limits that hold whoever is calling."""

    max_message_size: int = attrs.field(default=LARGEST_MESSAGE, metadata=within(POSITIVE))
    """Bytes of one message from a backend."""
    max_argument_size: int | None = attrs.field(default=None, validator=WHOLE, metadata={"example": 65536})
    """Bytes of the arguments of a tool's call, as JSON without blanks; no limit of their own unless given."""
    allowed_hosts: tuple[str, ...] = ()
    """Values of Host beyond those of the bound address: "gate.example", "gate.example:8080"."""
    allowed_origins: tuple[str, ...] = ()
    """Web pages that may call: "https://app.example"."""


@attrs.frozen(repr=False)
class AccessLogConfig:
    """One line for each call."""

    enabled: bool = True
    """Whether there is one."""


@attrs.frozen(repr=False)
class MetricsConfig:
    """Numbers for Prometheus, under ``/metrics``."""

    enabled: bool = False
    """Whether they are shown, to whoever may call."""


@attrs.frozen(repr=False)
class ObservabilityConfig:
    """What the gateway tells about itself."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """What the log on stderr tells: "debug" (trace), "info", "warning" (warn) or "error"."""
    json_logs: bool = False
    """One JSON object a line instead of text."""
    audit: AuditSettings | None = None
    access_log: AccessLogConfig = attrs.field(factory=AccessLogConfig)
    metrics: MetricsConfig = attrs.field(factory=MetricsConfig)


@attrs.frozen(repr=False)
class PerformanceConfig:
    """What holds for all backends that say nothing else."""

    coalesce_requests: bool = False
    """Whether requests that are the same, come at the same time and do no harm share one answer."""


@attrs.frozen(repr=False)
class Config:
    """Everything that one gateway is told."""

    proxy: ProxyConfig
    backends: tuple[BackendConfig, ...] = ()
    """The servers behind it."""
    auth: AuthConfig | None = None
    """Who may call; whoever can connect unless given."""
    security: SecurityConfig = attrs.field(factory=SecurityConfig)
    observability: ObservabilityConfig = attrs.field(factory=ObservabilityConfig)
    performance: PerformanceConfig = attrs.field(factory=PerformanceConfig)
    cache: StoreSettings = attrs.field(factory=StoreSettings)
    composite_tools: tuple[CompositeConfig, ...] = ()
    """Tools of the gateway's own that call several others."""
    source: Path | None = None
    """The file it came from; never written back."""
    planned: tuple[Problem, ...] = ()
    """Keys of the file that are understood but not built. They stay here, so that nobody runs without, say, the ``auth`` that was asked for."""
    variables: Mapping[str, frozenset[str]] = attrs.field(factory=dict, eq=False)
    """The variables that files name in ``${…}``, and the backends in whose tables they do; an empty name is any other table."""
    inserted: frozenset[str] = attrs.field(default=frozenset(), eq=False)
    """What was put in for ``${…}`` and may be secret."""

    @property
    def session_keys(self) -> Path | None:
        """The folder where the keys of session tickets are kept; None where there is none: a client's file, or a pipe, has nothing of ours beside it."""
        if self.proxy.listen.session_keys is not None:
            return Path(self.proxy.listen.session_keys)
        return self._beside("sessions")

    @property
    def identity_key(self) -> Path | None:
        """The file of the key that signs what backends are told of callers; None where there is no place for it."""
        folder = self._beside("identity")
        return None if folder is None else folder / "signing.pem"

    @property
    def logins(self) -> Path | None:
        """The folder where logins at backends are kept; None where there is no place for it."""
        return self._beside("logins")

    def _beside(self, what: str) -> Path | None:
        """A folder of ours beside the file; None where that is a client's, or a pipe."""
        source = self.source
        return source.with_name(f"{source.name}.{what}").absolute() if source and source.suffix != ".json" and source.is_file() else None

    def withheld_from(self, backend: str) -> frozenset[str]:
        """Variables that are named elsewhere in the files and not in this backend's table: they are not its business."""
        return frozenset(name for name, users in self.variables.items() if backend not in users)


@attrs.frozen(repr=False)
class Loaded:
    """What reading a configuration gave."""

    config: Config
    warnings: tuple[str, ...] = ()
    planned: tuple[Problem, ...] = ()
    """What is asked for and not built yet: a warning to ``check``, a refusal to ``run``."""
    notes: tuple[str, ...] = ()
    """What was read beside the file itself (CLI-5)."""
    lines: Mapping[str, int] = attrs.field(factory=dict)
    """Where the keys of the file stand."""
    origins: Mapping[int, Provenance] = attrs.field(factory=dict)
    """Where those backends stand, by their position, that came out of a client's file."""
    files: frozenset[Path] = frozenset()
    """All that was read for it."""

    def placed(self, problem: Problem) -> Problem:
        """A problem that was found later, with file and line."""
        if (origin := origin_of(problem, self.origins)) is not None:
            return origin.place(problem)
        source = self.config.source
        return attrs.evolve(problem, file=None if source is None else str(source), line=line_of(problem.path, self.lines))
