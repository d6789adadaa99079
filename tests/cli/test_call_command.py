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
        (("connect", "localhost:80"), "http://"),
    ],
)
def test_what_cannot_be_sent_is_a_wrong_command_line(sluicegate: Command, arguments: Sequence[str], told: str) -> None:
    code, out, err = sluicegate(*arguments)
    assert (code, out) == (2, "")
    assert told in err


def test_a_url_and_a_configuration_exclude_each_other(sluicegate: Command, gate: Path) -> None:
    assert sluicegate("list", "tools", "--url", "http://127.0.0.1/mcp", "-c", str(gate))[0] == 2
