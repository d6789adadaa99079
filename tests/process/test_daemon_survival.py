"""A gateway as a process, and what it and its children do when one of them is killed, told to go, or never comes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import httpx2
import pytest
import trio

from sluicegate.outside.guardian import MARK, open_guardian
from sluicegate.testing.family import ProcessFamily

pytestmark = pytest.mark.slow

SERVER = str(Path(__file__).parent / "children" / "hardy.py")
MARKS_CAN_BE_SEEN = Path("/proc/self/environ").exists()
PATIENCE = 30
DRAIN = 0.2
GRACE = 4
"""Seconds that a child may take to go which ignores the end of its input and SIGTERM."""
SLACK = 3
"""Seconds that a busy machine may add."""
Json = dict[str, Any]


def backend(name: str, *habits: str, command: str = sys.executable, more: str = "") -> str:
    args = json.dumps(["-S", "-E", SERVER, name, *habits]) if command == sys.executable else "[]"
    quick = "[backends.restart]\ninitial_seconds = 0.1\nmax_seconds = 0.3\n"
    return f'[[backends]]\nname = "{name}"\ntransport = "stdio"\ncommand = {json.dumps(command)}\nargs = {args}\n{more}{quick}'


# -- the gateway


@attrs.define
class Daemon:
    """A running gateway and what it logs."""

    process: trio.Process
    url: str = ""
    log: str = ""
    ended: bool = False
    _news: trio.Event = attrs.field(factory=trio.Event)

    async def read(self) -> None:
        """Read its log to the end."""
        assert self.process.stderr is not None
        async for chunk in self.process.stderr:
            self.log += chunk.decode()
            self._news.set()
            self._news = trio.Event()
        self.ended = True
        self._news.set()

    async def logged(self, pattern: str, times: int = 1) -> str:
        """Wait until the log has so many places that match; the last of them."""
        while len(found := re.findall(pattern, self.log)) < times:
            assert not self.ended, self.log
            await self._news.wait()
        return str(found[-1])

    async def exits(self, within: float) -> int:
        """Its exit code."""
        with trio.fail_after(within):
            return await self.process.wait()


@asynccontextmanager
async def running(path: Path, *backends: str, proxy: str = "") -> AsyncGenerator[tuple[Daemon, ProcessFamily], None]:
    """A gateway with these backends; nothing of it is left afterwards, whatever the test has done."""
    path /= "gate.toml"
    path.write_text(f'[proxy]\nname = "gate"\n{proxy}[proxy.listen]\nport = 0\n[observability]\njson_logs = true\n' + "".join(backends))
    command = [sys.executable, "-m", "sluicegate", "run", "-c", str(path)]
    process = await trio.lowlevel.open_process(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    daemon, family = Daemon(process), ProcessFamily(process.pid)
    try:
        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(daemon.read)
                daemon.url = await daemon.logged(r"http://[0-9.]+:\d+")
                yield daemon, family
                nursery.cancel_scope.cancel()
    finally:
        for pid in family.left():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.kill()
        with trio.CancelScope(shield=True):  # it is killed: that does not take long
            await process.wait()
            assert process.stderr is not None
            await process.stderr.aclose()


async def until_gone(family: ProcessFamily, within: float) -> None:
    """Wait until nothing of the family runs."""
    with trio.move_on_after(within):
        while family.left():  # noqa: ASYNC110  strangers by now: there is nothing of them to wait on
            await trio.sleep(0.05)
    assert family.left() == set()


# -- a client


@attrs.define
class Client:
    """One session, without any cleverness."""

    http: httpx2.AsyncClient
    url: str
    headers: dict[str, str] = attrs.field(factory=lambda: {"Accept": "application/json, text/event-stream"})
    sent: int = 0

    async def post(self, method: str, **params: object) -> httpx2.Response:
        self.sent += 1
        body = {"jsonrpc": "2.0", "id": self.sent, "method": method, "params": params}
        return await self.http.post(self.url, json=body, headers=self.headers)

    async def open(self) -> None:
        hello = await self.post("initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo={"name": "test", "version": "1"})
        self.headers["Mcp-Session-Id"] = hello.headers["Mcp-Session-Id"]
        await self.http.post(self.url, json={"jsonrpc": "2.0", "method": "notifications/initialized"}, headers=self.headers)

    async def call(self, name: str, **arguments: str) -> Json:
        answer: Json = (await self.post("tools/call", name=name, arguments=arguments)).json()
        return answer

    async def says(self, name: str, **arguments: str) -> str:
        """The text of an answer that is no error."""
        answer = await self.call(name, **arguments)
        assert "result" in answer, answer
        return str(answer["result"]["content"][0]["text"])

    async def pid(self, name: str) -> int:
        """The process behind a backend."""
        return int((await self.says(f"{name}_echo")).split()[1])

    async def tools(self) -> set[str]:
        """The names of all backends that are listed."""
        return {tool["name"].partition("_")[0] for tool in (await self.post("tools/list")).json()["result"]["tools"]}


@asynccontextmanager
async def client_of(daemon: Daemon) -> AsyncGenerator[Client, None]:
    async with httpx2.AsyncClient(timeout=PATIENCE, verify=False) as http:
        client = Client(http, f"{daemon.url}/mcp")
        await client.open()
        yield client


async def keep(answers: list[Json], ask: Callable[[], Awaitable[Json]]) -> None:
    answers.append(await ask())


# -- kill -9 of a backend


async def test_kill_nine_of_a_backend_fails_or_moves_its_calls_at_once_and_touches_no_other(tmp_path: Path) -> None:
    file = tmp_path / "now"
    backends = [backend("solo"), backend("one"), backend("spare", more='failover_for = "one"\n'), backend("other")]
    async with running(tmp_path, *backends) as (daemon, _family), client_of(daemon) as client:
        killed = {name: await client.pid(name) for name in ("solo", "one")}
        lost, moved, held = list[Json](), list[Json](), list[Json]()
        async with trio.open_nursery() as holding:
            holding.start_soon(keep, held, partial(client.call, "other_hold", file=str(file)))
            async with trio.open_nursery() as stalling:
                for _ in range(5):
                    stalling.start_soon(keep, lost, partial(client.call, "solo_stall"))
                    stalling.start_soon(keep, moved, partial(client.call, "one_stall"))
                await daemon.logged("was called", 11)
                began = trio.current_time()
                for pid in killed.values():
                    os.kill(pid, signal.SIGKILL)
            assert trio.current_time() - began < 2, "every one of them is over; their deadline is 300 s"
            assert held == []
            file.touch()
        assert [answer["error"]["data"]["reason"] for answer in lost] == ["connection_lost"] * 5
        assert all("killed by SIGKILL" in answer["error"]["message"] for answer in lost)
        assert all(answer["result"]["content"][0]["text"].startswith("spare ") for answer in moved)
        assert len(moved) == 5
        assert held[0]["result"]["content"][0]["text"].startswith("other ")
        await daemon.logged("backend is ready", len(backends) + len(killed))
        for name, pid in killed.items():
            assert await client.pid(name) != pid


# -- the end of the gateway

AWKWARD = {
    "plain": (),
    "hardened": ("deaf", "stubborn"),
    "parent": ("forks",),
    "worst": ("forks", "deaf", "stubborn"),
    "launcher": ("leaves", "deaf", "stubborn"),
}


@asynccontextmanager
async def awkward(path: Path) -> AsyncGenerator[tuple[Daemon, ProcessFamily, Client], None]:
    """A gateway with a child of every bad habit; the launcher of one has left already, and a call to another never ends."""
    backends = [backend(name, *habits) for name, habits in AWKWARD.items()]
    async with running(path, *backends, proxy=f"shutdown_timeout_seconds = {DRAIN}\n") as (daemon, family), client_of(daemon) as client:
        pids = {await client.pid(name) for name in AWKWARD if name != "launcher"}
        assert pids < family.look()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stall, client)
            await daemon.logged("plain was called")
            gone = await client.call("launcher_echo")
            assert "exited with status 0" in gone["error"]["message"]
            family.look()
            yield daemon, family, client
            nursery.cancel_scope.cancel()


async def stall(client: Client) -> None:
    with contextlib.suppress(httpx2.HTTPError):  # killing the gateway is one way to end it
        await client.call("plain_stall")


async def test_after_sigterm_no_process_is_left_whatever_its_habits(tmp_path: Path) -> None:
    async with awkward(tmp_path) as (daemon, family, _client):
        daemon.process.send_signal(signal.SIGTERM)
        assert await daemon.exits(within=DRAIN + GRACE + SLACK) == 0
        assert family.left() == set()
        assert len(family.seen) > 2 * len(AWKWARD)
    assert "Traceback" not in daemon.log


async def test_after_a_second_sigint_no_process_is_left_either(tmp_path: Path) -> None:
    async with awkward(tmp_path) as (daemon, family, _client):
        daemon.process.send_signal(signal.SIGINT)
        await daemon.logged("draining")
        daemon.process.send_signal(signal.SIGINT)
        assert await daemon.exits(within=GRACE + SLACK) == 1
        assert family.left() == set()
    assert "Traceback" not in daemon.log


async def test_when_the_gateway_is_killed_no_process_is_left_within_a_few_seconds(tmp_path: Path) -> None:
    async with awkward(tmp_path) as (daemon, family, _client):
        daemon.process.kill()
        await until_gone(family, within=GRACE + SLACK)


async def test_a_gateway_that_is_killed_before_it_can_name_a_child_to_its_guardian_leaves_it_not_behind() -> None:
    """Between the start of a child and the word to its guardian there are some milliseconds; the child's mark stands in for the word."""
    guardian = await open_guardian("some-mark")
    assert guardian is not None
    assert guardian.stdin is not None
    command = [sys.executable, "-S", "-E", SERVER, "lost", "forks", "deaf", "stubborn"]
    family = ProcessFamily()
    child = await trio.lowlevel.open_process(command, env={MARK: "some-mark"}, start_new_session=True, stdin=subprocess.PIPE)
    stranger = await trio.lowlevel.open_process(command, env={MARK: "another-mark"}, start_new_session=True, stdin=subprocess.PIPE)
    try:
        with trio.fail_after(PATIENCE):
            while len(family.look()) < 5:  # noqa: ASYNC110  the guardian, and two that have forked
                await trio.sleep(0.01)
            await guardian.stdin.aclose()
            assert await guardian.wait() == 0
            if MARKS_CAN_BE_SEEN:
                assert await child.wait() == -signal.SIGKILL
                while len(family.left()) > 2:  # noqa: ASYNC110  the stranger and its child
                    await trio.sleep(0.01)
        assert stranger.poll() is None
    finally:
        for process in (child, stranger):
            os.killpg(process.pid, signal.SIGKILL) if process.poll() is None else None
            await process.wait()
            assert process.stdin is not None
            await process.stdin.aclose()


