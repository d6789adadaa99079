"""The gateway as an ASGI application: a table of paths with their guards, among them the MCP endpoint and what probes ask."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import attrs
import trio

from ..http1.asgi import Receive, Scope, Send
from ..http1.fair_turns import FairTurns
from ..identity.identify import Identity, Refused
from ..protocol.errors import INVALID_REQUEST
from ..protocol.messages import encode
from ..protocol.principal import NOBODY, Principal
from ..telling.loggers import Seldom, get_logger
from .admission import Admission, cors_headers, preflight_headers
from .bodies import Bodies
from .carried.carriers import Carriers
from .endpoint import Endpoint
from .exchange import GOING_DOWN
from .named_headers import with_headers
from .no_request import tolerate
from .paths import SOCKET, Answer, Guard, HttpRoute, Paths, read_only
from .request import Headers, HttpRequest
from .resuming import Resuming
from .session_table import SessionTable
from .streamable_http import StreamableHttp
from .ticket_office import TicketOffice
from .wishes import WISH, Wishes, may_wish

__all__ = ["App"]

log = get_logger("sluicegate.frontend")


@attrs.define(eq=False, repr=False)
class App:
    """The ASGI application. Any server that runs on Trio can carry it."""

    endpoint: Endpoint
    is_ready: Callable[[], bool] = lambda: True
    """Whether a backend is up, for ``/readyz``."""
    identity: Identity | None = None
    """None lets everybody in."""
    admission: Admission = attrs.field(factory=Admission)
    tickets: TicketOffice | None = None
    """Gives sessions ids by which they outlive the process; None gives them any."""
    carriers: Carriers = attrs.field(factory=Carriers)
    """What else clients are served over."""
    wishes: Wishes | None = None
    """Faults on purpose; None where there are none."""
    sessions: SessionTable = attrs.field(init=False)
    """Swept once `begin` was called."""
    turns: FairTurns = attrs.field(factory=FairTurns, init=False)
    """Large requests take turns, once `begin` was called."""
    paths: Paths = attrs.field(init=False)
    """What is served."""
    _seldom: Seldom = attrs.field(factory=Seldom, init=False)
    _mcp: StreamableHttp = attrs.field(init=False)
    _end_carried: Callable[[], None] = attrs.field(default=lambda: None, init=False)
    """Ends clients with a connection each."""

    def __attrs_post_init__(self) -> None:
        endpoint, tickets = self.endpoint, self.tickets
        issue = None if tickets is None else tickets.issue
        differs = endpoint.directory.differs_between
        self.sessions = SessionTable(endpoint.limits, endpoint.sources, endpoint.declares, endpoint.home, issue, differs_between=differs)
        resuming = Resuming(endpoint, self.sessions, tickets)
        self._mcp = StreamableHttp(endpoint, self.sessions, Bodies(endpoint, self.turns), resuming)
        self.endpoint.directory.subscribe(self.sessions.announce)
        self.paths = Paths(HttpRoute({}, otherwise=self._lead_nowhere))
        answers = dict(self._mcp.answers)
        rows: Mapping[str, HttpRoute] = {}
        if self.carriers.websocket or self.carriers.sse:
            from .carried.carrying import carry

            carried, sockets, rows = carry(self.carriers, self._mcp, lambda: self.draining)
            answers |= sockets
            self._end_carried = carried.hang_up
        mcp = HttpRoute({method: self._wishing(answer) for method, answer in answers.items()}, speaks_rpc=True)
        for path, route in {
            "/": mcp,
            "/mcp": mcp,
            "/mcp/": mcp,
            **rows,
            "/health": read_only(self._say_alive, Guard.OPEN),
            "/livez": read_only(self._say_alive, Guard.OPEN),
            "/readyz": read_only(self._say_ready, Guard.OPEN),
        }.items():
            self.paths.add(path, route)

    @property
    def draining(self) -> bool:
        """Whether no new requests are taken."""
        return self._mcp.draining

    def begin(self, nursery: trio.Nursery) -> None:
        """Start what goes on beside the requests."""
        nursery.start_soon(self.sessions.sweep)
        nursery.start_soon(self.turns.run)
        if self.tickets is not None:
            nursery.start_soon(self.tickets.keep_open)
        self.endpoint.waits.begin(nursery)

    async def prepare(self) -> None:
        """Do what the first client would wait for, and say what is wrong with it."""
        if self.tickets is not None:
            await self.tickets.open()

    def drain(self) -> None:
        """Take no new requests and end the GET streams; what is running may finish."""
        self._mcp.draining = True
        self.sessions.hang_up()
        self.endpoint.parking.close(GOING_DOWN)
        self._end_carried()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection of an ASGI server."""
        if scope["type"] != "http":
            await self._take_other(scope, receive, send)
            return
        http = HttpRequest(scope, receive, send)
        route = self.paths.rows.get(http.path) or self.paths.below(http.path)
        principal = NOBODY
        if route.looks_at_host:  # in here and not in functions of their own, since each call comes by
            origin = http.headers.origin
            if not self.admission.allows_host(http.headers.host):
                await self._refuse_host(http)
                return
            if origin and not self.admission.allows_origin(origin):
                await self._refuse_origin(http)
                return
            if origin:
                http.extra = cors_headers(origin[0])
            if http.method == "OPTIONS":
                await http.respond(
                    204, headers=[route.allow, *(preflight_headers(self.endpoint.directory.current.headers) if origin else [])]
                )
                return
        if route.looks_at_token and self.identity is not None:
            found = await self.identity.identify(http)
            if isinstance(found, Refused):
                await self._refuse_stranger(http, found)
                return
            http.principal = principal = found
        principal = with_headers(principal, http.headers, self.endpoint.directory.current.headers)
        answer = route.answers.get(http.method, route.otherwise)
        if answer is None:
            await self._refuse_method(http, route)
        else:
            await answer(http, principal)

    async def _take_other(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what is no request. The offer of a WebSocket, where one is served, passes the guards of its path as any request does."""
        if scope["type"] == "websocket" and self.carriers.websocket:
            from .carried.carrying import as_request

            request, answer = as_request(scope, send, SOCKET)
            if SOCKET in self.paths.rows.get(HttpRequest(request, receive, answer).path, self.paths.nowhere).answers:
                await self(request, receive, answer)
                return
        await tolerate(scope, receive, send)

    # -- refusals

    async def _refuse_host(self, http: HttpRequest) -> None:
        self._advise(http, b"host", "security.allowed_hosts, or run --allowed-host")
        await self._refuse(http, 400, "Host not allowed")

    async def _refuse_origin(self, http: HttpRequest) -> None:
        self._advise(http, b"origin", "security.allowed_origins")
        await self._refuse(http, 403, "Cross-origin requests not allowed")

    async def _refuse_stranger(self, http: HttpRequest, why: Refused) -> None:
        await self.endpoint.door.opens()
        self.endpoint.door.refuse(why.status, why.message, http)
        await http.refuse(why.status, why.code, why.message, headers=why.headers)

    async def _refuse_method(self, http: HttpRequest, route: HttpRoute) -> None:
        if route.speaks_rpc:
            await self.endpoint.door.opens()
            self.endpoint.door.refuse(405, route.purpose, http)
            await http.refuse(405, INVALID_REQUEST, route.purpose, headers=[route.allow])
        else:
            await self._refuse(http, 405, route.purpose, [route.allow])

    async def _lead_nowhere(self, http: HttpRequest, _principal: Principal) -> None:
        await self._refuse(http, 404, "Not Found: the MCP endpoint is /mcp")

    async def _refuse(self, http: HttpRequest, status: int, message: str, headers: Headers = ()) -> None:
        await self.endpoint.door.opens()
        self.endpoint.door.refuse(status, message, http)
        await http.respond(status, message.encode(), kind=b"text/plain; charset=utf-8", headers=headers)

    def _advise(self, http: HttpRequest, header: bytes, setting: str) -> None:
        """Say now and then who was refused by a header, and what would let him in."""
        name = header.decode().capitalize()
        if self._seldom.turn(name, trio.current_time()) is not None:
            log.warning(
                "a request was refused for a header that a setting can allow",
                kind=name,
                value=_shown(http.headers.all(header)),
                setting=setting,
            )

    # -- answers

    def _wishing(self, answer: Answer) -> Answer:
        """The same, with the fault that a request asks for; only where there are any."""
        wishes = self.wishes
        if wishes is None:
            return answer

        async def answer_wish(http: HttpRequest, principal: Principal) -> None:
            text = http.headers.text(WISH)
            if text is None or not (self.admission.on_loopback and may_wish(http.scope.get("client"), http.scope["headers"])):
                await answer(http, principal)
                return
            try:
                wished = wishes.wished(text)
            except ValueError as error:
                message = f"X-Sluicegate-Fault: {error}"
                await self.endpoint.door.opens()
                self.endpoint.door.refuse(400, message, http)
                await http.refuse(400, INVALID_REQUEST, message)
                return
            with wished:
                await answer(http, principal)

        return answer_wish

    async def _say_alive(self, http: HttpRequest, _principal: Principal) -> None:
        """The process answers."""
        await http.respond(200, encode({"status": "ok"} | ({} if self.wishes is None else {"faults": self.wishes.health()})))

    async def _say_ready(self, http: HttpRequest, principal: Principal) -> None:
        """It can do its work."""
        if self.draining or not self.is_ready():
            await http.respond(503, b'{"status":"draining"}' if self.draining else b'{"status":"no backend is up"}')
        else:
            await self._say_alive(http, principal)


def _shown(values: Sequence[bytes]) -> str:
    """A header's value, for the operator who is to allow it; nothing else can be meant by what does not look like one."""
    text = values[0].decode("latin-1").strip() if len(values) == 1 else ""
    return text if re.fullmatch(r"[A-Za-z0-9.:/\[\]_-]{1,100}", text) else "unreadable" if values else "none"
