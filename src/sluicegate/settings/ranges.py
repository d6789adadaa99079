"""Which numbers a setting may have.

A range can be read, so that ``check`` tells of a file with its words, and an editor before that. It is a validator of attrs, too: nobody makes
settings of a policy with an impossible number, whether in a file or in a program. Where a field has it ``within`` its metadata, ``check`` alone
looks at it: a program that sets several tables is told at once of all that is wrong with them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import attrs

__all__ = ["ANY_NUMBER", "NEEDED", "NOT_NEGATIVE", "POSITIVE", "SHARE", "WHOLE", "OutOfRange", "Range", "impossible", "range_of", "within"]


class OutOfRange(ValueError):
    """A number is impossible where it stands."""

    def __init__(self, key: str, range_: Range, number: float) -> None:
        self.what = f"{range_.words}, got {number:g}"
        """What is wrong, to be read after the key."""
        self.instead = range_.instead
        """What to write instead."""
        self.nearest = range_.nearest(number)
        """A number that may stand there, for who goes on all the same."""
        super().__init__(f"{key} {self.what}; {self.instead}")


@attrs.frozen(repr=False)
class Range:
    """The numbers from the least to the most, and how that is said. None, where a setting may have it, is for its class to explain."""

    least: float
    most: float = math.inf
    without_least: bool = False
    """Whether the least number itself is too small."""
    without_most: bool = False
    words: str = attrs.field(kw_only=True)
    instead: str = attrs.field(kw_only=True)

    def has(self, number: float) -> bool:
        """Whether it is one of them; what is no number, or has no end, is none of any range."""
        return not (
            not math.isfinite(number)
            or number < self.least
            or number > self.most
            or (self.without_least and number == self.least)
            or (self.without_most and number == self.most)
        )

    def nearest(self, number: float) -> float:
        """The number of the range that is nearest to any; the least for what is no number."""
        least = math.nextafter(self.least, math.inf) if self.without_least else self.least
        most = math.nextafter(self.most, -math.inf) if self.without_most else self.most
        return max(least, min(number, most))

    def hold(self, number: float | None, key: str) -> None:
        """Raises `OutOfRange` for a number that is none of them."""
        if number is not None and not self.has(number):
            raise OutOfRange(key, self, number)

    def __call__(self, settings: object, attribute: attrs.Attribute[Any], number: float | None) -> None:
        """The same, as attrs calls it; the key is named with its table, where the class says which that is."""
        table = getattr(settings, "table", "")
        self.hold(number, f"{table}.{attribute.name}" if table else attribute.name)


POSITIVE = Range(0, without_least=True, words="must be > 0", instead="write a positive number, or leave the key out for its default")
WHOLE = Range(1, words="must be > 0", instead="write 1 or more, or leave the key out for its default")
NEEDED = Range(1, words="must be > 0", instead="write 1 or more, or leave the table out for no limit")
NOT_NEGATIVE = Range(0, words="must be >= 0", instead="write 0 or more, or leave the key out for its default")
ANY_NUMBER = Range(0, words="must be >= 0", instead="write 0 or more")
SHARE = Range(0, 1, without_least=True, words="must be in (0.0, 1.0]", instead="write a share, such as 0.5 for one in two")


def within(range_: Range, *, example: object = None) -> dict[str, object]:
    """The metadata of a field whose range is for ``check`` to hold; the example is shown where there is no default."""
    return {"range": range_, "example": example}


def range_of(field: attrs.Attribute[Any]) -> Range | None:
    """Which numbers a setting may have, wherever that is held; None for what is no number, or any."""
    found = field.validator if isinstance(field.validator, Range) else field.metadata.get("range")
    return found if isinstance(found, Range) else None


def impossible(settings: attrs.AttrsInstance) -> Iterator[tuple[str, Range, float]]:
    """The settings of one table that are out of their range: key, range and number. What has no end is for a program to set."""
    for field in attrs.fields(type(settings)):
        number, range_ = getattr(settings, field.name), range_of(field)
        if range_ is not None and number is not None and number != math.inf and not range_.has(number):
            yield field.name, range_, number
