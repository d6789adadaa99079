"""HTTP beside the calls: what asks an identity provider for its keys or a token endpoint for a token. Calls have a client of their own (``http1``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from .virtual import refuse_under_virtual_time

if TYPE_CHECKING:
    import httpx2

__all__ = ["OpenHttp", "open_http"]

OpenHttp: TypeAlias = "Callable[[], httpx2.AsyncBaseTransport]"
"""Makes a transport; whoever asked for it closes it. Redirects are for its user to follow, or not."""


def open_http() -> httpx2.AsyncBaseTransport:
    """Connections to whichever host a request names. Authorities are those of the system, or of ``SSL_CERT_FILE``; loading them takes 20 ms, once a call."""
    refuse_under_virtual_time("HTTP", "Outside(open_http=MemoryWeb().open_http)")
    import httpx2  # 60 ms, which nobody pays who asks nobody

    return httpx2.AsyncHTTPTransport()
