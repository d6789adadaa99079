"""The gateway as an ASGI application: the MCP endpoint with its guards in front, and what probes ask."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence

import attrs
import trio

from ..http1.asgi import Receive, Scope, Send
from ..http1.fair_turns import FairTurns
from ..identity.identify import Identity, Refused
from ..loggers import Seldom, get_logger
from ..observe.exposition import KIND
from ..protocol.errors import INVALID_REQUEST, UNAUTHORIZED
from ..protocol.messages import encode
from ..protocol.principal import NOBODY, Principal
from .admission import Admission, cors_headers, preflight_headers
from .endpoint import Endpoint
from .request import Headers, HttpRequest
from .session_table import SessionTable
from .streamable_http import StreamableHttp
from .wishes import WISH, Wishes, may_wish

__all__ = ["App"]

log = get_logger("sluicegate.frontend")

_ENDPOINTS = frozenset({"/", "/mcp", "/mcp/"})
_PROBES = frozenset({"/health", "/livez", "/readyz"})
_ALLOW = (b"allow", b"GET, POST, DELETE, OPTIONS")


@attrs.define(eq=False)
class App:
    """The ASGI application. Any server that runs on Trio can carry it."""

    endpoint: Endpoint
    is_ready: Callable[[], bool] = lambda: True
    """Whether a backend is up, for ``/readyz``."""
    identity: Identity | None = None
    """None lets everybody in."""
    admission: Admission = attrs.field(factory=Admission)
    metrics: Callable[[], Awaitable[bytes]] | None = None
    """What ``/metrics`` shows; None where there is no such thing."""
    wishes: Wishes | None = None
    """Faults on purpose; None where there are none."""
    sessions: SessionTable = attrs.field(init=False)
    """Swept once `begin` was called."""
    turns: FairTurns = attrs.field(factory=FairTurns, init=False)
    """Large requests take turns, once `begin` was called."""
    _seldom: Seldom = attrs.field(factory=Seldom, init=False)
    _mcp: StreamableHttp = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.sessions = SessionTable(self.endpoint.limits, self.endpoint.sources, self.endpoint.declares)
        self._mcp = StreamableHttp(self.endpoint, self.sessions, self.turns)
        self.endpoint.directory.subscribe(self.sessions.announce)

    @property
    def draining(self) -> bool:
        """Whether no new requests are taken."""
        return self._mcp.draining

    def begin(self, nursery: trio.Nursery) -> None:
        """Start what goes on beside the requests."""
        nursery.start_soon(self.sessions.sweep)
        nursery.start_soon(self.turns.run)

    def drain(self) -> None:
        """Take no new requests and end the GET streams; what is running may finish."""
        self._mcp.draining = True
        self.sessions.hang_up()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection of an ASGI server."""
        if scope["type"] == "http":
            await self._http(HttpRequest(scope, receive, send))
        elif scope["type"] == "lifespan":
            await _lifespan(receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1000})

    async def _http(self, http: HttpRequest) -> None:
        if http.path in _PROBES:
            await self._probe(http)
        elif not self.admission.allows_host(http.headers.host):
            self._advise(http, b"host", "security.allowed_hosts, or run --allowed-host")
            await self._forbid(http, 400, "Host not allowed")
        elif http.headers.origin and not self.admission.allows_origin(http.headers.origin):
            self._advise(http, b"origin", "security.allowed_origins")
            await self._forbid(http, 403, "Cross-origin requests not allowed")
        else:
            if http.headers.origin:
                http.extra = cors_headers(http.headers.origin[0])
            await self._admitted(http)

    async def _admitted(self, http: HttpRequest) -> None:
        if http.method == "OPTIONS":
            await http.respond(204, headers=[_ALLOW, *(preflight_headers() if http.extra else [])])
            return
        principal = NOBODY if self.identity is None else await self.identity.identify(http)
        if isinstance(principal, Refused):
            self.endpoint.refused(401, principal.message)
            await http.refuse(401, UNAUTHORIZED, principal.message, headers=[(b"www-authenticate", principal.challenge)])
        elif http.path in _ENDPOINTS:
            await (self._mcp if self.wishes is None else self._wishing)(http, principal)
        elif http.path == "/metrics" and self.metrics is not None:
            await self._show(http, self.metrics)
        else:
            await self._forbid(http, 404, "Not Found: the MCP endpoint is /mcp")

    async def _wishing(self, http: HttpRequest, principal: Principal) -> None:
        """Serve a request, with the fault that it asks for."""
        text = http.headers.text(WISH)
        is_own = self.admission.on_loopback and may_wish(http.scope.get("client"), http.scope["headers"])
        if self.wishes is None or text is None or not is_own:
            await self._mcp(http, principal)
            return
        try:
            wished = self.wishes.wished(text)
        except ValueError as error:
            message = f"X-Sluicegate-Fault: {error}"
            self.endpoint.refused(400, message)
            await http.refuse(400, INVALID_REQUEST, message)
            return
        with wished:
            await self._mcp(http, principal)

    async def _forbid(self, http: HttpRequest, status: int, message: str, headers: Headers | None = None) -> None:
        self.endpoint.refused(status, message)
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

    async def _show(self, http: HttpRequest, metrics: Callable[[], Awaitable[bytes]]) -> None:
        if http.method in ("GET", "HEAD"):
            await http.respond(200, await metrics(), kind=KIND)
        else:
            await self._forbid(http, 405, "/metrics is there for GET and HEAD", [(b"allow", b"GET, HEAD")])

    async def _probe(self, http: HttpRequest) -> None:
        """``/health`` and ``/livez``: the process answers; ``/readyz``: it can do its work."""
        if http.method not in ("GET", "HEAD"):
            await self._forbid(http, 405, "probes are there for GET and HEAD", [(b"allow", b"GET, HEAD")])
        elif http.path == "/readyz" and (self.draining or not self.is_ready()):
            await http.respond(503, b'{"status":"draining"}' if self.draining else b'{"status":"no backend is up"}')
        else:
            await http.respond(200, encode({"status": "ok"} | ({} if self.wishes is None else {"faults": self.wishes.health()})))


def _shown(values: Sequence[bytes]) -> str:
    """A header's value, for the operator who is to allow it; nothing else can be meant by what does not look like one."""
    text = values[0].decode("latin-1").strip() if len(values) == 1 else ""
    return text if re.fullmatch(r"[A-Za-z0-9.:/\[\]_-]{1,100}", text) else "unreadable" if values else "none"


async def _lifespan(receive: Receive, send: Send) -> None:
    """Tolerate servers that announce their own start and end; our life is not theirs."""
    while True:
        event = await receive()
        if event["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        elif event["type"] == "lifespan.shutdown":
            await send({"type": "lifespan.shutdown.complete"})
            return
