"""The backends of a random world, on any transport."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import attrs
import trio
from tests.kit.wild import read_mark
from tests.properties.troubles import Trouble
from tests.properties.watching import Watch
from tests.properties.worlds import Part, World

from sluicegate.backends.channel import ChannelSession
from sluicegate.backends.session import Connector
from sluicegate.config.model import BackendConfig, Config, ListenConfig, ProxyConfig, RestartSettings
from sluicegate.gateway.opening import Gateway, open_gateway
from sluicegate.protocol.messages import Request
from sluicegate.sources import Sources
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.injections.kinds import Transport
from sluicegate.testing.playing import Play
from sluicegate.testing.script import Answer, Step
from sluicegate.testing.scripted_program import program_of

__all__ = ["Player", "Stage", "open_stage"]

RESTART = RestartSettings(0.1, 0.5, 1000, 60.0)
"""Of the far side: it comes back within half a second."""


class Player(ScriptedBackend):
    """Says ``name|mark|number`` after a moment, and counts what it runs."""

    def __init__(self, part: Part, chance: random.Random) -> None:
        annotations = {"readOnlyHint": part.safe}
        super().__init__(name=part.name, tools=[{"name": "echo", "inputSchema": {"type": "object"}, "annotations": annotations}])
        self.part = part
        self.chance = chance
        self.running = 0
        self.ran: Counter[str] = Counter()
        """How many times each call."""

    async def _play(self, step: Step, session: ChannelSession, request: Request, number: int) -> None:
        del step
        mark = read_mark(request.params)
        chance = random.Random(f"{self.name}:{mark}") if self.part.alike else self.chance
        self.running += 1
        self.ran[mark] += 1
        try:
            await trio.sleep(chance.uniform(0, self.part.latency))
            await super()._play(Answer(f"{self.name}|{mark}|{0 if self.part.alike else number}"), session, request, number)
        finally:
            self.running -= 1


@attrs.define(eq=False)
class Stage:
    """A gateway in front of its players."""

    play: Play
    world: World
    watch: Watch
    gateway: Gateway
    players: dict[str, Player]
    closed_at: float = math.inf

    async def be_in_trouble(self, trouble: Trouble) -> None:
        """Let a backend be out of order for its time."""
        player = self.players[trouble.backend]
        await trio.sleep_until(self.play.transcript.begun_at + trouble.begins)
        self.play.note(player.name, trouble.kind, f"until {trouble.ends:.2f}")
        if trouble.kind == "mute":
            player.mute = True
        elif trouble.kind == "refuse":
            player.refuse = "not now"
        if trouble.kind != "mute":
            player.crash()
        await trio.sleep_until(self.play.transcript.begun_at + trouble.ends)
        player.mute, player.refuse = False, ""


@asynccontextmanager
async def open_stage(play: Play, world: World) -> AsyncGenerator[Stage, None]:
    """Open the gateway when the far sides are there; leaving the block closes it, and them later."""
    players = {part.name: Player(part, play.chance(f"player:{part.name}")) for part in world.parts}
    watch = Watch.of(world.script, play.transcript, {part.name: part.path for part in world.parts})
    layers = {part.name: (watch.layer(part.name),) for part in world.parts if part.config.mirror_of is None}
    servers: dict[str, Connector] = {}
    async with trio.open_nursery() as ground:
        for part in world.parts:
            player = players[part.name]
            player.transcript = play.transcript
            if part.transport is Transport.FRAMES:
                servers[part.name] = player.connector
            elif part.transport is Transport.CHILD:
                play.world.processes.add(part.name, program_of(player))
            else:
                await ground.start(_serve, play, part, player)
        async with open_gateway(
            world.config, servers=servers, sources=play.sources, outside=play.world.outside, layers=layers, faults=watch
        ) as gateway:
            watch.look_at(gateway.policies)
            await gateway.settled()
            stage = Stage(play, world, watch, gateway, players)
            yield stage
            play.note("the gateway closes")
        stage.closed_at = trio.current_time()
        play.note("the gateway is closed")
        with trio.CancelScope(shield=True):  # whatever still ran would have time to show itself
            await trio.sleep(30)
        ground.cancel_scope.cancel()


async def _serve(play: Play, part: Part, player: Player, task_status: trio.TaskStatus[list[str]]) -> None:
    """Be a site: a gateway whose tools have no prefix."""
    port = int(str(part.config.url).split(":")[2].split("/")[0])
    backend = BackendConfig("far", "inprocess", namespace="", restart=RESTART, connect_timeout_seconds=1.0)
    config = Config(ProxyConfig("far", listen=ListenConfig(host="127.0.0.1", port=port)), (backend,))
    sources = Sources.virtual(f"{play.seed}:{part.name}")
    async with open_gateway(config, strict=True, servers={"far": player.connector}, outside=play.world.outside, sources=sources) as gateway:
        await gateway.serve(task_status=task_status)
