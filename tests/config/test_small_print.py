"""Small print of files: in which order, what wins, and what has to be there."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluicegate.config.load import ConfigError, from_mcp_json, parse
from sluicegate.config.summary import summary
from sluicegate.gateway.stand_in_order import stand_ins

HEAD = '[proxy]\nname = "p"\n'
BACKEND = '[[backends]]\nname = "{0}"\ntransport = "stdio"\ncommand = "x"\n'

ALL = """
mirror_of = "b"
aliases = [{ from = "a", to = "b" }]
hide_resources = ["x"]
cache = { tool_ttl_seconds = 1 }
outlier_detection = {}
concurrency = { max_concurrent = 1 }
hedging = {}
retry = {}
circuit_breaker = {}
rate_limit = { requests = 1 }
timeout = { seconds = 5 }
"""


def test_what_is_configured_is_summed_up_in_one_order_however_it_was_written() -> None:
    """CLI-11."""
    shown = summary(parse(HEAD + BACKEND.format("a") + ALL + BACKEND.format("b")).config)
    words = "timeout, rate-limit, circuit-breaker, retry, hedging, concurrency-limit, outlier-detection, cache, filter, alias"
    assert f"    - a (stdio) [{words}, mirror of b, 100 %]\n    - b (stdio)\n" in shown


def test_stand_ins_of_one_priority_are_asked_as_they_were_written() -> None:
    text = "".join(
        BACKEND.format(name) + f'failover_for = "a"\npriority = {priority}\n' for name, priority in (("c", 0), ("b", 0), ("d", -0))
    )
    configs = parse(HEAD + BACKEND.format("a") + text + BACKEND.format("e") + 'failover_for = "a"\n').config.backends
    assert stand_ins(configs[0], configs) == ("c", "b", "d", "e")


@pytest.mark.parametrize(("alias", "key"), [('{ from = "a" }', "to"), ('{ to = "a" }', "from")])
def test_an_alias_has_two_names(alias: str, key: str) -> None:
    with pytest.raises(ConfigError, match=rf"backends\[0\]\.aliases\[0\]\.{key}: the key '{key}' is missing"):
        parse(HEAD + BACKEND.format("a") + f"aliases = [{alias}]\n")


def test_of_a_command_and_an_address_in_a_clients_file_the_command_is_meant(tmp_path: Path) -> None:
    path = tmp_path / ".mcp.json"
    path.write_text('{"mcpServers": {"a": {"command": "x", "url": "http://127.0.0.1:1/mcp"}}}')
    (backend,) = from_mcp_json(path, environ={}).config.backends
    assert (backend.transport, backend.command, backend.url) == ("stdio", "x", None)


@pytest.mark.parametrize("word", ["STDIO", "Http", "tcp"])
def test_a_transport_is_written_in_small_letters(word: str) -> None:
    with pytest.raises(ConfigError, match="none of the values that are known"):
        parse(HEAD + BACKEND.format("a").replace("stdio", word))


@pytest.mark.parametrize(
    ("text", "exposure"), [("", "direct"), ('tool_exposure = "direct"\n', "direct"), ('tool_exposure = "search"\n', "search")]
)
def test_tools_are_listed_unless_a_search_takes_their_place(text: str, exposure: str) -> None:
    """CFG-32."""
    assert parse(HEAD + text + BACKEND.format("a")).config.proxy.tool_exposure == exposure
