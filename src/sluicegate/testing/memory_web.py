"""What answers HTTP beside a gateway's backends, in memory: identity providers and their like, by the host and the port of their addresses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

import attrs
import trio

if TYPE_CHECKING:
    import httpx2

__all__ = ["MemoryWeb", "Site"]

Site: TypeAlias = "Callable[[httpx2.Request], Awaitable[httpx2.Response]]"
"""Answers what is asked of one host."""


@attrs.define(eq=False)
class MemoryWeb:
    """Sites by ``host:port``, or by ``host`` where the address has none. Whoever is not here refuses connections."""

    sites: dict[str, Site] = attrs.field(factory=dict)
    asked: list[str] = attrs.field(factory=list, init=False)
    """Method and address of each request that came to a site, in order."""

    def open_http(self) -> httpx2.AsyncBaseTransport:
        """A transport to all of them, for ``Outside(open_http=…)``."""
        import httpx2

        async def answer(request: httpx2.Request) -> httpx2.Response:
            await trio.lowlevel.checkpoint()
            site = self.sites.get(request.url.netloc.decode())
            if site is None:
                raise httpx2.ConnectError("connection refused", request=request)
            self.asked.append(f"{request.method} {request.url}")
            given = await site(request)
            return httpx2.Response(given.status_code, headers=given.headers, stream=given.stream)  # unread, as whatever comes over a wire

        return httpx2.MockTransport(answer)
