"""When a backend that is up counts as healthy: pings, thresholds, calls in their place."""

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
from sluicegate.backends.link import Link, State
from sluicegate.backends.session import BackendSession, Inbox
from sluicegate.backends.supervisor import Supervisor
from sluicegate.policies.settings import HealthSettings, RestartSettings
from sluicegate.protocol.blot import blotting
from sluicegate.protocol.calls import Call, Handler
from sluicegate.protocol.messages import Request, decode, encode, encode_error, encode_result

# The numbers that are promised. Taken from the source they would move with it.
MOST_SHOWN = 16 * 1024

HELLO = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "s", "version": "1"}}
UNKNOWN = b'{"code":-32601,"message":"what is that?"}'


@attrs.define(eq=False)
class Peer:
    """A backend whose pings and calls can go wrong apart from each other."""

    ping_error: bytes = b""
    call_error: bytes = b""
    silent: bool = False
    """Does not answer pings."""
    hangs: bool = False
    """Does not answer calls."""
    call_seconds: float = 0
    one_at_a_time: bool = False
    """A ping waits until the calls before it are answered."""
    pings: list[float] = attrs.field(factory=list)
    """When they came."""
    calls: int = 0
    sessions: list[ChannelSession] = attrs.field(factory=list)
    transport: str = "odd"

    @asynccontextmanager
    async def __call__(self, inbox: Inbox) -> AsyncGenerator[BackendSession, None]:
        session = ChannelSession("b", inbox)
        self.sessions.append(session)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._converse, session, nursery)
                yield session
                nursery.cancel_scope.cancel()
        finally:
            session.close("left")

    async def _converse(self, session: ChannelSession, nursery: trio.Nursery) -> None:
        while (frame := await session.next_frame()) is not None:
            message = decode(frame)
            if isinstance(message, Request):
                if message.method == "ping":
                    self.pings.append(trio.current_time())
                nursery.start_soon(self._answer, session, message)
                if self.one_at_a_time and message.method == "tools/call":
                    await trio.sleep(self.call_seconds)

    async def _answer(self, session: ChannelSession, request: Request) -> None:
        error = b""
        if request.method == "ping":
            if self.silent:
                return
            error = self.ping_error
        elif request.method == "tools/call":
            self.calls += 1
            if self.hangs:
                return
            await trio.sleep(self.call_seconds)
            error = self.call_error
        result = {"initialize": HELLO, "tools/list": {"tools": []}}.get(request.method, {})
        session.receive(encode_error(request.id, error) if error else encode_result(request.id, encode(result)))


@asynccontextmanager
async def supervised(peer: Peer, health: Health | None = None, *, pause: float = 1.0, **settings: float) -> AsyncGenerator[Backend, None]:
    """A backend that is up, with its health."""
    backend = Backend(Link("b", peer, health=health or Health("b", HealthSettings(**settings))))  # type: ignore[arg-type]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Supervisor(backend.link, RestartSettings(pause, 8.0, 3, 60.0), 5, random.Random(1)).run)
        await backend.wait_for(lambda backend: backend.is_up)
        yield backend
        nursery.cancel_scope.cancel()


def health_of(backend: Backend) -> Health:
    assert backend.health is not None
    return backend.health


def changes(backend: Backend) -> list[tuple[float, bool]]:
    return [(change.at, change.healthy) for change in health_of(backend).events]


async def call(backend: Handler, times: int = 1) -> list[bool]:
    """Whether each of some calls, one after the other, was answered without an error."""
    return [(await backend(Call("tools/call", "t", {}))).fault is None for _call in range(times)]


# -- pings


async def test_a_backend_is_pinged_every_interval(autojump_clock: trio.testing.MockClock) -> None:
    """HC-1: from the beginning of one ping to the beginning of the next; the handshake was the first check."""
    peer = Peer()
    async with supervised(peer) as backend:
        await trio.sleep_until(35)
        assert peer.pings == [10, 20, 30]
        assert changes(backend) == [(0, True)]
        assert (health_of(backend).failures, health_of(backend).error, health_of(backend).last_at) == (0, "", 30)


