"""A backend that plays a script and keeps a transcript.

It can stand wherever a handler can (``await Failover(primary, …)(call)``), and its `connector` opens sessions with it through the same
session code that talks to real backends, so a whole gateway runs on it in memory and under a mock clock.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import attrs
import trio

from ..backends.channel import ChannelSession
from ..backends.session import BackendSession, ConnectFailed, Inbox
from ..protocol import faults
from ..protocol.calls import Call, Reply
from ..protocol.messages import (
    Notification,
    Params,
    Raw,
    Request,
    Response,
    decode,
    decode_object,
    encode,
    encode_error,
    encode_notification,
    encode_result,
)
from .answers import error_object, progress_note, result_object
from .script import Close, Delay, Echo, Error, Garble, Hang, Note, Step

__all__ = ["ScriptedBackend"]

ROUTED = frozenset({"tools/call", "resources/read", "prompts/get", "completion/complete"})


class ScriptedBackend:
    """Plays one step per call, in order; when the steps are used up, the last one is played again (without steps: `Echo`)."""

    def __init__(
        self,
        *steps: Step,
        name: str = "scripted",
        tools: Sequence[str | Mapping[str, object]] = ("echo",),
        resources: Sequence[str | Mapping[str, object]] = (),
        templates: Sequence[str | Mapping[str, object]] = (),
        prompts: Sequence[str | Mapping[str, object]] = (),
        instructions: str = "",
        version: str = "2025-11-25",
    ) -> None:
        self.name = name
        self.steps = steps
        self.instructions = instructions
        self.version = version
        self.lists: dict[str, list[Mapping[str, object]]] = {
            "tools": [_listed(tool, "name", {"inputSchema": {"type": "object"}}) for tool in tools],
            "resources": [_listed(resource, "uri", {"name": resource}) for resource in resources],
            "resourceTemplates": [_listed(template, "uriTemplate", {"name": template}) for template in templates],
            "prompts": [_listed(prompt, "name", {}) for prompt in prompts],
        }
        self.calls = 0
        self.received: list[Request | Notification] = []
        """Every request and notification that came, in order, handshake included."""
        self.answers: list[Response] = []
        """What was answered to questions that a `Garble` asked."""
        self.cancelled: list[int] = []
        """Numbers of the calls that were cancelled while they ran; the first call is 1."""
        self.refuse: str = ""
        """While not empty: connecting fails, for this reason."""
        self.mute = False
        """While true: connections are taken, but nothing is answered."""
        self.sessions: list[ChannelSession] = []
        """Sessions that are open now."""

    # -- as a handler

    async def __call__(self, call: Call) -> Reply:
        """Play the next step for a call that came without a connection."""
        self.calls += 1
        number = self.calls
        await trio.lowlevel.checkpoint()
        try:
            return await self._reply(self._step(number), call, number)
        except trio.Cancelled:
            self.cancelled.append(number)
            raise

    async def _reply(self, step: Step, call: Call, number: int) -> Reply:
        while isinstance(step, Delay | Note):
            if isinstance(step, Delay):
                await trio.sleep(step.seconds)
            else:
                call.back.note(step.message or progress_note(Raw(b"0"), step.progress))
            step = step.then
        if isinstance(step, Hang | Garble):
            await trio.sleep_forever()
        if isinstance(step, Close):
            return Reply.failed(faults.lost(self.name, step.why))
        if isinstance(step, Error):
            return Reply.failed(faults.backend_error(self.name, Raw(error_object(step))))
        return Reply(Raw(result_object(step, call.method, call.params, number)))

    # -- as a peer

    @property
    def connector(self) -> ScriptedConnector:
        """What a gateway connects to this backend with."""
        return ScriptedConnector(self)

    def notify(self, method: str, params: Params | None = None) -> None:
        """Send a notification of its own accord on every open session."""
        for session in self.sessions:
            session.receive(encode_notification(method, params or {}))

    def crash(self, why: str = "it crashed") -> None:
        """Lose every open connection."""
        for session in list(self.sessions):
            session.close(why)

    async def converse(self, session: ChannelSession) -> None:
        """Be the other end of a session until it closes."""
        running: dict[int | str, trio.CancelScope] = {}
        async with trio.open_nursery() as nursery:
            while (frame := await session.next_frame()) is not None:
                message = decode(frame)
                if isinstance(message, Response):
                    self.answers.append(message)
                    continue
                assert isinstance(message, Request | Notification), message
                self.received.append(message)
                if self.mute:
                    continue
                if isinstance(message, Notification):
                    _cancel(message, running)
                elif message.method in ROUTED:
                    running[message.key] = trio.CancelScope()
                    nursery.start_soon(self._perform, session, message, running)
                else:
                    session.receive(self._administer(message))
            nursery.cancel_scope.cancel()

    async def _perform(self, session: ChannelSession, request: Request, running: dict[int | str, trio.CancelScope]) -> None:
        self.calls += 1
        number = self.calls
        try:
            with running[request.key] as scope:
                await self._play(self._step(number), session, request, number)
            if scope.cancelled_caught:
                self.cancelled.append(number)
        finally:
            del running[request.key]

    async def _play(self, step: Step, session: ChannelSession, request: Request, number: int) -> None:
        while isinstance(step, Delay | Note):
            if isinstance(step, Delay):
                await trio.sleep(step.seconds)
            else:
                session.receive(step.message or progress_note(_token(request.params), step.progress))
            step = step.then
        if isinstance(step, Close):
            session.close(step.why)
        elif isinstance(step, Error):
            session.receive(encode_error(request.id, error_object(step)))
        elif isinstance(step, Hang | Garble):
            if isinstance(step, Garble):
                session.receive(step.line)
            await trio.sleep_forever()
        else:
            session.receive(encode_result(request.id, result_object(step, request.method, request.params, number)))

    def _step(self, number: int) -> Step:
        return self.steps[min(number, len(self.steps)) - 1] if self.steps else Echo()

    def _administer(self, request: Request) -> bytes:
        member = {
            "tools/list": "tools",
            "resources/list": "resources",
            "resources/templates/list": "resourceTemplates",
            "prompts/list": "prompts",
        }.get(request.method)
        if member is not None:
            return encode_result(request.id, encode({member: self.lists[member]}))
        if request.method == "ping":
            return encode_result(request.id, b"{}")
        if request.method == "initialize":
            return encode_result(request.id, encode(self._hello()))
        return encode_error(request.id, encode({"code": -32601, "message": f"no such method: {request.method}"}))

    def _hello(self) -> dict[str, object]:
        capabilities: dict[str, object] = {"tools": {"listChanged": True}}
        if self.lists["resources"] or self.lists["resourceTemplates"]:
            capabilities["resources"] = {"listChanged": True}
        if self.lists["prompts"]:
            capabilities["prompts"] = {"listChanged": True}
        hello: dict[str, object] = {
            "protocolVersion": self.version,
            "capabilities": capabilities,
            "serverInfo": {"name": self.name, "version": "1"},
        }
        return hello | ({"instructions": self.instructions} if self.instructions else {})


@attrs.frozen
class ScriptedConnector:
    """Opens sessions with a `ScriptedBackend`."""

    backend: ScriptedBackend
    transport: str = "scripted"

    def __call__(self, inbox: Inbox) -> AbstractAsyncContextManager[BackendSession]:
        """Connect, unless the backend refuses."""
        return self._open(inbox)

    @asynccontextmanager
    async def _open(self, inbox: Inbox) -> AsyncGenerator[BackendSession, None]:
        await trio.lowlevel.checkpoint()
        if self.backend.refuse:
            raise ConnectFailed(self.backend.refuse)
        session = ChannelSession(self.backend.name, inbox)
        self.backend.sessions.append(session)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.backend.converse, session)
                yield session
                session.close("the gateway closed the session")
                nursery.cancel_scope.cancel()
        finally:
            session.close("the gateway closed the session")
            self.backend.sessions.remove(session)


def _listed(item: str | Mapping[str, object], key: str, rest: Mapping[str, object]) -> Mapping[str, object]:
    return {key: item, **rest} if isinstance(item, str) else item


def _cancel(message: Notification, running: dict[int | str, trio.CancelScope]) -> None:
    if message.method == "notifications/cancelled":
        scope = running.get(int(bytes(message.params["requestId"])))
        if scope is not None:
            scope.cancel()


def _token(params: Params) -> Raw:
    meta = decode_object(params.get("_meta", Raw(b"{}")))
    return meta.get("progressToken", Raw(b"null")) if isinstance(meta, dict) else Raw(b"null")
