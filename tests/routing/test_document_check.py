"""What a schema makes of a document, and how long that may take (LIM-56)."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest

from sluicegate.protocol.messages import Raw
from sluicegate.routing.validation.document_check import DocumentCheck
from sluicegate.routing.validation.schema_bounds import CannotCheck, work_of


def raw(value: object) -> Raw:
    return Raw(msgspec.json.encode(value))


def places(schema: object, document: object) -> list[tuple[str, str]]:
    return [(one.place, one.keyword) for one in DocumentCheck.by(raw(schema)).misfits(raw(document))]


@pytest.mark.parametrize(
    ("schema", "document", "expected"),
    [
        ({"properties": {"a/b": {"items": {"type": "string"}}}}, {"a/b": ["x", 1]}, [("/a~1b/1", "type")]),
        ({"required": ["x"]}, {}, [("", "required")]),
        ({"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "string"}]}, [1], [("/0", "type")]),
        ({"$defs": {"p": {"minimum": 3}}, "properties": {"a": {"$ref": "#/$defs/p"}}}, {"a": 2}, [("/a", "minimum")]),
        ({"properties": {"inner": {"$ref": "#"}}, "required": ["n"]}, {"n": 1, "inner": {}}, [("/inner", "required")]),
        ({"properties": {"mail": {"pattern": "^(?!x).*$", "minLength": 3}}}, {"mail": "x"}, [("/mail", "minLength")]),
        ({"patternProperties": {"(?=x)": {}}, "additionalProperties": False}, {"x": 1}, []),
        ({"properties": {"a": {"format": "email"}}}, {"a": "none"}, []),
        (True, 1, []),
    ],
)
def test_what_does_not_fit_is_told_with_its_place(schema: object, document: object, expected: list[tuple[str, str]]) -> None:
    assert places(schema, document) == expected


def doubling(levels: int) -> dict[str, Any]:
    twice = {f"a{level}": {"allOf": [{"$ref": f"#/$defs/a{level + 1}"}] * 2} for level in range(levels)}
    return {"$ref": "#/$defs/a0", "$defs": twice | {f"a{levels}": {"type": "integer"}}}


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "https://schemas.example/x.json"},
        {"$ref": "file:///etc/passwd"},
        {"$schema": "https://schemas.example/x.json"},
        {"$ref": "#name"},
        {"$dynamicRef": "#x"},
        {"properties": {"a": {"$id": "https://schemas.example/", "type": "string"}}},
        {"type": "nothing"},
        {"properties": []},
        3,
        doubling(40),
        {"enum": ["x" * 200_000]},
    ],
)
def test_what_leads_elsewhere_or_is_too_much_is_no_schema_to_check_by(schema: object) -> None:
    with pytest.raises(CannotCheck):
        DocumentCheck.by(raw(schema))


@pytest.mark.parametrize(
    "schema",
    [
        {"enum": [*([number] for number in range(3000)), "x"]},
        {"enum": [{"a": {"b": number}} for number in range(3000)]},
        {"enum": [number + 0.5 for number in range(1000)]},
        {"enum": [10**25 + number for number in range(1000)]},
        {"enum": [one for number in range(3000) for one in (number, str(number))]},
        {"dependentRequired": {f"a{number}": ["b"] for number in range(5000)}},
        {"dependencies": {f"a{number}": ["b"] for number in range(5000)}},
    ],
)
def test_what_each_value_is_compared_with_counts(schema: dict[str, Any]) -> None:
    with pytest.raises(CannotCheck, match="more than 4000"):
        DocumentCheck.by(raw({"items": schema}))
    few = {key: value[:10] if isinstance(value, list) else dict(list(value.items())[:10]) for key, value in schema.items()}
    assert work_of({"items": few}).steps >= 12


@pytest.mark.parametrize("choices", [list(range(9000)), [f"a{number}" for number in range(9000)]])
def test_choices_that_are_looked_up_count_as_none(choices: list[object]) -> None:
    assert work_of({"items": {"enum": choices}}).steps == 2


def test_ways_back_are_counted_by_the_place_that_they_stand_at() -> None:
    back = {"items": {"$ref": "#"}}
    assert work_of({"anyOf": [{"properties": {"and": back}}, {"properties": {"or": back}}]}).branches == 1
    assert work_of({"anyOf": [{"properties": {"of": back}}, {"properties": {"of": back}}]}).branches == 2
    assert work_of({"properties": {"a": {"$ref": "#"}}, "additionalProperties": {"$ref": "#"}}).branches == 2
    assert work_of({"type": "object"}).branches == 0


def nested(levels: int) -> object:
    document: object = {}
    for _ in range(levels):
        document = {"of": [document]}
    return document


def test_a_tree_that_would_take_a_time_that_doubles_with_each_level_is_left() -> None:
    back = {"required": ["no"], "properties": {"of": {"items": {"$ref": "#"}}}}
    check = DocumentCheck.by(raw({"anyOf": [back, back]}))
    began = time.process_time()
    with pytest.raises(CannotCheck):
        check.misfits(raw(nested(200)))
    assert time.process_time() - began < 0.5
    assert check.misfits(raw(nested(2)))


def test_patterns_are_not_tried_on_large_documents() -> None:
    check = DocumentCheck.by(raw({"items": {"pattern": "^(a|b)*a(a|b){100}$", "maxLength": 1_000_000}}))
    assert [one.keyword for one in check.misfits(raw(["c"]))] == ["pattern"]
    assert check.misfits(raw(["ab" * 100_000])) == []


def test_a_document_of_too_many_values_is_left() -> None:
    with pytest.raises(CannotCheck):
        DocumentCheck.by(raw({"items": {"type": "integer"}})).misfits(raw([1] * 400_000))


@pytest.mark.parametrize("document", [b'{"a":', b'"\\ud800"', b"[" * 100_000])
def test_what_nobody_can_read_is_left(document: bytes) -> None:
    with pytest.raises(CannotCheck):
        DocumentCheck.by(raw({})).misfits(Raw(document))
