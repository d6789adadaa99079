"""Random lives of random clients in a small house: places are never exceeded, nobody loses one unjustly, and nothing stays behind."""

from __future__ import annotations

from collections import Counter
from random import Random

import attrs
import pytest
import trio
from tests.kit.unresumed import Unresumed

from sluicegate.frontends.endpoint import Limits, Opening
from sluicegate.frontends.owners import NoPlace
from sluicegate.frontends.session_table import SessionTable
from sluicegate.frontends.sessions import Session
from sluicegate.frontends.stream import Downlink, EventLog
from sluicegate.protocol.messages import Notification
from sluicegate.protocol.principal import Principal
from sluicegate.sources import Sources

# The numbers that are promised. Taken from the source they would move with it.
HANDSHAKE_SECONDS = 10.0
MOST_KEPT_BYTES = 64 * 1024 * 1024
MOST_OPEN_BYTES = 256 * 1024 * 1024
PART = 4
WEIGHT = 2048

INITIALIZED = Notification("notifications/initialized", {})
STEPS = 400
PEOPLE = ("", "a", "b", "c", "d", "e")
"""The first is somebody of whom nothing is known, and has no share."""


@attrs.define(eq=False)
class Town:
    """Clients that do what comes to mind, and what is true of the table whatever they do."""

    chance: Random
    limits: Limits
    table: SessionTable = attrs.field(init=False)
    holding: list[tuple[Session, int]] = attrs.field(factory=list, init=False)
    downlinks: dict[Session, list[Downlink]] = attrs.field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self.table = SessionTable(self.limits, Sources.seeded(1))

    @property
    def sessions(self) -> list[Session]:
        return list(self.table._sessions.values())

    def some(self) -> Session | None:
        return self.chance.choice(self.sessions) if self.sessions else None

    def step(self) -> None:
        act = self.chance.choice(
            [self.open] * 6 + [self.settle, self.use, self.occupy, self.free, self.end, self.keep, self.hold, self.let_go]
        )
        act()

    def open(self) -> None:
        """Somebody comes, mostly one of a few; what he takes from others must be his due."""
        who = self.chance.choice(PEOPLE) if self.chance.random() < 0.7 else self.chance.choice(PEOPLE[:2])
        before, counts = self.sessions, Counter(session.caller.principal.key for session in self.sessions)
        abandoned = [one for one in before if not one.ready and not one.is_busy and trio.current_time() - one.used_at >= HANDSHAKE_SECONDS]
        opened = self.table.open(Opening("2025-11-25", {}), Principal(who))
        gone = [session for session in before if session not in self.sessions]
        everybody = len(counts | Counter({who: 1}))
        assert len(gone) <= 1
        assert not any(session.is_busy for session in gone)
        for lost in gone:
            loser = lost.caller.principal.key
            assert len(before) == self.limits.max_sessions or counts[who] == self.limits.share_of_sessions
            assert loser == who or (counts[loser] > counts[who] and counts[loser] > self.limits.max_sessions // everybody)
            mine = [one for one in abandoned if one.caller.principal.key == loser]
            assert lost in abandoned or not mine or lost.ready is False
        if isinstance(opened, NoPlace):
            assert not gone
            at_share = bool(who) and counts[who] >= self.limits.share_of_sessions
            assert (opened.status == 429) is at_share
            assert all(session.is_busy for session in before if session.caller.principal.key == who)

    def settle(self) -> None:
        if session := self.some():
            session.settle()

    def use(self) -> None:
        if session := self.some():
            self.table.find(session.id, session.caller.principal)

    def occupy(self) -> None:
        if session := self.some():
            downlink = Downlink(trio.sleep_forever)
            session.downlinks.add(downlink)
            self.downlinks.setdefault(session, []).append(downlink)

    def free(self) -> None:
        if self.downlinks:
            session = self.chance.choice(list(self.downlinks))
            session.downlinks.discard(self.downlinks[session].pop())
            session.touch()
            if not self.downlinks[session]:
                del self.downlinks[session]

    def end(self) -> None:
        if session := self.some():
            self.table.end(session)

    def keep(self) -> None:
        if session := self.some():
            log = session.open_stream(Unresumed())
            log.put(b"x" * self.chance.choice([1, 1000, 5_000_000]), is_note=False)
            log.end()
            self.table.keep(session, log)

    def hold(self) -> None:
        size = self.chance.choice([70_000, 4_000_000, MOST_OPEN_BYTES // 3])
        if (session := self.some()) and self.table.may_hold(session.owner, size):
            self.holding.append((session, size))

    def let_go(self) -> None:
        if self.holding:
            session, size = self.holding.pop(self.chance.randrange(len(self.holding)))
            self.table.let_go(session.owner, size)

    def look(self) -> None:
        """What is true at any time."""
        table, owners = self.table, list(self.table.owners)
        assert len(table) <= self.limits.max_sessions
        assert sum(len(owner) for owner in owners) == len(table)
        assert Counter(session.caller.principal.key for session in self.sessions) == {owner.key[0]: len(owner) for owner in owners}
        assert all(len(owner) <= self.limits.share_of_sessions for owner in owners if any(owner.key))
        assert {session.owner for session in self.sessions} == set(owners)
        by_size = {owner: size for size, some in table.owners._by_size.items() for owner in some}
        assert by_size == {owner: len(owner) for owner in owners}
        kept = {log: session for log, (_, session) in table._kept.items()}
        assert all(session in self.sessions for session in kept.values())
        assert table._kept_bytes == sum(map(weight, kept)) == sum(owner.kept_bytes for owner in owners) <= MOST_KEPT_BYTES
        assert all(owner.kept_bytes <= MOST_KEPT_BYTES // PART for owner in owners)
        assert {owner: set(owner.kept) for owner in owners if owner.kept} == by_owner(kept)
        assert table._open_bytes == sum(size for _, size in self.holding) <= MOST_OPEN_BYTES


def weight(log: EventLog) -> int:
    return log.size + WEIGHT


def by_owner(kept: dict[EventLog, Session]) -> dict[object, set[EventLog]]:
    found: dict[object, set[EventLog]] = {}
    for log, session in kept.items():
        found.setdefault(session.owner, set()).add(log)
    return found


@pytest.mark.parametrize("seed", range(30))
async def test_whatever_clients_do_the_house_is_in_order(seed: int, autojump_clock: object, nursery: trio.Nursery) -> None:
    chance = Random(f"town {seed}")
    most = chance.choice([1, 2, 5, 12])
    limits = Limits(
        max_sessions=most, max_sessions_per_principal=chance.choice([None, 1, 3, most]), session_idle_seconds=120, orphan_seconds=20
    )
    town = Town(chance, limits)
    nursery.start_soon(town.table.sweep)
    for _ in range(STEPS):
        town.step()
        town.look()
        if chance.random() < 0.2:
            await trio.sleep(chance.choice([0.5, 5, 11, 70]))
            town.look()
    while town.downlinks:
        town.free()
    while town.holding:
        town.let_go()
    await trio.sleep(300)
    town.look()
    assert (len(town.table), len(town.table.owners), town.table._kept_bytes, town.table._open_bytes) == (0, 0, 0, 0)
    nursery.cancel_scope.cancel()
