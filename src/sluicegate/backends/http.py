"""A backend behind a URL: Streamable HTTP, one POST per call (CORE-62…66, LIM-2, LIM-40)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import attrs
import httpx2
import trio

from ..outside import OpenHttp, open_http
from .http_session import HttpSession
from .http_wire import Wire, wire_to
from .session import BackendSession, ConnectFailed, Inbox

__all__ = ["HttpConnector"]

GOODBYE_SECONDS = 2.0
"""How long DELETE, and closing the connections, may take."""


@attrs.frozen(eq=False)
class HttpConnector:
    """Opens sessions with an endpoint (implements `Connector`)."""

    name: str
    url: str = attrs.field(repr=False)
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    """Sent with every request, never to another origin."""
    open_http: OpenHttp = open_http
    max_message_size: int = 16 * 1024 * 1024
    """The largest answer, or event of a stream, in bytes."""
    transport: str = "http"

    def __call__(self, inbox: Inbox) -> AbstractAsyncContextManager[BackendSession]:
        """Open a session; nothing is sent before ``initialize``. Leaving the block says DELETE, within `GOODBYE_SECONDS`."""
        return self._open(inbox)

    @asynccontextmanager
    async def _open(self, inbox: Inbox) -> AsyncGenerator[BackendSession, None]:
        transport = self.open_http(verify=self.url[:6].lower() == "https:")
        try:
            wire = self._wire(transport)
            async with trio.open_nursery() as nursery:
                session = HttpSession(self.name, inbox, wire, nursery)
                try:
                    yield session
                finally:
                    with trio.move_on_after(GOODBYE_SECONDS, shield=True):
                        await session.leave()
                    nursery.cancel_scope.cancel(reason="the session is left")
        finally:
            with trio.move_on_after(GOODBYE_SECONDS, shield=True):
                await transport.aclose()

    def _wire(self, transport: httpx2.AsyncBaseTransport) -> Wire:
        try:
            return wire_to(self.name, self.url, self.headers, transport, self.max_message_size)
        except (httpx2.InvalidURL, ValueError) as error:
            raise ConnectFailed(f"its url or headers cannot be used: {error}") from error
