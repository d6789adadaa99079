"""How a gateway connects to a backend that lives in the same test."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

import attrs
import trio

from ..backends.channel import ChannelSession
from ..backends.session import CLOSED, BackendSession, ConnectFailed, Inbox

__all__ = ["Peer", "ScriptedConnector"]


class Peer(Protocol):
    """The other end of sessions."""

    name: str
    refuse: str
    """While not empty: connecting fails, for this reason."""
    sessions: list[ChannelSession]
    """Those that are open."""

    async def converse(self, session: ChannelSession) -> None:
        """Be the other end until it closes."""
        ...


@attrs.frozen
class ScriptedConnector:
    """Opens sessions with a `Peer` (implements `Connector`)."""

    backend: Peer
    transport: str = "scripted"
    make_session: Callable[..., ChannelSession] = ChannelSession

    def __call__(self, inbox: Inbox) -> AbstractAsyncContextManager[BackendSession]:
        """Connect, unless the backend refuses."""
        return self._open(inbox)

    @asynccontextmanager
    async def _open(self, inbox: Inbox) -> AsyncGenerator[BackendSession, None]:
        await trio.lowlevel.checkpoint()
        if self.backend.refuse:
            raise ConnectFailed(self.backend.refuse)
        session = self.make_session(self.backend.name, inbox)
        self.backend.sessions.append(session)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.backend.converse, session)
                yield session
                session.close(CLOSED)
                nursery.cancel_scope.cancel()
        finally:
            session.close(CLOSED)
            self.backend.sessions.remove(session)
