"""What a backend's log messages, which belong to no call, are shown as."""

from __future__ import annotations

import logging

import pytest

from sluicegate.backends.overheard import overheard
from sluicegate.protocol.messages import Raw, encode


def shown(caplog: pytest.LogCaptureFixture, level: object, data: object = "x") -> tuple[int, str, str]:
    caplog.clear()
    with caplog.at_level(logging.DEBUG):
        overheard("b", {"level": Raw(encode(level)), "data": Raw(encode(data))})
    [record] = caplog.records
    return record.levelno, record.severity, record.said  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("level", "weight"),
    [("debug", 10), ("info", 10), ("notice", 10), ("warning", 20), ("error", 20), ("emergency", 20), (7, 20), (None, 20)],
)
def test_what_is_quiet_there_is_for_those_who_look_for_it(level: object, weight: int, caplog: pytest.LogCaptureFixture) -> None:
    assert shown(caplog, level)[0] == weight


def test_a_level_that_is_no_word_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    assert shown(caplog, "w" * 21)[1] == "w" * 20


@pytest.mark.parametrize(("before", "said"), [(2046, '"a'), (2047, '"')])
def test_2048_bytes_of_it_are_looked_at(before: int, said: str, caplog: pytest.LogCaptureFixture) -> None:
    """Signs that are not printable are among them, and are not shown."""
    assert shown(caplog, "info", "\x7f" * before + "abc")[2] == said


def test_nothing_is_shown_that_could_move_a_cursor_or_fill_a_screen(caplog: pytest.LogCaptureFixture) -> None:
    _, severity, said = shown(caplog, "\x1b[2J", "y" * 100_000)
    assert "\x1b" not in severity
    assert len(said) <= 2048
