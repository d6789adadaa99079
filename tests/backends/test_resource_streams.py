"""One stream for all that is wanted of a backend without sessions: what it refuses costs nobody else anything (P-113)."""

from __future__ import annotations

import attrs
import msgspec
import pytest
import trio
import trio.testing
from tests.kit.quiet_session import QuietSession

from sluicegate.backends.modern.resource_streams import ResourceStreams
from sluicegate.backends.watched import WatchedResources
from sluicegate.protocol import faults
from sluicegate.protocol.calls import OURSELVES, Call, Reply
from sluicegate.protocol.messages import Raw, decode_object, encode, encode_notification
from sluicegate.protocol.offers import Hello
from sluicegate.protocol.subscription import ACKNOWLEDGED, Subscription

Clock = trio.testing.MockClock


@attrs.define
class Teller(QuietSession):
    """A session with a backend that tells of resources (implements `BackendSession`)."""

    errors: set[str] = attrs.field(factory=set)
    """It has an error for any wishes with one of these."""
    unheard: set[str] = attrs.field(factory=set)
    """It does not honour these."""
    most: int = 1000
    """It has an error for more than that."""
    fault: faults.Fault | None = None
    """While there is one: its answer to everything."""
    slow: float = 0.01
    opened: list[list[str]] = attrs.field(factory=list)
    streams: list[trio.Event] = attrs.field(factory=list)
    """Set one, and it ends that."""

    async def request(self, call: Call) -> Reply:
        wishes = decode_object(call.params["notifications"])
        assert isinstance(wishes, dict)
        uris = msgspec.json.decode(wishes["resourceSubscriptions"], type=list[str])
        self.opened.append(uris)
        await trio.sleep(self.slow)
        if self.fault is not None:
            return Reply.failed(self.fault)
        if self.errors.intersection(uris) or len(uris) > self.most:
            return Reply.failed(faults.backend_error("b", Raw(b'{"code":-32602,"message":"I know no such resource"}')))
        call.back.note(b'{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"a stream"}}')
        honoured = {"resourceSubscriptions": [uri for uri in uris if uri not in self.unheard]}
        call.back.note(encode_notification(ACKNOWLEDGED, {"notifications": Raw(encode(honoured))}))
        self.streams.append(trio.Event())
        await self.streams[-1].wait()
        return Reply()


@attrs.define
class Here:
    session: Teller = attrs.field(factory=Teller)
    watched: WatchedResources = attrs.field(factory=WatchedResources)
    told: list[str] = attrs.field(factory=list)

    def want(self, uri: str) -> Subscription:
        subscription = Subscription(OURSELVES, lambda changed, _said: self.told.append(changed))
        self.watched.add(uri, subscription)
        return subscription

    @property
    def held(self) -> set[str]:
        return {resource.uri for resource in self.watched if resource.held}


@pytest.fixture
async def here(nursery: trio.Nursery) -> Here:
    here = Here()
    hello = Hello("2026-07-28", {"resources": Raw(b'{"subscribe":true}')}, {}, "")
    nursery.start_soon(ResourceStreams(here.session, "b", here.watched).run, hello)
    await trio.testing.wait_all_tasks_blocked()
    return here


async def test_what_the_backend_refuses_is_nobody_elses_refusal(here: Here, autojump_clock: Clock) -> None:
    bad = {f"x:bad{number}" for number in (1, 3)}
    here.session.errors = set(bad)
    wanted = {uri: here.want(uri) for uri in [*bad, *(f"x:{number}" for number in range(30))]}
    await trio.sleep(1)
    assert {uri for uri, one in wanted.items() if one.granted} == set(wanted) - bad
    assert {one.fault.message for uri, one in wanted.items() if one.fault is not None} == {"I know no such resource"}
    assert here.held == set(wanted) - bad
    assert len(here.session.opened) < 32


async def test_who_asks_after_one_that_was_refused_does_not_wait_for_it(here: Here, autojump_clock: Clock) -> None:
    for number in range(8):
        here.session.errors.add(f"x:bad{number}")
        for uri in (f"x:bad{number}", f"x:{number}"):
            began = trio.current_time()
            fault = await here.want(uri).answer()
            assert (fault is None) is ("bad" not in uri)
            assert trio.current_time() - began < 0.2
    assert here.held == {f"x:{number}" for number in range(8)}


async def test_one_that_is_granted_no_more_costs_the_others_nothing(here: Here, autojump_clock: Clock) -> None:
    """And it is asked for again, seldom."""
    session = here.session
    kept, lost = here.want("x:kept"), here.want("x:lost")
    await trio.sleep(20)
    session.errors = {"x:lost"}
    session.streams[0].set()
    await trio.sleep(5)
    assert here.held == {"x:kept"}
    assert kept.fault is lost.fault is None
    opened = len(session.opened)
    await trio.sleep(600)
    assert 10 < len(session.opened) - opened < 50
    assert await here.want("x:new").answer() is None
    session.errors = set()
    await trio.sleep(61)
    assert here.held == {"x:kept", "x:lost", "x:new"}
    assert here.told.count("x:lost") == 1, "something may have been missed"


