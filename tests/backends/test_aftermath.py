"""What comes after: after an answer that was too large, a server's own bug, a state that is left, a stream that breaks again."""

from __future__ import annotations

import errno
import os
import random
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from tests.kit.calls import a_call
from tests.kit.endpoint import Answer, ScriptedEndpoint
from tests.kit.heard import Heard
from tests.kit.site import open_site

from sluicegate.backends.attached import AttachedConnector
from sluicegate.backends.backend import Backend
from sluicegate.backends.channel import ChannelSession
from sluicegate.backends.complaints import Complaints
from sluicegate.backends.diagnosis import why_not_started
from sluicegate.backends.handshake import shake_hands
from sluicegate.backends.health import Health
from sluicegate.backends.http.connector import HttpConnector
from sluicegate.backends.http.session import HttpSession
from sluicegate.backends.inprocess import InProcessConnector
from sluicegate.backends.link import Link, State, StateChange
from sluicegate.backends.supervisor import Supervisor
from sluicegate.backends.unreadable import parted
from sluicegate.http1.server.server import HangUp
from sluicegate.outside import ProcessSpec
from sluicegate.policies.settings import HealthSettings, RestartSettings
from sluicegate.protocol import faults
from sluicegate.protocol.calls import Call, Hop, Reply
from sluicegate.protocol.offers import PROMPTS, Hello, Offer
from sluicegate.protocol.why import Why
from sluicegate.testing.backend import ScriptedBackend

Clock = trio.testing.MockClock


# -- channels


