"""Where what is asked about tasks leads: principals, several backends, and what clients are told of all of them together."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio

from sluicegate.protocol.calls import Call, Caller, Reply
from sluicegate.protocol.eras import LEGACY, MODERN, NEWEST
from sluicegate.protocol.extensions import TASKS
from sluicegate.protocol.messages import Raw, encode
from sluicegate.protocol.offers import KINDS, Hello, Offer
from sluicegate.protocol.principal import Principal
from sluicegate.routing.catalogue import Catalogue, Entry, build
from sluicegate.routing.directory import Directory
from sluicegate.routing.table import Router
from sluicegate.routing.visibility import Visibility

ALL: dict[str, object] = {"tasks": {"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}}}
FEW: dict[str, object] = {"tasks": {"requests": {"tools": {"call": {}}}}}
NONE: dict[str, object] = {"tasks": {"list": {}, "requests": {"sampling": {}}}}
NEW: dict[str, object] = {"extensions": {TASKS: {}}}
ANN, BOB = Principal("ann"), Principal("bob")


def offer(capabilities: dict[str, object], version: str = NEWEST) -> Offer:
    declared = {"tools": {}, **capabilities}
    return Offer(Hello(version, {name: Raw(encode(value)) for name, value in declared.items()}, {}), dict.fromkeys(KINDS, ()))


class Backend:
    """Answers with pages of its tasks, or with what it was asked."""

    def __init__(self, name: str, pages: tuple[tuple[str, ...], ...] = ((),), capabilities: dict[str, object] = ALL) -> None:
        self.pages = pages
        self.heard: list[Any] = []
        self.bound: list[str] = []
        self.entry = Entry(name, name, self.handle, Visibility(), offer(capabilities))

    async def handle(self, call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        params = json.loads(encode(call.params))
        self.heard.append(params)
        self.bound.append(call.trail.bound_to)
        at = int(params.get("cursor", 0))
        more = {"nextCursor": str(at + 1)} if at + 1 < len(self.pages) else {}
        return Reply.of({"tasks": [{"taskId": task} for task in self.pages[at]], **more})


def router(*backends: Backend) -> Router:
    return Router(Directory(build([backend.entry for backend in backends], separator="_")))


async def ask(here: Router, method: str, principal: Principal = ANN, era: str = NEWEST, **params: Any) -> Reply:
    raw = {name: Raw(encode(value)) for name, value in params.items()}
    return await here(Call(method, method, raw, Caller(era, principal=principal)))


async def test_a_task_is_its_principals_alone() -> None:
    a, b = Backend("a"), Backend("b")
    here = router(a, b)
    task = here.tasks.out("b", ANN.key, "t")
    assert (await ask(here, "tasks/get", taskId=task)).fault is None
    assert (a.heard, b.heard, b.bound) == ([], [{"taskId": "t"}], ["b"])
    fault = (await ask(here, "tasks/get", BOB, taskId=task)).fault
    assert fault is not None
    assert (fault.code, fault.reason) == (-32602, "unknown_task")
    assert len(b.heard) == 1


async def test_the_task_of_a_backend_that_is_gone_is_not_found() -> None:
    here = router(Backend("a"))
    fault = (await ask(here, "tasks/get", taskId=here.tasks.out("b", ANN.key, "t"))).fault
    assert fault is not None
    assert fault.reason == "unknown_task"


async def pages(here: Router) -> list[list[str]]:
    found: list[list[str]] = []
    more: dict[str, Any] = {}
    while True:
        page = (await ask(here, "tasks/list", **more)).value
        found.append([task["taskId"] for task in page["tasks"]])  # type: ignore[attr-defined]
        if "nextCursor" not in page:
            return found
        more = {"cursor": str(page["nextCursor"])}


@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        ([((),)], [[]]),
        ([(("x",),), (("y", "z"),)], [["x"], ["y", "z"]]),
        ([(("x",), ("y",)), ((), (), ("z",))], [["x"], ["y"], ["z"]]),
        ([((),), ((), ()), (("z",), ())], [["z"], []]),
    ],
)
async def test_a_list_goes_from_backend_to_backend_in_their_order(
    lists: list[tuple[tuple[str, ...], ...]], expected: list[list[str]]
) -> None:
    backends = [Backend(f"b{number}", one) for number, one in enumerate(lists)]
    assert await pages(router(*backends, Backend("few", (("never",),), FEW))) == expected


async def test_a_backend_that_cannot_say_what_it_runs_costs_the_others_nothing() -> None:
    class Down(Backend):
        async def handle(self, call: Call) -> Reply:
            await super().handle(call)
            return Reply(Raw(b'{"tasks":5}'))

    assert await pages(router(Down("a"), Backend("b", (("y",),)))) == [["y"]]


def tasks_of(catalogue: Catalogue, era: str) -> object:
    return json.loads(catalogue.capabilities(era)).get("tasks")


def test_what_some_backend_can_do_is_told_where_the_revision_has_it() -> None:
    def told(*capabilities: dict[str, object]) -> Catalogue:
        return build([Backend(f"b{number}", capabilities=one).entry for number, one in enumerate(capabilities)], separator="_")

    assert tasks_of(told(FEW, ALL, NONE), NEWEST) == {"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}}
    assert tasks_of(told(FEW), NEWEST) == FEW["tasks"]
    assert tasks_of(told(NONE, NEW, {"tasks": []}), NEWEST) is None
    assert [tasks_of(told(ALL), era) for era in (*LEGACY[:-1], *MODERN)] == [None] * 4


@pytest.mark.parametrize("era", LEGACY[:-1])
async def test_a_client_that_was_not_told_of_tasks_wishes_for_none(era: str) -> None:
    here = router(Backend("a"))
    for method in ("tasks/get", "tasks/list"):
        fault = (await ask(here, method, era=era, taskId=here.tasks.out("a", ANN.key, "t"))).fault
        assert fault is not None
        assert fault.code == -32601


@pytest.mark.parametrize(("era", "kept"), [(NEWEST, True), ("", True), (LEGACY[0], False), (MODERN[-1], False)])
async def test_the_wish_for_a_task_reaches_a_backend_where_its_client_may_have_one(era: str, kept: bool) -> None:
    backend = Backend("a")
    await ask(router(backend), "tools/call", era=era, name="a_x", arguments={}, task={"ttl": 1})
    assert ("task" in backend.heard[0]) == kept


async def test_the_wish_for_a_task_is_dropped_where_no_backend_has_any() -> None:
    backend = Backend("a", capabilities={"tools": {}})
    await ask(router(backend), "tools/call", name="a_x", arguments={}, task={"ttl": 1})
    assert backend.heard == [{"name": "x", "arguments": {}}]
