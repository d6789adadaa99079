"""A backend that logs nothing until it was told from which level on, as servers of several SDKs do."""

from __future__ import annotations

import msgspec

from sluicegate.backends.channel import ChannelSession
from sluicegate.protocol.eras import DISCOVER, HANDSHAKE, MODERN, OPENS
from sluicegate.protocol.log_levels import LEVELS, SET_LEVEL
from sluicegate.protocol.messages import Raw, Request, encode, encode_error, encode_notification, encode_result, read_text
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.injections.noise import token_of
from sluicegate.testing.script import Step

__all__ = ["LoggingBackend"]


class LoggingBackend(ScriptedBackend):
    """Logs a line of each level with each call that has a progress token, from the level on that it was told in that session."""

    def __init__(self, *steps: Step, name: str = "b", declares: bool = True, version: str = "2025-11-25") -> None:
        super().__init__(*steps, name=name, version=version)
        self.declares = declares
        self.levels: dict[ChannelSession, str] = {}
        """What it was told last in each session."""
        self.told: list[str] = []
        """All that it was ever told."""
        self.refuses = False
        """While true: it knows no such method, whatever it says of itself."""
        self.holds = False
        """While true: it does not answer to it."""

    def administer(self, request: Request, session: ChannelSession) -> bytes:
        """The answer to what concerns itself."""
        if request.method == SET_LEVEL:
            return self._take_level(request, session)
        if self.version in MODERN and request.method in {HANDSHAKE, DISCOVER}:
            return self._introduce(request)
        answer = super().administer(request, session)
        if request.method not in OPENS or not self.declares:
            return answer
        hello = msgspec.json.decode(answer)
        hello["result"]["capabilities"]["logging"] = {}
        return msgspec.json.encode(hello)

    def _introduce(self, request: Request) -> bytes:
        if request.method != DISCOVER:
            return encode_error(request.id, encode({"code": -32601, "message": "no such method"}))
        return encode_result(request.id, encode({"supportedVersions": [self.version], "capabilities": {"tools": {}, "logging": {}}}))

    def _take_level(self, request: Request, session: ChannelSession) -> bytes:
        level = read_text(request.params, "level") or ""
        self.told.append(level)
        if self.refuses:
            return encode_error(request.id, encode({"code": -32601, "message": "no such method"}))
        self.levels[session] = level
        return b"" if self.holds else encode_result(request.id, b"{}")

    async def _play(self, step: Step, session: ChannelSession, request: Request, number: int) -> None:
        told = self.levels.get(session)
        meta = Raw(encode({"progressToken": token_of(request)}))
        for level in LEVELS if told is not None else ():
            if LEVELS[level] >= LEVELS[told or ""]:
                said = {"level": Raw(encode(level)), "data": Raw(b"1"), "_meta": meta}
                session.receive(encode_notification("notifications/message", said))
        await super()._play(step, session, request, number)
