"""Levels of objects: read up to a number of members, and for what is beyond it nothing is made."""

from __future__ import annotations

import sys
import time
import tracemalloc
from collections.abc import Callable

import msgspec
import pytest

from sluicegate.backends.incoming import answer_key
from sluicegate.protocol.batches import decode_batch
from sluicegate.protocol.members import decode_array, decode_object, is_null, read_text
from sluicegate.protocol.messages import Malformed, Message, Notification, Raw, Request, Response, decode, encode_request
from sluicegate.protocol.tool_results import read_tool_result

# The numbers that are promised. Taken from the source they would move with it.
INVALID_REQUEST = -32600
PARSE_ERROR = -32700
MOST_BYTES = 1024 * 1024
MEDIUM = 64 * 1024
MOST_ENTRIES = 10_000
MOST_MEMBERS = 512
SMALL = 16 * 1024

MANY = 340_000
LARGE = b'"' + b"x" * SMALL + b'"'


def members(count: int, first: bytes = b'"a":1') -> bytes:
    return b"{" + b",".join([first, *(b'"k%d":%d' % (number, number) for number in range(1, count))]) + b"}"


@pytest.mark.parametrize("first", [b'"a":1', b'"a":' + LARGE], ids=["small", "large"])
def test_a_level_has_so_many_members_and_no_more(first: bytes) -> None:
    whole = decode_object(members(MOST_MEMBERS, first))
    assert isinstance(whole, dict)
    assert len(whole) == MOST_MEMBERS
    assert {type(key) for key in whole} == {str}
    assert bytes(whole["k7"]) == b"7"
    assert isinstance(decode_object(members(MOST_MEMBERS + 1, first)), Malformed)


def test_a_member_that_comes_twice_counts_twice_where_there_are_many() -> None:
    assert isinstance(decode_object(b"{" + b",".join([b'"a":1'] * 100_000) + b"}"), Malformed)


def test_the_last_of_equal_keys_counts_in_a_large_object_too() -> None:
    read = decode_object(b'{"a":1,"b":%b,"\\u0061":2}' % LARGE)
    assert isinstance(read, dict)
    assert bytes(read["a"]) == b"2"


def calls_in(work: Callable[[], object]) -> int:
    """How many functions of Python it takes: what a level costs beside the decoder itself."""
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls


def long_members(count: int) -> bytes:
    return b"{" + b",".join(b'"%b":1' % (b"k%d" % number).ljust(110, b"x") for number in range(count)) + b"}"


def test_members_are_counted_together_where_there_are_clearly_not_too_many() -> None:
    """One by one, five hundred took 0.7 ms, and without 0.1."""
    data = long_members(MOST_MEMBERS)
    assert SMALL < len(data) < MEDIUM
    assert calls_in(lambda: decode_object(data)) < 20
    assert calls_in(lambda: decode_object(Raw(data))) < 20
    assert isinstance(decode_object(long_members(MOST_MEMBERS + 1)), Malformed)


def test_colons_that_are_no_members_cost_nobody_an_answer() -> None:
    few = decode_object(b'{"a":"%b","b":1}' % (b":" * SMALL))
    assert isinstance(few, dict)
    assert list(few) == ["a", "b"]


HELLO = b'{"jsonrpc":"2.0","id":7,"method":"x","params":%b}'
CROWDED: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    # where the members are, and what the refusal names
    "the envelope": (lambda many: b'{"jsonrpc":"2.0","id":7,"method":"x",' + many[1:], "object"),
    "the parameters": (lambda many: HELLO % many, '"params"'),
    "the metadata": (lambda many: HELLO % (b'{"_meta":%b}' % many), '"_meta"'),
    "a reference": (lambda many: HELLO % (b'{"ref":%b}' % many), '"ref"'),
    "a note's parameters": (lambda many: b'{"jsonrpc":"2.0","method":"x","params":%b}' % many, '"params"'),
    "an answer's envelope": (lambda many: b'{"jsonrpc":"2.0","id":7,"result":{},' + many[1:], "object"),
}


@pytest.mark.parametrize("count", [MOST_MEMBERS + 1, MANY])
@pytest.mark.parametrize("where", CROWDED)
def test_a_message_with_very_many_members_is_refused_and_says_where(where: str, count: int) -> None:
    make, named = CROWDED[where]
    message = decode(make(members(count)))
    assert isinstance(message, Malformed)
    assert message.code == INVALID_REQUEST
    assert f"{MOST_MEMBERS} members" in message.message
    assert named in message.message


