"""What of a backend's resources, and how much of its log, clients want to hear, on whichever of its links: those that they share, or their own."""

from __future__ import annotations

from ..protocol.calls import Caller
from ..protocol.subscription import Subscription
from .backend import Backend

__all__ = ["hand_over", "reconsider", "wait_told", "watch"]


def watch(backend: Backend, local: str, subscription: Subscription) -> None:
    """Have it say when a resource changes; sync, the answer is the subscription's. One that is away and not about to be back refuses at once."""
    link, clients = backend.link, backend.clients
    if clients is not None and clients.serves(subscription.caller):
        clients.watch(local, subscription)
    elif link.serves or link.comes_back:
        link.watched.add(local, subscription)
    else:
        subscription.refuse(link.absence())


def hand_over(old: Backend, new: Backend) -> None:
    """Have watched at one what clients have watched at another, in whose place it is now."""
    for link in old.links():
        for uri, subscription in link.watched.hand_over():
            watch(new, uri, subscription)


def reconsider(backend: Backend) -> None:
    """What clients may see of it has changed."""
    for link in backend.links():
        link.watched.reconsider()


async def wait_told(backend: Backend, caller: Caller) -> None:
    """Wait until it was told to log as much as a caller wants to hear, or cannot be told."""
    clients = backend.clients
    link = clients.link_of(caller) if clients is not None and clients.serves(caller) else backend.link
    if link is not None:
        await link.level.wait_told()
