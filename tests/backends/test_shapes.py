"""Entries of lists that clients could not read: put right where nothing is lost, else left out."""

from __future__ import annotations

import json
from typing import Any

import mcp_types
import pydantic
import pytest

from sluicegate.backends.shapes import Hopeless, well_formed
from sluicegate.protocol.messages import decode_object, encode
from sluicegate.protocol.offers import PROMPTS, RESOURCES, TEMPLATES, TOOLS, ListKind

OBJECT = {"type": "object"}


def tool(**more: Any) -> dict[str, Any]:
    return {"name": "t", "inputSchema": OBJECT} | more


def resource(**more: Any) -> dict[str, Any]:
    return {"uri": "file:///x", "name": "x"} | more


def prompt(**more: Any) -> dict[str, Any]:
    return {"name": "p"} | more


def looked_at(kind: ListKind, entry: dict[str, Any]) -> tuple[Any, list[str]]:
    members = decode_object(encode(entry))
    assert isinstance(members, dict)
    said: list[str] = []
    return json.loads(encode(well_formed(kind, members, said))), said


def both(**schema: Any) -> dict[str, Any]:
    return tool(inputSchema=OBJECT | schema, outputSchema=OBJECT | schema)


SOUND = [
    (TOOLS, tool()),
    (TOOLS, tool(x=None, description="d", annotations={"readOnlyHint": True, "x": None}, _meta={"a": None}, icons=[], execution={})),
    (TOOLS, both(properties={"a": {"default": None, "enum": [None]}}, required=["a"], anyOf=[OBJECT], additionalProperties=False)),
    (TOOLS, tool(icons=[{"src": "data:,", "sizes": ["1x1"], "theme": "dark"}], execution={"taskSupport": "optional"})),
    (RESOURCES, resource(size=5, annotations={"audience": ["user"], "priority": 0.5, "lastModified": "2025-01-12T15:00:58.5+02:00"})),
    (RESOURCES, resource(size=0, annotations={"priority": 0, "lastModified": "2025-01-12T23:59:59Z"})),
    (RESOURCES, resource(size=5.0, annotations={"priority": 1, "lastModified": "2025-01-12T00:00:00-23:59"})),
    (TEMPLATES, {"uriTemplate": "file:///{x}", "name": "x", "mimeType": "text/html;profile=mcp-app"}),
    (PROMPTS, prompt(arguments=[{"name": "a", "required": False}])),
]


@pytest.mark.parametrize(("kind", "entry"), SOUND)
def test_what_is_as_it_should_be_is_not_touched(kind: ListKind, entry: dict[str, Any]) -> None:
    members = decode_object(encode(entry))
    assert isinstance(members, dict)
    said: list[str] = []

    assert well_formed(kind, members, said) is members
    assert said == []


