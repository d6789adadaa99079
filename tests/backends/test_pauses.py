"""How long is waited before something is tried again: for a connection, a handshake, or a stream of its own."""

from __future__ import annotations

import random
from contextlib import AbstractAsyncContextManager

import attrs
import pytest
import trio
import trio.testing
from tests.kit.endpoint import Answer, ScriptedEndpoint
from tests.kit.heard import Heard
from tests.kit.site import open_site

from sluicegate.backends.doubling import doubled
from sluicegate.backends.handshake import shake_hands
from sluicegate.backends.http.connector import HttpConnector
from sluicegate.backends.link import Link
from sluicegate.backends.patience import Patience
from sluicegate.backends.session import BackendSession, Inbox
from sluicegate.backends.supervisor import Supervisor, pause_after
from sluicegate.policies.settings import RestartSettings
from sluicegate.testing.backend import ScriptedBackend


class Edge(random.Random):
    """Chance that always gives one end of a range."""

    def __init__(self, *, last: bool) -> None:
        super().__init__()
        self.last = last

    def uniform(self, a: float, b: float) -> float:
        return b if self.last else a


@pytest.mark.parametrize(
    ("times", "becomes"), [(0, 0.5), (1, 1.0), (2, 2.0), (5, 16.0), (6, 30.0), (7, 30.0), (1100, 30.0), (1_000_000, 30.0)]
)
def test_what_is_doubled_stops_at_the_most_however_often_it_is_doubled(times: int, becomes: float) -> None:
    assert doubled(0.5, times, 30.0) == becomes


@pytest.mark.parametrize(("failures", "longest"), [(1, 0.5), (2, 1.0), (3, 2.0), (7, 30.0), (5000, 30.0)])
def test_the_pause_before_a_restart_doubles_and_is_between_half_of_that_and_all(failures: int, longest: float) -> None:
    restarts = RestartSettings(0.5, 30.0, 3, 60.0)
    assert [pause_after(failures, restarts, Edge(last=last)) for last in (False, True)] == [longest / 2, longest]


@pytest.mark.parametrize("failures", [1, 2, 5000])
def test_who_keeps_dying_is_tried_after_the_longest_pause_at_once(failures: int) -> None:
    restarts = RestartSettings(0.5, 30.0, 3, 60.0)
    assert [pause_after(failures, restarts, Edge(last=last), looping=True) for last in (False, True)] == [15.0, 30.0]


@attrs.define
class Recorded:
    """A connector that remembers when it was used."""

    scripted: ScriptedBackend
    times: list[float] = attrs.field(factory=list)
    transport: str = "odd"

    def __call__(self, inbox: Inbox) -> AbstractAsyncContextManager[BackendSession]:
        self.times.append(trio.current_time())
        return self.scripted.connector(inbox)


async def test_each_start_that_fails_is_followed_by_a_longer_pause_and_a_good_one_begins_anew(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    recorded = Recorded(ScriptedBackend())
    recorded.scripted.refuse = "not now"
    link = Link("b", recorded)
    nursery.start_soon(Supervisor(link, RestartSettings(1.0, 8.0, 5, 60.0), 5, Edge(last=True)).run)
    await trio.sleep(20)
    assert recorded.times == [0, 1, 3, 7, 15]
    recorded.scripted.refuse = ""
    await trio.sleep(10)  # it is there at 23
    for _ in range(2):
        recorded.scripted.crash()
        await trio.sleep(10)
    assert recorded.times[5:] == [23, 31, 42]  # the second loss within a minute counts for two
    await trio.sleep(100)
    recorded.scripted.crash()
    await trio.sleep(10)
    assert (recorded.times[8:], link.restarts) == ([151], 8)
    nursery.cancel_scope.cancel()


def test_a_backend_that_refuses_us_for_weeks_is_asked_for_weeks() -> None:
    """A float cannot be doubled more than a thousand times; the attempt after that ended the whole gateway."""
    patience = Patience(5.0)
    pauses = [patience.refused(lasting=True) for _ in range(3000)]
    assert (pauses[:5], pauses[-1]) == ([1.0, 2.0, 4.0, 8.0, 10.0], 10.0)


async def times_of_streams(*streams: tuple[int | None, bool]) -> list[float]:
    """When a standing stream was asked for. Each asks for its successor after so many milliseconds, and then says something, or nothing."""
    times: list[float] = []

    async def stream(answer: Answer) -> None:
        times.append(trio.current_time())
        if len(times) > len(streams):
            await answer.send(405)
            return
        retry, speaks = streams[len(times) - 1]
        await answer.stream()
        if retry is not None:
            await answer._send({"type": "http.response.body", "body": b"retry: %d\n" % retry, "more_body": True})
        if speaks:
            await answer.event({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "x"}})
        await answer.end()

    async with open_site(ScriptedEndpoint(on={"GET": stream})) as site:
        connector = HttpConnector("web", "http://backend.test/mcp", {}, site.open_stream)
        async with connector(Heard()) as session:
            await shake_hands(session, name="test", version="1")
            await trio.sleep(1000)
    return times


@pytest.mark.parametrize(
    ("streams", "times"),
    [
        ([(None, True)] * 3, [0, 1, 2, 3]),
        ([(5000, True)] * 3, [0, 5, 10, 15]),
        ([(5000, True), (None, False), (None, False), (None, False)], [0, 5, 10, 12, 16]),
        ([(5000, False), (None, False), (None, True), (None, True)], [0, 5, 7, 12, 17]),
        ([(0, True)] * 2, [0, 0.1, 0.2]),
        ([(99, True), (101, True)], [0, 0.1, 0.201]),
        ([(29_999, True), (30_001, True)], [0, 29.999, 59.999]),
    ],
)
async def test_a_stream_that_ended_is_asked_for_again_when_its_backend_wants_that_unless_it_yields_nothing(
    streams: list[tuple[int | None, bool]], times: list[float], autojump_clock: trio.testing.MockClock
) -> None:
    """What a backend asks for holds for one stream without a word; from the second on the pause doubles."""
    assert await times_of_streams(*streams) == pytest.approx(times)
