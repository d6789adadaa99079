"""The table: each server, used by each client, directly and through one gateway in front of all of them."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import trio

from sluicegate import Builder
from sluicegate.protocol.names import Names

from .compare import Got, asked_through, differences, share
from .explained import explanation
from .install import CACHE, node_modules, program, python_for
from .servers import SERVERS, Server

HERE = Path(__file__).parent / "clients"
PYTHONS = {
    "python-1.26": ("python_sdk.py", ("mcp==1.26.0",)),
    "python-2.3": ("python_sdk.py", ("mcp==2.3.0",)),
    "fastmcp-4.2": ("fastmcp_client.py", ("fastmcp==4.2.3",)),
}
NODES = ("typescript-1", "typescript-2", "ai-sdk")
PATIENCE = 600


def client_command(name: str) -> list[str]:
    """How to run a client, installed."""
    if name in PYTHONS:
        script, requirements = PYTHONS[name]
        return [str(python_for(f"client-{name}", requirements) / "python"), str(HERE / script)]
    return ["node", str(HERE / "typescript.mjs"), str(node_modules()), name]


@attrs.frozen
class Row:
    """One server, used by one client."""

    server: str
    client: str
    counts: str
    verdict: str


async def ask(client: str, targets: list[dict[str, Any]], folder: Path) -> list[Got]:
    """Run a client against targets, one after the other; ``folder`` is that of the servers, which some name in their answers."""
    with trio.fail_after(PATIENCE):
        done = await trio.run_process(
            client_command(client), stdin=json.dumps(targets).encode(), capture_stdout=True, capture_stderr=True, check=False
        )
    if done.returncode:
        sys.exit(f"{client} failed:\n{done.stderr.decode()[-2000:]}")
    found: list[Got] = json.loads(done.stdout.replace(str(folder).encode(), b"FOLDER"))
    return found


def command_in(folder: Path, server: Server) -> list[str]:
    """A server's command, started in a folder of its own, as a program that knows nothing of folders can start it."""
    own = folder / server.name
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir()
    server.prepare(own)
    return ["/usr/bin/env", "-C", str(own), f"MEMORY_FILE_PATH={own / 'memory.jsonl'}", *program(server)]


async def compare(client: str, servers: Sequence[Server], url: str, folder: Path, behind: Path) -> list[Row]:
    """What one client gets of every server."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    direct_targets = []
    for server in servers:
        command, *arguments = command_in(folder, server)
        stdio = {"command": command, "args": arguments, "env": environment}
        direct_targets.append({"stdio": stdio, "asks": [attrs.asdict(one) for one in server.asks]})
    direct = await ask(client, direct_targets, folder)
    named = {server.name: Names(server.name, "_") for server in servers}
    asks = [(server, asked_through(named[server.name], one)) for server in servers for one in server.asks]
    (through,) = await ask(client, [{"url": url, "asks": [attrs.asdict(one) for _server, one in asks]}], behind)
    rows = []
    for server, got in zip(servers, direct, strict=True):
        answers = [answer for (owner, _one), answer in zip(asks, through["asked"], strict=True) if owner is server]
        found = differences(named[server.name], got, share(named[server.name], through, answers))
        told = [explanation(server.name, client, phrase) or f"DIFFERENT {phrase}" for phrase in found]
        rows.append(Row(server.name, client, counts(got), "; ".join(dict.fromkeys(told)) or "same"))
    return rows


def counts(got: Got) -> str:
    """Tools, resources, templates, prompts; and how many questions were answered."""
    lists = "/".join(str(len(got[member])) if isinstance(got[member], list) else "-" for member in LISTS)
    failed = sum(1 for answer in got["asked"] if "error" in answer)
    return f"{lists} {len(got['asked']) - failed}+{failed}"


LISTS = ("tools", "resources", "resourceTemplates", "prompts")


async def main(servers: Sequence[Server], clients: Sequence[str]) -> int:
    """Print the table; 1 if there is a difference that nobody explains."""
    for client in clients:
        client_command(client)
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as given:
        folder, behind = Path(given) / "direct", Path(given) / "behind"
        folder.mkdir()
        behind.mkdir()
        builder = Builder("peers").proxy(startup_wait_seconds=60)
        for server in servers:
            builder.backend(server.name, command_in(behind, server), env={"HOME": str(behind)})
        rows: list[Row] = []
        async with trio.open_nursery() as nursery:
            async with builder.open() as gateway:
                (url,) = await nursery.start(gateway.serve)
                await gateway.settled()
                for client in clients:
                    rows += await compare(client, servers, f"{url}/mcp", folder, behind)
            nursery.cancel_scope.cancel()
    print("tools/resources/templates/prompts that the server lists, and its answers + errors when asked directly\n")
    made = {server.name: server.made_with for server in servers}
    for server in servers:
        print(f"{server.name} ({made[server.name]})")
        for row in rows:
            if row.server == server.name:
                print(f"    {row.client:14}{row.counts:18}{row.verdict}")
    return int(any("DIFFERENT" in row.verdict for row in rows))


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="scripts/peers", description=__doc__)
    parser.add_argument("--server", action="append", choices=[server.name for server in SERVERS])
    parser.add_argument("--client", action="append", choices=[*PYTHONS, *NODES])
    return parser.parse_args()


if __name__ == "__main__":
    if shutil.which("npm") is None or subprocess.run(["node", "--version"], capture_output=True, check=False).returncode:
        sys.exit("error: scripts/peers needs Node.js with npm")
    chosen = arguments()
    wanted = [server for server in SERVERS if not chosen.server or server.name in chosen.server]
    sys.exit(trio.run(main, wanted, chosen.client or [*PYTHONS, *NODES]))
