"""The ``.mcp.json`` of a client as that client really writes it, turned into backends.

Clients differ: ``mcpServers`` or ``servers``, ``type`` or ``transport``, ``url`` under three names. What they write beyond that is theirs,
so a member that the gateway does not know is a warning and never an error. What the gateway cannot do without is an error.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import attrs

from .documents import Document, Unreadable, read, text_of
from .interpolate import Interpolation
from .problem import KeyPath, Problem, dotted, line_of

__all__ = ["Imported", "legal_namespace", "read_servers"]

_TRANSPORTS = {
    "stdio": "stdio",
    "local": "stdio",
    "http": "http",
    "streamable-http": "http",
    "streamable_http": "http",
    "streamablehttp": "http",
    "remote": "http",
    "sse": "http",
    "ws": "websocket",
    "websocket": "websocket",
}
_URLS = ("url", "serverUrl", "httpUrl")
_STDIO = ("command", "args", "env", "cwd")
_KNOWN = frozenset({"type", "transport", "headers", "disabled", "enabled", *_URLS, *_STDIO})
_RESERVED = frozenset({"proxy"})


@attrs.define
class Imported:
    """The backends of one file, as tables of ``[[backends]]``."""

    document: Document
    tables: list[dict[str, Any]] = attrs.field(factory=list)
    places: list[str] = attrs.field(factory=list)
    """The key path of each table in its file."""
    warnings: list[str] = attrs.field(factory=list)
    problems: list[Problem] = attrs.field(factory=list)

    def problem(self, path: KeyPath, what: str, instead: str) -> None:
        """Note an error at a key."""
        self.problems.append(self._at(path, what, instead))

    def warn(self, path: KeyPath, what: str, instead: str = "") -> None:
        """Note something that the operator should know."""
        self.warnings.append(str(self._at(path, what, instead)))

    def _at(self, path: KeyPath, what: str, instead: str) -> Problem:
        key = dotted(path)
        return Problem(self.document.name, line_of(key, self.document.lines), key, what, instead)


def read_servers(path: Path, environ: Mapping[str, str]) -> Imported:
    """Read one file; what is wrong with it is in the result."""
    try:
        text = text_of(path)
    except Unreadable as why:
        problem = Problem(str(path), None, "", f"importing backends failed: the file cannot be read: {why}", "name a client's .mcp.json")
        return Imported(Document(str(path), None, {}), problems=[problem])
    document = read(text, "json", str(path))
    imported = Imported(document, problems=list(document.problems))
    if document.value is None and document.problems:
        return imported
    folder = path.absolute().parent
    for key, name, server in _servers(imported):
        resolve = Interpolation(str(path), document.lines, environ, folder, clients_file=True)
        known = {member: value for member, value in server.items() if member in _KNOWN}
        table = _table(imported, (key, name), name, resolve.resolve(known, (key, name)), folder)
        imported.problems += resolve.problems
        for member in server.keys() - _KNOWN:
            imported.warn((key, name, member), "the gateway does not know this member and leaves it out")
        if table is not None:
            imported.tables.append(table)
            imported.places.append(dotted((key, name)))
    imported.warnings.sort()
    return imported


def legal_namespace(name: str, taken: Collection[str]) -> str:
    """A namespace that every client accepts in a tool's name and that nobody else has."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or "server"
    candidate, number = plain, 2
    while candidate in taken or candidate in _RESERVED:
        candidate, number = f"{plain}-{number}", number + 1
    return candidate


def _servers(imported: Imported) -> list[tuple[str, str, dict[str, Any]]]:
    """The member that holds it, the name and the table of each server."""
    top = imported.document.value
    holders = [key for key in ("mcpServers", "servers") if isinstance(top, dict) and key in top]
    if not holders:
        imported.problem((), "there is no 'mcpServers' (or 'servers') in it", 'write { "mcpServers": { "name": { "command": "…" } } }')
        return []
    for member in top.keys() - {"mcpServers", "servers", "$schema"}:
        imported.warn((member,), "the gateway does not know this member and leaves it out")
    servers = []
    for key in holders:
        if not isinstance(top[key], dict):
            imported.problem((key,), "this is no object of servers", 'write { "name": { "command": "…" } }')
            continue
        for name, server in top[key].items():
            if isinstance(server, dict):
                servers.append((key, name, server))
            else:
                imported.problem((key, name), "this is no object", 'write { "command": "…" } or { "url": "…" }')
    return servers


def _table(imported: Imported, path: KeyPath, name: str, server: dict[str, Any], folder: Path) -> dict[str, Any] | None:
    """One server as a table of ``[[backends]]``, or None if it is unusable."""
    url = next((server[key] for key in _URLS if server.get(key) is not None), None)
    transport = _transport(imported, path, server, url)
    if transport is None:
        return None
    given = {key: server[key] for key in (*_STDIO, "headers") if server.get(key)}
    idle = ("headers",) if transport == "stdio" else _STDIO
    for key in idle:
        if given.pop(key, None) is not None:
            imported.warn((*path, key), f"this means nothing to a server reached over {transport} and is left out")
    if url is not None and transport != "stdio":
        given["url"] = url
    for key in ("env", "headers"):
        if isinstance(given.get(key), dict):
            given[key] = {member: _text_of(value) for member, value in given[key].items()}
    if isinstance(given.get("cwd"), str):
        given["cwd"] = str(folder / Path(given["cwd"]).expanduser())
    if server.get("disabled") or server.get("enabled") is False:
        given["enabled"] = False
    return {"name": name, "transport": transport, **given}


def _transport(imported: Imported, path: KeyPath, server: dict[str, Any], url: Any) -> str | None:
    key = "type" if "type" in server else "transport"
    word = server.get(key)
    if word is None:
        if server.get("command") is None and url is None:
            what = f"server '{path[-1]}' must have either 'command' (stdio) or 'url' (http)"
            imported.problem(path, what, "add one of the two")
            return None
        return "stdio" if server.get("command") is not None else "http"
    transport = _TRANSPORTS.get(word.lower()) if isinstance(word, str) else None
    if transport is None:
        imported.problem((*path, key), "this transport is not known", 'write "stdio" or "http"')
    elif isinstance(word, str) and word.lower() == "sse":
        imported.warn(
            (*path, key),
            "the HTTP+SSE transport of 2024 is not spoken; the server is asked for Streamable HTTP",
            'write "http" if it has that',
        )
    return transport


def _text_of(value: Any) -> Any:
    """Clients accept numbers and flags where a process or a header takes text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value
