"""ASGI as we speak it: the shapes of applications and messages, and the extensions of our own servers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

__all__ = ["CLIENT_CERTIFICATE", "ON_DISCONNECT", "TAKES_VIEWS", "ASGIApp", "Message", "Receive", "Scope", "Send"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

CLIENT_CERTIFICATE = "sluicegate.certificate"
"""What the client has shown during the TLS handshake, as `ssl.SSLSocket.getpeercert` reads it; not there where it has shown none."""
ON_DISCONNECT = "sluicegate.disconnect"
"""A function that takes what is to be called once, as soon as the client has gone."""
TAKES_VIEWS = "sluicegate.views"
"""Bodies may be views of memory. ASGI wants bytes, and a copy of what is large."""
