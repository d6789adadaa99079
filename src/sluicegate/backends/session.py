"""The seam between a backend and its transport.

A *connector* opens one session and owns everything that the session needs: sockets, a child process, a nursery with its reader and
writer. The supervisor enters it, shakes hands through it, and leaves it when the session has closed.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from ..protocol.calls import Call, Reply
from ..protocol.clientele import Clientele
from ..protocol.messages import Params
from ..protocol.offers import Hello
from ..protocol.why import Why

__all__ = ["CLOSED", "BackendSession", "ConnectFailed", "Connector", "Inbox", "Opener"]

CLOSED = Why("the gateway closed the session")


class BackendSession(Protocol):
    """One conversation with one backend."""

    @property
    def is_open(self) -> bool:
        """Whether the other end is there, as far as is known; a session that has closed stays so. A call may fail in one that is open as well."""
        ...

    async def request(self, call: Call) -> Reply:
        """Send the call under an id of our own and wait for its answer.

        Progress and log lines about it go to ``call.back``, under the caller's own progress token. ``call.sent_at`` and ``call.trail.sent``
        are set when the message leaves. When cancelled, ``notifications/cancelled`` is enqueued without waiting; a message that has not
        left yet is taken back instead. A session that has closed answers with a fault; it never raises.
        """
        ...

    def speak(self, version: str) -> None:
        """From now on all is of that revision, which has no handshake from which the session could know it."""
        ...

    def tell(self, method: str, params: Params) -> None:
        """Enqueue a notification; never blocks. Dropped if the session has closed."""
        ...

    async def wait_closed(self) -> Why | str:
        """Wait until the session has ended, and return why; plain text is for the operator alone."""
        ...


class Opener(Protocol):
    """A way to open conversations with one backend: the handshake of its era, or what takes the place of one."""

    async def __call__(self, session: BackendSession, declared: Params) -> tuple[Hello, BackendSession]:
        """Find out who is there, and say what its client can do; raises `HandshakeFailed` where no conversation comes about.

        The session that comes back is the one to be used from then on.
        """
        ...


class Inbox(Protocol):
    """What a backend says of its own accord; called by its reader, so it must not block."""

    @property
    def clientele(self) -> Clientele:
        """Who stands behind the session, and may be asked."""
        ...

    def notification(self, method: str, params: Params) -> None:
        """A notification that belongs to no call, such as ``notifications/tools/list_changed``."""
        ...

    def renewed(self) -> None:
        """The backend has lost the session, which goes on anew: of what it was told it knows nothing any more."""
        ...


class Connector(Protocol):
    """Opens sessions with one backend, one after the other."""

    @property
    def transport(self) -> str:
        """``stdio``, ``http``, ``inprocess`` …, as the operator knows it."""
        ...

    def __call__(self, inbox: Inbox) -> AbstractAsyncContextManager[BackendSession]:
        """Open one session; raises `ConnectFailed`. Leaving the block ends all that was started, within a bounded time.

        The handshake is the caller's: it sends ``initialize`` with `BackendSession.request`. Losing the connection is no exception inside
        the block: pending requests are answered with faults and `BackendSession.wait_closed` returns.
        """
        ...


class ConnectFailed(Exception):
    """A backend cannot be reached; the message says what was tried and what to do, and is for the operator alone unless it is a `Why`."""

    def __init__(self, why: Why | str = "") -> None:
        super().__init__(str(why))
        self.why = Why.of(why, "it cannot be reached")
