"""What a scripted backend answers by itself: the handshake, pings and its lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import trio

from ..protocol.eras import OPENS
from ..protocol.messages import Notification, Request, encode, encode_error, encode_result
from ..protocol.subscription import SUBSCRIBE, UNSUBSCRIBE

__all__ = ["Offering", "administered", "heed", "listed"]

LISTS = {
    "tools/list": "tools",
    "resources/list": "resources",
    "resources/templates/list": "resourceTemplates",
    "prompts/list": "prompts",
}
"""Methods, and the members of their results."""


class Offering(Protocol):
    """What there is to be told."""

    name: str
    version: str
    instructions: str
    subscribe: bool
    """It says when a resource changes."""
    lists: dict[str, list[Mapping[str, object]]]


def administered(offering: Offering, request: Request) -> bytes:
    """The whole answer to a request that is about the backend itself."""
    if request.method in LISTS:
        member = LISTS[request.method]
        return encode_result(request.id, encode({member: offering.lists[member]}))
    if request.method == "ping" or (offering.subscribe and request.method in {SUBSCRIBE, UNSUBSCRIBE}):
        return encode_result(request.id, b"{}")
    if request.method in OPENS:
        return encode_result(request.id, encode(_hello(offering)))
    return encode_error(request.id, encode({"code": -32601, "message": f"no such method: {request.method}"}))


def _hello(offering: Offering) -> dict[str, object]:
    capabilities: dict[str, object] = {"tools": {"listChanged": True}}
    if offering.lists["resources"] or offering.lists["resourceTemplates"]:
        capabilities["resources"] = {"listChanged": True} | ({"subscribe": True} if offering.subscribe else {})
    if offering.lists["prompts"]:
        capabilities["prompts"] = {"listChanged": True}
    hello: dict[str, object] = {
        "protocolVersion": offering.version,
        "capabilities": capabilities,
        "serverInfo": {"name": offering.name, "version": "1"},
    }
    return hello | ({"instructions": offering.instructions} if offering.instructions else {})


def listed(item: str | Mapping[str, object], key: str, rest: Mapping[str, object]) -> Mapping[str, object]:
    """An item of a list; a name alone gets what such an item must have."""
    return {key: item, **rest} if isinstance(item, str) else item


def heed(message: Notification, running: Mapping[int | str, trio.CancelScope]) -> None:
    """Give up what is taken back."""
    if message.method == "notifications/cancelled":
        scope = running.get(int(bytes(message.params["requestId"])))
        if scope is not None:
            scope.cancel()
