"""What signals do to a gateway, and what is said where it cannot listen. Signals are real, and come to this process."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Iterator

import pytest
import trio
import trio.testing

from sluicegate.cli.conversation import first_leaf
from sluicegate.cli.first_signals import FirstSignals, ends
from sluicegate.cli.serving import Signals, _cannot_listen, _to_be_pasted, listen_to_signals
from sluicegate.config.model import ListenConfig


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Leave the signals alone that others may want."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def deliver(*numbers: signal.Signals) -> None:
    for number in numbers:
        signal.raise_signal(number)
        await trio.testing.wait_all_tasks_blocked(0.01)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_the_first_signal_is_an_end_in_good_order(number: signal.Signals) -> None:
    with trio.fail_after(20):
        async with listen_to_signals() as signals, trio.open_nursery() as nursery:
            nursery.start_soon(deliver, number)
            await signals.wait()
            await trio.lowlevel.checkpoint()
            ended = "in good order"
    assert (ended, signals.cut) == ("in good order", False)


async def test_a_service_whose_configuration_is_another_goes_on() -> None:
    asked: list[str] = []
    with trio.fail_after(20):
        async with listen_to_signals(lambda: asked.append("again")) as signals:
            signals.has_terminal = False
            await deliver(signal.SIGHUP, signal.SIGHUP)
            assert (asked, signals.stop.is_set()) == (["again"] * 2, False)
            signals.can_stop = True
            await deliver(signal.SIGTERM, signal.SIGHUP)
            assert signals.stop.is_set()


@pytest.mark.parametrize(
    ("numbers", "is_cut"),
    [
        ((signal.SIGINT, signal.SIGINT), True),
        ((signal.SIGTERM, signal.SIGINT), True),
        ((signal.SIGTERM, signal.SIGTERM), False),
        ((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), False),
    ],
)
async def test_a_second_ctrl_c_and_nothing_else_cuts_what_is_left(numbers: tuple[signal.Signals, ...], is_cut: bool) -> None:
    drained = False
    with trio.fail_after(20):
        async with listen_to_signals() as signals, trio.open_nursery() as nursery:
            nursery.start_soon(deliver, *numbers)
            await signals.wait()
            with trio.move_on_after(0.2):
                await trio.sleep(100)
            drained = True
    assert (drained, signals.cut) == (not is_cut, is_cut)


async def test_while_it_starts_the_first_signal_is_the_end() -> None:
    with trio.fail_after(20):
        async with listen_to_signals() as signals:
            await deliver(signal.SIGTERM)
            await trio.sleep(100)
    assert (signals.stop.is_set(), signals.cut) == (True, False)


async def test_who_waits_is_let_go_by_whatever_else_is_the_end() -> None:
    signals = Signals()
    waited_for = [signals.can_stop]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(signals.wait)
        await trio.testing.wait_all_tasks_blocked()
        waited_for.append(signals.can_stop)
        signals.stop.set()
    assert waited_for == [False, True]


async def test_a_signal_before_the_loop_ends_the_process_and_one_after_it_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    first = FirstSignals()
    first.stand()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.raise_signal(number)
    assert ended == [0, 0, 0]
    with trio.fail_after(20):
        async with listen_to_signals() as signals, trio.open_nursery() as nursery:
            nursery.start_soon(deliver, signal.SIGTERM)
            await signals.wait()
    assert ended == [0, 0, 0]
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.raise_signal(number)
    assert ended == [0, 0, 0]


def test_a_service_that_starts_is_not_ended_by_a_word_about_its_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    first = FirstSignals(rereads=True)
    first.may_hang_up = False
    first.stand()
    signal.raise_signal(signal.SIGHUP)
    assert ended == []
    signal.raise_signal(signal.SIGTERM)
    assert ended == [0]


def test_a_terminal_that_closes_is_no_end_where_somebody_has_asked_for_that() -> None:
    assert set(ends()) == {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    assert set(ends()) == {signal.SIGINT, signal.SIGTERM}


@pytest.mark.parametrize(
    ("listen", "error", "said"),
    [
        (
            ListenConfig(port=80),
            OSError(errno.EACCES, "Permission denied"),
            "cannot listen on 127.0.0.1:80: Permission denied; choose another place with --host and --port",
        ),
        (
            ListenConfig(host="::1", port=80),
            OSError(errno.EADDRINUSE, "Address already in use"),
            "cannot listen on [::1]:80: Address already in use; choose another place with --host and --port",
        ),
        (
            ListenConfig(unix="/no/gate.sock"),
            OSError(errno.ENOENT, "No such file or directory"),
            (
                "cannot listen on /no/gate.sock: No such file or directory; "
                "see that its folder is there and can be written to, or choose another path in proxy.listen.unix"
            ),
        ),
        (ListenConfig(systemd=True), OSError(errno.EINVAL, "not a socket"), "cannot listen on the sockets of systemd: not a socket"),
        (ListenConfig(), OSError("its certificate cannot be read"), "cannot listen on 127.0.0.1:8080: its certificate cannot be read"),
    ],
)
def test_why_nobody_can_be_listened_to_is_said_with_what_to_do(listen: ListenConfig, error: OSError, said: str) -> None:
    assert _cannot_listen(listen, error) == said


def test_the_addresses_that_are_told_are_those_of_clients_files() -> None:
    assert _to_be_pasted("http://127.0.0.1:8080") == "http://127.0.0.1:8080/mcp"
    assert _to_be_pasted("unix:/run/gate.sock") == "unix:/run/gate.sock"


def test_the_first_cause_of_many_is_the_one_that_is_told() -> None:
    one = OSError("one")
    assert first_leaf(ExceptionGroup("all", [ExceptionGroup("some", [one, OSError("two")]), OSError("three")])) is one
    assert first_leaf(one) is one
