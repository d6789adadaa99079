from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from sluicegate.cli.call import _print_text
from sluicegate.cli.listing import _description, _key
from sluicegate.cli.target import _headers

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


def test_headers_are_those_that_were_written_and_a_token_is_one_of_them() -> None:
    assert _headers(None, []) == {}
    assert _headers("secret", ["X-One: 1", " X-Two :2 ", "X-Three: a:b", "X-Four:"]) == {
        "Authorization": "Bearer secret",
        "X-One": "1",
        "X-Two": "2",
        "X-Three": "a:b",
        "X-Four": "",
    }
    assert _headers("secret", ["Authorization: Basic x"]) == {"Authorization": "Basic x"}


def test_the_texts_of_a_result_are_printed_and_of_the_rest_that_it_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    _print_text(
        {
            "content": [
                {"type": "text", "text": "one"},
                {"type": "image", "data": "x"},
                {},
                {"type": "text"},
                {"type": "text", "text": "two"},
            ]
        }
    )
    assert capsys.readouterr() == ("one\n\ntwo\n", "(image left out; --json shows it)\n(something left out; --json shows it)\n")
    _print_text({})
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("entry", "key", "description"),
    [
        ({"name": "a", "description": "\n first\nsecond", "title": "t"}, "a", "first"),
        ({"name": "a", "title": " t\nu"}, "a", "t"),
        ({"name": "a", "description": ""}, "a", ""),
        ({"name": "a", "uri": "b://c"}, "b://c", ""),
        ({"name": "a", "uriTemplate": "b://{c}"}, "b://{c}", ""),
        ({}, "", ""),
    ],
)
def test_an_entry_is_told_by_what_it_is_asked_for_with_and_its_first_line(entry: dict[str, str], key: str, description: str) -> None:
    assert (_key(entry), _description(entry)) == (key, description)


def test_a_url_and_a_client_file_exclude_each_other(sluicegate: Command) -> None:
    code, _, err = sluicegate("list", "tools", "--url", "http://127.0.0.1/mcp", "--import-mcp-json", "more.json")
    assert (code, "goes with neither -c nor a .mcp.json" in err) == (2, True)


def test_what_is_typed_wins_over_the_environment(sluicegate: Command, gate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So the address is what is wrong, and not that it stands beside a configuration."""
    monkeypatch.setenv("SLUICEGATE_CONFIG", str(gate))
    code, _, err = sluicegate("list", "tools", "--url", "nowhere")
    assert (code, "'nowhere' is no address" in err) == (2, True)
