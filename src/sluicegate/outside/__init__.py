"""The outside world, injected: how processes, HTTP connections and listeners come about.

`Outside` holds the real factories by default; ``sluicegate.testing`` has their in-memory twins.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

import attrs
import trio

from .child import Child, OpenProcess, ProcessSpec
from .process import open_process

if TYPE_CHECKING:
    import ssl

    import httpx2

__all__ = ["Child", "Listen", "OpenHttp", "OpenProcess", "Outside", "ProcessSpec", "listen", "open_http", "open_process"]

Listen = Callable[[str, int], Awaitable[list[trio.abc.Listener[trio.abc.Stream]]]]
"""Opens listeners on a host and a port; port 0 takes a free one."""


class OpenHttp(Protocol):
    """Opens a transport for HTTP requests; closing it is the caller's."""

    def __call__(self, *, verify: ssl.SSLContext | bool = True) -> httpx2.AsyncBaseTransport:
        """A transport of its own for every caller; ``verify`` as httpx2 has it."""
        ...


def open_http(*, verify: ssl.SSLContext | bool = True) -> httpx2.AsyncBaseTransport:
    """A pool of real connections without a cap: bounds belong to the policies, not to the pool."""
    import httpx2

    return httpx2.AsyncHTTPTransport(verify=verify, limits=httpx2.Limits(max_connections=None, max_keepalive_connections=64))


async def listen(host: str, port: int) -> list[trio.abc.Listener[trio.abc.Stream]]:
    """Listen on TCP; raises `OSError` where the address cannot be had."""
    return [*await trio.open_tcp_listeners(port, host=host)]


@attrs.frozen
class Outside:
    """The factories of everything that is not our own code."""

    open_process: OpenProcess = open_process
    open_http: OpenHttp = open_http
    listen: Listen = listen
