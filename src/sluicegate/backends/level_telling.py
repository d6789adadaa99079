"""Telling a backend with a session how much of its log is wanted: ``logging/setLevel`` (P-65, P-67).

More is told at once, of which there are only as many steps as levels. Less is told when nobody has wanted more for a while, so clients that
come and go cost a backend next to nothing.
"""

from __future__ import annotations

import attrs
import trio

from ..protocol import faults
from ..protocol.calls import Call, Reply
from ..protocol.log_levels import LEVELS, SET_LEVEL
from ..protocol.messages import Raw, encode
from ..protocol.offers import Hello
from ..telling.loggers import get_logger
from .link import Link
from .session import BackendSession

__all__ = ["TOLD_SECONDS", "LevelTelling", "request_aloud"]

log = get_logger("sluicegate.backend")

TOLD_SECONDS = 2.0
"""How long whoever wants to hear more is held up until backends were told."""
ANSWER_SECONDS = 30.0
"""How long a backend may take to say that it was."""
CALM_SECONDS = 5.0
"""So long nobody must have wanted more before less is told."""
_NAMES = tuple(LEVELS)


@attrs.define(eq=False, repr=False)
class LevelTelling:
    """Keeps one session in line with what is wanted."""

    session: BackendSession
    link: Link

    async def begin(self, hello: Hello) -> None:
        """Say what is wanted already, before there are calls; a backend that is slow to answer is not waited for."""
        level = self.link.level
        if "logging" in hello.capabilities:
            if level.wanted is not None:
                with trio.move_on_after(TOLD_SECONDS):
                    await self._tell()
            level.takes_levels = True

    async def run(self) -> None:
        """Say what has to be said, as it comes to be, until cancelled; in a session without a log nothing has."""
        level = self.link.level
        try:
            with level.watching():
                while level.takes_levels:
                    if level.is_short:
                        await self._tell()
                    elif not level.is_more_than_wanted:
                        await level.wait()
                    elif await self._is_calm():
                        await self._tell()
        finally:
            level.end()

    async def _is_calm(self) -> bool:
        """Whether it says too much for a while; False as soon as it does not."""
        level = self.link.level
        with trio.move_on_after(CALM_SECONDS) as waiting:
            while level.is_more_than_wanted:
                await level.wait()
        return waiting.cancelled_caught and level.is_more_than_wanted  # the session may just have been made anew

    async def _tell(self) -> None:
        level = self.link.level
        rank, session = level.wanted, level.sessions
        assert rank is not None
        reply = Reply.failed(faults.timed_out(SET_LEVEL, ANSWER_SECONDS, backend=self.link.name))
        with trio.move_on_after(ANSWER_SECONDS):
            reply = await self.session.request(Call(SET_LEVEL, SET_LEVEL, {"level": Raw(encode(_NAMES[rank]))}))
        level.was_told(rank, session)
        if reply.fault is not None and self.session.is_open:
            log.warning("backend does not take a level of its log", **self.link.labels, level=_NAMES[rank], error=reply.fault.told)


async def request_aloud(link: Link, call: Call) -> Reply:
    """Send a call that says itself how much of the log it wants; so much is wanted on the link while it runs."""
    wishes, wish = link.level.calls, call.caller.log_level
    wishes.add(wish)
    try:
        with trio.move_on_after(TOLD_SECONDS):
            await link.level.wait_told()
        session = link.session  # it may be another one by now
        return Reply.failed(link.absence()) if session is None else await session.request(call)
    finally:
        wishes.discard(wish)