async def test_a_ping_that_is_not_answered_fails_after_its_own_timeout(autojump_clock: trio.testing.MockClock) -> None:
    """HC-2, HC-4, HC-5, LIM-34: three in a row make it unhealthy, and the cause is kept."""
    peer = Peer(silent=True)
    async with supervised(peer) as backend:
        await trio.sleep_until(30)
        assert (health_of(backend).failures, backend.is_available) == (2, True)
        await trio.sleep_until(36)
        assert peer.pings == [10, 20, 30]
        assert (backend.is_up, backend.is_available, backend.state) == (True, False, State.READY)
        assert changes(backend) == [(0, True), (35, False)]
        (_first, change) = health_of(backend).events
        assert change.cause == health_of(backend).error == "request timed out: 'ping' took longer than 5 s"
        await trio.sleep_until(46)
        assert health_of(backend).failures == 4


async def test_a_timeout_longer_than_the_interval_puts_off_the_next_ping(autojump_clock: trio.testing.MockClock) -> None:
    peer = Peer(silent=True)
    async with supervised(peer, interval_seconds=2, timeout_seconds=5):
        await trio.sleep_until(14)
        assert peer.pings == [2, 7, 12]


async def test_a_backend_that_hangs_delays_nobody(autojump_clock: trio.testing.MockClock) -> None:
    """HC-2: one loop for each backend."""
    hung, fine = Peer(silent=True), Peer()
    async with supervised(hung, timeout_seconds=60), supervised(fine) as backend:
        await trio.sleep_until(41)
        assert (hung.pings, fine.pings) == ([10], [10, 20, 30, 40])
        assert backend.is_available


async def test_an_error_is_a_failure_with_the_backends_own_words(autojump_clock: trio.testing.MockClock) -> None:
    """HC-3, HC-4: answered with an error is not healthy, whatever the calls do."""
    peer = Peer(ping_error=b'{"code":-32000,"message":"database gone"}')
    async with supervised(peer, unhealthy_threshold=1) as backend:
        await trio.sleep_until(5)
        assert await call(backend) == [True]
        await trio.sleep_until(11)
        assert (backend.is_available, health_of(backend).error) == (False, "database gone")


async def test_the_backends_words_are_told_without_secrets_and_not_at_any_length(autojump_clock: trio.testing.MockClock) -> None:
    said = "no access with hunter2-hunter2 " + "x" * 1_000_000
    peer = Peer(ping_error=encode({"code": -32000, "message": said}))
    health = Health("b", blot=blotting(["hunter2-hunter2"]))
    async with supervised(peer, health) as backend:
        await backend.wait_for(lambda backend: not backend.is_available)
        for text in (health.error, health.events[-1].cause):
            assert text.startswith("no access with *** ")
            assert len(text) < MOST_SHOWN + 100


@pytest.mark.parametrize(("threshold", "at"), [(1, 40), (2, 50), (3, 60)])
async def test_some_answers_in_a_row_make_it_healthy_again(threshold: int, at: float, autojump_clock: trio.testing.MockClock) -> None:
    """LIM-34: what made it unhealthy is known until then."""
    peer = Peer(silent=True)
    async with supervised(peer, healthy_threshold=threshold) as backend:
        await trio.sleep_until(36)
        peer.silent = False
        await trio.sleep_until(at - 1)
        assert health_of(backend).error
        await trio.sleep_until(70)
        assert changes(backend) == [(0, True), (35, False), (at, True)]
        assert health_of(backend).error == ""


async def test_an_answer_in_between_begins_the_count_anew(autojump_clock: trio.testing.MockClock) -> None:
    """HC-4: only failures in a row count."""
    peer = Peer(silent=True)
    async with supervised(peer) as backend:
        for begin in (0, 30, 60):
            await trio.sleep_until(begin + 26)
            peer.silent = False
            await trio.sleep_until(begin + 31)
            peer.silent = True
        assert (peer.pings, changes(backend)) == ([10, 20, 30, 40, 50, 60, 70, 80, 90], [(0, True)])


async def test_only_the_last_hundred_changes_are_kept(autojump_clock: trio.testing.MockClock) -> None:
    """HC-5: a ring for each backend."""
    peer = Peer()
    async with supervised(peer, interval_seconds=1, unhealthy_threshold=1, timeout_seconds=0.5) as backend:
        for second in range(150):
            await trio.sleep_until(second + 0.75)
            peer.silent = not peer.silent
        assert len(changes(backend)) == 100
        assert changes(backend)[-2:] == [(148, True), (149.5, False)]


