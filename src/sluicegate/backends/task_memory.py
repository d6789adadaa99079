"""Whose the tasks of one backend are, as far as that is remembered, and in which life of which of its links each was begun.

A backend may count its tasks from 1 in each of its sessions, and those of several clients' sessions are there at the same time. So an id says
something only together with the life in which it was given.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from weakref import WeakKeyDictionary

import attrs

from ..protocol.back import Household
from ..protocol.calls import Caller
from ..protocol.task_ids import LocalTask
from .link import Link

__all__ = ["MOST_REMEMBERED", "TaskMemory", "TaskOwner"]

MOST_REMEMBERED = 4096
"""Tasks of one backend whose owners are remembered; older ones are in no list, and nobody hears of their changes."""


@attrs.frozen(eq=False, repr=False)
class TaskOwner:
    """For whom a task runs."""

    principal: str
    session: str
    home: Household | None

    @classmethod
    def of(cls, caller: Caller) -> TaskOwner:
        """Who has asked for it."""
        return cls(caller.principal.key, caller.session, caller.home)

    def is_caller(self, caller: Caller) -> bool:
        """Whether it runs for this one; where nobody has to say who he is, a session is all that tells callers apart."""
        if self.principal or caller.principal.key:
            return self.principal == caller.principal.key
        return self.session == caller.session


@attrs.define(eq=False, repr=False)
class _Life:
    """One session with the backend, however often it was connected."""

    name: str
    opened: int
    """How often the link had been opened when it began."""
    is_unsure: bool = False
    """Somebody may have a task in it of which nothing is remembered."""


@attrs.define(eq=False, repr=False)
class TaskMemory:
    """What is remembered of one backend's tasks; all of it is sync."""

    begin_life: Callable[[], str]
    """Gives a name to one more life of a link."""
    _owners: OrderedDict[LocalTask, TaskOwner] = attrs.field(factory=OrderedDict, init=False)
    """Oldest first."""
    _lives: WeakKeyDictionary[Link, _Life] = attrs.field(factory=WeakKeyDictionary, init=False)
    """Those that the links are in, or were in last."""

    def life_of(self, link: Link) -> str:
        """The name of the one that a link is in, or was in last."""
        return self._life_of(link).name

    def _life_of(self, link: Link) -> _Life:
        life = self._lives.get(link)
        return life if life is not None and life.opened == link.opened else self._begin(link)

    def _begin(self, link: Link) -> _Life:
        life = self._lives[link] = _Life(self.begin_life(), link.opened)
        return life

    def owner(self, task: LocalTask) -> TaskOwner | None:
        """Whose it is; None where that is not known."""
        return self._owners.get(task)

    def add(self, link: Link, id: str, caller: Caller) -> None:
        """A task was begun. Where another has one of that name the backend has begun anew, and nothing but that has told of it."""
        task = LocalTask(self.life_of(link), id)
        owner = self._owners.get(task)
        if owner is not None and not owner.is_caller(caller):
            task = LocalTask(self._begin(link).name, id)
        self._owners[task] = TaskOwner.of(caller)
        if len(self._owners) > MOST_REMEMBERED:
            forgotten, _owner = self._owners.popitem(last=False)
            for life in self._lives.values():
                life.is_unsure = life.is_unsure or life.name == forgotten.life

    def doubt(self, link: Link) -> None:
        """A task may have been begun on it of which nobody was told."""
        self._life_of(link).is_unsure = True

    def is_over(self, task: LocalTask, link: Link) -> bool:
        """Whether what has its id on this link now is, or may be, another one that was begun since.

        Else it is asked for: some backends keep their tasks through many sessions, and give no id twice.
        """
        life = self._life_of(link)
        return task.life != life.name and (life.is_unsure or LocalTask(life.name, task.id) in self._owners)
