"""What becomes of a message that is too long to be read: the call whose answer it was fails, and no other."""

from __future__ import annotations

from ..channel.lines import Oversized
from ..protocol.why import Why
from .channel import ChannelSession

__all__ = ["settle"]


def settle(session: ChannelSession, message: Oversized, what: str, limit: int) -> None:
    """Fail the call that it was for. Where nothing tells which one that was, the session ends: the call would wait for ever."""
    what = f"{what}; the limit is {limit}"
    if message.is_answer and session.settle_oversized(message.number, limit):
        return
    if message.is_answer and message.number is None and session.in_flight:
        session.close(Why(f"it sent {what}, and nothing tells whose answer it is"))
    else:
        session.complain(what)