async def test_changes_are_told_and_wake_whoever_waits(autojump_clock: trio.testing.MockClock) -> None:
    """HC-7: what asks for `is_available` need not poll."""
    told: list[tuple[float, bool, str]] = []
    peer = Peer(ping_error=b'{"code":1,"message":"no"}')
    health = Health(
        "b", HealthSettings(unhealthy_threshold=1), on_change=lambda change: told.append((change.at, change.healthy, change.cause))
    )
    async with supervised(peer, health) as backend:
        await backend.wait_for(lambda backend: not backend.is_available)
        assert trio.current_time() == 10
        peer.ping_error = b""
        await backend.wait_for(lambda backend: backend.is_available)
        assert told == [(0, True, ""), (10, False, "no"), (20, True, "")]


# -- calls are a sign of life


async def test_a_backend_that_answers_calls_is_not_dead_because_a_ping_waits(autojump_clock: trio.testing.MockClock) -> None:
    """A call answered since the ping before, whatever the answer, is as good as an answer to the ping."""
    peer = Peer(silent=True, call_error=b'{"code":-32603,"message":"broken"}')
    async with supervised(peer) as backend:
        for second in range(1, 60, 10):
            await trio.sleep_until(second)
            await call(backend)
        assert (health_of(backend).failures, backend.is_available) == (0, True)
        await trio.sleep_until(100)
        assert changes(backend) == [(0, True), (85, False)]  # the call at 51 answers for the ping at 50, those at 60, 70 and 80 fail
        await call(backend)
        await trio.sleep_until(106)
        assert backend.is_available


async def test_one_slow_tool_on_a_backend_that_does_one_thing_at_a_time(autojump_clock: trio.testing.MockClock) -> None:
    peer = Peer(call_seconds=18, one_at_a_time=True)
    async with supervised(peer) as backend:
        assert await call(backend, 10) == [True] * 10
        assert changes(backend) == [(0, True)]


async def test_pings_are_no_calls(autojump_clock: trio.testing.MockClock) -> None:
    """RES-0c: whoever waits for the end of all calls does not wait for a ping, and the trail of nobody shows it."""
    peer = Peer(silent=True)
    async with supervised(peer) as backend:
        await trio.sleep_until(12)
        assert (backend.in_flight, peer.sessions[0].in_flight) == (0, 1)


async def test_a_backend_that_is_stopped_during_a_ping_is_gone_at_once(autojump_clock: trio.testing.MockClock) -> None:
    peer = Peer(silent=True)
    async with supervised(peer) as backend:
        await trio.sleep_until(12)
    assert (trio.current_time(), backend.state, backend.is_available) == (12, State.STOPPED, False)
    assert peer.sessions[0].in_flight == 0


# -- sessions


async def test_a_lost_connection_is_no_failed_ping_and_the_next_session_begins_healthy(autojump_clock: trio.testing.MockClock) -> None:
    peer = Peer(silent=True)
    async with supervised(peer, unhealthy_threshold=1) as backend:
        await trio.sleep_until(12)
        peer.sessions[0].close("it crashed")
        await backend.wait_for(lambda backend: backend.restarts == 1 and backend.is_up)
        assert (changes(backend), health_of(backend).failures, backend.is_available) == ([(0, True)], 0, True)
        began = trio.current_time()
        await backend.wait_for(lambda backend: not backend.is_available)
        assert trio.current_time() == began + 15


async def test_an_unhealthy_backend_is_healthy_when_it_is_ready_again(autojump_clock: trio.testing.MockClock) -> None:
    peer = Peer(silent=True)
    async with supervised(peer, unhealthy_threshold=1) as backend:
        await trio.sleep_until(16)
        peer.sessions[0].close("it crashed")
        with trio.fail_after(10):
            await backend.wait_for(lambda backend: backend.is_available)
        assert [healthy for _at, healthy in changes(backend)] == [True, False, True]
        assert (health_of(backend).error, health_of(backend).failures) == ("", 0)


