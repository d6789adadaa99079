"""What a scenario must not do, and is told so; and what the gateway fixture refuses."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing

from sluicegate.testing import ChildExit, Hang, Injections, OpenGateway, Play, Rule, Script, ScriptedBackend, play


async def _a_thread(_: Play) -> None:
    await trio.to_thread.run_sync(int)


async def _a_connection(_: Play) -> None:
    await trio.open_tcp_stream("127.0.0.1", 9)


async def _a_name(_: Play) -> None:
    await trio.socket.getaddrinfo("localhost", 80)


async def _an_address(_: Play) -> None:
    await trio.socket.getnameinfo(("127.0.0.1", 80), 0)


async def _a_listener(_: Play) -> None:
    await trio.open_tcp_listeners(0, host="127.0.0.1")


async def _a_process(_: Play) -> None:
    await trio.run_process(["true"])


async def _a_file(_: Play) -> None:
    await trio.open_file(__file__)


@pytest.mark.parametrize(
    ("scenario", "what"),
    [
        (_a_thread, "a thread"),
        (_a_connection, "a socket"),
        (_a_listener, "a socket"),
        (_a_name, "DNS"),
        (_an_address, "DNS"),
        (_a_process, "a thread"),
        (_a_file, "a thread"),
    ],
)
def test_the_real_world_is_refused_in_a_scenario(scenario: Callable[[Play], Awaitable[None]], what: str) -> None:
    with pytest.RaisesGroup(pytest.RaisesExc(RuntimeError, match=f"{what}: not under a mock clock"), flatten_subgroups=True):
        play(scenario)


def test_afterwards_there_are_threads_and_sockets_again() -> None:
    async def fail(_: Play) -> None:
        raise KeyError

    before = trio.to_thread.run_sync
    with pytest.raises(ExceptionGroup):
        play(fail)
    assert trio.to_thread.run_sync is before

    async def real() -> None:
        with trio.socket.socket(socket.AF_INET):
            assert await trio.to_thread.run_sync(lambda: 3) == 3

    trio.run(real)


async def test_a_play_inside_of_a_running_loop_is_refused_with_a_reason() -> None:
    async def scenario(_: Play) -> None: ...

    with pytest.raises(RuntimeError, match="play\\(\\) runs an event loop of its own"):
        play(scenario)


async def test_two_backends_of_one_name_are_refused(autojump_clock: trio.testing.MockClock) -> None:
    with pytest.raises(ValueError, match="two backends are called 'scripted'"):
        OpenGateway()(ScriptedBackend(Hang()), ScriptedBackend())
    with pytest.raises(ValueError, match="two backends are called 'files'"):
        OpenGateway()(ScriptedBackend(name="files"), files=["python"])


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (Rule(Hang(), backend="fiels"), "no backend 'fiels'; did you mean 'files'?"),
        (Rule(ChildExit(), backend="files"), "backend 'files'"),
        (Rule(ChildExit()), "every backend"),
    ],
)
async def test_faults_that_can_reach_no_backend_fail_the_test(rule: Rule, said: str, autojump_clock: trio.testing.MockClock) -> None:
    """A misspelt name would let a test pass that proves nothing."""
    check = pytest.RaisesExc(ValueError, match=said.replace("?", r"\?"))
    with pytest.RaisesGroup(check, flatten_subgroups=True, allow_unwrapped=True):
        async with OpenGateway()(ScriptedBackend(name="files"), faults=Injections(Script([rule]))):
            pass
