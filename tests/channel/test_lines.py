"""Lines out of chunks: any chunking, bounded memory, and whose answer a skipped line was."""

from __future__ import annotations

import json
import random
from time import process_time

import pytest

from sluicegate.channel.lines import LineSplitter, Oversized, number_at_ends

STREAM = b"one\n\ntwo\r\n" + b"x" * 40 + b"\nlast\n" + b"y" * 41 + b"\nend"


def split(chunks: list[bytes], limit: int) -> list[bytes | int]:
    """All lines; one that is too long as its size."""
    lines = LineSplitter(limit)
    found = [line for chunk in chunks for line in lines.feed(chunk)] + lines.end()
    return [line.size if isinstance(line, Oversized) else line for line in found]


def oversized(message: str) -> Oversized:
    """The message as it is left of a line that went over the limit, in chunks as a pipe gives them."""
    lines = LineSplitter(100)
    data = message.encode() + b"\n"
    (line,) = [line for start in range(0, len(data), 777) for line in lines.feed(data[start : start + 777])]
    assert isinstance(line, Oversized)
    return line


@pytest.mark.parametrize("size", range(1, len(STREAM) + 1))
def test_every_chunking_gives_the_same_lines(size: int) -> None:
    chunks = [STREAM[start : start + size] for start in range(0, len(STREAM), size)]

    assert split(chunks, limit=40) == [b"one", b"", b"two\r", b"x" * 40, b"last", 41, b"end"]


def test_random_lines_come_back_whole() -> None:
    chance = random.Random("lines")
    for _ in range(200):
        lines = [chance.randbytes(chance.randrange(30)).replace(b"\n", b" ") for _ in range(chance.randrange(1, 8))]
        stream = b"".join(line + b"\n" for line in lines)
        cuts = sorted(chance.randrange(len(stream) + 1) for _ in range(5))
        chunks = [stream[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True)]

        assert lines == split(chunks, limit=30)


def test_a_line_that_is_too_long_is_not_kept() -> None:
    lines = LineSplitter(5000)
    for _ in range(1000):
        assert lines.feed(b"z" * 1000) == []
        assert len(lines._part) <= 6000

    (line,) = lines.feed(b"\n")

    assert Oversized(1_000_000, b"z" * 2048, b"z" * 2048) == line


def test_a_line_that_is_too_long_within_one_chunk_is_skipped_alone() -> None:
    assert split([b"a\n" + b"x" * 50 + b"\nb\n" + b"y" * 60 + b"\nc\n"], limit=10) == [b"a", 50, b"b", 60, b"c"]


BIG = json.dumps({"text": 'a,"id":3,}' * 1000, "id": 4, "deep": [{"id": 5}]})

WHOSE = {
    "id first": ('{"jsonrpc":"2.0","id":7,"result":BIG}', 7),
    "id last": ('{"jsonrpc":"2.0","result":BIG,"id":7}', 7),
    "id last but one": ('{"result":BIG,"id":7,"jsonrpc":"2.0"}', 7),
    "spaced": ('  { "jsonrpc" : "2.0" ,\t"id" : 7 , "result" : BIG } \r', 7),
    "spaced, last": ('{ "result" : BIG , "id" : 7 }  ', 7),
    "as text": ('{"id":"7","result":BIG}', 7),
    "twice, the last wins as in any message": ('{"id":8,"result":BIG,"id":7}', 7),
    "only inside the result, first": ('{"result":{"id":3,"text":BIG}}', None),
    "only inside the result, last": ('{"result":{"text":BIG,"id":3}}', None),
    "only inside a text": ('{"result":"LONG,\\"id\\":3}"}', None),
    "nineteen digits": ('{"id":9999999999999999999,"result":BIG}', 9_999_999_999_999_999_999),
    "a digit more": ('{"id":10000000000000000000,"result":BIG}', None),
    "a foreign id": ('{"id":"abc","result":BIG}', None),
    "a huge id": ('{"id":HUGE,"result":BIG}', None),
    "null": ('{"id":null,"error":BIG}', None),
    "no message at all": ("x" * 9999, None),
}


@pytest.mark.parametrize("case", WHOSE)
def test_the_ends_of_a_line_tell_whose_answer_it_was(case: str) -> None:
    message, number = WHOSE[case]

    line = oversized(message.replace("BIG", BIG).replace("HUGE", "9" * 500).replace("LONG", "x" * 9999))

    assert (number, True) == (line.number, line.is_answer)


@pytest.mark.parametrize(
    "message",
    ['{"jsonrpc":"2.0","method":"notifications/message","params":BIG}', '{"params":BIG,"id":7,"method":"sampling/createMessage"}'],
)
def test_a_request_or_notification_is_no_answer(message: str) -> None:
    assert not oversized(message.replace("BIG", BIG)).is_answer


def test_hostile_ends_are_read_in_no_time() -> None:
    """No pattern may go back and forth over the ends: this would take for ever if one did."""
    for piece in ('{"a":"', '{"a":1,', ',"a":"', '"a":1,', ',"', '{"' + "\\" * 7, ",1", '," ', ',"a":-1'):
        line = oversized('{"a":1,' + piece * 5000)

        assert line.number is None
        assert number_at_ends(b'{"a":1,' + piece.encode() * 5000) is None


@pytest.mark.parametrize("tail", [b',"a":1' * 400 + b"x", b',"a":1' * 400 + b"}x", b'x,"a":1,' * 300, b',"' * 1000])
def test_the_ends_of_a_line_are_read_once(tail: bytes) -> None:
    """Beginning again at each comma took 4 ms a line, and a backend may send very many."""
    began = process_time()
    for _ in range(100):
        number_at_ends(b'{"id":7,' + tail)

    assert process_time() - began < 0.2


def test_the_ends_of_a_line_that_was_too_long_stand_in_no_repr() -> None:
    """A bug's traceback would tell them to the log."""
    assert "secret" not in repr(Oversized(100, b"secret head", b"secret tail"))


def test_of_a_line_in_one_chunk_as_much_is_kept_as_of_one_in_many() -> None:
    (line,) = LineSplitter(5000).feed(b"a" * 3000 + b"z" * 3000 + b"\n")
    assert line == Oversized(6000, b"a" * 2048, b"z" * 2048)
