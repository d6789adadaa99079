"""A backend that is another one in each of its sessions: what it offers depends on what its client can do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from sluicegate.backends.channel import ChannelSession
from sluicegate.protocol.messages import Request, decode
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.own_answers import administered
from sluicegate.testing.script import Step

__all__ = ["PersonalBackend"]


class PersonalBackend(ScriptedBackend):
    """Plays its steps anew in each session; ``more`` are tools that a client sees only if it can be asked, by capability."""

    def __init__(
        self,
        *steps: Step,
        more: Mapping[str, Sequence[str]] | None = None,
        capabilities: Mapping[str, object] | None = None,
        asks_first: bytes = b"",
        **others: object,
    ) -> None:
        super().__init__(*steps, **others)  # type: ignore[arg-type]
        self.more = more or {}
        self.capabilities = capabilities or {}
        """Of its own, beside those that its lists make."""
        self.asks_first = asks_first
        """A question to clients that have roots, in the moment in which they may be asked."""
        self.people: list[tuple[dict[str, object], ScriptedBackend]] = []
        """What each client could do, and the backend as that client has met it, oldest first; those that are gone included."""

    async def converse(self, session: ChannelSession) -> None:
        """Be the other end of a session until it closes."""
        frame = await session.next_frame()
        if frame is None:
            return
        hello = decode(frame)
        assert isinstance(hello, Request), hello
        can = msgspec.json.decode(hello.params["capabilities"])
        tools: list[str | Mapping[str, object]] = [
            *self.lists["tools"],
            *(tool for name in sorted(can) for tool in self.more.get(name, ())),
        ]
        own = ScriptedBackend(*self.steps, name=self.name, tools=tools)
        own.received.append(hello)
        self.people.append((can, own))
        answer = msgspec.json.decode(administered(own, hello))
        answer["result"]["capabilities"] |= self.capabilities
        session.receive(msgspec.json.encode(answer))
        if self.asks_first and "roots" in can:
            session.receive(self.asks_first)
        await own.converse(session)
