"""The router: from what a client names to the backend that has it, and the answer back in the client's words."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from functools import partial

import msgspec
import trio

from ..protocol import faults
from ..protocol.calls import Call, Coming, Reply, without_task
from ..protocol.eras import MODERN
from ..protocol.members import is_null
from ..protocol.messages import EMPTY, Malformed, Params, Raw, decode_object, encode, read_text
from ..protocol.offers import PROMPTS, RESOURCES, TEMPLATES, TOOLS, ListKind
from ..protocol.subscription import SUBSCRIBE
from ..protocol.task_ids import CREATES, TaskIds
from ..protocol.task_ids import METHODS as TASK_METHODS
from .catalogue import Catalogue
from .directory import Directory
from .lengths import longest, too_long
from .results import Mapping, with_mapped_uris
from .routes import Ambiguous, Hidden, Route
from .task_routes import all_tasks, place_task, refused

__all__ = ["Router", "find_resource"]


class Router(msgspec.Struct, frozen=True):
    """Leads calls to their backends. A handler; everything it cannot place is answered with a fault."""

    directory: Directory
    acquaint: Callable[[Call], Awaitable[None]] | None = None
    """Has it found out what a caller is offered, where that is not known yet; None where all are offered the same."""

    tasks: TaskIds = msgspec.field(default_factory=lambda: TaskIds(os.urandom))
    """Under which ids clients know the tasks of backends."""

    async def __call__(self, call: Call) -> Reply:
        """Run the call where its name belongs, under the backend's own name."""
        if call.method in TASK_METHODS:
            return await self._about_tasks(call)
        placed = _place(self.directory.seen_by(call.caller), call)
        if isinstance(placed, faults.Fault):
            placed = await self._again(call, placed)
            if isinstance(placed, faults.Fault):
                return Reply.failed(placed)
        route, params = placed
        reply = await route.handler(call.copy(params=params))
        if route.mapping is None or (reply.fault is None and call.method == _TOOL and not reply.tool_result.may_hold_uris):
            return reply  # as nearly always
        return with_mapped_uris(call.method, reply, route.mapping)

    def at_hand(self, call: Call) -> Reply | Coming | None:
        """The answer to a call of something listed, where that needs no task; all that takes longer to find out is for the call itself."""
        kind = _KINDS.get(call.method)
        if kind is None or call.target == call.method:
            return None
        route = self.directory.seen_by(call.caller).table.listed[kind.method].get(call.target)
        if route is None or route.at_hand is None:
            return None
        params = call.params
        if "task" in params or any(memoryview(params[key])[0] != _BRACE for key in _OBJECTS if key in params):
            return None  # whether it may be one, and what is to be said of the other, is found out there
        reply = route.at_hand(call, params | {kind.key: route.local})
        if reply is None or route.mapping is None:
            return reply
        if isinstance(reply, Reply):
            return with_mapped_uris(call.method, reply, route.mapping)
        reply.then(partial(_mapped, call.method, route.mapping))
        return reply

    async def _about_tasks(self, call: Call) -> Reply:
        catalogue = self.directory.seen_by(call.caller)
        fault = refused(catalogue, call)
        if fault is None and call.method == "tasks/list":
            return await all_tasks(catalogue, call)
        placed = await place_task(catalogue, call, self.tasks) if fault is None else fault
        if isinstance(placed, faults.Fault):
            await trio.lowlevel.checkpoint()
            return Reply.failed(placed)
        namespace, params = placed
        call.trail.bound_to = namespace.backend  # nobody else knows its tasks
        reply = await namespace.handler(call.copy(params=params))
        return reply if namespace.mapping is None else with_mapped_uris(call.method, reply, namespace.mapping)

    async def _again(self, call: Call, fault: faults.Fault) -> Placed:
        """The place of a call that has none in what is known: something else may be offered to its caller than to others."""
        await trio.lowlevel.checkpoint()
        known = self.directory.seen_by(call.caller)
        if self.acquaint is not None:
            await self.acquaint(call)
        now = self.directory.seen_by(call.caller)
        return fault if now is known else _place(now, call)


def _mapped(method: str, mapping: Mapping, reply: Reply) -> Reply:
    return with_mapped_uris(method, reply, mapping)


Placed = tuple[Route, Params] | faults.Fault


