"""The reader of server-sent events: a stream means the same however it is cut, and the same as to a reader written as the standard says it.

The first byte of an input says whether events are limited.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from tests.fuzz.timing import in_time

from sluicegate.protocol.sizes import ENDS_KEPT
from sluicegate.protocol.sse import Event, EventParser, OversizedEvent, format_event

__all__ = ["LONGEST", "SEEDS", "TOKENS", "check"]

LONGEST = 4096
UNLIMITED = 1 << 20
NARROW = 24
TOKENS = (
    b"\r\n",
    b"\r",
    b"\n",
    b"\n\n",
    b"data: ",
    b"data:",
    b"event: ",
    b"id: ",
    b"id\n",
    b"retry: ",
    b"1500",
    b":",
    b" ",
    b"\0",
    b"\xef\xbb\xbf",
    b"\xc3\xbc",
)

SEEDS = [
    kind + stream
    for kind in (b"\x00", b"\x01", b"\x02")
    for stream in (
        b"data: x\n\n",
        b"data:x\r\n\r\n",
        b"data: x\r\rdata: y\r\n\r\n",
        b"data: a\ndata: b\n\ndata: c\n\n",
        b"\xef\xbb\xbfdata: x\n\n",
        b": hello\n\ndata: x\n\n",
        b"event: ping\ndata: x\n\ndata: y\n\n",
        b"id: 1\ndata: x\n\ndata: y\n\nid\ndata: z\n\n",
        b"id: a\0b\ndata: x\n\n",
        b"data\n\nodd: 1\nretry: 1500\nretry: soon\ndata: x\n\n",
        b"id: 3\ndata: " + b"x" * 40 + b"\ndata: more\n\nid: 4\ndata: small\n\n",
        b'event: message\r\nid: 0/1\r\ndata: {"jsonrpc":"2.0","id":1,"result":{}}\r\n\r\n',
        b"data: \xff\xfe\nevent: \xc3\xbc\xc3\nid: \xf0\x9f\n\n",
    )
]


def check(data: bytes) -> None:
    """Raises `AssertionError` for a finding."""
    kind, stream = data[:1], data[1:]
    in_time(lambda longer: (format_event(longer), list(EventParser(UNLIMITED).feed(longer[1:]))), data)
    if kind == b"\x02":
        check_writing(stream)
        return
    limit = NARROW if kind == b"\x01" else UNLIMITED
    size = stream[0] % 7 + 2 if stream else 1
    whole = read([stream], limit)
    assert whole == read((stream[at : at + 1] for at in range(len(stream))), limit)
    assert whole == read((stream[at : at + size] for at in range(0, len(stream), size)), limit)
    with_ends = read([stream], limit, waits_for_ends=True)
    assert with_ends == read((stream[at : at + 1] for at in range(len(stream))), limit, waits_for_ends=True)
    assert [one for one in whole[0] if isinstance(one, Event)] == [one for one in with_ends[0] if isinstance(one, Event)]
    if limit == UNLIMITED:
        assert whole == read_by_the_standard(stream)


def read(chunks: Iterable[bytes], limit: int, *, waits_for_ends: bool = False) -> tuple[list[Event | OversizedEvent], str, float | None]:
    """All that a stream tells, without ever holding more than the limit, or three ends."""
    parser = EventParser(limit, waits_for_ends=waits_for_ends)
    most = max(limit, 3 * ENDS_KEPT) if waits_for_ends else limit
    events: list[Event | OversizedEvent] = []
    for chunk in chunks:
        events += parser.feed(chunk)
        assert sum(map(len, [*parser._parts, *parser._data])) <= most
    return events, parser.last_id, parser.retry_seconds


def read_by_the_standard(stream: bytes) -> tuple[list[Event], str, float | None]:
    """The interpretation of an event stream, step by step as HTML says it in section 9.2.6."""
    *lines, _ = re.split(r"\r\n|\r|\n", stream.removeprefix(b"\xef\xbb\xbf").decode("latin-1"))
    events, data, name, own_id, last_id, retry = [], "", "", "", "", None
    for line in lines:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            last_id = own_id
            if data:
                events.append(Event(data.removesuffix("\n").encode("latin-1"), utf8(name) or "message", utf8(last_id)))
            data = name = ""
        elif field == "data":
            data += value + "\n"
        elif field == "event":
            name = value
        elif field == "id" and "\0" not in value:
            own_id = value
        elif field == "retry" and re.fullmatch("[0-9]{1,9}", value):
            retry = int(value) / 1000
    return events, utf8(last_id), retry


def utf8(latin: str) -> str:
    """The text that was read as Latin letters."""
    return latin.encode("latin-1").decode(errors="replace")


def check_writing(data: bytes) -> None:
    """What is written as an event is read as that event; only its line ends may change."""
    written = format_event(data, id="s/1", retry=2500, name="note")
    events, last_id, retry = read([written], UNLIMITED)
    assert ([Event(re.sub(rb"\r\n|\r", b"\n", data), "note", "s/1")], "s/1", 2.5) == (events, last_id, retry)
