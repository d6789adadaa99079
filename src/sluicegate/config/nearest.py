"""What somebody may have meant by a key that does not exist."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["instead_of_unknown", "names_shown", "nearest"]

_MANY = 12
"""Keys; nobody reads a longer list in an error."""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that looks most like this one, if any looks like it at all. Takes 10 µs for each that is known."""
    plain = {name.replace("_", "").lower(): name for name in known}
    close = difflib.get_close_matches(word.replace("_", "").replace("-", "").lower(), plain, n=1, cutoff=0.6)
    return plain[close[0]] if close else None


def names_shown(names: Iterable[str]) -> str:
    """The names in their order, as far as anybody reads them."""
    first, more = sorted(names), ""
    if len(first) > _MANY:
        first, more = first[:_MANY], f" and {len(first) - _MANY} more"
    return ", ".join(first) + more


def instead_of_unknown(key: str, known: Iterable[str], planned: Iterable[str] = ()) -> str:
    """What to write instead of an unknown key. What is only planned is named where it may have been meant, and is none to choose."""
    names, plans = list(known), list(planned)
    close = nearest(key, [*names, *plans])
    if close is not None:
        return f"did you mean '{close}'?{' It is planned, not built yet' if close in plans else ''}"
    if len(names) > _MANY:
        return "take it out; 'sluicegate example reference' shows every key"
    return f"write one of {', '.join(sorted(names))}" if len(names) > 1 else f"write {''.join(names)}"
