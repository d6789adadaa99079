"""The ``Date`` header, on clocks that are right and on those that are not."""

from __future__ import annotations

import math

import pytest

from sluicegate.http1.server.dates import date_headers
from sluicegate.http1.server.response_writer import DateLine
from sluicegate.observe.access import AccessLine, TextForm
from sluicegate.observe.stamps import stamp

BEYOND = [253_402_300_800.0, 1e12, 1e18, -1e15]


def test_a_moment_is_written_as_http_wants_it() -> None:
    assert date_headers(784_111_777.9) == [(b"date", b"Sun, 06 Nov 1994 08:49:37 GMT")]
    assert DateLine(lambda: 784_111_777.9)() == b"date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"


@pytest.mark.parametrize("seconds", BEYOND)
def test_a_clock_beyond_the_calendar_is_like_none(seconds: float) -> None:
    assert date_headers(seconds) == []
    assert DateLine(lambda: seconds)() == b""


@pytest.mark.parametrize("seconds", [*BEYOND, math.inf])
def test_the_log_shows_what_it_says_all_the_same(seconds: float) -> None:
    assert stamp(seconds) == f"{seconds:.6f}"


@pytest.mark.parametrize("seconds", BEYOND)
def test_so_does_the_access_log(seconds: float) -> None:
    line = TextForm()(AccessLine(seconds, "call", "tools/call", "t", "ok", 1.0))
    assert line.decode().startswith(f"{seconds:.0f}.")
