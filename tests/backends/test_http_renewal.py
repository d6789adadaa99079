"""Conversations over HTTP that follow one another, and the streams of their own that they have. In memory, on the mock clock."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing
from tests.kit.calls import a_call
from tests.kit.endpoint import Answer, ScriptedEndpoint
from tests.kit.heard import Heard
from tests.kit.site import Site, open_site

from sluicegate.backends.handshake import shake_hands
from sluicegate.backends.http.connector import HttpConnector
from sluicegate.backends.http.session import HttpSession
from sluicegate.http1.server.server import HangUp
from sluicegate.protocol.calls import Call

Clock = trio.testing.MockClock
ALL = [
    *(f"notifications/{kind}/list_changed" for kind in ("tools", "resources", "prompts")),
    "notifications/resources/updated",
]
"""What counts as changed where something may have been missed."""


@asynccontextmanager
async def opened(endpoint: ScriptedEndpoint, heard: Heard | None = None) -> AsyncGenerator[tuple[HttpSession, Site]]:
    async with open_site(endpoint) as site:
        connector = HttpConnector("web", "http://backend.test/mcp", {}, site.open_stream)
        async with connector(heard or Heard()) as session:
            await shake_hands(session, name="test", version="1")
            assert isinstance(session, HttpSession)
            yield session, site


async def test_after_a_new_conversation_every_list_counts_as_changed_and_one_stream_is_open(autojump_clock: Clock) -> None:
    endpoint, heard = ScriptedEndpoint(), Heard()
    async with opened(endpoint, heard) as (session, site):
        await trio.sleep(1)
        assert (site.running, heard.methods) == (1, [])
        endpoint.forget()
        assert (await session.request(a_call())).fault is None
        await trio.sleep(1)
        assert (site.running, heard.methods) == (1, ["renewed", *ALL])
        assert endpoint.seen[-1].headers["mcp-session-id"] == "session-2"


@pytest.mark.parametrize(
    ("version", "session_id", "why"),
    [("1999-01-01", "s2", "it wants to speak protocol '1999-01-01'"), ("2025-11-25", "s\xe9", "no visible ASCII")],
)
async def test_a_new_conversation_that_cannot_be_used_ends_the_session(
    version: str, session_id: str, why: str, autojump_clock: Clock
) -> None:
    endpoint = ScriptedEndpoint()

    async def other(answer: Answer) -> None:
        await answer.result({"protocolVersion": version, "capabilities": {}, "serverInfo": {}}, mcp_session_id=session_id)

    async with opened(endpoint) as (session, _site):
        endpoint.forget()
        endpoint.on["initialize"] = other
        fault = (await session.request(a_call())).fault
        assert fault is not None
        assert (fault.reason, why in str(await session.wait_closed())) == ("backend_unavailable", True)
        assert "1999" not in fault.message


async def test_a_session_id_that_no_header_may_hold_opens_nothing(autojump_clock: Clock) -> None:
    endpoint = ScriptedEndpoint()

    async def odd(answer: Answer) -> None:
        await answer.result({"protocolVersion": "2025-11-25", "capabilities": {}}, mcp_session_id="s\xe9")

    endpoint.on["initialize"] = odd
    async with open_site(endpoint) as site, HttpConnector("web", "http://backend.test/mcp", {}, site.open_stream)(Heard()) as session:
        fault = (await session.request(Call("initialize", "initialize", {}))).fault
        assert fault is not None
        assert (fault.reason, "no visible ASCII" in fault.message) == ("bad_answer", True)


async def test_who_leaves_opens_no_stream_any_more(autojump_clock: Clock) -> None:
    """Not even when the conversation has just begun, and its first word is still on the way."""

    async def slowly(answer: Answer) -> None:
        await trio.sleep(0.5)
        await answer.send(202)

    async def farewell(answer: Answer) -> None:
        await trio.sleep(1)
        await answer.send(204)

    endpoint = ScriptedEndpoint(on={"notifications/initialized": slowly, "DELETE": farewell})
    async with opened(endpoint):
        await trio.testing.wait_all_tasks_blocked()
    assert endpoint.methods() == ["initialize", "notifications/initialized", "DELETE"]
    assert trio.current_time() == 1


async def test_who_leaves_ends_its_stream_before_it_says_so(autojump_clock: Clock) -> None:
    said: list[str] = []

    async def listen(answer: Answer) -> None:
        await answer.stream()
        await answer.wait_gone()
        said.append(f"gone at {trio.current_time()}")

    async def farewell(answer: Answer) -> None:
        await trio.sleep(1)
        said.append("farewell")
        await answer.send(204)

    async with opened(ScriptedEndpoint(on={"GET": listen, "DELETE": farewell})):
        await trio.sleep(3)
    assert said == ["gone at 3.0", "farewell"]


@pytest.mark.parametrize(("status", "times"), [(429, 4), (500, 4), (599, 4), (499, 1), (428, 1), (430, 1), (204, 1), (405, 1)])
async def test_a_stream_that_is_refused_for_now_is_asked_for_again(status: int, times: int, autojump_clock: Clock) -> None:
    async def refuse(answer: Answer) -> None:
        await answer.send(status)

    endpoint = ScriptedEndpoint(on={"GET": refuse})
    async with opened(endpoint):
        await trio.sleep(10)  # it is asked at once, and after 1, 3 and 7 seconds
    assert endpoint.methods().count("GET") == times


async def test_an_event_id_that_no_header_may_hold_makes_a_stream_begin_anew(autojump_clock: Clock) -> None:
    resumed, heard = list[str | None](), Heard()

    async def stream(answer: Answer) -> None:
        resumed.append(answer.headers.get("last-event-id"))
        await answer.stream()
        if len(resumed) < 4:
            await answer.event(id=("plain", "a\x01b", "é")[len(resumed) - 1])
            raise HangUp
        await answer.wait_gone()

    async with opened(ScriptedEndpoint(on={"GET": stream}), heard):
        await trio.sleep(10)
    assert resumed == [None, "plain", None, "é"]
    assert heard.methods == ALL  # something may have been said in between


async def test_calls_wait_for_a_conversation_that_is_being_opened(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    endpoint, answered = ScriptedEndpoint(), list[float]()

    async def slowly(answer: Answer) -> None:
        await trio.sleep(5)
        await endpoint.open(answer)

    async with opened(endpoint) as (session, _site):

        async def one(after: float) -> None:
            await trio.sleep(after)
            assert (await session.request(a_call())).fault is None
            answered.append(trio.current_time())

        endpoint.forget()
        endpoint.on["initialize"] = slowly
        for after in (0, 1, 2):
            nursery.start_soon(one, after)
        await trio.sleep(10)
        assert answered == pytest.approx([5, 5, 5])
        assert endpoint.methods().count("initialize") == 2
