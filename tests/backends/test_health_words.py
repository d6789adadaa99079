"""What is shown of a backend's health: why, and when it was learned."""

from __future__ import annotations

import trio
import trio.testing

from sluicegate.backends.health import Health
from sluicegate.policies.settings import HealthSettings
from sluicegate.protocol import faults
from sluicegate.protocol.why import Why

GONE = faults.lost("b", Why("it went away"))


def health(*, unhealthy: int, healthy: int = 1) -> Health:
    health = Health("b", HealthSettings(by_calls=True, unhealthy_threshold=unhealthy, healthy_threshold=healthy))
    health.begin(lambda: None, lambda: None)
    return health


async def test_one_failure_is_shown_until_the_next_success(autojump_clock: trio.testing.MockClock) -> None:
    of_one = health(unhealthy=3)
    assert (of_one.error, of_one.last_at) == ("", 0.0)
    await trio.sleep(1)
    of_one.note(GONE)
    assert ("it went away" in of_one.error, of_one.last_at, of_one.is_healthy, of_one.failures) == (True, 1.0, True, 1)
    await trio.sleep(1)
    of_one.note(None)
    assert (of_one.error, of_one.last_at, of_one.failures, of_one.successes) == ("", 2.0, 0, 1)


async def test_an_unhealthy_one_is_shown_with_its_reason_until_enough_successes(autojump_clock: trio.testing.MockClock) -> None:
    of_one = health(unhealthy=2, healthy=2)
    for _ in range(2):
        of_one.note(GONE)
    assert not of_one.is_healthy
    of_one.note(None)
    assert ("it went away" in of_one.error, of_one.is_healthy) == (True, True), "the next may try at once"
    of_one.note(None)
    assert (of_one.error, [change.healthy for change in of_one.events]) == ("", [True, False, True])
