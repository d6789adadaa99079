"""Large messages that are refused by their beginning: what is said of them, and that no others are."""

from __future__ import annotations

import pytest

from sluicegate.protocol.ahead import crowded_ahead
from sluicegate.protocol.messages import Malformed, Request, decode

# The numbers that are promised. Taken from the source they would move with it.
INVALID_REQUEST = -32600
ENOUGH = 65536
MOST_MEMBERS = 512

MANY = b",".join(b'"k%06d":1' % number for number in range(20_000))
PADDING = b'"' + b"x" * ENOUGH + b'"'
HEAD = b'{"jsonrpc":"2.0","id":%b,"method":"tools/call",'
CROWDED = {
    # what the message says after its method, and how the refusal begins
    "the envelope": (MANY + b"}", "an object"),
    "the parameters": (b'"params":{"name":"x",' + MANY + b"}}", '"params"'),
    "the metadata": (b'"params":{"name":"x","_meta":{' + MANY + b"}}}", '"_meta"'),
    "a reference": (b'"params":{"ref":{' + MANY + b"}}}", '"ref"'),
}


@pytest.mark.parametrize("where", CROWDED)
def test_the_beginning_is_enough(where: str) -> None:
    """What follows is not even looked at: it is no JSON."""
    message, named = CROWDED[where]
    begun = HEAD % b"7" + message[: ENOUGH + 1] + b"\xff{"
    found = crowded_ahead(begun)
    assert found is not None
    assert found.message.startswith(named)
    assert decode(begun) == found


@pytest.mark.parametrize("where", CROWDED)
def test_it_is_refused_as_it_would_be_as_a_whole(where: str) -> None:
    message, _named = CROWDED[where]
    whole = decode(b'{"extra":%b,' % PADDING + (HEAD % b"7")[1:] + message)  # of which the beginning does not tell
    assert isinstance(whole, Malformed)
    assert crowded_ahead(HEAD % b"7" + message) == whole


@pytest.mark.parametrize("own_id", [b"7", b'"a"', b'"\xc3\xa9"', b"-1", b"7.0", b"9007199254740993", b"null", b"[1]", b"{}", b"true"])
def test_it_is_refused_under_its_own_id_if_that_stands_before(own_id: bytes) -> None:
    message, _named = CROWDED["the parameters"]
    found = crowded_ahead(HEAD % own_id + message)
    assert found is not None
    assert found.id == (own_id if own_id[:1] not in b"n[{t" else b"null")
    behind = crowded_ahead(b'{"jsonrpc":"2.0","method":"x",' + message[:-1] + b',"id":7}')
    assert behind is not None
    assert behind.id == b"null"


@pytest.mark.parametrize(
    "message",
    [
        b'"params":{"name":"x","arguments":{%b}}}' % MANY,
        b'"params":{"name":"x","arguments":{"params":{"_meta":{%b}}}}}' % MANY,
        b'"params":{"name":"x","_meta":{"progressToken":1,"a":[{%b}]}}}' % MANY,
        b'"params":{"name":"x","arguments":[%b]}}' % b",".join([b'{"a":1}'] * 20_000),
        b'"params":{"name":"x","arguments":{"text":"%b"}}}' % (b":" * 2 * ENOUGH),
    ],
    ids=["arguments", "arguments like parameters", "below metadata", "an array", "text"],
)
def test_what_lies_below_what_we_read_may_have_any_number(message: bytes) -> None:
    whole = HEAD % b"7" + message
    assert crowded_ahead(whole) is None
    assert isinstance(decode(whole), Request)


def test_a_level_may_have_as_many_as_ever() -> None:
    members = b",".join(b'"k%03d":{"a":1}' % number for number in range(MOST_MEMBERS - 1))
    whole = HEAD % b"7" + b'"params":{%b,"text":%b}}' % (members, PADDING)
    assert crowded_ahead(whole) is None
    assert isinstance(decode(whole), Request)


def test_what_is_short_is_read_as_a_whole() -> None:
    message = HEAD % b"7" + b'"params":{"name":"x",%b}}' % MANY[: ENOUGH // 2].rpartition(b",")[0]
    assert crowded_ahead(message) is None
    assert decode(message) == Malformed(INVALID_REQUEST, f'"params" must not have more than {MOST_MEMBERS} members', b"7")
