"""From what a client names to the backend that has it."""

import json
from typing import Any

import attrs
import pytest
import trio
from tests.kit.replies import failed

from sluicegate.policies.mirror import Mirror, Shadow
from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.faults import backend_error
from sluicegate.protocol.messages import EMPTY, Raw, decode_object, encode
from sluicegate.protocol.offers import KINDS, PROMPTS, RESOURCES, TEMPLATES, TOOLS, Hello, Item, ListKind, Offer
from sluicegate.routing.catalogue import Entry, build
from sluicegate.routing.directory import Directory
from sluicegate.routing.table import Router
from sluicegate.routing.visibility import Filter, Visibility


@attrs.define(eq=False)
class Recorder:
    """Remembers what it was asked and gives one answer."""

    reply: Reply = attrs.field(factory=lambda: Reply(Raw(b'{"content":[]}')))
    calls: list[Call] = attrs.field(factory=list)

    async def __call__(self, call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        self.calls.append(call)
        return self.reply

    @property
    def params(self) -> list[Any]:
        return [json.loads(encode(call.params)) for call in self.calls]


def call(method: str, **params: Any) -> Call:
    raw = decode_object(encode(params))
    assert isinstance(raw, dict)
    return Call(method, str(params.get("name", method)), raw)


def offer(lists: dict[ListKind, tuple[str, ...]]) -> Offer:
    items = {kind: tuple(Item(key, {kind.key: Raw(encode(key))}) for key in lists.get(kind, ())) for kind in KINDS}
    return Offer(Hello("2025-11-25", {kind.capability: EMPTY for kind in lists}, {}), items)


def router(*entries: Entry, **settings: Any) -> Router:
    return Router(Directory(build(entries, separator=settings.pop("separator", "_"), **settings)))


ALL = offer({TOOLS: ("add",), RESOURCES: ("file:///x",), TEMPLATES: ("file:///{p}",), PROMPTS: ("greet",)})


@pytest.mark.parametrize(
    ("method", "key", "full", "local"),
    [
        ("tools/call", "name", "math_add", "add"),
        ("tools/call", "name", "math_not_in_the_list", "not_in_the_list"),
        ("resources/read", "uri", "math+file:///x", "file:///x"),
        ("resources/read", "uri", "math+file:///from/a/template", "file:///from/a/template"),
        ("prompts/get", "name", "math_greet", "greet"),
    ],
)
async def test_a_call_reaches_its_backend_under_the_local_name(method: str, key: str, full: str, local: str) -> None:
    math, text = Recorder(), Recorder()
    route = router(Entry("text", "text", text, offer=ALL), Entry("math", "math", math, offer=ALL))

    reply = await route(call(method, **{key: full}))

    assert math.reply.result == reply.result
    assert [{key: local}] == math.params
    assert text.calls == []


async def test_everything_beside_the_name_passes_untouched() -> None:
    """LIM-11: continuation state, tasks and metadata are the backend's business."""
    math = Recorder()
    params = {"arguments": {"a": 1}, "_meta": {"progressToken": 7, "x": None}, "requestState": "s", "inputResponses": {"q": 1}}
    original = call("tools/call", name="math_add", **params)

    await router(Entry("math", "math", math, offer=ALL))(original)

    assert [{"name": "add", **params}] == math.params
    (copy,) = math.calls
    assert (original.scope, original.trail, original.back) == (copy.scope, copy.trail, copy.back)
    assert bytes(original.params["name"]) == b'"math_add"'


async def test_another_separator_leads_to_the_same_place() -> None:
    math = Recorder()

    await router(Entry("math", "math", math, offer=ALL), separator=".")(call("tools/call", name="math.add"))

    assert math.params == [{"name": "add"}]


@pytest.mark.parametrize(
    ("method", "key", "message"),
    [
        ("tools/call", "name", "Unknown tool: nobody_x"),
        ("resources/read", "uri", "Unknown resource: nobody_x"),
        ("prompts/get", "name", "Unknown prompt: nobody_x"),
    ],
)
async def test_a_name_that_nobody_has_is_refused(method: str, key: str, message: str) -> None:
    fault = failed(await router(Entry("math", "math", Recorder(), offer=ALL))(call(method, **{key: "nobody_x"})))

    assert (-32602, message, False) == (fault.code, fault.message, fault.started)


@pytest.mark.parametrize("params", [{}, {"name": None}, {"name": 5}, {"name": ["math_add"]}])
async def test_a_call_without_a_readable_name_is_refused(params: dict[str, Any]) -> None:
    fault = failed(await router(Entry("math", "math", Recorder(), offer=ALL))(call("tools/call", **params)))

    assert fault.code == -32602
    assert '"name" must be' in fault.message


@pytest.mark.parametrize("key", ["arguments", "_meta"])
@pytest.mark.parametrize("value", [[], 5, "x", True])
async def test_a_member_that_has_to_be_an_object_and_is_none_never_reaches_a_backend(key: str, value: Any) -> None:
    """Servers answer that with -32603 or not at all, so one caller's mistake would open the breaker for everybody."""
    math = Recorder()

    fault = failed(await router(Entry("math", "math", math, offer=ALL))(call("tools/call", name="math_add", **{key: value})))

    assert (-32602, f'"{key}" must be an object', "invalid_params") == (fault.code, fault.message, fault.reason)
    assert math.calls == []


async def test_arguments_and_metadata_that_are_null_are_left_out() -> None:
    math = Recorder()

    await router(Entry("math", "math", math, offer=ALL))(call("tools/call", name="math_add", arguments=None, _meta=None, x=None))

    assert math.params == [{"name": "add", "x": None}]


@pytest.mark.parametrize("method", ["tasks/get", "resources/subscribe", "logging/setLevel", "x"])
async def test_a_method_that_nobody_serves_is_refused(method: str) -> None:
    fault = failed(await router(Entry("math", "math", Recorder(), offer=ALL))(call(method)))

    assert fault.code == -32601
    assert "not supported" in fault.message


async def test_a_kind_that_nobody_offers_is_an_unknown_method() -> None:
    """P-86: what is not declared is not there."""
    route = router(Entry("math", "math", Recorder(), offer=offer({TOOLS: ("add",)})))

    assert failed(await route(call("prompts/get", name="math_greet"))).code == -32601


async def test_while_nothing_is_known_the_prefix_leads_to_the_backend() -> None:
    math = Recorder()

    await router(Entry("math", "math", math))(call("prompts/get", name="math_greet"))

    assert math.params == [{"name": "greet"}]


@pytest.mark.parametrize(
    ("visibility", "name"),
    [
        (Visibility(Filter.parse(hide=["add"])), "math_add"),
        (Visibility(Filter.parse(expose=["sub"])), "math_add"),
        (Visibility(Filter.parse(expose=["sub"])), "math_not_in_the_list"),
        (Visibility(aliases={"add": "plus"}), "math_add"),
        (Visibility(hidden=True), "math_add"),
    ],
)
async def test_what_is_hidden_cannot_be_called(visibility: Visibility, name: str) -> None:
    math = Recorder()

    fault = failed(
        await router(Entry("math", "math", math, visibility, ALL), Entry("b", "b", math, offer=ALL))(call("tools/call", name=name))
    )

    assert (-32602, f"Tool not available: {name}") == (fault.code, fault.message)
    assert math.calls == []


@pytest.mark.parametrize(
    ("method", "key", "name", "words"),
    [
        ("tools/call", "name", "math_add", "Tool not available: math_add"),
        ("resources/read", "uri", "math+file:///x", "Resource not available: math+file:///x"),
        ("prompts/get", "name", "math_greet", "Prompt not available: math_greet"),
    ],
)
async def test_a_refusal_says_of_what_kind_it_is_and_how_it_was_called(method: str, key: str, name: str, words: str) -> None:
    """FLT-2."""
    nothing = Filter.parse(hide=["**"])
    hidden = router(Entry("math", "math", Recorder(), Visibility(nothing, nothing, nothing), ALL))

    fault = failed(await hidden(call(method, **{key: name})))

    assert (fault.code, fault.message) == (-32602, words)


@pytest.mark.parametrize(
    ("method", "key", "name"),
    [
        ("tools/call", "name", "math_sub"),
        ("tools/call", "name", "math_ADD"),
        ("prompts/get", "name", "math_part"),
        ("resources/read", "uri", "math+file:///y"),
    ],
)
async def test_what_a_filtered_backend_does_not_list_is_not_sent_to_it(method: str, key: str, name: str) -> None:
    math = Recorder()
    every = Filter.parse(expose=["**"])
    listing = offer({TOOLS: ("add",), RESOURCES: ("file:///x",), PROMPTS: ("greet",)})

    fault = failed(await router(Entry("math", "math", math, Visibility(every, every, every), listing))(call(method, **{key: name})))

    assert (fault.code, fault.reason, math.calls) == (-32602, "not_available", [])


async def test_while_a_filtered_backend_is_not_known_its_patterns_decide() -> None:
    math = Recorder()
    route = router(Entry("math", "math", math, Visibility(Filter.parse(hide=["add"]))))

    assert failed(await route(call("tools/call", name="math_ADD"))).reason == "not_available"
    assert (await route(call("tools/call", name="math_sub"))).fault is None


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("tools/call", {"name": "b_" + "x" * 1024}),
        ("tools/call", {"name": "b_" + "é" * 512}),
        ("prompts/get", {"name": "b_" + "x" * 1024}),
        ("resources/read", {"uri": "b+file:///" + "x" * 8192}),
        ("completion/complete", {"ref": {"type": "ref/prompt", "name": "b_" + "x" * 1024}}),
        ("completion/complete", {"ref": {"type": "ref/resource", "uri": "b+file:///" + "x" * 8192}}),
    ],
)
async def test_a_name_that_is_too_long_is_refused_before_anything_is_made_of_it(method: str, params: dict[str, Any]) -> None:
    backend = Recorder()

    fault = failed(await router(Entry("b", "b", backend, offer=ALL))(call(method, **params)))

    assert (fault.code, fault.reason, backend.calls) == (-32602, "name_too_long", [])
    assert "must not have more than" in fault.message
    assert len(fault.message) < 100


