"""What a refusal says about the token that it wants."""

from __future__ import annotations

import time

import pytest

from sluicegate.protocol.credential import MOST_SCOPES, Challenge, challenge_of


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["Bearer"], Challenge()),
        (['Bearer realm="x", error="invalid_token"'], Challenge("invalid_token")),
        (['Bearer error="insufficient_scope", scope="a b", resource_metadata="https://x/y"'], Challenge("insufficient_scope", ("a", "b"), "https://x/y")),
        (["bearer scope=a,resource_metadata=https://x/y"], Challenge("", ("a",), "https://x/y")),
        (['Basic realm="a, b", Bearer scope="c"'], Challenge("", ("c",))),
        (['Basic realm="x"', 'Bearer scope="c"'], Challenge("", ("c",))),
        (['Bearer scope="a\\"b c"'], Challenge("", ("a", "b", "c"))),
        (['Basic realm="x"'], None),
        ([], None),
        ([""], None),
    ],
)  # fmt: skip
def test_a_challenge_is_read_as_the_standard_writes_it(values: list[str], said: Challenge | None) -> None:
    assert challenge_of(value.encode() for value in values) == said


def test_scopes_beyond_a_bound_are_not_taken() -> None:
    """P-147."""
    scopes = " ".join(f"s{number}" for number in range(MOST_SCOPES + 1))
    found = challenge_of([f'Bearer scope="{scopes}"'.encode()])
    assert found is not None
    assert len(found.scopes) == MOST_SCOPES


@pytest.mark.parametrize("piece", ['scope="', "scope=", 'a = "\\', "bearer ", ", bearer", "=", ' scope="a" '])
def test_no_challenge_takes_long_to_read(piece: str) -> None:
    began = time.process_time()
    challenge_of([b"Bearer " + piece.encode() * 100_000])
    assert time.process_time() - began < 0.2
