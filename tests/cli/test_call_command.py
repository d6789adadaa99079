from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

Command = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("call", "x", "{"), "no JSON"),
        (("call", "x", "[1]"), "object"),
        (("call", "x", "--url", "example.org/mcp"), "http://"),
        (("call", "x", "--url", "http://127.0.0.1/mcp", "--header", "no colon"), "NAME: VALUE"),
        (("call", "x", '{"a": NaN}'), "JSON has no NaN"),
        (("call", "x", '{"a": "\\ud800"}'), "half a character"),
        (("call", "x", "[" * 100_000), "nested too deeply"),
        (("call", "\udcff"), "no UTF-8"),
        (("call", "x", "--url", "http://[::1"), "no address"),
        (("call", "x", "--url", "http://"), "no address"),
        (("call", "x", "--url", "http://127.0.0.1/mcp", "--header", "X: a\nb"), "one line"),
        (("call", "x", "--url", "http://127.0.0.1/mcp", "--token", "ümlaut"), "ASCII"),
        (("connect", "localhost:80"), "http://"),
        (("connect", "http://[::1"), "no address"),
        (("connect", "http://127.0.0.1/mcp", "--token", ""), "ASCII"),
    ],
)
def test_what_cannot_be_sent_is_a_wrong_command_line(sluicegate: Command, arguments: Sequence[str], told: str) -> None:
    code, out, err = sluicegate(*arguments)
    assert (code, out) == (2, "")
    assert told in err


@pytest.mark.parametrize("wrong", [("--header", "Authorization Bearer CANARY"), ("--header", "X: CANARY\n"), ("--token", "CANARY CANARY")])
def test_a_secret_that_cannot_be_sent_is_not_shown(sluicegate: Command, wrong: Sequence[str]) -> None:
    code, out, err = sluicegate("call", "x", "--url", "http://127.0.0.1:9/mcp", *wrong)
    assert code != 0
    assert "CANARY" not in out + err


def test_a_url_and_a_configuration_exclude_each_other(sluicegate: Command, gate: Path) -> None:
    assert sluicegate("list", "tools", "--url", "http://127.0.0.1/mcp", "-c", str(gate))[0] == 2
