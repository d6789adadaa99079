"""How clients connect, and for how long and how many: the ``[proxy.listen]`` table."""

from __future__ import annotations

from typing import Literal

import attrs

from ..settings.composing import own_first
from ..settings.connections import ConnectionSettings
from ..settings.ranges import POSITIVE, within

__all__ = ["ListenConfig", "ListenTlsConfig"]


def _without_brackets(host: str) -> str:
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


@attrs.frozen(repr=False)
class ListenTlsConfig:
    """Clients speak TLS. Files are PEM, relative to the configuration, and read when the listener opens."""

    certificate: str
    """The file with the certificate, and behind it those that lead to its authority."""
    key: str | None = None
    """The file with its private key; the certificate's file holds that, too, unless given."""
    client_ca: str | None = None
    """Only clients with a certificate of these authorities may connect; none is asked for one unless given."""


@attrs.frozen(field_transformer=own_first, repr=False)
class ListenConfig(ConnectionSettings):
    """Where clients connect."""

    host: str = attrs.field(default="127.0.0.1", converter=_without_brackets)
    """The name or address to bind; one that others can reach needs [auth]. An IPv6 address may be in brackets, as in a URL."""
    port: int = 8080
    """0 lets the system choose."""
    unix: str | None = attrs.field(default=None, metadata={"example": "/run/sluicegate/gate.sock"})
    """The path of a Unix socket that takes the place of host and port, relative to this file."""
    unix_mode: str = "600"
    """Who may connect to it: the socket's permissions, in octal."""
    systemd: bool = False
    """Whether systemd has opened the sockets already, which take the place of host and port."""
    server: Literal["auto", "native", "hypercorn"] = "auto"
    """What speaks HTTP: "native", "hypercorn"; auto is native, and hypercorn where there is TLS, or WebSockets."""
    websocket: bool = False
    """Whether MCP over WebSockets is served under the same path, too; hypercorn speaks them."""
    sse: bool = False
    """Whether HTTP+SSE, the transport of 2024, is served under /sse and /messages, too, for clients that know nothing newer."""
    tls: ListenTlsConfig | None = None
    session_tickets: bool = True
    """Whether sessions of clients outlive a restart: their ids are sealed tickets."""
    session_keys: str | None = attrs.field(default=None, metadata={"example": "sessions"})
    """The folder of their keys, relative to this file; this file with ".sessions" behind its name unless given."""
    session_ticket_seconds: float = attrs.field(default=7 * 86400.0, metadata=within(POSITIVE))
    """How long after it was opened a session can go on so; also one that was unused for longer than session_idle_seconds."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses and networks whose X-Forwarded-For and X-Forwarded-Proto are believed: ["10.0.0.0/8"]; if there are any, those who come over a Unix
    socket are believed, too."""

    @property
    def place(self) -> str:
        """Where that is, for people."""
        if self.systemd:
            return "the sockets of systemd"
        if self.unix is not None:
            return self.unix
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
