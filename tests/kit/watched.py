"""A backend whose resources can be subscribed to, and that keeps who is."""

from __future__ import annotations

from collections import Counter

from sluicegate.backends.channel import ChannelSession
from sluicegate.protocol.messages import Raw, Request, encode, encode_error, encode_result, read_text
from sluicegate.protocol.subscription import SUBSCRIBE, UNSUBSCRIBE, UPDATED
from sluicegate.testing.backend import ScriptedBackend

__all__ = ["WatchedBackend"]

URIS = ("file:///a", "file:///b", "file:///dir")


class WatchedBackend(ScriptedBackend):
    """Remembers for each of its open sessions what it has been asked to tell, and in which order."""

    def __init__(self, name: str = "b", *, subscribe: bool = True, resources: tuple[str, ...] = URIS, version: str = "2025-11-25") -> None:
        super().__init__(name=name, resources=resources, version=version)
        self.subscribe = subscribe
        self.asked: list[tuple[str, str]] = []
        """Each request about a subscription: ``+`` or ``-``, and the URI."""
        self.subscribed: dict[ChannelSession, Counter[str]] = {}
        self.refusal: dict[str, object] | None = None
        """While there is one: the error with which it answers."""
        self.holds = False
        """While true: it does not answer to these requests."""
        self.held: list[tuple[ChannelSession, bytes]] = []
        """What it would have answered."""

    @property
    def watched(self) -> list[str]:
        """What it tells of, in all of its open sessions."""
        return sorted(uri for session, count in self.subscribed.items() if session in self.sessions for uri in count.elements())

    def administer(self, request: Request, session: ChannelSession) -> bytes:
        """The answer; kept back where it holds them."""
        if request.method not in {SUBSCRIBE, UNSUBSCRIBE}:
            return super().administer(request, session)
        answer = self._answer(request, session)
        if self.holds:
            self.held.append((session, answer))
            return b""
        return answer

    def _answer(self, request: Request, session: ChannelSession) -> bytes:
        uri = read_text(request.params, "uri") or ""
        self.asked.append(("+" if request.method == SUBSCRIBE else "-", uri))
        if self.refusal is not None:
            return encode_error(request.id, encode(self.refusal))
        count = self.subscribed.setdefault(session, Counter())
        if request.method == SUBSCRIBE:
            count[uri] += 1
        else:
            del count[uri]
        return encode_result(request.id, b"{}")

    def release(self) -> None:
        """Answer after all."""
        self.holds = False
        held, self.held = self.held, []
        for session, answer in held:
            session.receive(answer)

    def update(self, uri: str, **more: object) -> None:
        """Tell all who have asked that a resource has changed."""
        self.notify(UPDATED, {"uri": Raw(encode(uri))} | {key: Raw(encode(value)) for key, value in more.items()})
