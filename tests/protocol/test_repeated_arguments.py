"""What a schema may have repeated in headers (P-48), and how it is told that it may not."""

from __future__ import annotations

import tracemalloc

import pytest

from sluicegate.protocol.repeated_arguments import DEEPEST, MOST_PARTS, arguments_of, misuse

MARKED = {"type": "string", "x-mcp-header": "A"}


def holding(**properties: object) -> dict[str, object]:
    return {"type": "object", "properties": properties}


@pytest.mark.parametrize(
    "schema",
    [
        None,
        [],
        {},
        holding(a=MARKED),
        holding(a=MARKED, b={"type": "integer", "x-mcp-header": "B-1.x!"}, c={"type": "boolean", "x-mcp-header": "c"}),
        holding(a=holding(b=holding(c=MARKED))),
        holding(**{"x-mcp-header": {"type": "string"}}),
        holding(a={"type": "object", "default": {"x-mcp-header": 7}, "enum": [{"x-mcp-header": ""}], "const": MARKED}),
        {"description": "x-mcp-header", "examples": [MARKED]},
    ],
)
def test_what_can_be_repeated_is_no_misuse(schema: object) -> None:
    assert misuse(schema) == ""


@pytest.mark.parametrize("name", ["", " ", "My Region", "a:b", "a\r\nb", "Région", "a\tb", None, 7, ["A"], True])
def test_what_is_not_the_name_of_a_header_is_misuse(name: object) -> None:
    assert misuse(holding(a={"type": "string", "x-mcp-header": name})) == "x-mcp-header of 'a' is not the name of a header"


@pytest.mark.parametrize("kind", ["number", "object", "array", "null", None, ["string"], ["string", "null"]])
def test_only_texts_whole_numbers_and_truth_values_can_be_repeated(kind: object) -> None:
    said = misuse(holding(a=holding(b={"type": kind, "x-mcp-header": "A"})))
    assert said == "x-mcp-header is at 'a.b', whose type is none of string, integer, boolean"


def test_a_header_repeats_one_argument_however_it_is_spelled() -> None:
    assert misuse(holding(a=MARKED, b={"type": "string", "x-mcp-header": "a"})) == "x-mcp-header 'A' is at 'a' and at 'b'"


@pytest.mark.parametrize(
    "schema",
    [
        MARKED,
        holding(a={"type": "array", "items": MARKED}),
        holding(a={"type": "array", "items": [MARKED]}),
        holding(a={"type": "array", "prefixItems": [{}, MARKED]}),
        holding(a={"anyOf": [MARKED, {"type": "null"}]}),
        {"oneOf": [holding(a=MARKED)]},
        {"allOf": [holding(a=MARKED)]},
        {"if": holding(a=MARKED)},
        {"then": holding(a=MARKED)},
        {"not": holding(a=MARKED)},
        {"$defs": {"a": holding(b=MARKED)}, "$ref": "#/$defs/a"},
        {"definitions": {"a": MARKED}},
        {"patternProperties": {".": MARKED}},
        {"dependentSchemas": {"a": holding(b=MARKED)}},
        {"additionalProperties": MARKED},
        holding(a={"type": "object", "additionalProperties": MARKED}),
    ],
)
def test_what_has_no_one_place_in_the_arguments_cannot_be_repeated(schema: object) -> None:
    assert "no one place" in misuse(schema)


def test_a_schema_of_any_depth_is_looked_at() -> None:
    schema: dict[str, object] = dict(MARKED)
    for _ in range(5000):
        schema = {"items": schema}
    assert "no one place" in misuse(schema)


@pytest.mark.parametrize("deep", [1, DEEPEST, DEEPEST + 1, 200])
def test_what_is_marked_is_either_found_or_misuse(deep: int) -> None:
    schema: object = MARKED
    for _ in range(deep):
        schema = holding(a=schema)
    assert [len(found.path) for found in arguments_of(schema)] == ([deep] if deep <= DEEPEST else [])
    assert ("too deep" in misuse(schema)) == (deep > DEEPEST)


@pytest.mark.parametrize("part", [{}, 7])
def test_a_marked_schema_with_very_many_parts_is_misuse(part: object) -> None:
    assert misuse(holding(a=MARKED, **{f"b{number}": part for number in range(MOST_PARTS - 2)})) == ""
    assert "more than 10000 parts" in misuse(holding(a=MARKED, **{f"b{number}": part for number in range(MOST_PARTS - 1)}))
    assert "more than 10000 parts" in misuse(holding(**{f"b{number}": part for number in range(2 * MOST_PARTS)}, a=MARKED))


def test_a_schema_that_is_wide_where_it_is_deep_is_looked_at_in_no_time() -> None:
    """By how many things are made on the way: a place of 400 names for each of its parts would be a hundred times as many."""
    schema: object = holding(**{f"b{number}": {} for number in range(MOST_PARTS // 2)}, a=MARKED)
    for _ in range(400):
        schema = holding(a=schema)
    tracemalloc.start()
    try:
        assert "too deep" in misuse(schema)
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


def test_a_long_name_around_many_marked_properties_is_kept_once() -> None:
    marked = {f"b{number}": {"type": "string", "x-mcp-header": f"H{number}"} for number in range(2000)}
    schema = holding(**{"n" * 100_000: holding(**marked)})
    tracemalloc.start()
    try:
        assert misuse(schema) == ""
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


def test_of_long_names_the_beginning_is_told() -> None:
    long = "n" * 100_000
    assert len(misuse(holding(**{long: holding(b={"type": "null", "x-mcp-header": "A"})}))) < 300
    assert len(misuse(holding(a={"type": "string", "x-mcp-header": long}, b={"type": "string", "x-mcp-header": long}))) < 500
