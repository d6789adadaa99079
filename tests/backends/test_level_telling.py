"""Telling a backend how much of its log is wanted, where that changes in the very moment (P-65)."""

from __future__ import annotations

import msgspec
import trio
import trio.testing
from tests.kit.quiet_session import QuietSession

from sluicegate.backends.level_telling import CALM_SECONDS, LevelTelling
from sluicegate.backends.link import Link
from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.messages import EMPTY
from sluicegate.testing.backend import ScriptedBackend


class Told(QuietSession):
    """Remembers what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.levels: list[str] = []

    async def request(self, call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        self.levels.append(msgspec.json.decode(call.params["level"]))
        return Reply(EMPTY)


async def test_a_session_that_is_made_anew_as_the_calm_ends_is_told_nothing(autojump_clock: trio.testing.MockClock) -> None:
    """Which of the two comes first in that moment is chance."""
    for _ in range(20):
        session, link = Told(), Link("b", ScriptedBackend().connector)
        level = link.level
        level.takes_levels = True
        async with trio.open_nursery() as nursery:
            level.calls.add("debug")
            nursery.start_soon(LevelTelling(session, link).run)
            await trio.sleep(1)
            level.calls.discard("debug")
            await trio.sleep(CALM_SECONDS)
            level.forget()
            await trio.sleep(1)
            nursery.cancel_scope.cancel()
        assert session.levels in (["debug"], ["debug", "info"])
