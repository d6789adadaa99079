"""What a part counts is said once, and told alike by the page of metrics, the command line and the library."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping

import attrs
import pytest
import trio

from sluicegate.cli.live import counted
from sluicegate.gateway.handles import Policies
from sluicegate.gateway.readings import families_of, parts_of_policies, statistics_of
from sluicegate.observe.exposition import Exposition
from sluicegate.observe.metrics import Counts
from sluicegate.policies.breaker import Breaker
from sluicegate.policies.settings import BreakerSettings
from sluicegate.protocol.calls import Call, Reply
from sluicegate.telling.statistics import counter, gauge, snapshot, state


class Mood(enum.Enum):
    GOOD = "good"
    BAD = "bad"


@attrs.frozen
class YawnStatistics:
    """Of a policy that nobody needs."""

    yawns: int = attrs.field(metadata=counter("yawns", "Times that it yawned."))
    mood: Mood = attrs.field(metadata=state("mood", "How it is."))
    sleepers: int | None = attrs.field(metadata=gauge("sleepers", "Who sleeps."))
    by_cause: Mapping[str, int] = attrs.field(metadata=counter("bores", "What made it yawn.", "cause"))
    private: str = "for people only"


@attrs.define(eq=False)
class Yawn:
    yawns: int = 3
    mood: Mood = Mood.BAD
    sleepers: int | None = None
    private: str = "not for Prometheus"

    @property
    def by_cause(self) -> dict[str, int]:
        return {"talk": 2, "tea": 1}

    def statistics(self) -> YawnStatistics:
        return snapshot(YawnStatistics, self)


@attrs.frozen(eq=False)
class More(Policies):
    """Those of a gateway that has one policy more."""

    yawn: Yawn | None = None


async def nothing(_call: Call) -> Reply:
    await trio.lowlevel.checkpoint()
    return Reply.saying("")


def more() -> dict[str, Policies]:
    return {"one": More(nothing, yawn=Yawn()), "none": More(nothing), "other": More(nothing, yawn=Yawn(7, sleepers=2))}


async def test_a_field_of_a_policys_statistics_is_in_the_page_of_metrics() -> None:
    page = (await Exposition(Counts(), lambda: families_of(parts_of_policies(more()))).render()).decode()
    told = {line for line in page.splitlines() if line.startswith("mcp_proxy_") and "backend=" in line}
    assert told == {
        'mcp_proxy_mood{backend="one",state="good"} 0.0',
        'mcp_proxy_mood{backend="one",state="bad"} 1.0',
        'mcp_proxy_mood{backend="other",state="good"} 0.0',
        'mcp_proxy_mood{backend="other",state="bad"} 1.0',
        'mcp_proxy_sleepers{backend="other"} 2.0',
        'mcp_proxy_yawns_total{backend="one"} 3.0',
        'mcp_proxy_yawns_total{backend="other"} 7.0',
        'mcp_proxy_bores_total{backend="one",cause="talk"} 2.0',
        'mcp_proxy_bores_total{backend="one",cause="tea"} 1.0',
        'mcp_proxy_bores_total{backend="other",cause="talk"} 2.0',
        'mcp_proxy_bores_total{backend="other",cause="tea"} 1.0',
    }
    assert "# HELP mcp_proxy_yawns_total Times that it yawned.\n# TYPE mcp_proxy_yawns_total counter\n" in page


@attrs.define(eq=False)
class Asked(Yawn):
    """Notes how many turns others have had by then."""

    turns: list[int] = attrs.field(factory=list)
    at: list[int] = attrs.field(factory=list)

    def statistics(self) -> YawnStatistics:
        self.at.append(len(self.turns))
        return Yawn.statistics(self)


async def test_each_kind_of_part_is_asked_when_its_turn_comes(nursery: trio.Nursery) -> None:
    """There may be a thousand backends, and to ask all of them for everything at once would hold up calls."""
    turns: list[int] = []

    async def take_turns() -> None:
        while True:
            turns.append(0)
            await trio.lowlevel.checkpoint()

    first, second, third = (Asked(turns=turns) for _ in range(3))
    nursery.start_soon(take_turns)
    await Exposition(Counts(), lambda: families_of([("one", "a", first), ("other", "a", second), ("one", "b", third)])).render()
    assert first.at == third.at < second.at
    assert [len(one.at) for one in (first, second, third)] == [1, 1, 1]


def test_it_is_in_what_the_command_line_shows() -> None:
    shown = json.loads(json.dumps(counted("one", statistics_of(parts_of_policies(more())))))
    told = {"yawns": 3, "mood": "bad", "sleepers": None, "by_cause": {"talk": 2, "tea": 1}, "private": "not for Prometheus"}
    assert shown == {"statistics": {"yawn": told}}


def test_it_is_in_the_library() -> None:
    told = more()["one"].statistics()
    assert list(told) == ["yawn"]
    assert isinstance(told["yawn"], YawnStatistics)
    assert told["yawn"].yawns == 3


async def test_what_was_told_does_not_change(autojump_clock: object) -> None:
    breaker = Breaker("b", BreakerSettings())
    before = breaker.statistics()
    breaker.force_open()
    assert (before.state, breaker.statistics().state) == (breaker.state.CLOSED, breaker.state.FORCED_OPEN)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        before.opened = 1  # type: ignore[misc]
