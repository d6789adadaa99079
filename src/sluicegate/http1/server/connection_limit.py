"""How many connections there may be, in all and from one peer."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from ...telling.loggers import Seldom, get_logger
from ...telling.statistics import counter, gauge, snapshot
from .forwarded import PeerAddress

__all__ = ["ConnectionLimit", "ConnectionStatistics"]

log = get_logger("sluicegate.http1")


@attrs.frozen(repr=False)
class ConnectionStatistics:
    """What a `ConnectionLimit` has counted, of all servers that share it."""

    inside: int = attrs.field(metadata=gauge("connections", "Open connections of clients."))
    accepted: int = attrs.field(metadata=counter("connections_accepted", "Connections that found room."))
    refused: int = attrs.field(metadata=counter("connections_refused", "Connections that found no room."))
    made_room: int = attrs.field(metadata=counter("connections_made_room", "Idle connections that were ended for others."))


@attrs.define(eq=False, repr=False)
class ConnectionLimit:
    """Counts who is inside."""

    most: int
    most_per_peer: int = 0
    """0 sets no limit."""
    inside: int = attrs.field(default=0, init=False)
    refused: int = attrs.field(default=0, init=False)
    """Connections that were turned away, ever."""
    accepted: int = attrs.field(default=0, init=False)
    made_room: int = attrs.field(default=0, init=False)
    """Connections that were about to leave when all places were taken, and another one came."""
    _seldom: Seldom = attrs.field(factory=Seldom, init=False)
    _peers: dict[str, int] = attrs.field(factory=dict, init=False)

    def enter(self, peer: PeerAddress, make_room: Callable[[], bool] = lambda: False) -> bool:
        """Whether there is room for one more of this peer; whoever came in must `leave`.

        ``make_room`` is asked when all places are taken, and says whether another is about to leave.
        """
        network = peer.network if self.most_per_peer else ""
        is_full = self.inside >= self.most
        if (network and self._peers.get(network, 0) >= self.most_per_peer) or (is_full and not make_room()):
            self.refused += 1
            return False
        self.made_room += is_full
        self.accepted += 1
        self.inside += 1
        if network:
            self._peers[network] = self._peers.get(network, 0) + 1
        return True

    def statistics(self) -> ConnectionStatistics:
        """What it has counted until now."""
        return snapshot(ConnectionStatistics, self)

    def tell_of_refused(self, peer: PeerAddress, now: float) -> None:
        """Say now and then that some find no room; ``now`` in seconds, of any clock."""
        network = peer.network if self.most_per_peer else ""
        of_peer = bool(network) and self._peers.get(network, 0) >= self.most_per_peer
        what = "a client has all the connections that one may have" if of_peer else "there is no room for another connection"
        if self._seldom.turn(what, now) is not None:
            log.warning(what, peer=peer.network, inside=self.inside, refused=self.refused)

    def leave(self, peer: PeerAddress) -> None:
        """It has ended."""
        self.inside -= 1
        network = peer.network if self.most_per_peer else ""
        if network:
            left = self._peers[network] = self._peers[network] - 1
            if not left:
                del self._peers[network]
