"""The daemon's log: through one buffer, and whatever happens at its other end is nobody's business inside."""

from __future__ import annotations

import gc
import json
import logging
import os
import select
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click
import pytest

from sluicegate.observe.buffer import MOST_LINES, Buffer
from sluicegate.observe.log import FAREWELL_SECONDS, logging_to
from sluicegate.protocol.blot import blotting
from sluicegate.telling.loggers import get_logger

# The numbers that are promised. Taken from the source they would move with it.
MOST_SHOWN = 16 * 1024

log = get_logger("sluicegate.test")
PATIENCE = 20.0


@contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    """Both ends, reading first."""
    read, write = os.pipe()
    try:
        yield read, write
    finally:
        os.close(read)
        os.close(write)


def read_all(descriptor: int) -> bytes:
    os.set_blocking(descriptor, False)
    found = b""
    try:
        while data := os.read(descriptor, 65_536):
            found += data
    except BlockingIOError:
        pass
    return found


def read_until(descriptor: int, words: bytes, *, times: int = 1) -> None:
    """Read until they came so often; fails where nothing comes any more."""
    found = b""
    while found.count(words) < times:
        assert select.select([descriptor], [], [], PATIENCE)[0], f"{words!r} did not come {times} times: {found!r}"
        found += os.read(descriptor, 65_536)


