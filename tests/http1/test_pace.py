"""How slow a peer may be: only the time counts in which it is waited for."""

from __future__ import annotations

import pytest

from sluicegate.http1.server.pace import Pace

SECONDS, LEAST = 10.0, 100


def test_all_waits_of_a_window_are_one() -> None:
    pace = Pace(SECONDS, LEAST)
    assert pace.start(1000.0, 0) == 1010.0
    pace.stop(1004.0)
    assert pace.start(2000.0, 0) == 2006.0
    pace.stop(2006.0)
    assert pace.start(3000.0, 0) == 3000.0


@pytest.mark.parametrize(("moved", "left"), [(0, 4.0), (LEAST - 1, 4.0), (LEAST, SECONDS), (10 * LEAST, SECONDS)])
def test_a_new_window_begins_when_enough_has_moved(moved: int, left: float) -> None:
    pace = Pace(SECONDS, LEAST)
    pace.start(0.0, 0)
    pace.stop(6.0)
    assert pace.start(100.0, moved) == 100.0 + left


def test_what_moved_in_one_window_does_not_count_in_the_next() -> None:
    pace = Pace(SECONDS, LEAST)
    pace.start(0.0, 0)
    pace.stop(6.0)
    assert pace.start(10.0, 3 * LEAST) == 20.0
    pace.stop(13.0)
    assert pace.start(20.0, 4 * LEAST - 1) == 27.0
    pace.stop(20.0)
    assert pace.start(30.0, 4 * LEAST) == 40.0
