"""What is measured: the stub itself, and the gateway in front of it, over HTTP and over stdio."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import attrs

from .processes import Program, running
from .sessions import call, find_tool, open_sessions
from .stub import LOOPS, MARK
from .wrk import Load, drive

__all__ = [
    "SHAPES",
    "SLUICEGATE",
    "URL",
    "Target",
    "backend_table",
    "command_of_stub",
    "gateway",
    "http_stub",
    "open_all",
    "write_configuration",
]

STUB = Path(__file__).with_name("stub.py")
SLUICEGATE = (sys.executable, "-m", "sluicegate")
URL = r"(http://[0-9.]+:\d+)"
NO_LINES: Mapping[str, str] = {}
SHAPES: dict[str, dict[str, Any]] = {"http": {}, "http, access log": {"access_log": True}, "stdio": {"stdio": True}}
"""What can be looked at closely."""


@attrs.define
class Target:
    """Somebody who answers tool calls over Streamable HTTP."""

    name: str
    program: Program
    """Whose processor time counts as the price."""
    url: str
    stub: Program | None = None
    """The backend where it is a process of its own, and no child of ``program``."""
    beside: str = ""
    """The target that is the stub with nothing in front of it."""
    counts: bool = True
    """Whether every call reaches one and the same stub, so that it can be asked how many there were."""
    token: str = ""
    """Shown with each request, if any."""
    sessions: dict[int, list[str]] = attrs.field(factory=dict, init=False)
    tools: dict[str, str] = attrs.field(factory=dict, init=False)

    def sessions_for(self, number: int) -> list[str]:
        """So many sessions, opened the first time."""
        if number not in self.sessions:
            self.sessions[number] = open_sessions(self.url, number, self.token)
        return self.sessions[number]

    def tool(self, name: str) -> str:
        """What a tool of the stub is called here."""
        if name not in self.tools:
            self.tools[name] = find_tool(self.url, self.sessions_for(1)[0], name, self.token)
        return self.tools[name]

    def count(self) -> int | None:
        """How many calls the stub has had so far."""
        return int(call(self.url, self.sessions_for(1)[0], self.tool("count"))) if self.counts else None

    def drive(self, connections: int, seconds: int, *, same: bool = False) -> Load:
        """Call ``echo`` as fast as it is answered, each connection's share on a session of its own."""
        return drive(
            self.url, self.sessions_for(connections), connections, seconds, tool=self.tool("echo"), expect=MARK, same=same, token=self.token
        )


def command_of_stub(transport: str, tools: int = 4, loop: str = LOOPS[0]) -> list[str]:
    """How the stub is started."""
    return [sys.executable, str(STUB), transport, "--tools", str(tools), "--loop", loop]


@contextmanager
def http_stub(folder: Path, name: str = "stub", tools: int = 4, loop: str = LOOPS[0]) -> Iterator[Program]:
    """The stub over HTTP."""
    with running(name, command_of_stub("http", tools, loop), folder, says=r"(http://\S+/mcp)\s") as stub:
        yield stub


@contextmanager
def gateway(
    name: str,
    folder: Path,
    stub: Program | None,
    *,
    stdio: bool = False,
    access_log: bool = False,
    lines: Mapping[str, str] = NO_LINES,
    command: Sequence[str] = SLUICEGATE,
    token: str = "",
) -> Iterator[Target]:
    """The gateway with one backend: the given stub over HTTP, or a child of its own.

    ``lines`` are further lines of the configuration, by table: ``proxy``, ``listen``, ``backend``; ``auth`` are whole tables.
    """
    stub = None if stdio else stub
    path = folder / f"{name.replace(' ', '-')}.toml"
    table = backend_table("stub", stub) + lines.get("backend", "") + lines.get("auth", "")
    write_configuration(path, [table], access_log=access_log, proxy=lines.get("proxy", ""), listen=lines.get("listen", ""))
    with running(name, [*command, "run", "-c", path], folder, says=URL) as program:
        yield Target(name, program, f"{program.url}/mcp", stub, token=token)


def write_configuration(
    path: Path, backends: list[str], *, access_log: bool = False, port: int = 0, proxy: str = "", listen: str = ""
) -> Path:
    """A configuration with these tables of backends, with further lines for ``[proxy]`` and ``[proxy.listen]``, and with metrics."""
    log = f"[observability]\njson_logs = true\naccess_log.enabled = {json.dumps(access_log)}\nmetrics.enabled = true\n"
    head = f'[proxy]\nname = "bench"\n{proxy}[proxy.listen]\nport = {port}\n{listen}'
    path.write_text(f"{head}{log}{''.join(backends)}", encoding="utf-8")
    return path


def backend_table(name: str, stub: Program | None) -> str:
    """A ``[[backends]]`` table for a stub over HTTP, or for one that is a child."""
    if stub is not None:
        return f'[[backends]]\nname = "{name}"\ntransport = "http"\nurl = "{stub.url}"\n'
    command, *arguments = command_of_stub("stdio")
    return f'[[backends]]\nname = "{name}"\ntransport = "stdio"\ncommand = {json.dumps(command)}\nargs = {json.dumps(arguments)}\n'


@contextmanager
def open_all(folder: Path, loops: Sequence[str]) -> Iterator[list[Target]]:
    """Stubs directly and the gateway in front of them, all running at the same time: who is not called costs nothing."""
    with ExitStack() as stack:
        targets = []
        for loop in loops:
            what = "" if loop == loops[0] else f", {loop} stub"
            stub = stack.enter_context(http_stub(folder, f"stub{what}", loop=loop))
            direct, through = Target(f"direct{what}", stub, stub.url), stack.enter_context(gateway(f"http{what}", folder, stub))
            through.beside = direct.name
            targets += [direct, through]
        stdio = stack.enter_context(gateway("stdio", folder, None, stdio=True))
        stdio.beside = targets[0].name
        yield [*targets, stdio]
