"""The gateway itself: what a running one can do, and the order of starting and draining."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial

import attrs
import trio

from .backends.backend import Backend, StateChange
from .config.check import problems
from .config.model import BackendConfig, Config
from .config.problem import ConfigError
from .connectors import connector_for
from .events import get_logger
from .fleet import Fleet, SkippedBackend
from .frontends.admission import Admission
from .frontends.app import App
from .frontends.endpoint import Endpoint, Limits
from .frontends.request import ASGIApp
from .identity.bearer import BearerTokens
from .nurseries import CLOSING_SECONDS, Nurseries, open_nurseries
from .observe.access import Lines
from .outside import Outside
from .pipeline import edge
from .protocol import faults
from .protocol.addresses import is_loopback
from .protocol.calls import Call, Handler, Layer, Reply
from .protocol.messages import Raw, encode
from .routing.catalogue import Catalogue, Directory
from .routing.table import Router
from .sources import Sources

__all__ = ["Gateway", "open_gateway"]

log = get_logger("sluicegate.gateway")

STARTUP_WAIT_SECONDS = 10.0
STDIO_STARTUP_WAIT_SECONDS = 30.0
"""A desktop client reads the lists once and never again, so there it is worth waiting longer."""


@attrs.define(eq=False)
class Gateway:
    """A running gateway; made by `open_gateway`."""

    config: Config
    endpoint: Endpoint
    app: App
    outside: Outside
    _fleet: Fleet
    _nurseries: Nurseries
    _servers: dict[str, object]
    _opened_at: float = attrs.field(factory=trio.current_time, init=False)
    _fronts: set[trio.CancelScope] = attrs.field(factory=set, init=False)
    _drained: bool = attrs.field(default=False, init=False)
    _patience: float = attrs.field(default=STARTUP_WAIT_SECONDS, init=False)
    _watchers: list[trio.MemorySendChannel[StateChange]] = attrs.field(factory=list, init=False)

    # -- starting and stopping

    async def start(self, lines: Lines | None, *, strict: bool) -> None:
        """Start every backend, and wait for those that must come up; raises `BackendFailed`."""
        if lines is not None:
            self._nurseries.background.start_soon(lines.run)
        self._nurseries.sessions.start_soon(self.app.sessions.sweep)
        self._fleet.start()
        for config in self._fleet.configs:
            if strict or config.required:
                await self._fleet.insist(config.name)

    def stop_accepting(self) -> None:
        """Begin to drain: no new connections, no new calls, streams end."""
        self._drained = True
        self.app.drain()
        for scope in list(self._fronts):
            scope.cancel()

    # -- calling

    @property
    def handler(self) -> Handler:
        """Runs any routed request, through every policy."""
        return self.endpoint.handler

    @property
    def asgi_app(self) -> ASGIApp:
        """The HTTP frontend as an ASGI application, to be served here or mounted elsewhere."""
        return self.app

    async def call_tool(self, name: str, arguments: Mapping[str, object] | None = None) -> Reply:
        """Call a tool by its client-facing name; a failure, a bug in a policy included, is in ``Reply.fault``."""
        call = Call("tools/call", name, {"name": Raw(encode(name)), "arguments": Raw(encode(arguments or {}))})
        try:
            with call.scope:
                return await self.handler(call)
        except Exception:  # as for a client's call: a bug costs one call
            log.exception("a bug cost one call", method=call.method, target=name)
            return Reply.failed(faults.bug(name))
        return Reply.failed(faults.cancelled("the gateway is going down"))

    # -- serving

    async def serve(self, *, task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED) -> None:
        """Listen as configured until cancelled or drained; reports the bound addresses as URLs (port 0 takes a free one)."""
        from .frontends.hypercorn import serve

        listen = self.config.proxy.listen
        with self._accepting():
            listeners = await self.outside.listen(listen.host, listen.port)
            await serve(self.asgi_app, listeners, connections=self._nurseries.connections, task_status=task_status)

    async def serve_stdio(self, stdin: trio.abc.ReceiveStream, stdout: trio.abc.SendStream) -> None:
        """Be one MCP server on a pair of streams, until the input ends or the gateway drains."""
        from .frontends.stdio import serve_stdio

        self._patience = STDIO_STARTUP_WAIT_SECONDS
        with self._accepting():
            await serve_stdio(self.endpoint, stdin, stdout)

    @contextmanager
    def _accepting(self) -> Iterator[None]:
        """What runs inside ends when the gateway drains."""
        with trio.CancelScope() as scope:
            self._fronts.add(scope)
            try:
                if self._drained:
                    scope.cancel()
                yield
            finally:
                self._fronts.discard(scope)

    # -- backends

    @property
    def backends(self) -> Mapping[str, Backend]:
        """Every backend by name: its state, since when, the error, how often it was restarted."""
        return self._fleet.backends

    @property
    def skipped(self) -> list[SkippedBackend]:
        """Backends that are configured but not there now; they keep being tried."""
        return self._fleet.skipped

    @property
    def catalogue(self) -> Catalogue:
        """What clients see now."""
        return self._fleet.directory.current

    @property
    def is_ready(self) -> bool:
        """Whether a call could be served: some backend is up."""
        return any(backend.is_up for backend in self.backends.values())

    async def add_backend(self, config: BackendConfig, source: object = None) -> None:
        """Connect one more backend and offer what it has; ``source`` as in `Builder.backend` for one in the process.

        Raises:
            ConfigError: its settings are wrong, or its namespace exists already or is ambiguous.
            BackendFailed: it could not be reached; nothing has changed.
        """
        self._check([*self._fleet.claimed, config])
        self._bring(config, source)
        await self._fleet.add(config)

    async def remove_backend(self, name: str) -> bool:
        """Take a backend out of every list at once, let its calls end, and stop it; False if there is none of that name.

        Raises:
            ConfigError: another backend stands in for it or mirrors it; remove that one first.
        """
        self._check([config for config in self._fleet.configs if config.name != name], at_least_one=False)
        return await self._fleet.remove(name, drain_seconds=self.config.proxy.shutdown_timeout_seconds)

    async def replace_backend(self, config: BackendConfig, source: object = None) -> None:
        """Connect the new, swap, drain the old; raises as `add_backend`, and then the old one still serves."""
        self._check([config if old.name == config.name else old for old in self._fleet.configs])
        self._bring(config, source)
        await self._fleet.replace(config, drain_seconds=self.config.proxy.shutdown_timeout_seconds)

    def _check(self, configs: Sequence[BackendConfig], *, at_least_one: bool = True) -> None:
        if configs or at_least_one:
            found = problems(attrs.evolve(self.config, backends=tuple(configs)))
            if found:
                raise ConfigError(found)

    def _bring(self, config: BackendConfig, source: object) -> None:
        if source is not None:
            self._servers[config.name] = source

    @asynccontextmanager
    async def changes(self) -> AsyncGenerator[trio.MemoryReceiveChannel[StateChange], None]:
        """State changes of all backends from now on; whoever lags 256 changes behind misses some."""
        send, receive = trio.open_memory_channel[StateChange](256)
        self._watchers.append(send)
        try:
            with receive:
                yield receive
        finally:
            self._watchers.remove(send)
            send.close()

    def announce(self, change: StateChange) -> None:
        """Tell who watches; called by the fleet."""
        for watcher in self._watchers:
            with suppress(trio.WouldBlock):
                watcher.send_nowait(change)

    async def settled(self) -> None:
        """Wait while backends are starting, but at most ``proxy.startup_wait_seconds`` from when the gateway was opened."""
        configured = self.config.proxy.startup_wait_seconds
        with trio.move_on_at(self._opened_at + (self._patience if configured is None else configured)):
            await trio.lowlevel.checkpoint()
            await self._fleet.first_attempts()


@asynccontextmanager
async def open_gateway(
    config: Config,
    *,
    strict: bool = False,
    sources: Sources | None = None,
    outside: Outside | None = None,
    servers: Mapping[str, object] | None = None,
    layers: Mapping[str, Sequence[Layer]] | None = None,
    access_log: Callable[[bytes], Awaitable[None]] | None = None,
    on_list_changed: Sequence[Callable[[str], None]] = (),
) -> AsyncGenerator[Gateway, None]:
    """Run a gateway for the length of a block. Backends start at once and come up behind; leaving the block drains it.

    Args:
        config: what to run; checked here, too, because it may have been made by hand.
        strict: wait for every backend, and fail with the first that does not come up. A backend with ``required`` is waited for in any case.
        sources: time of day, chance and secrets; the system's by default.
        outside: how to start processes, open HTTP and listen; the real ones by default.
        servers: server objects and connectors for backends whose transport is ``inprocess``, by name.
        layers: policies of the program's own, per backend, innermost first.
        access_log: takes batches of whole lines, one JSON object a call; without it there is no access log.
        on_list_changed: called with the notification's method when a list has changed.

    Raises:
        ConfigError: the configuration is wrong; all that is wrong is told at once.
        BackendFailed: a backend that had to come up did not.
    """
    if found := problems(config):
        raise ConfigError(found)
    lines = Lines(access_log) if access_log is not None and config.observability.access_log.enabled else None
    failure: Exception | None = None
    async with open_nurseries(config.proxy.shutdown_timeout_seconds) as nurseries:
        gateway = _build(config, nurseries, sources or Sources(), outside or Outside(), dict(servers or {}), layers or {}, lines)
        for callback in on_list_changed:
            gateway.endpoint.directory.subscribe(partial(_tell_each, callback))
        try:
            await gateway.start(lines, strict=strict)
            yield gateway
        except Exception as error:  # noqa: BLE001  raised again below, as it came and not in five groups, once nothing runs any more
            failure = error
            nurseries.backends.cancel_scope.cancel()
        gateway.stop_accepting()
    if lines is not None:
        with trio.move_on_after(CLOSING_SECONDS, shield=True):
            await lines.flush()
    if failure is not None:
        raise failure


def _tell_each(callback: Callable[[str], None], methods: frozenset[str]) -> None:
    for method in sorted(methods):
        callback(method)


def _build(
    config: Config,
    nurseries: Nurseries,
    sources: Sources,
    outside: Outside,
    servers: dict[str, object],
    layers: Mapping[str, Sequence[Layer]],
    lines: Lines | None,
) -> Gateway:
    """Put the parts together; nothing runs yet."""
    directory = Directory()
    fleet = Fleet(
        config,
        lambda backend: connector_for(backend, config, outside, servers),
        sources,
        nurseries.backends,
        nurseries.background,
        directory,
        dict(layers),
    )
    security = config.security
    endpoint = Endpoint(
        config.proxy.name,
        config.proxy.version,
        edge(Router(directory), lines=lines, wall=sources.wall),
        directory,
        lambda: gateway.settled(),  # noqa: PLW0108  the gateway is made a few lines further down
        nurseries.calls,
        sources,
        limits=Limits(
            max_body_size=security.max_body_size,
            max_sessions=security.max_sessions,
            session_idle_seconds=security.session_idle_seconds,
            max_streams_per_session=security.max_streams_per_session,
            orphan_seconds=security.orphan_seconds,
        ),
    )
    app = App(
        endpoint,
        lambda: gateway.is_ready,
        BearerTokens(config.auth.tokens) if config.auth is not None else None,
        Admission(is_loopback(config.proxy.listen.host), security.allowed_hosts, security.allowed_origins),
    )
    gateway = Gateway(config, endpoint, app, outside, fleet, nurseries, servers)
    fleet.on_change = gateway.announce
    return gateway
