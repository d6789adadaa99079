"""What each client sees of each feature of each server, directly and through the gateway, as a table."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

import attrs
import trio
from scripts.benchmark.processes import free_port
from scripts.peering.install import CACHE

from sluicegate import Builder, Config, Gateway, open_gateway
from sluicegate.config.model import SecurityConfig

from .features import FEATURES, Asks
from .page import Cells, page, rows
from .programs import CLIENTS, SERVERS, Client, Server
from .reasons import explained
from .verdict import Cell, Kind, judge

PATIENCE = 120
AT_ONCE = 4
MOST_PARKED = 100
ASKING = frozenset({"tools", "sampling", "elicitation", "url", "roots"})
TOPIC = Path("src/sluicegate/help/matrix.rst")
KEPT = CACHE / "pairing.json"


@attrs.define
class Run:
    """All pairs that were asked for."""

    clients: Sequence[str]
    servers: Sequence[str]
    features: Sequence[str]
    home: str
    cells: dict[tuple[str, str, str], Cell] = attrs.field(factory=dict)
    """By server, client and feature."""
    _slots: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(AT_ONCE))

    async def all(self) -> None:
        """A gateway in front of each server; then every client at each."""
        async with AsyncExitStack() as stack:
            nursery = await stack.enter_async_context(trio.open_nursery())
            gateways: dict[str, list[Gateway]] = {}
            for name in self.servers:
                for most in (0,) if SERVERS[name].revision else (0, MOST_PARKED):
                    gateway = await stack.enter_async_context(open_gateway(self._before(SERVERS[name], most)))
                    gateways.setdefault(name, []).append(gateway)
            urls: dict[str, list[str]] = {name: [] for name in gateways}
            for name, own in gateways.items():
                for gateway in own:
                    (url,) = await nursery.start(gateway.serve)
                    urls[name].append(f"{url}/mcp")
                    await gateway.settled()
            async with trio.open_nursery() as pairs:
                for name in self.servers:
                    for client in self.clients:
                        pairs.start_soon(self._pair, name, client, urls[name][0], urls[name][-1])
            nursery.cancel_scope.cancel()

    def _before(self, server: Server, most_parked: int) -> Config:
        settings = {"revision": server.revision} if server.revision else {"sessions": "per_client", "max_sessions": 1000}
        builder = Builder("matrix").proxy(startup_wait_seconds=60)
        builder.backend("server", list(server.command()), namespace="", env=self._environment(), **settings)
        return attrs.evolve(builder.config(), security=SecurityConfig(max_parked_calls=most_parked))

    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": self.home}

    async def _pair(self, name: str, client: str, shared: str, parked: str) -> None:
        server, program = SERVERS[name], CLIENTS[client]
        asks = {feature: server.asks[feature] for feature in self.features if feature in server.asks}
        if program.bridge is None:
            direct = await self._look(program, {"stdio": self._started(server.command()), "asks": asks})
            groups = _grouped(asks)
            through = await self._look(program, {"url": shared, "asks": groups[0]}, {"url": parked, "asks": groups[1]})
        elif server.over_http is None:
            return
        else:
            port = free_port()
            async with self._running(server.over_http(port), port):
                near = program.bridge(f"http://127.0.0.1:{port}/mcp")
                direct = await self._look(program, {"stdio": self._started(near), "asks": asks})
            through = await self._look(program, {"stdio": self._started(program.bridge(shared)), "asks": asks})
        for feature in asks:
            nothing = {"absent": "the client cannot do it"}
            cell = judge(direct.get(feature, nothing), through.get(feature, nothing))
            self.cells[name, client, feature] = explained(name, client, feature, cell)
        print(f"\r{len(self.cells)} cells\033[K", end="", file=sys.stderr, flush=True)

    def _started(self, command: Sequence[str]) -> dict[str, Any]:
        """What a client is told to start."""
        return {"command": command[0], "args": command[1:], "env": self._environment()}

    @asynccontextmanager
    async def _running(self, command: Sequence[str], port: int) -> AsyncGenerator[None, None]:
        """A server over HTTP."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(trio.run_process, command, env=self._environment(), check=False, stdout=DEVNULL, stderr=DEVNULL))
            with trio.fail_after(PATIENCE):
                while True:
                    with suppress(OSError):
                        await (await trio.open_tcp_stream("127.0.0.1", port)).aclose()
                        break
                    await trio.sleep(0.1)
            yield
            nursery.cancel_scope.cancel()

    async def _look(self, client: Client, *targets: dict[str, Any]) -> dict[str, Any]:
        """What a client sees at all of these."""
        given = json.dumps([target for target in targets if target["asks"]]).encode()
        why = "the client did not end"
        async with self._slots:
            with trio.move_on_after(PATIENCE):
                done = await trio.run_process(client.command(), stdin=given, capture_stdout=True, capture_stderr=True, check=False)
                if done.returncode == 0:
                    return {feature: seen for found in json.loads(done.stdout) for feature, seen in found.items()}
                why = f"the client ended: {done.stderr.decode(errors='replace').strip().splitlines()[-1:]}"
        return {feature: {"error": why} for target in targets for feature in target["asks"]}


def _grouped(asks: Asks) -> tuple[Asks, Asks]:
    """What looks at one session twice, and what may be asked something: a parked call has a session for itself."""
    alone = {feature: ask for feature, ask in asks.items() if feature in ASKING}
    return {feature: ask for feature, ask in asks.items() if feature not in alone}, alone


def chosen() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="scripts/matrix", description=__doc__)
    parser.add_argument("--client", action="append", choices=CLIENTS, help="one of the clients; all without it")
    parser.add_argument("--server", action="append", choices=SERVERS, help="one of the servers; all without it")
    parser.add_argument("--feature", action="append", choices=FEATURES, help="one of the features; all without it")
    parser.add_argument("--write", action="store_true", help=f"make {TOPIC} of it, and of what was found before of the rest")
    return parser.parse_args()


def kept(cells: Cells) -> Cells:
    """These, and of others what was found the last time."""
    known = {tuple(key): Cell(Kind(mark), said) for *key, mark, said in json.loads(KEPT.read_text())} if KEPT.exists() else {}
    found = {
        (server, client, feature): explained(server, client, feature, cell)
        for (server, client, feature), cell in (known | dict(cells)).items()
        if server in SERVERS and client in CLIENTS and feature in FEATURES
    }
    KEPT.write_text(json.dumps([[*key, cell.kind.value, cell.said] for key, cell in found.items()]))
    return found


def main() -> int:
    """Run what was asked for; 1 if something is lost on the way that nobody explains."""
    asked = chosen()
    for program in (*CLIENTS.values(), *SERVERS.values()):
        program.command()
    with tempfile.TemporaryDirectory() as home:
        run = Run(asked.client or list(CLIENTS), asked.server or list(SERVERS), asked.feature or list(FEATURES), home)
        trio.run(run.all)
    print("\r\033[K", end="", file=sys.stderr)
    for server in run.servers:
        print(f"\n{server}", *rows(run.cells, server, run.clients, run.features), sep="\n")
    for (server, client, feature), cell in sorted(run.cells.items()):
        if cell.said:
            print(f"{cell.kind.value} {server}, {client}, {feature}: {cell.said}")
    if asked.write:
        TOPIC.write_text(page(kept(run.cells)), encoding="utf-8")
    return int(any(cell.kind is Kind.LOST for cell in run.cells.values()))


if __name__ == "__main__":
    sys.exit(main())
