"""Which sessions of one owner are idle, and which goes first; the cost of finding out does not grow with their number."""

from __future__ import annotations

import attrs
import pytest
import trio.testing

from sluicegate.frontends.owners import Owner, Owners

# The numbers that are promised. Taken from the source they would move with it.
HANDSHAKE_SECONDS = 10.0
LOOKED_AT = 64


@attrs.define(eq=False)
class Somebody:
    """A session (implements `Place`)."""

    owner: Owner
    used_at: float = 0.0
    ready: bool = False
    is_busy: bool = False
    looked_at: int = 0

    def touch(self, now: float | None = None) -> None:
        self.used_at = 0.0 if now is None else now
        self.owner.used(self)


@attrs.define(eq=False)
class Watched(Somebody):
    """It counts how often somebody wants to know when it was in use."""

    def __getattribute__(self, name: str) -> object:
        if name == "used_at":
            self.looked_at += 1
        return super().__getattribute__(name)


def crowd(*moments: float, ready: bool = False) -> tuple[Owner, list[Somebody]]:
    owner = Owner(("a", ""))
    places = [Watched(owner, moment, ready) for moment in moments]
    for place in places:
        owner.add(place)
        if ready:
            owner.used(place)
    return owner, list(places)


@pytest.mark.parametrize(
    ("then", "most", "found", "more"),
    [
        (0.5, 10, 0, False),
        (1.0, 10, 1, False),
        (2.5, 10, 2, False),
        (9.0, 10, 3, False),
        (9.0, 4, 3, False),
        (9.0, 3, 3, True),
        (9.0, 2, 2, True),
    ],
)
@pytest.mark.parametrize("ready", [False, True])
def test_those_are_idle_that_were_not_used_since(then: float, most: int, found: int, more: bool, ready: bool) -> None:
    owner, places = crowd(1.0, 2.0, 3.0, ready=ready)
    assert owner.idle_since(then, most) == (places[:found], more)


def test_no_more_are_looked_at_than_was_asked_for_whether_they_are_in_their_handshake_or_not() -> None:
    owner, places = crowd(*[1.0] * 10)
    for place in places[5:]:
        place.ready = True
        owner.used(place)
    for place in places:
        place.looked_at = 0
    idle, more = owner.idle_since(9.0, 7)
    assert (idle, more) == (places[:7], True)
    assert sum(place.looked_at for place in places) == 7
    assert owner.idle_since(9.0, 10) == (places, True)
    assert owner.idle_since(9.0, 11) == (places, False)


def test_where_nobody_is_idle_nobody_but_the_first_is_looked_at() -> None:
    owner, places = crowd(*[5.0] * 1000)
    assert owner.idle_since(1.0, 256) == ([], False)
    assert sum(place.looked_at for place in places) == 1


def test_what_is_open_is_use() -> None:
    owner, places = crowd(1.0, 1.0, 1.0, ready=True)
    places[0].is_busy = places[2].is_busy = True
    assert owner.idle_since(9.0, 3) == ([places[1]], True)
    assert owner.first_to_go(20.0) is places[1]
    for place in places:
        place.is_busy = False
    assert owner.idle_since(9.0, 3) == ([places[1], places[0], places[2]], True), "they were in use meanwhile"


@pytest.mark.parametrize(("busy", "goes"), [(0, 0), (LOOKED_AT - 1, LOOKED_AT - 1), (LOOKED_AT, None)])
def test_so_many_are_looked_at_when_one_must_go_and_the_next_time_others(busy: int, goes: int | None) -> None:
    owner, places = crowd(*[1.0] * (LOOKED_AT + 2), ready=True)
    for place in places[:busy]:
        place.is_busy = True
    assert owner.first_to_go(5.0) is (None if goes is None else places[goes])
    if goes is None:
        assert owner.first_to_go(6.0) is places[busy]


@pytest.mark.parametrize(("waited", "goes_first"), [(HANDSHAKE_SECONDS - 0.1, False), (HANDSHAKE_SECONDS, True)])
def test_a_handshake_has_some_seconds_before_it_goes_first(waited: float, goes_first: bool) -> None:
    owner, (worker, other, fresh) = crowd(0.0, 0.0, 0.0)
    for place in (worker, other):
        place.ready = True
        owner.used(place)
    assert (owner.first_to_go(waited) is fresh) is goes_first


@pytest.mark.parametrize(("fresh", "settled", "goes_first"), [(2, 1, True), (1, 1, False), (1, 2, False)])
def test_of_more_handshakes_than_sessions_at_work_one_goes_first(fresh: int, settled: int, goes_first: bool) -> None:
    owner, places = crowd(*[1.0] * (fresh + settled))
    for place in places[fresh:]:
        place.ready = True
        owner.used(place)
    assert owner.first_to_go(1.0) is places[0 if goes_first else fresh]


def party(owners: Owners, name: str, size: int) -> tuple[Owner, list[Somebody]]:
    owner = owners.of(name, "")
    places = [Somebody(owner, 1.0) for _ in range(size)]
    for place in places:
        owners.add(owner, place)
    return owner, places


@pytest.mark.parametrize(("of_one", "of_the_other", "gives_way"), [(5, 1, True), (4, 2, True), (3, 3, False), (2, 4, False)])
def test_somebody_with_more_than_an_equal_part_gives_way_to_who_has_fewer(of_one: int, of_the_other: int, gives_way: bool) -> None:
    owners = Owners()
    _, large = party(owners, "one", of_one)
    small, own = party(owners, "other", of_the_other)
    assert owners.who_gives_way(small, 6, 1.0) is (large[0] if gives_way else own[0])


