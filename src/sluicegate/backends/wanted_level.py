"""From which level on one link's backend is to log, and which it has been told (P-67)."""

from __future__ import annotations

from contextlib import ExitStack

import attrs
import trio

from ..protocol.log_levels import LEVELS
from ..protocol.log_wishes import LogWishes
from ..waiting.bell import Bell

__all__ = ["WantedLevel"]

UNASKED = LEVELS["info"]
"""What is thought to be the level of a server to which nobody has said one: so much is left to those who have not asked for anything."""


@attrs.define(eq=False, repr=False)
class WantedLevel:
    """What is wanted comes and goes in plain functions; one task in the link's nursery (`LevelTelling`) tells the backend."""

    clients: LogWishes = attrs.field(factory=LogWishes)
    """Of the sessions of those whom the link serves."""
    calls: LogWishes = attrs.field(factory=LogWishes, init=False)
    """Of calls that belong to no session, while they run."""
    told: int | None = attrs.field(default=None, init=False)
    """The rank that the backend was told in its present session; None is nothing yet."""
    sessions: int = attrs.field(default=0, init=False)
    """How often the backend began to know nothing of it."""
    takes_levels: bool = attrs.field(default=False, init=False)
    """There is a session, and it can be told."""
    _bell: Bell = attrs.field(factory=Bell, init=False)
    _moved: trio.Event | None = attrs.field(default=None, init=False)

    @property
    def wanted(self) -> int | None:
        """The rank of what it is to be told; None where nobody has ever asked for anything."""
        asked = [most for most in (self.clients.most, self.calls.most) if most is not None]
        if not asked:
            return None if self.told is None else UNASKED
        return min(*asked, UNASKED) if self.clients.has_silent else min(asked)

    @property
    def is_short(self) -> bool:
        """Whether somebody wants to hear more than it was told to say."""
        wanted = self.wanted
        return self.takes_levels and wanted is not None and (self.told is None or wanted < self.told)

    @property
    def is_more_than_wanted(self) -> bool:
        """Whether it says more than anybody wants to hear."""
        wanted = self.wanted
        return wanted is not None and self.told is not None and wanted > self.told

    def forget(self) -> None:
        """The backend knows nothing of what it was told."""
        self.told = None
        self.sessions += 1
        self.look()

    def end(self) -> None:
        """The session is over."""
        self.takes_levels = False
        self.forget()

    def was_told(self, rank: int, session: int) -> None:
        """It was told, and has answered, be it with a refusal, which it would repeat."""
        if session == self.sessions:
            self.told = rank
        self.look()

    def look(self) -> None:
        """Something has changed, for whoever waits."""
        self._bell.ring()
        if self._moved is not None:
            self._moved.set()
            self._moved = None

    def watching(self) -> ExitStack:
        """While inside, who tells the backend hears of what is wanted."""
        stack = ExitStack()
        for wishes in (self.clients, self.calls):
            stack.enter_context(wishes.watched_by(self.look))
        return stack

    async def wait(self) -> None:
        """Wait until something has changed; for who tells the backend."""
        await self._bell.wait()

    async def wait_told(self) -> None:
        """Wait until it was told to say as much as is wanted, or cannot be told."""
        await trio.lowlevel.checkpoint()
        while self.is_short:
            self._moved = self._moved or trio.Event()
            await self._moved.wait()
