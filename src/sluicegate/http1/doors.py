"""How many connections there may be, in all and from one peer."""

from __future__ import annotations

import attrs

from .forwarded import Peer

__all__ = ["Doors"]


@attrs.define(eq=False)
class Doors:
    """Counts who is inside."""

    most: int
    most_per_peer: int = 0
    """0 sets no limit."""
    inside: int = attrs.field(default=0, init=False)
    refused: int = attrs.field(default=0, init=False)
    """Connections that were turned away, ever."""
    _peers: dict[str, int] = attrs.field(factory=dict, init=False)

    @property
    def is_full(self) -> bool:
        """Whether there are as many as there may be."""
        return self.inside >= self.most

    def enter(self, peer: Peer, *, in_place_of_another: bool = False) -> bool:
        """Whether there is room for one more of this peer; whoever came in must `leave`. Another may be about to leave for it."""
        network = peer.network if self.most_per_peer else ""
        if (self.is_full and not in_place_of_another) or (network and self._peers.get(network, 0) >= self.most_per_peer):
            self.refused += 1
            return False
        self.inside += 1
        if network:
            self._peers[network] = self._peers.get(network, 0) + 1
        return True

    def leave(self, peer: Peer) -> None:
        """It has ended."""
        self.inside -= 1
        network = peer.network if self.most_per_peer else ""
        if network:
            left = self._peers[network] = self._peers[network] - 1
            if not left:
                del self._peers[network]
