"""Whether a call costs the same however large the gateway is, and whether anything large holds up the others.

`inside` looks at the gateway in this process, which shows small differences; `outside` at a real one, over sockets.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import trio

from .goals import Goal
from .inside import inside
from .outside import outside

__all__ = ["scale", "scale_goals"]


def scale(folder: Path) -> dict[str, Any]:
    """Everything. Microseconds of processor time for a call, milliseconds for what holds up others."""
    return {"inside": trio.run(inside), "outside": outside(folder)}


def scale_goals(found: dict[str, Any]) -> list[Goal]:
    """What that says about the promises."""
    within, real = found["inside"], found["outside"]
    goals = [
        Goal("metrics: CPU µs per call", 2, within["metrics"]),
        Goal("1 to 50 backends: per cent more CPU per call", 10, _more(within["by backends"])),
        Goal("10 to 5 000 sessions: per cent more CPU per call", 10, _more(within["by sessions"])),
        Goal("tools/list of 1 000 tools over 20 backends: CPU in small calls", 2, real["list"] / real["call"]),
        Goal("a result of 1 MiB: CPU ms", 3, real["mebibyte"] / 1e3),
    ]
    many = within["listening"]
    goals += [
        Goal("10 000 streams that listen: MiB", 120, many["MiB"]),
        Goal("all of them hear of a changed list: s", 0.5, many["seconds"]),
        Goal("meanwhile the longest step in ms", 20, many["step"]),
    ]
    return goals + [Goal(f"10 000 sessions end {how}: longest block in ms", 50, ms["turn"]) for how, ms in within["ending"].items()]


def _more(costs: dict[int, float]) -> float:
    """How much more than the first the dearest of the others is, in per cent."""
    first, *others = costs.values()
    return (max(others) / first - 1) * 100
