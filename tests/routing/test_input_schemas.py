"""A tool's schema under the rules for its parameters: what fits it fits the backend's own, once it is in the backend's terms."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest

from sluicegate.protocol.fault import Fault
from sluicegate.protocol.messages import Raw, encode
from sluicegate.protocol.principal import NOBODY
from sluicegate.routing.shaping.input_schemas import CannotReshape, reshaped
from sluicegate.routing.shaping.shape import Shape
from sluicegate.routing.shaping.supplied_value import Supplied

ONE = {"x": Supplied.of(1)}


def shown(schema: dict[str, Any], shape: Shape) -> Any:
    return json.loads(bytes(reshaped(Raw(encode(schema)), shape)))


def test_hidden_parameters_are_gone_and_renamed_ones_go_by_their_new_names() -> None:
    """PAR-1."""
    schema = {"type": "object", "properties": {"q": {"type": "string"}, "x": {}, "n": {"type": "integer"}}, "required": ["q", "x"]}
    assert shown(schema, Shape(frozenset({"x"}), {"q": "query"}, ONE)) == {
        "type": "object",
        "properties": {"query": {"type": "string"}, "n": {"type": "integer"}},
        "required": ["query"],
    }


def test_what_is_supplied_need_not_be_given() -> None:
    schema = {"properties": {"x": {}, "y": {}}, "required": ["x", "y"]}
    assert shown(schema, Shape(given=ONE)) == {"properties": {"x": {}, "y": {}}, "required": ["y"]}


def test_what_lies_in_the_value_of_a_parameter_stays_as_it_came() -> None:
    schema = b'{"properties":{"a":{"properties":{"x":{"minimum":1.10,"x-odd":12345678901234567890123}},"required":["x"]},"x":{}}}'
    expected = b'{"properties":{"a":{"properties":{"x":{"minimum":1.10,"x-odd":12345678901234567890123}},"required":["x"]}}}'
    assert bytes(reshaped(Raw(schema), Shape(frozenset({"x"})))) == expected


def test_a_definition_is_copied_for_the_arguments_and_stays_for_whom_else_it_serves() -> None:
    node = {"type": "object", "properties": {"x": {"type": "integer"}, "next": {"$ref": "#/$defs/N"}}, "required": ["x"]}
    found = shown({"$ref": "#/$defs/N", "$defs": {"N": node}, "title": "T"}, Shape(renamed={"x": "y"}))
    assert found["$defs"] == {"N": node}, "the next one is meant there"
    assert (found["title"], found["type"], found["required"], "$ref" in found) == ("T", "object", ["y"], False)
    assert found["properties"] == {"y": {"type": "integer"}, "next": {"$ref": "#/$defs/N"}}


def test_a_definition_that_only_the_arguments_had_is_told_nowhere_any_more() -> None:
    """What is hidden stands in it."""
    of_arguments = {"type": "object", "properties": {"q": {"$ref": "#/$defs/Q"}, "secret": {"description": "hush"}}}
    found = shown({"$ref": "#/$defs/A", "$defs": {"A": of_arguments, "Q": {"type": "string"}}}, Shape(frozenset({"secret"})))
    assert found == {"type": "object", "properties": {"q": {"$ref": "#/$defs/Q"}}, "$defs": {"Q": {"type": "string"}}}


@pytest.mark.parametrize("levels", [12, 30, 200])
def test_references_that_lead_to_more_and_more_are_not_followed_without_end(levels: int) -> None:
    both = {f"d{level}": {"allOf": [{"$ref": f"#/$defs/d{level + 1}"}] * 2} for level in range(levels)}
    schema = {"$ref": "#/$defs/d0", "$defs": both | {f"d{levels}": {"properties": {"a": {}}}}}
    with pytest.raises(CannotReshape, match=r"lead to too much|too deeply"):
        reshaped(Raw(encode(schema)), Shape(given=ONE))


@pytest.mark.parametrize("levels", [100, 2000])
def test_what_is_nested_too_deeply_is_not_rewritten(levels: int) -> None:
    schema = Raw(b'{"allOf":[' * levels + b"{}" + b"]}" * levels)
    with pytest.raises(CannotReshape, match=r"nested too deeply|no object"):
        reshaped(schema, Shape(given=ONE))


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"dependentRequired": {"x": ["y"], "y": ["x", "z"]}}, {"dependentRequired": {"y": ["z"]}, "required": ["y"]}),
        ({"dependencies": {"x": {"required": ["z"]}}}, {"dependencies": {}, "allOf": [{"required": ["z"]}]}),
        ({"minProperties": 2, "maxProperties": 3}, {"minProperties": 1, "maxProperties": 2}),
        ({"examples": [{"x": 1, "y": 2}, 3]}, {"examples": [{"y": 2}, 3]}),
        ({"default": {"x": 1}}, {"default": {}}),
        ({"anyOf": [{"required": ["x"]}, {"required": ["y"]}]}, {"anyOf": [{"required": []}, {"required": ["y"]}]}),
        ({"enum": [{"y": 1}]}, {"enum": [{"y": 1}]}),
    ],
)
def test_a_parameter_that_is_hidden_and_supplied_is_always_there(schema: dict[str, Any], expected: dict[str, Any]) -> None:
    assert shown(schema, Shape(frozenset({"x"}), given=ONE)) == expected


HIDDEN, SUPPLIED, RENAMED = Shape(frozenset({"x"})), Shape(frozenset({"x"}), given=ONE), Shape(renamed={"x": "y"})


@pytest.mark.parametrize(
    ("schema", "shape", "why"),
    [
        ({"required": ["x"]}, HIDDEN, "'x' is required and hidden, and nothing supplies it"),
        ({"dependentRequired": {"a": ["x"]}}, HIDDEN, "'x' is required and hidden, and nothing supplies it"),
        ({"oneOf": [{"properties": {"x": {"const": 1}}}]}, SUPPLIED, "what holds depends on 'x', which is hidden"),
        ({"if": {"properties": {"x": {"const": 1}}}}, SUPPLIED, "what holds depends on 'x', which is hidden"),
        ({"properties": {"x": {}, "y": {}}}, RENAMED, "'y' is a parameter already, and another is to be called that"),
        ({"patternProperties": {"^x": {}}}, RENAMED, "patternProperties goes by the names of parameters"),
        ({"propertyNames": {"enum": ["x", "y"]}}, HIDDEN, "propertyNames goes by the names of parameters"),
        ({"properties": {"a": {"$ref": ""}}}, HIDDEN, "a reference to '', which would be moved"),
        ({"propertyNames": {"maxLength": 3}}, RENAMED, "propertyNames goes by the names of parameters"),
        ({"const": {"x": 1}}, RENAMED, "const names all parameters together"),
        ({"properties": {"a": {"$ref": "#/properties/x"}}}, RENAMED, "a reference to '#/properties/x', which would be moved"),
        ({"properties": {"a": {"$ref": "#"}}}, HIDDEN, "a reference to '#', which would be moved"),
        ({"$ref": "https://example.org/s"}, HIDDEN, "its parameters are told elsewhere: 'https://example.org/s'"),
        ({"$ref": "#/$defs/A", "$defs": {"A": {"allOf": [{"$ref": "#/$defs/A"}]}}}, HIDDEN, "'#/$defs/A' leads to itself"),
        ({"$ref": "#/$defs/B", "$defs": {}}, HIDDEN, "'#/$defs/B' leads nowhere"),
        ({"additionalProperties": False}, SUPPLIED, "there is no place for 'x', which is hidden and supplied"),
        ({"not": {"additionalProperties": {"const": 1}}}, SUPPLIED, "there is no place for 'x', which is hidden and supplied"),
        ({"properties": {"x": {}}, "maxProperties": 0}, SUPPLIED, "it takes 0 parameters, and 1 are supplied"),
        ({"allOf": 3}, HIDDEN, "its inputSchema is not well-formed"),
        ({"$dynamicRef": "#a"}, HIDDEN, "a dynamic reference"),
    ],
)
def test_where_a_schema_would_say_something_else_there_is_none(schema: dict[str, Any], shape: Shape, why: str) -> None:
    with pytest.raises(CannotReshape, match=r".") as caught:
        reshaped(Raw(encode(schema)), shape)
    assert str(caught.value) == why


NAMES = ("x", "y", "z", "w")


def a_schema(chance: random.Random, depth: int = 0) -> dict[str, Any]:
    """About an object of integers under these names; a definition called D may be there."""
    made: dict[str, Any] = {}

    def names() -> list[str]:
        return chance.sample(NAMES, chance.randint(0, 2))

    def inner() -> dict[str, Any]:
        return a_schema(chance, depth + 1)

    choices: dict[str, Callable[[], object]] = {
        "properties": lambda: {name: chance.choice([{"type": "integer"}, {"minimum": 1}, {"const": 1}, {}, True]) for name in names()},
        "required": names,
        "dependentRequired": lambda: {name: names() for name in names()},
        "additionalProperties": lambda: chance.choice([True, False, {"maximum": 1}]),
        "maxProperties": lambda: chance.randint(1, 4),
    }
    if depth < 2:
        choices |= {
            "dependentSchemas": lambda: {name: inner() for name in names()},
            "allOf": lambda: [inner(), inner()],
            "anyOf": lambda: [inner(), inner()],
            "oneOf": lambda: [inner(), inner()],
            "not": inner,
            "if": inner,
            "then": inner,
            "$ref": lambda: "#/$defs/D",
        }
    for key in chance.sample(sorted(choices), chance.randint(1, 3)):
        made[key] = choices[key]()
    return made


def test_what_fits_a_rewritten_schema_is_what_fits_the_backends_own() -> None:
    """Judged by somebody else's validator. Without a number of members where clients may leave out what is supplied: there it asks for less."""
    compared = 0
    for seed in range(1500):
        chance = random.Random(seed)
        schema = {"type": "object", **a_schema(chance), "$defs": {"D": a_schema(chance, 2)}}
        hidden = frozenset(chance.sample(NAMES, chance.randint(0, 2)))
        renamed = {name: name.upper() * 2 for name in NAMES if name not in hidden and chance.random() < 0.5}
        given = {name: Supplied.of(1) for name in hidden if chance.random() < 0.7}
        shape = Shape(hidden, renamed, given)
        try:
            ours = shown(schema, shape)
        except CannotReshape:
            continue
        visible = [renamed.get(name, name) for name in NAMES if name not in hidden]
        for _ in range(8):
            instance = {name: chance.randint(0, 2) for name in visible if chance.random() < 0.5}
            inward = shape.inward(Raw(encode(instance)), NOBODY)
            assert not isinstance(inward, Fault)
            theirs = json.loads(encode(inward))
            fits = jsonschema.Draft202012Validator(ours).is_valid(instance)
            assert fits == jsonschema.Draft202012Validator(schema).is_valid(theirs), (seed, schema, shape, ours, instance)
            compared += 1
    assert compared > 2500
