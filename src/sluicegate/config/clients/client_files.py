"""A client's file, read: each server for itself, so that one that cannot be used costs nobody else anything.

A member that the gateway does not know is named and left out, and never an error. A server that is switched off is not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from ..documents import MAX_FILE, Document, Unreadable, read, text_of
from ..folders import settled
from ..interpolate import Interpolation
from ..origins import Watched
from ..problem import KeyPath, Problem, dotted
from ..regular_files import regular_text
from .alone import problems_alone
from .carried import headers_of, variables_of, warn_of_idle
from .filters import filters_of
from .formats import ClientFormat, Meaning, Time
from .imported import Imported, LeftOut
from .places import Holding, Server, holdings, unknown_beside
from .said import Given, Said, said_by
from .server_addresses import program_of, reach_of
from .times import times_of

__all__ = ["read_servers"]

_LANGUAGES = {".toml": "toml", ".yaml": "yaml", ".yml": "yaml"}
_SAYS: Mapping[str, tuple[Meaning, ...]] = {
    "command": ("command",),
    "args": ("args",),
    "env": ("env", "env_file"),
    "cwd": ("cwd",),
    "url": ("stream_url", "url"),
    "headers": ("headers", "header_variables"),
    "bearer_token": ("bearer", "bearer_variable"),
    "expose_tools": ("only",),
    "hide_tools": ("but", "only"),
}
"""By key of ours, what a client says of it."""


def read_servers(path: Path, environ: Mapping[str, str], *, may_be_a_pipe: bool = True) -> Imported:
    """Read one file; what is wrong with it is in the result. Who names it on a command line may name a pipe, as ``<(…)`` does."""
    try:
        text = text_of(path) if may_be_a_pipe else regular_text(path, MAX_FILE)
    except Unreadable as why:
        problem = Problem(str(path), None, "", f"importing backends failed: the file cannot be read: {why}", "name a client's .mcp.json")
        return Imported(Document(str(path), None, {}), problems=[problem])
    document = read(text, _LANGUAGES.get(path.suffix.lower(), "json"), str(path))
    imported = Imported(document, problems=list(document.problems))
    if document.value is None and document.problems:
        return imported
    top = document.value
    found = holdings(top, path.absolute().as_posix()) if isinstance(top, dict) else []
    if not found:
        instead = 'write { "mcpServers": { "name": { "command": "…" } } }'
        imported.problem((), "there is no 'mcpServers' (or 'servers') in it, nor what any other client has", instead)
        return imported
    for member in unknown_beside(top, found):
        imported.warn((member,), "the gateway does not know this member and leaves it out")
    for server in _servers(imported, found):
        _take(imported, server, environ, path.absolute().parent)
    imported.warnings.sort()
    return imported


def _servers(imported: Imported, found: list[Holding]) -> Iterator[Server]:
    """All of them. Where several folders have one of the same name, each has a name of its own; the same one is taken once."""
    seen: dict[str, Any] = {}
    for holding in found:
        if not isinstance(holding.value, dict) and not (isinstance(holding.value, list) and holding.value and holding.client.listed):
            imported.problem(holding.path, "this is no object of servers", 'write { "name": { "command": "…" } }')
            continue
        for server in holding.servers(imported.document.value):
            again = holding.star is not None and server.name in seen
            if again and seen[server.name] == server.members:
                continue
            name = f"{server.name} ({Path(holding.star or '').name})" if again else server.name
            seen.setdefault(name, server.members)
            yield attrs.evolve(server, name=name)


def _take(imported: Imported, server: Server, environ: Mapping[str, str], folder: Path) -> None:
    """Add a server's table, or the reason why it has none."""
    entry, path = server.members, server.path
    if not isinstance(entry, dict):
        imported.leave_out(LeftOut(path, "this is no object", 'write { "command": "…" } or { "url": "…" }'))
        return
    said = said_by(server.client, entry, path)
    try:
        if server.off or _flag(said, "off") or _flag(said, "on") is False:
            table: dict[str, Any] | None = _switched_off(server, said, folder)
        else:
            table = _table(imported, server, said, environ, folder)
    except LeftOut as why:
        imported.leave_out(why)
        return
    if table is not None:
        imported.tables.append(table)
        imported.places.append(dotted(path))


def _flag(said: Said, meaning: Meaning) -> bool | None:
    """True or false, in quotes or as a number, too; of anything else nobody can tell, and so the server is left out."""
    value = said.value(meaning)
    if value is None or isinstance(value, bool):
        return value
    flag = _FLAGS.get(str(value).strip().lower())
    if flag is None:
        raise LeftOut(said.path(meaning, ()), "this is neither true nor false", "write true or false without quotes")
    return flag


_FLAGS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def _switched_off(server: Server, said: Said, folder: Path) -> dict[str, Any] | None:
    """Where it is, to be shown as switched off; nothing that is wrong with it matters."""
    command, url, cwd = program_of(said)[0], said.value("stream_url") or said.value("url"), said.value("cwd")
    reach = {"transport": "stdio", "command": command} if command is not None else {"transport": "http", "url": url}
    if isinstance(cwd, str) and command is not None:
        reach["cwd"] = settled(folder, cwd)
    table = {"name": server.name, **reach, "enabled": False}
    return None if problems_alone(table) else table


def _table(imported: Imported, server: Server, said: Said, environ: Mapping[str, str], folder: Path) -> dict[str, Any]:
    """One server as a table of ``[[backends]]``; raises `LeftOut`."""
    client, path = server.client, server.path
    environ = Watched(environ)
    interpolation = Interpolation(imported.document.name, imported.document.lines, environ, folder, clients_file=True)
    imported.interpolations.append((server.name, interpolation))
    said.resolve(client, interpolation)
    table = {"name": server.name} | reach_of(said, client, path, server.name, imported)
    warn_of_idle(said, table["transport"], imported)
    if table["transport"] == "stdio":
        env, cwd = variables_of(said, environ, folder), said.value("cwd")
        table |= {"env": env} if env else {}
        table |= {"cwd": settled(folder, cwd) if isinstance(cwd, str) else cwd} if cwd else {}
    else:
        table |= headers_of(said, environ)
    table |= filters_of(said, client, path)
    table |= times_of([*said.times, *_common_time(client, imported.document.value)], imported)
    if found := problems_alone(table):
        raise LeftOut.because_of(attrs.evolve(problem, path=_place(said, path, problem.path)) for problem in found)
    for unknown in said.unknown:
        imported.warn(unknown, "the gateway does not know this member and leaves it out")
    return table


def _common_time(client: ClientFormat, top: Any) -> list[tuple[Time, Given]]:
    """What the file says for all its servers."""
    if client.common_time is None or client.common_time[0] not in top:
        return []
    key, time = client.common_time
    return [(time, Given((key,), top[key]))]


def _place(said: Said, path: KeyPath, key: str) -> str:
    """Where the file says what a key of ours says."""
    step = re.match(r"[a-z_]*", key)
    own = "" if step is None else step[0]
    meanings: tuple[Meaning, ...] = _SAYS.get(own, ())
    given = next((said.meanings[meaning].path for meaning in meanings if meaning in said.meanings), None)
    return dotted(path) + (f".{key}" if key else "") if given is None else dotted(given) + key.removeprefix(own)
