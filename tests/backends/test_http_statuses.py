"""What a status that is no answer says: about the call, or about the backend."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from tests.kit.heard import Heard
from tests.kit.site import open_site

from sluicegate.backends.http.connector import HttpConnector
from sluicegate.http1.asgi import Message, Receive, Send
from sluicegate.protocol.calls import Call, Reply


async def reply_to_a_call(status: int, body: bytes = b"<p>no</p>", kind: bytes = b"text/html") -> Reply:
    """Of a backend that answers everything in the same way."""

    async def page(scope: Message, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", kind)]})
        await send({"type": "http.response.body", "body": body})

    async with open_site(page) as site:
        connector = HttpConnector("far", "http://far.test/mcp", {}, site.open_stream)
        async with connector(Heard()) as session:
            with trio.fail_after(5):
                return await session.request(Call("tools/call", "x", {}))


@pytest.mark.parametrize(
    ("status", "again", "counts"),
    [
        (400, False, False),
        (401, False, True),
        (403, False, True),
        (404, False, True),
        (408, True, True),
        (413, False, False),
        (422, False, False),
        (425, True, True),
        (429, True, False),
        (503, True, True),
    ],
)
async def test_what_one_caller_can_bring_about_does_not_count_and_what_lasts_is_not_repeated(
    autojump_clock: trio.testing.MockClock, status: int, again: bool, counts: bool
) -> None:
    """LIM-13, DEC-5: 400 is about the call, 401 about the backend, and neither is over the next time."""
    fault = (await reply_to_a_call(status)).fault
    assert fault is not None
    assert (fault.may_be_repeated(safe=False), fault.counts_against_backend) == (again, counts)
    assert fault.may_go_elsewhere


@pytest.mark.parametrize(
    ("status", "again", "counts"),
    [
        (200, True, True),
        (400, False, False),
        (401, False, True),
        (406, False, False),
        (408, True, True),
        (413, False, False),
        (500, True, True),
    ],
)
async def test_a_status_is_believed_whatever_code_comes_with_it(
    autojump_clock: trio.testing.MockClock, status: int, again: bool, counts: bool
) -> None:
    """LIM-13, DEC-5: servers on the TypeScript SDK say -32000 with each of them."""
    error = b'{"code":-32000,"message":"Bad Request"}'
    fault = (await reply_to_a_call(status, b'{"jsonrpc":"2.0","error":%b,"id":null}' % error, b"application/json")).fault
    assert fault is not None
    assert (fault.code, fault.encode()) == (-32000, error)
    assert (fault.may_be_repeated(safe=True), fault.counts_against_backend) == (again, counts)
    assert fault.may_go_elsewhere


@pytest.mark.parametrize(
    ("status", "says", "do"),
    [
        (401, "it wants to know who calls", "bearer_token"),
        (403, "it does not let us in", "hosts and origins"),
        (410, "is gone for good", "new address"),
        (404, "", ""),
        (500, "", ""),
    ],
)
@pytest.mark.parametrize("body", [b"", b" \n", b"<h1>Nginx</h1>"])
async def test_a_refusal_is_told_in_words_of_ours(
    autojump_clock: trio.testing.MockClock, status: int, says: str, do: str, body: bytes
) -> None:
    """A number alone says neither what it means here nor what to do; the words of a page are for the operator."""
    fault = (await reply_to_a_call(status, body)).fault
    assert fault is not None
    assert says in fault.message
    assert (f"HTTP {status}" in fault.message, "Nginx" in fault.message) == (True, False)
    assert (": " in fault.message) == bool(says)
    assert ("Nginx" in fault.told) == bool(body.strip())
    assert do in fault.hint
    assert bool(fault.hint) == bool(do)
