"""One cell of the table: what a client saw of a feature directly, and what through the gateway."""

from __future__ import annotations

import enum
import re
from typing import Any

import attrs

__all__ = ["Cell", "Kind", "judge"]


class Kind(enum.Enum):
    """What came of a feature; the value is what stands in the table."""

    SAME = "="
    NEITHER = "-"
    """Client or server cannot do it."""
    GAINED = "+"
    """Works through the gateway alone."""
    EXPLAINED = "~"
    """Works otherwise or not, as it should."""
    LOST = "!"


@attrs.frozen
class Cell:
    """The verdict, and in words what is behind it."""

    kind: Kind
    said: str = ""


def judge(direct: Any, through: Any) -> Cell:
    """Compare two observations."""
    direct, through = _plain(direct), _plain(through)
    for seen in (direct, through):
        if isinstance(seen, dict) and "absent" in seen:
            return Cell(Kind.NEITHER, str(seen["absent"]))
    before, after = _failed(direct), _failed(through)
    if before and after:
        return Cell(Kind.NEITHER, before)
    if before:
        return Cell(Kind.GAINED, f"directly: {before}")
    if after:
        return Cell(Kind.LOST, after)
    if isinstance(direct, dict) and isinstance(through, dict) and "notes" in direct:
        seen = through.get("notes", [])
        if seen[: len(direct["notes"])] == direct["notes"]:
            direct = direct | {"notes": seen}  # a last note comes beside the answer, which some clients no longer take
    return Cell(Kind.SAME) if direct == through else Cell(Kind.LOST, f"{_short(through)}, directly {_short(direct)}")


def _failed(seen: Any) -> str:
    if isinstance(seen, dict):
        return str(seen.get("error") or "") or _failed(seen.get("said"))
    return ""


def _plain(seen: Any) -> Any:
    """Without what differs from one run to the next: a tool that an earlier client of a shared session added, and ids and times in answers."""
    if isinstance(seen, dict):
        return {key: _plain(value) for key, value in seen.items()}
    if isinstance(seen, list):
        return [_plain(value) for value in seen if not str(value).startswith("grown_")]
    if isinstance(seen, str):
        if re.fullmatch(r"[\w -]+level[ -]message( - SessionId .*)?|Roots updated: .*", seen):  # of server-everything, drawn by chance
            return "a line"
        return re.sub(r"\b[0-9a-f]{8}-[0-9a-f-]{27}\b|\b[0-9a-f]{32}\b|\d{4}-\d\d-\d\dT[\d:.]+Z", "…", seen)
    return seen


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:120]}…"
