"""Whether an audit is what was written: each record in its place, unchanged, and none missing between the first and the last."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import attrs
import msgspec

from .chain import BEGINNING, MOST_TORN, ChainLink, read_link

__all__ = ["Verdict", "WrongLine", "verify"]

LONGEST_LINE = 1024 * 1024
_OF_ITSELF = frozenset({"file", "resumed", "lost"})


@attrs.frozen
class WrongLine:
    """The first line that is not what was written."""

    file: str
    line: int
    what: str


@attrs.define
class Verdict:
    """What was found."""

    records: int = 0
    first: int = 0
    """The number of the first record."""
    last: int = 0
    chain: str = ""
    """Of the last record: who knows it from elsewhere, as from the log, can tell whether anything was cut off behind it."""
    is_ended: bool = False
    """Whether the last record tells of an orderly end; else the gateway runs, or was killed, or records are missing at the end."""
    lost: int = 0
    """Records that were dropped for want of room, as the audit itself tells."""
    torn: int = 0
    """Lines that were cut off by a crash, as it tells, too."""
    wrong: WrongLine | None = None


@attrs.define(eq=False, repr=False)
class _Line:
    file: str
    number: int
    data: bytes


def verify(files: Iterable[Path], key: bytes = b"") -> Verdict:
    """Read files of one audit, in the order of their records whatever order they are named in. It ends at the first line that is wrong.

    Args:
        files: of one audit; the first of them may have had others before it.
        key: of the chain, if it has one.

    Raises:
        OSError: one of them cannot be read.
    """
    verdict = Verdict()
    torn: list[_Line] = []
    for line in _lines(sorted(files, key=_first_number)):
        link = read_link(line.data)
        if link is None:
            torn.append(line)
            if len(torn) > MOST_TORN:
                break
            continue
        verdict.wrong = _wrong(verdict, link, line, torn, key)
        if verdict.wrong is not None:
            return verdict
        verdict.torn += len(torn)
        torn.clear()
        _count(verdict, link)
    if torn:
        verdict.wrong = WrongLine(torn[0].file, torn[0].number, "this is no record, or only the beginning of one")
    return verdict


def _wrong(verdict: Verdict, link: ChainLink, line: _Line, torn: Sequence[_Line], key: bytes) -> WrongLine | None:
    def because(what: str) -> WrongLine:
        return WrongLine(line.file, line.number, what)

    if torn and not _tells_of(link, torn):
        return WrongLine(torn[0].file, torn[0].number, "this is no record, and the one behind it does not tell of a crash")
    before = verdict.chain
    if not verdict.records:
        before = str(_own(link).get("before", "")) if link.seq > 1 else BEGINNING
        if not before:
            return because(f"the beginning is missing: this is record {link.seq}, and each file begins with one that names the one before")
    elif link.seq > verdict.last + 1:
        missing = f"record {verdict.last + 1} is" if link.seq == verdict.last + 2 else f"records {verdict.last + 1} to {link.seq - 1} are"
        return because(f"{missing} missing before this one, which is {link.seq}")
    elif link.seq <= verdict.last:
        return because(f"record {link.seq} stands behind record {verdict.last}")
    if not link.follows(before, key):
        return because(f"record {link.seq} is not what was written: it was changed, or one before it was, or the key is another")
    return None


def _own(link: ChainLink) -> dict[str, object]:
    """What the audit says of itself in it; nothing where it tells of something else, or is forged."""
    if link.event not in _OF_ITSELF:
        return {}
    try:
        return link.members
    except (msgspec.DecodeError, RecursionError):
        return {}


def _tells_of(link: ChainLink, torn: Sequence[_Line]) -> bool:
    data = b"\n".join(line.data for line in torn)
    return link.event == "resumed" and _own(link).get("torn_sha256") == hashlib.sha256(data).hexdigest()


def _count(verdict: Verdict, link: ChainLink) -> None:
    verdict.first = verdict.first or link.seq
    verdict.records, verdict.last, verdict.chain = verdict.records + 1, link.seq, link.chain
    verdict.is_ended = link.event == "stop"
    if link.event == "lost":
        lost = _own(link).get("records")
        verdict.lost += lost if isinstance(lost, int) else 0


def _lines(files: Iterable[Path]) -> Iterator[_Line]:
    for path in files:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                yield _Line(str(path), number, line.removesuffix(b"\n"))


def _first_number(path: Path) -> int:
    """Of the first record in a file that can be read."""
    with path.open("rb") as file:
        for _ in range(MOST_TORN + 1):
            link = read_link(file.readline(LONGEST_LINE).removesuffix(b"\n"))
            if link is not None:
                return link.seq
    return 0
