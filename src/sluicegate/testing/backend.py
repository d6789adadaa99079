"""A backend that plays a script and keeps a transcript.

It can stand wherever a handler can (``await Failover(primary, …)(call)``), and its `connector` opens sessions with it through the same
session code that talks to real backends, so a whole gateway runs on it in memory and under a mock clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import trio

from ..backends.channel import ChannelSession
from ..backends.session import Connector
from ..protocol import faults
from ..protocol.calls import Call, Reply
from ..protocol.messages import Notification, Params, Raw, Request, Response, decode, encode_notification, read_text
from ..protocol.why import Why
from .answers import canned, duration, error_object, progress_note, result_object, spoiled
from .asking import Asking
from .injections.injector import Injections
from .injections.kinds import Transport
from .injections.noise import noise_of, token_of
from .own_answers import administered, heed, listed
from .peer import ScriptedConnector
from .script import (
    ROUTED,
    Ask,
    Delay,
    Drip,
    DropAnswer,
    Echo,
    Garble,
    Hang,
    Note,
    Refuse,
    Reorder,
    Reset,
    RpcError,
    Script,
    Step,
    Truncate,
    WrongId,
)
from .transcript import Transcript

__all__ = ["ScriptedBackend"]

LOST = (Refuse, Reset, Truncate)
UNANSWERED = (Hang, DropAnswer, Garble, WrongId)


class ScriptedBackend:
    """Plays one step per call, in order; when the steps are used up, the last one is played again (without steps: `Echo`).

    A ``script`` says which calls get a fault instead of that.
    """

    subscribe = False
    """While true: its resources can be subscribed to, and `notify` tells."""

    def __init__(
        self,
        *steps: Step,
        script: Script | None = None,
        name: str = "scripted",
        tools: Sequence[str | Mapping[str, object]] = ("echo",),
        resources: Sequence[str | Mapping[str, object]] = (),
        templates: Sequence[str | Mapping[str, object]] = (),
        prompts: Sequence[str | Mapping[str, object]] = (),
        instructions: str = "",
        version: str = "2025-11-25",
    ) -> None:
        self.name = name
        self.faults = Injections(script or Script())
        """Those of its script, and what has become of them."""
        self.steps = steps
        self.instructions = instructions
        self.version = version
        self.lists: dict[str, list[Mapping[str, object]]] = {
            "tools": [listed(tool, "name", {"inputSchema": {"type": "object"}}) for tool in tools],
            "resources": [listed(resource, "uri", {"name": resource}) for resource in resources],
            "resourceTemplates": [listed(template, "uriTemplate", {"name": template}) for template in templates],
            "prompts": [listed(prompt, "name", {}) for prompt in prompts],
        }
        self.calls = 0
        self.received: list[Request | Notification] = []
        """Every request and notification that came, in order, handshake included."""
        self.answers: list[Response] = []
        """What was answered to what it asked."""
        self.cancelled: list[int] = []
        """Numbers of the calls that were cancelled while they ran; the first call is 1."""
        self.refuse: str = ""
        """While not empty: connecting fails, for this reason."""
        self.mute = False
        """While true: connections are taken, but nothing is answered."""
        self.sessions: list[ChannelSession] = []
        """Sessions that are open now."""
        self._asking = Asking()
        self._transcript: Transcript | None = None

    @property
    def transcript(self) -> Transcript:
        """What was asked and what was done about it, with virtual times; several backends may share one."""
        if self._transcript is None:
            self._transcript = Transcript()
        return self._transcript

    @transcript.setter
    def transcript(self, transcript: Transcript) -> None:
        self._transcript = transcript

    # -- as a handler

    async def __call__(self, call: Call) -> Reply:
        """Play the next step for a call that came without a connection."""
        number = self._count(call.method, call.params)
        await trio.lowlevel.checkpoint()
        injector = self.faults.injector(self.name, Transport.FRAMES)
        fault = injector.next(call)
        if fault is not None:
            injector.note(injector.schedule.attempts, fault)
        try:
            return await self._reply(self._step(number) if fault is None else fault, call, number)
        except trio.Cancelled:
            self._cancelled(number)
            raise

    async def _reply(self, step: object, call: Call, number: int) -> Reply:
        while isinstance(step, Ask | Delay | Note):
            if isinstance(step, Ask):
                step = await self._asking.by(call.back, step)
                continue
            if isinstance(step, Delay):
                await trio.sleep(duration(step))
            else:
                call.back.note(step.message or progress_note(Raw(b"0"), step.progress))
            step = step.then or Echo()
        result = Raw(result_object(step, call.method, call.params, number))
        await self._be_slow(step, result)
        self._did(number, step)
        if isinstance(step, UNANSWERED):
            await trio.sleep_forever()
        if isinstance(step, LOST):
            why = Why(step.why if isinstance(step, Reset) else "the connection was lost")
            return Reply.failed(faults.unavailable(self.name, why) if isinstance(step, Refuse) else faults.lost(self.name, why))
        if isinstance(step, RpcError):
            return Reply.failed(faults.backend_error(self.name, Raw(error_object(step))))
        return Reply(result)

    # -- as a peer

    @property
    def connector(self) -> Connector:
        """What a gateway connects to this backend with."""
        connector = ScriptedConnector(self)
        return self.faults.around(self.name, connector) if self.faults.script.rules else connector

    def notify(self, method: str, params: Params | None = None) -> None:
        """Send a notification of its own accord on every open session."""
        for session in self.sessions:
            session.receive(encode_notification(method, params or {}))

    def crash(self, why: str = "it crashed") -> None:
        """Lose every open connection."""
        for session in list(self.sessions):
            session.close(Why(why))

    async def converse(self, session: ChannelSession) -> None:
        """Be the other end of a session until it closes."""
        running: dict[int | str, trio.CancelScope] = {}
        async with trio.open_nursery() as nursery:
            while (frame := await session.next_frame()) is not None:
                message = decode(frame)
                if isinstance(message, Response):
                    self.answers.append(message)
                    self._asking.answered(message)
                    continue
                assert isinstance(message, Request | Notification), message
                self.received.append(message)
                if self.mute:
                    continue
                if isinstance(message, Notification):
                    heed(message, running)
                elif message.method in ROUTED:
                    running[message.key] = trio.CancelScope()
                    nursery.start_soon(self._perform, session, message, running)
                elif answer := self.administer(message, session):
                    session.receive(answer)
            nursery.cancel_scope.cancel()

    def administer(self, request: Request, session: ChannelSession) -> bytes:  # noqa: ARG002
        """The answer to a request that is about the backend itself; empty where there is none yet."""
        return administered(self, request)

    async def _perform(self, session: ChannelSession, request: Request, running: dict[int | str, trio.CancelScope]) -> None:
        number = self._count(request.method, request.params)
        try:
            with running[request.key] as scope:
                await self._play(self._step(number), session, request, number)
            if scope.cancelled_caught:
                self._cancelled(number)
        finally:
            del running[request.key]

    async def _play(self, step: Step, session: ChannelSession, request: Request, number: int) -> None:
        after: object = step
        while isinstance(after, Ask | Delay | Note):
            if isinstance(after, Ask):
                after = await self._asking.over(session.receive, after)
                continue
            if isinstance(after, Delay):
                await trio.sleep(duration(after))
            else:
                session.receive(after.message or progress_note(token_of(request), after.progress))
            after = after.then or Echo()
        answer = canned(after, request, number)
        await self._be_slow(after, answer)
        for message in noise_of(after, request):
            session.receive(message)
        if not isinstance(after, Hang | DropAnswer | Refuse | Reset):
            for message in spoiled(after, answer):
                session.receive(message)
        self._did(number, after)
        if isinstance(after, LOST):
            session.close(Why(after.why if isinstance(after, Reset) else "the connection was lost"))
        elif isinstance(after, UNANSWERED):
            await trio.sleep_forever()

    @staticmethod
    async def _be_slow(step: object, answer: bytes | Raw) -> None:
        if isinstance(step, Reorder):
            await trio.sleep(step.seconds)
        elif isinstance(step, Drip):
            await trio.sleep(step.seconds * -(-len(bytes(answer)) // max(1, step.size)))

    def _count(self, method: str, params: Params) -> int:
        self.calls += 1
        self.transcript.note(self.name, "<-", method, read_text(params, "name") or read_text(params, "uri") or "", f"#{self.calls}")
        return self.calls

    def _did(self, number: int, step: object) -> None:
        self.transcript.note(self.name, "->", f"#{number}", type(step).__name__)

    def _cancelled(self, number: int) -> None:
        self.cancelled.append(number)
        self.transcript.note(self.name, "cancelled", f"#{number}")

    def _step(self, number: int) -> Step:
        return self.steps[min(number, len(self.steps)) - 1] if self.steps else Echo()
