"""What is told of those who find no room."""

from __future__ import annotations

import pytest

from sluicegate.http1.server.connection_limit import ConnectionLimit, ConnectionStatistics
from sluicegate.http1.server.forwarded import PeerAddress

ONE_HAS_ALL = "a client has all the connections that one may have"
NO_ROOM = "there is no room for another connection"


def told_of(connection_limit: ConnectionLimit, host: str, caplog: pytest.LogCaptureFixture, now: float = 0.0) -> list[str]:
    caplog.clear()
    connection_limit.tell_of_refused(PeerAddress((host, 1)), now)
    return [record.getMessage() for record in caplog.records]


def full(most: int, most_per_peer: int, *hosts: str) -> ConnectionLimit:
    connection_limit = ConnectionLimit(most, most_per_peer)
    for host in hosts:
        connection_limit.enter(PeerAddress((host, 1)))
    return connection_limit


@pytest.mark.parametrize(
    ("connection_limit", "told"),
    [
        pytest.param(full(9, 2, "10.0.0.1", "10.0.0.1"), ONE_HAS_ALL, id="its share is used up"),
        pytest.param(full(2, 2, "10.0.0.1", "10.0.0.2"), NO_ROOM, id="one less than its share, and no place"),
        pytest.param(full(1, 1, "10.0.0.2"), NO_ROOM, id="it has none, and there is no place"),
        pytest.param(full(2, 0, "10.0.0.1", "10.0.0.1"), NO_ROOM, id="nobody has a share"),
    ],
)
def test_it_is_said_whether_one_has_too_many_or_all_together(
    connection_limit: ConnectionLimit, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert told in "".join(told_of(connection_limit, "10.0.0.1", caplog))


def test_each_reason_is_told_once_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    connection_limit = full(2, 2, "10.0.0.1", "10.0.0.1")
    assert [len(told_of(connection_limit, host, caplog)) for host in ("10.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.2")] == [1, 0, 1, 0]
    assert len(told_of(connection_limit, "10.0.0.1", caplog, now=3600.0)) == 1


def test_who_came_in_who_did_not_and_who_made_room_is_counted() -> None:
    limit = ConnectionLimit(2, 2)
    first, other = PeerAddress(("10.0.0.1", 1)), PeerAddress(("10.0.0.2", 1))
    came = [limit.enter(first), limit.enter(first), limit.enter(first, lambda: True), limit.enter(other), limit.enter(other, lambda: True)]
    assert came == [True, True, False, False, True]  # who has his share makes no room for himself
    limit.leave(first)
    assert limit.statistics() == ConnectionStatistics(inside=2, accepted=3, refused=2, made_room=1)