def test_an_equal_part_is_one_of_all_who_are_there_with_who_is_coming() -> None:
    owners = Owners()
    for name in ("a", "b"):
        party(owners, name, 3)
    assert owners.who_gives_way(owners.of("c", ""), 6, 1.0) is not None
    others = Owners()
    for name in ("a", "b"):
        party(others, name, 2)
    assert others.who_gives_way(others.of("c", ""), 6, 1.0) is None, "two of six are no more than a third"


async def test_who_abandoned_a_handshake_gives_way_before_who_is_unused_for_longer(autojump_clock: trio.testing.MockClock) -> None:
    owners = Owners()
    _, first = party(owners, "a", 3)
    _, second = party(owners, "b", 3)
    for place in first:
        place.ready = True
        place.owner.used(place)
    for place in second:
        place.used_at = 5.0
    assert owners.who_gives_way(owners.of("c", ""), 6, 5.0 + HANDSHAKE_SECONDS) is second[0]
    assert owners.who_gives_way(owners.of("c", ""), 6, 5.0) is first[0]


def test_nobody_is_left_of_an_owner_without_sessions() -> None:
    owners = Owners()
    one, (place, other, third) = party(owners, "one", 3)
    place.ready = True
    one.used(place)
    assert len(one) == 3
    owners.remove(one, place)
    assert (len(owners), list(owners), one.idle_since(9.0, 9)) == (1, [one], ([other, third], False))
    owners.remove(one, other)
    assert (len(owners), list(owners), len(one)) == (1, [one], 1)
    owners.remove(one, third)
    assert (len(owners), list(owners), len(one)) == (0, [], 0)
    assert owners.who_gives_way(owners.of("two", ""), 1, 1.0) is None
    assert owners.of("one", "") is not one


def test_who_has_streams_alone_takes_nobody_a_place() -> None:
    owners = Owners()
    party(owners, "one", 3)
    listening = [owners.of(name, "") for name in ("a", "b", "c", "d")]
    for owner in listening:
        owners.begin_stream(owner)
    assert owners.who_gives_way(owners.of("other", ""), 6, 9.0) is None  # nobody has more than half of six
    for owner in listening:
        owners.end_stream(owner)
    assert (len(owners), owners.streams) == (1, 0)


def test_a_principal_is_one_owner_wherever_he_comes_from_and_a_network_only_where_nobody_says_who_he_is() -> None:
    owners = Owners()
    party(owners, "one", 1)
    assert owners.of("one", "10.0.0.1") is owners.of("one", "10.0.0.2")
    assert [owners.of(*who).name for who in (("one", "10.0.0.1"), ("", "10.0.0.1"), ("", ""))] == ["one", "10.0.0.1", ""]


@pytest.mark.parametrize("ready", [False, True])
def test_who_was_used_last_goes_last(ready: bool) -> None:
    owner, places = crowd(1.0, 1.0, 1.0, ready=ready)
    places[0].touch(2.0)
    assert owner.first_to_go(100.0) is places[1]
    assert owner.idle_since(9.0, 9) == ([places[1], places[2], places[0]], False)


@pytest.mark.parametrize(("busy", "is_found"), [(LOOKED_AT - 1, True), (LOOKED_AT, False)])
def test_so_many_owners_are_looked_at_and_the_next_time_others(busy: int, is_found: bool) -> None:
    owners, most = Owners(), 2 * (LOOKED_AT + 6)
    parties = [party(owners, str(number), 2) for number in range(LOOKED_AT + 6)]
    for _, places in parties[:busy]:
        for place in places:
            place.is_busy = True
    newcomer = owners.of("newcomer", "")
    assert owners.who_gives_way(newcomer, most, 1.0) is (parties[busy][1][0] if is_found else None)
    assert owners.who_gives_way(newcomer, most, 1.0) is not None


@pytest.mark.parametrize(("large", "is_found"), [(LOOKED_AT - 1, True), (LOOKED_AT, False)])
def test_those_with_most_sessions_are_looked_at_first_and_so_many_in_all(large: int, is_found: bool) -> None:
    owners, most = Owners(), 3 * large + 2
    for number in range(large):
        for place in party(owners, str(number), 3)[1]:
            place.is_busy = True
    _, (idle, _) = party(owners, "idle", 2)
    assert owners.who_gives_way(owners.of("newcomer", ""), min(most, large + 1), 1.0) is (idle if is_found else None)


@pytest.mark.parametrize(("busy", "is_found"), [(23, True), (24, False)])
def test_what_was_looked_at_among_those_with_most_is_not_looked_at_among_those_with_fewer(busy: int, is_found: bool) -> None:
    owners = Owners()
    for number in range(40):
        for place in party(owners, f"large {number}", 3)[1]:
            place.is_busy = True
    small = [party(owners, f"small {number}", 2)[1] for number in range(40)]
    for places in small[:busy]:
        for place in places:
            place.is_busy = True
    assert owners.who_gives_way(owners.of("newcomer", ""), 81, 1.0) is (small[busy][0] if is_found else None)


def test_what_is_looked_through_does_not_grow_with_what_once_was() -> None:
    """Each moment is a size that somebody has now: a flood that came and went costs nobody anything later."""
    owners = Owners()
    flood, places = party(owners, "flood", 300)
    small, _ = party(owners, "small", 1)
    for place in places[1:]:
        owners.remove(flood, place)
    assert list(owners._by_size) == [1]
    assert owners._by_size[1].keys() == {flood, small}
    owners.remove(flood, places[0])
    assert list(owners._by_size[1]) == [small]
