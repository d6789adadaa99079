"""Bounds of what backends send, at their edge: so much is taken or shown whole, and with one more it is cut or refused."""

from __future__ import annotations

import gzip
from collections.abc import Callable

import attrs
import pytest
import trio
import trio.testing
from tests.kit.endpoint import Answer, ScriptedEndpoint
from tests.kit.heard import Heard
from tests.kit.site import open_site

from sluicegate.backends.attached import AttachedConnector
from sluicegate.backends.channel import ChannelSession
from sluicegate.backends.complaints import Complaints
from sluicegate.backends.diagnosis import printable
from sluicegate.backends.handshake import read_list
from sluicegate.backends.http.connector import HttpConnector
from sluicegate.backends.inprocess import InProcessConnector
from sluicegate.backends.link import Link, State
from sluicegate.backends.lists import read_page
from sluicegate.backends.unreadable import parted, shown
from sluicegate.channel.lines import LineSplitter, Oversized
from sluicegate.channel.outbox import Outbox
from sluicegate.channel.reading import FEW_LINES, PIECE, in_pieces
from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.messages import Params, Raw, encode
from sluicegate.protocol.offers import TOOLS, Listed
from sluicegate.protocol.tokens import NOBODY, own_number
from sluicegate.protocol.why import Why

# The numbers that are promised. Taken from the source they would move with it.
LAST_WORDS = 20
LONGEST_LINE = 500
LONGEST = 120
MOST_FLAWS = 100
MOST_PHRASES = 3
MOST_TEXT = 4096
SHOWN = 120
LONGEST_NUMBER = 18

SCHEMA = {"type": "object"}
MESSAGE = b'{"jsonrpc":"2.0","id":1,"result":{}}'


# -- what is shown


def test_a_line_of_stderr_is_shown_up_to_its_bound() -> None:
    assert printable(b"x" * LONGEST_LINE) == "x" * LONGEST_LINE
    assert printable(b"x" * (LONGEST_LINE + 1)) == "x" * LONGEST_LINE + "…"


async def test_so_many_last_lines_of_stderr_are_kept(autojump_clock: trio.testing.MockClock) -> None:
    complaints = Complaints("b")
    for number in range(LAST_WORDS + 1):
        complaints.take(b"%d" % number)
    assert complaints.last_words == [str(number) for number in range(1, LAST_WORDS + 1)]


def test_what_is_no_message_is_shown_up_to_a_bound() -> None:
    assert shown(b"x" * SHOWN) == repr("x" * SHOWN)
    assert shown(b"x" * (SHOWN + 1)) == repr("x" * SHOWN + "…")
    assert shown("é".encode() * SHOWN) == repr("é" * SHOWN)


async def test_a_name_and_the_phrases_about_it_are_shown_up_to_a_bound(autojump_clock: trio.testing.MockClock) -> None:
    for size, dots in ((LONGEST, ""), (LONGEST + 1, "…")):
        (flaw,) = (await read_page(Raw(encode({"tools": [{"name": "n" * size}]})), TOOLS)).listed.flaws
        assert flaw.name == "n" * LONGEST + dots
    for number, more in ((MOST_PHRASES, False), (MOST_PHRASES + 1, True)):
        odd = {"name": "odd", "inputSchema": SCHEMA | {"properties": {f"p{one}": True for one in range(number)}}}
        (flaw,) = (await read_page(Raw(encode({"tools": [odd]})), TOOLS)).listed.flaws
        assert ("and 1 more" in flaw.what, " more" in flaw.what) == (more, more)


async def test_so_many_flaws_of_a_page_are_told_of_one_by_one(autojump_clock: trio.testing.MockClock) -> None:
    for number, last in ((MOST_FLAWS, "no text"), (MOST_FLAWS + 1, "1 more entries are not as they should be")):
        flaws = (await read_page(Raw(encode({"tools": [{"name": 7}] * number})), TOOLS)).listed.flaws
        assert len(flaws) == number
        assert last in flaws[-1].what


# -- what is looked at


@pytest.mark.parametrize("before", [1, 2, MOST_TEXT - 1, MOST_TEXT])
def test_a_message_behind_text_is_found_where_it_begins_within_the_bound(before: int) -> None:
    line = b"x" * before + MESSAGE
    assert parted(line) == ((b"x" * before, MESSAGE) if before < MOST_TEXT else (b"", line))


def test_no_number_of_more_digits_than_ours_have_is_one_of_ours() -> None:
    assert own_number(b"9" * LONGEST_NUMBER) == 10**LONGEST_NUMBER - 1
    assert own_number(b"9" * (LONGEST_NUMBER + 1)) == NOBODY
    assert own_number(b"7.0") == 7
    assert own_number(b'"x"') == NOBODY


