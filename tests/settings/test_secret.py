"""A secret is shown to nobody who has not asked for it in so many words."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback
from collections.abc import Callable

import attrs
import msgspec
import pytest
import structlog
from rich.pretty import pretty_repr

from sluicegate.settings.secret import Secret, secret, secret_table, secrets

CANARY = "CANARY-5d2f8c"
HELD = Secret(CANARY)


@attrs.frozen
class Settings:
    key: Secret
    table: dict[str, Secret]


WAYS: dict[str, Callable[[], str]] = {
    "repr": lambda: repr(HELD),
    "str": lambda: str(HELD),
    "an f-string": lambda: f"{HELD} {HELD!r} {HELD!s} {HELD:>40}",
    "format": lambda: f"{HELD} {HELD:s}",
    "percent": lambda: "%s %r" % (HELD, HELD),  # noqa: UP031  one of the ways
    "settings that hold it": lambda: repr(Settings(HELD, {"a": HELD})),
    "settings as a dict": lambda: repr(attrs.asdict(Settings(HELD, {"a": HELD}))),
    "a pretty printer": lambda: pretty_repr(Settings(HELD, {"a": HELD})),
    "JSON with a default": lambda: json.dumps([HELD], default=str),
    "a record of a log": lambda: logging.LogRecord("a", 20, "a", 1, "key %s", (HELD,), None).getMessage(),
    "an event": lambda: str(structlog.processors.JSONRenderer()(None, "info", {"event": "x", "key": HELD})),
    "an error about it": lambda: repr(ValueError(HELD)),
    "what copies make of it": lambda: repr([copy.copy(HELD), copy.deepcopy([HELD])]),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_secret_is_not_shown_by(way: str) -> None:
    assert CANARY not in WAYS[way]()


def test_a_trace_with_local_variables_does_not_show_it() -> None:
    def fail(key: Secret) -> None:
        raise RuntimeError(key)

    try:
        fail(HELD)
    except RuntimeError as error:
        told = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert "key = ***" in told
    assert CANARY not in told


@pytest.mark.parametrize("write", [json.dumps, msgspec.json.encode, msgspec.to_builtins, pickle.dumps, "".join, b"".join])
def test_what_would_write_it_somewhere_refuses_it(write: Callable[[object], object]) -> None:
    with pytest.raises(TypeError) as caught:
        write([HELD])
    assert CANARY not in str(caught.value)


def test_who_asks_for_it_gets_it() -> None:
    assert HELD.reveal() == CANARY
    assert secret(CANARY) == HELD == CANARY
    assert secrets([CANARY, HELD]) == (HELD, HELD)
    assert secret_table({"a": CANARY, "b": HELD}) == {"a": CANARY, "b": CANARY}


def test_secrets_can_be_compared_and_looked_for() -> None:
    assert secret(None) is None
    assert [Secret("b"), 1] != [HELD, HELD]
    assert (bool(Secret("")), bool(HELD), len(HELD)) == (False, True, len(CANARY))
    assert {HELD: 1}[Secret(CANARY)] == 1
