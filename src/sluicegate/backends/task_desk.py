"""The tasks that one backend runs for clients: under which ids these know them, and whose each is (P-132, P-133)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

import attrs
import msgspec
import trio

from ..protocol import faults
from ..protocol.back import SILENT, Back
from ..protocol.calls import Call, Caller, Reply
from ..protocol.crossings import tasks_pass
from ..protocol.eras import MODERN
from ..protocol.errors import METHOD_NOT_FOUND
from ..protocol.fault import Fault
from ..protocol.members import Malformed, Params, Raw, decode_array, decode_object, read_text
from ..protocol.messages import EMPTY, encode, encode_notification
from ..protocol.task_ids import MEMBERS, METHODS, STATUS, LocalTask, Renaming, TaskIds, related_task, with_related_task, with_task_id
from .link import Link
from .task_back import TaskBack
from .task_memory import TaskMemory

__all__ = ["TaskDesk"]

LONGEST_HOLD = 24 * 3600.0
"""Seconds for which a client's own session with the backend is kept for the sake of a task."""


class OwnLinks(Protocol):
    """The links of single clients (`sluicegate.backends.client_links.ClientLinks`)."""

    def serves(self, caller: Caller) -> bool:
        """Whether a caller has one of his own."""
        ...

    async def request(self, call: Call) -> Reply:
        """Send a call on the link of its caller."""
        ...

    def link_of(self, caller: Caller) -> Link | None:
        """His own, where there is one now."""
        ...

    def hold(self, caller: Caller, seconds: float) -> None:
        """Keep the link of a caller for so long."""
        ...


