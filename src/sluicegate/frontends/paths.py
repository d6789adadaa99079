"""What is found under which path over HTTP: who may come in by it, by which methods, and what answers."""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

import attrs

from ..http1.asgi import ASGIApp, Message
from ..protocol.principal import Principal
from .request import HttpRequest

__all__ = ["SOCKET", "Answer", "Guard", "HttpRoute", "Paths", "mounted", "page", "read_only"]

Answer = Callable[[HttpRequest, Principal], Awaitable[None]]
"""Answers one request that was let in."""


SOCKET = "WEBSOCKET"
"""The offer of a WebSocket, where others have a method."""


class Guard(enum.Enum):
    """Who may come in by a path."""

    OPEN = "open"
    """Whoever can connect. For probes: they come by an address instead of a name, and know no token."""
    HOSTS = "hosts"
    """Who asks for a ``Host`` and comes from an ``Origin`` that are allowed; a browser may ask beforehand."""
    TOKEN = "token"  # noqa: S105  no password, what it is called
    """The same, and he has to say who he is, where anybody has to."""


@attrs.frozen(eq=False, repr=False)
class HttpRoute:
    """One row of the table."""

    answers: Mapping[str, Answer]
    """By method, in the order in which ``Allow`` names them."""
    guard: Guard = Guard.TOKEN
    otherwise: Answer | None = None
    """By all other methods; None refuses them with 405."""
    speaks_rpc: bool = False
    """What is refused is told in a JSON-RPC error, since the clients of this path read nothing else."""
    looks_at_host: bool = attrs.field(init=False)
    looks_at_token: bool = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "looks_at_host", self.guard is not Guard.OPEN)
        object.__setattr__(self, "looks_at_token", self.guard is Guard.TOKEN)

    @property
    def _methods(self) -> list[str]:
        return [method for method in self.answers if method != SOCKET]

    @property
    def allow(self) -> tuple[bytes, bytes]:
        """The header ``Allow``."""
        return b"allow", ", ".join([*self._methods, *(["OPTIONS"] if self.looks_at_host else [])]).encode()

    @property
    def purpose(self) -> str:
        """What to say to who came by another method."""
        *most, last = self._methods
        return f"this path is there for {', '.join(most)} and {last}" if most else f"this path is there for {last}"


@attrs.define(eq=False, repr=False)
class Paths:
    """The table. A path that ends in ``/*`` stands for all below it that have no row of their own."""

    nowhere: HttpRoute
    """For a path that leads nowhere."""
    rows: dict[str, HttpRoute] = attrs.field(factory=dict, init=False)
    """By path. Who is on the way of each request looks in here himself, and asks `below` for what is not here."""

    def add(self, path: str, route: HttpRoute) -> None:
        """One more row; raises `ValueError` where there is one, or the path is none."""
        if not path.startswith("/") or "*" in path.removesuffix("/*"):
            raise ValueError(f"{path!r} is no path: write '/name', or '/name/*' for all below it")
        if path in self.rows:
            raise ValueError(f"{path} is taken")
        self.rows[path] = route

    def below(self, path: str) -> HttpRoute:
        """The row of the longest path that this one is below."""
        found = max((row for row in self.rows if row.endswith("/*") and path.startswith(row[:-1])), key=len, default=None)
        return self.nowhere if found is None else self.rows[found]


_NOT_YOURS = b"your token or role is not for this page: a role that may read it has pages = true"


def read_only(answer: Answer, guard: Guard = Guard.TOKEN) -> HttpRoute:
    """A row for what is only read; of an answer to HEAD the body is left out by the request itself."""
    return HttpRoute({"GET": answer, "HEAD": answer}, guard)


def page(
    render: Callable[[], Awaitable[bytes]],
    kind: bytes,
    guard: Guard = Guard.TOKEN,
    may_read: Callable[[Principal], bool] = lambda _principal: True,
) -> HttpRoute:
    """A row for a text that is made when it is asked for, by somebody who ``may_read`` it; ``kind`` is its media type."""

    async def show(http: HttpRequest, principal: Principal) -> None:
        if may_read(principal):
            await http.respond(200, await render(), kind=kind)
        else:
            await http.respond(403, _NOT_YOURS, kind=b"text/plain; charset=utf-8")

    return read_only(show, guard)


def mounted(app: ASGIApp, path: str, guard: Guard = Guard.TOKEN) -> HttpRoute:
    """A row for a whole ASGI application, by whatever method; to one at ``/name/*`` the paths are told from there on."""
    return HttpRoute({}, guard, otherwise=partial(_hand_over, app, path.removesuffix("/*") if path.endswith("/*") else ""))


async def _hand_over(app: ASGIApp, root: str, http: HttpRequest, _principal: Principal) -> None:
    """What a browser has to be told of the guards comes from them, and not from the application."""
    extra = http.extra

    async def send(event: Message) -> None:
        if extra and event["type"] == "http.response.start":
            event = {**event, "headers": [*event.get("headers", ()), *extra]}
        await http.send(event)

    scope = http.scope
    await app({**scope, "root_path": scope.get("root_path", "") + root}, http.receive, send)
