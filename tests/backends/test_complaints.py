"""What a child writes to its stderr, in the log and in the message about its end."""

from __future__ import annotations

import logging
from itertools import pairwise

import pytest
import trio
import trio.testing

from sluicegate.backends.complaints import Complaints

# The numbers that are promised. Taken from the source they would move with it.
BURST = 200.0
FEW = 8
MINUTE = 60.0
PACE = 2 * 1024 * 1024
PER_SECOND = 5.0
SHORTEST_PAUSE = 0.005

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


class _Written(trio.abc.ReceiveStream):
    """A pipe that always has something in it, like that of a child which writes as fast as it can."""

    def __init__(self, chunk: bytes, times: int) -> None:
        self.chunk, self.left = chunk, times

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        await trio.lowlevel.checkpoint()
        self.left -= 1
        return self.chunk if self.left >= 0 else b""

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


FLOODS = {
    "lines": b"line of what nobody asked for\n" * 2184,
    "empty lines": b"\n" * 65_536,
    "a line without an end": b"x" * 65_536,
}


@pytest.mark.parametrize("what", FLOODS)
async def test_what_reaches_no_log_is_read_at_a_bounded_pace(what: str, autojump_clock: Clock) -> None:
    """The child waits for room in its pipe, so it does not take a processor either."""
    chunk, times = FLOODS[what], 100
    await Complaints("loud").hear(_Written(chunk, times), lambda: True)
    paused = trio.current_time() * PACE / len(chunk)
    assert times - 2 <= paused <= times + 1


async def test_two_mebibytes_a_second_are_read_of_what_reaches_no_log(autojump_clock: Clock) -> None:
    complaints = Complaints("loud")
    for _ in range(int(BURST)):
        complaints.take(b"again")
    await complaints.hear(_Written(b"x" * PACE, 1), lambda: True)
    assert trio.current_time() == 1.0


async def test_the_pause_after_what_reaches_no_log_is_at_least_five_milliseconds(autojump_clock: Clock) -> None:
    complaints = Complaints("loud")
    for _ in range(int(BURST)):
        complaints.take(b"again")
    for number, size in enumerate((1, 10_000)):  # a longer one takes more
        await complaints.hear(_Written(b"x" * size, 1), lambda: True)
        assert trio.current_time() == pytest.approx(0.005 * (number + 1))


async def test_lines_that_were_left_out_are_told_of_when_the_first_is_a_minute_old(
    autojump_clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    complaints = Complaints("loud")
    for _ in range(int(BURST) + 1):
        complaints.take(b"again")
    for second in range(1, 61):
        await trio.sleep_until(second - 0.01)
        for _ in range(6):  # of which five may be logged
            complaints.take(b"again")
        assert left_out(caplog) == []
    await trio.sleep_until(60)
    for _ in range(3):
        complaints.take(b"again")
    assert len(left_out(caplog)) == 1
    complaints.finish()
    assert len(left_out(caplog)) == 2


async def test_who_writes_line_by_line_wakes_us_two_hundred_times_a_second(autojump_clock: Clock) -> None:
    await Complaints("loud").hear(_Written(b"again\n", 1000 + int(BURST)), lambda: True)
    assert trio.current_time() / SHORTEST_PAUSE == pytest.approx(1000, rel=0.05)  # now and then one is logged


async def test_who_says_little_is_never_made_to_wait(autojump_clock: Clock) -> None:
    await Complaints("quiet").hear(_Written(b"one line\nand another\n", int(BURST) // 2), lambda: True)
    assert trio.current_time() == 0.0


async def test_last_words_are_heard_at_once(autojump_clock: Clock) -> None:
    complaints = Complaints("loud")
    await complaints.hear(_Written(FLOODS["lines"] + b"the end", 16), lambda: False)
    assert trio.current_time() == 0.0
    assert complaints.last_words[-1] == "the end"


async def test_few_lines_are_logged_before_others_get_their_turn(autojump_clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """The shortest lines: five hundred of them fit into a piece of what has come."""
    caplog.set_level(logging.INFO)
    turns = [0]

    async def others() -> None:
        while True:
            turns.append(len(shown(caplog)))
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(others)
        await Complaints("loud").hear(_Written(b"x\n" * 400, 1), lambda: False)
        nursery.cancel_scope.cancel()
    assert turns[-1] == BURST
    assert (
        FEW <= max(after - before for before, after in pairwise(turns)) <= 2 * FEW
    )  # of two turns ours may be the first and then the last
