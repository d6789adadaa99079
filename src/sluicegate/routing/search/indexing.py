"""Keeps the index in step with the catalogue, beside the loop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import attrs
import trio

from ...telling.loggers import get_logger
from ...waiting.bell import Bell
from ..directory import Directory
from .findable import Findable
from .tool_index import EMPTY_INDEX, ToolIndex

__all__ = ["Indexer"]

log = get_logger("sluicegate.routing.search")
T = TypeVar("T")

GATHERING_SECONDS = 0.05
"""After a change others are waited for."""
PAUSES = 4
"""So many times as long as an index took to make nothing is done: whoever changes his lists all the time has a fifth of a processor at most."""
PATIENCE_SECONDS = 2.0
"""How long somebody who searches waits for an index that knows the last changes."""


class _RunBlocking(Protocol):
    async def __call__(self, function: Callable[[], T], /, *, abandon: bool = False) -> T: ...


@attrs.define(eq=False, repr=False)
class Indexer:
    """Has an index made whenever there is another catalogue, and gives it to those who search."""

    directory: Directory
    run_blocking: _RunBlocking
    """Runs a function in a thread."""
    made: int = attrs.field(default=0, init=False)
    """How many indexes were made."""
    _index: ToolIndex = attrs.field(default=EMPTY_INDEX, init=False)
    _turn: trio.Lock = attrs.field(factory=trio.Lock, init=False)
    """Whose turn it is with the index: one search at a time, and none while it is closed."""
    _changes: int = attrs.field(default=1, init=False)
    """Of the catalogue; the first one is there already."""
    _known: int = attrs.field(default=0, init=False)
    """Of these, those that the index knows."""
    _bell: Bell = attrs.field(factory=Bell, init=False)
    _news: trio.Event = attrs.field(factory=trio.Event, init=False)
    """There will be another index."""

    async def run(self) -> None:
        """Follow the catalogue until cancelled."""
        stop_following = self.directory.follow(self._changed)
        try:
            while True:
                while self._known == self._changes:
                    await self._bell.wait()
                await trio.sleep(GATHERING_SECONDS)
                began = trio.current_time()
                await self._renew()
                await trio.sleep(PAUSES * (trio.current_time() - began))
        finally:
            stop_following()
            self._index, last = EMPTY_INDEX, self._index
            last.close()

    def _changed(self) -> None:
        self._changes += 1
        self._bell.ring()

    async def _renew(self) -> None:
        """Make an index of what there is now, and have it take the place of the old one whole."""
        changes, tools, old = self._changes, _all_tools(self.directory), self._index
        unwanted = threading.Event()
        try:
            new = await self.run_blocking(lambda: _made(tools, old, unwanted), abandon=True)
        except Exception:  # it costs what has changed, and not the gateway
            log.exception("bug while the tools were indexed; searches go by the index before")
            new = old
        finally:
            unwanted.set()
        self._known = changes
        if new is not old:
            self.made += 1
            async with self._turn:
                self._index = new
                await self.run_blocking(old.close)
        self._news.set()
        self._news = trio.Event()

    async def ask(self, question: Callable[[ToolIndex], T]) -> T:
        """Have something looked up in the index of the moment, in a thread; if it is older than the last change another is waited for, not for long."""
        wanted = self._changes
        with trio.move_on_after(PATIENCE_SECONDS):
            while self._known < wanted:
                await self._news.wait()
        async with self._turn:
            index = self._index
            return await self.run_blocking(lambda: question(index))


def _made(tools: Callable[[], Sequence[Findable]], old: ToolIndex, unwanted: threading.Event) -> ToolIndex:
    found = tools()
    return old if list(old.tools) == found else ToolIndex.of(found, unwanted.is_set)


def _all_tools(directory: Directory) -> Callable[[], Sequence[Findable]]:
    """What anybody can see, each tool once. Catalogues never change, so that is found out in the thread."""
    catalogues = directory.catalogues
    return lambda: list(dict.fromkeys(tool for catalogue in catalogues for tool in catalogue.findable.tools.values()))
