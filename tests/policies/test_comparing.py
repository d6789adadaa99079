"""Where two answers differ (LIM-21)."""

import itertools
import json
import random
import time
from collections.abc import Sequence
from typing import Any

import pytest
import trio
import trio.testing

from sluicegate.policies import comparing
from sluicegate.policies.comparing import LARGEST, MOST_PLACES, Unlike, compare, differing
from sluicegate.protocol import faults
from sluicegate.protocol.calls import Reply
from sluicegate.protocol.faults import Cause, Fault
from sluicegate.protocol.json_pointers import read_pointer
from sluicegate.protocol.messages import Raw

TOOL = "tools/call"


async def places(source: str, mirror: str, *ignored: str) -> list[tuple[str, str, str]]:
    found = await differing(Raw(source.encode()), Raw(mirror.encode()), [read_pointer(text) for text in ignored])
    return [(place.path, place.source, place.mirror) for place in found]


@pytest.mark.parametrize(
    ("source", "mirror"),
    [
        ('{"a":1,"b":[2,{}]}', '{ "b" : [2, {}], "a":1 }'),
        ('{"a":"\\u00e9"}', '{"a":"é"}'),
        ("[]", "[ ]"),
        ('{"a":{"b":{"d":1,"c":2}}}', '{"a":{"b":{"c":2,"d":1}}}'),
    ],
)
async def test_the_order_of_members_blanks_and_how_a_text_is_written_do_not_matter(source: str, mirror: str) -> None:
    assert await places(source, mirror) == []


@pytest.mark.parametrize(
    ("source", "mirror", "found"),
    [
        ('{"a":1}', '{"a":1.0}', ("/a", "number", "number")),
        ('{"a":1e2}', '{"a":100}', ("/a", "number", "number")),
        ('{"a":12345678901234567890}', '{"a":12345678901234567891}', ("/a", "number", "number")),
        ('{"a":true}', '{"a":false}', ("/a", "boolean", "boolean")),
        ('{"a":null}', "{}", ("/a", "null", "absent")),
        ("{}", '{"a":{"b":1}}', ("/a", "absent", "object")),
        ('{"a":"1"}', '{"a":1}', ("/a", "string", "number")),
        ('{"a":[1]}', '{"a":{"0":1}}', ("/a", "array", "object")),
        ('{"a":[1,2,3]}', '{"a":[1]}', ("/a", "array of 3", "array of 1")),
        ('[1,{"b":[0,"x"]}]', '[1,{"b":[0,"y"]}]', ("/1/b/1", "string", "string")),
        ('"x"', '"y"', ("", "string", "string")),
        ('{"a/b":1}', '{"a/b":2}', ("/?", "number", "number")),
    ],
)
async def test_a_difference_is_told_by_its_place_and_by_the_kinds_of_what_is_there(
    source: str, mirror: str, found: tuple[str, str, str]
) -> None:
    """Numbers count as they are written: a program that reads them may not make the same of both."""
    assert await places(source, mirror) == [found]


async def test_of_arrays_with_more_or_less_the_others_are_compared_too() -> None:
    assert await places("[1,2,3]", "[1,4]") == [("", "array of 3", "array of 2"), ("/1", "number", "number")]


@pytest.mark.parametrize(
    ("ignored", "left"),
    [
        (("/_meta",), ["/content/0/text", "/content/1/text"]),
        (("/_meta/time",), ["/_meta/more/deep", "/content/0/text", "/content/1/text"]),
        (("/content/*/text",), ["/_meta/time", "/_meta/more/deep"]),
        (("/content/1", "/*/time"), ["/_meta/more/deep", "/content/0/text"]),
        (("/_meta", "/content"), []),
        (("/nowhere", "/content/text", "/content/00"), ["/_meta/time", "/_meta/more/deep", "/content/0/text", "/content/1/text"]),
    ],
)
async def test_places_that_are_ignored_do_not_count_nor_does_what_is_below_them(ignored: tuple[str, ...], left: list[str]) -> None:
    one = '{"_meta":{"time":1,"more":{"deep":1}},"content":[{"text":"a"},{"text":"b"}]}'
    other = '{"content":[{"text":"c"},{"text":"d"}],"_meta":{"more":{},"time":2}}'
    assert [place[0] for place in await places(one, other, *ignored)] == left


async def test_what_only_one_side_has_can_be_ignored_too() -> None:
    assert await places('{"a":1,"b":2}', '{"b":2}', "/a") == []
    assert await places("[1,2]", '[1,2,"id"]', "/2") == [("", "array of 2", "array of 3")], "an array of another length is another one"


SECRETS = ("sk-live-4242424242424242", "alice@example.com", "4111111111111111", "/home/alice/.ssh", "eyJhbGciOiJIUzI1NiJ9.e30.x", "ünïcode")


@pytest.mark.parametrize("secret", SECRETS)
async def test_no_value_is_told_and_no_name_that_may_be_one(secret: str) -> None:
    one, other = json.dumps({secret: {"a": secret}}), json.dumps({secret: {"a": [secret]}})
    assert await places(one, other) == [("/?/a", "string", "array")]


