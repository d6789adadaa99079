"""How many sessions of clients there may be at one backend, whose they are, and what a change of the configuration does to them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio
import trio.testing
from tests.flows.asked_clients import EVERYTHING, Crowd, Json, crowd
from tests.flows.test_sessions_of_clients import NOTHING, call, called, leave, tools
from tests.kit.personal import PersonalBackend

from sluicegate.config.model import BackendConfig
from sluicegate.frontends.app import App
from sluicegate.policies.settings import BreakerSettings, RetrySettings
from sluicegate.protocol.calls import Call
from sluicegate.protocol.principal import Principal
from sluicegate.testing.script import Answer, Ask, Delay, Hang, RpcError
from sluicegate.testing.transports import Transport

Clock = trio.testing.MockClock
backs = pytest.mark.parametrize("back", [Transport.FRAMES, Transport.CHILD])


@asynccontextmanager
async def gate(
    *steps: Any, clients: int, back: Transport = Transport.FRAMES, **settings: Any
) -> AsyncGenerator[tuple[Crowd, PersonalBackend], None]:
    backend = PersonalBackend(*steps, name="b")
    async with crowd("http", back, backend, [NOTHING] * clients, **settings) as here:
        yield here, backend


def count(here: Crowd) -> int:
    return len(here.gateway.backends["b"].clients or ())


def failed(answer: Json) -> str:
    reason: str = answer["error"]["data"]["reason"]
    return reason


@backs
async def test_above_the_bound_the_one_that_is_unused_for_longest_gives_way(back: Transport, autojump_clock: Clock) -> None:
    async with gate(clients=4, back=back, max_sessions=3) as (here, backend):
        for client in here.clients[:3]:
            await called(client)
            await trio.sleep(1)
        await called(here.clients[0])
        assert "result" in await called(here.clients[3])
        assert (count(here), [own.calls for _, own in backend.people]) == (3, [0, 2, 1, 1, 1])
        await called(here.clients[0])  # kept, since the second was unused for longer
        assert len(backend.people) == 5
        assert "result" in await called(here.clients[1])
        assert len(backend.people) == 6
        assert len(backend.sessions) == 4


@backs
async def test_where_all_are_in_use_a_call_is_refused_as_overload_and_is_retried_later(back: Transport, autojump_clock: Clock) -> None:
    async with gate(Delay(5), clients=3, back=back, max_sessions=2) as (here, backend):
        for client in here.clients[:2]:
            await call(client)
        await trio.sleep(1)
        refused = await called(here.clients[2])
        assert (failed(refused), refused["error"]["code"]) == ("overloaded", -32013)
        assert "has 2 sessions of clients, all of them in use" in refused["error"]["message"]
        await trio.sleep(5)
        assert "result" in await called(here.clients[2])
        assert len(backend.sessions) == 3


async def test_there_are_never_more_processes_than_the_bound_allows_however_sessions_come_and_go(autojump_clock: Clock) -> None:
    """What says goodbye counts."""
    async with gate(clients=30, back=Transport.CHILD, max_sessions=4) as (here, backend):
        most = 0

        async def come_and_go(number: int) -> None:
            await called(here.clients[number])
            await leave(here, number)

        async with trio.open_nursery() as nursery:
            for number in range(30):
                nursery.start_soon(come_and_go, number)
                await trio.sleep(0.01)
                most = max(most, len(backend.sessions))
        assert most <= 5
        await trio.sleep(20)
        assert len(backend.sessions) == 1


async def test_one_party_has_half_at_most_and_loses_its_own(autojump_clock: Clock) -> None:
    async with gate(Answer("x"), clients=6, max_sessions=6) as (here, _backend):
        for client in here.clients[:5]:
            client.http._transport.client = ("10.9.9.9", 1)  # type: ignore[attr-defined]
            client.session = ""  # type: ignore[attr-defined]
            await client.say(id=0, method="initialize", params={"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {}})
            await client.hear()
        for client in here.clients[:5]:
            assert "result" in await called(client)
        assert count(here) == 3
        assert "result" in await called(here.clients[5])
        assert count(here) == 4


async def test_one_party_that_uses_all_of_its_half_is_refused_and_others_are_not(autojump_clock: Clock) -> None:
    async with gate(Delay(5), clients=4, max_sessions=4) as (here, _backend):
        for client in here.clients[:3]:
            client.http._transport.client = ("10.9.9.9", 1)  # type: ignore[attr-defined]
            client.session = ""  # type: ignore[attr-defined]
            await client.say(id=0, method="initialize", params={"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {}})
            await client.hear()
        for client in here.clients[:2]:
            await call(client)
        await trio.sleep(1)
        refused = await called(here.clients[2])
        assert failed(refused) == "overloaded"
        assert "you have 2 sessions with backend 'b', all of them in use" in refused["error"]["message"]
        assert "result" in await called(here.clients[3])


async def test_while_the_backend_is_away_nobody_gets_a_session(autojump_clock: Clock) -> None:
    async with gate(clients=1) as (here, backend):
        backend.refuse = "gone fishing"
        backend.crash()
        await trio.sleep(5)
        people = len(backend.people)
        for _ in range(20):
            assert failed(await called(here.clients[0])) == "backend_unavailable"
        assert (len(backend.people), count(here)) == (people, 0)
        backend.refuse = ""
        await here.gateway.ready("b")
        assert "result" in await called(here.clients[0])


async def test_a_session_that_cannot_be_opened_fails_its_calls_and_is_tried_again(autojump_clock: Clock) -> None:
    async with gate(clients=1) as (here, backend):
        backend.refuse = "no more of you"
        assert failed(await called(here.clients[0])) == "backend_unavailable"
        backend.refuse = ""
        assert "result" in await called(here.clients[0])


async def test_the_breaker_is_one_for_all_of_a_backends_sessions(autojump_clock: Clock) -> None:
    breaker = BreakerSettings(minimum_calls=4)
    async with gate(RpcError(-32603, "down"), clients=6, circuit_breaker=breaker) as (here, _backend):
        ends = [(await called(client))["error"]["code"] for client in here.clients]
        assert ends == [-32603] * 4 + [ends[-1]] * 2
        assert here.gateway.policies["b"].is_open


async def test_a_copy_for_a_mirror_uses_the_shared_session(autojump_clock: Clock) -> None:
    async with gate(clients=1) as (here, _backend):
        shadow = PersonalBackend(name="m")
        mirror = BackendConfig("m", "inprocess", sessions="per_client", mirror_of="b")
        await here.gateway.add_backend(mirror, shadow.connector)
        assert "result" in await called(here.clients[0])
        await trio.sleep(1)
        assert [own.calls for _, own in shadow.people] == [1]


async def test_what_becomes_of_them_is_counted_and_what_they_ask_is_the_backends(autojump_clock: Clock) -> None:
    backend = PersonalBackend(Ask(), name="b")
    async with crowd("http", Transport.FRAMES, backend, [EVERYTHING] * 4, max_sessions=2) as here:
        for client in here.clients[:2]:
            await call(client)
        questions = [await client.hear() for client in here.clients[:2]]
        assert failed(await called(here.clients[2])) == "overloaded"
        told = here.gateway.statistics()
        assert attrs.asdict(told["client_sessions"]["b"]) == {"current": 2, "opened": 2, "refused": 1, "crowded_out": 0}
        assert attrs.asdict(told["backend"]["b"])["open_questions"] == 2
        for client, question in zip(here.clients, questions, strict=False):
            await client.say(id=question["id"], result={"action": "decline"})
            await client.hear()
        await call(here.clients[3])
        await here.clients[3].hear()
        told = here.gateway.statistics()
        assert attrs.asdict(told["client_sessions"]["b"]) == {"current": 2, "opened": 3, "refused": 1, "crowded_out": 1}
        assert attrs.asdict(told["backend"]["b"])["open_questions"] == 1


# -- changes of the configuration


async def changed(here: Crowd, **differences: Any) -> None:
    (config,) = here.gateway.config.backends
    await here.gateway.apply([attrs.evolve(config, **differences)])


@backs
@pytest.mark.parametrize(
    "differences", [{"hide_tools": ("x",)}, {"retry": RetrySettings()}, {"max_sessions": 7}], ids=["view", "policies", "bound"]
)
async def test_what_needs_no_other_connection_leaves_the_sessions_of_clients(
    back: Transport, differences: dict[str, Any], autojump_clock: Clock
) -> None:
    async with gate(clients=2, back=back) as (here, backend):
        for client in here.clients:
            await called(client)
        await changed(here, **differences)
        for client in here.clients:
            assert "result" in await called(client)
        assert [own.calls for _, own in backend.people] == [0, 2, 2]


async def test_a_lower_bound_and_a_shorter_rest_hold_from_the_next_session_on(autojump_clock: Clock) -> None:
    async with gate(clients=3, session_idle_seconds=100) as (here, backend):
        for client in here.clients[:2]:
            await called(client)
        await changed(here, max_sessions=1, session_idle_seconds=10)
        assert count(here) == 2
        assert "result" in await called(here.clients[2])
        await trio.sleep(101)
        assert (count(here), len(backend.sessions)) == (0, 1)


@backs
async def test_another_connection_lets_the_old_sessions_end_their_calls_and_begins_new_ones(back: Transport, autojump_clock: Clock) -> None:
    async with gate(Delay(5), clients=2, back=back) as (here, backend):
        for client in here.clients:
            await call(client)
        await trio.sleep(1)
        await changed(here, fidelity="strict")
        for client in here.clients:
            assert "result" in await client.hear()
            assert "result" in await called(client)
        assert [own.calls for _, own in backend.people] == [0, 1, 1, 0, 1, 1]
        assert (count(here), len(backend.sessions)) == (2, 3)


async def test_removal_ends_them_and_cuts_what_takes_too_long(autojump_clock: Clock) -> None:
    async with gate(Hang(), clients=2) as (here, backend):
        for client in here.clients:
            await call(client)
        await trio.sleep(1)
        assert await here.gateway.remove_backend("b")
        assert backend.sessions == []
        for client in here.clients:
            assert "error" in await client.hear()


async def test_from_shared_to_one_for_each_and_back(autojump_clock: Clock) -> None:
    async with gate(clients=2, sessions="shared") as (here, backend):
        for sessions, people in (("shared", 1), ("per_client", 4), ("shared", 5)):
            if sessions != "shared" or people > 1:
                await changed(here, sessions=sessions)
            for client in here.clients:
                assert await tools(client) == ["b_echo"]
                assert "result" in await called(client)
            assert len(backend.people) == people
        assert len(backend.sessions) == 1


async def test_whoever_speaks_in_a_session_it_is_the_same_clients(autojump_clock: Clock) -> None:
    """What a client may do can be another thing with each of its requests; its session with the backend is one."""
    backend = PersonalBackend(name="b")
    async with crowd("http", Transport.FRAMES, backend, [EVERYTHING]) as here:
        app = here.gateway.asgi_app
        assert isinstance(app, App)
        (session,) = app.sessions._sessions.values()
        for role in ("reader", "writer", "reader"):
            caller = attrs.evolve(session.caller, principal=Principal("ada", roles=frozenset({role})))
            one = Call.tool("b_echo")
            one.caller = caller
            assert (await here.gateway.handler(one)).fault is None
        assert len(backend.people) == 2  # that of all, and one
