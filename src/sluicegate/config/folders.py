"""Relative paths in a file start from the folder of that file, wherever the gateway is started."""

from __future__ import annotations

import os.path
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["settle_folders", "settled"]

_TLS = ("certificate", "key", "client_ca", "ca")


def settled(folder: Path, name: str) -> str:
    """A path that a file in that folder names; ``~`` is a home, and stays what it is where nobody of that name has one."""
    return str(folder / os.path.expanduser(name))  # noqa: PTH111  pathlib's raises for an unknown user


def settle_folders(tree: dict[str, Any], folder: Path) -> None:
    """Make every path that a tree names an absolute one; what is no text is left for others to complain of."""
    for table, keys in _tables(tree):
        for key in keys:
            if not isinstance(table, dict):
                continue
            if isinstance(table.get(key), str) and table[key]:
                table[key] = settled(folder, table[key])
            elif isinstance(table.get(key), list):
                table[key] = [settled(folder, name) if isinstance(name, str) and name else name for name in table[key]]


def _tables(tree: dict[str, Any]) -> Iterator[tuple[Any, tuple[str, ...]]]:
    listen = _inner(tree.get("proxy"), "listen")
    yield listen, ("unix", "session_keys")
    yield _inner(listen, "tls"), _TLS
    auth = tree.get("auth")
    others = _inner(auth, "issuers")
    yield from ((table, ("key_files",)) for table in (auth, *(others if isinstance(others, list) else [])))
    yield _inner(tree.get("observability"), "audit"), ("file",)
    store = tree.get("cache")
    yield store, ("url",) if isinstance(store, dict) and store.get("backend") == "sqlite" and "://" not in str(store.get("url")) else ()
    backends = tree.get("backends")
    for entry in backends if isinstance(backends, list) else []:
        yield entry, ("cwd",)
        yield _inner(entry, "tls"), _TLS
        yield _inner(entry, "auth"), ("key",)


def _inner(table: Any, key: str) -> Any:
    return table.get(key) if isinstance(table, dict) else None
