"""What every frontend serves: our own methods, and the way to the backends for all others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

import attrs
import trio

from ..identity.identify import Refused, Sent
from ..protocol import faults
from ..protocol.calls import Call, Caller, Coming, Handler, Layer, Reply
from ..protocol.clientele import MANY, Clientele
from ..protocol.eras import DISCOVER, HANDSHAKE, MODERN
from ..protocol.log_levels import SET_LEVEL
from ..protocol.messages import EMPTY, Raw, Request, encode, read_text
from ..protocol.offers import KINDS, ListKind
from ..protocol.principal import Principal
from ..protocol.subscription import SUBSCRIBE, UNSUBSCRIBE
from ..routing.directory import Directory
from ..routing.results import with_mapped_uris
from ..settings.clients import ClientLimits
from ..settings.composing import own_first, values_of
from ..settings.connections import ConnectionSettings
from ..sources import Sources
from .client_home import ClientHome
from .door import Door
from .modern.parking import Parking
from .modern.states import RequestStates
from .opening_words import Opening, read_opening, read_version
from .session_levels import SessionLevels
from .subscribed import Subscriptions
from .waits import Waits

__all__ = ["Endpoint", "Limits", "Opening", "read_opening"]


@attrs.frozen(field_transformer=own_first, repr=False)
class Limits(ClientLimits):
    """Bounds on what clients may have of us: what can be set of them, and what is our own. One HTTP body is one line on stdio."""

    max_streams: int = ConnectionSettings().max_connections
    """Connections that there may be: one owner may open streams on as many as are left for all others, so alone on half of them."""
    max_calls_per_session: int = 1024
    max_orphans: int = 1024
    """Calls of all sessions together that go on without a connection."""

    @classmethod
    def of(cls, clients: ClientLimits, *, max_streams: int) -> Limits:
        """What a table says of clients, beside the number of connections."""
        return cls(**values_of(ClientLimits, clients), max_streams=max_streams)

    @property
    def share_of_sessions(self) -> int:
        """Sessions that one principal or network may have."""
        share = self.max_sessions_per_principal
        return max(self.max_sessions // 4, 16) if share is None else share


async def _known(_call: Call) -> None:
    """Where all are offered the same."""


@attrs.define(eq=False, repr=False)
class Endpoint:
    """One MCP server, as clients see it."""

    name: str
    version: str
    handler: Handler
    """Runs a routed call through every policy, `Lifetime` among them, so that it can be cut."""
    directory: Directory
    settled: Callable[[], Awaitable[None]]
    """Returns when no backend is starting any more, or when the start-up wait is over."""
    calls: trio.Nursery
    """Owns the task of every call."""
    sources: Sources = attrs.field(factory=Sources)
    door: Door = attrs.field(factory=Door)
    """What is told of those requests that go no further."""
    limits: Limits = attrs.field(factory=Limits)
    homes: trio.Nursery = attrs.field(default=attrs.Factory(lambda self: self.calls, takes_self=True), kw_only=True)
    """Owns what is kept for one client alone, for as long as its session lasts."""
    acquaint: Callable[[Call], Awaitable[None]] = attrs.field(default=_known, kw_only=True)
    """Returns once it is known what the caller of a list is offered, or when it has taken too long to find out."""
    levels: SessionLevels = attrs.field(factory=SessionLevels, kw_only=True)
    """How much of the log clients want."""
    at_once: Callable[[Call], Reply | Coming | None] = attrs.field(default=lambda _call: None, kw_only=True)
    """What `handler` would answer, where that needs no task; None where it does. Who asks looks first whether any answer is kept."""
    step_up: Callable[[Sent, Principal, Request], Refused | None] | None = attrs.field(default=None, kw_only=True)
    """Says which requests need more of their sender than he has shown, before they begin; None where none does."""
    around_own: Layer = lambda answer: answer
    """Puts policies around the methods that we answer ourselves."""
    clientele: Clientele = MANY
    """Who the clients are, as backends are told."""
    waits: Waits = attrs.field(default=attrs.Factory(lambda self: Waits(self.sources.wall), takes_self=True), init=False)
    """What clients wait for, over all frontends."""
    states: RequestStates = attrs.field(
        default=attrs.Factory(lambda self: RequestStates.alone(self.sources), takes_self=True), kw_only=True
    )
    """What clients of revisions without a session bring back."""
    parking: Parking = attrs.field(init=False)
    """Calls that wait for such clients to come back."""
    subscriptions: Subscriptions = attrs.field(
        default=attrs.Factory(lambda self: Subscriptions(self.directory), takes_self=True), init=False
    )
    """Those of all clients."""
    own: Mapping[str, Handler] = attrs.field(init=False)
    """By method, for those that we answer ourselves; every other one is the `handler`'s."""
    _alone: Mapping[str, Handler] = attrs.field(init=False)
    """The same for requests that belong to no session, in which there are fewer methods (P-6)."""

    def __attrs_post_init__(self) -> None:
        self.parking = Parking(self.limits.max_parked_calls, self.limits.parked_seconds, self.sources.secret)
        self.lead(self.handler, self.around_own, self.at_once)

    def lead(self, handler: Handler, around_own: Layer, at_once: Callable[[Call], Reply | Coming | None]) -> None:
        """Lead the calls that come from now on this way; those that have begun go on as they did."""
        self.handler, self.around_own, self.at_once = handler, around_own, at_once
        self.own = dict.fromkeys(_OWN, self.around_own(self._answer))
        self._alone = self.own | dict.fromkeys(_WITH_SESSIONS, self.around_own(_unknown))

    @property
    def refused(self) -> Callable[[int, str], None]:
        """To be told of an HTTP request that is refused, by who knows nothing of it but that."""
        return self.door.refuse

    def handle(self, call: Call) -> Awaitable[Reply]:
        """Answer a call, whatever its method is."""
        return self.own.get(call.method, self.handler)(call)

    def home(self, owner: tuple[str, str] = ("", "")) -> ClientHome:
        """Where what is kept for one client alone lives; whose session it is, where that is known."""
        return ClientHome(owner, self.homes, self.subscriptions, self.levels.wishes)

    def lone_home(self, owner: tuple[str, str], level: str | None) -> ClientHome:
        """The same for one call that belongs to no session, and says itself how much of the log it wants."""
        return ClientHome(owner, self.homes, self.subscriptions, level=level)

    def handle_alone(self, call: Call) -> Awaitable[Reply]:
        """Answer a call that belongs to no session."""
        return self._alone.get(call.method, self.handler)(call)

    def declares(self, caller: Caller, capability: str) -> bool:
        """Whether a client is told of a capability now."""
        return self.directory.seen_by(caller).declares(capability)

    def opened(self, opening: Opening) -> None:
        """A client has begun a session; if it is the only one, backends may be told what it can do."""
        if self.clientele.is_one:
            self.clientele.declare(opening.capabilities)

    async def _answer(self, call: Call) -> Reply:
        return await _OWN[call.method](self, call)

    async def _initialize(self, call: Call) -> Reply:
        version = read_version(call.params)  # what else there is was read by who opened the session
        if isinstance(version, faults.Fault):
            await trio.lowlevel.checkpoint()
            return Reply.failed(version)
        await self.settled()
        catalogue = self.directory.seen_by(call.caller)
        answer: dict[str, object] = {
            "protocolVersion": version,
            "capabilities": Raw(catalogue.capabilities(version)),
            "serverInfo": {"name": self.name, "version": self.version},
        }
        if catalogue.instructions:
            answer["instructions"] = catalogue.instructions
        return Reply(Raw(encode(answer)))

    async def _discover(self, call: Call) -> Reply:
        """Who we are, for clients that open no session (P-5)."""
        if call.caller.era not in MODERN:
            await trio.lowlevel.checkpoint()
            return Reply.failed(faults.unknown_method(call.method))
        await self.settled()
        catalogue = self.directory.seen_by(call.caller)
        answer: dict[str, object] = {"supportedVersions": MODERN, "capabilities": Raw(catalogue.capabilities(call.caller.era))}
        if catalogue.instructions:
            answer["instructions"] = catalogue.instructions
        return Reply(Raw(encode(answer)))

    async def _ping(self, _call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        return Reply(EMPTY)

    async def _set_level(self, call: Call) -> Reply:
        """How much of what servers log its client gets; the session remembers it, since a backend serves many of them."""
        return await (self.levels.answer if self.declares(call.caller, "logging") else _unknown)(call)

    async def _subscribe(self, call: Call) -> Reply:
        """Have its client told when a resource changes; a client that is gone, or does not wait for the answer, is not subscribed."""
        await self.settled()
        home, placed = call.caller.home, self.subscriptions.place(call.caller, call.params)
        if isinstance(placed, faults.Fault):
            await self.acquaint(call)
            placed = self.subscriptions.place(call.caller, call.params)
        if isinstance(placed, faults.Fault) or not isinstance(home, ClientHome):
            return Reply.failed(placed if isinstance(placed, faults.Fault) else faults.unknown_method(call.method))
        fault = await home.subscribed.subscribe(call, placed)
        if fault is None:
            return Reply(EMPTY)
        failed = Reply.failed(fault)
        return failed if placed.mapping is None else with_mapped_uris(call.method, failed, placed.mapping)

    async def _unsubscribe(self, call: Call) -> Reply:
        """Tell it no more. Who was not subscribed is told whether there is such a resource."""
        await trio.lowlevel.checkpoint()
        home, uri = call.caller.home, read_text(call.params, "uri")
        if isinstance(home, ClientHome) and uri is not None and home.subscribed.stop(uri):
            return Reply(EMPTY)
        placed = self.subscriptions.place(call.caller, call.params)
        return Reply.failed(placed) if isinstance(placed, faults.Fault) else Reply(EMPTY)

    async def _list(self, call: Call, kind: ListKind) -> Reply:
        await self.settled()
        await self.acquaint(call)
        raw = call.params.get("cursor")
        cursor = read_text(call.params, "cursor")
        if raw is not None and cursor is None and bytes(raw) != b"null":
            return Reply.failed(faults.client_mistake('"cursor" must be a string that an earlier page gave'))
        return self.directory.read_by(call.caller).page(kind, call.caller, cursor)


_OWN: Mapping[str, Callable[[Endpoint, Call], Awaitable[Reply]]] = {
    HANDSHAKE: Endpoint._initialize,  # noqa: SLF001
    DISCOVER: Endpoint._discover,  # noqa: SLF001
    "ping": Endpoint._ping,  # noqa: SLF001
    SET_LEVEL: Endpoint._set_level,  # noqa: SLF001
    SUBSCRIBE: Endpoint._subscribe,  # noqa: SLF001
    UNSUBSCRIBE: Endpoint._unsubscribe,  # noqa: SLF001
} | {kind.method: partial(Endpoint._list, kind=kind) for kind in KINDS}  # noqa: SLF001
"""The methods that we answer ourselves."""
_WITH_SESSIONS = frozenset({HANDSHAKE, "ping", SET_LEVEL, SUBSCRIBE, UNSUBSCRIBE})
"""Methods that mean nothing without a session."""


async def _unknown(call: Call) -> Reply:
    await trio.lowlevel.checkpoint()
    return Reply.failed(faults.unknown_method(call.method))
