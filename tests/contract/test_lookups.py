"""What holds for resources, prompts and completions whatever carries them: the client's way in, and the way to the backend."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio
import trio.testing
from tests.flows.asked_clients import FRONTS, AskedClient, Json, asked_client

from sluicegate.protocol.messages import Request
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import ROUTED, Delay, Echo, Note, Result, RpcError, Step
from sluicegate.testing.transports import Transport

Clock = trio.testing.MockClock
fronts = pytest.mark.parametrize("front", FRONTS)
backs = pytest.mark.parametrize("back", Transport)
NOTE, ITEM = "x://notes/today", "x://item/{id}"
LOOKUPS: dict[str, tuple[Json, Json]] = {
    "resources/read": ({"uri": f"b+{NOTE}"}, {"uri": NOTE}),
    "resources/read of a template": ({"uri": "b+x://item/7"}, {"uri": "x://item/7"}),
    "prompts/get": ({"name": "b_greet", "arguments": {"who": "Ann"}}, {"name": "greet", "arguments": {"who": "Ann"}}),
    "completion/complete for a prompt": (
        {"ref": {"type": "ref/prompt", "name": "b_greet"}, "argument": {"name": "who", "value": "A"}},
        {"ref": {"type": "ref/prompt", "name": "greet"}, "argument": {"name": "who", "value": "A"}},
    ),
    "completion/complete for a resource": (
        {"ref": {"type": "ref/resource", "uri": f"b+{ITEM}"}, "argument": {"name": "id", "value": "1"}},
        {"ref": {"type": "ref/resource", "uri": ITEM}, "argument": {"name": "id", "value": "1"}},
    ),
}
"""What a client asks, and what its backend is asked then; by the method, and what is behind it."""
lookups = pytest.mark.parametrize("which", LOOKUPS)


def serving(*steps: Step) -> ScriptedBackend:
    """A backend with something of every kind."""
    return ScriptedBackend(*steps, name="b", resources=[NOTE], templates=[ITEM], prompts=["greet"])


async def asked(here: AskedClient, which: str, **more: Any) -> Json:
    """The answer; what is heard before it stays unheard."""
    await here.client.say(id="q", method=which.partition(" ")[0], params=LOOKUPS[which][0] | more)
    answer = await here.hear()
    assert answer["id"] == "q"
    return answer


def received(here: AskedClient) -> list[tuple[str, Json]]:
    """What the backend was asked by clients, without what is about the request itself."""
    return [
        (message.method, {name: value for name, value in _plain(message).items() if name != "_meta"})
        for message in here.backend.received
        if message.method in ROUTED
    ]


def _plain(message: Any) -> Json:
    assert isinstance(message, Request)
    return {name: json.loads(bytes(raw)) for name, raw in message.params.items()}


@lookups
@fronts
@backs
async def test_a_backend_is_asked_in_its_own_words_and_nothing_else_is_changed(
    which: str, front: str, back: Transport, autojump_clock: Clock
) -> None:
    async with asked_client(front, back, backend=serving(Echo())) as here:
        assert "result" in await asked(here, which)
        assert received(here) == [(which.partition(" ")[0], LOOKUPS[which][1])]


@fronts
@backs
async def test_what_was_read_has_the_uri_that_the_client_knows_and_each_member_that_was_sent(
    front: str, back: Transport, autojump_clock: Clock
) -> None:
    sent: Json = {"contents": [{"uri": NOTE, "mimeType": "text/x", "text": "hi", "_meta": {"uri": NOTE}, "extra": [1.50]}], "more": None}
    async with asked_client(front, back, backend=serving(Result(json.dumps(sent).encode()))) as here:
        result = (await asked(here, "resources/read"))["result"]
        assert {name: value for name, value in result.items() if name != "resultType"} == sent | {
            "contents": [sent["contents"][0] | {"uri": f"b+{NOTE}"}]
        }


@fronts
@backs
async def test_a_prompt_that_embeds_a_resource_names_it_so_that_it_can_be_read(front: str, back: Transport, autojump_clock: Clock) -> None:
    block = {"type": "resource", "resource": {"uri": NOTE, "text": "hi"}}
    sent = {"messages": [{"role": "user", "content": block}]}
    async with asked_client(front, back, backend=serving(Result(json.dumps(sent).encode()), Echo())) as here:
        named = (await asked(here, "prompts/get"))["result"]["messages"][0]["content"]["resource"]["uri"]
        assert "result" in await asked(here, "resources/read", uri=named)
        assert received(here)[-1] == ("resources/read", {"uri": NOTE})


@lookups
@fronts
@backs
async def test_an_error_of_the_backend_comes_as_it_was_said(which: str, front: str, back: Transport, autojump_clock: Clock) -> None:
    async with asked_client(front, back, backend=serving(RpcError(-32050, "not today", {"when": "tomorrow"}))) as here:
        assert (await asked(here, which))["error"] == {"code": -32050, "message": "not today", "data": {"when": "tomorrow"}}


@fronts
@backs
async def test_a_resource_that_is_not_there_is_missed_under_the_name_that_was_asked_for(
    front: str, back: Transport, autojump_clock: Clock
) -> None:
    async with asked_client(front, back, backend=serving(RpcError(-32002, "gone", {"uri": NOTE}))) as here:
        assert (await asked(here, "resources/read"))["error"] == {"code": -32002, "message": "gone", "data": {"uri": f"b+{NOTE}"}}


@pytest.mark.parametrize(
    ("which", "more"),
    [
        ("resources/read", {"uri": "nobody+x://notes/today"}),
        ("prompts/get", {"name": "nobody_greet"}),
        ("completion/complete for a prompt", {"ref": {"type": "ref/prompt", "name": "nobody_greet"}}),
        ("completion/complete for a resource", {"ref": {"type": "ref/resource", "uri": "nobody+x://item/{id}"}}),
        ("completion/complete for a resource", {"ref": {"type": "ref/nothing", "uri": NOTE}}),
    ],
)
@fronts
@backs
async def test_what_nobody_has_is_refused_and_no_backend_hears_of_it(
    which: str, more: Json, front: str, back: Transport, autojump_clock: Clock
) -> None:
    async with asked_client(front, back, backend=serving()) as here:
        assert (await asked(here, which, **more))["error"]["code"] == -32602
        assert received(here) == []


@pytest.mark.parametrize("which", ["resources/read", "prompts/get"])
@fronts
@backs
async def test_progress_of_what_is_no_tool_comes_before_its_answer(which: str, front: str, back: Transport, autojump_clock: Clock) -> None:
    async with asked_client(front, back, backend=serving(Note(0.5, Delay(1)))) as here:
        await here.client.say(id="q", method=which, params=LOOKUPS[which][0] | {"_meta": {"progressToken": "p"}})
        note, answer = [await here.hear() for _ in range(2)]
        assert (note["method"], note["params"]["progressToken"], note["params"]["progress"]) == ("notifications/progress", "p", 0.5)
        assert answer["id"] == "q"


@lookups
@fronts
@backs
async def test_one_that_is_given_up_is_taken_back_from_the_backend(which: str, front: str, back: Transport, autojump_clock: Clock) -> None:
    async with asked_client(front, back, backend=serving(Delay(1000))) as here:
        await here.client.say(id="q", method=which.partition(" ")[0], params=LOOKUPS[which][0])
        await trio.sleep(1)
        await here.client.say(method="notifications/cancelled", params={"requestId": "q"})
        await trio.sleep(1)
        assert here.backend.cancelled == [1]
