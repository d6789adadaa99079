"""What the gateway promises, and whether it was kept."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

__all__ = ["Goal", "show_goals"]


@attrs.frozen
class Goal:
    """Something that the gateway promises."""

    name: str
    limit: float
    found: float
    at_least: bool = False
    """Whether the limit is the least, not the most."""

    @property
    def met(self) -> bool:
        """Whether it was kept."""
        return self.found >= self.limit if self.at_least else self.found <= self.limit


def show_goals(found: Iterable[Goal]) -> str:
    """One line for each."""
    return "\n".join(
        f"{'met   ' if goal.met else 'MISSED'}  {goal.name}: {goal.found:.2f} (at {'least' if goal.at_least else 'most'} {goal.limit:g})"
        for goal in found
    )
