"""``subscriptions/listen``: what is honoured of a client's wishes, and the stream on which they are met (P-110, P-112)."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import msgspec
import trio

from ...protocol import faults
from ...protocol.faults import Fault
from ...protocol.members import MOST_ENTRIES, Malformed, Params, Raw, decode_array, decode_object, is_null, text
from ...protocol.messages import EMPTY, encode
from ...protocol.offers import KINDS
from ...protocol.sse import format_event
from ...protocol.subscription import ACKNOWLEDGED, LISTEN, Subscription
from ...routing.catalogue import Catalogue
from ...waiting.overdue import Overdue
from ..event_stream import STREAM_HEADERS, wait_for_news
from ..listeners import Listener
from ..news_stream import DEBOUNCE_SECONDS
from ..owners import Owner
from ..request import HttpRequest
from ..session_table import SessionTable
from ..stream import Downlink
from ..subscribed import MOST_EACH, Subscribed

__all__ = ["LISTEN", "acknowledgement", "counted", "honoured", "serve", "subscribe"]

_RESOURCES = "resourceSubscriptions"
_NO_URIS = faults.client_mistake(f'"{_RESOURCES}" must be a list of URIs')
_WISHES = {f"{kind.capability}ListChanged": kind for kind in KINDS}
"""The members with which a client wishes to hear of changed lists."""
ACKNOWLEDGE_SECONDS = 10.0
"""How long backends may take to say that they will tell of resources; what is not granted by then is not honoured."""


class Honoured(msgspec.Struct, frozen=True):
    """What can be met of a client's wishes."""

    lists: dict[str, str]
    """By the member with which a list is wished for, the notification that meets it."""
    uris: tuple[str, ...]
    """Of resources; whether they are met is their backends' to say."""


def honoured(params: Params, catalogue: Catalogue) -> Honoured | Fault:
    """Read a client's wishes; those that cannot be met are left out."""
    wishes = decode_object(params.get("notifications", EMPTY))
    if "notifications" not in params or isinstance(wishes, Malformed):
        return faults.client_mistake('"notifications" must be an object of what is to be heard of')
    lists = {
        name: kind.changed
        for name, kind in _WISHES.items()
        if bytes(wishes.get(name, b"")) == b"true" and catalogue.declares(kind.capability)
    }
    uris = _uris_in(wishes.get(_RESOURCES, Raw(b"null")))
    return uris if isinstance(uris, Fault) else Honoured(lists, uris)


def _uris_in(raw: Raw) -> tuple[str, ...] | Fault:
    """Those of a list, each once. One that is far too long is not read to its end: everybody would wait for that."""
    try:
        entries = [] if is_null(raw) else decode_array(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _NO_URIS
    uris = dict.fromkeys(text(entry) for entry in entries[:MOST_ENTRIES])
    if len(entries) > MOST_ENTRIES or len(uris) > MOST_EACH:
        return faults.client_mistake(f'"{_RESOURCES}" must not have more than {MOST_EACH} URIs')
    named = tuple(uri for uri in uris if uri is not None)
    return named if len(named) == len(uris) else _NO_URIS


async def subscribe(listener: Listener, uris: Sequence[str], subscribed: Subscribed) -> list[str]:
    """Have a stream's client told of resources; of those that their backends grant it. What is hidden, or not there, is not among them."""
    listener.untold.subscribed, caller = subscribed, listener.caller.abroad()
    begun: dict[str, Subscription] = {}
    for uri in uris:
        placed = subscribed.register.place(listener.caller, {"uri": Raw(encode(uri))})
        subscription = placed if isinstance(placed, Fault) else subscribed.begin(caller, uri, placed)
        if isinstance(subscription, Subscription):
            begun[uri] = subscription
    await trio.lowlevel.checkpoint()
    with trio.move_on_after(ACKNOWLEDGE_SECONDS):
        for subscription in begun.values():
            await subscription.answer()
    for uri, subscription in begun.items():
        if not subscription.granted:
            subscribed.stop(uri)
    return [uri for uri, subscription in begun.items() if subscription.granted and subscription.fault is None]


def acknowledgement(listener: Listener, lists: Collection[str], uris: Sequence[str]) -> bytes:
    """The first message of a stream: what its client is told of from here on."""
    granted: dict[str, object] = dict.fromkeys(lists, True)
    if uris:
        granted[_RESOURCES] = uris
    return listener.message(ACKNOWLEDGED, {"notifications": Raw(encode(granted))})


@contextmanager
def counted(table: SessionTable, owner: Owner, listener: Listener, held: int) -> Iterator[Listener]:
    """A stream of somebody who has no session is open, and is one of those that its owner has; so many bytes of his are held for it."""
    table.listeners.add(listener)
    table.owners.add(owner, listener)
    table.owners.begin_stream(owner)
    try:
        yield listener
    finally:
        table.let_go(owner, held)
        table.owners.end_stream(owner)
        table.owners.remove(owner, listener)
        table.listeners.remove(listener)


async def serve(http: HttpRequest, listener: Listener, lists: Collection[str], uris: Sequence[str], quiet: Overdue[Downlink]) -> None:
    """The whole stream, until its client goes or the gateway drains.

    The first change is told at once, and what comes soon after that together: a pause before each would wake thousands of clients twice.
    """
    downlink, told_at = http.downlink, -math.inf
    await http.start(200, STREAM_HEADERS)
    await http.send_part(format_event(acknowledgement(listener, lists, uris)))
    while downlink.is_open:
        if listener.has_news:
            if (now := trio.current_time()) < told_at + DEBOUNCE_SECONDS:
                await trio.sleep_until(told_at + DEBOUNCE_SECONDS)
                now = told_at + DEBOUNCE_SECONDS
            told_at = now
            await http.send_part(b"".join(map(format_event, listener.take())))
        else:
            await wait_for_news(http, quiet)
    if not downlink.lost:
        await http.send_part(format_event(listener.farewell()))
    await http.send_part(b"", more=False)
