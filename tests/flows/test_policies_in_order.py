"""One call through every policy at once: it meets them in the order that ``sluicegate show pipeline`` prints."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
import trio
import trio.testing
from tests.kit.tools import SAFE

from sluicegate import Call, Failover, Gateway, Handler, Reply, open_gateway
from sluicegate.backends.backend import Backend
from sluicegate.cli.main import main as sluicegate
from sluicegate.config.load import load
from sluicegate.config.model import Config
from sluicegate.gateway.described import describe
from sluicegate.policies.compose import chain
from sluicegate.protocol.offers import TOOLS
from sluicegate.routing.split import Split
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import Answer, Delay, RpcError

EVERYTHING = """\
[proxy]
name = "all"
rate_limit = { requests = 500 }
[observability]
metrics.enabled = true
access_log.enabled = true

[[backends]]
name = "search"
transport = "http"
url = "http://127.0.0.1:9000/mcp"
timeout = { seconds = 60, per_attempt_seconds = 5 }
retry = { max_retries = 1, budget_percent = 100 }
hedging = { delay_ms = 1000 }
circuit_breaker = {}
outlier_detection = {}
rate_limit = { requests = 50 }
concurrency = { max_concurrent = 5 }
health = {}

[[backends]]
name = "next"
transport = "http"
url = "http://127.0.0.1:9001/mcp"
canary_of = "search"
weight = 100
circuit_breaker = {}
timeout = { per_attempt_seconds = 5 }

[[backends]]
name = "far"
transport = "http"
url = "http://127.0.0.1:9002/mcp"
failover_for = "search"
outlier_detection = {}

[[backends]]
name = "shadow"
transport = "http"
url = "http://127.0.0.1:9003/mcp"
mirror_of = "search"
"""


@attrs.define(eq=False)
class Own:
    """A policy of the embedding program's; the command line knows nothing of it."""

    inner: Handler

    async def __call__(self, call: Call) -> Reply:
        return await self.inner(call)


@pytest.fixture
def everything(tmp_path: Path) -> Path:
    path = tmp_path / "all.toml"
    path.write_text(EVERYTHING)
    return path


def printed(path: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """What the command line prints, by what stands in front of the colon."""
    with pytest.raises(SystemExit) as end:
        sluicegate(("show", "pipeline", "-c", str(path)))
    assert end.value.code == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith(" ")]
    return dict(line.split(": ", 1) for line in lines)


def steps(text: str) -> list[str]:
    return [step.partition("(")[0] for step in text.split(" -> ")]


def ways(text: str) -> tuple[list[str], dict[str, list[str]], dict[str, list[str]]]:
    """The steps down to the split; then, by backend, those of the canary's way and those of the primary's."""
    above, _, inside = text.partition("Split(")
    trial, _, usual = inside.removesuffix(")").partition(" | else: ")
    canary, primary = (
        {name: steps(way) for name, _, way in (part.partition(": ") for part in one[one.index("Failover(") + 9 : -1].split(" | "))}
        for one in (trial, usual)
    )
    return steps(above.removesuffix(" -> ")), canary, primary


def all_steps(handler: Handler) -> Iterator[Handler]:
    """Every policy that a call might pass, on all ways."""
    for step in chain(handler):
        yield step
        if isinstance(step, Failover):
            for candidate in step.members:
                yield from all_steps(candidate.handler)
        if isinstance(step, Split):
            for _canary, way in step.canaries:
                yield from all_steps(way)


def listen(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, float]]:
    """Have every policy write down its name and the time when a call comes to it, without a hook in any of them."""
    seen: list[tuple[str, float]] = []
    route = gateway.catalogue.table.listed[TOOLS.method]["search_echo"].handler
    for kind in dict.fromkeys(type(step) for step in (*all_steps(gateway.handler), *all_steps(route))):
        monkeypatch.setattr(kind, "__call__", _noting(kind, seen))
    return seen


def _noting(kind: type, seen: list[tuple[str, float]]) -> object:
    run = kind.__call__

    async def noting(self: object, call: Call) -> Reply:
        seen.append((self.name if isinstance(self, Backend) else kind.__name__, trio.current_time()))
        reply: Reply = await run(self, call)
        return reply

    return noting


