"""What happened in a test, a line each, and how two accounts of it differ."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator

import attrs
import trio

from ..protocol.messages import Raw

__all__ = ["Transcript", "assert_transcript"]

_TIME = re.compile(r"^ *\d+(?:\.\d+)? +")
"""What `Transcript.note` puts before a line."""


_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]{6,}>")


@attrs.define(eq=False, repr=False)
class Transcript:
    """Lines in the order in which things happened, each with the virtual time in seconds."""

    lines: list[str] = attrs.field(factory=list)
    begun_at: float = attrs.field(factory=trio.current_time)

    def note(self, *words: object) -> None:
        """Add a line. Bytes and raw JSON are read as UTF-8; raises `ValueError` for ``<object at 0x…>``, which is no two times the same."""
        text = " ".join(_read(word) for word in words)
        if _ADDRESS.search(text):
            raise ValueError(f"an address in memory is in the line {text!r}: note what the thing says, not where it lies")
        self.lines.append(f"{trio.current_time() - self.begun_at:9.3f} {text}")

    def __iter__(self) -> Iterator[str]:
        return iter(self.lines)

    def __str__(self) -> str:
        return "\n".join(self.lines)


def assert_transcript(actual: Transcript | str | Iterable[str], expected: Transcript | str | Iterable[str], *, times: bool = False) -> None:
    """Compare line by line; where they differ, the `AssertionError` shows a unified diff.

    Args:
        actual: what happened.
        expected: what should have; a text may be indented and begin and end with empty lines.
        times: compare the times, too. Otherwise they may be left out.
    """
    __tracebackhide__ = True
    got, wanted = _lines(actual, times=times), _lines(expected, times=times)
    if got != wanted:
        diff = "\n".join(difflib.unified_diff(wanted, got, "expected", "actual", lineterm=""))
        raise AssertionError(f"the transcript is not as expected:\n{diff}")


def _lines(account: Transcript | str | Iterable[str], *, times: bool) -> list[str]:
    lines = account.splitlines() if isinstance(account, str) else account
    stripped = [line.strip() for line in lines]
    while stripped and not stripped[0]:
        del stripped[0]
    while stripped and not stripped[-1]:
        del stripped[-1]
    return stripped if times else [_TIME.sub("", line) for line in stripped]


def _read(word: object) -> str:
    return bytes(word).decode(errors="backslashreplace") if isinstance(word, bytes | Raw) else str(word)
