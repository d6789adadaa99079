"""Whose call a backend's question is about, as far as the way on which it comes can tell; and that it gets one answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import trio
import trio.testing
from mcp.server.mcpserver import Context, MCPServer
from pydantic import BaseModel
from tests.kit.calls import a_call
from tests.kit.endpoint import Answer, ScriptedEndpoint
from tests.kit.heard import Heard
from tests.kit.site import open_site

from sluicegate.backends.channel import ChannelSession
from sluicegate.backends.handshake import shake_hands
from sluicegate.backends.http.connector import HttpConnector
from sluicegate.backends.inprocess import InProcessConnector
from sluicegate.backends.session import BackendSession
from sluicegate.channel.outbox import Outbox
from sluicegate.protocol.calls import SILENT, Back, Call, Reply
from sluicegate.protocol.clientele import MANY, Clientele
from sluicegate.protocol.faults import cannot_ask
from sluicegate.protocol.messages import Params, Raw, encode

QUESTION = b'{"jsonrpc":"2.0","id":%b,"method":"roots/list"}'
ROOTS = Reply(Raw(b'{"roots":[]}'))
DECLARED: Params = {"roots": Raw(b"{}"), "elicitation": Raw(b"{}")}


def one_client() -> Heard:
    clientele = Clientele()
    clientele.declare({"roots": {}, "elicitation": {}})
    return Heard(clientele=clientele)


async def on_its_way(session: ChannelSession, back: Back, nursery: trio.Nursery) -> None:
    """A call that was sent and waits for its answer."""
    nursery.start_soon(session.request, a_call(back=back))
    await trio.testing.wait_all_tasks_blocked()
    assert await session.next_frame() is not None


async def said(session: ChannelSession) -> Any:
    """The next message to the backend."""
    frame = await session.next_frame()
    assert frame is not None
    return msgspec.json.decode(frame)


class Refusing(Heard):
    """Cannot be asked."""

    def ask(self, question: object) -> Any:
        del question
        return cannot_ask()


# -- pipes


async def test_one_answer_goes_back_under_the_backends_own_id(nursery: trio.Nursery) -> None:
    session, back = ChannelSession("b", one_client()), Heard()
    await on_its_way(session, back, nursery)
    session.receive(QUESTION % b'"theirs"')
    (question,) = back.questions
    question.settle(ROOTS)
    question.settle(Reply())
    question.withdraw()
    assert await said(session) == {"jsonrpc": "2.0", "id": "theirs", "result": {"roots": []}}
    assert len(session.outbox) == 0
    nursery.cancel_scope.cancel()


async def test_a_token_in_a_question_is_the_backends_own_and_says_nothing_about_whose_it_is(nursery: trio.Nursery) -> None:
    """A server counts its tokens as we count our calls, so the numbers meet."""
    session, first, second = ChannelSession("b", one_client()), Heard(), Heard()
    await on_its_way(session, first, nursery)
    await on_its_way(session, second, nursery)
    session.receive(b'{"jsonrpc":"2.0","id":0,"method":"roots/list","params":{"_meta":{"progressToken":2}}}')
    assert [len(first.questions), len(second.questions)] == [1, 0]  # of one client: either would be right
    assert bytes(first.questions[0].params["_meta"]) == b'{"progressToken":2}'
    nursery.cancel_scope.cancel()


async def test_of_calls_that_a_question_could_be_about_the_one_that_was_asked_least_is_asked(nursery: trio.Nursery) -> None:
    session, backs = ChannelSession("b", one_client()), [Heard() for _ in range(3)]
    for back in backs:
        await on_its_way(session, back, nursery)
    for number in range(4):
        session.receive(QUESTION % b"%d" % number)
        for back in backs:
            for question in back.questions:
                question.settle(ROOTS)
    assert [len(back.questions) for back in backs] == [2, 1, 1]
    nursery.cancel_scope.cancel()


async def test_where_many_clients_share_a_backend_the_one_that_is_alone_is_not_asked(nursery: trio.Nursery) -> None:
    session, back = ChannelSession("b", Heard(clientele=MANY)), Heard()
    await on_its_way(session, back, nursery)
    session.receive(QUESTION % b"0", about=1)
    assert (await said(session))["error"]["code"] == -32601
    assert back.questions == []
    nursery.cancel_scope.cancel()


async def test_what_the_gateway_asks_for_itself_cannot_be_asked_back(nursery: trio.Nursery) -> None:
    session = ChannelSession("b", one_client())
    await on_its_way(session, SILENT, nursery)
    session.receive(QUESTION % b"0")
    assert (await said(session))["error"]["code"] == -32601
    nursery.cancel_scope.cancel()


async def test_of_several_calls_the_first_is_asked_that_takes_the_question(nursery: trio.Nursery) -> None:
    session, mute, back = ChannelSession("b", one_client()), Refusing(), Heard()
    await on_its_way(session, mute, nursery)
    await on_its_way(session, back, nursery)
    session.receive(QUESTION % b"0")
    assert len(back.questions) == 1
    nursery.cancel_scope.cancel()


async def test_a_call_that_has_not_left_is_not_what_a_question_is_about(nursery: trio.Nursery) -> None:
    session, back = ChannelSession("b", one_client()), Heard()
    nursery.start_soon(session.request, a_call(back=back))
    await trio.testing.wait_all_tasks_blocked()
    session.receive(QUESTION % b"0")
    assert back.questions == []
    nursery.cancel_scope.cancel()


async def test_of_several_calls_all_must_end_before_the_question_is_withdrawn(autojump_clock: trio.testing.MockClock) -> None:
    session, first, second = ChannelSession("b", one_client()), Heard(), Heard()
    async with trio.open_nursery() as nursery:
        await on_its_way(session, first, nursery)
        await on_its_way(session, second, nursery)
        session.receive(QUESTION % b"0")
        session.receive(b'{"jsonrpc":"2.0","id":1,"result":{}}')
        await trio.testing.wait_all_tasks_blocked()
        assert [question.is_over for question in first.questions] == [False]
        session.receive(b'{"jsonrpc":"2.0","id":2,"result":{}}')
        await trio.testing.wait_all_tasks_blocked()
        assert [question.is_over for question in first.questions] == [True]
        assert (await said(session))["error"]["code"] == -32800


async def test_the_end_of_a_session_withdraws_what_is_open(nursery: trio.Nursery) -> None:
    session, back = ChannelSession("b", one_client()), Heard()
    await on_its_way(session, back, nursery)
    session.receive(QUESTION % b"0")
    session.close("gone")
    assert back.questions[0].is_over
    back.questions[0].settle(ROOTS)
    assert session.duplex.theirs.running == {}


async def test_answers_wait_for_a_backend_that_does_not_read(nursery: trio.Nursery) -> None:
    session, back = ChannelSession("b", one_client(), outbox=Outbox(most=4)), Heard()
    await on_its_way(session, back, nursery)
    for number in range(6):
        session.receive(QUESTION % b"%d" % number)
    for question in back.questions:
        question.settle(ROOTS)
    assert [(await said(session))["id"] for _ in range(6)] == list(range(6))
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize("frame", [b'"requestId":0', b'"requestId":"0"', b'"requestId":null', b'"requestId":{}', b'"reason":"none"'])
async def test_what_is_taken_back_must_be_named_as_it_was(frame: bytes, nursery: trio.Nursery) -> None:
    session, back = ChannelSession("b", one_client()), Heard()
    await on_its_way(session, back, nursery)
    session.receive(QUESTION % b"0")
    session.receive(b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{%b}}' % frame)
    assert back.questions[0].is_over is (frame == b'"requestId":0')
    nursery.cancel_scope.cancel()


# -- in the process


class Name(BaseModel):
    name: str


async def test_a_server_object_says_whose_call_it_asks_for(autojump_clock: trio.testing.MockClock) -> None:
    server: MCPServer[None] = MCPServer("polite")

    @server.tool()
    async def who(ctx: Context, seconds: float) -> str:
        """Ask after a while."""
        await trio.sleep(seconds)
        answer = await ctx.elicit("who?", Name)
        return str(getattr(getattr(answer, "data", None), "name", answer.action))

    first, second, texts = Heard(), Heard(), dict[float, str]()
    async with InProcessConnector("b", server)(one_client()) as session, trio.open_nursery() as nursery:
        await shake_hands(session, name="t", version="1", declared=DECLARED)

        async def call(back: Heard, seconds: float) -> None:
            params = {"name": Raw(b'"who"'), "arguments": Raw(encode({"seconds": seconds}))}
            texts[seconds] = (await session.request(Call("tools/call", "who", params, back=back))).text

        nursery.start_soon(call, first, 2.0)
        nursery.start_soon(call, second, 1.0)
        await trio.sleep(3)
        assert [len(first.questions), len(second.questions)] == [1, 1]
        first.questions[0].settle(Reply(Raw(b'{"action":"accept","content":{"name":"Ann"}}')))
        second.questions[0].settle(Reply(Raw(b'{"action":"decline"}')))
    assert texts == {2.0: "Ann", 1.0: "decline"}


# -- HTTP


@asynccontextmanager
async def opened(endpoint: ScriptedEndpoint, inbox: Heard) -> AsyncGenerator[BackendSession, None]:
    async with open_site(endpoint) as site, HttpConnector("web", "http://backend.test/mcp", {}, site.open_stream)(inbox) as session:
        await shake_hands(session, name="test", version="1", declared=DECLARED)
        yield session


def asking(id: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": id, "method": "roots/list"}


async def test_each_question_belongs_to_the_call_on_whose_stream_it_comes(autojump_clock: trio.testing.MockClock) -> None:
    posted: list[dict[str, Any]] = []
    answered: dict[object, trio.Event] = {"a": trio.Event(), "b": trio.Event()}

    async def talk(answer: Answer) -> None:
        name = answer.message["params"]["name"]
        await answer.stream()
        await answer.event(asking(name))
        await answered[name].wait()
        await answer.event(answer.response(result={"for": name}))
        await answer.end()

    async def take(answer: Answer) -> None:
        posted.append(answer.message)
        answered[answer.message["id"]].set()
        await answer.send(202)

    backs = {"a": Heard(), "b": Heard()}
    replies: dict[str, Reply] = {}
    async with opened(ScriptedEndpoint({"tools/call": talk, "POST": take}), one_client()) as session, trio.open_nursery() as nursery:

        async def call(name: str) -> None:
            replies[name] = await session.request(a_call(name, back=backs[name]))

        for name in backs:
            nursery.start_soon(call, name)
        await trio.sleep(1)
        assert [len(back.questions) for back in backs.values()] == [1, 1]
        for name in ("b", "a"):
            backs[name].questions[0].settle(Reply(Raw(encode({"roots": [name]}))))
            await trio.sleep(1)
    assert {name: bytes(reply.result) for name, reply in replies.items()} == {"a": b'{"for":"a"}', "b": b'{"for":"b"}'}
    assert posted == [{"jsonrpc": "2.0", "id": name, "result": {"roots": [name]}} for name in ("b", "a")]


async def test_a_question_on_the_standing_stream_beside_no_call_is_refused(autojump_clock: trio.testing.MockClock) -> None:
    posted: list[dict[str, Any]] = []

    async def listen(answer: Answer) -> None:
        await answer.stream()
        await answer.event(asking("beside"))
        await answer.wait_gone()

    async def take(answer: Answer) -> None:
        posted.append(answer.message)
        await answer.send(202)

    async with opened(ScriptedEndpoint({"GET": listen, "POST": take}), one_client()):
        await trio.sleep(1)
    assert [(answer["id"], answer["error"]["code"]) for answer in posted] == [("beside", -32601)]


async def test_a_stream_that_breaks_off_while_a_person_is_asked_goes_on_with_his_answer(autojump_clock: trio.testing.MockClock) -> None:
    answered = trio.Event()

    async def talk(answer: Answer) -> None:
        await answer.stream()
        await answer.event(asking("q"), id="1")
        await answer.end()

    async def listen(answer: Answer) -> None:
        await answer.stream()
        if answer.headers.get("last-event-id") == "1":
            await answered.wait()
            await answer.event({"jsonrpc": "2.0", "id": 2, "result": {"late": True}}, id="2")
            await answer.end()
        else:
            await answer.wait_gone()

    async def take(answer: Answer) -> None:
        answered.set()
        await answer.send(202)

    back = Heard()
    endpoint = ScriptedEndpoint({"tools/call": talk, "GET": listen, "POST": take})
    async with opened(endpoint, one_client()) as session, trio.open_nursery() as nursery:

        async def answer() -> None:
            await trio.sleep(20)
            back.questions[0].settle(ROOTS)

        nursery.start_soon(answer)
        assert bytes((await session.request(a_call(back=back))).result) == b'{"late":true}'


async def test_a_session_that_is_left_withdraws_what_is_open(autojump_clock: trio.testing.MockClock) -> None:
    async def talk(answer: Answer) -> None:
        await answer.stream()
        await answer.event(asking("q"))
        await answer.wait_gone()

    back, replies = Heard(), list[Reply]()
    async with trio.open_nursery() as nursery:
        async with opened(ScriptedEndpoint({"tools/call": talk}), one_client()) as session:

            async def call() -> None:
                replies.append(await session.request(a_call(back=back)))

            nursery.start_soon(call)
            await trio.sleep(1)
            assert [question.is_over for question in back.questions] == [False]
        assert [question.is_over for question in back.questions] == [True]
    assert replies[0].fault is not None
