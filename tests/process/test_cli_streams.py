"""The command with its streams closed or left by their reader, and with signals other than the usual two."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

import sluicegate

pytestmark = pytest.mark.slow

SLUICEGATE = f"{shlex.quote(sys.executable)} -m sluicegate"
PATIENCE = 30
ENVIRON = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"} | {
    "PYTHONPATH": str(Path(sluicegate.__file__).parents[1])
}
"""For a command that is run elsewhere, should the package not be installed; what it prints is kept back, as is usual."""
CANARY = "CANARY-9e2d41a7"


@pytest.fixture
def gate(write_gate: Callable[[str], Path]) -> Path:
    return write_gate(
        """\
[proxy]
name = "gate"
listen = { port = 0 }
startup_wait_seconds = 1
"""
    )


def shell(command: str) -> subprocess.CompletedProcess[str]:
    """Run a line of the shell in which ``sluicegate`` is the command."""
    line = re.sub(r"\bsluicegate\b", SLUICEGATE, command, count=1)
    return subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=PATIENCE, check=False, env=ENVIRON)


@contextmanager
def running(command: str) -> Iterator[subprocess.Popen[str]]:
    """A gateway behind a line of the shell, which it replaces; it is killed at the end, should it still be there."""
    line = re.sub(r"\bsluicegate\b", f"exec {SLUICEGATE}", command, count=1)
    with subprocess.Popen(
        ["bash", "-c", line], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=ENVIRON
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def address(process: subprocess.Popen[str]) -> str:
    """Where it serves, from its log."""
    assert process.stderr is not None
    for line in process.stderr:
        if "serving" in line and (found := re.search(r"http://[0-9.]+:\d+", line)):
            return found[0]
    return pytest.fail("it never said where it serves")


def call(url: str) -> int:
    """The status of a tool call in a session of its own; the log gets a line for it."""
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    headers = {"Accept": "application/json, text/event-stream"}
    with httpx2.Client(headers=headers, timeout=PATIENCE) as client:
        opened = client.post(f"{url}/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello})
        client.headers["Mcp-Session-Id"] = opened.headers["Mcp-Session-Id"]
        question = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "one_echo", "arguments": {}}}
        return client.post(f"{url}/mcp", json=question).status_code


@pytest.mark.parametrize("closed", ["<&-", ">&-", ">&- <&-", ">&- 2>&- <&-"])
def test_closed_streams_are_no_error(gate: Path, closed: str) -> None:
    done = shell(f"sluicegate check -c {gate} {closed}")
    assert (done.returncode, done.stderr) == (0, "")


def test_an_error_without_a_place_to_tell_it_is_still_an_exit_code(gate: Path) -> None:
    assert shell(f"sluicegate check -c {gate}.nowhere >&- 2>&-").returncode == 1


def test_a_full_disk_is_an_error_in_words(gate: Path) -> None:
    done = shell(f"sluicegate check -c {gate} > /dev/full")
    assert (done.returncode, done.stderr) == (1, "error: No space left on device\n")


@pytest.mark.parametrize("command", ["list tools", "list tools --json", "show backends", "show pipeline --json"])
def test_a_reader_that_leaves_is_no_error(gate: Path, command: str) -> None:
    done = shell(f"sluicegate {command} -c {gate} | head -c 1")
    assert len(done.stdout) == 1
    assert done.stderr == ""


def test_it_serves_although_nobody_reads_its_log_any_more(gate: Path) -> None:
    with running(f"sluicegate run -c {gate} --log-level debug") as process:
        url = address(process)
        assert process.stderr is not None
        process.stderr.close()
        assert [call(url) for _ in range(3)] == [200] * 3
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0


def test_too_few_descriptors_for_its_clients_are_told_of(gate: Path) -> None:
    with running(f"ulimit -n 600; sluicegate run -c {gate}") as process:
        assert process.stderr is not None
        assert "too few files may be open for max_connections" in process.stderr.readline()
        assert "serving" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0


def test_it_serves_without_a_place_for_its_log(gate: Path) -> None:
    port = free_port()  # which one it took could not be told
    with running(f"sluicegate run -c {gate} --port {port} <&- >&- 2>&-") as process:
        wait_until_it_listens(port)
        assert [call(f"http://127.0.0.1:{port}") for _ in range(3)] == [200] * 3
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port: int = reserved.getsockname()[1]
    return port


def wait_until_it_listens(port: int) -> None:
    """Ask again and again: with its log closed, nothing else can tell."""
    for _ in range(int(PATIENCE / 0.05)):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    pytest.fail("it never listened")


def test_under_nohup_it_outlives_the_terminal(gate: Path) -> None:
    with running(f"trap '' HUP; sluicegate run -c {gate}") as process:
        url = address(process)
        process.send_signal(signal.SIGHUP)
        assert call(url) == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0


def test_a_backend_that_is_still_starting_is_missed_in_words(gate: Path) -> None:
    gate.write_text(gate.read_text() + '[[backends]]\nname = "two"\ntransport = "stdio"\ncommand = "sleep"\nargs = ["100"]\n')
    done = shell(f"sluicegate list tools -c {gate}")
    assert done.returncode == 0
    assert done.stdout.startswith("one_echo\t")
    assert done.stderr == "warning: [two] is still starting, and what it offers is missing\n"


def test_paths_of_a_configuration_start_where_it_stands(gate: Path, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "more.json").write_text('{"mcpServers": {"two": {"command": "pwd", "cwd": "work"}}}')
    (tmp_path / "secret").write_text("x\n")
    text = gate.read_text().replace('name = "gate"', 'name = "gate"\nimport_backends = "more.json"')
    gate.write_text(text.replace('"one"]', '"one"]\ncwd = "work"\nenv = { KEY = "${file:secret}" }'))
    done = shell(f"cd / && sluicegate check --connect -c {os.path.relpath(gate, '/')}")
    assert "one\tstdio\tready" in done.stdout
    assert "Imported 1 backends from" in done.stderr


def test_no_secret_is_in_the_log_even_when_everything_fails(gate: Path, tmp_path: Path) -> None:
    backends = [
        f'name = "a"\ntransport = "stdio"\ncommand = "no-such-program"\nargs = ["{CANARY}"]\nenv = {{ KEY = "{CANARY}" }}',
        f'name = "b"\ntransport = "stdio"\ncommand = "sh"\nargs = ["-c", "exit 3", "{CANARY}"]',
        f'name = "c"\ntransport = "http"\nurl = "http://u:{CANARY}@127.0.0.1:9/mcp?k={CANARY}"\nheaders = {{ X-Key = "{CANARY}" }}',
        f'name = "d"\ntransport = "http"\nurl = "http://127.0.0.1:9/{CANARY}"\nbearer_token = "{CANARY}"',
    ]
    text = gate.read_text() + "".join(f"[[backends]]\n{backend}\n" for backend in backends)
    gate.write_text(f'{text}[auth]\ntype = "bearer"\ntokens = ["{CANARY}"]\n')
    log = tmp_path / "log"
    with running(f"SLUICEGATE_DEBUG=1 sluicegate run -c {gate} --log-level debug") as process:
        url = address(process)
        for token in (CANARY, f"{CANARY}x"):
            httpx2.post(f"{url}/mcp?token={CANARY}", json={}, headers={"Authorization": f"Bearer {token}", "Accept": "*/*"})
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        log.write_text(process.stderr.read())
    shown = shell(f"sluicegate show backends -c {gate}; {SLUICEGATE} show pipeline -c {gate} --json; {SLUICEGATE} check -c {gate} --json")
    told = log.read_text() + shown.stdout + shown.stderr
    assert "no-such-program" in told
    assert CANARY not in told
