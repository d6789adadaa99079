"""The links of one backend that are for one client each: who gets one, how many there are, and what is offered on them.

Beside them there is the one that all share. It shows whether the backend is there, is probed, and serves whoever has no session here. While
it is away nobody gets a new one: how a backend that fails is brought back is decided once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import attrs
import trio

from ..protocol import faults
from ..protocol.abilities import NONE
from ..protocol.back import Household
from ..protocol.calls import Call, Caller, Reply
from ..protocol.clientele import Clientele
from ..protocol.faults import Fault
from ..protocol.offers import Offer
from ..protocol.subscription import SUBSCRIBE, Subscription
from ..telling.loggers import Seldom, get_logger
from ..telling.statistics import counter, gauge, snapshot
from .client_link import ClientLink
from .link import Link, State
from .supervisor import Supervisor
from .task_desk import TaskDesk

__all__ = ["ClientLinkStatistics", "ClientLinks"]

log = get_logger("sluicegate.backend")


def _nobody() -> None:
    pass


@attrs.frozen(repr=False)
class ClientLinkStatistics:
    """What `ClientLinks` has counted."""

    current: int = attrs.field(metadata=gauge("backend_sessions", "Sessions that it has with single clients; also those that just end."))
    opened: int = attrs.field(metadata=counter("backend_sessions_opened", "Sessions with single clients that were begun."))
    refused: int = attrs.field(metadata=counter("backend_sessions_refused", "Times that there was no room for a client's session."))
    crowded_out: int = attrs.field(metadata=counter("backend_sessions_made_room", "Unused sessions that made room for another client's."))


@attrs.define(eq=False, repr=False)
class ClientLinks:
    """All of them. What decides is sync; only requests wait."""

    shared: Link
    make: Callable[[Clientele, str], Supervisor]
    """What keeps one more link, for which client, and what the log calls it."""
    most: int
    """So many may be there at once, those that say goodbye included."""
    idle_seconds: float
    """How long one may be unused."""
    tasks: TaskDesk | None = None
    """Those that the backend runs for clients."""
    on_offer: Callable[[], None] = _nobody
    """Called when something else is offered to some clients than before."""
    is_told_once: bool = False
    """The backend is told who calls, and with which rights, when the connection is made; so whoever has others gets another link."""
    opened: int = attrs.field(default=0, init=False)
    refused: int = attrs.field(default=0, init=False)
    """Times that there was no room for one more."""
    crowded_out: int = attrs.field(default=0, init=False)
    """Those that were unused, and made room for another."""
    _of: dict[tuple[object, ...], ClientLink] = attrs.field(factory=dict, init=False)
    """By the session, where who calls can have other rights with each request; and by these where that makes a difference."""
    _all: dict[ClientLink, None] = attrs.field(factory=dict, init=False)
    _offers: dict[str, tuple[Offer, Offer | None]] = attrs.field(factory=dict, init=False)
    """By what clients can be asked: what they are offered, and what was offered on the shared link then."""
    _seldom: Seldom = attrs.field(factory=Seldom, init=False)
    _closed: bool = attrs.field(default=False, init=False)

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Link]:
        return (one.link for one in self._all)

    @property
    def current(self) -> int:
        """How many there are, those that say goodbye included."""
        return len(self._all)

    def statistics(self) -> ClientLinkStatistics:
        """What it has counted until now."""
        return snapshot(ClientLinkStatistics, self)

    def serves(self, caller: Caller) -> bool:
        """Whether a caller has a link of his own. Where a gateway has one client, the shared one is that."""
        return caller.home is not None and not self.shared.clientele.is_one

    def go_by(self, most: int, idle_seconds: float) -> None:
        """From now on; who is there stays."""
        self.most, self.idle_seconds = most, idle_seconds

    # -- calls

    async def request(self, call: Call) -> Reply:
        """Send a call on the link of its caller, which is opened with his first."""
        link = self._link_of(call)
        if isinstance(link, Fault):
            await trio.lowlevel.checkpoint()
            return Reply.failed(link)
        return await link.request(call)

    async def first_attempt(self, call: Call) -> None:
        """Have the link of a caller opened if it is not there, and wait until it has come up or failed to for the first time."""
        link = self._link_of(call)
        if isinstance(link, ClientLink) and link.link.state is State.STARTING:
            await link.come_up(call)

    def watch(self, local: str, subscription: Subscription) -> None:
        """Have a resource watched on the link of the subscription's caller; sync."""
        link = self._link_of(Call(SUBSCRIBE, local, {}, subscription.caller))
        if isinstance(link, Fault):
            subscription.refuse(link)
        else:
            link.link.watched.add(local, subscription)

    def hold(self, caller: Caller, seconds: float) -> None:
        """Keep the link of a caller for so long, as if it were used: something is going on there."""
        link = self._of.get(self._place(caller))
        if link is not None:
            link.used_at = max(link.used_at, trio.current_time() + seconds)

    def link_of(self, caller: Caller) -> Link | None:
        """His own, where there is one now."""
        link = self._of.get(self._place(caller))
        return None if link is None else link.link

    def _place(self, caller: Caller) -> tuple[object, ...]:
        who = caller.principal
        return (caller.home, who.scopes, who.roles) if self.is_told_once else (caller.home,)

    def _link_of(self, call: Call) -> ClientLink | Fault:
        home = call.caller.home
        assert home is not None
        link = self._of.get(self._place(call.caller))
        return self._open(call, home) if link is None else link

    def _open(self, call: Call, home: Household) -> ClientLink | Fault:
        name = self.shared.name
        if self._closed or not self.shared.serves:
            return self.shared.absence()
        room = self._room(home.owner)
        if isinstance(room, str):
            self.refused += 1
            if self._seldom.turn("refused", trio.current_time()) is not None:
                log.warning("a client gets no session of its own", backend=name, why=room, refused=self.refused, setting="max_sessions")
            return faults.overloaded(call.target, room, backend=name)
        link = ClientLink(call.caller, home, self.make, lambda: self.idle_seconds, self._left, self._ended, room, tasks=self.tasks)
        if not home.keep(link.run):
            return faults.cancelled("its session has ended")
        if room is not None:
            self.crowded_out += not room.is_leaving
            room.is_promised = True
            room.leave()
        link.link.on_change, link.link.on_lists = lambda _change: self._learn(link), lambda: self._learn(link)
        self.opened += 1
        link.number = self.opened
        self._all[link] = None
        self._of[self._place(call.caller)] = link
        return link

    def _left(self, link: ClientLink) -> None:
        place = self._place(link.caller)
        if self._of.get(place) is link:
            del self._of[place]

    def _ended(self, link: ClientLink) -> None:
        self._all.pop(link, None)

    def life_of(self, caller: Caller) -> str | None:
        """Which life of which link a client's calls are part of now; None where he has none that takes calls."""
        link = self._of.get(self._place(caller))
        return None if link is None or not link.link.serves else f"{link.number}.{link.link.opened}"

    # -- how many there are

    def _room(self, owner: tuple[str, str]) -> ClientLink | str | None:
        """Whose place an owner's next one gets: None where one is free, words where he has to go without.

        One owner may have as many as are left for all others: alone half of them.
        """
        count = Counter(link.home.owner for link in self._all)
        mine, all_ = count[owner], len(self._all)
        if any(owner) and mine and mine >= self.most - all_:
            gives_way = self._gives_way(lambda other: other == owner)
            why = f"you have {mine} sessions with backend '{self.shared.name}', all of them in use"
        elif all_ >= self.most:
            gives_way = self._gives_way(lambda other: other == owner or count[other] > mine)
            why = f"backend '{self.shared.name}' has {all_} sessions of clients, all of them in use"
        else:
            return None
        return why if gives_way is None else gives_way

    def _gives_way(self, may_lose: Callable[[tuple[str, str]], bool]) -> ClientLink | None:
        """One that is leaving anyway, or the one that is unused for longest."""
        found = [link for link in self._all if not link.is_used and not link.is_promised and may_lose(link.home.owner)]
        return min(found, key=lambda link: (not link.is_leaving, link.used_at), default=None)

    # -- what is offered

    def knows(self, caller: Caller) -> bool:
        """Whether it is known what this caller is offered; else it takes his own link to find out."""
        return not self.serves(caller) or caller.abilities == NONE or self.offer(caller.abilities) is not None

    @property
    def known(self) -> list[str]:
        """Whose offer may differ from what is offered on the shared link, by what they can be asked."""
        return [abilities for abilities in self._offers if self.offer(abilities) is not None]

    def offer(self, abilities: str) -> Offer | None:
        """What clients are offered that can be asked this; None where that is not known, or not any more.

        What was read on a link that is gone holds for as long as nothing else is offered on the shared one.
        """
        offer, beside = self._offers.get(abilities, (None, None))
        if offer is None or (beside is not None and beside == self.shared.offer):
            return offer
        return offer if any(link.link.serves and link.caller.abilities == abilities for link in self._all) else None

    def _learn(self, link: ClientLink) -> None:
        """Something may be offered on a link that was not before. For all who can be asked the same it holds what was read last."""
        offer, abilities = link.link.offer, link.caller.abilities
        if offer is None or abilities == NONE or not link.link.serves:
            return
        before, now = self._offers.get(abilities, (None, None)), (offer, self.shared.offer)
        self._offers[abilities] = now
        if before != now:  # also where the offer is what it was: meanwhile it may have been taken for one that does not hold any more
            self.on_offer()

    # -- the end

    def close(self) -> None:
        """End them all, and open no more; sync."""
        self._closed = True
        for link in list(self._all):
            link.leave()

    async def wait_ended(self) -> None:
        """Wait until nothing of any of them runs."""
        for link in list(self._all):
            await link.ended.wait()
