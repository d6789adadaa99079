"""Taking connections from a listener, also where descriptors run short, and when the accepting ends."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from functools import partial

import trio

from ...telling.loggers import get_logger
from ..fair_turns import FairTurns

__all__ = ["accept_all", "accept_waiting", "newcomers"]

log = get_logger("sluicegate.http1")

Listener = trio.abc.Listener[trio.abc.Stream]

SHORT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""What the system says when it has nothing left to make a connection of."""
RETRY_SECONDS = 0.1
QUIET_SECONDS = 60.0
"""It is told of so often that they run short."""
SOON_SECONDS = 0.001
"""After a connection was told to make room."""
MOST_WAITING = 4096
"""As many may be at the door by the rules of most systems."""
REST = 10
"""Rounds of the loop between two newcomers."""


def newcomers() -> FairTurns:
    """Turns for all that comes with new connections: to be taken, and to be read for the first time.

    A connection takes 0.4 ms until it has its first answer, in some ten rounds, and eight that came together took them in the same ones:
    a call that needs five rounds waited 2.5 ms for them. So it meets one at a time. Most say what they want as soon as they are taken, and have
    one turn for both.
    """
    return FairTurns(REST)


async def accept_all(
    listener: Listener, welcome: Callable[[trio.abc.Stream], None], make_room: Callable[[], bool], turns: FairTurns
) -> None:
    """Accept until cancelled.

    Args:
        listener: Where they come in.
        welcome: Called with each connection in its turn, or at once when the accepting ends; must not block.
        make_room: Ends a connection that does nothing, if there is one, so that the next can be accepted; whether it did.
        turns: What the next one has to wait for.

    Raises:
        OSError: The listener is of no use any more.
    """
    told_at = -QUIET_SECONDS
    while True:
        try:
            stream = await listener.accept()
        except OSError as error:
            if error.errno not in SHORT:
                raise
            if trio.current_time() - told_at >= QUIET_SECONDS:
                told_at = trio.current_time()
                log.warning("no further connection can be accepted for now", error=error.strerror)
            await trio.sleep(SOON_SECONDS if make_room() else RETRY_SECONDS)
        else:
            await _in_turn(turns, partial(welcome, stream))


async def _in_turn(turns: FairTurns, welcome: Callable[[], None]) -> None:
    try:
        if not turns.enter():
            await turns.wait()
    finally:
        welcome()


def accept_waiting(listener: Listener, welcome: Callable[[trio.abc.Stream], None]) -> None:
    """Accept those who are at the door already: closing the listener would reset them, and they may have sent a request.

    This does not yield, for while it did more of them would come, and who comes between the last look and the end would be lost.
    """
    own = getattr(listener, "socket", None)
    accept_now = getattr(listener, "accept_now", None) if own is None else partial(_accept_now, own)
    if accept_now is None:
        return
    for _ in range(MOST_WAITING):
        try:
            welcome(accept_now())
        except (OSError, trio.WouldBlock):  # nobody is left, or nothing to make a connection of
            return


def _accept_now(own: trio.socket.SocketType) -> trio.SocketStream:
    with socket.socket(fileno=os.dup(own.fileno())) as same:  # Trio's own always yields; this one does not block either, being the same
        return trio.SocketStream(trio.socket.from_stdlib_socket(same.accept()[0]))
