"""From a backend's settings to what opens sessions with it: the one place that asks for the transport."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import TypedDict, cast

from ..backends.attached import AttachedConnector
from ..backends.session import Connector
from ..config.inheritance import inherited
from ..config.model import BackendConfig, Config
from ..outside import OpenStream, Outside
from ..protocol.blot import Blot, unblotted
from ..protocol.credential import Credential
from ..tls.client import TlsFiles

__all__ = ["connector_for", "no_server"]


def connector_for(
    config: BackendConfig,
    whole: Config,
    outside: Outside,
    servers: Mapping[str, object],
    *,
    wall: Callable[[], float] = time.time,
    blot: Blot = unblotted,
    credential: Credential | None = None,
) -> Connector:
    """The connector of a backend; ``servers`` has the server objects and connectors that the embedding program brought.

    ``blot`` takes known secrets out of what it writes to its stderr; ``credential`` is what requests to it show, where that can change.
    """
    if config.transport == "inprocess":
        return _brought(config.name, servers.get(config.name))
    make: Callable[[], Connector] = {
        "stdio": lambda: _stdio(config, whole, outside, blot),
        "http": lambda: _http(config, whole, outside, wall, credential),
        "websocket": lambda: _websocket(config, whole, outside, credential),
        "sse": lambda: _sse(config, whole, outside, wall, credential),
    }[config.transport]
    return make()


def no_server(source: object) -> str:
    """Why something is neither a `Connector` nor a server object of the MCP SDK, and what to bring instead; empty where it is one."""
    is_connector = callable(source) and hasattr(source, "transport")
    lowlevel = getattr(source, "_lowlevel_server", source)  # as in `backends.inprocess`
    if is_connector or (callable(getattr(lowlevel, "run", None)) and hasattr(lowlevel, "create_initialization_options")):
        return ""
    kind = source if isinstance(source, type) else type(source)
    instead = f"{kind.__module__}.{kind.__qualname__}" + (", a class: make an object of it" if isinstance(source, type) else "")
    return f"{instead} is no server: bring an MCPServer or Server of the MCP SDK 2, a command as a list of texts, a URL, or a Connector"


def _brought(name: str, server: object) -> Connector:
    if server is None:
        return AttachedConnector(None, "nobody brought a server object or a connector for it")
    if callable(server) and hasattr(server, "transport"):
        return cast("Connector", server)
    if wrong := no_server(server):
        raise TypeError(f"backend '{name}': {wrong}")
    from ..backends.inprocess import InProcessConnector

    return InProcessConnector(name, server)  # type: ignore[arg-type]


def _stdio(config: BackendConfig, whole: Config, outside: Outside, blot: Blot) -> Connector:
    from ..backends.stdio import StdioConnector

    assert config.command is not None
    return StdioConnector(
        config.name,
        config.command,
        tuple(config.args),
        env={name: value.reveal() for name, value in config.env.items()},
        cwd=config.cwd,
        inherited=lambda: inherited(config.inherit_env, os.environ, whole.withheld_from(config.name)),
        blot=blot,
        open_process=outside.open_process,
        max_message_size=whole.security.max_message_size,
    )


def _http(config: BackendConfig, whole: Config, outside: Outside, wall: Callable[[], float], credential: Credential | None) -> Connector:
    from ..backends.http.connector import HttpConnector

    assert config.url is not None
    return HttpConnector(config.name, config.url, wall=wall, credential=credential, **_reached(config, whole, outside))


def _websocket(config: BackendConfig, whole: Config, outside: Outside, credential: Credential | None) -> Connector:
    from ..backends.websocket.websocket_connector import WebSocketConnector

    assert config.url is not None
    return WebSocketConnector(config.name, config.url, credential=credential, **_reached(config, whole, outside))


def _sse(config: BackendConfig, whole: Config, outside: Outside, wall: Callable[[], float], credential: Credential | None) -> Connector:
    from ..backends.sse.sse_connector import SseConnector

    assert config.url is not None
    return SseConnector(config.name, config.url, wall=wall, credential=credential, **_reached(config, whole, outside))


class _Reached(TypedDict):
    """What every road to an address wants to know."""

    headers: Mapping[str, str]
    open_stream: OpenStream
    tls: TlsFiles | None
    proxy: str | None
    max_message_size: int


def _reached(config: BackendConfig, whole: Config, outside: Outside) -> _Reached:
    return {
        "headers": _headers(config),
        "open_stream": outside.open_stream,
        "tls": _tls(config),
        "proxy": config.proxy,
        "max_message_size": whole.security.max_message_size,
    }


def _headers(config: BackendConfig) -> Mapping[str, str]:
    """Those of the configuration, credentials among them."""
    headers = {name: value.reveal() for name, value in config.headers.items()}
    if config.auth is not None and config.auth.type == "header" and config.auth.value is not None:
        headers[config.auth.header] = config.auth.value.reveal()
    if config.bearer_token is not None and not any(name.lower() == "authorization" for name in headers):
        headers["Authorization"] = f"Bearer {config.bearer_token.reveal()}"  # an explicit header wins (V05-1)
    return headers


def _tls(config: BackendConfig) -> TlsFiles | None:
    return None if config.tls is None else TlsFiles(config.tls.ca, config.tls.certificate, config.tls.key)
