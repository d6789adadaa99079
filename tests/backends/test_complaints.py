"""What a child writes to its stderr, in the log and in the message about its end."""

from __future__ import annotations

import logging

import pytest
import trio
import trio.testing

from sluicegate.backends.complaints import BURST, MINUTE, PER_SECOND, Complaints

Clock = trio.testing.MockClock


def shown(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [str(vars(record)["line"]) for record in caplog.records if record.msg == "stderr"]


def left_out(caplog: pytest.LogCaptureFixture) -> list[int]:
    return [int(vars(record)["left_out"]) for record in caplog.records if "left_out" in vars(record)]


async def test_a_flood_is_cut_to_a_rate_told_of_at_once_and_counted(autojump_clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    complaints = Complaints("loud")
    seconds = 150
    for _ in range(seconds):
        for _ in range(100):
            complaints.take(b"again\n")
        await trio.sleep(1)
    complaints.finish()
    assert len(shown(caplog)) == BURST + (seconds - 1) * PER_SECOND
    assert sum(left_out(caplog)) == seconds * 100 - len(shown(caplog))
    assert len(left_out(caplog)) <= seconds / MINUTE + 1
    first = next(index for index, record in enumerate(caplog.records) if "lines are left out" in record.getMessage())
    assert first <= BURST + 2 * PER_SECOND


async def test_who_is_quiet_again_is_heard_again(autojump_clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    complaints = Complaints("loud")
    for _ in range(1000):
        complaints.take(b"again")
    await trio.sleep(10)
    complaints.take(b"the reason")
    assert shown(caplog)[-1] == "the reason"


async def test_the_last_lines_are_kept_though_they_were_left_out_of_the_log(autojump_clock: Clock) -> None:
    complaints = Complaints("loud", lambda text: text.replace("secret", "***"))
    for number in range(1000):
        complaints.take(b"\x1b[31mline %d secret\x1b[0m \r" % number)
    complaints.take(b"  \n")
    assert complaints.last_words == [f"line {number} ***" for number in range(980, 1000)]
