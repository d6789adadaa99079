"""The servers: pinned packages that run without a network and without keys, on as many frameworks as there are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import attrs

__all__ = ["SERVERS", "Ask", "Server"]


@attrs.frozen
class Ask:
    """Something that every client asks a server, by the server's own names."""

    do: str
    """``call``, ``read`` or ``prompt``."""
    name: str
    """Of the tool or prompt, or the URI."""
    arguments: dict[str, object] = attrs.field(factory=dict)


@attrs.frozen
class Server:
    """A server and what is asked of it."""

    name: str
    made_with: str
    command: tuple[str, ...]
    """The program first: a script of its own environment, or of npm's."""
    asks: tuple[Ask, ...]
    python: tuple[str, ...] = ()
    """Requirements of an environment of its own; else it is one of `NPM`."""
    prepare: Callable[[Path], None] = lambda _folder: None
    """Puts into its folder what it looks at."""


NPM = {
    "@modelcontextprotocol/server-filesystem": "2026.8.31",
    "@modelcontextprotocol/server-memory": "2026.8.31",
    "@modelcontextprotocol/server-sequential-thinking": "2026.8.31",
    "mcp-hello-world": "1.1.2",
    "@eslint/mcp": "0.3.13",
    "@drawio/mcp": "1.6.1",
    "@toolbox-sdk/server": "1.12.0",
    "mcp-server-code-runner": "0.1.8",
}

TOOLBOX = """\
sources:
  db: {kind: sqlite, database: ":memory:"}
tools:
  add_up:
    kind: sqlite-sql
    source: db
    description: Adds two numbers.
    parameters:
      - {name: a, type: integer, description: the first}
      - {name: b, type: integer, description: the second}
    statement: "SELECT ? + ? AS total"
"""


def _hello(folder: Path) -> None:
    (folder / "hello.txt").write_text("grüezi\n")


def _memory(folder: Path) -> None:
    entity = {"type": "entity", "name": "Ada", "entityType": "person", "observations": ["writes programs"]}
    (folder / "memory.jsonl").write_text(json.dumps(entity) + "\n")


def _eslint(folder: Path) -> None:
    (folder / "eslint.config.js").write_text('module.exports = [{ rules: { "no-var": "error" } }];\n')
    (folder / "a.js").write_text("var a = 1;\n")


def _drawio(folder: Path) -> None:
    page = '<diagram id="1" name="one"><mxGraphModel><root><mxCell id="0"/></root></mxGraphModel></diagram>'
    (folder / "a.drawio").write_text(f"<mxfile>{page}</mxfile>")


def _toolbox(folder: Path) -> None:
    (folder / "tools.yaml").write_text(TOOLBOX)


SERVERS = (
    Server(
        "filesystem",
        "TypeScript SDK 1",
        ("mcp-server-filesystem", "."),
        (Ask("call", "read_text_file", {"path": "hello.txt"}), Ask("call", "read_text_file", {"path": "/etc/passwd"})),
        prepare=_hello,
    ),
    Server(
        "memory",
        "TypeScript SDK 1",
        ("mcp-server-memory",),
        (Ask("call", "read_graph"), Ask("read", "memory://knowledge-graph")),
        prepare=_memory,
    ),
    Server(
        "thinking",
        "TypeScript SDK 1",
        ("mcp-server-sequential-thinking",),
        (Ask("call", "sequentialthinking", {"thought": "a", "nextThoughtNeeded": False, "thoughtNumber": 1, "totalThoughts": 1}),),
    ),
    Server(
        "hello",
        "TypeScript SDK 1",
        ("mcp-hello-world",),
        (
            Ask("call", "add", {"a": 1, "b": 2}),
            Ask("read", "hello://world"),
            Ask("read", "greeting://Ada%20L"),
            Ask("prompt", "helpful-assistant"),
        ),
    ),
    Server("eslint", "TypeScript SDK 1", ("mcp",), (Ask("call", "lint-files", {"filePaths": ["a.js"]}),), prepare=_eslint),
    Server("drawio", "TypeScript SDK 1", ("drawio-mcp",), (Ask("call", "list_pages", {"path": "a.drawio"}),), prepare=_drawio),
    Server(
        "toolbox",
        "Go",
        ("toolbox", "--config", "tools.yaml", "--stdio"),
        (Ask("call", "add_up", {"a": 1, "b": 2}), Ask("call", "add_up", {"a": "x"})),
        prepare=_toolbox,
    ),
    Server(
        "runner",
        "TypeScript SDK 1, with a banner on stdout",
        ("mcp-server-code-runner",),
        (Ask("call", "run-code", {"code": "console.log(6 * 7)", "languageId": "javascript"}),),
    ),
    Server(
        "sqlite",
        "Python SDK 1, low level",
        ("mcp-server-sqlite", "--db-path", "x.db"),
        (
            Ask("call", "read_query", {"query": "SELECT 1 AS one"}),
            Ask("read", "memo://insights"),
            Ask("prompt", "mcp-demo", {"topic": "tea"}),
        ),
        python=("mcp-server-sqlite==2025.4.25", "mcp==1.26.0"),
    ),
    Server(
        "abacus",
        "Python SDK 1, FastMCP",
        ("mcp-abacus",),
        (Ask("call", "calculate", {"expression": "2^10"}), Ask("read", "abacus://reference")),
        python=("mcp-abacus==0.5.1", "mcp==1.30.0"),
    ),
    Server(
        "excel",
        "Python SDK 2",
        ("excel-mcp-server", "stdio"),
        (Ask("call", "list_workbooks", {"directory": "."}),),
        python=("excel-mcp-server==2.2.2", "mcp==2.3.0"),
    ),
    Server(
        "duckdb",
        "fastmcp 4",
        ("mcp-server-motherduck", "--db-path", ":memory:", "--read-write"),
        (Ask("call", "execute_query", {"sql": "SELECT 42 AS answer"}),),
        python=("mcp-server-motherduck==1.1.0", "fastmcp==4.2.3"),
    ),
    Server(
        "biomcp",
        "Rust",
        ("biomcp", "serve"),
        (Ask("call", "biomcp", {"command": "version"}), Ask("read", "biomcp://help")),
        python=("biomcp-cli==0.9.3",),
    ),
    Server(
        "clock",
        "aiomcp, its own protocol layer",
        ("aiomcp-server-time",),
        (Ask("call", "convert_time", {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}),),
        python=("aiomcp-server-time==0.0.1", "aiomcp==0.0.13"),
    ),
)