@attrs.define(eq=False, repr=False)
class TaskDesk:
    """What becomes of the calls that are about tasks."""

    link: Link
    """The one that all callers share, or those who have none of their own."""
    ids: TaskIds
    clients: Callable[[], OwnLinks | None]
    """Those that are for one client each, where there are any."""
    backend: str = attrs.field(default=attrs.Factory(lambda self: self.link.name, takes_self=True), init=False)
    memory: TaskMemory = attrs.field(default=attrs.Factory(lambda self: TaskMemory(self.ids.begin_life), takes_self=True), init=False)
    """Whose they are."""

    def __attrs_post_init__(self) -> None:
        self.link.on_task = self.tell

    def only_once(self, call: Call) -> bool:
        """Whether a call is not to be made twice: it may become a task, or a copy of it might be asked what its client is to be asked."""
        if "task" in call.params or call.method == "tasks/result":
            return True
        offer = self.link.offer
        return offer is not None and offer.makes_tasks and call.caller.takes_tasks and call.method == "tools/call"

    async def carry(self, call: Call) -> Reply:
        """Send a call that is about a task, or may become one."""
        await self.ids.open()
        task = _task_of(call)
        fault = self._refusal(call) or self._absence(call, task)
        if fault is not None:
            await trio.lowlevel.checkpoint()
            return Reply.failed(fault)
        back, params, outward = call.back, call.params, self.outward(call.caller, task)
        if back is not SILENT:
            call.back = TaskBack(back, outward, partial(self._inward, call.caller))
        if task is not None:
            call.params = params | {MEMBERS: Raw(encode(task.id))}
        reply: Reply | None = None
        try:
            reply = await self._send(call)
        finally:
            call.back, call.params = back, params
            if "task" in params and call.sent_at is not None and (reply is None or (reply.fault is not None and reply.fault.is_in_doubt)):
                self._doubt(call.caller)
        fault = self._absence(call, task)  # its session may have begun anew meanwhile
        if fault is not None:
            return Reply.failed(fault)
        if reply.fault is not None:
            return reply
        members = decode_object(reply.result)
        return reply if isinstance(members, Malformed) else self._named(call, members, outward)

    async def _send(self, call: Call) -> Reply:
        clients, session = self.clients(), self.link.session
        if clients is not None and clients.serves(call.caller):
            return await clients.request(call)
        if session is None:
            await trio.lowlevel.checkpoint()
            return Reply.failed(self.link.absence())
        return await session.request(call)

    def _is_alone(self, caller: Caller) -> bool:
        """Whether a caller is the only one in his session with the backend."""
        clients = self.clients()
        return self.link.clientele.is_one or (clients is not None and clients.serves(caller))

    def _link(self, caller: Caller) -> Link | None:
        """The one whose sessions a caller's tasks are in; None where they are in none."""
        offer, clients = self.link.offer, self.clients()
        if offer is not None and offer.hello.version in MODERN:
            return None
        return clients.link_of(caller) if clients is not None and clients.serves(caller) else self.link

    def _task(self, caller: Caller, id: str) -> LocalTask:
        """What has that id for a caller now."""
        link = self._link(caller)
        return LocalTask("" if link is None else self.memory.life_of(link), id)

    def outward(self, caller: Caller, asked: LocalTask | None = None) -> Renaming:
        """From the backend's ids to those of a caller: what he has asked for is called as he did."""

        def out(id: str) -> str:
            task = asked if asked is not None and asked.id == id else self._task(caller, id)
            return self.ids.out(self.backend, caller.principal.key, str(task))

        return out

    def _inward(self, caller: Caller, given: str) -> str:
        found = self.ids.back(given, caller.principal.key)
        return given if found is None or found[0] != self.backend else LocalTask.read(found[1]).id

    def _absence(self, call: Call, task: LocalTask | None) -> Fault | None:
        """Why a task is not there that was begun in a session that is over."""
        link = None if task is None else self._link(call.caller)
        return faults.unknown_task() if task is not None and link is not None and self.memory.is_over(task, link) else None

    def _doubt(self, caller: Caller) -> None:
        """A task may have been begun, and nobody knows its id."""
        if not self._is_alone(caller):
            self.memory.doubt(self.link)

    def _refusal(self, call: Call) -> Fault | None:
        offer = self.link.offer
        if offer is None:
            return None
        if (
            call.method == "tools/call"
            and "task" in call.params
            and not (offer.makes_tasks and tasks_pass(call.caller.era, offer.hello.version))
        ):
            message = f"tool '{call.target}' cannot be run as a task; call it without"
            return attrs.evolve(faults.client_mistake(message, code=METHOD_NOT_FOUND, reason="no_task"), backend=self.backend)
        if call.method.startswith("tasks/") and not tasks_pass(call.caller.era, offer.hello.version):
            return faults.unknown_task()
        return None

    # -- what comes back

    def _named(self, call: Call, members: Params, outward: Renaming) -> Reply:
        """A result with the ids that its caller knows."""
        if call.method == "tools/call":
            self._created(call, members)
        elif call.method == "tasks/list":
            return Reply(Raw(encode(members | {"tasks": self._own(call.caller, members.get("tasks", Raw(b"[]")), outward)})))
        task = decode_object(members["task"]) if "task" in members else None
        if task is not None and not isinstance(task, Malformed):
            members = members | {"task": Raw(encode(with_task_id(task, outward)))}
        elif call.method != "tools/call" or read_text(members, "resultType") == "task":
            members = with_task_id(members, outward)
        return Reply(Raw(encode(with_related_task(members, outward))))

    def _created(self, call: Call, members: Params) -> None:
        """Remember whose a new task is, where it may be asked for, and keep what it lives in."""
        task = decode_object(members.get("task", EMPTY))
        local = None if isinstance(task, Malformed) else read_text(task, MEMBERS)
        if local is None or isinstance(task, Malformed) or call.caller.era in MODERN:
            return
        caller = call.caller
        link = self._link(caller)
        if link is not None:
            self.memory.add(link, local, caller)
        clients = self.clients()
        if clients is not None:
            clients.hold(caller, min(_milliseconds(task.get("ttl")), LONGEST_HOLD))

    def _own(self, caller: Caller, raw: Raw, outward: Renaming) -> Raw:
        """Of a list those tasks that are the caller's."""
        try:
            entries = map(decode_object, decode_array(raw))
            found = [entry for entry in entries if not isinstance(entry, Malformed) and self._is_of(caller, read_text(entry, MEMBERS))]
        except (msgspec.DecodeError, RecursionError):
            found = []
        return Raw(encode([with_task_id(entry, outward) for entry in found]))

    def _is_of(self, caller: Caller, local: str | None) -> bool:
        owner = None if local is None else self.memory.owner(self._task(caller, local))
        return self._is_alone(caller) if owner is None else owner.is_caller(caller)

    # -- what the backend says of its own accord

    def tell(self, method: str, params: Params) -> None:
        """Whose a task is hears what is told of it (P-133). Some tell before they have answered the call; then it is nobody's yet."""
        given = read_text(params, MEMBERS) if method == STATUS else related_task(params)
        if given is None:
            return
        task = LocalTask(self.memory.life_of(self.link), given)
        owner = self.memory.owner(task)
        if owner is not None and owner.home is not None:
            name = self.ids.out(self.backend, owner.principal, str(task))
            _tell(owner.home, method, params, lambda _id: name)

    def tell_alone(self, caller: Caller, home: Back, method: str, params: Params) -> None:
        """The same in a session that is one client's alone."""
        _tell(home, method, params, self.outward(caller))

    def way_for(self, caller: Caller, home: Back) -> Back:
        """The way to a client for what is asked about none of its calls."""
        return TaskBack(home, self.outward(caller), partial(self._inward, caller))


def _task_of(call: Call) -> LocalTask | None:
    """The one that is asked about."""
    given = read_text(call.params, MEMBERS) if call.method in METHODS and call.method != "tasks/list" else None
    return None if given is None else LocalTask.read(given)


def _tell(way: Back, method: str, params: Params, outward: Renaming) -> None:
    named = with_task_id(params, outward) if method == STATUS else with_related_task(params, outward)
    way.note(encode_notification(method, named))


def _milliseconds(raw: Raw | None) -> float:
    """In seconds; without end where nothing is said."""
    try:
        return msgspec.json.decode(raw or b"null", type=float) / 1000
    except (msgspec.DecodeError, UnicodeDecodeError):
        return LONGEST_HOLD
