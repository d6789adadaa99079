"""Which calls a canary gets, and what becomes of them."""

import itertools
import random

import attrs
import pytest
import trio

from sluicegate.policies.mirror import Mirror, Shadow
from sluicegate.protocol import faults
from sluicegate.protocol.calls import Call, Caller, Reply
from sluicegate.protocol.messages import Raw
from sluicegate.protocol.principal import Principal
from sluicegate.routing.failover import Candidate, Failover
from sluicegate.routing.split import Canary, Schedule, Split


@attrs.define(eq=False)
class Counting:
    """Answers with its name, or with a fault, and remembers what it was asked."""

    name: str
    fault: faults.Fault | None = None
    asked: list[Call] = attrs.field(factory=list)

    async def __call__(self, call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        self.asked.append(call)
        return Reply(Raw(b'"%b"' % self.name.encode())) if self.fault is None else Reply.failed(self.fault)


def call_by(method: str = "tools/call", caller: str = "", *, name: str = "now") -> Call:
    key = "uri" if method == "resources/read" else "name"
    return Call(method, f"time_{name}", {key: Raw(b'"%b"' % name.encode())}, Caller("2025-11-25", session=caller))


def split(primary: Counting, *canaries: Canary) -> Split:
    return Split(primary, tuple((canary, canary.candidate.handler) for canary in canaries))


def picks(schedule: Schedule, times: int) -> list[int | None]:
    return [schedule.next(Caller("")) for _time in range(times)]


async def asked(policy: Split, canary: Counting, times: int = 100, *, method: str = "tools/call", caller: str = "") -> list[int]:
    """The numbers of the calls that a canary got."""
    got: list[int] = []
    for number in range(times):
        before = len(canary.asked)
        await policy(call_by(method, caller))
        got += [number] * (len(canary.asked) - before)
    return got


@pytest.mark.parametrize("percent", [1, 3, 10, 33, 50, 67, 90, 99])
async def test_of_any_hundred_calls_in_a_row_a_canary_gets_exactly_its_percent(percent: int) -> None:
    """CAN-2, TST-U8: a weight is a percentage of the primary's calls: 10 is 10 of 100, 50 is 50 of 100."""
    primary, canary = Counting("time"), Counting("canary")

    got = await asked(split(primary, Canary(Candidate("canary", canary), percent)), canary, 350)

    assert {sum(start <= number < start + 100 for number in got) for start in range(251)} == {percent}
    assert len(primary.asked) == 350 - len(got)


@pytest.mark.parametrize("percent", [1, 3, 10, 33, 50])
async def test_the_calls_of_a_canary_are_evenly_spread(percent: int) -> None:
    """CAN-1: as even as whole numbers allow, and not so many in a row."""
    canary = Counting("canary")

    got = await asked(split(Counting("time"), Canary(Candidate("canary", canary), percent)), canary, 1000)

    assert {later - earlier for earlier, later in itertools.pairwise(got)} <= {100 // percent, -(-100 // percent)}


async def test_a_canary_of_a_hundred_percent_gets_all() -> None:
    """TST-I18: weight 100 takes all."""
    primary, canary = Counting("time"), Counting("canary")

    assert len(await asked(split(primary, Canary(Candidate("canary", canary), 100)), canary)) == 100
    assert primary.asked == []


async def test_a_canary_of_no_percent_gets_nothing() -> None:
    """TST-I19: with all of the weight, all is the primary's."""
    primary, canary = Counting("time"), Counting("canary")

    assert await asked(split(primary, Canary(Candidate("canary", canary), 0)), canary) == []
    assert len(primary.asked) == 100


@pytest.mark.parametrize("seed", range(30))
def test_several_canaries_each_get_exactly_their_share_of_any_hundred(seed: int) -> None:
    """CAN-3: several canaries; what they leave over is the primary's."""
    chance = random.Random(seed)
    shares: list[int] = []
    while len(shares) < chance.randint(1, 6):
        shares.append(chance.randint(0, 100 - sum(shares)))
    turns = picks(Schedule(tuple((share, False) for share in shares)), 300)

    for start in range(201):
        window = turns[start : start + 100]
        assert [window.count(number) for number in range(len(shares))] == shares
        assert window.count(None) == 100 - sum(shares)


def test_several_canaries_are_spread_among_each_other() -> None:
    turns = picks(Schedule(((20, False), (20, False))), 100)

    assert {number for start in range(96) for number in turns[start : start + 5]} == {None, 0, 1}
    assert all(turns[start : start + 5].count(0) == turns[start : start + 5].count(1) == 1 for start in range(0, 100, 5))


@pytest.mark.parametrize(("percent", "begins"), [(10, ".....C...."), (25, "..C...C..."), (40, ".C.C..C.C."), (75, "C.CCC.CCC.")])
def test_first_is_who_is_owed_most_and_the_primary_where_that_is_both(percent: int, begins: str) -> None:
    """A canary begins in the middle of its distance; of a hundred new canaries, not all get the first call."""
    turns = picks(Schedule(((percent, False),)), 10)

    assert "".join("." if turn is None else "C" for turn in turns) == begins


@pytest.mark.parametrize("shares", [(101,), (60, 41), (100, 1)])
def test_more_than_everything_is_refused(shares: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"percent"):
        Schedule(tuple((share, False) for share in shares))


@pytest.mark.parametrize("percent", [-1, 101])
def test_a_share_that_is_none_is_refused(percent: int) -> None:
    with pytest.raises(ValueError, match="percent"):
        Canary(Candidate("canary", Counting("canary")), percent)


@pytest.mark.parametrize("method", ["completion/complete", "resources/subscribe", "tools/list", "ping"])
async def test_what_is_no_call_read_or_prompt_is_the_primarys_and_no_slot(method: str) -> None:
    """TST-U8: lists and all that does not match are untouched."""
    canary = Counting("canary")
    policy = split(Counting("time"), Canary(Candidate("canary", canary), 10))
    got = []
    for number in range(100):
        assert await asked(policy, canary, 1, method=method) == []
        got += [number] * len(await asked(policy, canary, 1))

    assert len(got) == 10
    assert {later - earlier for earlier, later in itertools.pairwise(got)} == {10}


@pytest.mark.parametrize("method", ["tools/call", "resources/read", "prompts/get"])
async def test_a_canary_gets_the_whole_call(method: str) -> None:
    """GMW-7, LIM-20, TST-U8: with its arguments, continuation, caller and trail."""
    canary = Counting("canary")
    original = call_by(method, "somebody")
    original.params |= {"arguments": Raw(b'{"a":1}'), "requestState": Raw(b'"s"'), "inputResponses": Raw(b"{}")}
    candidate = Candidate("canary", canary)
    policy = Split(Counting("time"), ((Canary(candidate, 100), Failover(candidate, ())),))

    assert bytes((await policy(original)).result) == b'"canary"'

    (got,) = canary.asked
    assert got.params == original.params
    assert (got.caller, got.trail, got.scope, got.target) == (original.caller, original.trail, original.scope, original.target)


async def test_a_canary_that_fails_falls_back_to_its_primary_and_then_to_the_primarys_order() -> None:
    """CAN-4: no caller pays for a canary."""
    broken = faults.lost("x", "gone")
    primary, canary, spare = Counting("time", broken), Counting("canary", broken), Counting("spare")
    one, two, three = (Candidate(backend.name, backend) for backend in (canary, primary, spare))
    policy = Split(Failover(two, (three,)), ((Canary(one, 100), Failover(one, (two, three))),))

    assert bytes((await policy(call_by())).result) == b'"spare"'
    assert [len(backend.asked) for backend in (canary, primary, spare)] == [1, 1, 1]


async def test_a_mirror_of_both_fires_once_although_the_canary_fails() -> None:
    shadow = Shadow("shadow", Counting("shadow"))
    async with trio.open_nursery() as background:
        one = Candidate("canary", Mirror(Counting("canary", faults.lost("x", "gone")), (shadow,), background))
        two = Candidate("time", Mirror(Counting("time"), (shadow,), background))
        policy = Split(two.handler, ((Canary(one, 100), Failover(one, (two,))),))

        assert bytes((await policy(call_by())).result) == b'"time"'

    assert shadow.sent == 1


@pytest.mark.parametrize(
    "candidate",
    [
        Candidate("canary", Counting("canary"), lambda: False),
        Candidate("canary", Counting("canary"), is_ejected=lambda: True),
        Candidate("canary", Counting("canary"), lists=lambda _method, _local: False),
    ],
    ids=["not available", "ejected", "does not list it"],
)
async def test_what_a_canary_cannot_take_is_the_primarys(candidate: Candidate) -> None:
    """CAN-5: a tool that the canary lacks is the primary's, and so is all while it is down, unhealthy, barred or ejected."""
    primary, canary = Counting("time"), candidate.handler
    assert isinstance(canary, Counting)

    assert await asked(split(primary, Canary(candidate, 50)), canary) == []
    assert len(primary.asked) == 100


async def test_a_slot_that_its_canary_cannot_take_is_used_up() -> None:
    """So a canary that comes back gets its share, and not what it has missed."""
    canary, up = Counting("canary"), False
    policy = split(Counting("time"), Canary(Candidate("canary", canary, lambda: up), 10))
    turns = [number for number, turn in enumerate(picks(Schedule(((10, False),)), 200)) if turn == 0]
    missed = len([turn for turn in turns if turn < 58])
    assert await asked(policy, canary, 58) == []
    up = True

    assert [58 + number for number in await asked(policy, canary, 142)] == turns[missed:]


async def test_what_a_canary_lists_is_asked_by_the_local_name() -> None:
    seen: list[tuple[str, str]] = []

    def lists(method: str, local: str) -> bool:
        seen.append((method, local))
        return local == "now"

    canary = Counting("canary")
    policy = split(Counting("time"), Canary(Candidate("canary", canary, lists=lists), 100))
    await policy(call_by())
    await policy(call_by("resources/read", name="file:///x"))

    assert seen == [("tools/call", "now"), ("resources/read", "file:///x")]
    assert [call.local for call in canary.asked] == ["now"]


# -- stickiness


async def test_a_sticky_caller_always_gets_the_same_backend() -> None:
    """CAN-4, LIM-20: sticky by caller."""
    canary = Counting("canary")
    policy = split(Counting("time"), Canary(Candidate("canary", canary), 50, sticky=True))

    assert {len(await asked(policy, canary, 20, caller=f"session {number}")) for number in range(50)} == {0, 20}


@pytest.mark.parametrize("percent", [5, 20, 50, 80])
def test_the_share_of_a_sticky_canary_is_one_of_callers(percent: int) -> None:
    schedule = Schedule(((percent, True),))
    chance = random.Random(percent)
    callers = [Caller("", session=f"{chance.getrandbits(128):032x}") for _caller in range(5000)]

    got = sum(schedule.next(caller) == 0 for caller in callers)

    assert abs(got - 50 * percent) <= 150  # four standard deviations


def test_callers_of_one_name_are_one_caller_whatever_their_sessions() -> None:
    schedule = Schedule(((50, True),))

    for name in ("alice", "bob", "carol", "j\udc80"):
        assert len({schedule.next(Caller("", principal=Principal(name), session=str(number))) for number in range(20)}) == 1


def test_where_a_caller_belongs_is_the_same_in_every_process_and_with_a_higher_weight() -> None:
    callers = [Caller("", principal=Principal(f"user {number}")) for number in range(200)]
    small, large = ({caller.principal.key for caller in callers if schedule.next(caller) == 0} for schedule in map(of, (10, 30)))

    assert small < large
    assert sorted(small)[:3] == ["user 10", "user 100", "user 101"]


def of(percent: int) -> Schedule:
    return Schedule(((percent, True),))


def test_a_caller_without_a_name_takes_turns() -> None:
    assert picks(of(10), 100).count(0) == 10


def test_beside_a_sticky_canary_the_others_still_have_their_share_of_all_calls() -> None:
    """20 of 100 callers are the sticky one's; of the calls of the other 80 callers one in eight makes 10 of 100."""
    schedule = Schedule(((20, True), (10, False)))
    for caller in (Caller("", session=str(number)) for number in range(100)):
        turns = [schedule.next(caller) for _call in range(80)]
        assert turns.count(0) == 80 or (turns.count(0), turns.count(1)) == (0, 10)


def test_callers_who_stick_to_no_canary_take_turns_as_if_there_were_only_those_who_take_turns() -> None:
    """A canary with 20 of all calls has 40 of the calls of every other caller, and they come in the same order."""
    alone, beside = Schedule(((40, False),)), Schedule(((20, False), (50, True)))
    caller = next(who for number in range(100) if beside.next(who := Caller("", session=str(number))) != 1)
    beside = Schedule(beside.shares)

    assert [beside.next(caller) for _call in range(100)] == picks(alone, 100)


async def test_nobody_sticks_to_a_canary_that_does_not_ask_for_it() -> None:
    canary = Counting("canary")
    policy = split(Counting("time"), Canary(Candidate("canary", canary), 50))

    assert len(await asked(policy, canary, 20, caller="session")) == 10


async def test_a_new_split_goes_on_with_the_old_ones_schedule() -> None:
    """Backends come and go, and each time the chains are made anew; a canary must not lose its turn."""
    primary, canary = Counting("time"), Canary(Candidate("canary", Counting("canary")), 10)
    schedule = Schedule.of([canary])
    got = 0
    for _call in range(100):
        reply = await Split(primary, ((canary, canary.candidate.handler),), schedule)(call_by())
        got += bytes(reply.result) == b'"canary"'

    assert got == 10


def test_whoever_walks_the_chain_comes_to_the_primary() -> None:
    primary = Counting("time")
    assert primary is split(primary).inner


@pytest.mark.parametrize(("bound", "answered"), [("canary", "canary"), ("time", "time"), ("stranger", "time")])
async def test_a_call_that_carries_what_one_has_said_goes_to_that_one_whose_ever_turn_it_is(bound: str, answered: str) -> None:
    """P-101: and it uses up no slot."""
    primary, canary = Counting("time"), Counting("canary")
    policy = split(primary, Canary(Candidate("canary", canary), 50))
    for _ in range(10):
        call = call_by()
        call.trail.bound_to = bound
        assert bytes((await policy(call)).result) == b'"%b"' % answered.encode()
    assert policy.schedule.next(Caller("")) == Schedule(((50, False),)).next(Caller(""))
