"""What the gateway itself takes, in this process: by the number of backends and sessions, and when very many sessions end."""

from __future__ import annotations

import functools
import gc
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import trio
import trio.testing

from sluicegate import Call, Gateway, Reply
from sluicegate.cli.memory import settle_memory
from sluicegate.frontends.session_table import SessionTable
from sluicegate.http1.asgi import ASGIApp
from sluicegate.observe.metrics import Counts, Metrics
from sluicegate.protocol.calls import Hop
from sluicegate.routing.directory import ListChange

from .application import Exchange, Instant, calling, getting, open_session, opened, posting
from .listening import listening
from .stopwatch import watching

__all__ = ["inside"]

BACKENDS = (1, 10, 50)
SESSIONS = (10, 500, 5000)
TURNS = 3
"""Times that each size has its turn, so that what else the machine does hits all alike; the least counts."""
ENDING = 10_000
CLIENTS = 64
CALLS = 2000
ROUNDS = 5
MIB = 1024 * 1024


async def inside() -> dict[str, Any]:
    """What the gateway itself takes, in a process that is set up like the daemon's."""
    settle_memory()
    return {
        "KiB per session": round(await memory(), 2),
        "metrics": round(await policy(), 2),
        "page": await page(),
        "by backends": await by_backends(),
        "by sessions": await by_sessions(),
        "large": await large_answers(),
        "ending": {
            "because they are idle": await ending(by_time, streams=False),
            "by a drain": await ending(by_drain, streams=True),
            "by their clients": await ending(by_clients, streams=True),
        },
        "told of changed lists": await ending(by_news, streams=True),
        "listening": await listening(),
    }


async def cost(make: Callable[[int], Exchange], app: ASGIApp, *, calls: int = CALLS, rounds: int = ROUNDS) -> float:
    """Microseconds of processor time for one exchange: the least of some rounds, because whatever disturbs only adds."""
    found = []
    for _ in range(rounds):
        exchanges = [make(number) for number in range(calls)]
        began = time.process_time()
        for exchange in exchanges:
            await exchange.run(app)
            exchange.answer = b""
        found.append((time.process_time() - began) / calls * 1e6)
        assert all(exchange.status == 200 for exchange in exchanges)
    return min(found)


async def by_backends() -> dict[int, float]:
    """A call by the number of backends; each goes to another one."""

    def make(backends: int, session: str, turn: int) -> Exchange:
        return calling(f"b{turn % backends}_tool{turn % 20}", session)

    found: dict[int, list[float]] = {number: [] for number in BACKENDS}
    for _ in range(TURNS):
        for number, costs in found.items():
            async with opened(*[Instant(tools=20)] * number) as gateway:
                session = await open_session(gateway.asgi_app)
                costs.append(await cost(functools.partial(make, number, session), gateway.asgi_app))
    return {number: round(min(costs), 1) for number, costs in found.items()}


async def by_sessions() -> dict[int, float]:
    """A call by the number of open sessions; each comes from another one."""

    def make(sessions: Sequence[str], turn: int) -> Exchange:
        return calling("b0_tool0", sessions[turn * 7 % len(sessions)])

    found: dict[int, list[float]] = {number: [] for number in SESSIONS}
    for _ in range(TURNS):
        for number, costs in found.items():
            async with opened(Instant()) as gateway:
                sessions = [await open_session(gateway.asgi_app) for _ in range(number)]
                costs.append(await cost(functools.partial(make, sessions), gateway.asgi_app))
    return {number: round(min(costs), 1) for number, costs in found.items()}


async def large_answers() -> dict[str, float]:
    """A small call, the list of 1 000 tools over 20 backends, and a result of 1 MiB."""
    async with opened(*[Instant(tools=50, size=MIB if number == 19 else 5) for number in range(20)]) as gateway:
        app = gateway.asgi_app
        session = await open_session(app)
        return {
            "call": round(await cost(lambda _: calling("b0_tool0", session), app), 1),
            "list": round(await cost(lambda _: posting("tools/list", {}, session), app, calls=200), 1),
            "mebibyte": round(await cost(lambda _: calling("b19_tool0", session), app, calls=20), 1),
        }


