"""The streams that a process was started with, in place of which pipes are put here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
import pytest

from sluicegate.outside.standard_streams import open_standard_streams


@attrs.frozen
class FarEnds:
    """Of stdin, stdout and stderr."""

    stdin: int
    stdout: int
    stderr: int


@contextmanager
def piped() -> Iterator[FarEnds]:
    """No fixture, because pytest puts its own in their place between a fixture and its test."""
    pipes = [os.pipe() for _ in range(3)]
    before = [os.dup(number) for number in range(3)]
    for number, (read, write) in enumerate(pipes):
        os.dup2(write if number else read, number)
        os.close(write if number else read)
    stdin, stdout, stderr = (read if number else write for number, (read, write) in enumerate(pipes))
    os.set_blocking(stdout, False)
    os.set_blocking(stderr, False)
    try:
        yield FarEnds(stdin, stdout, stderr)
    finally:
        for number, kept in enumerate(before):
            os.dup2(kept, number)
            os.close(kept)
        for end in (stdin, stdout, stderr):
            os.close(end)


def descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))


async def test_messages_pass_and_what_else_is_printed_goes_to_stderr_as_long_as_they_do() -> None:
    with piped() as far:
        os.write(far.stdin, b"asked\n")
        async with open_standard_streams() as (stdin, stdout):
            asked = await stdin.receive_some()
            await stdout.send_all(b"answered\n")
            os.write(1, b"printed\n")
            os.write(2, b"complained\n")
        os.write(1, b"later\n")
        said, complained = os.read(far.stdout, 100), os.read(far.stderr, 100)
    assert (asked, said, complained) == (b"asked\n", b"answered\nlater\n", b"printed\ncomplained\n")


async def fail() -> None:
    async with open_standard_streams():
        raise ZeroDivisionError


async def test_stdout_is_there_again_also_after_a_failure_and_nothing_is_left_open() -> None:
    with piped() as far:
        opened = descriptors()
        with pytest.raises(ZeroDivisionError):
            await fail()
        os.write(1, b"later\n")
        said, left = os.read(far.stdout, 100), descriptors()
    assert (said, left) == (b"later\n", opened)