WRONG: dict[str, bytes] = {
    # a member that should be a text or an id, and is something large
    "the version": b'{"jsonrpc":%b,"id":7,"method":"x"}',
    "the method": b'{"jsonrpc":"2.0","id":7,"method":%b}',
    "the id": b'{"jsonrpc":"2.0","id":%b,"method":"x"}',
    "an answer's id": b'{"jsonrpc":"2.0","id":%b,"result":{}}',
}


@pytest.mark.parametrize("where", WRONG)
@pytest.mark.parametrize("entry", [b"{}", b"[]", b'"a"', b"1"])
def test_nothing_is_made_of_what_is_no_text(where: str, entry: bytes) -> None:
    """A value of a million parts took a quarter of a second, only to find that it is no text."""
    data = WRONG[where] % (b"[" + b",".join([entry] * 300_000) + b"]")
    assert isinstance(decode(data), Malformed)
    assert peak(lambda: decode(data)) < 2 * len(data) + 100_000


def test_what_a_call_is_about_is_not_made_a_value_where_it_is_no_text() -> None:
    raw = Raw(b"[" + b",".join([b"{}"] * 300_000) + b"]")
    assert read_text({"name": raw}, "name") is None
    assert peak(lambda: read_text({"name": raw}, "name")) < 100_000


@pytest.mark.parametrize("where", CROWDED)
def test_nothing_is_made_of_them_before_they_are_counted(where: str) -> None:
    """A dict of so many took a tenth of a second, in which nobody else was served."""
    data = CROWDED[where][0](members(MANY))
    assert peak(lambda: decode(data)) < len(data) / 2 + 1_000_000


def peak(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_what_lies_below_what_we_read_may_have_any_number() -> None:
    arguments = members(MANY)
    message = decode(HELLO % (b'{"name":"t","arguments":%b}' % arguments))
    assert isinstance(message, Request)
    assert (
        encode_request(1, "x", message.params) == b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"name":"t","arguments":%b}}' % arguments
    )
    answer = decode(b'{"jsonrpc":"2.0","id":7,"result":{"structuredContent":%b}}' % arguments)
    assert isinstance(answer, Response)
    assert isinstance(decode_object(answer.result or b""), dict)
    assert isinstance(decode(b'{"jsonrpc":"2.0","method":"n","params":{"data":%b}}' % arguments), Notification)


def test_a_large_message_is_read_as_a_small_one_is() -> None:
    message = decode(
        b'{"extra":1,"jsonrpc":"2.0","id":"a","method":"x","params":{"_meta":{"progressToken":1},"a":%b},"result":null}' % LARGE
    )
    assert isinstance(message, Request)
    assert (message.id, message.key, message.method) == (b'"a"', "a", "x")
    assert {key: len(bytes(raw)) for key, raw in message.params.items()} == {"_meta": 19, "a": len(LARGE)}
    assert isinstance(decode(b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":%b,"Name":1}}' % LARGE), Malformed)


WAYS_TO_WRITE = [
    b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":1,"pad":%b}}',
    b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":1,"\\u0061":2,"pad":%b}}',
    b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"b":1},"params":{"a":1,"pad":%b}}',
    b'{"jsonrpc":"2.0","id":null,"method":"x","params":{"pad":%b}}',
    b'{"jsonrpc":"2.0","method":"x","params":{"pad":%b},"result":null}',
    b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"pad":%b},"result":{}}',
    b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"pad":%b},"more":1}',
    b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"pad":%b},"ID":1}',
    b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"pad":%b,"NAME":1}}',
    b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"pad":%b,"_meta":{"progresstoken":1}}}',
    b'{"jsonrpc":"1.0","id":1,"method":"x","params":{"pad":%b}}',
    b'{"id":1,"method":"x","params":{"pad":%b}}',
    b'{"jsonrpc":"2.0","id":1,"method":7,"params":{"pad":%b}}',
    b'{"jsonrpc":"2.0","id":1,"method":"x","params":[%b]}',
    b'{"jsonrpc":"2.0","id":1,"result":{"pad":%b}}',
    b'{"jsonrpc":"2.0","id":1,"result":{"pad":%b},"error":null}',
    b'{"jsonrpc":"2.0","id":null,"error":{"pad":%b}}',
    b'{"jsonrpc":"2.0","params":{"pad":%b}}',
    b"[%b]",
]


@pytest.mark.parametrize("written", WAYS_TO_WRITE)
def test_size_makes_no_difference_to_what_a_message_says(written: bytes) -> None:
    small, large = decode(written % b'"x"'), decode(written % LARGE)
    assert type(large) is type(small)
    assert said(large) == said(small)


