"""Who is told apart from whom."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from sluicegate.protocol.principal import NOBODY, Principal


def test_one_subject_of_two_issuers_is_two_people() -> None:
    keys = {Principal("anna", issuer).key for issuer in ("", "https://a.example", "https://b.example")}
    assert len(keys) == 3


def test_what_somebody_may_do_does_not_tell_him_apart() -> None:
    one, later = (Principal("anna", "https://a.example", scopes) for scopes in (frozenset({"read"}), frozenset({"write"})))
    assert one != later
    assert one.key == later.key == "https://a.example anna"


def test_nobody_has_no_key() -> None:
    assert NOBODY.key == ""


def test_what_is_known_of_somebody_does_not_tell_him_apart_either() -> None:
    one = Principal("anna", "https://a.example", claims={"exp": 1}, expires_at=1.0)
    later = Principal("anna", "https://a.example", claims={"exp": 2}, expires_at=2.0, name="Anna")
    assert (one, one.name, later.name) == (later, "anna", "Anna")


@pytest.mark.parametrize(
    "other", [{"scopes": frozenset({"write"})}, {"roles": frozenset({"boss"})}, {"token": b"another"}, {"subject": "bert"}]
)
def test_somebody_is_another_one_to_who_is_told_of_him_where_his_rights_are_others(other: Any) -> None:
    anna = Principal("anna", "https://id.test", frozenset({"read", "list"}), token=b"annas")
    assert attrs.evolve(anna, **other).standing != anna.standing
    same = Principal("anna", "https://id.test", frozenset(["list", "read"]), name="Anna", expires_at=9.0, token=b"annas")
    assert same.standing == anna.standing
    assert "annas" not in anna.standing
