"""``subscriptions/listen``: what is honoured of a client's wishes, and the stream on which they are met (P-110, P-112)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import trio

from ...protocol import faults
from ...protocol.faults import Fault
from ...protocol.members import Malformed, Params, Raw, decode_object
from ...protocol.messages import EMPTY, encode
from ...protocol.offers import KINDS
from ...protocol.sse import format_comment, format_event
from ...routing.catalogue import Catalogue
from ..event_stream import STREAM_HEADERS
from ..listeners import Listener
from ..news_stream import DEBOUNCE_SECONDS, KEEP_ALIVE_SECONDS
from ..owners import Owner
from ..request import HttpRequest
from ..session_table import SessionTable

__all__ = ["LISTEN", "counted", "honoured", "serve"]

LISTEN = "subscriptions/listen"
ACKNOWLEDGED = "notifications/subscriptions/acknowledged"
_WISHES = {f"{kind.capability}ListChanged": kind for kind in KINDS}
"""The members with which a client wishes to hear of changes."""


def honoured(params: Params, catalogue: Catalogue) -> dict[str, str] | Fault:
    """Of a client's wishes those that can be met, each with the notification that meets it."""
    wishes = decode_object(params.get("notifications", EMPTY))
    if "notifications" not in params or isinstance(wishes, Malformed):
        return faults.client_mistake('"notifications" must be an object of what is to be heard of')
    return {
        name: kind.changed
        for name, kind in _WISHES.items()
        if bytes(wishes.get(name, b"")) == b"true" and catalogue.declares(kind.capability)
    }


@contextmanager
def counted(table: SessionTable, owner: Owner, listener: Listener) -> Iterator[Listener]:
    """A stream of somebody who has no session is open, and is one of those that its owner has."""
    table.listeners.add(listener)
    table.owners.add(owner, listener)
    owner.streams += 1
    table.streams += 1
    try:
        yield listener
    finally:
        table.streams -= 1
        owner.streams -= 1
        table.owners.remove(owner, listener)
        table.listeners.remove(listener)


async def serve(http: HttpRequest, listener: Listener, granted: dict[str, str]) -> None:
    """The whole stream, until its client goes or the gateway drains; several changes at once are told once."""
    downlink = http.downlink
    await http.start(200, STREAM_HEADERS)
    opening = listener.message(ACKNOWLEDGED, {"notifications": Raw(encode(dict.fromkeys(granted, True)))})
    await http.send_part(format_event(opening))
    while downlink.is_open:
        if listener.has_news:
            await trio.sleep(DEBOUNCE_SECONDS)
            await http.send_part(b"".join(map(format_event, listener.take())))
        elif not await downlink.wait(KEEP_ALIVE_SECONDS):
            await http.send_part(format_comment("still here"))
    if not downlink.lost:
        await http.send_part(format_event(listener.farewell()))
    await http.send_part(b"", more=False)
