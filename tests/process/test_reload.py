"""The configuration of a daemon is changed while clients call, with real processes, real signals and a real terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import subprocess
import termios
import threading
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
from tests.kit.checkout import SLUICEGATE
from tests.process.test_cli_run import PATIENCE, Session, address, running

from sluicegate.testing.family import ProcessFamily

pytestmark = pytest.mark.slow

CLIENTS = 4
RELOADS = 12
APPLIED = "has taken effect"


@pytest.fixture
def gate(write_gate: Callable[[str], Path]) -> Path:
    return write_gate('[proxy]\nname = "gate"\nlisten = { port = 0 }\n[observability]\njson_logs = true\n')


def with_env(text: str, number: int) -> str:
    """Another environment, for which the server has to be started anew, and now and then a second server."""
    first = text.replace('name = "one"', f'name = "one"\nenv = {{ NUMBER = "{number}" }}')
    table = first[first.index("[[backends]]") :]
    return first + table.replace('name = "one"', 'name = "two"') * (number % 2)


def test_sighup_changes_servers_under_load_and_no_call_notices(gate: Path) -> None:
    text = gate.read_text(encoding="utf-8")
    with running("-c", str(gate)) as daemon:
        url, wrong, number = address(daemon), list[object](), [0] * CLIENTS
        family, over = ProcessFamily(daemon.process.pid), threading.Event()

        def client(which: int) -> None:
            session = Session(url)
            while not over.is_set():
                answer = session.call("one_echo")
                number[which] += 1
                if answer.status_code != 200 or "error" in answer.json():
                    wrong.append(answer.text)

        clients = [threading.Thread(target=client, args=(which,)) for which in range(CLIENTS)]
        for one in clients:
            one.start()
        try:
            for reload in range(RELOADS):
                gate.write_text(with_env(text, reload), encoding="utf-8")
                family.look()
                daemon.process.send_signal(signal.SIGHUP)
                daemon.wait_for(APPLIED)
        finally:
            over.set()
            for one in clients:
                one.join(PATIENCE)
        assert (wrong, min(number) > 0) == ([], True)
        metrics = httpx2.get(f"{url}/livez")
        assert metrics.status_code == 200
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.wait() == 0
        assert family.left() == set()


def test_a_file_with_a_mistake_is_told_of_and_the_gateway_goes_on(gate: Path) -> None:
    with running("-c", str(gate)) as daemon:
        session = Session(address(daemon))
        gate.write_text(gate.read_text(encoding="utf-8") + "nonsense = 1\n", encoding="utf-8")
        daemon.process.send_signal(signal.SIGHUP)
        assert "unknown key 'nonsense'" in daemon.wait_for("nothing was changed").string
        assert session.call("one_echo").status_code == 200
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.wait() == 0


def in_a_terminal(gate: Path, terminal: int) -> subprocess.Popen[str]:
    def take_the_terminal() -> None:
        os.setsid()
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)

    command = [*SLUICEGATE, "run", "-c", str(gate)]
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=[terminal],
        preexec_fn=take_the_terminal,  # noqa: PLW1509  only this can make a terminal somebody's own
    )


def test_a_terminal_that_closes_ends_it_in_good_order_and_sighup_alone_does_not(gate: Path) -> None:
    here, terminal = pty.openpty()
    process = in_a_terminal(gate, terminal)
    os.close(terminal)
    try:
        assert process.stderr is not None
        log = iter(process.stderr)
        assert any('"serving"' in line for line in log)
        family = ProcessFamily(process.pid)
        assert family.look()
        process.send_signal(signal.SIGHUP)
        assert any("is the same" in line for line in log)
        os.close(here)
        assert process.wait(PATIENCE) == 0
        assert family.left() == set()
    finally:
        process.kill()
        process.communicate()
