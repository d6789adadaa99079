"""The same configuration, written in Python (LIB-8, CORE-1 … CORE-7)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import attrs

from ..backends.attached import AttachedConnector
from ..backends.session import BackendSession, Connector
from ..config.model import BackendConfig, Config, ListenConfig, ProxyConfig
from ..config.nearest import instead_of_unknown
from ..config.problem import ConfigError, Problem, dotted
from ..outside import Outside
from ..protocol.calls import Layer
from ..protocol.clientele import Clientele
from ..settings.keeping import StoreSettings
from ..sources import Sources
from .connectors import no_server
from .faulting import FaultKit
from .opening import Gateway, open_gateway

if TYPE_CHECKING:
    from mcp.server import Server
    from mcp.server.mcpserver import MCPServer

__all__ = ["Builder", "Source"]

Source: TypeAlias = "str | Sequence[str] | Server[Any] | MCPServer[Any] | Connector"
"""How to reach a backend: a URL, a command with its arguments, a server object of the MCP SDK, or a `Connector`."""

_AS_USUAL = ProxyConfig("")


class Builder:
    """Collects backends and settings; every method returns the builder, so that calls can be chained.

    Example::

        builder = Builder("desk", "1.0").backend("time", ["mcp-server-time"]).instructions("Ask for the time.")
        async with builder.open() as gateway:
            reply = await gateway.call_tool("time_get_current_time", {"timezone": "UTC"})
    """

    def __init__(self, name: str, version: str = _AS_USUAL.version) -> None:
        self._proxy = ProxyConfig(name=name, version=version, listen=ListenConfig(port=0))
        self._cache = StoreSettings()
        self._backends: list[BackendConfig] = []
        self._servers: dict[str, object] = {}
        self._layers: dict[str, list[Layer]] = {}
        self._on_list_changed: list[Callable[[str], None]] = []

    def separator(self, separator: str) -> Builder:
        """What stands between a namespace and a local name; holds for backends added before, too."""
        self._proxy = attrs.evolve(self._proxy, separator=separator)
        return self

    def instructions(self, text: str) -> Builder:
        """Tell clients this instead of the backends' joined instructions."""
        self._proxy = attrs.evolve(self._proxy, instructions=text)
        return self

    def listen(self, host: str, port: int) -> Builder:
        """Where `Gateway.serve` listens; port 0, the default, takes any free one."""
        self._proxy = attrs.evolve(self._proxy, listen=ListenConfig(host=host, port=port))
        return self

    def proxy(self, **settings: Any) -> Builder:
        """Set keys of the ``[proxy]`` table; as `backend` takes them."""
        self._proxy = attrs.evolve(self._proxy, **_plain(settings, ProxyConfig, "proxy"))
        return self

    def cache(self, **settings: Any) -> Builder:
        """Set keys of the ``[cache]`` table: where the answers are kept of backends that have a cache."""
        self._cache = attrs.evolve(self._cache, **_plain(settings, StoreSettings, "cache"))
        return self

    def backend(self, name: str, source: Source, **settings: Any) -> Builder:
        """Add a backend; ``settings`` are keys of a ``[[backends]]`` table, each an object of the model or written as in a file.

        The transport follows from the source, but that an address is one of HTTP+SSE: ``transport="sse"`` says so.

        Raises:
            ConfigError: a key is not known, or a value is of another kind.
            TypeError: the source is nothing that could be a backend.
        """
        is_old = isinstance(source, str) and settings.get("transport") == "sse"  # which no address tells
        settings = _plain(
            {key: settings[key] for key in settings if not (is_old and key == "transport")}, BackendConfig, "backends", len(self._backends)
        )
        if wrong := _no_source(source):
            raise TypeError(f"backend '{name}': {wrong}")
        if isinstance(source, str):
            transport: Literal["http", "websocket", "sse"] = (
                "sse" if is_old else "websocket" if source.startswith(("ws://", "wss://")) else "http"
            )
            config = BackendConfig(name=name, transport=transport, url=source, **settings)
        elif isinstance(source, Sequence):
            command, *args = source
            config = BackendConfig(name=name, transport="stdio", command=command, args=tuple(args), **settings)
        else:
            config = BackendConfig(name=name, transport="inprocess", **settings)
            self._servers[name] = source
        self._backends.append(config)
        return self

    def backend_try(self, name: str, make: Callable[[], Source], **settings: Any) -> Builder:
        """Add a backend whose source may fail to come about: then it is skipped, with the error as reason, and the rest goes on."""
        try:
            source = make()
        except Exception as error:  # noqa: BLE001  whatever the caller's own function raises is why this backend is skipped
            source = AttachedConnector(None, f"{type(error).__name__}: {error}")
        return self.backend(name, source, **settings)

    def backend_client(self, name: str, session: BackendSession, **settings: Any) -> Builder:
        """Add a backend through a session that is open already and stays the caller's to close."""
        return self.backend(name, AttachedConnector(session), **settings)

    def layer(self, policy: Layer) -> Builder:
        """Put a policy around the backend added last, and around no other; of several, the last added is outermost.

        Raises:
            ValueError: no backend was added yet.
        """
        if not self._backends:
            raise ValueError("add a backend before its layers: layer() wraps the backend added last")
        self._layers.setdefault(self._backends[-1].name, []).append(policy)
        return self

    def on_list_changed(self, callback: Callable[[str], None]) -> Builder:
        """Call back with the notification's method, such as ``notifications/tools/list_changed``, when a list has changed."""
        self._on_list_changed.append(callback)
        return self

    def config(self) -> Config:
        """What was built so far, as a configuration."""
        return Config(proxy=self._proxy, backends=tuple(self._backends), cache=self._cache)

    def open(
        self,
        *,
        strict: bool = False,
        sources: Sources | None = None,
        outside: Outside | None = None,
        faults: FaultKit | None = None,
        one_client: Clientele | None = None,
    ) -> AbstractAsyncContextManager[Gateway]:
        """Open the gateway; raises what `open_gateway` raises."""
        return open_gateway(
            self.config(),
            strict=strict,
            sources=sources,
            outside=outside,
            servers=self._servers,
            layers=self._layers,
            on_list_changed=tuple(self._on_list_changed),
            faults=faults,
            one_client=one_client,
        )


