from __future__ import annotations

import pytest

from sluicegate.protocol.crossings import CROSSINGS, Between, Part, between, crossings
from sluicegate.protocol.eras import LEGACY, MODERN
from sluicegate.protocol.extensions import APPS, EXTENSIONS, Way


def test_every_part_has_its_way_in_every_case_and_what_is_not_carried_says_why() -> None:
    assert set(CROSSINGS) == set(Part)
    for part, cases in CROSSINGS.items():
        assert set(cases) == set(Between), part
        assert all(crossing.why for crossing in cases.values() if crossing.way is not Way.CARRIED), part


@pytest.mark.parametrize("legacy", LEGACY)
def test_only_between_two_with_a_handshake_it_matters_whose_the_session_is(legacy: str) -> None:
    (modern,) = MODERN
    assert between(legacy, legacy, per_client=True) is Between.OWN_SESSIONS
    assert between(legacy, legacy, per_client=False) is Between.ONE_SESSION
    for per_client in (True, False):
        assert between(modern, legacy, per_client=per_client) is Between.LONE_CLIENT
        assert (between(modern, legacy, per_client=per_client, parks=True) is Between.PARKED) is per_client
        assert between(legacy, modern, per_client=per_client) is Between.LONE_BACKEND
        assert between(modern, modern, per_client=per_client) is Between.ALONE


def test_extensions_stand_beside_the_parts_and_are_refused_where_a_revision_has_none() -> None:
    found = crossings(LEGACY[-1], LEGACY[-1], per_client=True)
    assert found.keys() == {part.value for part in Part} | EXTENSIONS.keys()
    assert found[APPS].way is Way.TRANSLATED
    for name, row in EXTENSIONS.items():
        assert (found[name].way is Way.REFUSED) == (not row.crosses(LEGACY[-1], LEGACY[-1]))
