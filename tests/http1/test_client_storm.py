"""The client in bad weather: peers that misbehave in all ways at random, callers that change their minds. No answer ever goes to another request."""

import random
from collections import Counter
from contextlib import suppress

import attrs
import pytest
import trio
from tests.kit.farside import FarSide, Talk

from sluicegate.http1.client.failures import Broken, TooLarge, Unreachable
from sluicegate.http1.client.origin import parse_address
from sluicegate.http1.client.pool import HttpClient, open_client

CALLERS, CALLS = 12, 25


@attrs.define(eq=False)
class Weather:
    """One storm from one seed."""

    chance: random.Random
    far: FarSide = attrs.field(factory=lambda: FarSide(buffer=3000))
    ends: Counter[str] = attrs.field(factory=Counter)
    wrong: list[tuple[bytes, bytes]] = attrs.field(factory=list)

    async def blow(self) -> None:
        """Take all connections."""
        async with trio.open_nursery() as nursery:
            while True:
                nursery.start_soon(self.carry, await self.far.accept())

    async def carry(self, talk: Talk) -> None:
        """Answer with what was asked, or do worse."""
        with suppress(AssertionError, trio.BrokenResourceError, trio.ClosedResourceError):
            while True:
                body = (await talk.hear()).partition(b"\r\n\r\n")[2]
                await trio.sleep(self.chance.choice((0, 0, 0.1, 1)))
                if not await self.answer(talk, body):
                    break
        await talk.close()

    async def answer(self, talk: Talk, body: bytes) -> bool:
        """One answer; whether the connection goes on."""
        roll = self.chance.random()
        if roll < 0.05:
            return False
        data = self.framed(body)
        if roll < 0.1:
            data = data[: self.chance.randrange(len(data))]
        elif roll < 0.15:
            data += self.chance.choice((b"\r\n", data, b"HTTP/1.1 408 Late\r\nConnection: close\r\n\r\n"))
        elif roll < 0.18:
            data = b"HTTP/1.1 100 Continue\r\n\r\n" * self.chance.randrange(1, 12) + data
        while data:
            size = self.chance.choice((1, 7, 100, 5000))
            await talk.stream.send_all(data[:size])
            data = data[size:]
            if self.chance.random() < 0.05:
                await trio.sleep(0.5)
        if self.chance.random() < 0.1:
            await trio.sleep(self.chance.choice((0, 3.9, 4, 4.1)))
            return False
        return not 0.05 <= roll < 0.1

    def framed(self, body: bytes) -> bytes:
        if self.chance.random() < 0.5:
            return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        cut = self.chance.randrange(1, len(body))
        pieces = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (body[:cut], body[cut:]))
        return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + pieces + b"0\r\n\r\n"

    async def call_often(self, client: HttpClient, number: int) -> None:
        """One caller's calls."""
        for turn in range(CALLS):
            body = b"%d %d " % (number, turn) + b"x" * self.chance.choice((1, 10, 4000, 70_000))
            with trio.move_on_after(self.chance.choice((0, 0.1, 0.5, 100, 100, 100))):
                await self.call(client, body)
            await trio.sleep(self.chance.choice((0, 0, 0.1, 3.9, 4, 4.1)))

    async def call(self, client: HttpClient, body: bytes) -> None:
        """One request, read to its end or not."""
        try:
            response = await client.request(b"POST", b"/", b"", body, purpose=self.chance.randrange(3))
        except (Broken, Unreachable) as error:
            self.ends[type(error).__name__] += 1
            return
        try:
            if self.chance.random() < 0.1:
                response.hurry(self.chance.choice((0, 0.3)))
            got = await response.read(self.chance.choice((50_000, 100_000, 100_000)))
            self.ends["answer"] += 1
            if got != body:
                self.wrong.append((body[:20], got[:20]))
        except (Broken, TooLarge) as error:
            self.ends[type(error).__name__] += 1
        finally:
            response.close()

    async def interfere(self, client: HttpClient) -> None:
        """Now and then nobody can connect, or somebody cuts what is under way."""
        while True:
            await trio.sleep(self.chance.uniform(0, 3))
            self.far.down = self.chance.random() < 0.2
            if self.chance.random() < 0.3:
                client.cut(self.chance.randrange(3), "cut")


@pytest.mark.parametrize("seed", range(6))
async def test_no_answer_goes_to_another_request_and_no_connection_is_left(seed: int, autojump_clock: trio.testing.MockClock) -> None:
    weather = Weather(random.Random(f"{seed}:storm"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(weather.blow)
        async with open_client(parse_address("http://far.test").origin, open_stream=weather.far.open_stream) as client:
            nursery.start_soon(weather.interfere, client)
            async with trio.open_nursery() as callers:
                for number in range(CALLERS):
                    callers.start_soon(weather.call_often, client, number)
            await trio.testing.wait_all_tasks_blocked()
            assert client.busy == 0
            assert weather.far.open == client.idle
            await trio.sleep(4.1)
            assert weather.far.open == client.idle == 0
        nursery.cancel_scope.cancel()
    assert weather.wrong == []
    assert weather.ends["answer"] > CALLERS * CALLS / 4
    assert weather.ends["Broken"] > 0
    assert weather.ends["Unreachable"] > 0
