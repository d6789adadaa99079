"""Patterns and spellings: reading one fails in words or not at all, matching takes no longer than the name, and a normal form stays what it is.

What stands before the first NUL is the pattern, what is behind it the name.
"""

from __future__ import annotations

from tests.fuzz.timing import in_time

from sluicegate.protocol.offers import RESOURCES
from sluicegate.routing.patterns import BadPattern, Pattern, PatternList
from sluicegate.routing.spellings import normal, readings
from sluicegate.routing.visibility import Filter, Visibility

__all__ = ["LONGEST", "SEEDS", "TOKENS", "check"]

LONGEST = 2048
LONGEST_PATTERN = 64
"""How long a pattern may be is the operator's business; only the name is a stranger's."""
TOKENS = (
    b"*",
    b"**",
    b"**/",
    b"?",
    b"[a-z]",
    b"[!",
    b"]",
    b"{a,",
    b"}",
    b"\\",
    b"!",
    b"re:",
    b"(a*)*",
    b"\0",
    b"/",
    b"%2e",
    b"%25",
    b"..",
    b"file:",
    b"://",
    b"@",
    b"#",
)
SEEDS = [
    pattern + b"\0" + name
    for pattern in (b"*", b"**a**b", b"re:(a*)*b", b"{a,*b}[c-e]?", b"!x/**/y", b"file:///pub/**", b"\\*")
    for name in (b"a/b/a", b"file:///pub/../secret/%2e%2e/k", b"https://u@h:443//x?a=1#b", b"%25252525e", b"\xc3\xa9")
]


def check(data: bytes) -> None:
    """Raises `AssertionError` for a finding."""
    text, _, rest = data.partition(b"\0")
    name = rest.decode(errors="replace")
    form = normal(name)
    assert normal(form) == form
    assert (found := readings(name)) is None or found[0] == form
    try:
        pattern = Pattern.parse(text[:LONGEST_PATTERN].decode(errors="replace"))
    except BadPattern:
        return
    listed = PatternList.of([pattern], folds=True)
    seen = Visibility(resources=Filter((pattern,), ()))
    assert not pattern.matches(name) or pattern.negated or listed.fits(name)
    in_time(lambda longer: (listed.fits(text_of(longer)), seen.local_name(RESOURCES, text_of(longer))), rest, head=0)


def text_of(data: bytes) -> str:
    """Bytes as a name."""
    return data.decode(errors="replace")
