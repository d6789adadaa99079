"""From claims to roles (RBAC-2, RBAC-3, RBAC-4, LIM-25)."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import pytest

from sluicegate.identity.claimed_roles import ClaimedRoles
from sluicegate.protocol.principal import NO_ROLE

MAPPING = {"r": "reader", "w": "writer", "r w": "both", "true": "yes", "7": "seven", "": "empty"}


def roles(claim: str, claims: dict[str, Any], **settings: Any) -> set[str]:
    return set(ClaimedRoles(claim, MAPPING, **settings)(MappingProxyType(claims)))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("r", {"reader"}),
        ("w r", {"reader", "writer"}),
        ("x r", {"reader"}),
        ("r w", {"both"}),
        (["r", "x", "w"], {"reader", "writer"}),
        (["r w"], {"both"}),
        (["x r"], set()),
        ([["r"]], set()),
        (True, {"yes"}),
        ([7], {"seven"}),
        ({"r": True}, set()),
        (None, set()),
        ("R", set()),
        ("", {"empty"}),
    ],
)
def test_a_claim_is_a_text_or_a_list(said: object, expected: set[str]) -> None:
    """A text counts whole, or word by word if that leads nowhere; an entry of a list only whole, and what holds other things not at all."""
    assert roles("groups", {"groups": said}, default_deny=False) == expected


@pytest.mark.parametrize("claim", ["scope", "sub", "iss", "client_id"])
def test_any_claim_may_say_it(claim: str) -> None:
    assert roles(claim, {claim: "r"}) == {"reader"}


def test_claims_may_be_within_others_and_have_dots_in_their_names() -> None:
    keycloak = {"realm_access": {"roles": ["r"]}, "resource_access": {"my.app": {"roles": ["w"]}}}
    assert roles("realm_access.roles", keycloak) == {"reader"}
    assert roles("resource_access.my.app.roles", keycloak) == {"writer"}
    assert roles("https://example.com/roles", {"https://example.com/roles": ["r"]}) == {"reader"}
    assert roles("a.b", {"a.b": "r", "a": {"b": "w"}}) == {"reader"}
    assert roles("a.b", {"a": "r"}) == {NO_ROLE}


def test_who_has_no_role_may_do_nothing_unless_nobody_needs_one() -> None:
    assert roles("groups", {}) == {NO_ROLE}
    assert roles("groups", {}, default_deny=False) == set()


def test_a_claim_with_very_many_entries_gives_nothing() -> None:
    assert roles("groups", {"groups": ["r"] * 1024}) == {"reader"}
    assert roles("groups", {"groups": ["r"] * 1025}) == {NO_ROLE}
