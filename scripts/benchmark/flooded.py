"""Who is there while `floods` lasts: the gateway, a backend that hurts, and somebody who drops what he is sent."""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import attrs

from .flood_kinds import Kind
from .processes import Program, free_port, running
from .targets import URL, Target, backend_table, write_configuration
from .turns import turned_command

__all__ = ["Opened", "ended_in_time", "swallowing"]


@attrs.define
class Opened:
    """A gateway, and how many seconds it took to end in the end."""

    target: Target
    ended: float = 0.0


@contextmanager
def ended_in_time(folder: Path, name: str, kind: Kind, stub: Program) -> Iterator[Opened]:
    """A gateway in front of the healthy backend, and of one that hurts where the kind has one."""
    port = free_port()
    slug = name.replace(" ", "-")
    with ExitStack() as stack:
        tables = [backend_table("stub", stub) + kind.lines]
        if kind.backend:
            tables.append(stack.enter_context(hurting_backend(folder, slug, kind.backend)))
        path = write_configuration(folder / f"{slug}.toml", tables, port=port)
        output = None
        if kind.unread:
            unread, output = os.pipe()
            fcntl.fcntl(output, fcntl.F_SETPIPE_SZ, 4096)
            stack.callback(os.close, unread)
            stack.callback(os.close, output)
        command: list[str | Path] = [*turned_command(folder), "run", "-c", path]
        program = stack.enter_context(
            running(f"gateway of {slug}", command, folder, port=port, says="" if kind.unread else URL, stderr=output)
        )
        program.url = f"http://127.0.0.1:{port}"
        opened = Opened(Target(name, program, f"{program.url}/mcp", stub))
        yield opened
        began = time.monotonic()
        program.process.terminate()
        program.process.wait(30)
        opened.ended = time.monotonic() - began


@contextmanager
def hurting_backend(folder: Path, slug: str, transport: str) -> Iterator[str]:
    """The table of a backend that hurts."""
    script = str(Path(__file__).with_name("hurting_server.py"))
    head = f'[[backends]]\nname = "hurting"\ntransport = "{transport}"\ntimeout.seconds = 30\n'
    if transport == "stdio":
        yield f"{head}command = {json.dumps(sys.executable)}\nargs = {json.dumps([script, transport])}\n"
        return
    with running(f"server of {slug}", [sys.executable, script, transport], folder, says=r"(http://\S+/mcp)\s") as server:
        yield f'{head}url = "{server.url}"\n'


@contextmanager
def swallowing(folder: Path, name: str) -> Iterator[str]:
    """The URL of somebody who drops whatever comes."""
    script = str(Path(__file__).with_name("swallowing.py"))
    with running(f"swallower of {name}", [sys.executable, script], folder, says=r"(http://\S+/mcp)\s") as program:
        yield program.url
