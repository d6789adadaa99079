"""What a backend says in a client's session about none of its calls, and while the session is being opened: to that client or to nobody."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from tests.flows.asked_clients import EVERYTHING, Client, Crowd, HttpClient, Json, crowd
from tests.flows.test_sessions_of_clients import NOTHING, call, called, tools
from tests.kit.personal import PersonalBackend

from sluicegate.testing.script import Answer, Delay
from sluicegate.testing.transports import Transport

Clock = trio.testing.MockClock
fronts = pytest.mark.parametrize("front", ["stdio", "http"])
backs = pytest.mark.parametrize("back", [Transport.FRAMES, Transport.CHILD])
ROOTS = b'{"jsonrpc":"2.0","id":"q","method":"roots/list"}'


def line(text: str, meta: str = "") -> bytes:
    params = f'{{"level":"error","data":"{text}"{meta}}}'
    return b'{"jsonrpc":"2.0","method":"notifications/message","params":%b}' % params.encode()


async def heard(client: Client, seconds: float = 1) -> list[Json]:
    """What comes within that time."""
    messages: list[Json] = []
    with trio.move_on_after(seconds):
        while True:
            messages.append(await client.hear())
    return messages


async def listening(here: Crowd, nursery: trio.Nursery) -> None:
    """Have every client listen to what is about none of its requests."""
    for client in here.clients:
        if isinstance(client, HttpClient):
            nursery.start_soon(client.listen)
    await trio.sleep(1)


@fronts
@backs
async def test_a_log_line_about_no_call_reaches_the_client_of_the_session_and_no_other(
    front: str, back: Transport, autojump_clock: Clock
) -> None:
    backend = PersonalBackend(name="b", capabilities={"logging": {}})
    async with crowd(front, back, backend, [NOTHING] * 2) as here, trio.open_nursery() as nursery:
        await listening(here, nursery)
        for client in here.clients:
            await called(client)
        shared, first, _second = backend.sessions
        shared.receive(line("to nobody"))
        first.receive(line("to one"))
        first.receive(line("late", ',"_meta":{"progressToken":1}'))  # of a call that is over, as whose token is that number here
        said = [await heard(client) for client in here.clients]
        assert [[message["params"]["data"] for message in messages] for messages in said] == [["to one"], []]
        nursery.cancel_scope.cancel()


async def test_a_client_over_http_that_does_not_listen_misses_what_is_about_no_call(autojump_clock: Clock) -> None:
    backend = PersonalBackend(name="b", capabilities={"logging": {}})
    async with crowd("http", Transport.FRAMES, backend, [NOTHING]) as here:
        await called(here.clients[0])
        backend.sessions[1].receive(line("to nobody"))
        assert await heard(here.clients[0]) == []


@fronts
@backs
async def test_a_question_about_no_call_reaches_the_client_of_the_session(front: str, back: Transport, autojump_clock: Clock) -> None:
    backend = PersonalBackend(name="b")
    async with crowd(front, back, backend, [EVERYTHING] * 2) as here, trio.open_nursery() as nursery:
        await listening(here, nursery)
        for client in here.clients:
            await called(client)
        backend.sessions[2].receive(ROOTS)
        question = await here.clients[1].hear()
        assert question["method"] == "roots/list"
        assert await heard(here.clients[0]) == []
        await here.clients[1].say(id=question["id"], result={"roots": []})
        await trio.sleep(1)
        (answer,) = backend.people[2][1].answers
        assert (answer.key, bytes(answer.result or b"")) == ("q", b'{"roots":[]}')
        nursery.cancel_scope.cancel()


async def test_a_question_about_no_call_is_refused_where_the_client_does_not_listen(autojump_clock: Clock) -> None:
    backend = PersonalBackend(name="b")
    async with crowd("http", Transport.FRAMES, backend, [EVERYTHING]) as here:
        await called(here.clients[0])
        backend.sessions[1].receive(ROOTS)
        await trio.sleep(1)
        (answer,) = backend.people[1][1].answers
        assert b"cannot be reached" in bytes(answer.error or b"")


async def test_a_question_about_no_call_ends_with_the_clients_session(autojump_clock: Clock) -> None:
    backend = PersonalBackend(name="b")
    async with crowd("http", Transport.FRAMES, backend, [EVERYTHING]) as here, trio.open_nursery() as nursery:
        await listening(here, nursery)
        client = here.clients[0]
        assert isinstance(client, HttpClient)
        await called(client)
        backend.sessions[1].receive(ROOTS)
        await client.hear()
        await client.http.delete("/mcp", headers={"mcp-session-id": client.session})
        await trio.sleep(10)
        assert len(backend.sessions) == 1
        nursery.cancel_scope.cancel()


@fronts
@pytest.mark.parametrize("method", ["tools/call", "tools/list"])
async def test_what_a_backend_asks_before_it_takes_calls_goes_with_the_request_that_waits(
    front: str, method: str, autojump_clock: Clock
) -> None:
    """Many servers ask for the roots as soon as they may, and answer nothing before they have them."""
    backend = PersonalBackend(name="b", asks_first=ROOTS)
    async with crowd(front, Transport.FRAMES, backend, [EVERYTHING, {"sampling": {}}]) as here:
        client = here.clients[0]
        await (call(client) if method == "tools/call" else client.say(id=7, method=method))
        question = await client.hear()
        assert question["method"] == "roots/list"
        await client.say(id=question["id"], result={"roots": [{"uri": "file:///home/ann"}]})
        assert (await client.hear())["id"] == 7
        assert [own.answers[0].key for _, own in backend.people if own.answers] == ["q"]


@fronts
async def test_lists_that_change_are_told_to_those_who_see_them(front: str, autojump_clock: Clock) -> None:
    backend = PersonalBackend(name="b", more={"sampling": ["think"]})
    async with crowd(front, Transport.FRAMES, backend, [NOTHING, {"sampling": {}}, {"sampling": {"x": 1}}, {"roots": {}}]) as here:
        assert [len(await tools(client)) for client in here.clients] == [1, 2, 2, 1]
        own = backend.people[1]
        assert own[0] == {"sampling": {}}
        own[1].lists["tools"].append({"name": "more", "inputSchema": {"type": "object"}})
        backend.sessions[1].receive(b'{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}')
        await trio.sleep(2)
        sessions = here.gateway._app.sessions._sessions.values()
        if front == "http":
            assert [bool(session.changes) for session in sessions] == [False, True, True, False]
        assert [await tools(client) for client in here.clients] == [
            ["b_echo"],
            ["b_echo", "b_think", "b_more"],
            ["b_echo", "b_think", "b_more"],
            ["b_echo"],
        ]


async def test_who_is_offered_the_same_shares_one_catalogue_whatever_else_he_can_be_asked(autojump_clock: Clock) -> None:
    """Clients choose what they declare, and each catalogue is a merge of all lists."""
    backend = PersonalBackend(name="b", more={"sampling": ["think"]})
    can: list[Json] = [{"sampling": {}}, {"sampling": {"tools": {}}}, {"sampling": {}, "roots": {}}, {"roots": {}}, {"elicitation": {}}]
    async with crowd("http", Transport.FRAMES, backend, can) as here:
        assert [len(await tools(client)) for client in here.clients] == [2, 2, 2, 1, 1]
        apart = here.gateway._fleet.directory._apart
        assert sorted(apart) == ["roots sampling", "sampling", "sampling sampling.tools"]
        assert len({id(catalogue.pages) for catalogue in apart.values()}) == 1


async def test_first_lists_bring_no_news(autojump_clock: Clock) -> None:
    """Nobody had read another one before."""
    backend = PersonalBackend(name="b", more={"sampling": ["think"]})
    async with crowd("http", Transport.FRAMES, backend, [{"sampling": {}}] * 2) as here:
        assert [len(await tools(client)) for client in here.clients] == [2, 2]
        assert [bool(session.changes) for session in here.gateway._app.sessions._sessions.values()] == [False, False]


async def test_who_saw_what_is_offered_to_all_hears_when_more_is_known(autojump_clock: Clock) -> None:
    """A list is not failed for want of a session."""
    backend = PersonalBackend(name="b", more={"sampling": ["think"]})
    async with crowd("http", Transport.FRAMES, backend, [{"sampling": {}}]) as here:
        backend.refuse = "not now"
        assert await tools(here.clients[0]) == ["b_echo"]
        backend.refuse = ""
        await trio.sleep(5)
        (session,) = here.gateway._app.sessions._sessions.values()
        assert session.changes.take() == [("notifications/tools/list_changed", {})]
        assert await tools(here.clients[0]) == ["b_echo", "b_think"]


async def test_a_call_by_a_name_that_only_a_session_of_the_clients_own_has_opens_it(autojump_clock: Clock) -> None:
    """With filters nothing may be called but what is listed."""
    backend = PersonalBackend(Answer("x"), name="b", more={"sampling": ["think"]})
    async with crowd("http", Transport.FRAMES, backend, [{"sampling": {}}, NOTHING], hide_tools=("hidden",)) as here:
        mine, other = here.clients
        assert (await called(mine, name="b_think"))["result"]["content"][0]["text"] == "x"
        assert (await called(other, name="b_think"))["error"]["code"] == -32602
        assert (await called(mine, name="b_nothing"))["error"]["code"] == -32602
        assert len(backend.people) == 2


async def test_filters_and_aliases_hold_for_what_single_clients_are_offered(autojump_clock: Clock) -> None:
    backend = PersonalBackend(name="b", more={"sampling": ["think", "secret"]})
    async with crowd("http", Transport.FRAMES, backend, [{"sampling": {}}], hide_tools=("secret",), namespace="n") as here:
        assert await tools(here.clients[0]) == ["n_echo", "n_think"]
        assert (await called(here.clients[0], name="n_secret"))["error"]["code"] == -32602


async def test_what_was_read_on_a_session_that_is_gone_holds_until_something_else_is_offered(autojump_clock: Clock) -> None:
    backend = PersonalBackend(Delay(1), name="b", more={"sampling": ["think"]})
    async with crowd("http", Transport.FRAMES, backend, [{"sampling": {}}], session_idle_seconds=5) as here:
        assert len(await tools(here.clients[0])) == 2
        await trio.sleep(10)
        assert len(await tools(here.clients[0])) == 2
        assert len(backend.people) == 2  # it was not opened for that
        backend.lists["tools"].append({"name": "more", "inputSchema": {"type": "object"}})
        backend.people[0][1].lists["tools"].append({"name": "more", "inputSchema": {"type": "object"}})
        backend.sessions[0].receive(b'{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}')
        await trio.sleep(2)
        assert await tools(here.clients[0]) == ["b_echo", "b_more", "b_think"]
        assert len(backend.people) == 3


async def test_what_a_client_declares_beyond_the_protocol_makes_it_no_client_of_another_kind(autojump_clock: Clock) -> None:
    backend = PersonalBackend(name="b")
    async with crowd("http", Transport.FRAMES, backend, [{"sampling": {"x": [1]}}, {"sampling": {"y": 2}}]) as here:
        for client in here.clients:
            await tools(client)
        assert [can for can, _ in backend.people] == [{}, {"sampling": {"x": [1]}}]


@fronts
@backs
async def test_that_a_url_is_done_with_reaches_the_client_of_the_session_and_no_other(
    front: str, back: Transport, autojump_clock: Clock
) -> None:
    backend = PersonalBackend(name="b")
    done = b'{"jsonrpc":"2.0","method":"notifications/elicitation/complete","params":{"elicitationId":"%b"}}'
    async with crowd(front, back, backend, [EVERYTHING] * 2) as here, trio.open_nursery() as nursery:
        await listening(here, nursery)
        for client in here.clients:
            await called(client)
        shared, first, _second = backend.sessions
        shared.receive(done % b"nobody's")
        first.receive(done % b"one's")
        said = [await heard(client) for client in here.clients]
        assert [[message["params"] for message in messages] for messages in said] == [[{"elicitationId": "one's"}], []]
        nursery.cancel_scope.cancel()
