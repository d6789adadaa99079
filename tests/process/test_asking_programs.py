"""Programs that ask, one for each client: killed with a question open, asking without end, beside others that are served as ever."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import msgspec
import pytest
import trio
from tests.flows.asked_clients import HttpClient, Json
from tests.process.test_client_sessions_crowd import a_client, is_there

from sluicegate import Builder, Gateway, open_gateway
from sluicegate.backends.client_links import ClientLinks
from sluicegate.frontends.app import App

pytestmark = pytest.mark.slow

CHILDREN = Path(__file__).parent / "children"
PATIENCE = 120
MANY = 10_000
IN_A_ROW = 2_000


@attrs.define
class House:
    gateway: Gateway
    url: str

    @property
    def links(self) -> ClientLinks:
        links = self.gateway.backends["b"].clients
        assert links is not None
        return links

    @property
    def processes(self) -> set[int]:
        """Of the programs that serve single clients now."""
        return {pid for link in self.links._all if isinstance(pid := getattr(link.link.session, "pid", None), int)}

    def assert_idle(self) -> None:
        """No call, question or stream is left of anybody."""
        app = self.gateway.asgi_app
        assert isinstance(app, App)
        assert (self.gateway.backends["b"].in_flight, len(app.endpoint.waits.answers)) == (0, 0)
        for session in app.sessions._sessions.values():
            assert (session.calls, session.answers, session.duplex.ours.asked) == ({}, {}, {})


@asynccontextmanager
async def house(program: str) -> AsyncGenerator[House, None]:
    """A gateway on a socket, with such a program for each client; afterwards none of them may be there any more."""
    seen: set[int] = set()
    builder = Builder("gate").backend("b", [sys.executable, str(CHILDREN / program)], sessions="per_client")
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            async with open_gateway(builder.config()) as gateway:
                (url,) = await nursery.start(gateway.serve)
                await gateway.ready()
                here = House(gateway, url)
                yield here
                seen = here.processes
            assert not [pid for pid in seen if is_there(pid)]
            nursery.cancel_scope.cancel()


async def call(client: HttpClient, tool: str, id: int, **arguments: object) -> None:
    await client.say(id=id, method="tools/call", params={"name": tool, "arguments": arguments})


async def question(client: HttpClient) -> Json:
    heard = await client.hear()
    assert {"id", "method"} <= heard.keys(), heard
    return heard


async def accept(client: HttpClient, asked: Json, who: str) -> None:
    await client.say(id=asked["id"], result={"action": "accept", "content": {"who": who}, "model": "m"})


async def finish(client: HttpClient, first: Json, who: str) -> str:
    """Answer both questions of a call; its text."""
    await accept(client, first, who)
    await accept(client, await question(client), who)
    return str((await client.hear())["result"]["content"][0]["text"])


async def test_a_program_that_is_killed_with_a_question_open_costs_its_client_that_call_alone() -> None:
    async with house("asker.py") as here, a_client(here.url) as mine, a_client(here.url) as other:
        await call(mine, "b_echo", 7)
        asked = await question(mine)
        (own,) = here.processes
        await call(other, "b_echo", 7)
        others_question = await question(other)
        assert len(here.processes) == 2

        os.kill(own, signal.SIGKILL)
        with trio.fail_after(5):
            withdrawn, end = await mine.hear(), await mine.hear()
        assert (withdrawn["method"], withdrawn["params"]["requestId"]) == ("notifications/cancelled", asked["id"])
        assert "error" in end
        await accept(mine, asked, "too late")  # to a question that is none any more

        assert msgspec.json.decode(await finish(other, others_question, "other"))[0]["content"] == {"who": "other"}
        await call(mine, "b_echo", 8)  # in the same session
        assert msgspec.json.decode(await finish(mine, await question(mine), "mine"))[0]["content"] == {"who": "mine"}
        assert not is_there(own)
        assert len(here.processes) == 2
        await trio.sleep(0.1)
        here.assert_idle()


async def test_two_thousand_questions_one_after_the_other_are_asked_and_little_is_kept() -> None:
    async with house("insistent.py") as here, a_client(here.url) as client:
        app = here.gateway.asgi_app
        assert isinstance(app, App)
        await call(client, "b_ask", 7, times=IN_A_ROW, at_once=False)
        ids, most = set[object](), 0
        for _ in range(IN_A_ROW):
            asked = await question(client)
            ids.add(asked["id"])
            most = max(most, *(answer.log.size for session in app.sessions._sessions.values() for answer in session.answers.values()))  # type: ignore[attr-defined]
            await client.say(id=asked["id"], result={"action": "accept", "content": {}})
        end = await client.hear()
        assert msgspec.json.decode(end["result"]["content"][0]["text"]) == {"answers": IN_A_ROW}
        assert len(ids) == IN_A_ROW
        assert most < 100_000  # bytes, of about 400 000 that were sent
        await trio.sleep(0.1)
        here.assert_idle()


async def test_ten_thousand_questions_at_once_end_that_program_and_nobody_elses() -> None:
    """32 may be open, each beyond is refused, and more than a thousand refusals in ten seconds are too many."""
    async with house("insistent.py") as here, a_client(here.url) as client, a_client(here.url) as other:
        await call(other, "b_ask", 7, times=1, at_once=True)
        others_question = await question(other)
        await call(client, "b_ask", 7, times=MANY, at_once=True)
        heard: list[Json] = []
        while not heard or "method" in heard[-1]:
            heard.append(await client.hear())
        asked = [message["id"] for message in heard if message.get("method") == "elicitation/create"]
        withdrawn = [message["params"]["requestId"] for message in heard if message.get("method") == "notifications/cancelled"]
        assert len(asked) == 32
        assert sorted(withdrawn) == sorted(asked)
        assert "error" in heard[-1]

        await accept(other, others_question, "other")
        assert msgspec.json.decode((await other.hear())["result"]["content"][0]["text"]) == {"answers": 1}
        await call(client, "b_ask", 8, times=1, at_once=False)  # in the same session, with another program
        await accept(client, await question(client), "client")
        assert msgspec.json.decode((await client.hear())["result"]["content"][0]["text"]) == {"answers": 1}
        await trio.sleep(0.1)
        here.assert_idle()
