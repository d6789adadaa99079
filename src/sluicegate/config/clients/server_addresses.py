"""How a client's server is reached: as a program or at an address, and over which transport."""

from __future__ import annotations

import re
from typing import Any

from ..problem import KeyPath
from .carried import text_of_number
from .formats import ClientFormat
from .imported import Imported, LeftOut
from .said import Said

__all__ = ["program_of", "reach_of"]

_TRANSPORTS = {
    "stdio": "stdio",
    "local": "stdio",
    "http": "http",
    "streamablehttp": "http",
    "remote": "http",
    "sse": "sse",
    "ws": "websocket",
    "websocket": "websocket",
}
"""The words of all clients, without hyphens and in lower case."""
_INSIDE = frozenset({"sdk", "builtin", "platform", "frontend", "inlinepython"})
"""What is no server that somebody else could reach."""
_ADDRESS = re.compile(r"https?://\S+")
_SOCKET = re.compile(r"wss?://", re.IGNORECASE)


def reach_of(said: Said, client: ClientFormat, path: KeyPath, name: str, imported: Imported) -> dict[str, Any]:
    """``transport`` with ``command`` and ``args``, or with ``url``; raises `LeftOut`."""
    command, args = program_of(said)
    url = said.value("stream_url") or said.value("url")
    transport = _transport(said, client, path, name)
    if transport == "stdio" and isinstance(command, str) and _ADDRESS.fullmatch(command) and url is None and not args:
        at = said.path("command", path)
        imported.warn(
            at, "an address stands where a program is expected; it is taken as a server over HTTP", 'write { "type": "http", "url": … }'
        )
        return {"transport": "http", "url": command}
    if transport == "stdio":
        return {key: value for key, value in (("transport", "stdio"), ("command", command), ("args", args)) if value}
    for meaning in ("command", "args"):
        if said.value(meaning):
            imported.warn(said.path(meaning, path), f"this means nothing to a server reached over {transport} and is left out")
    return {"transport": transport} | ({} if url is None else {"url": url})


def program_of(said: Said) -> tuple[Any, Any]:
    """The program and its arguments. A list is the program and the first of them; a number among them is taken as text."""
    command, args = said.value("command"), said.value("args") or []
    if isinstance(command, list) and command and isinstance(args, list):
        command, args = command[0], [*command[1:], *args]
    return command, [text_of_number(value) for value in args] if isinstance(args, list) else args


def _transport(said: Said, client: ClientFormat, path: KeyPath, name: str) -> str:
    word = said.value("transport")
    at = said.path("transport", said.path("url", path))
    if word is None:
        transport = _untold(said, client, path, name)
    else:
        plain = re.sub("[-_ ]", "", word.lower()) if isinstance(word, str) else ""
        if plain in _INSIDE:
            raise LeftOut(at, f"a server of the type '{word}' lives inside of its client", "take it out, or leave it to that client")
        transport = _TRANSPORTS.get(plain, "")
    if not transport:
        raise LeftOut(at, "this transport is not known", 'write "stdio" or "http"')
    return transport


def _untold(said: Said, client: ClientFormat, path: KeyPath, name: str) -> str:
    """What is meant where no transport is named; a program goes before an address (CFG-151)."""
    if said.value("command") is not None:
        return "stdio"
    if said.value("stream_url") is not None:
        return "http"
    if (url := said.value("url")) is not None:
        return "websocket" if isinstance(url, str) and _SOCKET.match(url) else client.bare_url
    raise LeftOut(path, f"server '{name}' must have either 'command' (stdio) or 'url' (http)", "add one of the two")
