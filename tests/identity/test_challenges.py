"""What a refusal tells a client that speaks OAuth, as RFC 6750 and RFC 9728 have it."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from sluicegate.identity.challenges import challenge

PARAMETER = re.compile(r'([a-z_]+)="([^"\\]*)"')


def read(value: bytes) -> dict[str, str]:
    """The parameters of a challenge, as RFC 9110 reads them; there must be nothing else."""
    scheme, _, rest = value.decode("ascii").partition(" ")
    assert scheme == "Bearer"
    found = PARAMETER.findall(rest)
    assert ", ".join(f'{name}="{text}"' for name, text in found) == rest
    return dict(found)


def test_who_has_shown_nothing_is_told_no_error() -> None:
    assert challenge() == b'Bearer realm="sluicegate"'


def test_everything_that_a_client_needs_is_told_in_one_challenge() -> None:
    """P-141: all scopes at once, and where the metadata is."""
    told = challenge("insufficient_scope", "more is needed", scopes=("a:read", "b:write"), metadata="https://gate.example/.well-known/x")
    assert read(told) == {
        "realm": "sluicegate",
        "error": "insufficient_scope",
        "error_description": "more is needed",
        "scope": "a:read b:write",
        "resource_metadata": "https://gate.example/.well-known/x",
    }


@given(st.text(), st.lists(st.text()))
def test_no_text_breaks_out_of_its_quotes(description: str, scopes: list[str]) -> None:
    told = read(challenge("invalid_token", description, scopes=scopes))
    assert set(told) <= {"realm", "error", "error_description", "scope"}
