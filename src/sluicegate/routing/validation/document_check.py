"""One schema, ready to check documents by. The only place that knows the library (jsonschema-rs), which is loaded with it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import attrs
import jsonschema_rs
import msgspec

from ...protocol.messages import Raw
from ...protocol.values import read_value
from .schema_bounds import CannotCheck, Work, with_patterns, work_of

__all__ = ["DocumentCheck", "Misfit"]

MOST_WORK = 400_000
"""Schemas times values; each takes a quarter of a microsecond."""
_LARGEST_SCHEMA = 128 * 1024
_LARGEST_WITH_PATTERNS = 8 * 1024
"""Bytes of a document that patterns are tried on: they take a time that grows with it, but may grow by thousands of steps a byte."""
_LONGEST_PATTERN = 512
_LARGEST_PATTERN = 64 * 1024
_MOST_TOLD = 5
_LONGEST_TOLD = 200
"""Characters."""
_PATTERNS = jsonschema_rs.RegexOptions(size_limit=_LARGEST_PATTERN)
"""The engine without look-around and backtracking."""


@attrs.frozen
class Misfit:
    """What of a document does not fit, without its values."""

    place: str
    """As a JSON pointer; empty for the whole."""
    keyword: str
    """Of the schema."""
    words: str


@attrs.frozen(eq=False)
class DocumentCheck:
    """Checks documents, as far as that takes no long time."""

    work: Work
    _whole: jsonschema_rs.Validator
    _without_patterns: jsonschema_rs.Validator

    @classmethod
    def by(cls, schema: Raw) -> DocumentCheck:
        """By a schema; raises `CannotCheck`."""
        if memoryview(schema).nbytes > _LARGEST_SCHEMA:
            raise CannotCheck(f"it has more than {_LARGEST_SCHEMA} bytes")
        try:
            plain = read_value(schema)
            known = with_patterns(plain, kept=_is_known)
            work = work_of(known)
            return cls(work, _validator(known), _validator(with_patterns(plain, kept=lambda _pattern: False)))
        except (ValueError, TypeError, msgspec.DecodeError, RecursionError) as error:
            raise CannotCheck(f"it is no schema: {str(error).partition(chr(10))[0][:_LONGEST_TOLD]}") from None

    def misfits(self, document: Raw) -> list[Misfit]:
        """What does not fit, the first few; raises `CannotCheck` where it would take too long to say."""
        size = memoryview(document).nbytes
        data = bytes(document)
        most = MOST_WORK // max(1, self.work.steps)
        is_crowded = data.count(b",") + data.count(b"{") + data.count(b"[") + 1 > most  # cheap, and never too low: texts hold some, too
        try:
            value = read_value(document)
            if is_crowded and _values(value) > most:
                raise CannotCheck("it has too many values")
            if self.work.branches > 1 and self.work.branches ** _depth(value) * self.work.steps > MOST_WORK:
                raise CannotCheck("it is nested too deeply for a schema that leads back into itself in several ways")
            validator = self._whole if size <= _LARGEST_WITH_PATTERNS else self._without_patterns
            return [] if validator.is_valid(value) else list(map(_told, islice(validator.iter_errors(value), _MOST_TOLD)))
        except (ValueError, TypeError, msgspec.DecodeError, RecursionError) as error:
            raise CannotCheck(f"it cannot be read: {type(error).__name__}") from None


def _validator(schema: object) -> jsonschema_rs.Validator:
    if not isinstance(schema, dict | bool):
        raise TypeError("neither an object nor true or false")
    return jsonschema_rs.validator_for(schema, validate_formats=False, mask="value", pattern_options=_PATTERNS, offline=True)


def _is_known(pattern: str) -> bool:
    """Whether it can be tried in a time that grows with the text alone."""
    if len(pattern) > _LONGEST_PATTERN:
        return False
    try:
        _validator({"pattern": pattern})
    except ValueError:
        return False
    return True


def _depth(value: object) -> int:
    inner: Iterable[object] = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return max((1 + _depth(one) for one in inner), default=0)


def _values(value: object) -> int:
    found, left = 0, [value]
    while left:
        found += 1
        inner = left.pop()
        left += inner.values() if isinstance(inner, dict) else inner if isinstance(inner, list) else ()
    return found


def _told(error: jsonschema_rs.ValidationError) -> Misfit:
    steps = (str(step).replace("~", "~0").replace("/", "~1") for step in error.instance_path)
    return Misfit(_short("".join(f"/{step}" for step in steps)), error.kind.name, _short(error.message))


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_TOLD else f"{text[: _LONGEST_TOLD - 1]}…"
