"""Which extensions cross the gateway, and what is left of them where backends do not agree."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from sluicegate.protocol.back import SILENT
from sluicegate.protocol.clientele import Clientele
from sluicegate.protocol.eras import LEGACY, MODERN, NEWEST
from sluicegate.protocol.extensions import APPS, EXTENSIONS, TASKS, Way, agreed, crossing
from sluicegate.protocol.messages import Params, Raw, encode

NEW = MODERN[-1]


def params(members: Mapping[str, object]) -> Params:
    return {name: Raw(encode(value)) for name, value in members.items()}


def told(declared: Params) -> dict[str, object]:
    return {name: json.loads(bytes(raw)) for name, raw in declared.items()}


@pytest.mark.parametrize(
    ("capabilities", "old", "new"),
    [
        ({}, {}, {}),
        ({"extensions": {}, "experimental": {}, "tools": {}}, {}, {}),
        ({"extensions": [APPS], "experimental": 5}, {}, {}),
        (
            {"extensions": {APPS: {"mimeTypes": ["a"]}}},
            {"extensions": {APPS: {"mimeTypes": ["a"]}}},
            {"extensions": {APPS: {"mimeTypes": ["a"]}}},
        ),
        ({"extensions": {TASKS: {}}}, {}, {"extensions": {TASKS: {}}}),
        ({"extensions": {"io.modelcontextprotocol/skills": {}, "io.modelcontextprotocol/of-tomorrow": {}, "no-prefix": {}}}, {}, {}),
        (
            {"extensions": {"com.example/x": {"a": 1.50}}},
            {"extensions": {"com.example/x": {"a": 1.50}}},
            {"extensions": {"com.example/x": {"a": 1.50}}},
        ),
        ({"experimental": {"x": {"y": None}}}, {"experimental": {"x": {"y": None}}}, {"experimental": {"x": {"y": None}}}),
    ],
)
def test_what_crosses_follows_from_the_table_and_the_revisions(
    capabilities: dict[str, object], old: dict[str, object], new: dict[str, object]
) -> None:
    assert told(crossing(params(capabilities), NEWEST, NEWEST)) == old
    assert told(crossing(params(capabilities), NEW, NEW)) == new
    assert told(crossing(params(capabilities), NEW, NEWEST)) == told(crossing(params(capabilities), NEWEST, NEW)) == old


def test_each_row_of_the_table_says_why() -> None:
    assert all(row.why and name == row.name for name, row in EXTENSIONS.items())
    assert {name for name, row in EXTENSIONS.items() if row.way is not Way.REFUSED} == {APPS, TASKS}
    assert not EXTENSIONS[TASKS].crosses(*LEGACY)


@pytest.mark.parametrize(
    ("declared", "merged", "apart"),
    [
        ([{"x/y": {}}, {"x/y": {}}], {"x/y": {}}, set()),
        ([{"x/y": {"a": 1}}, {}, {"x/y": {"a": 1.0}}], {"x/y": {"a": 1}}, set()),
        ([{"x/y": {"a": 1}}, {"x/y": {"a": 2}}, {"x/z": {}}], {"x/z": {}}, {"x/y"}),
        ([{APPS: {"a": 1, "b": 2}}, {APPS: {"a": 1, "b": 3, "c": 4}}], {APPS: {"a": 1}}, {APPS}),
        ([{APPS: {}}, {APPS: 5}], {APPS: {}}, {APPS}),
    ],
)
def test_what_several_declare_is_told_as_far_as_they_agree(
    declared: list[dict[str, object]], merged: dict[str, object], apart: set[str]
) -> None:
    found, differing = agreed(map(params, declared))
    assert told(found) == merged
    assert differing == apart


def test_settings_that_nobody_can_read_are_compared_as_they_came() -> None:
    unreadable = {"x/y": Raw(b'{"a":"\xff"}')}
    assert agreed([unreadable, unreadable]) == (unreadable, frozenset())


async def test_a_backend_with_a_handshake_hears_which_extensions_its_client_has() -> None:
    clientele = Clientele.of({"roots": {}, "tasks": {}, "extensions": {APPS: {}, TASKS: {}}, "experimental": {"x": {}}}, SILENT)
    assert told(clientele.declared) == {"roots": {}, "extensions": {APPS: {}}, "experimental": {"x": {}}}
