"""When a backend says "not now": what its status and its ``Retry-After`` mean, read alone and off the wire."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from email.utils import formatdate

import msgspec
import pytest
import trio
import trio.testing
from tests.kit.calls import a_call
from tests.kit.endpoint import Answer, ScriptedEndpoint
from tests.kit.heard import Heard
from tests.kit.site import open_site

from sluicegate.backends.handshake import shake_hands
from sluicegate.backends.http.connector import HttpConnector
from sluicegate.backends.http.retry_after import retry_after
from sluicegate.backends.session import BackendSession
from sluicegate.policies.retry import Retry
from sluicegate.policies.settings import RetrySettings
from sluicegate.protocol.faults import Cause, Fault
from sluicegate.sources import Sources

# The numbers that are promised. Taken from the source they would move with it.
LONGEST = 300.0

NOW = 1_800_000_000.0
DATE = formatdate(NOW, usegmt=True)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("2", 2),
        (" 120 ", 120),
        ("007", 7),
        ("300", 300),
        ("301", LONGEST),
        ("9" * 5000, LONGEST),
        (formatdate(NOW + 30, usegmt=True), 30),
        (formatdate(NOW - 30, usegmt=True), 0),
        (formatdate(NOW + 1e6, usegmt=True), LONGEST),
        ("Friday, 15-Jan-27 08:00:30 GMT", 30),
        ("Fri Jan 15 08:00:30 2027", 30),
        ("Fri, 15 Jan 2027 09:00:30 +0100", 30),
        ("Fri, 15 Jan 2027 08:00:30 -0000", 30),
    ],
)
def test_seconds_and_dates_are_understood(text: str, seconds: float) -> None:
    """LIM-15: dates that are past are no time at all, and what is too long to wait for is capped."""
    assert retry_after(text, DATE, 0.0) == seconds
    assert retry_after(text, "", NOW) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "-1",
        "1.5",
        "1e3",
        "soon",
        "²",
        "٣",
        "+5",
        "1,2",
        "Fri, 15 Jan 99999999999999 08:00:30 GMT",
        "Fri, 31 Feb 2027 00:00:00 GMT",
    ],
)
def test_what_nobody_can_read_is_not_there(text: str) -> None:
    assert retry_after(text, DATE, NOW) is None


def test_a_moment_is_taken_by_the_servers_own_clock() -> None:
    """Its clock may be wrong; the time between its two dates is not."""
    assert retry_after(formatdate(NOW + 5, usegmt=True), DATE, NOW + 10_000) == 5
    assert retry_after(formatdate(NOW + 5, usegmt=True), "no date", NOW + 2) == 3


@asynccontextmanager
async def talking(
    status: int, headers: Mapping[str, str], body: bytes = b"busy", kind: str = "text/plain"
) -> AsyncGenerator[BackendSession]:
    """A session with a backend that answers its first tool call so, and works afterwards."""
    refusals = 0

    async def refuse_once(answer: Answer) -> None:
        nonlocal refusals
        refusals += 1
        if refusals == 1:
            await answer.send(status, body, content_type=kind, **headers)
        else:
            await answer.result({"content": [{"type": "text", "text": "done"}]})

    async with (
        open_site(ScriptedEndpoint(on={"tools/call": refuse_once})) as site,
        HttpConnector("web", "http://backend.test/mcp", {}, site.open_stream)(Heard()) as session,
    ):
        await shake_hands(session, name="test", version="1")
        yield session


async def fault_of(session: BackendSession) -> Fault:
    reply = await session.request(a_call("web_delete"))
    assert reply.fault is not None
    return reply.fault


@pytest.mark.parametrize(("status", "cause", "counts"), [(429, Cause.OVERLOAD, False), (503, Cause.TRANSPORT, True)])
async def test_too_many_is_overload_and_no_room_counts_against_the_backend(
    status: int, cause: Cause, counts: bool, autojump_clock: trio.testing.MockClock
) -> None:
    """DEC-5: both say that the call was not begun, so it may be sent again and elsewhere, whatever it does."""
    async with talking(status, {"retry_after": "17"}) as session:
        fault = await fault_of(session)

    assert (fault.cause, fault.code, fault.retry_after, fault.started) == (cause, -32603, 17, False)
    assert (fault.counts_against_backend, fault.is_in_doubt) == (counts, False)
    assert fault.may_be_repeated(safe=False)
    assert fault.may_go_elsewhere
    data = msgspec.json.decode(fault.encode())["data"]
    assert data.items() >= {"reason": "http_status", "backend": "web", "retryAfterMs": 17000, "status": status}.items()


async def test_a_date_is_read_by_the_clock_that_stands_beside_it(autojump_clock: trio.testing.MockClock) -> None:
    headers = {"retry_after": formatdate(NOW + 8, usegmt=True), "date": DATE}
    async with talking(503, headers) as session:
        assert (await fault_of(session)).retry_after == 8


@pytest.mark.parametrize(("headers", "seconds"), [({}, None), ({"retry_after": "soon"}, None), ({"retry_after": "86400"}, LONGEST)])
async def test_without_a_time_there_is_none_and_too_long_a_time_is_capped(
    headers: dict[str, str], seconds: float | None, autojump_clock: trio.testing.MockClock
) -> None:
    async with talking(503, headers) as session:
        assert (await fault_of(session)).retry_after == seconds


async def test_other_statuses_say_nothing_about_when(autojump_clock: trio.testing.MockClock) -> None:
    async with talking(502, {"retry_after": "5"}) as session:
        fault = await fault_of(session)

    assert (fault.retry_after, fault.started) == (None, True)


async def test_an_error_object_that_comes_with_it_is_kept_and_the_status_still_tells_what_it_is(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Rate limiters in front of a server like to answer so; the tool was not run."""
    body = b'{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Too many requests","data":[1]}}'
    async with talking(429, {"retry_after": "3"}, body, "application/json") as session:
        fault = await fault_of(session)

    assert fault.encode() == b'{"code":-32000,"message":"Too many requests","data":[1]}'
    assert (fault.cause, fault.started, fault.retry_after) == (Cause.OVERLOAD, False, 3)


async def test_a_retry_comes_when_the_backend_wants_it(autojump_clock: trio.testing.MockClock) -> None:
    """LIM-15: end to end, over HTTP in memory; the tool may do harm, but it was not begun."""
    async with talking(503, {"retry_after": "20"}) as session:
        chance = Sources.seeded(1).chance("retry")
        began = trio.current_time()
        reply = await Retry(session.request, RetrySettings(), lambda _call: False, chance)(a_call("web_delete"))

        assert reply.text == "done"
        assert 20 <= trio.current_time() - began <= 20.1
