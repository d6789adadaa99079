"""Connections in memory, and real ones: what the kernel takes at once goes another way through the code, and must come to the same."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
import trio
from tests.kit.farside import FarSide

from sluicegate.testing.memory_wire import memory_pair

Pair = Callable[[int], tuple[trio.abc.Stream, trio.abc.Stream]]


@pytest.fixture(params=["memory", "sockets"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """How a connection is made. What one of two sockets of a process sends is at the other at once, so a virtual clock does no harm."""
    with ExitStack() as opened:

        def socket_pair(buffer: int) -> tuple[trio.SocketStream, trio.SocketStream]:
            here, there = socket.socketpair()
            here.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)  # the kernel has a least of its own, some KiB
            opened.callback(there.close)  # the far side of these tests does not hang up
            return trio.SocketStream(trio.socket.from_stdlib_socket(here)), trio.SocketStream(trio.socket.from_stdlib_socket(there))

        yield memory_pair if request.param == "memory" else socket_pair


@pytest.fixture
def far(pair: Pair) -> FarSide:
    """The far side of a client."""
    return FarSide(pair=pair)
