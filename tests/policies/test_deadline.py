"""Deadlines of calls and of attempts, in virtual time."""

import attrs
import trio
import trio.testing
from tests.kit.calls import a_call
from tests.kit.replies import failed

from sluicegate.policies.deadline import AttemptDeadline, Deadline
from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.faults import Cause, Fault, cannot_ask
from sluicegate.protocol.question import Question

REPLY = Reply()


@attrs.frozen
class Backend:
    """Takes a call after a while, as a backend session does, and answers after another; says something in between."""

    queued: float = 0
    works: tuple[float, ...] = (1,)

    async def __call__(self, call: Call) -> Reply:
        await trio.sleep(self.queued)
        call.sent_at, call.trail.sent = trio.current_time(), True
        for seconds in self.works:
            await trio.sleep(seconds)
            call.back.note(b"still there")
        return REPLY


@attrs.define(eq=False)
class Asked:
    """A back that remembers notes and questions; or refuses these."""

    refuses: Fault | None = None
    notes: list[bytes] = attrs.field(factory=list)
    questions: list[Question] = attrs.field(factory=list)
    held: list[Question] = attrs.field(factory=list)

    def note(self, message: bytes) -> None:
        self.notes.append(message)

    def ask(self, question: Question) -> Fault | None:
        self.questions.append(question)
        return self.refuses

    def hold(self, question: Question) -> None:
        self.held.append(question)


def a_question() -> Question:
    return Question("roots/list", {}, lambda _reply: None)


async def test_a_call_that_is_fast_enough_passes(autojump_clock: trio.testing.MockClock) -> None:
    assert REPLY is await Deadline(Backend(works=(2,)), 3)(a_call("slow_tool"))
    assert trio.current_time() == 2


async def test_a_call_that_takes_too_long_is_ended_in_time(autojump_clock: trio.testing.MockClock) -> None:
    fault = failed(await Deadline(Backend(works=(10,)), 3)(a_call("slow_tool")))

    assert trio.current_time() == 3
    assert (fault.cause, fault.code, fault.counts_against_backend) == (Cause.TIMEOUT, -32010, True)
    assert "'slow_tool' took longer than 3 s" in fault.message


async def test_progress_does_not_move_the_deadline_of_a_call(autojump_clock: trio.testing.MockClock) -> None:
    """P-54: the cap on a whole call holds whatever a backend says."""
    await Deadline(Backend(works=(2, 2, 2)), 3)(a_call("slow_tool"))

    assert trio.current_time() == 3


async def test_a_call_that_never_left_was_overload_and_speaks_against_nobody(autojump_clock: trio.testing.MockClock) -> None:
    fault = failed(await Deadline(Backend(queued=10), 3)(a_call("slow_tool")))

    assert (fault.cause, fault.counts_against_backend, fault.started) == (Cause.OVERLOAD, False, False)


async def test_one_attempt_that_left_makes_it_a_timeout(autojump_clock: trio.testing.MockClock) -> None:
    """The second attempt still waits for its turn, but the first one reached a backend."""

    async def twice(call: Call) -> Reply:
        await AttemptDeadline(Backend(works=(10,)), 1)(call.copy())
        return await Backend(queued=10)(call.copy())

    assert Cause.TIMEOUT is failed(await Deadline(twice, 3)(a_call("slow_tool"))).cause
    assert trio.current_time() == 3


async def test_the_callers_own_cancellation_is_no_timeout(autojump_clock: trio.testing.MockClock) -> None:
    with trio.move_on_after(1) as scope:
        await Deadline(AttemptDeadline(Backend(works=(10,)), 4), 3)(a_call("slow_tool"))

    assert scope.cancelled_caught
    assert trio.current_time() == 1


async def test_an_attempt_that_takes_too_long_names_its_backend(autojump_clock: trio.testing.MockClock) -> None:
    fault = failed(await AttemptDeadline(Backend(works=(10,)), 3, "time")(a_call("slow_tool")))

    assert trio.current_time() == 3
    assert (fault.cause, fault.backend) == (Cause.TIMEOUT, "time")


async def test_an_attempt_that_never_left_was_overload_also_when_another_did(autojump_clock: trio.testing.MockClock) -> None:
    call = a_call("slow_tool")
    call.trail.sent = True
    fault = failed(await AttemptDeadline(Backend(queued=10), 3, "time")(call))

    assert (fault.cause, fault.backend, fault.counts_against_backend, fault.started) == (Cause.OVERLOAD, "time", False, False)


async def test_progress_gives_an_attempt_new_time_and_reaches_the_caller(autojump_clock: trio.testing.MockClock) -> None:
    back = Asked()

    assert REPLY is await AttemptDeadline(Backend(works=(2, 2, 2)), 3)(a_call("slow_tool", back=back))
    assert trio.current_time() == 6
    assert back.notes == [b"still there"] * 3


