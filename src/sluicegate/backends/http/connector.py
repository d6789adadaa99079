"""A backend behind a URL: Streamable HTTP, one POST per call (CORE-62…66, LIM-2, LIM-40)."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import attrs
import trio

from ...http1.client.dialing import Finish
from ...http1.client.origin import Address, parse_address
from ...http1.client.pool import HttpClient, open_client
from ...http1.sockets import quicken
from ...outside import OpenStream, open_stream
from ...protocol.credential import Credential
from ...protocol.sizes import LARGEST_MESSAGE
from ...tls.client import TlsFiles
from ..session import BackendSession, ConnectFailed, Inbox
from .authorized_wire import wire_with
from .session import HttpSession
from .wire import own_headers, own_host

__all__ = ["HttpConnector"]

GOODBYE_SECONDS = 2.0
"""How long DELETE may take."""


@attrs.frozen(eq=False, repr=False)
class HttpConnector:
    """Opens sessions with an endpoint (implements `Connector`)."""

    name: str
    url: str = attrs.field(repr=False)
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    """Sent with every request, never to another origin."""
    open_stream: OpenStream = open_stream
    tls: TlsFiles | None = None
    proxy: str | None = attrs.field(default=None, repr=False)
    """The URL of a proxy on the way, with user and password if it wants them."""
    wall: Callable[[], float] = time.time
    """Time of day, in seconds since the epoch."""
    max_message_size: int = LARGEST_MESSAGE
    """The largest answer, or event of a stream, in bytes."""
    credential: Credential | None = None
    """What its requests show, where that can change."""
    transport: str = "http"
    finish: Finish = quicken
    """What becomes of each connection; the test kit puts faults there."""

    def __call__(self, inbox: Inbox) -> AbstractAsyncContextManager[BackendSession]:
        """Open a session; nothing is sent before ``initialize``. Leaving the block says DELETE, within `GOODBYE_SECONDS`."""
        return self._open(inbox)

    @asynccontextmanager
    async def _open(self, inbox: Inbox) -> AsyncGenerator[BackendSession, None]:
        address, headers, opened = self._prepare()
        async with opened as client, trio.open_nursery() as nursery:
            wire = wire_with(
                self.credential, self.name, address, headers, client, self.max_message_size, self.wall, inbox.clientele.principal
            )
            session = HttpSession(self.name, inbox, wire, nursery)
            try:
                yield session
            finally:
                with trio.move_on_after(GOODBYE_SECONDS, shield=True):
                    await session.leave()
                nursery.cancel_scope.cancel(reason="the session is left")

    def _prepare(self) -> tuple[Address, bytes, AbstractAsyncContextManager[HttpClient]]:
        try:
            address = parse_address(self.url)
            host = own_host(self.headers)
            opened = open_client(
                address.origin, open_stream=self.open_stream, tls=self.tls, proxy=self.proxy, host=host, finish=self.finish
            )
            return address, own_headers(address, self.headers), opened
        except ValueError as error:
            raise ConnectFailed(f"its url or headers, tls or proxy cannot be used: {error}") from error
