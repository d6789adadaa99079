"""Why something does not come through, or otherwise, where that is as it should be."""

from __future__ import annotations

import re

import attrs

from .verdict import Cell, Kind

__all__ = ["explained"]


@attrs.frozen
class _Reason:
    """Regular expressions for the server, the client, the feature and what was seen, and the words; the first three match whole."""

    server: str
    client: str
    feature: str
    shows: str
    words: str


_MODERN = "python-2|fastmcp|typescript-2|go|rust|ai-sdk"
"""Clients that speak 2026-07-28 where the gateway does."""

_REASONS = (
    _Reason(
        ".*",
        _MODERN,
        "log",
        "nothing came",
        "over stdio a log line does not say which call it is about, and such a client has no session; the gateway's own log has it",
    ),
    _Reason(
        "python-1",
        ".*",
        "subscribe",
        "not supported|nothing came|TimeoutError|no answer",
        "the server does not declare it (mcp 1.26.0 always says subscribe: false), so the gateway does not offer it",
    ),
    _Reason(
        ".*-new",
        ".*",
        "log",
        "nothing came",
        "over stdio a log line does not say which call it is about, and all clients share one session; the gateway's own log has it",
    ),
)


def explained(server: str, client: str, feature: str, cell: Cell) -> Cell:
    """The same cell, with its reason where there is one."""
    for one in _REASONS:
        parts = ((one.server, server), (one.client, client), (one.feature, feature))
        if cell.kind is Kind.LOST and all(re.fullmatch(*part) for part in parts) and re.search(one.shows, cell.said):
            return Cell(Kind.EXPLAINED, one.words)
    return cell
