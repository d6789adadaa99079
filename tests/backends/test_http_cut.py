"""The HTTP backend, cut at every step: whoever is cancelled wherever leaves nothing behind."""

from typing import Protocol

import pytest
import trio
from tests.kit.endpoint import Answer, ScriptedEndpoint
from tests.kit.heard import Heard
from tests.kit.site import open_site

from sluicegate.backends.handshake import HandshakeFailed, shake_hands
from sluicegate.backends.http.connector import HttpConnector
from sluicegate.backends.http.session import HttpSession
from sluicegate.protocol.calls import Call
from sluicegate.protocol.messages import Raw
from sluicegate.testing.scissors import cut_after


class Cut(Protocol):
    """Runs the scene, cut after so many steps; whether it was through before."""

    async def __call__(self, step: int, *, lose: bool) -> bool: ...


async def talk(answer: Answer) -> None:
    """An answer in four pieces, a pause between them, broken once."""
    await answer.stream()
    await answer.event(id="e1")
    await trio.sleep(1)
    await answer.event({"jsonrpc": "2.0", "method": "notifications/message", "params": {}})
    await trio.sleep(1)
    await answer.event(answer.response(result={}))
    await answer.end()


def call() -> Call:
    return Call("tools/call", "x", {"name": Raw(b'"x"')})


async def cut_all(step: int, *, lose: bool) -> bool:
    """Open, call and leave, cut after that many steps; whether it was through before."""
    through = False
    endpoint = ScriptedEndpoint(on={"tools/call": talk})
    async with open_site(endpoint) as site:
        with cut_after(step) as scope:
            try:
                async with HttpConnector("web", "http://backend.test/mcp", {}, site.open_stream)(Heard()) as session:
                    await shake_hands(session, name="test", version="1")
                    if lose:
                        endpoint.forget()
                    through = (await session.request(call())).fault is None
            except* HandshakeFailed:
                pass
        assert site.open == 0
    return through and not scope.cancelled_caught


async def cut_call(step: int, *, lose: bool) -> bool:
    """Cut one call after that many steps; the backend hears of it, and the next call works."""
    endpoint = ScriptedEndpoint(on={"tools/call": talk})
    async with open_site(endpoint) as site:
        async with HttpConnector("web", "http://backend.test/mcp", {}, site.open_stream)(Heard()) as session:
            await shake_hands(session, name="test", version="1")
            await trio.testing.wait_all_tasks_blocked()
            if lose:
                endpoint.forget()
            with cut_after(step) as scope:
                await session.request(call())
            await trio.testing.wait_all_tasks_blocked()
            assert isinstance(session, HttpSession)
            assert session.wire.client.busy == 1  # the standing stream
            if scope.cancelled_caught:
                assert_told(endpoint, lose=lose)
            assert (await session.request(call())).fault is None
        assert site.open == 0
    return not scope.cancelled_caught


def assert_told(endpoint: ScriptedEndpoint, *, lose: bool) -> None:
    """Every call that arrived under the living session and was not answered has been cancelled."""
    living = [answer for answer in endpoint.seen if answer.headers.get("mcp-session-id") == endpoint.session]
    asked = {answer.message["id"] for answer in living if answer.method == "tools/call"}
    told = {answer.message["params"]["requestId"] for answer in endpoint.seen if answer.method == "notifications/cancelled"}
    assert asked <= told
    assert lose or len(asked) <= 1


@pytest.mark.parametrize("cut", [cut_all, cut_call])
@pytest.mark.parametrize("lose", [False, True], ids=["plain", "session lost"])
async def test_a_cut_at_any_step_leaves_nothing_behind(cut: Cut, lose: bool, autojump_clock: trio.testing.MockClock) -> None:
    for step in range(1, 300):
        if await cut(step, lose=lose):
            break
    assert 5 < step < 299


async def test_of_a_call_that_was_cut_while_it_waited_for_a_connection_the_backend_never_hears(
    autojump_clock: trio.testing.MockClock,
) -> None:
    endpoint = ScriptedEndpoint()
    is_slow = False

    async def open_stream(host: str, port: int) -> trio.abc.Stream:
        if is_slow:
            await trio.sleep(2)
        return await site.open_stream(host, port)

    async with open_site(endpoint) as site, HttpConnector("web", "http://backend.test/mcp", {}, open_stream)(Heard()) as session:
        await shake_hands(session, name="test", version="1")
        await trio.sleep(10)  # no connection is kept for so long
        is_slow = True
        with trio.move_on_after(1):
            await session.request(call())
        await trio.sleep(10)
        assert {"tools/call", "notifications/cancelled"} & set(endpoint.methods()) == set()
        assert (await session.request(call())).fault is None