_SAID_BY_SOURCE = frozenset({"transport", "command", "args", "url"})


def _no_source(source: object) -> str:
    """Why a backend cannot be made of it; empty where it can."""
    if isinstance(source, str):
        return ""  # what is wrong with a URL is found with everything else, when the gateway is opened
    if isinstance(source, Sequence):
        whole = source and all(isinstance(part, str) for part in source)
        return "" if whole else f"{source!r} is no command: write a list of texts, the program first"
    return no_server(source)


def _plain(settings: dict[str, Any], cls: type[Any], *path: str | int) -> dict[str, Any]:
    """The settings as the model has them; raises `ConfigError` with all that is wrong."""
    known = attrs.fields_dict(cls).keys() - (_SAID_BY_SOURCE | {"name"} if cls is BackendConfig else set())
    unknown = [_unknown(key, known, path) for key in settings.keys() - known]
    if unknown:
        raise ConfigError(sorted(unknown, key=lambda problem: problem.path))
    if not settings:
        return settings
    from ..config.structure import Rejected, settings_of

    try:
        return settings_of(settings, cls, path)
    except Rejected as error:
        raise ConfigError(Problem(None, None, dotted(found.path), found.what, found.instead) for found in error.findings) from None


def _unknown(key: str, known: Iterable[str], path: tuple[str | int, ...]) -> Problem:
    if key in _SAID_BY_SOURCE and path[0] == "backends":
        return Problem(None, None, dotted((*path, key)), f"'{key}' follows from the source", "leave it out")
    return Problem(None, None, dotted((*path, key)), f"unknown key '{key}'", instead_of_unknown(key, known))
