"""What must not pass is found in every text, however it is escaped, and nothing else is changed (LIM-93)."""

from __future__ import annotations

import json
import random
import re
import tracemalloc
from typing import Any

import pytest
import trio

from sluicegate import Builder, Guardrails, GuardrailSettings
from sluicegate.config.load import ConfigError
from sluicegate.gateway.opening import open_gateway
from sluicegate.policies.guarded_texts import REDACTED, TextGuard
from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.faults import backend_error, client_mistake
from sluicegate.protocol.messages import Raw
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import Answer, RpcError

Clock = trio.testing.MockClock
KEYS = {
    "AWS": "AKIAIOSFODNN7EXAMPLE",
    "GitHub": "ghp_" + "a1" * 18,
    "Slack": "xoxb-123456789012-abcdef",
    "a signed token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlMTIz",
    "a private key": "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAKC==\n-----END RSA PRIVATE KEY-----",
}


def policy(reply: Reply, seen: list[Call] | None = None, **settings: Any) -> Guardrails:
    async def inner(call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        if seen is not None:
            seen.append(call)
        return reply

    return Guardrails(inner, GuardrailSettings(**settings), "b")


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("ascii", [False, True])
async def test_keys_of_known_forms_are_taken_out_wherever_they_stand(kind: str, ascii: bool) -> None:
    """LIM-93."""
    document = {"content": [{"type": "text", "text": f"ключ: {KEYS[kind]} end"}], "structuredContent": {"a": [1, {"b": KEYS[kind]}]}}
    guard = policy(Reply(Raw(json.dumps(document, ensure_ascii=ascii).encode())))

    told = (await guard(Call.tool("t"))).value

    assert told == {
        "content": [{"type": "text", "text": f"ключ: {REDACTED} end"}],
        "structuredContent": {"a": [1, {"b": REDACTED}]},
    }
    assert guard.statistics().redacted == 1


async def test_an_escape_hides_nothing() -> None:
    spelled = "".join(f"\\u{ord(letter):04x}" for letter in KEYS["AWS"])
    guard = policy(Reply(Raw(b'{"a":"%b"}' % spelled.encode())))
    assert (await guard(Call.tool("t"))).value == {"a": REDACTED}


async def test_all_else_keeps_its_bytes() -> None:
    before, after = b'{ "n":1.10, "big":123456789012345678901234567890,\n "e":1e400, "s":"\\u00e9\\/\\ud800", "k": "', b'" , "n":null}'
    guard = policy(Reply(Raw(before + KEYS["AWS"].encode() + after)))
    assert bytes((await guard(Call.tool("t"))).result) == before + REDACTED.encode() + after


async def test_what_has_nothing_to_hide_is_the_same_object() -> None:
    image = b"A/AKIAIOSFODNN7EXAMPLE/" * 100
    reply = Reply(Raw(b'{"AKIAIOSFODNN7EXAMPLE":1,"data":"%b","blob" : "%b","a":"AKIA"}' % (image, image)))
    guard = policy(reply)
    assert await guard(Call.tool("t")) is reply
    assert guard.statistics().redacted == 0


@pytest.mark.parametrize(
    "document",
    [
        {"structuredContent": {"data": "KEY"}},
        {"data": {"data": "KEY"}},
        {"blob": ["a", "KEY"]},
        {"items": [{"data": 1}, "KEY"]},
        {"data": "A" * 2000 + " KEY"},
        {"data": "A" * 2000, "text": "KEY"},
    ],
)
async def test_only_an_image_or_the_like_is_not_looked_at(document: Any) -> None:
    text = json.dumps(document)
    reply = await policy(Reply(Raw(text.replace("KEY", KEYS["AWS"]).encode())))(Call.tool("t"))
    assert bytes(reply.result).decode() == text.replace("KEY", REDACTED)


async def test_a_text_of_many_escapes_takes_no_more_than_its_own_size() -> None:
    """It was tried in all its parts, with 60 bytes of memory for each of its own."""
    document = b'{"a":"' + b"\\n" * 1_000_000 + b'"}'
    tracemalloc.start()
    try:
        await TextGuard(("4711",)).look_through(document)
        assert tracemalloc.get_traced_memory()[1] < 10 * len(document)
    finally:
        tracemalloc.stop()


async def test_patterns_are_found_beside_half_a_character() -> None:
    guard = policy(Reply(Raw(b'{"a":"x\\ud800 4711-0815"}')), patterns=("[0-9]{4}-[0-9]{4}",), secrets=False)
    assert (await guard(Call.tool("t"))).value == {"a": f"x? {REDACTED}"}


@pytest.mark.parametrize("action", ["refuse", "warn", "pass"])
async def test_a_result_can_be_refused_told_of_or_left_alone(action: str, caplog: pytest.LogCaptureFixture, autojump_clock: Clock) -> None:
    caplog.set_level("INFO")
    reply = Reply.saying(KEYS["AWS"])
    guard = policy(reply, results=action)
    answer = await guard(Call.tool("t"))
    counted = guard.statistics()
    assert (counted.refused, counted.warned) == ((1, 0) if action == "refuse" else (0, 1) if action == "warn" else (0, 0))
    assert (answer is reply) == (action != "refuse")
    assert ("guardrails have found" in caplog.text) == (action == "warn")
    assert KEYS["AWS"] not in caplog.text
    if answer.fault is not None:
        assert answer.fault.message.endswith("it holds what its guardrails do not let pass")


async def test_an_error_of_the_backends_is_looked_through_as_well() -> None:
    raw = Raw(json.dumps({"code": -32000, "message": f"bad key {KEYS['AWS']}", "data": {"x": KEYS["AWS"]}}).encode())
    guard = policy(Reply.failed(backend_error("b", raw)))
    fault = (await guard(Call.tool("t"))).fault
    assert fault is not None
    assert json.loads(fault.encode()) == {"code": -32000, "message": f"bad key {REDACTED}", "data": {"x": REDACTED}}
    assert KEYS["AWS"] not in repr(fault)
    ours = Reply.failed(client_mistake("no"))
    assert await policy(ours)(Call.tool("t")) is ours


@pytest.mark.parametrize("action", ["redact", "refuse", "warn", "pass"])
async def test_so_it_is_with_arguments(action: str, autojump_clock: Clock) -> None:
    seen: list[Call] = []
    guard = policy(Reply.saying("done"), seen, arguments=action)
    reply = await guard(Call.tool("t", {"text": KEYS["Slack"], "n": 1}))
    if action == "refuse":
        assert (seen, reply.fault is not None and reply.fault.code) == ([], -32602)
    else:
        assert seen[0].arguments == {"text": REDACTED if action == "redact" else KEYS["Slack"], "n": 1}
        assert reply.text == "done"


async def test_what_is_kept_is_looked_through_when_it_is_given(autojump_clock: Clock) -> None:
    look = {"name": "look", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}}
    backend = ScriptedBackend(Answer(KEYS["AWS"]), RpcError(-32000, f"no {KEYS['AWS']}"), tools=[look, "act"])
    builder = Builder("x").backend("b", backend.connector, guardrails={}, cache={"tool_ttl_seconds": 60})
    async with open_gateway(builder.config(), servers={"b": backend.connector}) as gateway:
        await gateway.settled()
        assert [(await gateway.call_tool("b_look")).text for _ in range(3)] == [REDACTED] * 3
        assert len([one for one in backend.received if one.method == "tools/call"]) == 1


