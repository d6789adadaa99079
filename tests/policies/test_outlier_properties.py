"""Outlier detection over many seeds: against one that remembers everything, in groups whose members come and go."""

import math
import random

import attrs
import pytest
import trio
import trio.testing

from sluicegate.policies.gate import Gate
from sluicegate.policies.outlier import Group, Outlier
from sluicegate.policies.settings import OutlierSettings
from sluicegate.protocol import faults
from sluicegate.protocol.calls import Call, Reply

SEEDS = range(200)


@attrs.define(eq=False)
class Reference:
    """Keeps every outcome since it was let in, and every ejection."""

    settings: OutlierSettings
    peers: "list[Reference]"
    outcomes: list[tuple[float, bool]] = attrs.field(factory=list)
    """Of the current life, the interval that is running."""
    streak: list[bool] = attrs.field(factory=list)
    ejections: list[tuple[float, float]] = attrs.field(factory=list)
    """From when to when."""
    weight: int = 0
    epoch: int = 0

    def is_out(self, now: float) -> bool:
        return any(begin <= now < end for begin, end in self.ejections)

    @property
    def ended(self) -> float:
        return self.ejections[-1][1] if self.ejections else -math.inf

    def pass_time(self, now: float) -> None:
        """Judge the interval that has ended, and forget what was before an ejection that is over."""
        end = self.outcomes[0][0] + self.settings.interval_seconds if self.outcomes else math.inf
        threshold = self.settings.success_rate_threshold
        if now >= end and threshold is not None:
            outcomes, self.outcomes = self.outcomes, []
            good = sum(not failed for _at, failed in outcomes)
            if len(outcomes) >= self.settings.minimum_calls and good / len(outcomes) < threshold:
                self.try_to_go(now, end)

    def end(self, epoch: int, now: float, *, failed: bool) -> None:
        self.pass_time(now)
        if epoch != self.epoch or self.is_out(now):
            return
        self.streak = [*self.streak, failed] if failed else []
        if self.settings.success_rate_threshold is not None:
            self.outcomes.append((now, failed))
        if failed and self.settings.consecutive_errors and len(self.streak) >= self.settings.consecutive_errors:
            self.try_to_go(now, now)

    def try_to_go(self, now: float, since: float) -> None:
        weight, quiet = self.weight, self.ended + self.settings.interval_seconds
        while weight and quiet <= since + 1e-9:
            weight, quiet = weight - 1, quiet + self.settings.interval_seconds
        end = since + min(self.settings.base_ejection_seconds * (weight + 1), self.settings.max_ejection_seconds)
        out = sum(peer.is_out(now) for peer in self.peers)
        if (end <= now and since < now) or out + 1 > limit(self.peers):
            return
        self.weight = weight + 1
        self.epoch += 1
        self.ejections.append((now, end))
        self.outcomes, self.streak = [], []


def limit(members: list[Reference]) -> int:
    percent = max(member.settings.max_ejection_percent for member in members)
    return max(1 if percent else 0, int(len(members) * percent / 100))


def some_settings(chance: random.Random) -> OutlierSettings:
    return OutlierSettings(
        consecutive_errors=chance.choice([0, 1, 3, 5]),
        success_rate_threshold=chance.choice([None, 0.5, 0.9, 1.0]),
        minimum_calls=chance.choice([1, 4, 10]),
        interval_seconds=chance.choice([0.5, 2.0, 8.0]),
        base_ejection_seconds=chance.choice([0.0, 1.0, 4.0, 16.0]),
        max_ejection_seconds=chance.choice([16.0, 64.0]),
        max_ejection_percent=chance.choice([0.0, 10.0, 34.0, 50.0, 100.0]),
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_each_of_a_group_does_what_one_does_that_remembers_everything(seed: int) -> None:
    """RES-50 … RES-54: who is out, for how long, after how many errors in a row or in an interval, and how many at once."""
    chance = random.Random(f"{seed}:outlier")
    group, peers = Group(), list[Reference]()
    members = []
    for number in range(chance.randrange(1, 6)):
        settings = some_settings(chance)
        peers.append(Reference(settings, peers))
        members.append(Outlier(f"files{number}", settings, group))
    running: list[tuple[int, int, int]] = []
    now, badness = 0.0, 0.5

    for _step in range(500):
        now += chance.choice([0.0, 0.0, 0.25, 0.5, 2.0, 32.0 * (chance.random() < 0.2)])
        badness = chance.choice([0.1, 0.5, 0.95]) if chance.random() < 0.05 else badness
        which = chance.randrange(len(members))
        member, peer = members[which], peers[which]
        if chance.random() < 0.55:
            life = member.admit(now)
            peer.pass_time(now)
            assert bool(life) != peer.is_out(now)
            if life:
                running.append((which, life, peer.epoch))
        elif running:
            which, life, epoch = running.pop(chance.randrange(len(running)))
            failed = chance.random() < badness
            members[which].record(life, now, failed)
            peers[which].end(epoch, now, failed=failed)
        assert [one.is_out(now) for one in members] == [one.is_out(now) for one in peers]
        assert [one.ejections for one in members] == [len(one.ejections) for one in peers]
        assert sum(one.is_out(now) for one in members) <= group.most == limit(peers)


@attrs.define(eq=False)
class World:
    """Backends that come, go and are built anew; they are ill for half a minute."""

    chance: random.Random
    group: Group = attrs.field(factory=Group)
    gates: dict[str, Gate] = attrs.field(factory=dict)

    async def backend(self, call: Call) -> Reply:
        await trio.sleep(self.chance.random())
        is_ill = trio.current_time() < 30 and self.chance.random() < 0.7
        return Reply.failed(faults.lost("files", "gone")) if is_ill else Reply()

    def build(self, name: str) -> None:
        self.gates[name] = Gate(self.backend, outlier=Outlier(name, some_settings(self.chance), self.group))

    def remove(self, name: str) -> None:
        gone = self.gates.pop(name).outlier
        assert gone is not None
        gone.leave()

    def check(self) -> None:
        now = trio.current_time()
        known = [gate.outlier for gate in self.gates.values() if gate.outlier is not None]
        out = self.group.out(now)
        assert {one.name for one in known if one.is_out(now)} == {one.name for one in out}
        assert len(out) <= self.group.most

    async def client(self) -> None:
        while trio.current_time() < 30:
            with trio.move_on_after(self.chance.choice([0.2, 5.0])):
                await self.chance.choice(list(self.gates.values()))(Call("tools/call", "read", {}))
            self.check()
            await trio.sleep(self.chance.random() * 0.5)

    async def operator(self) -> None:
        while trio.current_time() < 30:
            await trio.sleep(self.chance.random() * 4)
            name = f"files{self.chance.randrange(6)}"
            if name in self.gates and self.chance.random() < 0.6 and len(self.gates) > 1:
                self.remove(name)
            else:
                self.build(name)
            self.check()


@pytest.mark.parametrize("seed", SEEDS)
async def test_never_too_many_of_a_group_are_out_and_all_come_back(seed: int, autojump_clock: trio.testing.MockClock) -> None:
    """RES-51, RES-55, RES-56, TST-G11: backends come and go while calls fail and are cut; the limit holds at every moment."""
    world = World(random.Random(f"{seed}:group"))
    for number in range(4):
        world.build(f"files{number}")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.operator)
        for _ in range(4):
            nursery.start_soon(world.client)

    await trio.sleep(64 + 8)
    for gate in world.gates.values():
        assert (await gate(Call("tools/call", "read", {}))).fault is None
