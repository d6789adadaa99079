"""Where two answers differ, without saying what is there: values may be anybody's secrets, and so may names that look like one.

They are compared as JSON: the order of an object's members does not matter, numbers count as they are written, and texts as they are read. A
level at a time is taken apart, and what is the same byte for byte is not looked into. Others get their turn in between, and whatever would
take long as a whole is compared by its bytes alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest

import attrs
import msgspec
import trio

from ..protocol.calls import Reply
from ..protocol.json_pointers import ANY, Pointer, written
from ..protocol.messages import Raw

__all__ = ["LARGEST", "MOST_PLACES", "Unlike", "compare", "differing"]

MOST_PLACES = 8
"""More of one answer are not told."""
LARGEST = 1024 * 1024
"""Bytes; what is larger is not taken apart."""
_MOST_PARTS = 20_000
"""Of one level, as far as its commas tell; to make a value of each takes 2 ms."""
_MOST_WORK = 16 * LARGEST
"""Bytes that are looked at for one pair of answers, those of a deep one once for each level."""
_TURN = 256 * 1024
"""After so many bytes others get their turn; to begin with a part costs as much as some of them."""
_PART = 512
_LONGEST = 200
"""Characters of a path."""
_NAME = re.compile(r"[A-Za-z_$@][A-Za-z_$.-]{0,39}[0-9]{0,2}")
"""Names that are told; whatever else may be a key, an address or somebody's name."""
_ABSENT = Raw(b"")
_KINDS = {ord("{"): "object", ord("["): "array", ord('"'): "string", ord("t"): "boolean", ord("f"): "boolean", ord("n"): "null"}
_object = msgspec.json.Decoder(dict[str, Raw])
_array = msgspec.json.Decoder(list[Raw])
_string = msgspec.json.Decoder(str)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_Parts = list[tuple[str, Raw, Raw]]


@attrs.frozen(repr=False)
class Unlike:
    """Where two answers differ."""

    path: str
    """A JSON Pointer, empty for the whole answer; a name that may be a secret is a question mark."""
    source: str
    """What is there in the source's: ``string``, ``array of 3``, ``absent``; of the whole answer what became of the call: ``ok``, ``timeout``."""
    mirror: str
    """The same of the mirror's. Where both are alike, the values differ."""


@attrs.define(eq=False, repr=False)
class _Step:
    """Two values to compare, and what is to be ignored in them."""

    path: str
    """Of their place, as it may be told."""
    source: Raw
    mirror: Raw
    ignored: Sequence[Pointer]


@attrs.define(eq=False, repr=False)
class _Work:
    """How much was looked at."""

    done: int = 0
    _turn: int = 0

    async def add(self, size: int) -> None:
        """Count it, and let others go on now and then."""
        self.done += size
        self._turn += size
        if self._turn >= _TURN:
            self._turn = 0
            await trio.lowlevel.checkpoint()


async def compare(method: str, source: Reply, mirror: Reply | None, ignored: Sequence[Pointer] = ()) -> tuple[Unlike, ...]:
    """Where a mirror's answer is another than its source's; None is none in time. Results below the root, errors below ``/error``."""
    one, other = source.result, (mirror or source).result
    if source.fault is None and mirror is not None and mirror.fault is None and max(_size(one), _size(other)) > LARGEST:
        return () if await _same_bytes(one, other) else (Unlike("", f"{_size(one)} bytes", f"{_size(other)} bytes"),)
    became = _outcome(method, source), "no_answer" if mirror is None else _outcome(method, mirror)
    if became[0] != became[1]:
        return (Unlike("", *became),)
    if source.fault is not None:
        one, other = _error(source), _error(mirror or source)
    return tuple(await differing(one, other, ignored))


def _outcome(method: str, reply: Reply) -> str:
    fault = reply.fault
    return f"error {fault.code}" if fault is not None and not fault.reason else reply.outcome(method)


def _error(reply: Reply) -> Raw:
    """A backend's own error, as an object that has it as a member; ours say all in one word."""
    raw = reply.fault.raw if reply.fault is not None else None
    return Raw(b"{}") if raw is None else Raw(b'{"error":' + bytes(raw) + b"}")


async def _same_bytes(one: Raw, other: Raw) -> bool:
    """A mebibyte at a time."""
    if _size(one) != _size(other):
        return False
    views = memoryview(one), memoryview(other)
    for start in range(0, _size(one), LARGEST):
        if bytes(views[0][start : start + LARGEST]) != bytes(views[1][start : start + LARGEST]):
            return False
        await trio.lowlevel.checkpoint()
    return True


async def differing(source: Raw, mirror: Raw, ignored: Sequence[Pointer] = ()) -> list[Unlike]:
    """The first places at which two documents differ, in the order of the source's."""
    found: list[Unlike] = []
    work, todo = _Work(), [_Step("", source, mirror, ignored)]
    while todo and len(found) < MOST_PLACES:
        step = todo.pop()
        await work.add(_PART + _size(step.source) + _size(step.mirror))
        if step.source == step.mirror:
            continue
        parts = _parts(step) if work.done <= _MOST_WORK else None
        if parts is None:
            if not _same_text(step):
                found.append(Unlike(step.path, _kind(step.source), _kind(step.mirror)))
            continue
        if _first(step.source) == ord("["):
            sizes = sum(left is not _ABSENT for _, left, _ in parts), sum(right is not _ABSENT for _, _, right in parts)
            if sizes[0] != sizes[1]:
                found.append(Unlike(step.path, *(f"array of {size}" for size in sizes)))
            parts = parts[: min(sizes)]
        todo += reversed([*_steps(step, parts)])
    return found


def _steps(step: _Step, parts: _Parts) -> Iterator[_Step]:
    """What is to be compared of a level: not what is ignored."""
    is_array = _first(step.source) == ord("[")
    for name, source, mirror in parts:
        below = [pointer[1:] for pointer in step.ignored if pointer[0] in (name, ANY)]
        if () not in below:
            told = name if is_array or _NAME.fullmatch(name) else "?"
            yield _Step((step.path + written((told,)))[:_LONGEST], source, mirror, below)


def _parts(step: _Step) -> _Parts | None:
    """Two objects or two arrays, member by member; None for what else they are, or cannot be taken apart."""
    source, mirror = step.source, step.mirror
    if _first(source) != _first(mirror) or _first(source) not in b"{[" or max(_size(source), _size(mirror)) > LARGEST:
        return None
    if max(bytes(side).count(b",") for side in (source, mirror)) > _MOST_PARTS:
        return None
    try:
        if _first(source) == ord("["):
            pairs = zip_longest(_array.decode(source), _array.decode(mirror), fillvalue=_ABSENT)
            return [(str(number), left, right) for number, (left, right) in enumerate(pairs)]
        one, other = _object.decode(source), _object.decode(mirror)
    except _UNREADABLE:
        return None
    return [(name, one.get(name, _ABSENT), other.get(name, _ABSENT)) for name in one | other]


def _same_text(step: _Step) -> bool:
    """Whether two strings are the same, however they are written."""
    if not _first(step.source) == _first(step.mirror) == ord('"'):
        return False
    try:
        return _string.decode(step.source) == _string.decode(step.mirror)
    except _UNREADABLE:
        return False


def _size(raw: Raw) -> int:
    return memoryview(raw).nbytes


def _first(raw: Raw) -> int:
    """Its first byte, or 0."""
    view = memoryview(raw)
    return view[0] if view.nbytes else 0


def _kind(raw: Raw) -> str:
    return _KINDS.get(_first(raw), "number") if _size(raw) else "absent"