@pytest.mark.parametrize("seed", range(30))
async def test_it_finds_what_a_walk_through_the_decoded_document_finds(seed: int) -> None:
    chance = random.Random(seed)
    signs = 'ab7\\"/\n\té\u2028😀:,{}[]'

    def text() -> str:
        return "".join(chance.choice((*signs, "4711")) for _ in range(chance.randrange(12)))

    def value(depth: int) -> Any:
        kind = chance.random()
        if depth and kind < 0.3:
            return {text() + "k": value(depth - 1) for _ in range(chance.randrange(4))}
        if depth and kind < 0.5:
            return [value(depth - 1) for _ in range(chance.randrange(4))]
        return chance.choice((text(), text(), 1, 1.5, None, True))

    def cleaned(of: Any) -> Any:
        if isinstance(of, str):
            return re.sub("4711|a+b", REDACTED, of)
        if isinstance(of, dict):
            return {name: cleaned(inner) for name, inner in of.items()}
        return [cleaned(inner) for inner in of] if isinstance(of, list) else of

    document = {"all": value(4)}
    data = json.dumps(document, ensure_ascii=chance.random() < 0.5, indent=chance.choice((None, 1))).encode()
    found = await TextGuard(("4711", "a+b")).look_through(data)
    assert (document if found is None else json.loads(found.document)) == cleaned(document)
    assert (found is None) == (cleaned(document) == document)


async def test_others_get_their_turn_while_a_large_document_is_looked_through() -> None:
    data = json.dumps({"a": ["x" * 100] * 5_000}).encode()
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(others)
        await TextGuard(("4711",)).look_through(data)
        nursery.cancel_scope.cancel()
    assert turns >= len(data) // (2 * 64 * 1024)


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"patterns": ["("]}, "guardrails.patterns[0]: this is no regular expression"),
        ({"patterns": ["(?=x)"]}, "guardrails.patterns[0]: this is no regular expression"),
        ({"secrets": False}, "guardrails have no effect: they look for nothing"),
        ({"results": "pass"}, "guardrails have no effect: all passes"),
    ],
)
async def test_what_makes_no_sense_is_an_error(settings: dict[str, Any], error: str) -> None:
    builder = Builder("x").backend("b", "http://b.example/mcp", guardrails=settings)
    with pytest.raises(ConfigError) as caught:
        async with open_gateway(builder.config()):
            pytest.fail("it was opened")
    assert any(error in str(problem) for problem in caught.value.problems), caught.value