async def test_a_path_has_a_bound_and_so_have_the_places_that_are_told() -> None:
    deep: Any = 1
    for _level in range(100):
        deep = {"level": deep}
    (place,) = await places(json.dumps(deep), json.dumps(deep).replace("1", "2"))
    assert len(place[0]) == 200
    many = await places(json.dumps([*range(50)]), json.dumps([*range(1, 51)]))
    assert [place[0] for place in many] == [f"/{number}" for number in range(MOST_PLACES)]


async def test_what_became_of_the_calls_is_compared_first() -> None:
    good, bad = Reply.saying("a"), Reply.saying("a", is_error=True)
    lost = Reply.failed(faults.cannot_ask())
    own = Reply.failed(Fault(Cause.BACKEND, -32602, "no", raw=Raw(b'{"code":-32602,"message":"no"}')))
    other = Reply.failed(Fault(Cause.BACKEND, -32603, "no", raw=Raw(b'{"code":-32603,"message":"no"}')))
    expected: Sequence[tuple[Reply, Reply | None, tuple[str, str]]] = [
        (good, bad, ("ok", "tool_error")),
        (good, None, ("ok", "no_answer")),
        (bad, own, ("tool_error", "error -32602")),
        (own, other, ("error -32602", "error -32603")),
        (lost, good, (lost.outcome(TOOL), "ok")),
    ]
    for source, mirror, words in expected:
        assert await compare(TOOL, source, mirror) == (Unlike("", *words),)
    for reply in (good, bad, lost, own):
        assert await compare(TOOL, reply, reply) == ()


async def test_errors_of_backends_are_compared_like_results_under_error() -> None:
    one, other = (
        Reply.failed(Fault(Cause.BACKEND, -32000, word, raw=Raw(b'{"code":-32000,"message":"%s"}' % word.encode()))) for word in "ab"
    )
    assert await compare(TOOL, one, other) == (Unlike("/error/message", "string", "string"),)
    assert await compare(TOOL, one, other, [("error", "message")]) == ()


async def test_what_is_too_large_is_compared_by_its_bytes() -> None:
    one, other = (Reply(Raw(b'{"a":"' + letter * LARGEST + b'"}')) for letter in (b"x", b"y"))
    longer = Reply(Raw(b'{"a":"' + b"x" * LARGEST + b'!"}'))
    size = LARGEST + len('{"a":""}')
    assert await compare(TOOL, one, Reply(Raw(bytes(one.result)))) == ()
    assert await compare(TOOL, one, other) == (Unlike("", f"{size} bytes", f"{size} bytes"),)
    assert await compare(TOOL, one, longer) == (Unlike("", f"{size} bytes", f"{size + 1} bytes"),)


@pytest.mark.parametrize(
    "document",
    [
        "[" + ",".join(["1"] * 500_000) + "]",
        "{" + ",".join(f'"k{number}":{{"v":1}}' for number in range(15_000)) + "}",
        '{"a":' * 5_000 + "1" + "}" * 5_000,
        "[" * 900 + ",".join(f'"{"x" * 1000}"' for _ in range(1000)) + "]" * 900,
    ],
    ids=["many", "wide", "deep", "deep and large"],
)
async def test_whatever_is_compared_others_get_their_turn_meanwhile(document: str) -> None:
    """The steps in between, by process time: under 20 ms each. The widest are compared whole, the deepest end at a bound."""
    other = document.replace("1", "2").replace('"x', '"y')
    steps = [time.process_time()]

    async def watch() -> None:
        while True:
            steps.append(time.process_time())
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        await trio.lowlevel.checkpoint()
        found = await differing(Raw(document.encode()), Raw(other.encode()), [("*", "w")])
        nursery.cancel_scope.cancel()
    assert found
    assert max(later - earlier for earlier, later in itertools.pairwise(steps)) < 0.02


@pytest.mark.parametrize("seed", range(30))
async def test_a_document_is_the_same_as_itself_written_otherwise_and_differs_where_it_was_changed(seed: int) -> None:
    chance = random.Random(seed)
    ways: list[tuple[Any, Any]] = []

    def made(depth: int) -> Any:
        kind = chance.choice("soan" if depth else "sn")
        if kind == "s":
            return chance.choice(["", "é", "a\n", '"'])
        if kind == "n":
            return chance.choice([0, 1.5, True, None])
        if kind == "a":
            return [made(depth - 1) for _ in range(chance.randrange(4))]
        return {chance.choice("abcdef"): made(depth - 1) for _ in range(chance.randrange(4))}

    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            pairs = [(key, shuffled(one)) for key, one in value.items()]
            chance.shuffle(pairs)
            return dict(pairs)
        return [shuffled(one) for one in value] if isinstance(value, list) else value

    def holders(value: Any) -> None:
        for key, one in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
            ways.append((value, key))
            holders(one)

    document = {"root": made(5), "last": 0}
    again = shuffled(document)
    one, other = json.dumps(document, ensure_ascii=False), json.dumps(again, ensure_ascii=True, indent=1)
    assert await places(one, other) == []
    holders(again)
    holder, key = chance.choice(ways)
    holder[key] = "something else"
    assert len(await places(one, json.dumps(again))) == 1


def test_the_bounds_are_what_the_help_says() -> None:
    assert (LARGEST, MOST_PLACES, comparing._LONGEST) == (1024 * 1024, 8, 200)