def _place(catalogue: Catalogue, call: Call) -> Placed:
    """The route of a call and its parameters under the backend's own name."""
    for key in _OBJECTS:
        raw = call.params.get(key)
        if raw is not None and memoryview(raw)[0] != _BRACE:
            return _place_without(catalogue, call, key)
    kind = _KINDS.get(call.method)
    if kind is None:
        return _place_completion(catalogue, call.params) if call.method == "completion/complete" else _place_other(catalogue, call)
    name = read_text(call.params, kind.key)
    route: Route | faults.Fault | None = None if name is None else catalogue.table.listed[kind.method].get(name)
    if route is None:
        if not catalogue.declares(kind.capability) and not catalogue.expecting:  # nobody has such a thing (P-86)
            return faults.unknown_method(call.method)
        if name is None:
            return faults.client_mistake(f'"{kind.key}" must be there and a string')
        route = _find(catalogue, kind, name)
    if isinstance(route, faults.Fault):
        return route
    wanted = call.params if "task" not in call.params or _may_be_task(catalogue, call) else without_task(call.params)
    return route, wanted | {kind.key: route.local}


def _may_be_task(catalogue: Catalogue, call: Call) -> bool:
    """Whether somebody was told that such a call can be a task; who was not is to ask for none, and gets none."""
    return call.method == CREATES and call.caller.era not in MODERN and catalogue.announced.has_tasks(call.caller.era)


_OBJECTS = ("arguments", "_meta")
"""What has to be an object in each request that has it. Servers answer another with an error of theirs, or not at all, as if they had failed."""
_BRACE = ord("{")


def _place_without(catalogue: Catalogue, call: Call, key: str) -> Placed:
    """The place of a call with a member that is no object; a null says nothing, and is left out (P-25)."""
    if not is_null(call.params[key]):
        return faults.client_mistake(f'"{key}" must be an object')
    return _place(catalogue, call.copy(params={name: raw for name, raw in call.params.items() if name != key}))


_TOOL = "tools/call"
_KINDS = {_TOOL: TOOLS, "resources/read": RESOURCES, "prompts/get": PROMPTS}


_OWN = (
    "completion/",
    "elicitation/",
    "logging/",
    "prompts/",
    "resources/",
    "roots/",
    "sampling/",
    "server/",
    "skills/",
    "subscriptions/",
    "tasks/",
    "tools/",
)
"""How methods begin that the protocol and its extensions define."""


def _place_other(catalogue: Catalogue, call: Call) -> Placed:
    """A method that the protocol does not know goes as it is to the backend that declares something of its own, if only one does (P-94)."""
    namespace = catalogue.table.others
    if namespace is None or "/" not in call.method or call.method.startswith(_OWN):
        return faults.unknown_method(call.method)
    return Route(namespace.handler, EMPTY, None), call.params


def find_resource(catalogue: Catalogue, params: Params) -> Route | faults.Fault:
    """Where the resource is that a request names, of which its client wants to hear."""
    if not catalogue.declares(SUBSCRIBE) and not catalogue.expecting:
        return faults.unknown_method(SUBSCRIBE)
    name = read_text(params, RESOURCES.key)
    return faults.client_mistake('"uri" must be there and a string') if name is None else _find(catalogue, RESOURCES, name)


def _find(catalogue: Catalogue, kind: ListKind, name: str, called: str = "") -> Route | faults.Fault:
    if too_long(kind, name):
        key = "name" if kind.key == "name" else "uri"
        return faults.client_mistake(f'"{key}" must not have more than {longest(kind)} bytes', reason="name_too_long")
    route = catalogue.table.find(kind, name)
    if isinstance(route, Route):
        return route
    refused_name = catalogue.refusal(kind, name)
    if refused_name is not None:
        return refused_name
    if isinstance(route, Hidden):
        return faults.not_available(called or kind.name, name)
    if isinstance(route, Ambiguous):
        several = ", ".join(route.backends)
        return faults.client_mistake(f"views of several backends have a {kind.name} '{name}' ({several}); name it as the list does")
    return faults.unknown_name(called or kind.name, name)


def _place_completion(catalogue: Catalogue, params: Params) -> Placed:
    """A completion goes where the prompt or the resource is that its ``ref`` names (P-92)."""
    ref = decode_object(params.get("ref", EMPTY))
    if isinstance(ref, Malformed):
        return faults.client_mistake('"ref" must be an object')
    kind, key = _REFERRED.get(read_text(ref, "type") or "", (None, ""))
    name = read_text(ref, key)
    if kind is None or name is None:
        return faults.client_mistake('"ref" must be a "ref/prompt" with a "name" or a "ref/resource" with a "uri"')
    if kind is TEMPLATES and name not in catalogue.table.listed[TEMPLATES.method]:  # a plain resource, which may be aliased or hidden
        route = _find(catalogue, RESOURCES, name, TEMPLATES.name)
    else:
        route = _find(catalogue, kind, name)
    return route if isinstance(route, faults.Fault) else (route, params | {"ref": Raw(encode(ref | {key: route.local}))})


_REFERRED: dict[str, tuple[ListKind | None, str]] = {"ref/prompt": (PROMPTS, "name"), "ref/resource": (TEMPLATES, "uri")}
