"""The GET stream: what belongs to no request, until the client goes or the session ends."""

from __future__ import annotations

import trio

from ..protocol.sse import format_event
from .event_stream import beginning, headers_for, wait_for_news
from .request import HttpRequest
from .session_table import SessionTable
from .sessions import Session
from .stream import EventLog
from .waits import Waits

__all__ = ["DEBOUNCE_SECONDS", "listen"]

DEBOUNCE_SECONDS = 0.1
"""Several backends that come up together make one ``list_changed`` of each kind."""


async def listen(http: HttpRequest, session: Session, table: SessionTable, waits: Waits, after: int | None) -> None:
    """The GET stream: what belongs to no request, until the client goes, or the session ends, or what he has shown for it. The newest of several gets the news."""
    log, downlink = session.news, http.downlink
    table.begin_stream(session, downlink)
    waits.standing.begin(downlink, session.caller.principal)
    session.listeners.append(downlink)
    log.reader = downlink
    try:
        told = session.told if after is None else min(after, log.last)
        await http.start(200, headers_for(session.version))
        await http.send_part(beginning(session.version, log.event_id(told)))
        while downlink.is_open:
            if session.listeners[-1] is downlink:
                told = await _tell_news(http, session, told)
            await wait_for_news(http, waits.listeners)
            told = max(told, session.told)  # what another connection was told meanwhile is not told again
        await http.send_part(b"", more=False)
    finally:
        table.end_stream(session, downlink)
        waits.standing.end(downlink)
        session.listeners.remove(downlink)
        session.touch()
        log.reader = session.listeners[-1] if session.listeners else None
        if log.reader is not None:
            log.reader.ring()


async def _tell_news(http: HttpRequest, session: Session, after: int) -> int:
    while session.changes:
        await trio.sleep(DEBOUNCE_SECONDS)
        if session.listeners[-1] is not http.downlink:
            return after  # a newer stream tells it
        for message in session.changes.messages():
            session.news.put(message)
    told = await _send(http, session.news, after)
    if http.downlink.is_open:  # else the next stream tells it
        session.told = max(session.told, told)
    return told


async def _send(http: HttpRequest, log: EventLog, after: int) -> int:
    """Send what came after that event; the number of the last one sent."""
    events = log.after(after)
    if not events:
        return after
    await http.send_part(b"".join([format_event(data, id=log.event_id(number)) for number, data in events]))
    return events[-1][0]
