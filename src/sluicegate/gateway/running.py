"""A running gateway: what can be asked of it, and what can be changed while it runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager

import attrs
import trio

from ..backends.backend import Backend
from ..backends.link import StateChange
from ..config.model import BackendConfig, Config
from ..config.problem import ConfigError
from ..frontends.app import App
from ..frontends.endpoint import Endpoint
from ..frontends.paths import Guard, mounted
from ..http1.asgi import ASGIApp
from ..outside import Outside
from ..protocol.calls import Handler, Layer
from ..protocol.ended_requests import Auditor
from ..routing.catalogue import Catalogue
from ..telling.loggers import get_logger
from .askable import Askable
from .edits import Surroundings, adding, removing, replacing, whole
from .engine import is_local, open_listeners, server_for, settings_of
from .fleet import BackendFailed, Fleet, SkippedBackend
from .handles import Policies
from .nurseries import Nurseries
from .readiness import STDIO_STARTUP_WAIT_SECONDS
from .readings import Readings, statistics_of
from .reconfiguring import Reconfiguring, merged

__all__ = ["Gateway", "Guard"]

log = get_logger("sluicegate.gateway")


@attrs.define(eq=False, repr=False)
class Gateway(Askable):
    """A running gateway; made by `open_gateway`."""

    _endpoint: Endpoint
    _app: App
    _outside: Outside
    _readings: Readings
    _fleet: Fleet
    _nurseries: Nurseries
    reloads: Reconfiguring
    """What became of other configurations that it was to run."""
    _fronts: dict[trio.CancelScope, None] = attrs.field(factory=dict, init=False)
    _drained: bool = attrs.field(default=False, init=False)

    @property
    def config(self) -> Config:
        """What it runs; its backends are those that it was told last."""
        return self._fleet.config

    def stop_accepting(self) -> None:
        """Begin to drain: no new connections, no new calls, streams end."""
        self._drained = True
        self._app.drain()
        for scope in list(self._fronts):
            scope.cancel()

    @property
    def handler(self) -> Handler:
        """Runs any routed request, through every policy. A call is run once, as its scope is entered; to ask again, make another."""
        return self._endpoint.handler

    @property
    def _audit(self) -> Auditor | None:
        """Gets a record of each request; None where none are written."""
        return self._endpoint.door.audit

    @property
    def asgi_app(self) -> ASGIApp:
        """The HTTP frontend as an ASGI application, to be served here or mounted elsewhere."""
        return self._app

    def add_route(self, path: str, app: ASGIApp, *, guard: Guard = Guard.TOKEN) -> None:
        """Serve an application at ``/name``, or ``/name/*`` for all below, told from there on; raises `ValueError` if that is taken, or none."""
        self._app.paths.add(path, mounted(app, path, guard))

    async def serve(self, *, task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED) -> None:
        """Listen as configured until cancelled or drained; reports the bound addresses as URLs (port 0 takes a free one)."""
        listen = self.config.proxy.listen
        serve = server_for(listen)
        with self._accepting():
            await self._app.prepare()
            listeners = await open_listeners(listen, self._outside)
            if listen.systemd:  # only now it is known who can connect
                self._app.admission = attrs.evolve(self._app.admission, on_loopback=is_local(listeners))
            await serve(
                self.asgi_app,
                listeners,
                connections=self._nurseries.connections,
                settings=attrs.evolve(settings_of(listen), on_refused=self._endpoint.door.refuse),
                connection_limit=self._readings.connection_limit,  # all listeners together have one
                wall=self._endpoint.sources.wall,
                task_status=task_status,
            )

    async def serve_stdio(self, stdin: trio.abc.ReceiveStream, stdout: trio.abc.SendStream) -> None:
        """Be one MCP server on a pair of streams, until the input ends or the gateway drains."""
        from ..frontends.stdio import serve_stdio

        self._fleet.readiness.usual = STDIO_STARTUP_WAIT_SECONDS
        with self._accepting():
            await serve_stdio(self._endpoint, stdin, stdout, drain_seconds=self.config.proxy.shutdown_timeout_seconds)

    @contextmanager
    def _accepting(self) -> Iterator[None]:
        """What runs inside ends when the gateway drains."""
        with trio.CancelScope() as scope:
            self._fronts[scope] = None
            try:
                if self._drained:
                    scope.cancel()
                yield
            finally:
                self._fronts.pop(scope, None)

    # -- backends

    @property
    def backends(self) -> Mapping[str, Backend]:
        """Every backend by name: its state, since when, the error, how often it was restarted."""
        return self._fleet.backends

    @property
    def policies(self) -> Mapping[str, Policies]:
        """By backend, its breaker, outlier detector, budget and so on: to be read, and to be moved by hand."""
        return self._fleet.policies

    def clear_caches(self, *names: str) -> None:
        """Forget the answers that are kept of these backends, or of all, and what was counted of them."""
        for name, policies in self.policies.items():
            if policies.cache is not None and (not names or name in names):
                policies.cache.clear()

    def statistics(self) -> dict[str, dict[str, attrs.AttrsInstance]]:
        """What all parts have counted: by what they are (``backend``, ``breaker``, ``sessions`` …) and whose, which is "" for what is none's."""
        return statistics_of(self._readings)

    @property
    def skipped(self) -> list[SkippedBackend]:
        """Backends that are configured but not there now; they keep being tried."""
        return self._fleet.readiness.skipped

    @property
    def catalogue(self) -> Catalogue:
        """What clients see now."""
        return self._fleet.directory.current

    @property
    def is_ready(self) -> bool:
        """Whether a call could be served: some backend is up and healthy."""
        return self._fleet.readiness.is_any_available()

    async def apply(self, backends: Sequence[BackendConfig], *, sources: Mapping[str, object] | None = None, strict: bool = False) -> None:
        """Have these backends and no others, whole or not at all, from one moment to the next; whoever stays keeps what need not change.

        What clients see (filters, aliases, the namespace) is another catalogue and nothing else. A policy whose settings differ is made anew,
        and the others go on counting. Only for what the connection is made of (a command, an address, headers …) it is connected anew: the old
        one serves until the new one is there, but not longer than ``proxy.startup_wait_seconds``, and then lets its calls end. A backend that
        was not there before comes up behind, as at a start. Changes that are asked for while one is under way wait for it.

        Returns when those that are gone have let their last calls end; cancelled while it waits for that, it stops them at once. Cancelled
        before, it has changed nothing.

        Args:
            backends: all of them, in order; the disabled ones, too.
            sources: as in `Builder.backend` for those in the process, by name; who is not named keeps what was brought before.
            strict: wait for all that are connected to, and change nothing if one does not come up. One with ``required`` is waited for in any case.

        Raises:
            ConfigError: these backends make no sense; all that is wrong is told at once, and nothing has changed.
            BackendFailed: one that had to come up could not be reached; nothing has changed.
        """
        await self._fleet.apply(whole(tuple(backends), dict(sources or {}), strict=strict))

    async def reconfigure(self, config: Config, *, sources: Mapping[str, object] | None = None) -> tuple[str, ...]:
        """Run another configuration, whole or not at all, from one moment to the next, as far as that needs no restart.

        Its backends become others as `apply` says. What holds at once beside these is told in ``sluicegate help running``.

        Returns:
            The keys that differ and take effect only when a gateway is opened with them, such as ``proxy.listen.port``.

        Raises:
            ConfigError: what can be run now of it makes no sense, by itself or beside what stays; nothing has changed.
            BackendFailed: a new backend with ``required`` could not be reached; nothing has changed.
        """
        waiting: tuple[str, ...] = ()

        def surroundings(running: Config) -> Surroundings:
            nonlocal waiting
            runs, waiting = merged(running, config)
            return self.reloads.surroundings(running, runs)

        edit = whole(config.backends, dict(sources or {}), strict=False, surroundings=surroundings)
        try:
            await self._fleet.apply(edit)
        except (ConfigError, BackendFailed):
            self.reloads.refuse()
            raise
        return waiting

    async def add_backend(self, config: BackendConfig, source: object = None, layers: Sequence[Layer] = ()) -> None:
        """Connect one more backend and offer what it has; ``source`` as in `Builder.backend` for one in the process, ``layers`` innermost first.

        Raises:
            ConfigError: its settings are wrong, or its namespace exists already or is ambiguous.
            BackendFailed: it could not be reached; nothing has changed.
        """
        await self._fleet.apply(adding(config, source, layers))

    async def remove_backend(self, name: str) -> bool:
        """Take a backend out of every list at once, let its calls end, and stop it; False if there is none of that name.

        Raises:
            ConfigError: another backend stands in for it or mirrors it; remove that one first, or `apply` a list without both.
        """
        return await self._fleet.apply(removing(name))

    async def replace_backend(self, config: BackendConfig, source: object = None) -> None:
        """Connect the new, swap, drain the old; raises as `add_backend`, and then the old one still serves.

        What needs no other connection is changed without one, as `apply` does; where nothing differs, it is connected anew.
        """
        await self._fleet.apply(replacing(config, source))

    def changes(self) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[StateChange]]:
        """State changes of all backends from now on; whoever lags 256 changes behind misses some."""
        return self._fleet.readiness.changes()

    async def ready(self, *names: str) -> None:
        """Wait until these backends are up, or all of them; also *again*, after one was lost. The time limit is the caller's.

        Raises:
            KeyError: there is no backend of that name.
            BackendFailed: it was removed meanwhile, or the gateway ends.
        """
        await self._fleet.readiness.ready(names or tuple(self.backends))

    async def settled(self) -> None:
        """Wait while backends are starting, but at most ``proxy.startup_wait_seconds`` from when the gateway was opened, or its one client known."""
        await self._fleet.readiness.settled()
