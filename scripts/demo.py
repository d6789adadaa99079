"""The gateway at work: real servers behind one address, one of them dies, its stand-in answers, and it comes back.

`scripts/demo` sets up what this needs and runs it from the top of the checkout; with ``--once`` it ends by itself.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import attrs
import trio
from mcp import Client

from sluicegate import Gateway, Mirror, State, chain, load, open_gateway
from sluicegate.cli.conversation import first_leaf
from sluicegate.cli.serving import listen_to_signals
from sluicegate.observe.log import configure
from sluicegate.testing.family import ProcessFamily

TOOL = "time_convert_time"
ARGUMENTS = {"source_timezone": "Europe/Berlin", "time": "12:00", "target_timezone": "Asia/Tokyo"}
PATIENCE = 30.0
"""Seconds after which something that should have happened counts as missing."""


def main(arguments: list[str]) -> int:
    """Run the demo; the exit code."""
    if {"-h", "--help"} & set(arguments):
        print(__doc__)
        return 0
    if unknown := set(arguments) - {"--once"}:
        print(f"usage: scripts/demo [--once]   (not {' '.join(sorted(unknown))})", file=sys.stderr)
        return 2
    try:
        return trio.run(demo, "--once" in arguments)
    except* (Unexpected, trio.TooSlowError, OSError) as group:
        error = first_leaf(group)
        print(f"the demo failed: {type(error).__name__}: {error}", file=sys.stderr)
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            print("another program has the port of conf/demo.toml; stop it, change the port there, or try --once", file=sys.stderr)
    return 1


async def demo(once: bool) -> int:
    """Serve, show a failover, and go on serving or drain."""
    config = load(Path("conf/demo.toml")).config
    configure("warning")
    if once:  # nobody connects later, so any free port will do, and two demos do not meet
        config = attrs.evolve(config, proxy=attrs.evolve(config.proxy, listen=attrs.evolve(config.proxy.listen, port=0)))
    family = ProcessFamily()
    async with listen_to_signals() as signals, open_gateway(config) as gateway, trio.open_nursery() as nursery:
        urls = await nursery.start(gateway.serve)
        await gateway.settled()
        address = f"{urls[0]}/mcp"
        introduce(gateway, address)
        family.look()
        with trio.fail_after(PATIENCE * 4):
            await show_failover(gateway, address)
        family.look()
        if not once:
            print("\nServing until Ctrl-C.", flush=True)
            await signals.wait()
            family.look()
        print("\ndraining …", flush=True)
        nursery.cancel_scope.cancel()
    left = family.left()
    print(f"children left: {len(left)}")
    return 1 if left else 0


def introduce(gateway: Gateway, address: str) -> None:
    """Say where the gateway is, what it offers, and how a client gets there."""
    print(f"\nSluicegate serves at {address}\n")
    for backend in gateway.backends.values():
        offer = backend.offer
        names = [item.key for items in offer.lists.values() for item in items] if offer else []
        print(
            f"  {backend.name:<12} {backend.state.value:<9} pid {backend.pid}  {len(names)} offered: {', '.join(names[:4])}{' …' if len(names) > 4 else ''}"
        )
    print("\nTo connect a client:")
    print(f"  claude mcp add --transport http sluicegate {address}")
    print(f'  or in a .mcp.json:  {{"mcpServers": {{"sluicegate": {{"type": "http", "url": "{address}"}}}}}}')
    print(f"  or, where a client only starts programs:  sluicegate connect {address}\n", flush=True)


async def show_failover(gateway: Gateway, address: str) -> None:
    """One call, a kill, the same call, and the way back."""
    primary = gateway.backends["time"]
    async with Client(address, mode="legacy") as client:
        answer, by = await call(client)
        print(f"1. {TOOL} answered by {by}: {answer}")
        await wait_until_shadow_saw_it(gateway)
        print("2. time-shadow has seen a copy of that call")
        assert primary.pid is not None
        restarts = primary.restarts
        print(f"3. kill -9 {primary.pid} (time)", flush=True)
        os.kill(primary.pid, signal.SIGKILL)
        answer, by = await call(client)
        print(f"4. the same call answered by {by}: {answer}", flush=True)
        expect(by, "time-backup")
        await primary.wait_for(lambda backend: backend.state is State.READY and backend.restarts > restarts)
        answer, by = await call(client)
        print(f"5. time is ready again as pid {primary.pid}; the same call answered by {by}: {answer}", flush=True)
        expect(by, "time")


async def call(client: Client) -> tuple[str, str]:
    """Call the tool; its answer in short, and the backend that gave it, which the gateway tells to whoever asks."""
    result = await client.call_tool(TOOL, ARGUMENTS, meta={"sluicegate/route": True})
    route: dict[str, Any] = (result.meta or {})["sluicegate/route"]
    text = "".join(part.text for part in result.content if part.type == "text")
    return json.loads(text)["target"]["datetime"], route["backend"]


async def wait_until_shadow_saw_it(gateway: Gateway) -> None:
    """Copies run on their own, so the caller's answer may be there first."""
    route = gateway.catalogue.table.listed["tools/list"][TOOL]
    shadow = next(shadow for step in chain(route.handler) if isinstance(step, Mirror) for shadow in step.shadows)
    await gateway.backends[shadow.name].wait_for(lambda _backend: shadow.sent > 0 and shadow.running == 0)
    if shadow.failed:
        raise Unexpected(f"{shadow.name} got a copy and could not answer it")


class Unexpected(Exception):
    """The demo did not show what it is meant to show."""


def expect(by: str, wanted: str) -> None:
    """Raise unless the right backend answered."""
    if by != wanted:
        raise Unexpected(f"{wanted} should have answered, not {by}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
