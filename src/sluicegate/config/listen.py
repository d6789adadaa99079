"""How clients connect, and for how long and how many: the ``[proxy.listen]`` table."""

from __future__ import annotations

from typing import Literal

import attrs

__all__ = ["ListenConfig", "ListenTlsConfig"]


def _without_brackets(host: str) -> str:
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


@attrs.frozen
class ListenTlsConfig:
    """Clients speak TLS. Files are PEM, relative to the configuration, and read when the listener opens."""

    certificate: str
    """The file with the certificate, and behind it those that lead to its authority."""
    key: str | None = None
    """The file with its private key; the certificate's file holds that, too, unless given."""
    client_ca: str | None = None
    """Only clients with a certificate of these authorities may connect; none is asked for one unless given."""


@attrs.frozen
class ListenConfig:
    """Where clients connect."""

    host: str = attrs.field(default="127.0.0.1", converter=_without_brackets)
    """A name or an address; an IPv6 address may be in brackets, as in a URL."""
    port: int = 8080
    """0 lets the system choose."""
    unix: str | None = None
    """The path of a socket that takes the place of host and port, relative to the configuration."""
    unix_mode: str = "600"
    """Who may connect to it: the octal permissions of the socket."""
    systemd: bool = False
    """Whether systemd has opened the sockets already, which take the place of host and port."""
    server: Literal["auto", "native", "hypercorn"] = "auto"
    """What speaks HTTP; ``auto`` is our own, and Hypercorn where there is TLS."""
    tls: ListenTlsConfig | None = None
    head_seconds: float = 10.0
    """From the first byte of a request to the end of its headers, and for the TLS handshake."""
    body_seconds: float = 30.0
    """For a request's body; one that brings 500 bytes a second may take longer."""
    write_seconds: float = 30.0
    """How long a client may not read; one that takes 500 bytes a second may take longer."""
    idle_seconds: float = 75.0
    """Between two requests on one connection."""
    max_connections: int = 4096
    """Open at the same time."""
    max_connections_per_peer: int = 0
    """From one address; 0 is no limit."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses and networks whose ``X-Forwarded-For`` and ``X-Forwarded-Proto`` are believed; if there are any, then also over a Unix socket."""

    @property
    def place(self) -> str:
        """Where that is, for people."""
        if self.systemd:
            return "the sockets of systemd"
        if self.unix is not None:
            return self.unix
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
