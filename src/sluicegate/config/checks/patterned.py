"""Whether a pattern can be read."""

from __future__ import annotations

from collections.abc import Iterator

from ...routing.patterns import BadPattern, Pattern
from ..problem import Problem

__all__ = ["pattern_rules"]

_LONGEST_PATTERN = 8192
"""Characters; no name and no URI that is compared is longer."""
_DEEPEST_PATTERN = 100
"""Braces in braces."""


def pattern_rules(path: str, pattern: str) -> Iterator[Problem]:
    """What is wrong with one."""
    if len(pattern) > _LONGEST_PATTERN or pattern.count("{") > _DEEPEST_PATTERN:
        what = f"the pattern has over {_LONGEST_PATTERN} characters or {_DEEPEST_PATTERN} braces"
        yield Problem(None, None, path, what, "write several shorter ones")
        return
    try:
        Pattern.parse(pattern)
    except BadPattern as error:
        yield Problem(None, None, path, str(error), "correct the pattern; a backslash takes the next character as it is")
