"""Backends that know no ping: their calls show how they are."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
import trio.testing

from sluicegate.backends.backend import Backend
from sluicegate.backends.channel import ChannelSession
from sluicegate.backends.health import Health
from sluicegate.backends.link import Link
from sluicegate.backends.session import BackendSession, Inbox
from sluicegate.backends.supervisor import Supervisor
from sluicegate.policies.deadline import AttemptDeadline
from sluicegate.policies.lifetime import CallDeadline, Lifetime
from sluicegate.policies.settings import HealthSettings, RestartSettings
from sluicegate.protocol import faults
from sluicegate.protocol.calls import Call, Handler
from sluicegate.protocol.messages import Request, decode, encode, encode_error, encode_result
from sluicegate.testing.scissors import cut_after

HELLO = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "s", "version": "1"}}
BROKEN = b'{"code":-32603,"message":"broken"}'
MISTAKE = b'{"code":-32602,"message":"no such tool"}'


@attrs.define(eq=False)
class Peer:
    """A backend without ping."""

    error: bytes = b""
    hangs: bool = False
    knows_ping: bool = False
    mute_until: float = 0.0
    """No ping is answered before."""
    pings: list[float] = attrs.field(factory=list)
    sessions: list[ChannelSession] = attrs.field(factory=list)
    transport: str = "odd"

    @asynccontextmanager
    async def __call__(self, inbox: Inbox) -> AsyncGenerator[BackendSession, None]:
        session = ChannelSession("b", inbox)
        self.sessions.append(session)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._converse, session)
                yield session
                nursery.cancel_scope.cancel()
        finally:
            session.close("left")

    async def _converse(self, session: ChannelSession) -> None:
        while (frame := await session.next_frame()) is not None:
            message = decode(frame)
            silent = isinstance(message, Request) and message.method == "ping" and trio.current_time() < self.mute_until
            if isinstance(message, Request) and not silent and not (message.method == "tools/call" and self.hangs):
                session.receive(self._answer(message))

    def _answer(self, request: Request) -> bytes:
        error = self.error if request.method == "tools/call" else b""
        if request.method == "ping":
            self.pings.append(trio.current_time())
            error = b"" if self.knows_ping else b'{"code":-32601,"message":"what is that?"}'
        result = {"initialize": HELLO, "tools/list": {"tools": []}}.get(request.method, {})
        return encode_error(request.id, error) if error else encode_result(request.id, encode(result))


@asynccontextmanager
async def judged_by_calls(peer: Peer, **settings: float) -> AsyncGenerator[Backend, None]:
    """A backend at second 11, one second after it has said that it knows no ping."""
    backend = Backend(Link("b", peer, health=Health("b", HealthSettings(**settings))))  # type: ignore[arg-type]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Supervisor(backend.link, RestartSettings(1.0, 8.0, 3, 60.0), 5, random.Random(1)).run)
        await trio.sleep_until(11)
        yield backend
        nursery.cancel_scope.cancel()


async def call(backend: Handler, times: int = 1) -> None:
    for _call in range(times):
        await backend(Call("tools/call", "t", {}))


def available(backend: Backend) -> bool:
    return backend.is_available


def health_of(backend: Backend) -> Health:
    assert backend.health is not None
    return backend.health


def changes(backend: Backend) -> list[tuple[float, bool]]:
    return [(change.at, change.healthy) for change in health_of(backend).events]


async def test_one_that_knows_no_ping_is_asked_once_and_healthy(autojump_clock: trio.testing.MockClock) -> None:
    """HC-3: a backend without ping is judged by its calls."""
    peer = Peer()
    async with judged_by_calls(peer) as backend:
        await trio.sleep_until(100)
        assert (peer.pings, backend.is_available, health_of(backend).knows_ping) == ([10], True, False)


async def test_that_it_knows_no_ping_is_an_answer_that_ends_the_row_of_failures(autojump_clock: trio.testing.MockClock) -> None:
    peer = Peer(mute_until=25)
    async with judged_by_calls(peer, timeout_seconds=1) as backend:
        await trio.sleep_until(29)
        assert (health_of(backend).failures, health_of(backend).knows_ping) == (2, True)
        await trio.sleep_until(31)
        assert (health_of(backend).failures, health_of(backend).knows_ping, health_of(backend).error) == (0, False, "")
        assert (health_of(backend).successes, health_of(backend).last_at) == (1, 30)


async def test_who_was_found_unhealthy_by_its_pings_and_then_knows_none_may_be_tried_at_once(
    autojump_clock: trio.testing.MockClock,
) -> None:
    peer = Peer(mute_until=35)
    async with judged_by_calls(peer, timeout_seconds=1, healthy_threshold=2) as backend:
        await trio.sleep_until(39)
        assert not available(backend)
        await trio.sleep_until(41)
        assert available(backend)
        await call(backend)
        assert changes(backend) == [(0, True), (31, False), (41, True)]


async def test_failures_in_a_row_make_it_unhealthy_and_a_success_healthy(autojump_clock: trio.testing.MockClock) -> None:
    """HC-3, HC-4: with the cause of the last one."""
    peer = Peer(BROKEN)
    async with judged_by_calls(peer) as backend:
        await call(backend, 2)
        peer.error = b""
        await call(backend)
        peer.error = BROKEN
        await call(backend, 2)
        assert (health_of(backend).failures, backend.is_available) == (2, True)
        await call(backend)
        assert (health_of(backend).error, backend.is_available) == ("broken", False)
        peer.error = b""
        await call(backend)
        assert (health_of(backend).error, backend.is_available) == ("", True)
        assert changes(backend) == [(0, True), (11, False), (11, True)]


@pytest.mark.parametrize(
    "error", [b"", MISTAKE, *(b'{"code":%d,"message":"no"}' % code for code in (-32601, -32002, -32042, -32020, -32800))]
)
async def test_a_clients_mistake_does_not_speak_against_it_but_shows_that_it_is_there(
    error: bytes, autojump_clock: trio.testing.MockClock
) -> None:
    peer = Peer(BROKEN)
    async with judged_by_calls(peer) as backend:
        await call(backend, 2)
        peer.error = error
        await call(backend)
        assert health_of(backend).failures == 0


async def test_what_never_reached_it_says_nothing(autojump_clock: trio.testing.MockClock) -> None:
    async with judged_by_calls(Peer(BROKEN)) as backend:
        await call(backend, 2)
        for fault in (faults.unavailable("b", "x"), faults.overloaded("t", "x"), faults.circuit_open("b", 1), faults.cancelled()):
            health_of(backend).note(fault)
        assert health_of(backend).failures == 2


async def test_while_it_is_unhealthy_one_call_in_every_interval_may_try(autojump_clock: trio.testing.MockClock) -> None:
    """Else nobody would ever send it the call that shows that it is well again."""
    peer = Peer(BROKEN)
    async with judged_by_calls(peer) as backend:
        await call(backend, 3)
        await trio.sleep_until(20.999)
        assert not available(backend)
        await trio.sleep_until(21)
        assert available(backend)
        await call(backend)
        assert (backend.is_available, health_of(backend).failures) == (False, 4)
        await trio.sleep_until(30.999)
        assert not available(backend)
        await trio.sleep_until(31)
        peer.error = b""
        await call(backend)
        assert changes(backend) == [(0, True), (11, False), (31, True)]


@pytest.mark.parametrize("error", [BROKEN, b""])
async def test_a_call_that_comes_before_somebody_may_try_puts_nothing_off(error: bytes, autojump_clock: trio.testing.MockClock) -> None:
    """Where there is nobody else it comes all the same."""
    peer = Peer(BROKEN)
    async with judged_by_calls(peer, healthy_threshold=2) as backend:
        await call(backend, 3)
        await trio.sleep_until(15)
        await call(backend)
        assert not available(backend)
        await trio.sleep_until(20.9)
        assert not available(backend)
        await trio.sleep_until(21)
        assert available(backend)
        peer.error = error
        await call(backend)
        assert available(backend) is not bool(error)


async def test_the_one_that_tries_keeps_others_out_while_it_is_on_its_way(autojump_clock: trio.testing.MockClock) -> None:
    peer = Peer(BROKEN)
    async with judged_by_calls(peer) as backend, trio.open_nursery() as nursery:
        await call(backend, 3)
        peer.hangs = True
        await trio.sleep_until(22)
        nursery.start_soon(call, backend)
        await trio.testing.wait_all_tasks_blocked()
        assert not available(backend)
        await trio.sleep_until(32)
        assert available(backend)
        nursery.cancel_scope.cancel()


async def test_looking_does_not_use_up_the_trial(autojump_clock: trio.testing.MockClock) -> None:
    async with judged_by_calls(Peer(BROKEN)) as backend:
        await call(backend, 3)
        await trio.sleep_until(21)
        assert [backend.is_available for _look in range(5)] == [True] * 5


@pytest.mark.parametrize("steps", range(1, 6))
async def test_a_trial_that_is_cut_is_followed_by_another(steps: int, autojump_clock: trio.testing.MockClock) -> None:
    peer = Peer(BROKEN)
    async with judged_by_calls(peer) as backend:
        await call(backend, 3)
        await trio.sleep_until(21)
        peer.error = b""
        with cut_after(steps) as scope:
            await call(backend)
        await trio.sleep_until(31)
        assert available(backend)
        assert health_of(backend).is_healthy
        assert backend.in_flight == 0
        assert health_of(backend).failures == (3 if scope.cancelled_caught else 0)


async def test_where_one_success_is_not_enough_the_next_call_may_come_at_once(autojump_clock: trio.testing.MockClock) -> None:
    peer = Peer(BROKEN)
    async with judged_by_calls(peer, healthy_threshold=2) as backend:
        await call(backend, 3)
        await trio.sleep_until(21)
        peer.error = b""
        await call(backend)
        assert (backend.is_available, len(changes(backend))) == (True, 2)
        await call(backend)
        assert changes(backend)[-1] == (21, True)


# -- calls without an answer


def within(seconds: float, backend: Backend) -> Handler:
    return Lifetime(CallDeadline(backend, seconds))


@pytest.mark.parametrize("policy", [within, lambda seconds, backend: AttemptDeadline(backend, seconds)], ids=["call", "attempt"])
async def test_calls_whose_time_is_up_make_it_unhealthy(policy: object, autojump_clock: trio.testing.MockClock) -> None:
    """HC-3: it never says so itself, because it is cut off from outside."""
    assert callable(policy)
    peer = Peer(hangs=True)
    async with judged_by_calls(peer) as backend:
        await call(policy(2, backend), 3)
        assert changes(backend) == [(0, True), (17, False)]
        assert health_of(backend).error == "request timed out: 't' took longer than 2 s"


async def test_calls_that_their_callers_cancel_say_nothing(autojump_clock: trio.testing.MockClock) -> None:
    peer = Peer(hangs=True)
    async with judged_by_calls(peer) as backend:
        for _call in range(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(call, within(30, backend))
                await trio.sleep(3)
                nursery.cancel_scope.cancel()
        assert (health_of(backend).failures, backend.is_available) == (0, True)


async def test_a_call_that_asked_somebody_waits_for_a_person_and_not_for_the_backend(autojump_clock: trio.testing.MockClock) -> None:
    peer = Peer(hangs=True)
    async with judged_by_calls(peer) as backend:
        asking = Call("tools/call", "t", {})
        asking.trail.asked = True
        await within(2, backend)(asking)
        assert health_of(backend).failures == 0


async def test_a_ping_that_knows_better_after_a_restart_is_asked_again(autojump_clock: trio.testing.MockClock) -> None:
    peer = Peer(BROKEN)
    async with judged_by_calls(peer) as backend:
        await call(backend, 3)
        peer.knows_ping = True
        peer.sessions[0].close("it was updated")
        await backend.wait_for(lambda backend: backend.is_available)
        await trio.sleep(30)
        assert len(peer.pings) == 3
        assert health_of(backend).knows_ping


async def test_one_that_is_judged_by_its_calls_can_be_connected_to_anew(autojump_clock: trio.testing.MockClock) -> None:
    peer = Peer(BROKEN)
    async with judged_by_calls(peer, reconnect=True) as backend:
        await call(backend, 3)
        await backend.wait_for(lambda backend: not backend.is_up)
        await backend.wait_for(lambda backend: backend.is_available)
        assert (backend.restarts, len(peer.sessions)) == (1, 2)


async def test_a_front_that_answers_pings_for_a_dead_server_is_seen_by_its_calls_where_that_is_asked_for(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Some proxies go on answering what is not about their server; and some start a program for every ping."""
    peer = Peer(knows_ping=True, error=b'{"code":-32603,"message":"Not connected"}')
    seen: list[bool] = []
    async with judged_by_calls(peer, by_calls=True) as backend:
        for _ in range(3):
            seen.append(backend.is_available)
            await backend(Call("tools/call", "t", {}))
        seen.append(backend.is_available)
        await trio.sleep(60)
    assert (seen, peer.pings) == ([True, True, True, False], [])
