"""The stream on which a backend without sessions says that its lists have changed: what no stream tells is read again (P-114)."""

from __future__ import annotations

import attrs
import trio
import trio.testing
from tests.kit.quiet_session import QuietSession

from sluicegate.backends.link import Link
from sluicegate.backends.modern.upstream import listen
from sluicegate.protocol import faults
from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.messages import Raw, encode_notification
from sluicegate.protocol.offers import Hello
from sluicegate.protocol.subscription import ACKNOWLEDGED
from sluicegate.testing.backend import ScriptedBackend

Clock = trio.testing.MockClock
HELLO = Hello("2026-07-28", {"tools": Raw(b'{"listChanged":true}')}, {})


@attrs.define
class Teller(QuietSession):
    """A session with a backend that tells of its lists (implements `BackendSession`)."""

    fault: faults.Fault | None = None
    """Its answer, while there is one."""
    silent: float = 1.0
    """How long it takes until a stream is open."""
    asked: int = 0
    over: trio.Event = attrs.field(factory=trio.Event)
    """Ends the stream that is open."""

    async def request(self, call: Call) -> Reply:
        self.asked += 1
        await trio.sleep(self.silent)
        if self.fault is not None:
            return Reply.failed(self.fault)
        call.back.note(encode_notification(ACKNOWLEDGED, {"notifications": Raw(b'{"toolsListChanged":true}')}))
        self.over = trio.Event()
        await self.over.wait()
        return Reply()


def linked() -> Link:
    return Link("b", ScriptedBackend().connector)


def stale(link: Link) -> set[str]:
    """The lists that are to be read again; they are, here."""
    found = {kind.capability for kind in link.stale}
    link.stale.clear()
    return found


async def test_what_changes_before_the_next_stream_is_open_is_read_again(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    """Else a change between the reading and the opening would never be known."""
    session, link = Teller(), linked()
    nursery.start_soon(listen, session, link, HELLO)
    await trio.sleep(20)
    assert stale(link) == set(), "what has just been read is not read again"
    session.over.set()
    await trio.sleep(1.5)
    assert (session.asked, stale(link)) == (2, set())
    await trio.sleep(1)
    assert stale(link) == {"tools", "resources", "prompts"}
    await trio.sleep(1000)
    assert (session.asked, stale(link)) == (2, set())


async def test_where_no_stream_comes_to_be_the_lists_are_read_now_and_then(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    session, link = Teller(faults.backend_error("b", Raw(b'{"code":-32603,"message":"not now"}'))), linked()
    nursery.start_soon(listen, session, link, HELLO)
    read = 0
    for _ in range(60):
        await trio.sleep(60)
        read += bool(stale(link))
    assert read > 50
    session.fault = None
    await trio.sleep(62)
    assert stale(link), "and when there is one at last"
    await trio.sleep(1000)
    assert not stale(link)


async def test_a_backend_that_knows_no_such_thing_is_left_alone(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    session, link = Teller(faults.backend_error("b", Raw(b'{"code":-32601,"message":"no"}'))), linked()
    with trio.fail_after(2):
        await listen(session, link, HELLO)
    assert (session.asked, stale(link)) == (1, set())