async def policy() -> float:
    """What counting adds to a call."""
    reply, call = Reply(), Call("tools/call", "x", {})
    call.trail.hops.append(Hop("b", "ok", 0.0))

    async def plain(call: Call) -> Reply:
        del call
        return reply

    counted = Metrics(plain, Counts())

    async def once(handler: Callable[[Call], Awaitable[Reply]]) -> float:
        began = time.process_time()
        for _ in range(50_000):
            await handler(call)
        return (time.process_time() - began) / 50_000 * 1e6

    rounds = [(await once(plain), await once(counted)) for _ in range(ROUNDS)]
    return min(with_it for _, with_it in rounds) - min(without for without, _ in rounds)


async def page() -> dict[str, float]:
    """What ``/metrics`` takes with 50 backends that have all been called, and for how long it holds up others."""
    async with opened(*[Instant()] * 50) as gateway:
        app = gateway.asgi_app
        session = await open_session(app)
        for number in range(50):
            await calling(f"b{number}_tool0", session).run(app)
        await getting(path="/metrics").run(app)  # the first one imports the library
        began = time.process_time()
        async with watching() as stopwatch:
            text = await getting(path="/metrics").run(app)
        spent = (time.process_time() - began) * 1e3
    return {"ms": round(spent, 1), "turn": round(stopwatch.turn, 1), "lines": text.count(b"\n")}


async def memory() -> float:
    """What an open session takes."""

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4

    async with opened(Instant()) as gateway:
        for _ in range(100):
            await open_session(gateway.asgi_app)
        before = resident()
        for _ in range(ENDING):
            await open_session(gateway.asgi_app)
        return (resident() - before) / ENDING


async def ending(how: Callable[[Gateway, list[str]], Awaitable[None]], *, streams: bool) -> dict[str, float]:
    """Do something with very many sessions: the longest turn of the loop and the longest step of a task."""
    async with trio.open_nursery() as clients, opened(Instant()) as gateway:
        sessions = [await open_session(gateway.asgi_app) for _ in range(ENDING)]
        listeners = [getting(session) for session in sessions if streams]
        for listener in listeners:
            clients.start_soon(listener.run, gateway.asgi_app)
        await trio.testing.wait_all_tasks_blocked()
        gc.collect()
        async with watching() as stopwatch:
            await how(gateway, sessions)
            for listener in listeners:
                await listener.ended.wait()
    return {"turn": round(stopwatch.turn, 1), "step": round(stopwatch.step, 1)}


def sessions_of(gateway: Gateway) -> SessionTable:
    """Of all its clients over HTTP."""
    return gateway._app.sessions  # noqa: SLF001  nobody else needs it


async def by_time(gateway: Gateway, sessions: list[str]) -> None:
    """All have been idle for too long."""
    del sessions
    table = sessions_of(gateway)
    for session in table._sessions.values():  # noqa: SLF001  half an hour is too long to wait
        session.used_at -= table.limits.session_idle_seconds
    while len(table):  # noqa: ASYNC110  the table tells nobody
        await trio.sleep(0.01)


async def by_drain(gateway: Gateway, sessions: list[str]) -> None:
    """The gateway goes down, and all streams end."""
    del sessions
    gateway.stop_accepting()
    await trio.lowlevel.checkpoint()


async def by_clients(gateway: Gateway, sessions: list[str]) -> None:
    """Clients end them, each its next one as soon as the last has ended."""

    async def delete(own: Sequence[str]) -> None:
        for session in own:
            await getting(session, method="DELETE").run(gateway.asgi_app)

    async with trio.open_nursery() as nursery:
        for client in range(CLIENTS):
            nursery.start_soon(delete, sessions[client::CLIENTS])


async def by_news(gateway: Gateway, sessions: list[str]) -> None:
    """No end: all are told that a list has changed. What they then wait for is new, and the garbage collector looks at that."""
    table = sessions_of(gateway)
    table.announce(ListChange(frozenset({"notifications/tools/list_changed"})))
    while not all(session.told for session in table._sessions.values()):  # noqa: SLF001, ASYNC110
        await trio.sleep(0.1)
    del sessions
    table.hang_up()
