"""Where a file keeps its servers, and whose file it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from ..problem import KeyPath
from .formats import CLIENTS, ClientFormat

__all__ = ["Holding", "Server", "holdings", "unknown_beside"]

_TELLING = frozenset({"command", "cmd", "url", "uri", "httpUrl", "serverUrl", "type", "transport", "transportType"})
_UNSURE: frozenset[KeyPath] = frozenset({(), ("mcp",), ("mcp", "servers"), ("settings", "mcp", "servers"), ("extensions",)})
"""Holders whose name alone does not say that servers are in them."""


@attrs.frozen
class Server:
    """One server as it stands in the file."""

    client: ClientFormat
    path: KeyPath
    name: str
    members: Any
    """A table, if the file is right."""
    off: bool = False
    """Whether a list of the file switches it off."""


@attrs.frozen
class Holding:
    """What stands at one holder."""

    client: ClientFormat
    path: KeyPath
    value: Any
    star: str | None
    """The key that the holder's ``*`` stands for."""

    def servers(self, top: Any) -> Iterator[Server]:
        """Each of them; a list's have their names inside, and those without one are called by their position."""
        if isinstance(self.value, list):
            for index, entry in enumerate(self.value):
                name = entry.get("name") if isinstance(entry, dict) else None
                name = name if isinstance(name, str) and name else f"server-{index + 1}"
                yield Server(self.client, (*self.path, index), name, entry, self._is_off(top, name))
            return
        for key, entry in self.value.items():
            if self.path or isinstance(entry, dict):  # what else stands at the top of a file is no server
                yield Server(self.client, (*self.path, str(key)), str(key), entry, self._is_off(top, str(key)))

    def _is_off(self, top: Any, name: str) -> bool:
        if any(name in found for place in self.client.excluded if (found := self._list_at(top, place)) is not None):
            return True
        return any(name not in found for place in self.client.allowed if (found := self._list_at(top, place)) is not None)

    def _list_at(self, top: Any, place: KeyPath) -> list[Any] | None:
        for step in place:
            key = self.star if step == "*" else step
            top = top.get(key) if isinstance(top, dict) else None
        return top if isinstance(top, list) else None


def holdings(top: dict[Any, Any], file: str) -> list[Holding]:
    """Every place in a file that holds servers, the nearest to the top first; the whole file only where there is no other."""
    found = [
        Holding(_whose(candidates, value, top, file), path, value, star)
        for holder, candidates in _BY_HOLDER.items()
        for path, value, star in _at(top, holder, (), None)
        if holder not in _UNSURE or _holds_servers(value)
    ]
    return [holding for holding in found if not any(_is_inside(other.path, holding.path) for other in found)]


def unknown_beside(top: dict[Any, Any], found: list[Holding]) -> Iterator[str]:
    """Members at the top of a file of servers that say nothing to us."""
    if not found or any(holding.client.settings or len(holding.path) > 1 for holding in found):
        return
    known = {"$schema", *(holding.path[0] for holding in found if holding.path)}
    known |= {place[0] for holding in found for place in (*holding.client.excluded, *holding.client.allowed)}
    for key, value in top.items():
        if str(key) not in known and not (found[0].path == () and isinstance(value, dict)):
            yield str(key)


def _members_of(entry: dict[Any, Any]) -> set[str]:
    """The members of a server, and dotted those one level deeper."""
    deeper = {f"{key}.{inner}" for key, value in entry.items() if isinstance(value, dict) for inner in value}
    return {str(key) for key in entry} | deeper


def _is_like_a_server(entry: Any) -> bool:
    """Whether a value has what servers have."""
    return isinstance(entry, dict) and not _TELLING.isdisjoint(map(str, entry))


def _is_inside(path: KeyPath, outer: KeyPath) -> bool:
    return len(path) > len(outer) and path[: len(outer)] == outer


def _holds_servers(value: Any) -> bool:
    return isinstance(value, dict) and any(map(_is_like_a_server, value.values()))


def _at(value: Any, holder: KeyPath, path: KeyPath, star: str | None) -> Iterator[tuple[KeyPath, Any, str | None]]:
    """What stands at a holder, with its way and the key that was at the star."""
    if not holder:
        yield path, value, star
    elif isinstance(value, dict):
        step, *rest = holder
        for key in [step] if step != "*" else list(value):
            if key in value:
                yield from _at(value[key], tuple(rest), (*path, str(key)), str(key) if step == "*" else star)


def _whose(candidates: list[ClientFormat], value: Any, top: dict[Any, Any], file: str) -> ClientFormat:
    """By its path, its shape, its lists, or what only its servers have; else anybody's."""
    named = [client for client in candidates if file.endswith(client.files)] if candidates[1:] else candidates
    if named:
        return named[0]
    if isinstance(value, list):
        return next((client for client in candidates if client.listed), candidates[-1])
    for client in candidates:
        lists = Holding(client, (), value, None)
        if any(lists._list_at(top, place) is not None for place in (*client.excluded, *client.allowed)):  # noqa: SLF001  the same class
            return client
    entries = value.values() if isinstance(value, dict) else ()
    members = {member for entry in entries if isinstance(entry, dict) for member in _members_of(entry)}
    return next((client for client in candidates if not client.marks.isdisjoint(members)), candidates[-1])


def _candidates() -> dict[KeyPath, list[ClientFormat]]:
    found: dict[KeyPath, list[ClientFormat]] = {}
    for client in CLIENTS:
        for holder in client.holders:
            found.setdefault(holder, []).append(client)
    return found


_BY_HOLDER = _candidates()
