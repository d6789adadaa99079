"""Where a server listens, in words for people and programs."""

from __future__ import annotations

from typing import Any

import trio

__all__ = ["url_of"]


def url_of(listener: trio.abc.Listener[Any]) -> str:
    """The URL of a listener, with ``https`` where it speaks TLS; ``unix:`` and the path of a Unix socket."""
    scheme = "https" if isinstance(listener, trio.SSLListener) else "http"
    own = getattr(getattr(listener, "transport_listener", listener), "socket", None)
    if own is None:
        return f"{scheme}://memory"
    name = own.getsockname()
    if not isinstance(name, tuple):
        return f"unix:{name}"
    host, port, *_ = name
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