async def test_an_attempt_that_falls_silent_ends_counted_from_its_last_word(autojump_clock: trio.testing.MockClock) -> None:
    await AttemptDeadline(Backend(works=(2, 10)), 3)(a_call("slow_tool"))

    assert trio.current_time() == 5


async def test_while_a_person_is_asked_the_time_of_an_attempt_stands_still(autojump_clock: trio.testing.MockClock) -> None:
    back, question = Asked(), a_question()

    async def asking(call: Call) -> Reply:
        call.sent_at = trio.current_time()
        assert call.back.ask(question) is None
        await trio.sleep(100)
        question.settle(REPLY)
        return await Backend(works=(10,))(call)

    fault = failed(await AttemptDeadline(asking, 3)(a_call("slow_tool", back=back)))

    assert Cause.TIMEOUT is fault.cause
    assert trio.current_time() == 103
    assert back.questions == [question]


async def test_a_question_that_is_withdrawn_starts_the_clock_too(autojump_clock: trio.testing.MockClock) -> None:
    question = a_question()

    async def asking(call: Call) -> Reply:
        call.sent_at = trio.current_time()
        call.back.ask(question)
        await trio.sleep(100)
        question.withdraw()
        return await Backend(works=(10,))(call)

    await AttemptDeadline(asking, 3)(a_call("slow_tool", back=Asked()))

    assert trio.current_time() == 103


async def test_a_question_that_is_refused_does_not_stop_the_clock(autojump_clock: trio.testing.MockClock) -> None:
    async def asking(call: Call) -> Reply:
        call.sent_at = trio.current_time()
        assert call.back.ask(a_question()) is not None
        return await Backend(works=(10,))(call)

    await AttemptDeadline(asking, 3)(a_call("slow_tool", back=Asked(refuses=cannot_ask())))

    assert trio.current_time() == 3


async def test_a_question_that_may_be_about_an_attempt_stops_its_clock(autojump_clock: trio.testing.MockClock) -> None:
    back, question = Asked(), a_question()

    async def held(call: Call) -> Reply:
        call.sent_at = trio.current_time()
        call.back.hold(question)
        await trio.sleep(100)
        question.settle(REPLY)
        return await Backend(works=(10,))(call)

    await AttemptDeadline(held, 3)(a_call("slow_tool", back=back))

    assert trio.current_time() == 103
    assert (back.held, back.questions) == ([question], [])


async def test_a_note_while_a_question_is_open_does_not_start_the_clock(autojump_clock: trio.testing.MockClock) -> None:
    question = a_question()

    async def asking(call: Call) -> Reply:
        call.back.ask(question)
        await trio.sleep(1)
        call.back.note(b"still waiting")
        await trio.sleep(99)
        question.settle(REPLY)
        return REPLY

    reply = await AttemptDeadline(asking, 3)(a_call("slow_tool", back=Asked()))

    assert reply.fault is None
    assert trio.current_time() == 100


async def test_of_two_open_questions_the_last_answer_starts_the_clock(autojump_clock: trio.testing.MockClock) -> None:
    first, second = a_question(), a_question()

    async def asking(call: Call) -> Reply:
        call.sent_at = trio.current_time()
        call.back.ask(first)
        await trio.sleep(50)
        call.back.ask(second)
        await trio.sleep(50)
        first.settle(REPLY)
        await trio.sleep(50)
        second.settle(REPLY)
        return await Backend(works=(10,))(call)

    await AttemptDeadline(asking, 3)(a_call("slow_tool", back=Asked()))

    assert trio.current_time() == 50 + 100 + 3


async def test_attempts_have_copies_of_their_own(autojump_clock: trio.testing.MockClock) -> None:
    seen: list[Call] = []

    async def remember(copy: Call) -> Reply:
        seen.append(copy)
        return await Backend()(copy)

    call = a_call("slow_tool")
    await AttemptDeadline(remember, 3)(call)

    assert seen[0] is not call
    assert call.trail.sent


async def test_who_stands_outside_learns_when_an_attempt_was_sent(autojump_clock: trio.testing.MockClock) -> None:
    sent, cut, never = a_call("slow_tool"), a_call("slow_tool"), a_call("slow_tool")

    await AttemptDeadline(Backend(queued=1), 3)(sent)
    await AttemptDeadline(Backend(queued=1, works=(10,)), 3)(cut)
    await AttemptDeadline(Backend(queued=10), 3)(never)

    assert [sent.sent_at, cut.sent_at, never.sent_at] == [1, 3, None]
