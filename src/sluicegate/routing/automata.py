"""Regular expressions that cost no more than the length of what they are tried on: RE2, loaded when the first of them is read.

Python's own engine goes back and tries again, which takes minutes for two stars and a name of 128 KiB; RE2 reads a text once. What it lacks
for that (looking around, referring back) is refused in words of ours.
"""

from __future__ import annotations

import re
from typing import Protocol, cast

__all__ = ["Automaton", "NotLinear", "automaton"]


class NotLinear(ValueError):
    """An expression that RE2 does not take; the message says why."""


class Automaton(Protocol):
    """An expression, ready to use."""

    def search(self, text: bytes) -> object | None:
        """Something if it fits any part of a text in UTF-8, else None."""
        ...


def automaton(expression: str, *, folds: bool) -> Automaton:
    """Make an automaton, one that takes no notice of case if it ``folds``; raises `NotLinear`."""
    import re2  # type: ignore[import-untyped]  # 5 ms and 3 MiB, which only those pay who filter by pattern

    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = not folds
    try:
        return cast("Automaton", re2.compile(expression, options))
    except re2.error as error:
        said = error.args[0]
        raise NotLinear(_explained(said.decode(errors="replace") if isinstance(said, bytes) else str(said))) from None
    except UnicodeEncodeError:
        raise NotLinear("it holds half a character (a lone surrogate)") from None


_MOST_SHOWN = 60
"""Characters of RE2's own words; the end of them is a part of the expression."""
_LACKS = (
    (
        re.compile(r"operator: \(\?<?[=!]"),
        "it looks ahead or behind, which no engine does in linear time; expose or hide what is left instead",
    ),
    (
        re.compile(r"sequence: \\[1-9]|operator: \(\?P$"),
        "it refers back to a group, which no engine does in linear time; write the text out",
    ),
    (re.compile(r"sequence: \\Z"), r"the end of the text is \z, or $"),
    (re.compile(r"operator: ([*+?}]+\+|\(\?>)"), "nothing is tried twice here, so write it without being possessive or atomic"),
)


def _explained(said: str) -> str:
    """RE2's own words, and what they mean to somebody who wrote for an engine that goes back."""
    return said[:_MOST_SHOWN] + next((f" ({why})" for lack, why in _LACKS if lack.search(said)), "")
