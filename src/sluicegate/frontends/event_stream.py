"""A stream of events on one connection: how it begins, how it goes on, and what it says while there is nothing to say."""

from __future__ import annotations

from ..protocol.eras import PRIMED
from ..protocol.sse import format_comment, format_event
from ..waiting.overdue import Overdue
from .request import Headers, HttpRequest, version_header
from .stream import Downlink, EventLog

__all__ = ["BEGUN", "STREAM_HEADERS", "beginning", "headers_for", "send_answer", "wait_for_news"]

RETRY_MS = 1000
BEGUN = format_comment("stream")
_STILL_HERE = format_comment("still here")
STREAM_HEADERS = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache, no-transform"), (b"x-accel-buffering", b"no")]


def beginning(version: str, event_id: str) -> bytes:
    """With what a stream begins: clients that know how get an id to come back with before anything has happened (P-63)."""
    return format_event(b"", id=event_id, retry=RETRY_MS) if version in PRIMED else BEGUN


def headers_for(version: str, extra: Headers = ()) -> Headers:
    """Of a stream in a session of that revision."""
    return (*STREAM_HEADERS, *version_header(version), *extra)


async def send_answer(
    http: HttpRequest, log: EventLog, quiet: Overdue[Downlink], said: bytes, after: int = 0, *, with_ids: bool = True
) -> bool:
    """The body of an answer: ``said``, then what came after that event. What is there together leaves together. Whether the end was sent, too."""
    log.reader = http.downlink
    more = True
    while more and http.downlink.is_open:
        events = log.after(after)
        if events:
            after, log.is_known = events[-1][0], log.is_known or with_ids
            said += b"".join([format_event(data, id=log.event_id(number) if with_ids else None) for number, data in events])
        more = not (log.ended and after == log.last)
        if said or not more:
            await http.send_part(said, more=more)
            said = b""
        if more:
            await wait_for_news(http, quiet)
    if more:
        await http.send_part(said, more=False)
    return not more


async def wait_for_news(http: HttpRequest, quiet: Overdue[Downlink]) -> None:
    """Wait for news, with a sign of life now and then."""
    downlink, is_told = http.downlink, False
    while not is_told:
        quiet.expect(downlink)
        try:
            is_told = await downlink.wait()
        finally:
            quiet.forget(downlink)
        if not is_told:
            await http.send_part(_STILL_HERE)
