"""Subscriptions while backends change, and where they are cut: nothing of them is left behind, and none is lost that need not be."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
import trio
import trio.testing
from tests.flows.asked_clients import Crowd, crowd
from tests.flows.test_subscriptions import A, B, Clock, clients_of, count, leave, links, say, subscribe, updates
from tests.kit.watched import WatchedBackend

from sluicegate.config.model import BackendConfig
from sluicegate.frontends.client_home import ClientHome
from sluicegate.protocol.calls import Call, Caller, Reply
from sluicegate.protocol.messages import Raw, encode
from sluicegate.protocol.subscription import SUBSCRIBE, UNSUBSCRIBE
from sluicegate.testing import Trial, cancel_at_every_checkpoint
from sluicegate.testing.transports import Transport

sorts = pytest.mark.parametrize("sessions", ["shared", "per_client"])


@sorts
async def test_a_backend_that_is_removed_takes_its_subscriptions_with_it(sessions: str, autojump_clock: Clock) -> None:
    backend = WatchedBackend()
    async with clients_of(backend, 2, sessions=sessions) as here:
        for client in here.clients:
            await subscribe(client)
        await here.gateway.apply([])
        assert (count(here), backend.sessions) == (0, [])
        assert (await say(here.clients[0], "subscribe"))["error"]["code"] == -32602


@sorts
async def test_a_backend_that_is_replaced_hands_its_subscriptions_over(sessions: str, autojump_clock: Clock) -> None:
    old, new = WatchedBackend(), WatchedBackend()
    async with clients_of(old, 2, sessions=sessions) as here:
        await subscribe(here.clients[0])
        await subscribe(here.clients[1], B)
        await here.gateway.replace_backend(here.gateway.config.backends[0], new.connector)
        await trio.sleep(1)
        assert (old.sessions, new.watched, count(here), links(here)) == ([], ["file:///a", "file:///b"], 2, 2)
        assert [await updates(client) for client in here.clients] == [[{"uri": A}], [{"uri": B}]]
        new.update("file:///a")
        assert await updates(here.clients[0]) == [{"uri": A}]


async def test_clients_get_sessions_of_their_own_and_lose_them_with_what_they_have_subscribed_to(autojump_clock: Clock) -> None:
    backend = WatchedBackend()
    async with clients_of(backend, 2, sessions="shared") as here:
        for client in here.clients:
            await subscribe(client)
        config = here.gateway.config.backends[0]
        alone: list[tuple[BackendConfig, list[str]]] = [
            (attrs.evolve(config, sessions="per_client", max_sessions=10), ["file:///a", "file:///a"]),
            (config, ["file:///a"]),
        ]
        for settings, watched in alone:
            await here.gateway.apply([settings])
            await trio.sleep(1)
            assert (backend.watched, count(here)) == (watched, 2)


@pytest.mark.parametrize("change", [{"hide_resources": ("file:///a",)}, {"namespace": "c"}])
async def test_what_a_change_hides_or_renames_is_subscribed_to_no_more(change: dict[str, Any], autojump_clock: Clock) -> None:
    backend = WatchedBackend()
    async with clients_of(backend, 1, sessions="shared") as here:
        await subscribe(here.clients[0])
        await here.gateway.apply([attrs.evolve(here.gateway.config.backends[0], **change)])
        await trio.testing.wait_all_tasks_blocked()
        assert (backend.watched, count(here), links(here)) == ([], 0, 0)


async def test_a_clients_own_session_is_in_use_while_it_hears_of_resources(autojump_clock: Clock) -> None:
    backend = WatchedBackend()
    async with clients_of(backend, 2, sessions="per_client", session_idle_seconds=5.0) as here:
        for client in here.clients:
            await subscribe(client)
        await trio.sleep(100)
        assert backend.watched == ["file:///a", "file:///a"]
        assert (await say(here.clients[0], "unsubscribe"))["result"] == {}
        await trio.sleep(20)
        assert (len(backend.sessions), backend.watched) == (2, ["file:///a"])  # one that all share, and the other's
        await leave(here.clients[1])
        await trio.sleep(20)
        assert (len(backend.sessions), backend.watched, count(here)) == (1, [], 0)


async def test_a_backend_that_is_down_is_waited_for_and_not_for_ever(autojump_clock: Clock) -> None:
    backend = WatchedBackend()
    async with clients_of(backend, 1, sessions="shared") as here:
        backend.refuse = "not now"
        backend.crash()
        began = trio.current_time()
        assert "error" in await say(here.clients[0], "subscribe")
        assert trio.current_time() - began <= 30.5
        assert (links(here), count(here)) == (0, 0)
        backend.refuse = ""
        await trio.sleep(60)
        await subscribe(here.clients[0])


async def test_a_backend_that_never_answers_is_waited_for_so_long(autojump_clock: Clock) -> None:
    backend = WatchedBackend()
    async with clients_of(backend, 1, sessions="shared") as here:
        backend.holds = True
        began = trio.current_time()
        assert (await say(here.clients[0], "subscribe"))["error"]["data"]["reason"] == "timeout"
        assert trio.current_time() - began == pytest.approx(30.0, abs=0.5)
        backend.release()
        await trio.testing.wait_all_tasks_blocked()
        assert (links(here), count(here)) == (0, 0)


async def test_who_wants_what_another_is_about_to_get_waits_with_him(autojump_clock: Clock) -> None:
    backend = WatchedBackend()
    async with clients_of(backend, 3, sessions="shared") as here:
        backend.holds = True
        for number, client in enumerate(here.clients):
            await client.say(id=number, method=SUBSCRIBE, params={"uri": A})
        await trio.testing.wait_all_tasks_blocked()
        await here.clients[0].say(method="notifications/cancelled", params={"requestId": 0})
        backend.release()
        for number in (1, 2):
            assert await here.clients[number].hear() == {"jsonrpc": "2.0", "id": number, "result": {}}
        assert (backend.asked, count(here)) == ([("+", "file:///a")], 2)


async def test_who_leaves_while_the_backend_is_asked_is_not_subscribed(autojump_clock: Clock) -> None:
    backend = WatchedBackend()
    async with clients_of(backend, 2, sessions="shared") as here:
        backend.holds = True
        await here.clients[0].say(id=1, method=SUBSCRIBE, params={"uri": A})
        await trio.testing.wait_all_tasks_blocked()
        await leave(here.clients[0])
        backend.release()
        await trio.testing.wait_all_tasks_blocked()
        assert (backend.asked, links(here), count(here)) == ([("+", "file:///a"), ("-", "file:///a")], 0, 0)
        backend.holds = True  # the same while it is told that nobody wants it any more
        await here.clients[1].say(id=1, method=SUBSCRIBE, params={"uri": A})
        await trio.testing.wait_all_tasks_blocked()
        backend.release()
        await here.clients[1].hear()
        backend.holds = True
        assert (await say(here.clients[1], "unsubscribe"))["result"] == {}
        await here.clients[1].say(id=1, method=SUBSCRIBE, params={"uri": A})
        await trio.testing.wait_all_tasks_blocked()
        backend.release()
        await here.clients[1].hear()
        assert (backend.watched, links(here), count(here)) == (["file:///a"], 1, 1)


@pytest.mark.parametrize("ends", [True, False])
async def test_who_comes_when_another_has_just_gone_is_asked_for_by_the_same_task(ends: bool, autojump_clock: Clock) -> None:
    """Two tasks that ask about one resource would undo each other's work: the later unsubscribes for the earlier's sake."""
    backend = WatchedBackend()
    async with clients_of(backend, 2, sessions="shared") as here:
        one, other = here.clients
        if ends:  # the backend is being told that nobody wants it any more, when somebody comes and goes
            await subscribe(one)
            backend.holds = True
            assert (await say(one, "unsubscribe"))["result"] == {}
        backend.holds = True
        await one.say(id=1, method=SUBSCRIBE, params={"uri": A})
        await trio.testing.wait_all_tasks_blocked()
        await leave(one)
        await other.say(id=2, method=SUBSCRIBE, params={"uri": A})
        await trio.testing.wait_all_tasks_blocked()
        assert len(backend.held) == 1
        backend.release()
        assert await other.hear() == {"jsonrpc": "2.0", "id": 2, "result": {}}
        await trio.sleep(60)
        assert (backend.watched, links(here), count(here)) == (["file:///a"], 1, 1)
        backend.update("file:///a")
        assert await updates(other) == [{"uri": A}]


@sorts
@pytest.mark.parametrize("method", [SUBSCRIBE, UNSUBSCRIBE])
async def test_a_request_about_a_subscription_may_be_cut_after_any_step(sessions: str, method: str, autojump_clock: Clock) -> None:
    backend = WatchedBackend()
    async with crowd("http", Transport.FRAMES, backend, [{}], sessions=sessions) as here:
        await subscribe(here.clients[0], B)
        home = next(iter(here.gateway._app.sessions._sessions.values())).home
        assert isinstance(home, ClientHome)

        async def once() -> Reply:
            if method == UNSUBSCRIBE:
                assert (await ask(here, home, SUBSCRIBE)).fault is None
            return await ask(here, home, method)

        async def check(trial: Trial[Reply]) -> None:
            await trio.testing.wait_all_tasks_blocked()
            holds = len(home.subscribed)
            assert count(here) == holds == links(here) == len(backend.watched)
            if not trial.cut:
                assert holds == (2 if method == SUBSCRIBE else 1)
            home.subscribed.stop(A)
            await trio.testing.wait_all_tasks_blocked()
            assert (count(here), links(here), backend.watched) == (1, 1, ["file:///b"])

        assert await cancel_at_every_checkpoint(once, check) > 1


async def ask(here: Crowd, home: ClientHome, method: str) -> Reply:
    """A request as if it came in a client's session."""
    call = Call(method, A, {"uri": Raw(encode(A))}, Caller("2025-11-25", home=home))
    return await here.gateway._endpoint.own[method](call)