@pytest.mark.parametrize("end", [b"\n", b"\r"])
def test_a_chunk_with_few_lines_or_few_bytes_is_the_only_piece(end: bytes) -> None:
    few, many = (end + b"x" * (PIECE // 8)) * FEW_LINES, (end + b"x" * (PIECE // 8)) * (FEW_LINES + 1)
    assert len(in_pieces(few)) == 1
    assert len(in_pieces(many)) > 1
    assert max(map(len, in_pieces(many))) == PIECE
    assert len(in_pieces(end * PIECE)) == 1
    assert list(map(len, in_pieces(end * (PIECE + 1)))) == [PIECE, 1]


@pytest.mark.parametrize("pieces", [1, 7, 1000])
def test_a_line_may_be_as_long_as_the_limit_however_it_comes(pieces: int) -> None:
    for size, whole in ((100, True), (101, False)):
        lines, data = LineSplitter(100), b"x" * size + b"\n"
        found = [line for start in range(0, len(data), pieces) for line in lines.feed(data[start : start + pieces])]
        assert [isinstance(line, Oversized) for line in found] == [not whole]
        assert [line.size for line in found if isinstance(line, Oversized)] == [] if whole else [size]


@pytest.mark.parametrize("coding", ["", "gzip"])
async def test_an_answer_may_be_as_large_as_the_limit(coding: str, autojump_clock: trio.testing.MockClock) -> None:
    text = b""

    async def say(answer: Answer) -> None:
        headers = {"content_encoding": coding} if coding else {}
        await answer.send(200, gzip.compress(text) if coding else text, content_type="application/json", **headers)

    async with open_site(ScriptedEndpoint(on={"tools/call": say})) as site:
        connector = HttpConnector("web", "http://backend.test/mcp", {}, site.open_stream, max_message_size=1000)
        for size, fits in ((1000, True), (1001, False)):
            async with connector(Heard()) as session:
                await session.request(Call("initialize", "initialize", {}))
                empty = b'{"jsonrpc":"2.0","id":2,"result":{"x":""}}'
                text = empty.replace(b'""', b'"%b"' % (b"x" * (size - len(empty))))
                reply = await session.request(Call("tools/call", "t", {}))
                assert (reply.fault is None) == fits, reply.fault


# -- what waits


async def test_so_many_messages_wait_before_a_call_is_refused_and_twice_as_many_before_the_rest_is_dropped(nursery: trio.Nursery) -> None:
    session = ChannelSession("b", Heard(), outbox=Outbox(most=3))
    for expected in (1, 2, 3):
        nursery.start_soon(session.request, Call("x", "x", {}))
        await trio.testing.wait_all_tasks_blocked()
        assert (session.in_flight, len(session.outbox)) == (expected, expected)
    refused = await session.request(Call("x", "x", {}))
    assert refused.fault is not None
    for expected in (4, 5, 6, 6):
        session.tell("notifications/progress", {})
        assert len(session.outbox) == expected
    nursery.cancel_scope.cancel()


# -- lists


@attrs.define(eq=False)
class Paging:
    """A session whose backend sends one page after the other."""

    is_open = True
    page: Callable[[int], bytes]
    asked: int = 0

    async def request(self, call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        self.asked += 1
        return Reply(Raw(self.page(self.asked)))

    def speak(self, version: str) -> None:
        raise AssertionError(version)

    def tell(self, method: str, params: Params) -> None:
        raise AssertionError

    async def wait_closed(self) -> str:
        raise AssertionError


@pytest.mark.parametrize(("less", "asked"), [(0, 64), (1, 65)])
async def test_64_mebibytes_of_one_list_are_read(less: int, asked: int) -> None:
    def page(number: int) -> bytes:
        page = b'{"tools":[],"nextCursor":"%06d","x":""}' % number
        return page.replace(b'""', b'"%b"' % (b"x" * (1024 * 1024 - len(page) - (less if number == 1 else 0))))

    session = Paging(page)
    await read_list(session, TOOLS, backend="b")
    assert session.asked == asked


@pytest.mark.parametrize(("less", "asked"), [(0, 100), (1, 101)])
async def test_10_000_entries_of_one_list_are_read(less: int, asked: int) -> None:
    def page(number: int) -> bytes:
        names = range(number * 100, number * 100 + 100 - (less if number == 1 else 0))
        return encode({"tools": [{"name": str(name), "inputSchema": SCHEMA} for name in names], "nextCursor": str(number)})

    session = Paging(page)
    listed = await read_list(session, TOOLS, backend="b")
    assert isinstance(listed, Listed)
    assert (session.asked, len(listed.items)) == (asked, 100 * asked - less)


# -- how long is waited


async def test_a_server_in_this_process_has_two_seconds_to_end(autojump_clock: trio.testing.MockClock) -> None:
    class Stubborn:
        """Goes on after its input has ended."""

        async def run(self, read: object, write: object, options: object) -> None:
            del read, write, options
            await trio.sleep_forever()

        def create_initialization_options(self) -> None:
            return None

    async with InProcessConnector("b", Stubborn())(Heard()):  # type: ignore[arg-type]
        await trio.sleep(1)
    assert trio.current_time() == 3


async def test_a_call_waits_30_seconds_for_a_link_that_was_lost(autojump_clock: trio.testing.MockClock) -> None:
    link = Link("b", AttachedConnector(None))
    seen = []
    for moment in (29.9, 30.0):
        await trio.sleep_until(moment)
        seen.append(link.comes_back)
    assert seen == [True, False]
    link.enter(State.READY, Why(""))
    await trio.sleep_until(100)
    link.enter(State.RESTARTING, Why("lost"))
    with trio.fail_after(100):
        await link.wait_ready()
    assert (trio.current_time(), link.comes_back) == (130.0, False)
