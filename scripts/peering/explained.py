"""Differences that are as they should be, and why."""

from __future__ import annotations

import re

import attrs

__all__ = ["explanation"]


@attrs.frozen
class Explained:
    """A difference: whose it is, how it shows, and the reason."""

    server: str
    client: str
    shows: str
    """Regular expressions all three; the first two match whole."""
    reason: str


EXPLAINED = (
    Explained(
        ".*",
        "python-2.3|fastmcp-4.2|typescript-2|ai-sdk",
        "none of the members that are new in 2026-07-28",
        "same but for what 2026-07-28 puts around results (whose, what kind, for how long); only one of server and gateway speaks it",
    ),
    Explained(
        "thinking",
        ".*",
        "thoughtHistoryLength",
        "same but for a number: one process serves all clients of the gateway, and this one counts what all have thought",
    ),
    Explained(
        "excel|duckdb",
        "ai-sdk",
        "the initialize handshake is not accepted",
        "works through the gateway alone: this client asks server/discover and then shakes hands, which mcp 2.3.0 refuses on one pipe",
    ),
)


def explanation(server: str, client: str, phrase: str) -> str | None:
    """The reason of a difference, or None if nobody knows one."""
    for one in EXPLAINED:
        if re.fullmatch(one.server, server) and re.fullmatch(one.client, client) and re.search(one.shows, phrase):
            return one.reason
    return None
