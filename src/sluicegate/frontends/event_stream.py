"""A stream of events on one connection: how it begins, how it goes on, and what it says while there is nothing to say."""

from __future__ import annotations

from ..protocol.eras import PRIMED
from ..protocol.sse import format_comment, format_event
from .request import Headers, HttpRequest
from .sessions import Session, version_header
from .stream import EventLog

__all__ = ["KEEP_ALIVE_SECONDS", "STREAM_HEADERS", "send_news", "start_events", "wait_for_news"]

KEEP_ALIVE_SECONDS = 15.0
"""An answer that is under way gets a comment that often, so that nobody between us and the client takes it for dead."""
RETRY_MS = 1000
STREAM_HEADERS = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache, no-transform"), (b"x-accel-buffering", b"no")]


async def start_events(http: HttpRequest, session: Session, event_id: str, extra: Headers = ()) -> None:
    """Begin a stream; clients that know how get an id to come back with before anything has happened (P-63)."""
    await http.start(200, (*STREAM_HEADERS, *version_header(session.version), *extra))
    await http.send_part(format_event(b"", id=event_id, retry=RETRY_MS) if session.version in PRIMED else format_comment("stream"))


async def send_news(http: HttpRequest, log: EventLog, after: int) -> int:
    """Send what came after that event; the number of the last one sent."""
    events = log.after(after)
    if not events:
        return after
    await http.send_part(b"".join(format_event(data, id=log.event_id(number)) for number, data in events))
    return events[-1][0]


async def wait_for_news(http: HttpRequest, seconds: float = KEEP_ALIVE_SECONDS) -> None:
    """Wait for news, with a sign of life now and then."""
    while not await http.downlink.wait(seconds):
        await http.send_part(format_comment("still here"))
