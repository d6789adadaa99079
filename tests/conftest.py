"""A test that hangs fails, and its failure says which task waits where.

Every run of Trio inside of a test has an end. On a virtual clock it is a virtual one, which comes at once where nobody has anything left to do;
and on any clock a real one. What never comes back to Trio's loop, pytest itself ends (``faulthandler_timeout`` in pyproject.toml): it prints
the stack of every thread and leaves, and xdist then names the test.
"""

from __future__ import annotations

import math
import os
import threading
import time
import traceback
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

import pytest
import trio
import trio.testing

T = TypeVar("T")

PATIENCE = 120.0
"""Seconds that a run may take, if ``--patience`` does not say otherwise. The longest take ten on a machine that does nothing else."""
TIMES_FOR_SLOW_ONES = 2
"""So many times as long where there are real processes."""
LEAST = 0.1
"""Seconds that a run has in any case."""
VIRTUAL_SECONDS = 10_000_000.0
"""More than any test needs. Where something comes round again and again meanwhile, the real seconds are over first."""

run_unbounded = trio.run
over_at = ContextVar("over_at", default=math.inf)


class Hangs(AssertionError):
    """A run did not end."""


class Watch:
    """One thread for all runs: to start one for each would take longer than many of the runs."""

    def __init__(self) -> None:
        self._begin()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        """Nobody waits; in a fork, which has no thread but its own, that is so again."""
        self._alarms: dict[object, tuple[float, Callable[[], None]]] = {}
        self._changed = threading.Condition()
        self._wakes_at = math.inf
        self._is_running = False

    def expect(self, seconds: float, alarm: Callable[[], None]) -> object:
        """Call this in so many seconds, from the thread; gives what `forget` takes."""
        key, at = object(), time.monotonic() + seconds
        with self._changed:
            self._alarms[key] = at, alarm
            if not self._is_running:
                self._is_running = True
                threading.Thread(target=self._watch, name="patience", daemon=True).start()
            elif at < self._wakes_at:
                self._changed.notify()
        return key

    def forget(self, key: object) -> None:
        """It is over."""
        with self._changed:
            self._alarms.pop(key, None)

    def _watch(self) -> None:
        with self._changed:
            while True:
                now = time.monotonic()
                for key, (at, alarm) in list(self._alarms.items()):
                    if at <= now:
                        del self._alarms[key]
                        alarm()
                self._wakes_at = min((at for at, _ in self._alarms.values()), default=math.inf)
                self._changed.wait(None if self._wakes_at == math.inf else max(0.0, self._wakes_at - now))


WATCH = Watch()


def pytest_addoption(parser: pytest.Parser) -> None:
    """An option of these tests."""
    parser.addoption("--patience", type=float, metavar="SECONDS", default=PATIENCE, help="whoever takes longer hangs (%(default)g)")


def pytest_configure(config: pytest.Config) -> None:
    """Tests, fixtures, properties and what a test plays take `trio.run` from where it stands, so there it is replaced."""
    patch = pytest.MonkeyPatch()
    config.add_cleanup(patch.undo)
    patch.setattr(trio, "run", run_bounded)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Say when the test has to be over; one that hangs in many runs, as a property does, has that time for all of them."""
    seconds = item.config.getoption("patience") * (TIMES_FOR_SLOW_ONES if item.get_closest_marker("slow") else 1)
    over_at.set(time.monotonic() + seconds)
    return (yield)


def run_bounded(main: Callable[..., Awaitable[T]], *args: Any, **options: Any) -> T:
    """What `trio.run` does, with an end."""
    return run_unbounded(bounded, main, args, max(LEAST, over_at.get() - time.monotonic()), **options)


async def bounded(main: Callable[..., Awaitable[T]], args: Sequence[Any], seconds: float) -> T:
    """Run it; raises `Hangs`."""
    scope, token = trio.CancelScope(), trio.lowlevel.current_trio_token()
    said: list[str] = []

    def give_up(how_long: str) -> None:
        said.append(f"did not end within {how_long}\n{waiting()}")
        scope.cancel(reason=f"a test did not end within {how_long}")

    def alarm() -> None:
        with suppress(trio.RunFinishedError):
            token.run_sync_soon(give_up, f"{seconds:g} seconds")

    async def wait_virtually() -> None:
        await trio.sleep(VIRTUAL_SECONDS)
        give_up(f"{VIRTUAL_SECONDS:g} virtual seconds")

    watching = WATCH.expect(seconds, alarm)
    if isinstance(trio.lowlevel.current_clock(), trio.testing.MockClock):
        trio.lowlevel.spawn_system_task(wait_virtually)
    try:
        with scope:
            return await main(*args)
    except BaseException as error:
        if said:
            error.add_note(said[0])
        raise
    finally:
        WATCH.forget(watching)
    raise Hangs(said[0])


def waiting() -> str:
    """All tasks but Trio's own, below those in whose nursery they are, each with the place where it waits."""
    lines: list[str] = []
    todo: list[tuple[trio.lowlevel.Task | None, int]] = [(trio.lowlevel.current_root_task(), 0)]
    while todo:
        task, depth = todo.pop()
        assert task is not None
        children = [child for nursery in task.child_nurseries for child in nursery.child_tasks]
        todo += [(child, depth + 1) for child in sorted(children, key=lambda child: child.name, reverse=True)]
        if not task.name.startswith(("<init>", "<TrioToken")):
            frames = traceback.StackSummary.extract(task.iter_await_frames(), lookup_lines=False)
            lines.append(f"{'  ' * depth}{task.name}")
            lines += [f"{'  ' * depth}  | {place(frame)}" for frame in frames if Path(frame.filename).parent.name != "_core"]
    return "\n".join(lines)


def place(frame: traceback.FrameSummary) -> str:
    """Where in which function."""
    return f"{'/'.join(Path(frame.filename).parts[-2:])}:{frame.lineno} {frame.name}"
