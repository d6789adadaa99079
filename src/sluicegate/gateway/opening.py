"""Opening a gateway: the order of starting and of draining."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import partial

import attrs
import trio

from ..config.checks.whole import problems
from ..config.model import Config
from ..config.problem import ConfigError
from ..frontends.app import App
from ..frontends.carried.carriers import Carriers
from ..frontends.door import Door
from ..frontends.endpoint import Endpoint, Limits
from ..frontends.modern.states import RequestStates
from ..frontends.session_levels import SessionLevels
from ..frontends.ticket_office import TicketOffice
from ..http1.server.connection_limit import ConnectionLimit
from ..observe.access import LogBuffer, Sink
from ..observe.audit.auditor import Audit
from ..observe.refusals import Refusals
from ..outside import Outside
from ..outside.key_folder import KeyFolder
from ..protocol.calls import Layer
from ..protocol.clientele import MANY, Clientele
from ..protocol.key_ring import OwnKey
from ..routing.directory import Directory, ListChange
from ..routing.table import Router
from ..sources import Sources
from ..telling.loggers import get_logger
from .audit_making import auditing
from .credentials import Credentials
from .edge import Edge
from .edits import whole
from .faulting import FaultKit
from .fleet import Fleet
from .fleet_making import connecting, make_fleet
from .nurseries import Nurseries, interrupts_as_they_came, open_nurseries
from .own_pages import add_pages
from .readings import Readings
from .recognition import Recognition
from .recognizing import recognition_of
from .reconfiguring import Reconfiguring
from .rule_making import rules_of
from .running import Gateway
from .searching import Searching, searching
from .stepping_up import step_up

__all__ = ["Gateway", "open_gateway"]

log = get_logger("sluicegate.gateway")

NOT_ON_TRIO = (
    "a gateway runs on Trio, and nothing does here: start the program with trio.run(main), or with anyio.run(main, backend='trio'); "
    "beside asyncio it runs in Trio's guest mode, trio.lowlevel.start_guest_run, of which 'sluicegate help embedding' has an example"
)


@asynccontextmanager
async def open_gateway(  # noqa: PLR0913  each is a thing that the program may bring, and all but the first have a default
    config: Config,
    *,
    strict: bool = False,
    sources: Sources | None = None,
    outside: Outside | None = None,
    servers: Mapping[str, object] | None = None,
    layers: Mapping[str, Sequence[Layer]] | None = None,
    access_log: Callable[[bytes], Awaitable[None]] | Sink | None = None,
    audit_log: Callable[[bytes], None] | None = None,
    on_list_changed: Sequence[Callable[[str], None]] = (),
    faults: FaultKit | None = None,
    one_client: Clientele | None = None,
) -> AsyncGenerator[Gateway, None]:
    """Run a gateway for the length of a block. Backends start at once and come up behind; leaving the block drains it.

    Args:
        config: what to run; checked here, too, because it may have been made by hand.
        strict: wait for every backend, and fail with the first that does not come up. A backend with ``required`` is waited for in any case.
        sources: time of day, chance and secrets; the system's by default.
        outside: how to start processes, open HTTP and listen; the real ones by default.
        servers: server objects and connectors for backends whose transport is ``inprocess``, by name.
        layers: policies of the program's own, per backend, innermost first.
        access_log: takes batches of whole lines, one JSON object a call, or a `Sink` that has a writer; without it there is no access log.
        audit_log: takes the lines of the audit, each at once, and must not block; where the configuration asks for one, and in the place of what that says.
        on_list_changed: called with the notification's method when a list has changed.
        faults: makes backends fail on purpose, see `sluicegate.testing.injections.injector.Injections`.
        one_client: for a gateway that has one client for its whole life; what that one can do is declared to the backends, which may ask it.
            They are started at once, and their handshakes wait for its ``initialize``; but not those of backends that are waited for.

    Raises:
        ConfigError: the configuration is wrong; all that is wrong is told at once.
        BackendFailed: a backend that had to come up did not.
        RuntimeError: this does not run on Trio.
    """
    _refuse_what_cannot_run(config)
    lines = _access_lines(access_log) if config.observability.access_log.enabled else None
    sources, outside = sources or Sources(), outside or Outside()
    failure: BaseException | None = None
    async with (
        interrupts_as_they_came(),
        _writing(lines),  # outermost, because calls that are cut at the end are told of as well
        auditing(config.observability.audit, sources.wall, outside.run_blocking, audit_log) as audit,
        open_nurseries(config.proxy.shutdown_timeout_seconds) as nurseries,
    ):
        brought = dict(servers or {}), layers or {}, lines, audit, faults, one_client or MANY
        gateway, fleet, begin = _build(config, nurseries, sources, outside, *brought)
        for callback in on_list_changed:
            fleet.directory.subscribe(partial(_tell_each, callback))
        try:
            begin()
            await fleet.apply(whole(config.backends, {}, strict=strict))
            yield gateway
        except (Exception, KeyboardInterrupt, SystemExit) as error:  # noqa: BLE001  raised again below, as it came and not in five groups
            failure = error
            nurseries.backends.cancel_scope.cancel()
        finally:
            gateway.stop_accepting()  # when cancelled, too: the program may run fronts in nurseries of its own
    if failure is not None:
        raise failure


def _refuse_what_cannot_run(config: Config) -> None:
    if not trio.lowlevel.in_trio_run():
        raise RuntimeError(NOT_ON_TRIO)
    if found := problems(config):
        raise ConfigError(found)


def _access_lines(given: Callable[[bytes], Awaitable[None]] | Sink | None) -> Sink | None:
    return LogBuffer(given) if callable(given) else given


def _writing(lines: Sink | None) -> AbstractAsyncContextManager[None]:
    return lines.writing() if isinstance(lines, LogBuffer) else nullcontext()


def _tell_each(callback: Callable[[str], None], change: ListChange) -> None:
    """Called from the middle of a backend's life, which a bug in the program's own function must not end."""
    for method in sorted(change.methods):
        try:
            callback(method)
        except Exception:  # it costs this one notice, and nobody else
            log.exception("bug in what listens for changed lists", method=method)


def _build(  # noqa: PLR0913, PLR0917  what `open_gateway` was given, with defaults in the place of what was not
    config: Config,
    nurseries: Nurseries,
    sources: Sources,
    outside: Outside,
    servers: dict[str, object],
    layers: Mapping[str, Sequence[Layer]],
    lines: Sink | None,
    audit: Audit | None,
    faults: FaultKit | None,
    clientele: Clientele,
) -> tuple[Gateway, Fleet, Callable[[], None]]:
    """Put the parts together; nothing runs until what comes last is called."""
    directory, keys, credentials = Directory(rules=rules_of(config)), _keys(config, sources, outside), Credentials(config, outside, sources)
    fleet = make_fleet(config, nurseries, sources, outside, servers, layers, faults, clientele, directory, keys, credentials)
    readiness, router = fleet.readiness, Router(directory, fleet.readiness.acquaint, fleet.tasks)
    search = searching(config.proxy, directory, outside.run_blocking, readiness.settled, readiness.acquaint)
    at_edge = Edge.of(config, directory, lines, sources.wall, search)
    recognition = recognition_of(config, sources, outside)
    endpoint = _endpoint(config, fleet, at_edge, router, nurseries, sources, keys, clientele, recognition, audit)
    app = _app(config, endpoint, readiness.is_any_available, keys, recognition, faults)
    connect = partial(connecting, outside, sources, faults, credentials)
    reloads = Reconfiguring(at_edge, router, endpoint, app, connect, partial(recognition_of, sources=sources, outside=outside))
    connections = _connection_limit(config)
    readings = Readings(fleet, app.sessions, connections, endpoint.parking, lines, at_edge.counts, app.tickets, reloads, audit)
    add_pages(app, readings, at_edge.counts, recognition, credentials)
    begin = partial(_begin, nurseries, app, fleet, search, recognition)
    return Gateway(endpoint, app, outside, readings, fleet, nurseries, reloads), fleet, begin


def _endpoint(  # noqa: PLR0913, PLR0917  the parts that it leads to
    config: Config,
    fleet: Fleet,
    edge: Edge,
    router: Router,
    nurseries: Nurseries,
    sources: Sources,
    keys: TicketOffice | OwnKey,
    clientele: Clientele,
    recognition: Recognition,
    audit: Audit | None,
) -> Endpoint:
    return Endpoint(
        config.proxy.name,
        config.proxy.version,
        edge.around(router),
        fleet.directory,
        fleet.readiness.settled,
        nurseries.calls,
        sources,
        door=Door(Refusals(edge.counts), audit),
        limits=_limits(config, clientele),
        around_own=edge.around_own,
        clientele=clientele,
        homes=nurseries.sessions,
        acquaint=fleet.readiness.acquaint,
        at_once=edge.at_once(router),
        levels=SessionLevels(fleet.log_wishes, fleet.readiness.heard),
        states=RequestStates(keys, sources),
        step_up=step_up(edge.scopes, recognition.challenges),
    )


def _begin(nurseries: Nurseries, app: App, fleet: Fleet, search: Searching | None, recognition: Recognition) -> None:
    app.begin(nurseries.sessions)
    fleet.around.begin(lambda: [policies.cache for policies in fleet.policies.values()])
    for task in recognition.tasks:
        nurseries.background.start_soon(task)
    if search is not None:
        nurseries.background.start_soon(search.indexer.run)


def _app(
    config: Config,
    endpoint: Endpoint,
    is_ready: Callable[[], bool],
    keys: TicketOffice | OwnKey,
    recognition: Recognition,
    faults: FaultKit | None,
) -> App:
    listen, tickets = config.proxy.listen, keys if isinstance(keys, TicketOffice) else None
    carriers = Carriers(listen.websocket, listen.sse, config.proxy.shutdown_timeout_seconds)
    return App(endpoint, is_ready, recognition.identity, recognition.admission, tickets, carriers, wishes=faults)


def _connection_limit(config: Config) -> ConnectionLimit:
    listen = config.proxy.listen
    return ConnectionLimit(listen.max_connections, listen.max_connections_per_peer)


def _limits(config: Config, clientele: Clientele) -> Limits:
    limits = Limits.of(config.security, max_streams=config.proxy.listen.max_connections)
    return attrs.evolve(limits, max_sessions=1) if clientele.is_one else limits


def _keys(config: Config, sources: Sources, outside: Outside) -> TicketOffice | OwnKey:
    """By which is known again what clients bring back: that of session tickets, or where there are none one of the process."""
    listen, folder = config.proxy.listen, config.session_keys
    if not listen.session_tickets:
        return OwnKey(sources.secret)
    return TicketOffice(sources, listen.session_ticket_seconds, None if folder is None else KeyFolder(folder, outside.run_blocking))
