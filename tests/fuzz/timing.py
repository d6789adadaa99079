"""No input of n bytes takes more than c·n: what the fuzz targets say of time.

An input is tried as it is, and pumped up: a part of it again and again, since what grows faster than its input shows only where there is much.
"""

from __future__ import annotations

import gc
import zlib
from collections.abc import Callable
from time import process_time

__all__ = ["in_time", "pumped"]

FLOOR = 0.1
"""Seconds that any input may take: what is loaded, made ready or kept the first time."""
PER_BYTE = 10e-6
"""Seconds for a byte, some ten times of what is usual, since atheris slows down what it looks into."""
PUMPED = 64 * 1024
ONE_IN = 8
"""Inputs of which one is pumped up."""
TRIES = 2


def in_time(work: Callable[[bytes], object], data: bytes, *, head: int = 1) -> None:
    """Raises `AssertionError` if the work takes too long for what it is given; the first ``head`` bytes of that stay in front.

    Processor time is measured, and again where it was too much: a machine that does other things must not be taken for a finding.
    """
    check(work, data)
    if zlib.crc32(data) % ONE_IN == 0:
        check(work, pumped(data, head))


def check(work: Callable[[bytes], object], data: bytes) -> None:
    """One input."""
    most = FLOOR + PER_BYTE * len(data)
    took = seconds(work, data)
    for _ in range(TRIES):
        if took <= most:
            return
        gc.collect()
        took = min(took, seconds(work, data))
    raise AssertionError(f"{len(data)} bytes take {took:.3f} s, and may take {most:.3f}: {data[:200]!r}…")


def seconds(work: Callable[[bytes], object], data: bytes) -> float:
    """The processor time of one run."""
    began = process_time()
    work(data)
    return process_time() - began


def pumped(data: bytes, head: int = 1) -> bytes:
    """The input with a part of it so often that it is long; which part depends on the input alone."""
    first, rest = data[:head], data[head:]
    if not rest:
        return data
    mark = zlib.crc32(data) // ONE_IN
    start = mark % len(rest)
    part = rest[start : start + 1 + (mark // len(rest)) % 24]
    return first + rest[:start] + part * (PUMPED // len(part)) + rest[start + len(part) :]
