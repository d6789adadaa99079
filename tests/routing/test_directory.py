"""Who asks is told what is there for him: the router, the lists and the capabilities look at the catalogue of their caller."""

from __future__ import annotations

import json

import attrs
import pytest
import trio

from sluicegate.frontends.endpoint import Endpoint
from sluicegate.protocol.back import Silent
from sluicegate.protocol.calls import Call, Caller, Reply
from sluicegate.protocol.log_wishes import LogWishes
from sluicegate.protocol.messages import EMPTY, Params, Raw, encode
from sluicegate.protocol.offers import KINDS, TOOLS, Hello, Item, ListKind, Offer
from sluicegate.protocol.principal import Principal
from sluicegate.routing.catalogue import Catalogue, Entry, build
from sluicegate.routing.directory import Directory, ListChange
from sluicegate.routing.table import Router

ANN, BOB = Caller("2025-11-25", principal=Principal("ann")), Caller("2025-11-25", principal=Principal("bob"))
HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}


async def echo(call: Call) -> Reply:
    await trio.lowlevel.checkpoint()
    return Reply.saying(call.local)


async def at_once() -> None:
    await trio.lowlevel.checkpoint()


def offering(namespace: str, *capabilities: str) -> Catalogue:
    items = (Item("t", {"name": Raw(encode("t"))}),)
    lists: dict[ListKind, tuple[Item, ...]] = {kind: items if kind is TOOLS else () for kind in KINDS}
    hello = Hello("2025-11-25", dict.fromkeys(("tools", *capabilities), EMPTY), {})
    return build([Entry(namespace, namespace, echo, offer=Offer(hello, lists))], separator="_")


@attrs.define(eq=False)
class Private(Directory):
    """Shows Ann what nobody else sees."""

    anns: Catalogue = attrs.field(factory=lambda: offering("anns", "logging"))

    def seen_by(self, caller: Caller) -> Catalogue:
        return self.anns if caller is ANN else super().seen_by(caller)


CAN = {"sampling": EMPTY}


@attrs.frozen
class Home(Silent):
    """Where sessions of one client could live (implements `Household`)."""

    owner: tuple[str, str] = ("", "")

    level: str | None = None
    levels: LogWishes = attrs.field(factory=LogWishes)

    def keep(self, resident: object) -> bool:
        raise AssertionError(resident)


def at_home(**can: Raw) -> Caller:
    """Who may have sessions of his own."""
    return Caller("2025-11-25", can, home=Home())


CAL, DAN, EVE = at_home(**CAN), at_home(**CAN), at_home(roots=EMPTY)
TOOLS_CHANGED = frozenset({"notifications/tools/list_changed"})


def test_who_is_offered_something_else_sees_that_and_is_told_of_its_changes() -> None:
    directory, heard = Directory(), list[ListChange]()
    directory.subscribe(heard.append)
    directory.replace(offering("all"))
    heard.clear()
    for caller in (BOB, CAL):
        directory.read_by(caller)
    directory.replace(offering("all"), {CAL.abilities: offering("apart")})
    assert [directory.seen_by(caller) is directory.current for caller in (BOB, EVE, CAL, DAN)] == [True, True, False, False]
    assert [change.told_to(caller) for change in heard for caller in (BOB, EVE, CAL, DAN)] == [
        frozenset(),
        frozenset(),
        TOOLS_CHANGED,
        TOOLS_CHANGED,
    ]
    heard.clear()
    directory.replace(offering("other"), {CAL.abilities: offering("apart")})
    assert [change.told_to(caller) for change in heard for caller in (BOB, EVE, CAL)] == [TOOLS_CHANGED, TOOLS_CHANGED, frozenset()]
    heard.clear()
    directory.replace(offering("other"))
    assert directory.seen_by(CAL) is directory.current
    assert [change.told_to(caller) for change in heard for caller in (BOB, CAL)] == [frozenset(), TOOLS_CHANGED]


def test_who_has_read_no_list_is_not_told_that_he_is_offered_something_else() -> None:
    directory, heard = Directory(offering("all")), list[ListChange]()
    directory.subscribe(heard.append)
    directory.replace(offering("all"), {CAL.abilities: offering("apart")})
    assert heard == []


def test_what_was_declared_to_some_stays_declared_to_them() -> None:
    directory = Directory(offering("all"))
    directory.replace(offering("all"), {CAL.abilities: offering("apart", "logging")})
    directory.replace(offering("all"), {CAL.abilities: offering("apart")})
    assert [directory.seen_by(caller).declares("logging") for caller in (BOB, CAL)] == [False, True]


def call(caller: Caller, method: str, **params: object) -> Call:
    written: Params = {key: Raw(encode(value)) for key, value in params.items()}
    return Call(method, str(params.get("name", method)), written, caller)


@pytest.mark.parametrize(("caller", "tool", "other", "logs"), [(ANN, "anns_t", "all_t", True), (BOB, "all_t", "anns_t", False)])
async def test_a_caller_is_led_and_listed_and_told_by_his_own_catalogue(caller: Caller, tool: str, other: str, logs: bool) -> None:
    directory = Private()
    directory.replace(offering("all"))
    async with trio.open_nursery() as calls:
        endpoint = Endpoint("x", "1", Router(directory), directory, at_once, calls)
        listed = await endpoint.handle(call(caller, "tools/list"))
        assert [item["name"] for item in json.loads(bytes(listed.result))["tools"]] == [tool]
        assert (await endpoint.handle(call(caller, "tools/call", name=tool))).text == "t"
        refused = await endpoint.handle(call(caller, "tools/call", name=other))
        assert refused.fault is not None
        assert refused.fault.message == f"Unknown tool: {other}"
        hello = json.loads(bytes((await endpoint.handle(call(caller, "initialize", **HELLO))).result))
        assert ("logging" in hello["capabilities"]) is logs
        assert ((await endpoint.handle(call(caller, "logging/setLevel", level="debug"))).fault is None) is logs
        assert endpoint.declares(caller, "logging") is logs
