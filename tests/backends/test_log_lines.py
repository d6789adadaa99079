"""What a backend logs goes to the call that it says it is about, else to the gateway's own log: never to whoever happens to be alone."""

from __future__ import annotations

import logging

import pytest
import trio
import trio.testing
from mcp.server.mcpserver import Context, MCPServer
from tests.kit.calls import a_call
from tests.kit.heard import Heard

from sluicegate.backends.channel import ChannelSession
from sluicegate.backends.handshake import shake_hands
from sluicegate.backends.inprocess import InProcessConnector
from sluicegate.protocol.calls import Call
from sluicegate.protocol.messages import Raw, encode

SECRET = b'{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"error","data":"password of another"%b}}'
ANSWER = b'{"jsonrpc":"2.0","id":%d,"result":{}}'


async def on_its_way(session: ChannelSession, back: Heard, nursery: trio.Nursery, token: bytes = b'"mine"') -> None:
    """A call that has been sent and waits for its answer."""
    nursery.start_soon(session.request, a_call(back=back, _meta=b'{"progressToken":%b}' % token))
    await trio.testing.wait_all_tasks_blocked()
    assert await session.next_frame() is not None


@pytest.mark.parametrize("ending", ["answered", "cancelled"])
async def test_what_is_logged_after_the_end_of_a_call_reaches_no_other_caller(
    ending: str, autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    session, first, second = ChannelSession("files", Heard()), Heard(), Heard()
    caplog.set_level(logging.INFO)
    async with trio.open_nursery() as nursery:
        with trio.move_on_after(1):
            async with trio.open_nursery() as calls:
                await on_its_way(session, first, calls)
                if ending == "answered":
                    session.receive(ANSWER % 1)
        if ending == "cancelled":
            await session.next_frame()
        await on_its_way(session, second, nursery)
        session.receive(SECRET % b"")
        nursery.cancel_scope.cancel()

    assert first.notes + second.notes == []
    assert [(record.backend, record.severity, record.said) for record in caplog.records] == [  # type: ignore[attr-defined]
        ("files", "error", '"password of another"')
    ]


async def test_a_log_line_with_the_token_of_a_call_reaches_it_under_the_callers_own(nursery: trio.Nursery) -> None:
    session, first, second = ChannelSession("files", Heard()), Heard(), Heard()
    await on_its_way(session, first, nursery)
    await on_its_way(session, second, nursery)

    session.receive(SECRET % b',"_meta":{"progressToken":1,"x":2}')

    assert [note["params"]["_meta"] for note in first.messages] == [{"progressToken": "mine", "x": 2}]
    assert second.notes == []
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize("token", [b"2", b"0", b"-1", b'"1"', b"null", b"1.5", b"{}"])
async def test_a_log_line_with_a_token_that_no_call_has_reaches_none(token: bytes, nursery: trio.Nursery) -> None:
    session, back = ChannelSession("files", Heard()), Heard()
    await on_its_way(session, back, nursery)

    session.receive(SECRET % b',"_meta":{"progressToken":%b}' % token)

    assert back.notes == []
    nursery.cancel_scope.cancel()


async def test_a_call_that_gave_no_token_is_not_known_by_one(nursery: trio.Nursery) -> None:
    session, back = ChannelSession("files", Heard()), Heard()
    await on_its_way(session, back, nursery, b"null")

    session.receive(SECRET % b',"_meta":{"progressToken":1}')

    assert back.notes == []
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize(("level", "written"), [("debug", "DEBUG"), ("notice", "DEBUG"), ("warning", "INFO"), ("\x1b[2Jodd", "INFO")])
async def test_the_log_has_it_shortened_and_without_control_characters(level: str, written: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    params = {"level": level, "data": "\x1b[31m" + "x" * 100_000}
    line = Raw(b'{"jsonrpc":"2.0","method":"notifications/message","params":%b}')

    ChannelSession("files", Heard()).receive(bytes(line) % encode(params))

    (record,) = caplog.records
    assert record.levelname == written
    assert len(record.said) < 600  # type: ignore[attr-defined]
    assert "\x1b" not in record.severity + record.said  # type: ignore[attr-defined]


@pytest.mark.filterwarnings("ignore:The logging capability is deprecated")
async def test_a_server_object_says_itself_which_call_its_log_lines_are_about(autojump_clock: trio.testing.MockClock) -> None:
    server: MCPServer[None] = MCPServer("loud")

    @server.tool()
    async def tell(what: str, ctx: Context, after: float = 0.0) -> str:
        await trio.sleep(after)
        await ctx.session.send_log_message("info", what, related_request_id=ctx.request_id)
        await ctx.session.send_log_message("info", f"{what}, to whom it may concern")
        await trio.sleep(1)
        return what

    one, two = Heard(), Heard()
    async with InProcessConnector("loud", server)(Heard()) as session:
        await shake_hands(session, name="test", version="1")
        async with trio.open_nursery() as nursery:
            for back, what in ((one, "a"), (two, "b")):
                arguments = Raw(b'{"what":"%b"}' % what.encode())
                nursery.start_soon(session.request, Call("tools/call", "tell", {"name": Raw(b'"tell"'), "arguments": arguments}, back=back))
        nursery.cancel_scope.cancel()

    assert [note["params"]["data"] for note in one.messages] == ["a"]
    assert [note["params"]["data"] for note in two.messages] == ["b"]