async def test_a_long_name_within_the_limit_passes() -> None:
    backend = Recorder()
    route = router(Entry("b", "b", backend, offer=ALL))

    replies = [
        await route(call("tools/call", name="b_" + "x" * 1022)),
        await route(call("resources/read", uri="b+file:///" + "x" * (8192 - len("b+file:///")))),
    ]

    assert [reply.fault for reply in replies] == [None, None]
    assert len(backend.calls) == 2

    assert len(backend.calls) == 2


async def test_an_alias_leads_to_the_original() -> None:
    math = Recorder()

    await router(Entry("math", "math", math, Visibility(aliases={"add": "plus"}), ALL))(call("tools/call", name="math_plus"))

    assert math.params == [{"name": "add"}]


async def test_a_shortened_name_leads_to_the_long_one() -> None:
    long, backend = "x" * 100, Recorder()
    route = router(Entry("b", "b", backend, offer=offer({TOOLS: (long,)})))
    (short,) = route.directory.current.names(TOOLS)

    await route(call("tools/call", name=short))
    await route(call("tools/call", name="b_" + long))

    assert [{"name": long}] * 2 == backend.params


async def test_a_backend_without_a_prefix_gets_what_belongs_to_no_other() -> None:
    plain, math = Recorder(), Recorder()
    route = router(Entry("plain", "", plain, offer=ALL), Entry("math", "math", math, offer=ALL))

    for name in ("add", "math_add", "whatever"):
        await route(call("tools/call", name=name))

    assert plain.params == [{"name": "add"}, {"name": "whatever"}]
    assert math.params == [{"name": "add"}]


