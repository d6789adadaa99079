"""Messages over HTTP+SSE: a GET stream whose first event names the address that messages are posted to (MCP 2024-11-05, basic/transports)."""

from __future__ import annotations

import attrs
import trio

from ...channel.lines import Oversized
from ...http1.client.origin import Address
from ...http1.client.response import ClientResponse
from ...protocol.sse import Event, EventParser, OversizedEvent
from ...protocol.why import Why
from ..channel import ChannelSession
from ..diagnosis import printable
from ..http.wire import Wire
from ..oversized_answers import settle
from .posting import Posts

__all__ = ["EventCarrier"]

LONGEST_ENDPOINT = 8192


@attrs.define(eq=False, repr=False)
class EventCarrier:
    """Both directions of one conversation whose stream stands."""

    wire: Wire
    answer: ClientResponse
    """The stream."""
    session: ChannelSession
    nursery: trio.Nursery
    """For what is posted."""
    named: trio.Event = attrs.field(factory=trio.Event, init=False)
    """The address for messages is known, or never will be: then the session has closed."""
    _posts: Posts | None = attrs.field(default=None, init=False)

    async def read(self) -> None:
        """Take events until the stream ends, however that comes."""
        parser = EventParser(self.wire.limit, waits_for_ends=True)

        def take(chunk: bytes) -> None:
            for event in parser.feed(chunk):
                self._event(event)

        broken = await self.wire.pump(self.answer, take)
        why = "its event stream ended"
        self.session.close(Why(why, f"{why}: {broken.told}") if broken is not None else Why(why))
        self.named.set()

    async def write(self) -> None:
        """Post what the session sends, once it is known where to."""
        await self.named.wait()
        if (posts := self._posts) is None:
            return
        self.nursery.start_soon(posts.run)
        await posts.wait_for_room()
        while (frame := await self.session.next_frame()) is not None:
            posts.begin(frame, self.nursery)
            await posts.wait_for_room()  # here, so that what waits can be taken back

    def _event(self, event: Event | OversizedEvent) -> None:
        if isinstance(event, OversizedEvent):
            self._refuse(event)
        elif event.name == "endpoint":
            self._go_by(event.data)
        elif event.data and event.name == "message":
            self.session.receive(event.data)

    def _refuse(self, event: OversizedEvent) -> None:
        what = f"an event of {event.size} bytes"
        if event.name == "message":
            settle(self.session, Oversized(event.size, event.head, event.tail), what, event.limit)
        else:
            self.session.complain(what)

    def _go_by(self, data: bytes) -> None:
        """Credentials go with each message, so messages go to the origin that was configured and no other (CORE-66)."""
        if self._posts is not None:
            self.session.complain("a second address for messages")
            return
        found = self._address(data)
        if isinstance(found, Why):
            self.session.close(found)
        else:
            self._posts = Posts(attrs.evolve(self.wire, address=found), self.session)
        self.named.set()

    def _address(self, data: bytes) -> Address | Why:
        what, shown = "the address that it names for messages cannot be used", printable(data[:200])
        try:
            found = self.wire.address.join(data[:LONGEST_ENDPOINT].decode())
        except ValueError:
            return Why(what, f"{what}: {shown!r} is no URL")
        if found.origin != self.wire.address.origin:
            return Why(what, f"{what}: {shown!r} leads to another origin; if you trust that, write its address as the backend's url")
        return found