async def test_a_ping_that_is_alone_pays_for_an_answer_that_is_too_large_and_beside_a_call_it_does_not(
    nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    session, replies = ChannelSession("b", Heard()), dict[str, Reply]()

    async def ask(method: str) -> None:
        replies[method] = await session.request(a_call(method=method))

    for method in ("tools/call", "ping"):
        nursery.start_soon(ask, method)
        await trio.testing.wait_all_tasks_blocked()
        await session.next_frame()
    for method in ("tools/call", "ping"):
        assert session.settle_oversized(None, 1000)
        await trio.testing.wait_all_tasks_blocked()
        fault = replies.pop(method).fault
        assert fault is not None
        assert (fault.reason, replies) == ("bad_answer", {})
    assert not session.settle_oversized(None, 1000)


async def test_the_first_reason_for_an_end_is_the_one_that_is_told(autojump_clock: Clock) -> None:
    session = ChannelSession("b", Heard())
    session.close("it crashed")
    session.close("left")
    assert str(await session.wait_closed()) == "it crashed"
    fault = (await session.request(a_call())).fault
    assert fault is not None
    assert (fault.started, "it crashed" in fault.told) == (False, True)


@pytest.mark.parametrize(
    ("line", "text"), [(b'  {"jsonrpc":"2.0","id":1,"result":{}}', b""), (b'ok {"jsonrpc":"2.0","id":1,"result":{}}', b"ok ")]
)
def test_blanks_before_a_message_are_no_text(line: bytes, text: bytes) -> None:
    assert parted(line) == (text, line.removeprefix(text))


# -- processes and servers


@pytest.mark.parametrize("command", ["./server", "{}/server"])
@pytest.mark.parametrize(("number", "said"), [(errno.ENOENT, "is there, but the interpreter"), (errno.EACCES, "may not be executed")])
def test_a_command_with_its_path_is_named_as_it_was_found(command: str, number: int, said: str, tmp_path: Path) -> None:
    (tmp_path / "server").touch(0o755)
    spec = ProcessSpec(command.format(tmp_path), cwd=str(tmp_path))
    assert why_not_started(spec, OSError(number, os.strerror(number))).startswith(f"command '{tmp_path / 'server'}' {said}")


@pytest.mark.parametrize(("before", "shown"), [(8190, ["ab"]), (8191, [])])
async def test_8192_bytes_of_a_line_of_stderr_are_read(before: int, shown: list[str], autojump_clock: Clock) -> None:
    """Of a longer one both ends are kept, which are shorter; signs that are not printable count, and are not shown."""

    class Written(trio.abc.ReceiveStream):
        chunks = [b"\x7f" * before + b"ab\n", b""]  # noqa: RUF012

        async def receive_some(self, max_bytes: int | None = None) -> bytes:
            await trio.lowlevel.checkpoint()
            return self.chunks.pop(0)

        async def aclose(self) -> None:
            raise AssertionError

    Written.chunks = [b"\x7f" * before + b"ab\n", b""]
    complaints = Complaints("b")
    await complaints.hear(Written(), lambda: True)
    assert complaints.last_words == shown


async def test_a_server_in_this_process_that_fails_says_how(autojump_clock: Clock) -> None:
    class Buggy:
        async def run(self, read: object, write: object, options: object) -> None:
            del read, write, options
            await trio.lowlevel.checkpoint()
            raise RuntimeError("no more")

        def create_initialization_options(self) -> None:
            return None

    server: Any = Buggy()
    async with InProcessConnector("b", server)(Heard()) as session:
        why = await session.wait_closed()
    assert (str(why), isinstance(why, Why) and why.public) == ("the server raised RuntimeError('no more')", "the server failed")


# -- backends and their links


async def test_a_call_that_is_under_way_is_a_hop_without_an_outcome(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    session = ChannelSession("b", Heard())
    link = Link("b", AttachedConnector(session))
    backend, call = Backend(link), a_call()
    link.session = session
    await trio.sleep(5)
    nursery.start_soon(backend, call)
    await trio.testing.wait_all_tasks_blocked()
    assert (call.trail.hops, backend.in_flight) == ([Hop("b", "cancelled", 0.0)], 1)
    await trio.sleep(2)
    session.close("gone")
    await trio.testing.wait_all_tasks_blocked()
    assert (call.trail.hops, backend.in_flight) == ([Hop("b", "backend_unavailable", 2.0)], 0)


async def test_a_link_tells_of_a_state_and_a_reason_once(autojump_clock: Clock) -> None:
    changes: list[StateChange] = []
    link = Link("b", AttachedConnector(None), changes.append)
    for state, why in (
        (State.STARTING, ""),
        (State.RESTARTING, "one"),
        (State.RESTARTING, "one"),
        (State.RESTARTING, "two"),
        (State.READY, ""),
        (State.READY, ""),
        (State.RESTARTING, "three"),
    ):
        await trio.sleep(1)
        link.enter(state, Why("public", why) if why else Why(""))
    assert [(change.at, change.old.value, change.new.value, change.cause) for change in changes] == [
        (2, "starting", "restarting", "one"),
        (4, "restarting", "restarting", "two"),
        (5, "restarting", "ready", ""),
        (7, "ready", "restarting", "three"),
    ]
    assert (link.since, link.down_since, link.error, link.told) == (7, 7, "three", "public")


@pytest.mark.parametrize(("state", "stays"), [(State.RESTARTING, True), (State.CRASH_LOOPING, False), (State.STOPPED, False)])
async def test_what_was_offered_stays_until_a_link_is_given_up(state: State, stays: bool) -> None:
    link = Link("b", AttachedConnector(None))
    link.offer = Offer(Hello("2025-11-25", {}, {}), {})
    link.enter(state, Why("x"))
    assert (link.offer is not None) is stays
    await trio.lowlevel.checkpoint()


async def test_only_what_says_that_a_list_has_changed_makes_one_stale_and_wakes_who_reads_lists(
    nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    link, woken = Link("b", AttachedConnector(None)), list[tuple[float, int]]()

    async def read() -> None:
        while True:
            await link.wait_stale()
            woken.append((trio.current_time(), len(link.stale)))
            link.stale.clear()

    nursery.start_soon(read)
    for method in ("notifications/x", "notifications/resources/list_changed", "notifications/tools/list_changed"):
        await trio.sleep(1)
        link.notification(method, {})
    await trio.sleep(1)
    assert woken == [(2, 2), (3, 1)]
    link.notification("notifications/prompts/list_changed", {})
    assert link.stale == {PROMPTS}
    nursery.cancel_scope.cancel()


async def test_each_start_after_the_first_counts_as_a_restart(autojump_clock: Clock) -> None:
    scripted = ScriptedBackend()
    scripted.refuse = "not now"
    link = Link("b", scripted.connector)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Supervisor(link, RestartSettings(1.0, 1.0, 3, 60.0), 5, random.Random(1)).run)
        seen = []
        for _ in range(3):
            await trio.testing.wait_all_tasks_blocked()
            seen.append((link.restarts, link.state.value, link.session))
            await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert seen[0] == (0, "restarting", None)
    assert [restarts for restarts, _state, _session in seen] == sorted({restarts for restarts, _state, _session in seen})
    assert (link.state, link.error) == (State.STOPPED, "")


# -- health


@pytest.mark.parametrize(("sent", "asked", "late", "failures"), [
    (True, False, 0.0, 1),
    (True, False, -0.1, 0),
    (True, True, 0.0, 0),
    (False, False, 0.0, 0),
])  # fmt: skip
async def test_a_call_that_was_cut_speaks_against_a_backend_that_had_it_until_its_time_was_up(
    sent: bool, asked: bool, late: float, failures: int, autojump_clock: Clock
) -> None:
    health, call = Health("b", HealthSettings(by_calls=True)), a_call("x")
    health.begin(lambda: None, lambda: None)
    await trio.sleep(7)
    call.sent_at, call.trail.asked = 2.0 if sent else None, asked
    health.call_ended(call, None, 7.0 - late)
    assert (health.failures, health.last_at) == (failures, 7 if failures else 0)
    assert health.error == ("request timed out: 'x' took longer than 5 s" if failures else "")


async def test_what_a_backend_itself_says_is_an_answer_and_what_was_never_sent_says_nothing(autojump_clock: Clock) -> None:
    health = Health("b", HealthSettings(by_calls=True, unhealthy_threshold=3))
    health.begin(lambda: None, lambda: None)
    for fault, failures, successes in (
        (faults.lost("b", "gone"), 1, 0),
        (faults.timed_out("x", 1.0), 2, 0),
        (faults.unavailable("b", "gone"), 2, 0),
        (faults.overloaded("x", "full"), 2, 0),
        (None, 0, 1),
        (None, 0, 2),
        (faults.lost("b", "gone"), 1, 0),
    ):
        health.note(fault)
        assert (health.failures, health.successes) == (failures, successes)
    await trio.lowlevel.checkpoint()


# -- HTTP


async def broken_off(answer: Answer) -> None:
    await answer.stream()
    await answer.event(id="e0", retry=1000)
    raise HangUp


async def test_a_stream_that_yields_something_each_time_is_resumed_as_often_as_it_breaks(autojump_clock: Clock) -> None:
    posted: list[Answer] = []

    async def post(answer: Answer) -> None:
        posted.append(answer)
        await broken_off(answer)

    async def rest(answer: Answer) -> None:
        if (last := answer.headers.get("last-event-id")) is None:
            await answer.send(405)
            return
        await answer.stream()
        number = int(last[1:]) + 1
        if number == 20:
            await answer.event(posted[0].response(result={"after": number}))
        elif number % 4:  # of each four times one yields nothing
            await answer.event(id=f"e{number}")
        await answer.end()
        if not number % 4:
            endpoint.on["GET"] = skip

    async def skip(answer: Answer) -> None:
        endpoint.on["GET"] = rest
        await answer.stream()
        await answer.event(id=f"e{int(answer.headers['last-event-id'][1:]) + 1}")
        await answer.end()

    endpoint = ScriptedEndpoint(on={"tools/call": post, "GET": rest})
    async with open_site(endpoint) as site, HttpConnector("web", "http://backend.test/mcp", {}, site.open_stream)(Heard()) as session:
        await shake_hands(session, name="test", version="1")
        assert (await session.request(a_call())).value == {"after": 20}
    assert len(posted) == 1


async def test_who_leaves_does_not_wait_for_a_stream_that_is_to_be_resumed(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    async def post(answer: Answer) -> None:
        await answer.stream()
        await answer.event(id="e0", retry=30_000)
        raise HangUp

    replies: list[Reply] = []
    async with open_site(ScriptedEndpoint(on={"tools/call": post}, stateful=False)) as site:
        async with HttpConnector("web", "http://backend.test/mcp", {}, site.open_stream)(Heard()) as session:
            await shake_hands(session, name="test", version="1")

            async def one() -> None:
                replies.append(await session.request(a_call()))

            nursery.start_soon(one)
            await trio.sleep(1)
        assert trio.current_time() == 1
    (reply,) = replies
    assert reply.fault is not None
    assert (reply.fault.reason, reply.fault.started) == ("connection_lost", True)


async def test_a_call_over_http_says_when_it_was_sent_and_that_it_was(autojump_clock: Clock) -> None:
    endpoint = ScriptedEndpoint(stateful=False)
    async with open_site(endpoint) as site, HttpConnector("web", "http://backend.test/mcp", {}, site.open_stream)(Heard()) as session:
        await shake_hands(session, name="test", version="1")
        await trio.sleep(3)
        call = a_call()
        assert (call.sent_at, call.trail.sent) == (None, False)
        await session.request(call)
        assert (call.sent_at, call.trail.sent) == (3, True)


async def test_a_closed_session_takes_and_says_nothing_any_more(autojump_clock: Clock) -> None:
    endpoint, heard = ScriptedEndpoint(stateful=False), Heard()
    async with open_site(endpoint) as site, HttpConnector("web", "http://backend.test/mcp", {}, site.open_stream)(heard) as session:
        await shake_hands(session, name="test", version="1")
        assert isinstance(session, HttpSession)
        await session.request(a_call())
        session.close(Why("first"))
        session.close(Why("second"))
        before = len(endpoint.seen)
        session.tell("notifications/roots/list_changed", {})
        session.respond(b"{}", "x")
        session.complain("x")
        fault = (await session.request(a_call())).fault
        assert fault is not None
        assert (fault.reason, str(await session.wait_closed())) == ("backend_unavailable", "first")
        await trio.sleep(1)
        assert (len(endpoint.seen), session._unasked.garbage, session._unasked.requests) == (before, 0, 0)


async def test_an_opening_that_is_cut_is_not_taken_back(autojump_clock: Clock) -> None:
    """The protocol forbids it."""

    async def never(answer: Answer) -> None:
        await answer.wait_gone()

    endpoint = ScriptedEndpoint(on={"initialize": never}, stateful=False)
    async with open_site(endpoint) as site, HttpConnector("web", "http://backend.test/mcp", {}, site.open_stream)(Heard()) as session:
        with trio.move_on_after(1):
            await session.request(Call("initialize", "initialize", {}))
        await trio.sleep(1)
    assert endpoint.methods() == ["initialize"]
