"""What a client can be asked, in the words of the protocol: the same text for all who can be asked the same."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import pytest
from tests.routing.test_directory import Home

from sluicegate.protocol.abilities import NONE, abilities_of
from sluicegate.protocol.calls import Caller
from sluicegate.protocol.messages import Params, Raw, encode


def params(capabilities: Mapping[str, object]) -> Params:
    return {name: Raw(encode(value)) for name, value in capabilities.items()}


@pytest.mark.parametrize(
    ("capabilities", "abilities"),
    [
        ({}, NONE),
        ({"experimental": {}, "tasks": {}}, NONE),
        ({"roots": {"listChanged": True}}, "roots"),
        ({"elicitation": {}}, "elicitation.form"),
        ({"elicitation": {"form": {}}}, "elicitation.form"),
        ({"elicitation": {"url": {}}}, "elicitation.url"),
        ({"elicitation": {"url": {}, "form": {}, "x": 1}}, "elicitation.form elicitation.url"),
        ({"elicitation": {"x": 1}}, "elicitation.form"),
        ({"sampling": {}}, "sampling"),
        ({"sampling": {"tools": {}, "context": {}}}, "sampling sampling.context sampling.tools"),
        ({"sampling": [1], "roots": "x"}, "roots sampling"),
        ({"sampling": {"tools": {}}, "elicitation": {}, "roots": {}}, "elicitation.form roots sampling sampling.tools"),
        ({"extensions": {"io.modelcontextprotocol/ui": {"mimeTypes": ["x"]}}, "roots": {}}, "roots views"),
        ({"extensions": {"com.example/x": {}}}, NONE),
    ],
)
def test_what_a_client_declares_has_one_word_for_each_thing_it_can_be_asked(capabilities: dict[str, object], abilities: str) -> None:
    assert abilities_of(params(capabilities)) == abilities
    assert Caller("2025-11-25", params(capabilities), home=Home()).abilities == abilities
    assert Caller("2025-11-25", params(capabilities)).abilities == NONE  # nothing is kept for it, so it sees what all see


MEMBERS: tuple[object, ...] = (
    {},
    {"x": 1},
    {"form": {}},
    {"url": {}},
    {"form": 0, "url": 0},
    {"tools": {}},
    {"context": []},
    {"context": {}, "tools": {}},
    [],
    None,
)
"""What may stand in any of them."""


VIEWS: tuple[object, ...] = ({"io.modelcontextprotocol/ui": {}}, {"io.modelcontextprotocol/ui": 5, "x/y": {}}, {"x/y": {}}, [], None)


def test_there_are_80_kinds_of_clients_whatever_they_declare() -> None:
    """Clients must not be able to multiply catalogues."""
    kinds = set()
    for chosen in product((*MEMBERS, ...), (*MEMBERS, ...), (*MEMBERS, ...), (*VIEWS, ...)):
        declared = zip(("elicitation", "sampling", "roots", "extensions"), chosen, strict=True)
        kinds.add(abilities_of(params({name: value for name, value in declared if value is not ...} | {"tasks": {}})))
    assert len(kinds) == 80
