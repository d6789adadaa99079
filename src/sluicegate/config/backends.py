"""What can be configured of one backend: how it is reached, what is shown of it, and what its calls pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import attrs

from ..policies.settings import PolicySettings, RestartSettings, TimeoutSettings
from ..protocol.addresses import public_part
from ..settings.composing import own_first
from ..settings.outward import OutwardSettings
from ..settings.parameters import ParametersConfig, ParameterSettings
from ..settings.ranges import POSITIVE, within
from ..settings.secret import Secret, secret, secret_table
from ..settings.stand_ins import CanarySettings, MirrorSettings, StandInSettings
from .inheritance import Inherit

__all__ = ["AliasConfig", "BackendConfig", "BackendTlsConfig", "ParametersConfig", "RestartSettings", "TimeoutSettings"]


def _shown_address(url: str | None) -> str:
    """An address without user, password and query, any of which may be a key."""
    return repr(url if url is None else public_part(url))


def _timeout(given: TimeoutSettings | None) -> TimeoutSettings:
    return TimeoutSettings() if given is None else given


@attrs.frozen(repr=False)
class AliasConfig:
    """A backend's own name and the one that clients see instead."""

    from_: str
    """The backend's own name."""
    to: str
    """The name that clients see instead."""


@attrs.frozen(repr=False)
class BackendTlsConfig:
    """How to know a backend's certificate, and what to show it of ours. Files are PEM, relative to the configuration."""

    ca: str | None = None
    """The authorities to believe instead of the system's."""
    certificate: str | None = None
    """Our certificate, where the backend asks for one."""
    key: str | None = None
    """Its private key; the certificate's file holds that, too, unless given."""


@attrs.frozen(field_transformer=own_first, repr=False)
class BackendConfig(PolicySettings, ParameterSettings, MirrorSettings, CanarySettings, StandInSettings):
    """One MCP server behind the gateway."""

    name: str
    """One of a kind."""
    transport: Literal["stdio", "http", "inprocess", "websocket", "sse"]
    """How it is reached: stdio, http, websocket, or sse for what knows only HTTP+SSE, the transport of 2024."""
    command: str | None = None
    """The program, found through PATH; for stdio."""
    args: tuple[str, ...] = ()
    """Its arguments.

    Not shown where the object is printed: programs are given keys in them.
    """
    url: str | None = attrs.field(default=None, repr=_shown_address)
    """Where it is; for all but stdio."""
    env: Mapping[str, Secret] = attrs.field(factory=dict, converter=secret_table)
    """Variables added to its environment."""
    cwd: str | None = None
    """Its working directory, relative to the configuration; the gateway's own unless given."""
    inherit_env: Inherit = ()
    """What it gets of the gateway's environment beside HOME, PATH, LANG and the like: names, or beginnings ("AWS_*"); true: everything that no
    other part of the file names; false: PATH alone."""
    headers: Mapping[str, Secret] = attrs.field(factory=dict, converter=secret_table)
    """Sent with every request, and with the handshake of a WebSocket."""
    bearer_token: Secret | None = attrs.field(default=None, converter=secret)
    """Sent as ``Authorization: Bearer …``."""
    auth: OutwardSettings | None = None
    forward_auth: bool = False
    """Tells it who calls, in a token that we sign: the same as auth = { type = "identity" }; what a client has shown is never passed on."""
    tls: BackendTlsConfig | None = None
    proxy: str | None = attrs.field(default=None, repr=_shown_address)
    """The HTTP proxy through which the backend is reached."""
    timeout: TimeoutSettings = attrs.field(factory=TimeoutSettings, converter=_timeout)
    namespace: str | None = None
    """Stands before its names; the backend's name unless given; empty passes its names through unchanged."""
    enabled: bool = True
    """Whether it is there at all."""
    required: bool = False
    """Whether the gateway must not start without it."""
    connect_timeout_seconds: float = attrs.field(default=30.0, metadata=within(POSITIVE))
    """How long it may take to start and to shake hands."""
    revision: Literal["2025-11-25", "2026-07-28"] | None = None
    """The revision of the protocol that it is spoken to in, where it has a choice; without it the newest with a handshake, if it knows one."""
    sessions: Literal["shared", "per_client"] = "shared"
    """One session for all clients, or one for each that uses it: with what that client can be asked, and only for as long as its own lasts."""
    max_sessions: int = attrs.field(default=64, metadata=within(POSITIVE))
    """With per_client: so many clients may have one at once, of whom one party may have half; above that an unused one gives way."""
    session_idle_seconds: float = attrs.field(default=600.0, metadata=within(POSITIVE))
    """With per_client: after so long without a call a client's session is closed; the next call opens another one."""
    expose_tools: tuple[str, ...] = ()
    """Patterns; only these are shown and may be called, and from then on only what is listed."""
    hide_tools: tuple[str, ...] = ()
    """Patterns; these are not shown, in whatever case; give one of the two lists."""
    expose_resources: tuple[str, ...] = ()
    """The same for the URIs of resources; ``*`` stops at a slash, ``**`` does not."""
    hide_resources: tuple[str, ...] = ()
    """The same for the URIs of resources."""
    expose_prompts: tuple[str, ...] = ()
    """The same for prompts; ``re:`` starts a regular expression (RE2)."""
    hide_prompts: tuple[str, ...] = ()
    """The same for prompts."""
    hide_destructive: bool = False
    """Hides tools whose annotations allow that they destroy something: neither readOnlyHint = true nor destructiveHint = false."""
    read_only_only: bool = False
    """Shows only tools whose annotations say readOnlyHint = true; what has no annotations is hidden, too."""
    aliases: tuple[AliasConfig, ...] = ()
    """Names that clients see instead of its own."""
    progress: Literal["auto", "off"] = "auto"
    """Whether its progress and log lines reach callers; without any its answers over HTTP are plain JSON, which has no limit to its size."""
    coalesce_requests: bool | None = attrs.field(default=None, metadata={"example": True})
    """Whether requests that are the same, come at the same time and do no harm share one answer; as [performance] says unless given."""
    fidelity: Literal["mended", "strict"] = "mended"
    """Whether its lists are offered as clients can read them, or as they came."""
    restart: RestartSettings = attrs.field(factory=RestartSettings)

    @property
    def effective_namespace(self) -> str:
        """What stands before its names; empty for a transparent backend."""
        return self.name if self.namespace is None else self.namespace

    @property
    def is_strict(self) -> bool:
        """Whether its lists are offered as they came."""
        return self.fidelity == "strict"

    @property
    def shows(self) -> OutwardSettings | None:
        """What its requests show beside its headers."""
        return OutwardSettings("identity") if self.forward_auth and self.auth is None else self.auth

    @property
    def stands_for(self) -> str | None:
        """The backend under whose names it answers, as a stand-in or as a canary."""
        return self.failover_for if self.failover_for is not None else self.canary_of

    def prefix(self, separator: str) -> str:
        """Namespace and separator, or nothing for a transparent backend."""
        namespace = self.effective_namespace
        return namespace + separator if namespace else ""