async def test_uris_in_a_result_can_be_read_back() -> None:
    link = b'{"content":[{"type":"resource_link","uri":"file:///x"}]}'
    files = Recorder(Reply(Raw(link)))
    route = router(Entry("files", "files", files, Visibility(aliases={"file:///x": "x"}), ALL))

    reply = await route(call("tools/call", name="files_add"))
    await route(call("resources/read", uri=json.loads(bytes(reply.result))["content"][0]["uri"]))

    assert bytes(reply.result) == b'{"content":[{"type":"resource_link","uri":"files+:x"}]}'
    assert files.params[1] == {"uri": "file:///x"}


async def test_a_transparent_backend_answers_byte_for_byte() -> None:
    link = Raw(b'{ "content": [ {"type":"resource_link","uri":"file:///x"} ] }')

    reply = await router(Entry("files", "", Recorder(Reply(link)), offer=ALL))(call("tools/call", name="add"))

    assert link == reply.result


async def test_an_error_about_a_resource_names_it_as_the_client_does() -> None:
    error = Raw(b'{"code":-32002,"message":"no such thing: file:///x","data":{"uri":"file:///x"}}')
    route = router(Entry("files", "files", Recorder(Reply.failed(backend_error("files", error))), offer=ALL))

    fault = failed(await route(call("resources/read", uri="files+file:///x")))

    assert fault.encode() == b'{"code":-32002,"message":"no such thing: file:///x","data":{"uri":"files+file:///x"}}'


