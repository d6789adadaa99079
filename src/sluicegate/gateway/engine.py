"""From ``[proxy.listen]`` to listeners, and to what speaks HTTP on them: the one place that chooses the server."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from functools import partial
from typing import Protocol

import trio

from ..config.model import ListenConfig
from ..http1.asgi import ASGIApp
from ..http1.server.connection_limit import ConnectionLimit
from ..http1.server.settings import ServerSettings
from ..outside import Outside
from ..protocol.addresses import is_loopback

__all__ = ["is_local", "open_listeners", "server_for", "settings_of"]

Listeners = list[trio.abc.Listener[trio.abc.Stream]]


class Serve(Protocol):
    """Accepts connections until cancelled, and reports the addresses as URLs."""

    async def __call__(
        self,
        app: ASGIApp,
        listeners: Listeners,
        *,
        connections: trio.Nursery,
        settings: ServerSettings,
        connection_limit: ConnectionLimit,
        wall: Callable[[], float],
        task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve ``app`` on ``listeners``; every connection lives in ``connections`` and counts against ``connection_limit``."""
        ...


async def open_listeners(listen: ListenConfig, outside: Outside) -> Listeners:
    """Listen as configured; raises `OSError`. Closing them is the caller's, and every server does it."""
    if listen.systemd:
        return await outside.listen_inherited()
    if listen.unix is not None:
        return await outside.listen_unix(listen.unix, int(listen.unix_mode, 8))
    return await outside.listen(listen.host, listen.port)


def server_for(listen: ListenConfig) -> Serve:
    """What speaks HTTP; raises `BadCertificate` where its TLS cannot be had."""
    if listen.server != "hypercorn" and listen.tls is None and not listen.websocket:
        from ..http1.server.server import serve as serve_natively

        return serve_natively
    from ..hypercorn.server import serve as serve_with_hypercorn
    from ..tls.server import server_context

    tls = listen.tls
    context = None if tls is None else server_context(tls.certificate, tls.key, tls.client_ca)
    return partial(serve_with_hypercorn, tls=context)


def settings_of(listen: ListenConfig) -> ServerSettings:
    """The limits as the servers know them."""
    return ServerSettings.of(
        listen,
        takes_waiting=not listen.systemd,
        takes_sockets=listen.websocket,
        trusted=tuple(ipaddress.ip_network(address, strict=False) for address in listen.trusted_proxies),
    )


def is_local(listeners: Listeners) -> bool:
    """Whether every listener is a TCP one that only this machine reaches."""
    names = [socket.getsockname() for listener in listeners if (socket := getattr(listener, "socket", None)) is not None]
    return bool(names) and all(isinstance(name, tuple) and is_loopback(name[0]) for name in names)