async def test_a_call_in_flight_at_sigterm_is_answered_and_then_the_gateway_ends(tmp_path: Path) -> None:
    file, answers = tmp_path / "now", list[Json]()
    async with running(tmp_path, backend("one")) as (daemon, family), client_of(daemon) as client:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keep, answers, partial(client.call, "one_hold", file=str(file)))
            await daemon.logged("one was called")
            family.look()
            daemon.process.send_signal(signal.SIGTERM)
            await daemon.logged("draining")
            assert answers == []
            file.touch()
        assert answers[0]["result"]["content"][0]["text"].startswith("one ")
        assert await daemon.exits(within=SLACK) == 0
        assert family.left() == set()
    assert "Traceback" not in daemon.log


# -- a start with backends that are not there


@pytest.mark.filterwarnings("ignore:Async generator 'httpcore2[.]:ResourceWarning")  # the HTTP client's, for a stream that does not end
async def test_an_absent_and_a_hanging_backend_come_in_when_they_can_and_hold_up_nobody(tmp_path: Path) -> None:
    absent, awake = tmp_path / "absent-server", tmp_path / "awake"
    backends = [
        backend("good"),
        backend("absent", command=str(absent)),
        backend("hanging", "waits", str(awake), more="connect_timeout_seconds = 4\n"),
    ]
    async with running(tmp_path, *backends, proxy="startup_wait_seconds = 0.2\n") as (daemon, _family), client_of(daemon) as client:
        await daemon.logged("backend is ready")
        assert (await client.says("good_echo")).startswith("good ")
        assert await client.tools() == {"good"}
        assert "no answer within" not in daemon.log, "the hanging one is still waited for"
        await daemon.logged("backend is down")
        answer = await client.call("absent_echo")
        assert "its command could not be started" in answer["error"]["message"]
        assert str(absent) not in str(answer), "where it was looked for is the operator's"
        assert f"command '{absent}' does not exist" in daemon.log
        await daemon.logged(r'"hanging".*no answer within 4 s|no answer within 4 s.*"hanging"')
        async with client.http.stream("GET", client.url, headers=client.headers) as news:
            assert news.status_code == 200
            absent.write_text(f"#!/bin/sh\nexec {sys.executable} -S -E {SERVER} absent\n")
            absent.chmod(0o755)
            awake.touch()
            async with aclosing(news.aiter_raw()) as chunks:
                while await client.tools() != {"good", "absent", "hanging"}:
                    while b"notifications/tools/list_changed" not in await anext(chunks):
                        pass
        for name in ("good", "absent", "hanging"):
            assert (await client.says(f"{name}_echo")).startswith(name)
