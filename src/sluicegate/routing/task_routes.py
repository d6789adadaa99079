"""Where what is asked about tasks leads: to the backend that the id says, and of lists to all who have some (P-132, P-133)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator

import attrs
import msgspec

from ..protocol import faults
from ..protocol.calls import Call, Reply
from ..protocol.eras import MODERN
from ..protocol.errors import MISSING_CLIENT_CAPABILITY
from ..protocol.extensions import TASKS
from ..protocol.fault import Fault
from ..protocol.members import Malformed, Params, Raw, decode_array, decode_object, read_text
from ..protocol.messages import encode
from ..protocol.task_ids import MEMBERS, METHODS, TaskIds
from .catalogue import Catalogue
from .routes import Namespace

__all__ = ["all_tasks", "place_task", "refused"]

MOST_READ = 100
"""Pages of backends that are read for one of ours, most of which may hold tasks of others alone."""


def refused(catalogue: Catalogue, call: Call) -> Fault | None:
    """Why nothing of the kind can be asked."""
    era = call.caller.era
    if (era in MODERN) not in METHODS[call.method] or not catalogue.announced.has_tasks(era):
        return faults.unknown_method(call.method)
    return _undeclared() if era in MODERN and not call.caller.takes_tasks else None


def _undeclared() -> Fault:
    """What an extension is needed for that the client has not declared (P-131)."""
    fault = faults.client_mistake(
        f"Missing required client capability: extensions.{TASKS}", code=MISSING_CLIENT_CAPABILITY, reason="undeclared"
    )
    return attrs.evolve(fault, details={"requiredCapabilities": Raw(encode({"extensions": {TASKS: {}}}))})


async def place_task(catalogue: Catalogue, call: Call, ids: TaskIds) -> tuple[Namespace, Params] | Fault:
    """The way to the backend of what is asked about one task, and its parameters under the backend's own id."""
    given = read_text(call.params, MEMBERS)
    if given is None:
        return faults.client_mistake(f'"{MEMBERS}" must be there and a string')
    await ids.look_at(given)
    found = ids.back(given, call.caller.principal.key)
    if found is None:
        return faults.unknown_task()
    namespace = next((one for one in catalogue.table.namespaces if one.backend == found[0] and one.has_tools), None)
    if namespace is None:
        return faults.unknown_task()
    return namespace, call.params | {MEMBERS: Raw(encode(found[1]))}


async def all_tasks(catalogue: Catalogue, call: Call) -> Reply:
    """One page of the caller's tasks, of one backend after the other; a cursor says whose turn it is, and the backend's own cursor (P-83)."""
    lists = [one for one in catalogue.table.namespaces if one.has_tools and one.backend in catalogue.announced.list_tasks]
    place = _read_cursor(call.params)
    if isinstance(place, Fault):
        return Reply.failed(place)
    backend, cursor = place
    left = _from(lists, backend)
    found: list[Raw] = []
    namespace = next(left, None)
    for _ in range(MOST_READ):
        if namespace is None:
            break
        more: Params = {} if cursor is None else {"cursor": Raw(encode(cursor))}
        call.trail.bound_to = namespace.backend
        reply = await namespace.handler(call.copy(params={key: raw for key, raw in call.params.items() if key != "cursor"} | more))
        page = decode_object(reply.result) if reply.fault is None else {}
        if reply.fault is not None and cursor is not None:
            return reply
        cursor = None if isinstance(page, Malformed) else read_text(page, "nextCursor")
        found += _tasks_in(page)
        if cursor is None:
            namespace = next(left, None)
        if found:
            break
    members: Params = {"tasks": Raw(encode(found))}
    return Reply(Raw(encode(members if namespace is None else members | {"nextCursor": _cursor(namespace.backend, cursor)})))


def _from(lists: list[Namespace], backend: str | None) -> Iterator[Namespace]:
    """Those that are left, in order."""
    names = [one.backend for one in lists]
    return iter(lists if backend is None or backend not in names else lists[names.index(backend) :])


def _tasks_in(page: Params | Malformed) -> list[Raw]:
    if isinstance(page, Malformed) or "tasks" not in page:
        return []
    try:
        return decode_array(page["tasks"])
    except (msgspec.DecodeError, RecursionError):
        return []


def _cursor(backend: str, cursor: str | None) -> Raw:
    return Raw(encode(base64.urlsafe_b64encode(encode([backend, cursor])).decode()))


def _read_cursor(params: Params) -> tuple[str | None, str | None] | Fault:
    given = read_text(params, "cursor")
    if given is None:
        return None, None
    try:
        backend, cursor = msgspec.json.decode(base64.b64decode(given, altchars=b"-_", validate=True), type=tuple[str, str | None])
    except (binascii.Error, ValueError, msgspec.DecodeError):
        return faults.client_mistake("this cursor is not valid, or no longer; read the list from its beginning")
    return backend, cursor
