"""A backend session that somebody else opened and will close."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import attrs

from .session import BackendSession, ConnectFailed, Inbox

__all__ = ["AttachedConnector"]


@attrs.frozen(repr=False)
class AttachedConnector:
    """Hands out a session that is open already; without one, says why there is none."""

    session: BackendSession | None
    why: str = ""
    """In words for the operator."""
    transport: str = "attached"

    def __call__(self, inbox: Inbox) -> AbstractAsyncContextManager[BackendSession]:
        """Lend the session; leaving the block leaves it open. Its own notifications stay with who opened it."""
        del inbox
        return self._open()

    @asynccontextmanager
    async def _open(self) -> AsyncGenerator[BackendSession, None]:
        if self.session is None:
            raise ConnectFailed(self.why)
        yield self.session
