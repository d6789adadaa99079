"""How long chance looks for a counterexample: the same examples each time."""

from __future__ import annotations

from hypothesis import settings

__all__ = ["looked_for"]

looked_for = settings(max_examples=300, deadline=None, derandomize=True, database=None)
