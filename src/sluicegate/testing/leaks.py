"""Whether a block left something behind: tasks, file descriptors, child processes, ends of connections in memory."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from contextvars import ContextVar, Token
from pathlib import Path
from types import TracebackType
from typing import Protocol

import attrs
import trio
import trio.testing

from .family import ProcessFamily

__all__ = ["no_leaks", "opened"]

FRAMES = 6
"""Of the stack, that are told of who opened something."""
DESCRIPTORS = Path("/proc/self/fd"), Path("/dev/fd")


class _End(Protocol):
    @property
    def closed(self) -> bool: ...


_watching: ContextVar[list[tuple[_End, str]] | None] = ContextVar("sluicegate.testing.leaks", default=None)
"""Ends that were opened inside the innermost block of this task and of those that it started, and by whom."""


def opened(*ends: _End) -> None:
    """Tell the block around, if there is one, of ends that must be closed when it is left."""
    if (found := _watching.get()) is not None:
        who = _who()
        found += [(end, who) for end in ends]


def _who() -> str:
    frames = [frame for frame in traceback.extract_stack() if f"{os.sep}trio{os.sep}" not in frame.filename and frame.filename != __file__]
    try:
        task = f"task {trio.lowlevel.current_task().name}, "
    except RuntimeError:
        task = ""
    return task + " < ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in reversed(frames[-FRAMES:]))


@attrs.define(eq=False, repr=False)
class no_leaks:  # noqa: N801  used as a function would be
    """Fail with `AssertionError` if the block leaves something behind that was not there before; the message names each, and who opened it.

    ``async with no_leaks():`` waits until all tasks are blocked, and then looks for tasks as well. ``with no_leaks():`` is for a block around
    a whole ``trio.run``, or `play`. What a block leaves while an exception passes is not looked at: the exception says more.
    """

    _tasks: frozenset[trio.lowlevel.Task] = attrs.field(default=frozenset(), init=False)
    _descriptors: dict[int, str] = attrs.field(factory=dict, init=False)
    _children: frozenset[int] = attrs.field(default=frozenset(), init=False)
    _ends: list[tuple[_End, str]] = attrs.field(factory=list, init=False)
    _token: Token[list[tuple[_End, str]] | None] | None = attrs.field(default=None, init=False)

    def __enter__(self) -> None:
        self._descriptors, self._children = _descriptors(), frozenset(ProcessFamily().left())
        self._token = _watching.set(self._ends)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        __tracebackhide__ = True
        self._stop()
        if error is None:
            _complain(self._left())

    async def __aenter__(self) -> None:
        self.__enter__()
        self._tasks = frozenset(_tasks())
        await trio.lowlevel.checkpoint()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        __tracebackhide__ = True
        self._stop()
        if error is None:
            await trio.testing.wait_all_tasks_blocked()
            tasks = [f"task {_describe(task)}" for task in _tasks() if task not in self._tasks and task is not trio.lowlevel.current_task()]
            _complain([*tasks, *self._left()])

    def _stop(self) -> None:
        assert self._token is not None
        _watching.reset(self._token)

    def _left(self) -> list[str]:
        children = [f"child process {pid}: {_command(pid)}" for pid in sorted(ProcessFamily().left() - self._children)]
        now = _descriptors()
        descriptors = [f"file descriptor {number}: {now[number]}" for number in now if now[number] != self._descriptors.get(number)]
        ends = [f"end of a connection in memory, opened by {who}" for end, who in self._ends if not end.closed]
        return [*children, *descriptors, *ends]


def _complain(left: list[str]) -> None:
    __tracebackhide__ = True
    if left:
        raise AssertionError("left behind:\n" + "\n".join(f"  {what}" for what in left))


def _tasks() -> Iterator[trio.lowlevel.Task]:
    """All tasks of this run but Trio's own."""
    todo = [trio.lowlevel.current_root_task()]
    while todo:
        task = todo.pop()
        assert task is not None
        todo += [child for nursery in task.child_nurseries for child in sorted(nursery.child_tasks, key=lambda child: child.name)]
        if not task.name.startswith(("trio.", "<")):
            yield task


def _describe(task: trio.lowlevel.Task) -> str:
    """Its name, where it waits, and whose it is."""
    frames = [f"{Path(frame.f_code.co_filename).name}:{line}" for frame, line in task.iter_await_frames()]
    parent = task.parent_nursery.parent_task.name if task.parent_nursery is not None else "nobody"
    return f"{task.name}, started in a nursery of {parent}, waits at {' > '.join(frames[:FRAMES])}"


def _command(pid: int) -> str:
    try:
        return (Path("/proc") / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return "?"


def _descriptors() -> dict[int, str]:
    """What each open file descriptor leads to; empty where the system does not tell."""
    folder = next((folder for folder in DESCRIPTORS if folder.is_dir()), None)
    found = {}
    for name in () if folder is None else os.listdir(folder):  # noqa: PTH208  names of numbers, and no paths
        try:
            found[int(name)] = _target(int(name))
        except OSError:  # the one that was opened to list them
            continue
    return found


def _target(number: int) -> str:
    """Where a file descriptor leads to."""
    os.fstat(number)
    link = DESCRIPTORS[0] / str(number)
    return str(link.readlink()) if link.is_symlink() else "something open"
