"""The SSE reader and writer: every case whole, in two pieces at every place, and byte by byte."""

import tracemalloc

import pytest

from sluicegate.protocol.sizes import ENDS_KEPT
from sluicegate.protocol.sse import Event, EventParser, OversizedEvent, format_comment, format_event

CASES = [
    (b"data: x\n\n", [Event(b"x")]),
    (b"data:x\r\n\r\n", [Event(b"x")]),
    (b"data: x\r\r", [Event(b"x")]),
    (b"data: a\ndata: b\n\n", [Event(b"a\nb")]),
    (b"data: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n", [Event(b"a\nb"), Event(b"c")]),
    (b"\xef\xbb\xbfdata: x\n\n", [Event(b"x")]),
    (b"data: x\n\n\xef\xbb\xbfdata: y\n\n", [Event(b"x")]),  # only at the beginning of a stream
    (b": hello\n\ndata: x\n\n", [Event(b"x")]),
    (b"event: ping\ndata: x\n\ndata: y\n\n", [Event(b"x", "ping"), Event(b"y")]),
    (b"id: 1\ndata: x\n\ndata: y\n\n", [Event(b"x", id="1"), Event(b"y", id="1")]),
    (b"id: 1\ndata: x\n\nid\ndata: y\n\n", [Event(b"x", id="1"), Event(b"y")]),
    (b"id: a\0b\ndata: x\n\n", [Event(b"x")]),
    (b"data\n\n", [Event(b"")]),
    (b"data:  x\n\n", [Event(b" x")]),
    (b"odd: 1\nretry: soon\ndata: x\n\n", [Event(b"x")]),
    (b"event: nothing\n\n\n\n", []),
    (b"data: never finished\n", []),
    ("data: é€\n\n".encode(), [Event("é€".encode())]),
]


def read(*chunks: bytes, limit: int = 1000) -> tuple[list[Event | OversizedEvent], EventParser]:
    parser = EventParser(limit)
    return [event for chunk in chunks for event in parser.feed(chunk)], parser


@pytest.mark.parametrize(("stream", "expected"), CASES)
def test_a_stream_means_the_same_however_it_is_cut(stream: bytes, expected: list[Event]) -> None:
    assert expected == read(stream)[0]
    assert expected == read(*(bytes([byte]) for byte in stream))[0]
    for place in range(len(stream)):
        assert expected == read(stream[:place], stream[place:])[0]


def test_an_id_without_data_is_remembered_once_its_event_ends() -> None:
    events, parser = read(b"id: 7\n")
    assert (events, parser.last_id) == ([], "")
    assert list(parser.feed(b"\n")) == []
    assert parser.last_id == "7"


def test_a_resumed_stream_goes_on_with_the_last_id() -> None:
    parser = EventParser(100, "41")
    assert [Event(b"x", id="41")] == list(parser.feed(b"data: x\n\n"))
    assert parser.last_id == "41"


def test_retry_is_told_in_seconds() -> None:
    assert read(b"retry: 1500\n\n")[1].retry_seconds == 1.5
    assert read(b"retry: -1\n\n")[1].retry_seconds is None


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_an_oversized_event_is_told_once_and_skipped(size: int) -> None:
    stream = b"id: 3\ndata: " + b"x" * 200 + b"\ndata: more\ndata: and more\n\nid: 4\ndata: small\n\n"
    events, parser = read(*(stream[at : at + size] for at in range(0, len(stream), size)), limit=50)
    assert [OversizedEvent(50, b"x" * 39), Event(b"small", id="4")] == events
    assert parser.last_id == "4"


@pytest.mark.parametrize("size", [1, 7, 1000, 100_000])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_where_ends_are_waited_for_an_oversized_event_is_told_of_with_both_of_its_own(start: bytes, size: int) -> None:
    head, tail = b'{"result":[' + b"1," * 2000, b"2," * 2000 + b'3],"id":7}'
    lines = b"event: message\nid: 3\ndata: " + head + b"\n: and\ndata:" + tail + b"\nid: 5\nretry: 1\nname: x\n"
    stream = start + lines + b"\ndata: small\n\n"
    parser = EventParser(5000, waits_for_ends=True)
    events = [event for at in range(0, len(stream), size) for event in parser.feed(stream[at : at + size])]
    whole = start + lines.replace(b"\n", b"")
    assert [OversizedEvent(5000, head[:ENDS_KEPT], tail[-ENDS_KEPT:], len(whole)), Event(b"small", id="3")] == events


def test_a_comment_over_the_limit_is_no_event() -> None:
    parser = EventParser(100, waits_for_ends=True)
    assert list(parser.feed(b":" + b"x" * 1000 + b"\n\ndata: x\n\n")) == [Event(b"x")]


def test_the_ends_of_an_endless_event_take_no_more_memory_than_they_may() -> None:
    parser = EventParser(100, waits_for_ends=True)
    assert [event for number in range(1000) for event in parser.feed(b"data: " + b"x" * 600 + b"\n" * (number % 2))] == []
    assert sum(map(len, [*parser._parts, *parser._data, parser._head])) <= 3 * ENDS_KEPT


def test_an_endless_line_takes_no_more_memory_than_the_limit() -> None:
    parser = EventParser(100)
    told = [event for _ in range(1000) for event in parser.feed(b"x" * 60)]
    assert [OversizedEvent(100)] == told
    assert sum(map(len, parser._parts)) <= 100


@pytest.mark.parametrize("data", [b"{}", b'{"a":\n1}', b"a\r\nb", b""])
def test_what_is_written_can_be_read(data: bytes) -> None:
    written = format_event(data, id="s/1", retry=2500, name="message")
    events, parser = read(written, format_comment("still here"))
    assert [Event(data.replace(b"\r\n", b"\n"), id="s/1")] == events
    assert parser.retry_seconds == 2.5


def test_an_id_with_a_line_end_is_refused() -> None:
    with pytest.raises(ValueError, match="id must not"):
        format_event(b"{}", id="1\ndata: forged")


def test_an_event_that_comes_byte_by_byte_takes_little_more_memory_than_its_size() -> None:
    parser = EventParser(1 << 20)
    line = b"data: " + b"x" * 100_000
    tracemalloc.start()
    try:
        for byte in line:
            assert list(parser.feed(bytes([byte]))) == []
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 2 * len(line)
    (event,) = parser.feed(b"\n\n")
    assert isinstance(event, Event)
    assert event.data == b"x" * 100_000


def test_an_event_with_data_is_called_a_message_in_words() -> None:
    assert format_event(b"{}", id="1") == b"event: message\nid: 1\ndata: {}\n\n"
    assert format_event(b"{}", name="note") == b"event: note\ndata: {}\n\n"
    assert format_event(b"", id="1", retry=1000) == b"id: 1\nretry: 1000\ndata: \n\n"
