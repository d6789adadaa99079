"""Any await may be the last: a call that asks is cut after each of its steps, and each question has ended once, on both sides."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
import trio.testing
from tests.flows.asked_clients import asked_client

from sluicegate import Builder, Call, Clientele, Fault, Gateway, Question, Reply
from sluicegate.config.model import TimeoutSettings
from sluicegate.policies.settings import HedgeSettings, RetrySettings
from sluicegate.testing import Trial, cancel_at_every_checkpoint
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import Ask
from sluicegate.testing.transports import Transport

Clock = trio.testing.MockClock


@attrs.define(eq=False)
class Thinking:
    """A client that answers after some steps of the loop (implements `Back`)."""

    nursery: trio.Nursery
    questions: list[Question] = attrs.field(factory=list)
    endings: int = 0

    def note(self, message: bytes) -> None:
        raise AssertionError(message)

    def ask(self, question: Question) -> Fault | None:
        self.questions.append(question)
        question.when_over(self.count)
        self.nursery.start_soon(self.think, question)
        return None

    def hold(self, question: Question) -> None:
        raise AssertionError(question)

    def count(self) -> None:
        self.endings += 1

    async def think(self, question: Question) -> None:
        for _ in range(5):
            await trio.lowlevel.checkpoint()
        question.settle(Reply.of({"roots": []}))


@asynccontextmanager
async def asking(**settings: object) -> AsyncGenerator[tuple[Gateway, ScriptedBackend], None]:
    backend, clientele = ScriptedBackend(Ask("roots/list", {}), name="b"), Clientele()
    clientele.declare({"roots": {}})
    async with Builder("x").backend("b", backend.connector, **settings).open(one_client=clientele) as gateway:
        await gateway.ready("b")
        yield gateway, backend


@pytest.mark.parametrize(
    "settings",
    [{}, {"timeout": TimeoutSettings(per_attempt_seconds=5.0)}, {"retry": RetrySettings(), "hedging": HedgeSettings(delay_ms=1000.0)}],
    ids=["plain", "deadline", "retry and hedge"],
)
async def test_a_call_that_asks_may_be_cut_after_any_step(settings: dict[str, object], autojump_clock: Clock) -> None:
    async with asking(**settings) as (gateway, backend), trio.open_nursery() as nursery:
        client = Thinking(nursery)

        async def once() -> Reply:
            call = Call.tool("b_echo")
            call.back = client
            return await gateway.handler(call)

        async def check(trial: Trial[Reply]) -> None:
            await trio.testing.wait_all_tasks_blocked()
            assert all(question.is_over for question in client.questions)
            assert client.endings == len(client.questions)
            answered = [answer.key for answer in backend.answers]  # also to what came too late for the call, and was refused
            assert len(client.questions) <= len(answered) == len(set(answered))
            assert gateway.backends["b"].in_flight == 0
            assert trial.cut or [reply.text for reply in trial.results] == ['{"roots":[]}']
            (session,) = backend.sessions
            assert (session.duplex.theirs.running, session.duplex.ours.asked) == ({}, {})

        assert await cancel_at_every_checkpoint(once, check) > 1


@pytest.mark.parametrize("front", ["stdio", "http"])
@pytest.mark.parametrize("back", Transport)
@pytest.mark.parametrize("turns", range(12))
async def test_a_client_may_cancel_at_any_moment_of_its_question(front: str, back: Transport, turns: int, autojump_clock: Clock) -> None:
    """So many turns of the loop after the call was sent; whichever it was, the next call is asked and answered."""
    async with asked_client(front, back, Ask(), Ask()) as here:
        await here.call(id=7)
        for _ in range(3 * turns):
            await trio.lowlevel.checkpoint()
        await here.client.say(method="notifications/cancelled", params={"requestId": 7})
        await trio.sleep(1)
        await here.call(id=8)
        while True:
            heard = await here.hear()
            if heard.get("method") == "elicitation/create":
                await here.answer(heard, action="accept")
            elif heard.get("id") == 8:
                break
        assert heard["result"]["content"][0]["text"] == '{"action":"accept"}'
        await trio.sleep(1)
        for session in here.backend.sessions:
            assert (session.duplex.theirs.running, session.duplex.ours.asked) == ({}, {})
