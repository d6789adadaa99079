"""What a backend over HTTP says to a subscription, in a session that lives on or has ended, with a handshake and without one."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
import trio.testing
from tests.kit.endpoint import Answer, ScriptedEndpoint
from tests.kit.heard import Heard
from tests.kit.site import open_site

from sluicegate.backends.handshake import shake_hands
from sluicegate.backends.http.connector import HttpConnector
from sluicegate.backends.modern.resource_streams import ResourceStreams
from sluicegate.backends.subscribing import Subscribing
from sluicegate.backends.watched import WatchedResources
from sluicegate.protocol.calls import OURSELVES
from sluicegate.protocol.messages import Params, Raw
from sluicegate.protocol.offers import Hello
from sluicegate.protocol.subscription import ACKNOWLEDGED, LISTEN, SUBSCRIBE, Subscription

Clock = trio.testing.MockClock
OLD, NEW = "2025-11-25", "2026-07-28"
URI = "file:///a"
versions = pytest.mark.parametrize("version", [OLD, NEW])


@attrs.define(eq=False)
class Here:
    """A link's resources, and a backend that grants them or sends whoever asks elsewhere."""

    watched: WatchedResources = attrs.field(factory=WatchedResources)
    away: bool = False
    asked: int = 0
    told: list[str] = attrs.field(factory=list)
    keeps: Subscribing | ResourceStreams | None = None
    cut: trio.Event = attrs.field(factory=trio.Event)
    """Ends the streams that are open."""

    async def answer(self, answer: Answer) -> None:
        self.asked += 1
        if self.away:
            await answer.send(307, location="http://elsewhere.test/mcp")
        elif answer.method == SUBSCRIBE:
            await answer.result({})
        else:
            await answer.stream()
            wishes = {"notifications": answer.message["params"]["notifications"]}
            await answer.event({"jsonrpc": "2.0", "method": ACKNOWLEDGED, "params": wishes})
            await self.cut.wait()
            await answer.end()

    def subscribe(self) -> Subscription:
        subscription = Subscription(OURSELVES, self._tell)
        self.watched.add(URI, subscription)
        return subscription

    def _tell(self, uri: str, params: Params) -> None:
        del params
        self.told.append(uri)


@asynccontextmanager
async def backend(version: str) -> AsyncGenerator[Here]:
    here = Here()
    endpoint = ScriptedEndpoint(on={SUBSCRIBE: here.answer, LISTEN: here.answer}, stateful=version == OLD)
    async with (
        open_site(endpoint) as site,
        HttpConnector("web", "http://backend.test/mcp", {}, site.open_stream)(Heard()) as session,
        trio.open_nursery() as nursery,
    ):
        if version == OLD:
            await shake_hands(session, name="test", version="1")
        else:
            session.speak(version)
        here.keeps = (Subscribing if version == OLD else ResourceStreams)(session, "web", here.watched)
        nursery.start_soon(here.keeps.run, Hello(version, {"resources": Raw(b'{"subscribe":true}')}, {}))
        yield here
        nursery.cancel_scope.cancel()


@versions
async def test_who_is_sent_elsewhere_is_told_so_at_once_and_may_ask_again(version: str, autojump_clock: Clock) -> None:
    """A call that could not be sent says nothing about the session, in which nobody would ask again."""
    async with backend(version) as here:
        here.away = True
        with trio.fail_after(2):
            fault = await here.subscribe().answer()
        assert fault is not None
        assert fault.reason == "redirected"
        assert len(here.watched) == 0
        here.away = False
        with trio.fail_after(5):
            assert await here.subscribe().answer() is None


@versions
async def test_what_was_granted_before_is_asked_for_again_where_the_session_lives_on(version: str, autojump_clock: Clock) -> None:
    async with backend(version) as here:
        subscription = here.subscribe()
        assert await subscription.answer() is None
        here.away = True
        here.watched.forget()  # as when the session has begun anew
        here.cut.set()
        await trio.sleep(20)
        assert (subscription.fault, here.asked > 2, here.told) == (None, True, [])
        here.away, here.cut = False, trio.Event()
        await trio.sleep(60)
        assert here.told == [URI]


async def test_who_is_refused_again_and_again_leaves_nothing_behind(autojump_clock: Clock) -> None:
    """What another was granted before waits for its turn once, however often the backend says no meanwhile."""
    async with backend(OLD) as here:
        assert await here.subscribe().answer() is None
        here.away = True
        here.watched.forget()
        for _ in range(50):
            assert await here.subscribe().answer() is not None
        assert isinstance(here.keeps, Subscribing)
        assert len(here.keeps._put_off) == 1