async def test_what_was_granted_stays_where_the_backend_has_errors_for_everything(here: Here, autojump_clock: Clock) -> None:
    here.want("x:one")
    here.want("x:two")
    await trio.sleep(1)
    here.session.most = 0
    assert await here.want("x:three").answer() is not None
    assert here.held == {"x:one", "x:two"}
    assert not here.session.streams[0].is_set()
    here.session.most = 2
    assert await here.want("x:three").answer() is not None, "who was there first stays"
    assert here.held == {"x:one", "x:two"}


async def test_one_of_those_that_are_told_of_may_be_to_blame(here: Here, autojump_clock: Clock) -> None:
    here.want("x:one")
    turned = here.want("x:turned")
    await trio.sleep(1)
    here.session.errors = {"x:turned"}
    assert await here.want("x:new").answer() is None
    assert here.held == {"x:one", "x:new"}
    assert turned.fault is None
    here.session.errors = set()
    await trio.sleep(61)
    assert here.held == {"x:one", "x:new", "x:turned"}


async def test_hundreds_that_are_refused_are_told_so(here: Here, autojump_clock: Clock) -> None:
    here.session.errors = {f"x:bad{number}" for number in range(200)}
    wanted = {uri: here.want(uri) for uri in [*here.session.errors, "x:good"]}
    await trio.sleep(60)
    assert all(one.granted or one.fault is not None for one in wanted.values())
    assert here.held == {"x:good"}
    assert len(here.session.opened) < 600


async def test_a_backend_that_is_away_has_refused_nothing(here: Here, autojump_clock: Clock) -> None:
    here.session.fault, here.session.is_open = faults.unavailable("b", "it is away"), False
    wanted = here.want("x:a")
    await trio.sleep(10)
    assert (wanted.granted, wanted.fault) == (False, None)
    here.session.fault, here.session.is_open = None, True
    assert await wanted.answer() is None


async def test_where_the_session_lives_on_who_is_new_is_told_and_who_was_granted_it_waits(here: Here, autojump_clock: Clock) -> None:
    old = here.want("x:old")
    assert await old.answer() is None
    here.session.fault = faults.unavailable("b", "it sends all elsewhere")
    here.session.streams[0].set()
    await trio.sleep(5)
    with trio.fail_after(1):
        new = await here.want("x:new").answer()
    assert new is here.session.fault
    here.session.fault = None
    await trio.sleep(60)
    assert (old.fault, here.held, here.told) == (None, {"x:old"}, ["x:old"])


async def test_who_comes_while_a_stream_is_not_opened_again_yet_does_not_wait_for_that(here: Here, autojump_clock: Clock) -> None:
    """A backend whose streams last for seconds is asked for one seldom; a client who is new may have it asked once more."""

    async def cut() -> None:
        while True:
            await trio.sleep(2)
            here.session.streams[-1].set()

    async with trio.open_nursery() as nursery:
        assert await here.want("x:a").answer() is None
        nursery.start_soon(cut)
        await trio.sleep(600)
        assert len(here.session.opened) < 30
        for number in range(5):
            began = trio.current_time()
            assert await here.want(f"x:{number}").answer() is None
            assert trio.current_time() - began < 0.2
            await trio.sleep(10)
        assert len(here.session.opened) < 40
        nursery.cancel_scope.cancel()


async def test_what_nobody_wants_any_more_is_asked_for_no_more(here: Here, autojump_clock: Clock) -> None:
    """A backend that refuses to be asked for less goes on as it was, and that holds up nobody who comes later."""
    here.want("x:a")
    gone = here.want("x:b")
    await trio.sleep(1)
    here.session.fault = faults.backend_error("b", Raw(b'{"code":-32603,"message":"not now"}'))
    gone.end()
    await trio.sleep(0.5)
    assert here.held == {"x:a", "x:b"}
    here.session.fault = None
    await trio.sleep(2)
    assert (here.held, here.told) == ({"x:a"}, [])
    assert here.session.opened[-1] == ["x:a"]


async def test_one_that_does_not_answer_is_asked_once(here: Here, autojump_clock: Clock) -> None:
    here.session.slow = 1000
    one, other = here.want("x:a"), here.want("x:b")
    await trio.sleep(40)
    assert [one.fault and one.fault.reason, other.fault and other.fault.reason] == ["timeout", "timeout"]
    assert len(here.session.opened) == 1


async def test_what_is_not_honoured_costs_one_stream(here: Here, autojump_clock: Clock) -> None:
    here.session.unheard = {"x:deaf"}
    here.want("x:a")
    assert await here.want("x:deaf").answer() is not None
    await trio.sleep(10)
    assert here.held == {"x:a"}
    assert len(here.session.opened) == 1


async def test_who_wants_what_is_not_honoured_any_more_is_told(here: Here, autojump_clock: Clock) -> None:
    first = here.want("x:a")
    await trio.sleep(20)
    here.session.unheard = {"x:a"}
    here.session.streams[0].set()
    await trio.sleep(5)
    assert await here.want("x:a").answer() is not None
    assert first.fault is None
    here.session.unheard = set()
    assert await here.want("x:a").answer() is None
    assert here.held == {"x:a"}


async def test_what_is_missed_while_the_next_stream_opens_is_told(here: Here, autojump_clock: Clock) -> None:
    here.want("x:a")
    await trio.sleep(20)
    here.session.slow = 5
    new = here.want("x:b")
    await trio.sleep(1)
    here.session.streams[0].set()
    assert await new.answer() is None
    assert here.told == ["x:a"]