def fill(descriptor: int) -> None:
    os.set_blocking(descriptor, False)
    try:
        while True:
            os.write(descriptor, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(descriptor, True)


def test_events_prints_and_other_lines_are_written_in_their_order() -> None:
    with pipe() as (read, write):
        with logging_to(write, "info", wall=lambda: 0.0) as buffer:
            log.info("it is here", backend="a", why="two words")
            sys.stderr.write("a warning of somebody's\n")
            buffer.put(b"a call")
            sys.stderr.write("half a line")
        lines = read_all(read).decode().splitlines()
    assert lines[0].split() == [
        "1970-01-01T00:00:00.000000Z",
        "[info",
        "]",
        "it",
        "is",
        "here",
        "[sluicegate.test]",
        "backend=a",
        "why='two",
        "words'",
    ]
    assert lines[1:] == ["a warning of somebody's", "a call", "half a line"]


def test_a_pipe_that_nobody_reads_costs_lines_and_one_second_at_the_end() -> None:
    with pipe() as (_, write):
        fill(write)
        began = time.monotonic()
        with logging_to(write, "info"):
            for number in range(200):
                log.info("told", backend=str(number))
                sys.stderr.write("x" * 100 + "\n")
            inside = time.monotonic() - began
            began = time.monotonic()
        waited = time.monotonic() - began
        os.write(write, b"nobody waits for this")
    assert inside < 0.5
    assert FAREWELL_SECONDS <= waited < FAREWELL_SECONDS + 0.5


def test_what_was_lost_is_told_once_when_somebody_reads_again() -> None:
    buffer = Buffer(lost=lambda count: b"lost %d" % count)
    for number in range(MOST_LINES + 7):
        buffer.put(b"%d" % number)
    batch = buffer.take()
    assert batch is not None
    assert batch.data.split(b"\n")[:2] == [b"lost 7", b"7"]
    buffer.failed(batch)
    buffer.put(b"next")
    again = buffer.take()
    assert again is not None
    assert again.data == b"lost %d\nnext\n" % (MOST_LINES + 7)
    buffer.wrote(again)
    buffer.put(b"more")
    last = buffer.take()
    assert last is not None
    assert last.data == b"more\n"
    assert buffer.take() is None


def test_the_buffer_is_bounded_in_bytes_too() -> None:
    buffer = Buffer()
    for _ in range(100):
        buffer.put(b"x" * 1024 * 1024)
    batch = buffer.take()
    assert batch is not None
    assert len(batch.data) < 9 * 1024 * 1024
    assert buffer.dropped == 92


def test_a_pipe_whose_reader_has_gone_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        with logging_to(write, "info"):
            log.warning("nobody reads this")
    finally:
        os.close(write)


def test_a_full_disk_is_no_error() -> None:
    full = os.open("/dev/full" if sys.platform == "linux" else os.devnull, os.O_WRONLY)
    try:
        with logging_to(full, "info"):
            log.warning("there is no room for this")
    finally:
        os.close(full)


def test_nothing_that_others_name_moves_the_cursor_of_a_terminal() -> None:
    with pipe() as (read, write):
        with logging_to(write, "info"):
            log.info("listed", item="\x1b[2Jred", way="\u202etxt", end="\x85x", name="größe")
            logging.getLogger("library").error("says %s", "\x1b]0;title\x07\nand more")
        text = read_all(read).decode()
    assert text.replace("\n", "").isprintable()
    assert "\\x1b[2Jred" in text
    assert "größe" in text
    assert text.count("\n") == 3


def test_it_can_be_json() -> None:
    with pipe() as (read, write):
        with logging_to(write, "info", json=True, wall=lambda: 0.0):
            log.info("it is here", backend="a")
        (line,) = map(json.loads, read_all(read).splitlines())
    assert line == {
        "event": "it is here",
        "backend": "a",
        "level": "info",
        "logger": "sluicegate.test",
        "timestamp": "1970-01-01T00:00:00.000000Z",
    }


def test_a_clock_beyond_the_calendar_costs_no_line() -> None:
    with pipe() as (read, write):
        with logging_to(write, "info", wall=lambda: 1e12):
            log.info("it is late")
        assert b"1000000000000.000000 [info     ] it is late" in read_all(read)


def test_known_secrets_are_in_no_field_and_no_traceback() -> None:
    with pipe() as (read, write):
        with logging_to(write, "info", blot=blotting(["hunter2-hunter2"])):
            try:
                int("hunter2-hunter2")
            except ValueError:
                log.exception(
                    "it failed with hunter2-hunter2", backend="x hunter2-hunter2", parts=["hunter2-hunter2"], deep={"a": "hunter2-hunter2"}
                )
            logging.getLogger("library").warning("says %s", "hunter2-hunter2")
            sys.stderr.write("a warning about hunter2-hunter2\n")
        text = read_all(read)
    assert b"hunter2" not in text
    assert text.count(b"***") >= 6


@pytest.mark.parametrize("json", [False, True])
def test_a_very_long_text_is_cut_and_costs_no_other_line(json: bool) -> None:
    text = "x" * (MOST_SHOWN - 10) + "hunter2-hunter2" * 1000 + "x" * 10_000_000
    with pipe() as (read, write):
        with logging_to(write, "info", json=json, blot=blotting(["hunter2-hunter2"])):
            log.info("before")
            log.warning("it said", error=text)
        lines = read_all(read).decode().splitlines()
    assert ["before" in line for line in lines] == [True, False]
    assert len(lines[1]) < MOST_SHOWN + 300
    assert "hunter" not in lines[1]
    assert f"({len(text)} characters)" in lines[1]


def test_repeated_lines_are_collapsed_and_the_rest_is_told_at_the_end() -> None:
    with pipe() as (read, write):
        with logging_to(write, "info"):
            for _ in range(50):
                log.warning("it failed", backend="a")
        lines = read_all(read).splitlines()
    assert len(lines) == 2
    assert lines[1].endswith(b"repeated=49")


def test_a_count_is_told_when_its_minute_is_over_though_nothing_else_happens() -> None:
    now = [0.0]
    with pipe() as (read, write), logging_to(write, "info", clock=lambda: now[0]) as buffer:
        log.warning("it failed", backend="a")
        log.warning("it failed", backend="a")
        now[0] = 60.0
        buffer.on_news()
        read_until(read, b"repeated=1")


def test_nothing_is_left_behind() -> None:
    handlers, printed = logging.getLogger().handlers[:], sys.stderr
    with pipe() as (_, write), logging_to(write, "info"):
        assert sys.stderr is not printed
    assert sys.stderr is printed
    assert logging.getLogger().handlers == handlers
    assert not [thread for thread in threading.enumerate() if thread.name == "sluicegate log"]


class Broken:
    """A value that cannot be shown."""

    def __str__(self) -> str:
        raise ValueError("not today")

    __repr__ = __str__


def test_a_record_that_cannot_be_shown_ends_nothing() -> None:
    now = [0.0]
    with pipe() as (read, write):
        with logging_to(write, "info", clock=lambda: now[0]) as buffer:
            log.info("odd", value=Broken())
            log.info("odd", value=Broken())
            now[0] = 60.0
            buffer.on_news()
            read_until(read, b"Logging error", times=2)  # the second one from the writer's own thread
            log.info("and on it goes")
        assert b"and on it goes" in read_all(read)


def test_what_click_prints_goes_the_same_way() -> None:
    with pipe() as (read, write):
        with logging_to(write, "info"):
            click.echo("a warning of the command's", err=True)
        assert read_all(read) == b"a warning of the command's\n"


class Farewell:
    """Prints when the garbage collector finds it."""

    def __init__(self, buffer: Buffer) -> None:
        self.buffer, self.itself = buffer, self

    def __del__(self) -> None:
        self.buffer.put(b"farewell")


def test_what_the_garbage_collector_ends_may_print_in_the_middle_of_any_step() -> None:
    buffer, found = Buffer(lost=lambda count: b"lost %d" % count), 0

    def work() -> None:
        nonlocal found
        for step in range(1, 60):  # after how many objects the collector runs
            for _ in range(30):
                buffer.put(b"x")
            buffer.dropped += 1
            Farewell(buffer)
            gc.set_threshold(step)
            gc.enable()
            batch = buffer.take()
            buffer.put(b"y")
            gc.disable()
            gc.collect()
            rest = buffer.take()
            assert batch is not None
            assert rest is not None
            found += (batch.data + rest.data).count(b"farewell")

    before = gc.get_threshold()
    gc.disable()
    gc.freeze()  # what is there already need not be looked at
    thread = threading.Thread(target=work, daemon=True)
    try:
        thread.start()
        thread.join(20)
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
        gc.enable()
    assert not thread.is_alive(), "it waits for itself"
    assert found == 59
