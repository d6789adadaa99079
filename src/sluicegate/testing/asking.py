"""How a scripted backend asks its client in the middle of a call, and waits for the answer."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import trio

from ..protocol.calls import Back, Reply
from ..protocol.messages import Params, Raw, Response, encode
from ..protocol.question import Question
from .script import Answer, Ask, Step

__all__ = ["Asking"]


@attrs.define(eq=False, repr=False)
class _Open:
    answered: trio.Event = attrs.field(factory=trio.Event)
    answer: bytes = b""

    def settle(self, answer: bytes) -> None:
        self.answer = answer
        self.answered.set()

    async def step(self, ask: Ask) -> Step:
        await self.answered.wait()
        return ask.then or Answer(self.answer.decode())


@attrs.define(eq=False, repr=False)
class Asking:
    """The questions of one backend; an answer is its result, or its error, as JSON text."""

    _open: dict[int | str | None, _Open] = attrs.field(factory=dict, init=False)
    _count: int = attrs.field(default=0, init=False)

    async def over(self, say: Callable[[bytes], None], ask: Ask) -> Step:
        """Ask over a connection; what to go on with."""
        self._count += 1
        key, waiting = f"question-{self._count}", _Open()
        self._open[key] = waiting
        params = {name: Raw(encode(value)) for name, value in ask.params.items()}
        say(encode({"jsonrpc": "2.0", "id": key, "method": ask.method, "params": params}))
        try:
            return await waiting.step(ask)
        finally:
            del self._open[key]

    def answered(self, response: Response) -> None:
        """An answer came."""
        if (waiting := self._open.get(response.key)) is not None:
            waiting.settle(bytes(response.result or response.error or b""))

    async def by(self, back: Back, ask: Ask) -> Step:
        """Ask without a connection; what to go on with."""
        waiting = _Open()

        def settle(reply: Reply) -> None:
            waiting.settle(bytes(reply.result) if reply.fault is None else reply.fault.encode())

        params: Params = {name: Raw(encode(value)) for name, value in ask.params.items()}
        fault = back.ask(Question(ask.method, params, settle))
        if fault is not None:
            settle(Reply.failed(fault))
        return await waiting.step(ask)