async def called(
    config: Config, monkeypatch: pytest.MonkeyPatch, *, layers: bool = True
) -> tuple[Reply, list[tuple[str, float]], list[str], dict[str, ScriptedBackend]]:
    """One call that fails on trial, fails at home, is slow there when it is retried, and is answered far away."""
    backends = {
        "search": ScriptedBackend(RpcError(), Delay(60), tools=[SAFE]),
        "next": ScriptedBackend(RpcError(), tools=[SAFE]),
        "far": ScriptedBackend(Answer("at last"), tools=[SAFE]),
        "shadow": ScriptedBackend(tools=[SAFE]),
    }
    inside = tuple(attrs.evolve(backend, transport="inprocess", url=None) for backend in config.backends)
    servers = {name: backend.connector for name, backend in backends.items()}

    async def nowhere(_lines: bytes) -> None:
        await trio.lowlevel.checkpoint()

    own = {"search": [Own]} if layers else {}
    async with open_gateway(attrs.evolve(config, backends=inside), servers=servers, layers=own, access_log=nowhere) as gateway:
        await gateway.settled()
        shown = [*describe(gateway.handler), *describe(gateway.catalogue.table.listed[TOOLS.method]["search_echo"].handler)]
        seen = listen(gateway, monkeypatch)
        began = trio.current_time()
        reply = await gateway.call_tool("search_echo")
        await trio.testing.wait_all_tasks_blocked()
        monkeypatch.undo()
        return reply, [(name, at - began) for name, at in seen], shown, backends


def test_a_call_meets_every_policy_in_the_order_that_is_printed(
    everything: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """TST-G14: from the edge to the session, and from the hedge down once more for a retry and for a copy of it; mirrored once."""
    shown = printed(everything, capsys)
    config = load(everything).config

    async def call() -> tuple[Reply, list[tuple[str, float]], list[str], dict[str, ScriptedBackend]]:
        return await called(config, monkeypatch)

    reply, seen, _, backends = trio.run(call, clock=trio.testing.MockClock(autojump_threshold=0))

    assert reply.text == "at last"
    above, trial, usual = ways(shown["search"])
    assert list(trial) == ["next", "search", "far"], "a canary's way ends at the primary and its stand-ins"
    assert list(usual) == ["search", "far"]
    assert trial["search"] == usual["search"]
    home = trial["search"]
    attempt = home[home.index("Hedge") + 1 : -1]
    order = [
        *[*steps(shown["every call"]), *above, "Split", "Failover"],
        *[*trial["next"][:-1], "next"],
        *["Own", *home[:-1], "search"],  # the program's layers stand outside of all that may do without the backend
        *["Hedge", *attempt, "search"],  # the retry
        *[*attempt, "search"],  # the copy of the retry, which is slow
        *[*trial["far"][:-1], "far"],
    ]
    assert [name for name, _at in seen if name != "shadow"] == order
    assert {name: backend.calls for name, backend in backends.items()} == {"search": 3, "next": 1, "far": 1, "shadow": 1}


def test_the_copy_comes_when_the_hedge_says_so_and_the_next_attempt_when_the_deadline_of_one_is_over(
    everything: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load(everything).config

    async def call() -> tuple[Reply, list[tuple[str, float]], list[str], dict[str, ScriptedBackend]]:
        return await called(config, monkeypatch)

    _, seen, _, _ = trio.run(call, clock=trio.testing.MockClock(autojump_threshold=0))

    first, again, copy = [at for name, at in seen if name == "search"]
    (far,) = [at for name, at in seen if name == "far"]
    assert first == 0
    assert 0 <= again <= 0.1, "the pause of a retry"
    assert copy == pytest.approx(again + 1)
    assert far == pytest.approx(copy + 5), "the copy has a deadline of its own, and as long as it may succeed nobody else is asked"


def test_every_policy_of_the_contract_is_on_the_way(everything: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """RES-0d: all that is configured is in the chain, in the order of the design; the canary, which has less, passes less."""
    shown = printed(everything, capsys)
    above, trial, usual = ways(shown["search"])

    assert steps(shown["every call"]) == ["AccessLog", "Metrics", "Lifetime", "RateLimit", "Router"]
    assert above == ["CallDeadline", "Budgeted"]
    assert usual["search"] == ["Mirror", "Retry", "Hedge", "Gate", "AttemptDeadline", "RateLimit", "Concurrency", "Backend"]
    assert (trial["next"], usual["far"]) == (["Mirror", "Gate", "AttemptDeadline", "Backend"], ["Mirror", "Gate", "Backend"])
    assert re.search(r"Mirror\(shadow\)", shown["search"])


def test_the_running_gateway_describes_itself_as_the_command_line_does(
    everything: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """TST-G14: nobody assembles the chain in another way than the one that is shown."""
    shown = printed(everything, capsys)
    config = load(everything).config

    async def describing() -> list[str]:
        return (await called(config, monkeypatch, layers=False))[2]

    described = trio.run(describing, clock=trio.testing.MockClock(autojump_threshold=0))

    assert " -> ".join(described) == f"{shown['every call']} -> {shown['search']}"
