"""What is refused: counted each time, told of once a minute, and never in the caller's words."""

from __future__ import annotations

import logging

import pytest
import trio

from sluicegate.observe.metrics import Counts
from sluicegate.observe.refusals import Refusals
from sluicegate.telling.loggers import Seldom


def told(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    return [vars(record) for record in caplog.records if record.name == "sluicegate.refused"]


async def test_a_refusal_is_told_of_once_a_minute_with_the_count_of_the_others(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "sluicegate")
    counts = Counts()
    refused = Refusals(counts)
    for _ in range(1000):
        refused(401, "Missing authentication credentials")
    refused(404, "Not Found")
    await trio.sleep(60)
    refused(401, "Missing authentication credentials")
    assert [(line["status"], line.get("not_told")) for line in told(caplog)] == [(401, None), (404, None), (401, 999)]
    assert counts.refusals == {401: 1001, 404: 1}
    assert [line["levelno"] for line in told(caplog)] == [logging.WARNING, logging.INFO, logging.WARNING]


async def test_what_a_caller_wrote_is_not_in_the_log(autojump_clock: object, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "sluicegate")
    refused = Refusals()
    for secret in ("hush", "it's hush"):
        refused(400, f"nothing is kept after event {secret!r}")
    refused(400, "x" * 10_000)
    assert next(line["reason"] for line in told(caplog)) == "nothing is kept after event…"
    assert "hush" not in str(told(caplog))
    assert max(len(str(line["reason"])) for line in told(caplog)) <= 201


def test_of_any_number_of_things_only_some_are_remembered() -> None:
    seldom = Seldom(seconds=60, most=3)
    assert [seldom.turn(what, 0) for what in "abcd"] == [0, 0, 0, None]
    assert [seldom.turn("a", 30), seldom.turn("a", 59), seldom.turn("a", 60)] == [None, None, 2]
    assert [seldom.turn(what, 61) for what in "defg"] == [0, 0, None, None]
    assert len(seldom._told) == 3
