"""Files that ask for kept and shared answers, in the words of the reference: read, written back, and shown."""

from __future__ import annotations

import attrs
import pytest

from sluicegate.config.checks.whole import problems, warnings
from sluicegate.config.load import ConfigError, dump, parse
from sluicegate.config.summary import features
from sluicegate.gateway.opening import open_gateway
from sluicegate.gateway.outline import outline
from sluicegate.settings.keeping import CacheSettings
from sluicegate.testing.backend import ScriptedBackend

LAPTOP = """\
[proxy]
name = "laptop"
separator = "/"

[proxy.listen]
port = 0

[performance]
coalesce_requests = true

[cache]
backend = "memory"

[[backends]]
name = "math"
transport = "stdio"
command = "serve"

[backends.cache]
resource_ttl_seconds = 300
tool_ttl_seconds = 60
max_entries = 500

[[backends]]
name = "files"
transport = "stdio"
command = "serve"
coalesce_requests = false
cache = { tool_ttl_seconds = 5, tools = ["get_*", "re:^list"], except_tools = ["get_time"], clear_on_writes = false }

[backends.retry]
max_retries = 2
"""


def test_a_file_is_read_whole_and_written_back_the_same() -> None:
    """CFG-66, CFG-67, CFG-68, CFG-110."""
    loaded = parse(LAPTOP)
    assert (loaded.planned, problems(loaded.config), warnings(loaded.config)) == ((), [], [])
    math, files = loaded.config.backends
    assert math.cache == CacheSettings(300, 60, max_entries=500)
    assert files.cache is not None
    assert (files.cache.tools, files.cache.except_tools, files.cache.clear_on_writes) == (("get_*", "re:^list"), ("get_time",), False)
    assert (loaded.config.performance.coalesce_requests, math.coalesce_requests, files.coalesce_requests) == (True, None, False)
    assert parse(dump(loaded.config)).config.backends == loaded.config.backends
    assert "cache" in features(math)


async def test_what_is_shown_of_it_is_what_runs(autojump_clock: object) -> None:
    """TST-G14."""
    config = parse(LAPTOP).config
    shown = await outline(config)
    assert shown["backends"]["math"]["policies"] == ["CallDeadline", "Cache", "Coalesce", "Backend"]
    assert shown["backends"]["files"]["policies"] == ["CallDeadline", "Cache", "Retry", "Backend"]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("tool_ttl = 3", "did you mean 'tool_ttl_seconds'?"),
        ("max_entries = 0", "must be 1-100000"),
        ('tools = "x"', "cache.tools"),
        ('tools = ["re:("]', "cache.tools[0]"),
        ('except_tools = ["{"]', "cache.except_tools[0]"),
    ],
)
def test_a_mistake_is_told_with_its_place(line: str, error: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(f'[proxy]\nname = "p"\n[[backends]]\nname = "a"\ntransport = "stdio"\ncommand = "x"\n[backends.cache]\n{line}\n')
    assert any("backends[0].cache" in str(problem) and error in str(problem) for problem in caught.value.problems), caught.value


async def test_such_a_file_runs(autojump_clock: object) -> None:
    """As in a file, but with backends in this process."""
    config = parse(LAPTOP).config
    inside = tuple(attrs.evolve(backend, transport="inprocess", command=None) for backend in config.backends)
    config = attrs.evolve(config, backends=inside)
    schema: dict[str, object] = {"inputSchema": {"type": "object"}}
    math = ScriptedBackend(tools=[schema | {"name": "add", "annotations": {"readOnlyHint": True}}])
    files = ScriptedBackend(tools=["get_text", "get_time"])
    async with open_gateway(config, servers={"math": math.connector, "files": files.connector}, strict=True) as gateway:
        for tool in ("math/add", "files/get_text", "files/get_time"):
            for _ in range(2):
                assert (await gateway.call_tool(tool, {"a": 1})).fault is None
        assert {"math": math.calls, "files": files.calls} == {"math": 1, "files": 3}