def said(message: Message) -> dict[str, object]:
    """What a message says, with all raw members as bytes, and the same padding."""

    def plain(value: object) -> object:
        return bytes(value).replace(LARGE, b'"x"') if isinstance(value, Raw) else value

    members = {name: plain(value) for name, value in msgspec.structs.asdict(message).items()}
    if isinstance(message, Request | Notification):
        assert {type(key) for key in message.params} == {str}
        members["params"] = {key: plain(raw) for key, raw in message.params.items()}
    return members


def test_parameters_that_come_twice_are_counted_apart() -> None:
    half = members(MOST_MEMBERS)
    message = decode(b'{"jsonrpc":"2.0","id":1,"method":"x","params":%b,"params":%b}' % (members(MOST_MEMBERS, b'"a":' + LARGE), half))
    assert isinstance(message, Request)
    assert len(message.params) == MOST_MEMBERS


def test_a_large_message_is_passed_over_once() -> None:
    """Four mebibytes of arguments took 3.3 ms, in which nobody else was served; half of that was to pass over them again."""
    message = HELLO % (b'{"name":"t","arguments":%b}' % members(MANY))
    envelope = min(timed(lambda: msgspec.json.Decoder(dict[str, Raw]).decode(message)) for _ in range(5))
    assert min(timed(lambda: decode(message)) for _ in range(5)) < 1.6 * envelope


def timed(work: Callable[[], object]) -> float:
    """Seconds of processor time."""
    began = time.thread_time()
    work()
    return time.thread_time() - began


def test_the_call_of_an_answer_with_too_many_members_is_found() -> None:
    assert answer_key(b'{"jsonrpc":"2.0","id":7,"result":{},' + members(MANY)[1:]) == 7


@pytest.mark.parametrize("entry", [b"0", b"{}", b'{"a":[1,2]}', b'"' + b"x" * 100 + b'"'])
@pytest.mark.parametrize("count", [1, 9, MOST_ENTRIES, MOST_ENTRIES + 1, MOST_ENTRIES + 2, 100_000])
def test_an_array_is_read_up_to_a_number_of_entries(entry: bytes, count: int) -> None:
    raw = Raw(b"[" + b",".join([entry] * count) + b"]")
    entries = decode_array(raw)
    assert len(entries) >= count if count <= MOST_ENTRIES else len(entries) > MOST_ENTRIES
    assert {bytes(one) for one in entries} == {entry}
    assert peak(lambda: decode_array(raw)) < 20_000_000


def test_a_batch_of_very_many_is_refused_without_reading_them() -> None:
    data = b"[" + b"1," * (MOST_BYTES // 2 - 1) + b"1]"
    assert isinstance(decode_batch(data), Malformed)
    assert peak(lambda: decode_batch(data)) < 4_000_000


def test_a_tools_result_of_very_many_blocks_is_left_alone() -> None:
    result = Raw(b'{"content":[%b],"isError":true}' % b",".join([b'{"type":"resource"}'] * 200_000))
    assert read_tool_result(result).is_error
    assert not read_tool_result(result).may_hold_uris
    assert peak(lambda: read_tool_result(result)) < 4_000_000


def test_null_is_told_from_what_is_as_long() -> None:
    assert [is_null(Raw(raw)) for raw in (b"null", b"true", b"", b"0", b"{}")] == [True, False, False, False, False]


@pytest.mark.parametrize(
    ("text", "shown"),
    [(b"\\ud800", "\\ud800"), (b"\\uDC00!", "\\uDC00"), (b"\\ud83d\\ude00\\ud83d\\u0041", "\\ud83d"), (b"\\\\\\udfff", "\\udfff")],
)
def test_half_a_character_is_refused_with_words_that_say_so(text: bytes, shown: str) -> None:
    """Our decoder says of it that the document is cut off."""
    message = decode(HELLO % (b'{"arguments":{"a":"%b"}}' % text))
    assert isinstance(message, Malformed)
    assert (message.code, message.id) == (PARSE_ERROR, b"null")
    assert f"half of a surrogate pair ({shown}, byte " in message.message
    in_batch = decode_batch(b'[{"a":"%b"}]' % text)
    assert isinstance(in_batch, Malformed)
    assert "half of a surrogate pair" in in_batch.message


def test_what_is_cut_off_is_not_blamed_on_half_a_character() -> None:
    message = decode(b'{"a":"\\\\ud800\\ud83d\\ude00')
    assert isinstance(message, Malformed)
    assert "surrogate" not in message.message
