"""The network in memory and its names."""

from __future__ import annotations

import socket

import pytest
import trio
import trio.testing

from sluicegate.testing import MemoryNetwork, Resolver, open_outside


async def greeting(network: MemoryNetwork, host: str) -> bytes:
    stream = await network.open_stream(host, 80)
    return bytes(await stream.receive_some())


async def greet(network: MemoryNetwork, address: str, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    """Says its address to whoever connects."""
    (listener,) = await network.listen(address, 80)
    task_status.started()
    while True:
        async with await listener.accept() as stream:
            await stream.send_all(address.encode())


async def test_without_a_resolver_every_name_leads_to_the_one_host(nursery: trio.Nursery) -> None:
    network = MemoryNetwork()
    await nursery.start(greet, network, "127.0.0.1")
    assert await greeting(network, "anything.example") == b"127.0.0.1"


async def test_names_lead_to_their_addresses(nursery: trio.Nursery) -> None:
    network = MemoryNetwork(resolver=Resolver.of({"a.example": "10.0.0.1", "b.example": ["10.0.0.2"]}))
    for address in ("10.0.0.1", "10.0.0.2"):
        await nursery.start(greet, network, address)

    assert await greeting(network, "A.example.") == b"10.0.0.1"
    assert await greeting(network, "b.example") == b"10.0.0.2"
    assert await greeting(network, "10.0.0.2") == b"10.0.0.2"
    assert network.resolver is not None
    assert network.resolver.asked == ["A.example.", "b.example"]


async def test_of_several_addresses_the_first_that_answers_is_taken(nursery: trio.Nursery) -> None:
    network = MemoryNetwork(resolver=Resolver.of({"a.example": ["10.0.0.1", "10.0.0.2"]}))
    with pytest.raises(ConnectionRefusedError, match=r"nothing listens on a\.example:80"):
        await greeting(network, "a.example")
    await nursery.start(greet, network, "10.0.0.2")
    assert await greeting(network, "a.example") == b"10.0.0.2"
    await nursery.start(greet, network, "10.0.0.1")
    assert await greeting(network, "a.example") == b"10.0.0.1"


async def test_a_listener_on_all_addresses_is_found_under_each(nursery: trio.Nursery) -> None:
    network = MemoryNetwork(resolver=Resolver.of({"a.example": "10.0.0.1"}))
    await nursery.start(greet, network, "0.0.0.0")
    assert await greeting(network, "a.example") == b"0.0.0.0"
    assert await greeting(network, "localhost") == b"0.0.0.0"


async def test_an_unknown_name_fails_as_with_the_systems_resolver() -> None:
    with pytest.raises(socket.gaierror) as real:
        socket.getaddrinfo("no such host.invalid", 80)
    async with open_outside(names={}) as world:
        with pytest.raises(socket.gaierror) as ours:
            await world.outside.open_stream("unknown.example", 80)
    assert ours.value.errno == socket.EAI_NONAME
    assert isinstance(real.value, OSError)
    assert type(ours.value) is type(real.value)


async def test_a_name_that_moves_is_looked_up_again(nursery: trio.Nursery) -> None:
    resolver = Resolver.of({"a.example": "10.0.0.1"})
    network = MemoryNetwork(resolver=resolver)
    for address in ("10.0.0.1", "10.0.0.2"):
        await nursery.start(greet, network, address)
    assert await greeting(network, "a.example") == b"10.0.0.1"
    resolver.names["a.example"] = ("10.0.0.2",)
    assert await greeting(network, "a.example") == b"10.0.0.2"
