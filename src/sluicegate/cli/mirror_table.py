"""``sluicegate show mirror``: which answers of mirrors are others than their sources', as a gateway tells that runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urljoin

import click

from .tables import print_table, printable

__all__ = ["look_at_mirrors", "print_mirrors"]


def look_at_mirrors(url: str, headers: Mapping[str, str]) -> dict[str, Any]:
    """What the page of a running gateway says, by mirror."""
    import httpx2

    address = urljoin(url, "/mirror")
    try:
        answer = httpx2.get(address, headers=dict(headers), timeout=30)
    except httpx2.HTTPError as error:
        raise click.ClickException(f"cannot talk to {address}: {error}") from None
    try:
        found = answer.raise_for_status().json()
    except (httpx2.HTTPStatusError, ValueError):
        found = None
    if not isinstance(found, dict):
        hint = "give --token" if answer.status_code == 401 else "is it the address of a gateway?"
        raise click.ClickException(f"{address} answered with HTTP {answer.status_code}; {hint}")
    return found


def print_mirrors(mirrors: Mapping[str, Any]) -> None:
    """The counts of each, and under them the last differences, the newest first."""
    if not mirrors:
        print("no backend is a mirror (mirror_of)")
    for name, counted in mirrors.items():
        print(f"{name}: copies {_counts(counted['copies'])}; compared {_counts(counted['compared'])}")
        if counted["different"]:
            print(f"  different: {_counts(counted['different'])}")
        if counted["latest"]:
            print_table(("AGO", "NAME", "PLACE", "SOURCE", "MIRROR"), _rows(counted["latest"]))


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{printable(name)} {number}" for name, number in counts.items()) or "none"


def _rows(latest: list[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    for one in latest:
        for place in one["places"]:
            yield f"{one['seconds_ago']:.0f} s", one["name"], place["path"] or "(all of it)", place["source"], place["mirror"]