async def test_a_session_that_becomes_unhealthy_can_be_ended_for_it(autojump_clock: trio.testing.MockClock) -> None:
    """LIM-34: the supervisor connects anew after its usual pause; calls on their way are lost."""
    peer = Peer(silent=True, hangs=True)
    answers: list[bool] = []
    async with supervised(peer, reconnect=True) as backend, trio.open_nursery() as nursery:

        @nursery.start_soon
        async def long_call() -> None:
            answers.extend(await call(backend))

        await backend.wait_for(lambda backend: not backend.is_up)
        await backend.wait_for(lambda backend: backend.state is State.RESTARTING)
        assert trio.current_time() == 35
        assert backend.error == "unhealthy: request timed out: 'ping' took longer than 5 s"
        await backend.wait_for(lambda backend: backend.is_available)
        assert 35.5 <= trio.current_time() <= 36
        assert (answers, backend.restarts, len(peer.sessions)) == ([False], 1, 2)


async def test_a_backend_that_is_unhealthy_again_and_again_is_crash_looping(autojump_clock: trio.testing.MockClock) -> None:
    peer = Peer(ping_error=b'{"code":1,"message":"no"}')
    async with supervised(peer, reconnect=True, unhealthy_threshold=1, interval_seconds=1) as backend:
        await backend.wait_for(lambda backend: backend.state is State.CRASH_LOOPING)
        assert backend.restarts == 2


async def test_without_it_an_unhealthy_session_stays_and_still_takes_calls(autojump_clock: trio.testing.MockClock) -> None:
    """So a backend without a stand-in is better than nothing."""
    peer = Peer(silent=True)
    async with supervised(peer) as backend:
        await trio.sleep_until(36)
        assert (await call(backend), len(peer.sessions)) == ([True], 1)


# -- random lives


@pytest.mark.parametrize("seed", range(40))
async def test_the_health_of_a_flapping_backend_is_what_its_pings_and_calls_say(seed: int, autojump_clock: trio.testing.MockClock) -> None:
    chance = random.Random(seed)
    settings = HealthSettings(chance.randint(1, 12), chance.randint(1, 12), chance.randint(1, 4), chance.randint(1, 3))
    flips = sorted(chance.sample(range(600), chance.randint(1, 60)))
    called = sorted(chance.sample(range(600), chance.choice((0, 20, 200))))
    peer = Peer()
    health = Health("b", settings)
    async with supervised(peer, health) as backend:
        for moment in sorted([second + 0.5 for second in flips] + [second + 0.25 for second in called]):
            await trio.sleep_until(moment)
            if moment % 1 == 0.5:
                peer.silent = not peer.silent
            else:
                await call(backend)
        await trio.sleep_until(600.75)
        assert changes(backend) == expected(settings, flips, called)


def expected(settings: HealthSettings, flips: list[int], called: list[int]) -> list[tuple[float, bool]]:
    """The same in plain words: when each ping is sent and judged, and what follows."""
    found: list[tuple[float, bool]] = [(0, True)]
    good = bad = 0
    judged = sent = 0.0
    while True:
        sent, before = max(sent + settings.interval_seconds, judged), judged
        silent = sum(second + 0.5 < sent for second in flips) % 2 == 1
        judged = sent + settings.timeout_seconds if silent else sent
        if judged > 600:
            return found
        if not silent or any(before < second + 0.25 <= judged for second in called):
            good, bad = good + 1, 0
        else:
            good, bad = 0, bad + 1
        healthy = found[-1][1]
        if (healthy and bad >= settings.unhealthy_threshold) or (not healthy and good >= settings.healthy_threshold):
            found.append((judged, not healthy))


async def test_what_was_seen_last_is_told_with_its_moment_and_one_answer_clears_the_error(autojump_clock: trio.testing.MockClock) -> None:
    """A failure that did not suffice to make it unhealthy is no news any more after the next answer."""
    peer = Peer(silent=True)
    async with supervised(peer) as backend:
        health = health_of(backend)
        await trio.sleep_until(16)
        assert (health.failures, health.last_at, health.error != "") == (1, 15, True)
        peer.silent = False
        await trio.sleep_until(21)
        assert (health.failures, health.last_at, health.error) == (0, 20, "")
        assert changes(backend) == [(0, True)]
