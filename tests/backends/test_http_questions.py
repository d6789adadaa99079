"""What a backend asks over HTTP: how many answers are on their way to it at once, and that none is sent when the session is over."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from tests.kit.endpoint import Answer, ScriptedEndpoint
from tests.kit.heard import Heard
from tests.kit.site import open_site

from sluicegate.backends.handshake import shake_hands
from sluicegate.backends.http.connector import HttpConnector
from sluicegate.backends.http.session import HttpSession
from sluicegate.protocol.calls import Call
from sluicegate.protocol.messages import EMPTY
from sluicegate.protocol.why import Why

# The numbers that are promised. Taken from the source they would move with it.
MOST_ANSWERS = 32


async def test_who_asks_faster_than_it_takes_answers_gets_some_and_more_when_those_have_arrived(
    autojump_clock: trio.testing.MockClock,
) -> None:
    answered: list[object] = []

    async def ask(answer: Answer) -> None:
        await answer.stream()
        for wave in range(2):
            for number in range(MOST_ANSWERS + 5):
                await answer.event({"jsonrpc": "2.0", "id": f"{wave}-{number}", "method": "ping"})
            await trio.sleep(3)
        await answer.wait_gone()

    async def take_slowly(answer: Answer) -> None:
        answered.append(answer.message["id"])
        await trio.sleep(1)
        await answer.send(202)

    async with open_site(ScriptedEndpoint(on={"GET": ask, "POST": take_slowly})) as site:
        connector = HttpConnector("web", "http://backend.test/mcp", {}, site.open_stream, max_message_size=10_000)
        async with connector(Heard()) as session:
            await shake_hands(session, name="test", version="1")
            await trio.sleep(5)
            assert session.is_open
    assert sorted(map(str, answered)) == sorted(f"{wave}-{number}" for wave in range(2) for number in range(MOST_ANSWERS))


async def test_a_session_that_is_over_sends_nothing_more_although_it_has_not_been_left_yet(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def ask_late(answer: Answer) -> None:
        await answer.stream()
        await trio.sleep(5)
        await answer.event({"jsonrpc": "2.0", "id": "late", "method": "ping"})
        await answer.event({"jsonrpc": "2.0", "id": "late", "result": {}})
        await answer.wait_gone()

    endpoint = ScriptedEndpoint(on={"GET": ask_late})
    async with open_site(endpoint) as site:
        connector = HttpConnector("web", "http://backend.test/mcp", {}, site.open_stream, max_message_size=10_000)
        async with connector(Heard()) as session:
            assert isinstance(session, HttpSession)
            await shake_hands(session, name="test", version="1")
            await trio.sleep(1)
            session.close(Why("it refused a connection"))
            session.tell("notifications/roots/list_changed", {})
            await trio.sleep(10)
            assert endpoint.methods() == ["initialize", "notifications/initialized", "GET"]
    assert "no use" not in caplog.text


@pytest.mark.parametrize(("held", "declared", "waits"), [(0.3, True, 0.3), (60.0, True, 0.5), (60.0, False, 0.0)])
async def test_calls_of_a_client_that_can_be_asked_wait_for_the_stream_on_which_it_may_be(
    autojump_clock: trio.testing.MockClock, held: float, declared: bool, waits: float
) -> None:
    """A question that finds no stream is dropped by some servers, and then its call waits for the answer until it is cut."""

    async def begin_late(answer: Answer) -> None:
        await trio.sleep(held)
        await answer.stream()
        await answer.wait_gone()

    async with open_site(ScriptedEndpoint(on={"GET": begin_late})) as site:
        connector = HttpConnector("web", "http://backend.test/mcp", {}, site.open_stream, max_message_size=10_000)
        async with connector(Heard()) as session:
            await shake_hands(session, name="test", version="1", declared={"elicitation": EMPTY} if declared else {})
            began = trio.current_time()
            await session.request(Call.tool("echo"))
            assert trio.current_time() - began == pytest.approx(waits)