@pytest.mark.parametrize(
    ("ref", "local"),
    [
        ({"type": "ref/prompt", "name": "b_greet", "title": "t"}, {"type": "ref/prompt", "name": "greet", "title": "t"}),
        ({"type": "ref/resource", "uri": "b+file:///{p}"}, {"type": "ref/resource", "uri": "file:///{p}"}),
        ({"type": "ref/resource", "uri": "b+:short"}, {"type": "ref/resource", "uri": "file:///x"}),
        ({"type": "ref/resource", "uri": "b+file:///{new}"}, {"type": "ref/resource", "uri": "file:///{new}"}),
    ],
)
async def test_a_completion_goes_where_its_reference_points(ref: dict[str, Any], local: dict[str, Any]) -> None:
    backend = Recorder(Reply(Raw(b'{"completion":{"values":[]}}')))
    route = router(Entry("b", "b", backend, Visibility(aliases={"file:///x": "short"}), ALL))

    await route(call("completion/complete", ref=ref, argument={"name": "p", "value": ""}))

    assert [{"ref": local, "argument": {"name": "p", "value": ""}}] == backend.params


@pytest.mark.parametrize(
    "ref",
    [
        {"type": "ref/prompt", "name": "b_greet"},
        {"type": "ref/prompt", "name": "b_GREET"},
        {"type": "ref/prompt", "name": "b_unlisted"},
        {"type": "ref/resource", "uri": "b+file:///x"},
        {"type": "ref/resource", "uri": "b+FILE:///x"},
        {"type": "ref/resource", "uri": "b+file:///{p}"},
        {"type": "ref/resource", "uri": "b+file:///{new}"},
        {"type": "ref/resource", "uri": "b+memo:///{original}"},
    ],
)
async def test_what_is_hidden_or_aliased_away_is_not_completed(ref: dict[str, Any]) -> None:
    backend = Recorder()
    visibility = Visibility(
        resources=Filter.parse(hide=["file:///**"]), prompts=Filter.parse(hide=["greet"]), aliases={"memo:///{original}": "memo"}
    )

    fault = failed(await router(Entry("b", "b", backend, visibility, ALL))(call("completion/complete", ref=ref, argument={})))

    assert (fault.reason, backend.calls) == ("not_available", [])


@pytest.mark.parametrize(
    ("ref", "message"),
    [
        ({"type": "ref/prompt", "name": "nobody_x"}, "Unknown prompt: nobody_x"),
        ({"type": "ref/resource", "uri": "nobody_x"}, "Unknown resource template: nobody_x"),
        ({"type": "ref/prompt", "uri": "b_greet"}, '"ref" must be a "ref/prompt"'),
        ({"type": "ref/tool", "name": "b_add"}, '"ref" must be a "ref/prompt"'),
        ({}, '"ref" must be a "ref/prompt"'),
        ([], '"ref" must be an object'),
    ],
)
async def test_a_completion_that_points_nowhere_is_refused(ref: Any, message: str) -> None:
    fault = failed(await router(Entry("b", "b", Recorder(), offer=ALL))(call("completion/complete", ref=ref)))

    assert fault.code == -32602
    assert fault.message.startswith(message)


async def test_a_mirror_sees_the_local_name() -> None:
    """The copy goes to another backend, where the client's prefix means nothing."""
    shadow = Recorder()
    async with trio.open_nursery() as background:
        mirror = Mirror(Recorder(), (Shadow("shadow", shadow),), background)
        await router(Entry("math", "math", mirror, offer=ALL))(call("tools/call", name="math_add"))

    assert shadow.params == [{"name": "add"}]


async def test_a_call_uses_the_table_of_the_moment_it_came() -> None:
    old, new = Recorder(), Recorder()
    route = router(Entry("math", "math", old, offer=ALL))

    await route(call("tools/call", name="math_add"))
    route.directory.replace(build([Entry("math", "math", new, offer=ALL)], separator="_"))
    await route(call("tools/call", name="math_add"))

    assert (len(old.calls), len(new.calls)) == (1, 1)