MENDED = [
    (TOOLS, {"name": "t"}, tool(), "inputSchema is missing"),
    (TOOLS, tool(inputSchema=None), tool(), "inputSchema is null"),
    (TOOLS, tool(inputSchema=[]), tool(), "inputSchema is no object"),
    (TOOLS, tool(inputSchema=True), tool(), "inputSchema is no object"),
    (TOOLS, tool(inputSchema={}), tool(), "inputSchema has no type"),
    (TOOLS, tool(inputSchema={"type": None}), tool(), "inputSchema has no type"),
    (TOOLS, tool(inputSchema={"type": ["object", "null"]}), tool(), "inputSchema.type is not object"),
    (TOOLS, tool(inputSchema={"type": "Object"}), tool(), "inputSchema.type is not object"),
    (TOOLS, tool(inputSchema={"anyOf": [OBJECT]}), tool(inputSchema=OBJECT | {"anyOf": [OBJECT]}), "inputSchema has no type"),
    (TOOLS, tool(outputSchema={"properties": {}}), tool(outputSchema=OBJECT | {"properties": {}}), "outputSchema has no type"),
    (TOOLS, tool(outputSchema=None), tool(), "outputSchema is null"),
    (TOOLS, tool(outputSchema={"type": "string"}), tool(), "outputSchema.type is not object"),
    (TOOLS, tool(outputSchema="x"), tool(), "outputSchema is no object"),
    (TOOLS, both(properties=[]), both(properties={}), "inputSchema.properties is no object"),
    (TOOLS, both(properties=None), both(), "inputSchema.properties is null"),
    (TOOLS, both(properties={"x": True}), both(properties={"x": {}}), "inputSchema.properties.x is no object"),
    (TOOLS, both(properties={"x": False}), both(properties={"x": {"not": {}}}), "inputSchema.properties.x is no object"),
    (TOOLS, both(properties={"x": None}), both(properties={"x": {}}), "inputSchema.properties.x is no object"),
    (TOOLS, both(properties={"x": "string"}), both(properties={"x": {"type": "string"}}), "inputSchema.properties.x is no object"),
    (TOOLS, both(required=None), both(), "inputSchema.required is null"),
    (TOOLS, both(required=True), both(), "inputSchema.required is no list"),
    (TOOLS, both(required="x"), both(required=["x"]), "inputSchema.required is no list"),
    (TOOLS, both(required={}), both(required=[]), "inputSchema.required is no list"),
    (TOOLS, both(required=[1]), both(required=["1"]), "inputSchema.required[0] is no text"),
    (
        TOOLS,
        both(properties={"x": {}, "required": ["x"]}),
        both(properties={"x": {}}, required=["x"]),
        "inputSchema.properties.required is a list",
    ),
    (TOOLS, tool(description=None), tool(), "description is null"),
    (TOOLS, tool(description=[]), tool(), "description is no text"),
    (TOOLS, tool(description={"a": 1}), tool(description='{"a":1}'), "description is no text"),
    (TOOLS, tool(title=5), tool(title="5"), "title is no text"),
    (TOOLS, tool(annotations=None), tool(), "annotations is null"),
    (TOOLS, tool(annotations=[]), tool(annotations={}), "annotations is no object"),
    (TOOLS, tool(annotations="x"), tool(), "annotations is no object"),
    (TOOLS, tool(annotations={"title": None}), tool(annotations={}), "annotations.title is null"),
    (TOOLS, tool(annotations={"readOnlyHint": "true"}), tool(annotations={"readOnlyHint": True}), "annotations.readOnlyHint is neither"),
    (TOOLS, tool(annotations={"readOnlyHint": 0}), tool(annotations={"readOnlyHint": False}), "annotations.readOnlyHint is neither"),
    (TOOLS, tool(annotations={"readOnlyHint": "maybe"}), tool(annotations={}), "annotations.readOnlyHint is neither"),
    (TOOLS, tool(_meta=[]), tool(_meta={}), "_meta is no object"),
    (TOOLS, tool(_meta=None), tool(), "_meta is null"),
    (TOOLS, tool(icons={}), tool(icons=[]), "icons is no list"),
    (TOOLS, tool(icons={"src": "a"}), tool(icons=[{"src": "a"}]), "icons is no list"),
    (TOOLS, tool(icons=["a", None, {}]), tool(icons=[{"src": "a"}]), "icons[0] is no object"),
    (TOOLS, tool(icons=[{"src": "a", "sizes": "48x48"}]), tool(icons=[{"src": "a", "sizes": ["48x48"]}]), "icons[0].sizes is no list"),
    (TOOLS, tool(icons=[{"src": "a", "theme": "blue", "mimeType": None}]), tool(icons=[{"src": "a"}]), "icons[0].mimeType is null"),
    (TOOLS, tool(execution=[]), tool(execution={}), "execution is no object"),
    (TOOLS, tool(execution={"taskSupport": "sometimes"}), tool(execution={}), "execution.taskSupport is none of"),
    (RESOURCES, {"uri": "file:///x"}, resource(name="file:///x"), "name is missing"),
    (RESOURCES, resource(name=None), resource(name="file:///x"), "name is null"),
    (RESOURCES, resource(name=[]), resource(name="file:///x"), "name is empty"),
    (RESOURCES, resource(name=5), resource(name="5"), "name is no text"),
    (RESOURCES, resource(mimeType=None), resource(), "mimeType is null"),
    (RESOURCES, resource(size="5"), resource(size=5), "size is no whole number"),
    (RESOURCES, resource(size=5.5), resource(), "size is no whole number"),
    (RESOURCES, resource(size=True), resource(), "size is no whole number"),
    (
        RESOURCES,
        resource(annotations={"audience": "user"}),
        resource(annotations={"audience": ["user"]}),
        "annotations.audience is no list",
    ),
    (
        RESOURCES,
        resource(annotations={"audience": ["robot"]}),
        resource(annotations={"audience": []}),
        "annotations.audience[0] is none of",
    ),
    (RESOURCES, resource(annotations={"priority": "1"}), resource(annotations={"priority": 1}), "annotations.priority is no number from"),
    (RESOURCES, resource(annotations={"priority": 1.01}), resource(annotations={}), "annotations.priority is no number from"),
    (RESOURCES, resource(annotations={"priority": -0.01}), resource(annotations={}), "annotations.priority is no number from"),
    (RESOURCES, resource(annotations={"priority": 5}), resource(annotations={}), "annotations.priority is no number from"),
    (RESOURCES, resource(annotations={"lastModified": "2025-01-12"}), resource(annotations={}), "annotations.lastModified is no time"),
    (RESOURCES, resource(annotations={"lastModified": "2025-02-30T00:00:00Z"}), resource(annotations={}), "annotations.lastModified is no"),
    (TEMPLATES, {"uriTemplate": "x{y}"}, {"uriTemplate": "x{y}", "name": "x{y}"}, "name is missing"),
    (PROMPTS, prompt(arguments=None), prompt(), "arguments is null"),
    (PROMPTS, prompt(arguments={}), prompt(arguments=[]), "arguments is no list"),
    (PROMPTS, prompt(arguments=["a", None]), prompt(arguments=[{"name": "a"}]), "arguments[0] is no object"),
    (
        PROMPTS,
        prompt(arguments=[{"name": "a", "required": "true", "description": None, "title": 5}]),
        prompt(arguments=[{"name": "a", "required": True, "title": "5"}]),
        "arguments[0].title is no text",
    ),
]


