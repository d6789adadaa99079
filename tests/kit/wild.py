"""A backend that plays something else with every call, drawn from a generator that the test has seeded."""

from __future__ import annotations

import random
from collections.abc import Sequence

import trio

from sluicegate.backends.channel import ChannelSession
from sluicegate.protocol.messages import Params, Raw, Request, decode_object, read_text
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import Answer, Delay, Garble, Hang, Note, Reset, RpcError, Step, ToolFails

__all__ = ["WildBackend", "read_mark"]

CODES = (-32700, -32600, -32601, -32602, -32603, -32000, -32050, -32800, 1, 404)
"""Of errors."""
GARBAGE = (
    b"not json",
    b"\xff",
    b"[]",
    b'{"jsonrpc":"2.0","id":987654,"result":{}}',
    b'{"jsonrpc":"2.0","id":"x","method":"sampling/createMessage"}',
)
LOG_LINE = b'{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}'
LONGEST_DELAY = 6.0
DEAF, TWICE = 0.1, 0.05
"""How often it does not hear that a call is cancelled, and how often it answers twice."""


def read_mark(params: Params) -> str:
    """The argument ``call`` of a tool call, by which tests tell calls apart."""
    arguments = decode_object(params.get("arguments", Raw(b"{}")))
    return read_text(arguments, "call") or "" if isinstance(arguments, dict) else ""


class WildBackend(ScriptedBackend):
    """Answers with text, errors, silence, garbage or a crash, after notes and delays. Whatever it says is ``name|mark|number``."""

    def __init__(self, name: str, chance: random.Random, tools: Sequence[str] = ("echo",)) -> None:
        super().__init__(name=name, tools=tools)
        self.chance = chance
        self.tame = False
        """While true every call is answered at once."""

    async def _play(self, step: Step, session: ChannelSession, request: Request, number: int) -> None:
        del step  # it draws its own
        said = f"{self.name}|{read_mark(request.params)}|{number}"
        if self.tame:
            await super()._play(Answer(said), session, request, number)
            return
        with trio.CancelScope(shield=self.chance.random() < DEAF):
            await trio.sleep(self.chance.choice((0, 0, 0, self.chance.uniform(0, 1))))
        await super()._play(self.draw(said), session, request, number)
        if self.chance.random() < TWICE:
            await super()._play(Answer(said), session, request, number)

    def change_tools(self, name: str) -> None:
        """Take a tool out of the list, or add it, and say so."""
        tools = [tool for tool in self.lists["tools"] if tool["name"] != name]
        self.lists["tools"] = tools if len(tools) < len(self.lists["tools"]) else [*tools, {"name": name, "inputSchema": {}}]
        self.notify("notifications/tools/list_changed")

    def draw(self, said: str) -> Step:
        """A random step that says this."""
        roll = self.chance.random()
        if roll < 0.25:
            return Delay(self.chance.choice((0.0, 0.1, 0.5, 1.0, self.chance.uniform(0, LONGEST_DELAY))), self.draw(said))
        if roll < 0.45:
            return Note(0.5, self.draw(said), LOG_LINE if self.chance.random() < 0.2 else b"")
        if roll < 0.8:
            return Answer(said)
        ends: list[Step] = [ToolFails(said), Reset(), Hang(), Garble(self.chance.choice(GARBAGE))]
        ends += [RpcError(self.chance.choice(CODES), said), RpcError(self.chance.choice(CODES), said)]
        return self.chance.choice(ends)
