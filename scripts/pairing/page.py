"""The topic of the manual: a table for each server, and the reasons below."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence

from .features import FEATURES
from .programs import CLIENTS, SERVERS
from .verdict import Cell, Kind

__all__ = ["Cells", "page", "rows"]

Cells = Mapping[tuple[str, str, str], Cell]
"""By server, client and feature."""

_WIDTH = 100
_INTRODUCTION = """\
Matrix: which clients and servers were tried, feature by feature
================================================================

Made by ``scripts/matrix``: each client uses each server directly over stdio, and through the gateway, which
is a server over HTTP to the client and has the server as its only backend, over stdio, with
``sessions = "per_client"``. Servers whose name ends in ``-new`` are spoken to in 2026-07-28
(``revision``), where all clients share one session. Tools are listed and called, and questions asked,
where calls may be parked (``security.max_parked_calls``). Both times the client does the same and writes
down what it saw.

``=``  the same through the gateway as directly

``+``  through the gateway alone: directly these two do not manage it

``~``  otherwise or not at all, for a reason below that is no fault

``!``  lost on the way, and to be mended

``-``  client or server cannot do it

"""


def rows(cells: Cells, server: str, clients: Sequence[str], features: Sequence[str]) -> Iterator[str]:
    """The table of one server."""
    heads = [_HEADS[feature] for feature in features]
    rule = "  ".join(["=" * 13, *("=" * len(head) for head in heads)])
    yield rule
    yield "  ".join(["Client".ljust(13), *heads]).rstrip()
    yield rule
    for client in clients:
        found = [cells.get((server, client, feature)) for feature in features]
        if any(found):
            marks = [(cell.kind.value if cell else Kind.NEITHER.value).ljust(len(head)) for cell, head in zip(found, heads, strict=True)]
            yield "  ".join([client.ljust(13), *marks]).rstrip()
    yield rule


_HEADS = {
    "tools": "tool",
    "resources": "res.",
    "prompts": "pr.",
    "completion": "com.",
    "apps": "app",
    "progress": "prog",
    "log": "log",
    "sampling": "sam.",
    "elicitation": "form",
    "url": "url",
    "roots": "root",
    "cancel": "can.",
    "subscribe": "sub.",
    "list_changed": "list",
    "tasks": "task",
}


def page(cells: Cells) -> str:
    """All of it."""
    lines = [_INTRODUCTION]
    lines += _wrapped("Columns: " + "; ".join(f"*{_HEADS[name]}* {what}" for name, what in FEATURES.items()) + ".")
    lines += ["", *_wrapped("Clients: " + "; ".join(f"*{name}* {client.made_with}" for name, client in CLIENTS.items()) + ".")]
    for name, server in SERVERS.items():
        head = f"The server {name}, on {server.made_with}"
        lines += ["", head, "-" * len(head), "", *rows(cells, name, list(CLIENTS), list(FEATURES))]
    for kind, head in (
        (Kind.LOST, "What is lost"),
        (Kind.EXPLAINED, "What is otherwise, and why"),
        (Kind.GAINED, "What works through the gateway alone"),
    ):
        lines += ["", head, "-" * len(head), "", *_reasons(cells, kind)]
    return "\n".join(lines).rstrip() + "\n"


def _reasons(cells: Cells, kind: Kind) -> Iterator[str]:
    """Each reason once, with all that it holds for."""
    found: dict[str, dict[str, dict[str, None]]] = {}
    for (server, client, feature), cell in sorted(cells.items()):
        if cell.kind is kind:
            found.setdefault(cell.said, {}).setdefault(f"{feature} of {server}", {})[client] = None
    if not found:
        yield "Nothing."
    for words, places in found.items():
        where = "; ".join(f"{place} for {', '.join(clients)}" for place, clients in places.items())
        yield from _wrapped(f"* {words} ({where})", "  ")
        yield ""


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text.replace("`", "'") if "* " in text[:2] else text,
        _WIDTH,
        subsequent_indent=indent,
        break_long_words=True,
        break_on_hyphens=False,
    )