@pytest.mark.parametrize(("kind", "entry", "becomes", "says"), MENDED)
def test_what_can_be_put_right_is_and_it_is_said_what_was_wrong(kind: ListKind, entry: Any, becomes: Any, says: str) -> None:
    mended, said = looked_at(kind, entry)

    assert becomes == mended
    assert said[0].startswith(says), said
    assert looked_at(kind, mended) == (mended, [])


LISTS: dict[ListKind, tuple[type[pydantic.BaseModel], str]] = {
    TOOLS: (mcp_types.ListToolsResult, "tools"),
    RESOURCES: (mcp_types.ListResourcesResult, "resources"),
    TEMPLATES: (mcp_types.ListResourceTemplatesResult, "resourceTemplates"),
    PROMPTS: (mcp_types.ListPromptsResult, "prompts"),
}


@pytest.mark.parametrize(("kind", "entry"), [*SOUND, *((kind, becomes) for kind, _entry, becomes, _says in MENDED)])
def test_the_sdk_reads_whatever_is_listed(kind: ListKind, entry: Any) -> None:
    model, member = LISTS[kind]

    model.model_validate({member: [entry]})


@pytest.mark.parametrize(
    ("kind", "entry", "why"),
    [
        (TOOLS, tool(inputSchema={"type": "string"}), "inputSchema.type is not object"),
        (TOOLS, tool(inputSchema="x"), "inputSchema is no object"),
        (TOOLS, tool(inputSchema=False), "inputSchema is no object"),
        (TOOLS, tool(inputSchema=OBJECT | {"properties": "x"}), "inputSchema.properties is no object"),
        (TOOLS, tool(inputSchema=OBJECT | {"properties": {"x": 5}}), "inputSchema.properties.x is no object"),
        (PROMPTS, prompt(arguments="x"), "arguments is no list"),
        (PROMPTS, prompt(arguments=OBJECT), "arguments is no list"),
        (PROMPTS, prompt(arguments=[{}]), "arguments[0] has no name"),
        (PROMPTS, prompt(arguments=[{"name": 5}]), "arguments[0] has no name"),
        (PROMPTS, prompt(arguments=[5]), "arguments[0] has no name"),
    ],
)
def test_what_cannot_be_put_right_is_left_out(kind: ListKind, entry: Any, why: str) -> None:
    with pytest.raises(Hopeless, match=why.replace("[", r"\[")):
        looked_at(kind, entry)
