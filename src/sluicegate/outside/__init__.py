"""The outside world, injected: how processes, connections and listeners come about.

`Outside` holds the real factories by default; ``sluicegate.testing`` has their in-memory twins.
The real ones refuse to work under a mock clock.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable

import attrs
import trio

from .asking_http import OpenHttp, open_http
from .blocking import RunBlocking, run_blocking
from .child import Child, OpenProcess, ProcessSpec
from .listening import Listen, ListenInherited, ListenUnix, inherited_hosts, listen, listen_inherited, listen_unix
from .process import open_process
from .values.choosing import OpenValues, open_values
from .virtual import refuse_under_virtual_time

__all__ = [
    "Child",
    "Listen",
    "ListenInherited",
    "ListenUnix",
    "OpenHttp",
    "OpenProcess",
    "OpenStream",
    "OpenValues",
    "Outside",
    "ProcessSpec",
    "RunBlocking",
    "inherited_hosts",
    "listen",
    "listen_inherited",
    "listen_unix",
    "open_http",
    "open_process",
    "open_stream",
    "open_values",
    "run_blocking",
]

OpenStream = Callable[[str, int], Awaitable[trio.abc.Stream]]
"""Connects to a host and a port; raises `OSError`. The caller bounds it in time."""

_PROBES = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}
"""Seconds of silence, then seconds between questions, and how many: a stream on which nothing is said for hours is nothing unusual."""


async def open_stream(host: str, port: int) -> trio.abc.Stream:
    """A TCP connection, to whichever of the host's addresses answers first. A peer that vanishes is noticed after two minutes."""
    refuse_under_virtual_time("TCP connections and DNS", "Outside(open_stream=MemoryNetwork().open_stream)")
    stream = await trio.open_tcp_stream(host, port)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, True)
    for name, value in _PROBES.items():
        if hasattr(socket, name):
            stream.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return stream


@attrs.frozen(repr=False)
class Outside:
    """The factories of everything that is not our own code."""

    open_process: OpenProcess = open_process
    open_stream: OpenStream = open_stream
    open_http: OpenHttp = open_http
    listen: Listen = listen
    listen_unix: ListenUnix = listen_unix
    listen_inherited: ListenInherited = listen_inherited
    run_blocking: RunBlocking = run_blocking
    open_values: OpenValues = open_values
