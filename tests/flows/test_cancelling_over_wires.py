"""Any await may be the last, over every wire: a call is cancelled after each of its steps, and its backend hears of it."""

from __future__ import annotations

import itertools
from typing import Any

import attrs
import pytest
import trio
import trio.testing
from tests.flows.asked_clients import AskedClient, Json, asked_client

from sluicegate.frontends.app import App
from sluicegate.frontends.exchange import Exchange
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import Delay, Echo, Note, Step
from sluicegate.testing.transports import Transport

Clock = trio.testing.MockClock
MOST_STEPS = 1000
MOST_TURNS = 200
WAYS = [(front, back, "shared") for front, back in itertools.product(("stdio", "http", "modern"), Transport)]
WAYS += [("http", back, "per_client") for back in Transport]
ways = pytest.mark.parametrize(("front", "back", "sessions"), WAYS)


@attrs.define(eq=False)
class CancelsAfter(trio.abc.Instrument):
    """Cancels the next tool call, as its client's word would, when so many steps have been taken since it began, by whatever task."""

    steps: int
    exchange: Exchange | None = None
    cancelled: bool = False

    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        frame = getattr(task.coro, "cr_frame", None)
        owner = None if frame is None else frame.f_locals.get("self")
        if self.exchange is None and isinstance(owner, Exchange) and owner.call.method == "tools/call":
            self.exchange = owner  # the first; another gateway behind this one has one, too

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        del task
        if self.exchange is not None:
            self.steps -= 1
            if self.steps == 0 and not self.exchange.ended:
                self.cancelled = True
                self.exchange.cancel()


def done(backend: ScriptedBackend) -> int:
    """Calls to whose end it came."""
    return len([line for line in str(backend.transcript).splitlines() if "->" in line])


async def ends_of(here: AskedClient, id: object, seconds: float) -> list[Json]:
    """What is said to be the answer to a call, as far as it comes within that time; nothing may be said of the call behind it."""
    ends: list[Json] = []
    with trio.move_on_after(seconds):
        while True:
            heard = await here.hear()
            assert not ends, heard
            if "id" in heard:
                assert heard["id"] == id
                ends.append(heard)
    return ends


def assert_nothing_is_left(here: AskedClient) -> None:
    app = here.gateway.asgi_app
    assert isinstance(app, App)
    backend = here.gateway.backends["b"]
    assert (backend.in_flight, len(app.endpoint.waits.answers), app.sessions.statistics().orphans) == (0, 0, 0)
    for session in app.sessions._sessions.values():
        assert (session.calls, session.answers, session.duplex.ours.asked) == ({}, {}, {})
    for conversation in here.backend.sessions:
        assert (conversation.in_flight, conversation.duplex.theirs.running, conversation.duplex.ours.asked) == (0, {}, {})


@pytest.mark.parametrize(
    ("front", "back", "sessions", "step"),
    [(*way, Note(0.1, Delay(1, Note(0.7)))) for way in WAYS]
    + [(*way, Delay(5)) for way in WAYS if way[0] != "stdio" and way[1] is Transport.FRAMES],
)
async def test_a_call_is_cancelled_after_every_step_and_its_backend_is_told(
    front: str, back: Transport, sessions: Any, step: Step, autojump_clock: Clock
) -> None:
    async with asked_client(front, back, step, one_client=False, sessions=sessions) as here:
        for steps in range(1, MOST_STEPS):
            before, instrument = done(here.backend), CancelsAfter(steps)
            trio.lowlevel.add_instrument(instrument)
            try:
                await here.call(id=steps, _meta={"progressToken": steps})
                ends = await ends_of(here, steps, 20)
            finally:
                trio.lowlevel.remove_instrument(instrument)
            assert here.backend.calls == done(here.backend) + len(here.backend.cancelled)
            assert_nothing_is_left(here)
            if not instrument.cancelled:
                break
            assert len(ends) == (front != "stdio")
            was_late = ends and "result" in ends[0]  # the answer was there already
            assert was_late or [end["error"]["code"] for end in ends] == [-32800] * len(ends)
            assert not was_late or done(here.backend) == before + 1
        assert "#" in ends[0]["result"]["content"][0]["text"]
        assert 5 < steps < MOST_STEPS
        assert len(here.backend.cancelled) > done(here.backend)


@ways
@pytest.mark.parametrize("step", [Echo(), Note(0.1, Note(0.2))], ids=["one document", "a stream"])
async def test_a_client_takes_its_call_back_at_any_moment(
    front: str, back: Transport, sessions: Any, step: Step, autojump_clock: Clock
) -> None:
    """So many turns of the loop after it was sent, with the words of its era; without a session that is to close the answer."""
    async with asked_client(front, back, step, one_client=False, sessions=sessions) as here:
        for turns in range(MOST_TURNS):
            answered = here.backend.calls
            await here.call(id=turns, _meta={"progressToken": turns})
            for _ in range(turns):
                await trio.lowlevel.checkpoint()
            await here.client.say(method="notifications/cancelled", params={"requestId": turns})
            ends = await ends_of(here, turns, 1)
            assert here.backend.calls == done(here.backend) + len(here.backend.cancelled)
            assert_nothing_is_left(here)
            assert len(ends) == 1 or (front != "http" and not ends)
            if ends and "result" in ends[0]:
                break
            assert not ends or ends[0]["error"]["code"] == -32800
        assert turns > 0
        assert f"#{answered + 1}" in ends[0]["result"]["content"][0]["text"]
