"""``sluicegate run`` as an operator starts and stops it."""

from __future__ import annotations

import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.kit.checkout import SLUICEGATE

from sluicegate.testing.family import ProcessFamily

pytestmark = pytest.mark.slow

SERVER = Path(__file__).with_name("plain_server.py")
PATIENCE = 30


class Daemon:
    """A running gateway, and the lines that it logs."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._news: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._news.put(line)

    def wait_for(self, pattern: str) -> re.Match[str]:
        """The next log line that matches."""
        while True:
            try:
                line = self._news.get(timeout=PATIENCE)
            except queue.Empty:
                pytest.fail(f"no line with {pattern!r} in the log:\n{''.join(self.lines)}")
            self.lines.append(line)
            if found := re.search(pattern, line):
                return found

    def wait(self) -> int:
        """Its exit code."""
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        while not self._news.empty():
            self.lines.append(self._news.get())
        return code


@contextmanager
def running(*arguments: str, before: Sequence[str] = ()) -> Iterator[Daemon]:
    """A gateway that is killed at the end, should it still be there; perhaps started by another program."""
    command = [*before, *SLUICEGATE, "run", *arguments]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        daemon = Daemon(process)
        try:
            yield daemon
        finally:
            if process.poll() is None:
                process.kill()
            daemon.wait()


@pytest.fixture
def gate(write_gate: Callable[[str], Path]) -> Path:
    return write_gate(
        """\
[proxy]
name = "gate"
shutdown_timeout_seconds = 20
[proxy.listen]
port = 0
[observability]
json_logs = true
"""
    )


def address(daemon: Daemon) -> str:
    return daemon.wait_for(r"(http://[0-9.]+:\d+)/mcp")[1]


class Session:
    """A client without any cleverness."""

    def __init__(self, url: str) -> None:
        self.url = f"{url}/mcp"
        self.headers = {"Accept": "application/json, text/event-stream"}
        answer = self.post(
            "initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
        )
        self.headers["Mcp-Session-Id"] = answer.headers["Mcp-Session-Id"]
        self.headers["MCP-Protocol-Version"] = "2025-11-25"
        self.post("notifications/initialized")

    def post(self, method: str, params: dict[str, Any] | None = None) -> httpx2.Response:
        body: dict[str, Any] = {"jsonrpc": "2.0", "method": method} | ({} if params is None else {"id": 7, "params": params})
        return httpx2.post(self.url, json=body, headers=self.headers, timeout=PATIENCE)

    def call(self, name: str) -> httpx2.Response:
        return self.post("tools/call", {"name": name, "arguments": {}})


def calling(session: Session, name: str) -> tuple[list[object], threading.Thread]:
    """A call in a thread of its own; its answer, or how it failed, will be in the list."""
    answers: list[object] = []

    def call() -> None:
        try:
            answers.append(session.call(name).json())
        except (httpx2.HTTPError, ValueError) as error:
            answers.append(error)

    caller = threading.Thread(target=call)
    caller.start()
    return answers, caller


def test_a_host_may_be_named_where_there_is_no_configuration_and_another_is_told_of(tmp_path: Path) -> None:
    file = tmp_path / "mcp.json"
    file.write_text('{"mcpServers": {"time": {"command": "true"}}}')
    with running("--from-mcp-json", str(file), "--port", "0", "--allowed-host", "mcp.example.com") as daemon:
        url = address(daemon)
        hello = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        for host, status in (("mcp.example.com", 400), ("other.example.com", 400)):
            assert httpx2.post(f"{url}/mcp", json=hello, headers={"Host": host}, timeout=PATIENCE).status_code == status
        assert "security.allowed_hosts" in daemon.wait_for(r".*other\.example\.com.*")[0]
        assert not any("mcp.example.com" in line for line in daemon.lines)


@pytest.mark.parametrize("server", ["native", "hypercorn"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_good_order_and_leaves_no_child(gate: Path, number: signal.Signals, server: str) -> None:
    gate.write_text(gate.read_text().replace("port = 0", f'port = 0\nserver = "{server}"'))
    with running("-c", str(gate)) as daemon:
        url = address(daemon)
        assert httpx2.get(f"{url}/health").status_code == 200
        assert Session(url).call("one_echo").json()["result"]["content"][0]["text"] == "one: {}"
        family = ProcessFamily(daemon.process.pid)
        assert family.look()
        daemon.process.send_signal(number)
        assert daemon.wait() == 0
        assert family.left() == set()
        assert "Traceback" not in "".join(daemon.lines)


def test_the_log_tells_of_a_call_which_backend_answered_after_how_many_attempts_and_how_fast(gate: Path) -> None:
    with running("-c", str(gate)) as daemon:
        Session(address(daemon)).call("one_echo")
        line = json.loads(daemon.wait_for(r'^\{.*"tools/call".*')[0])
        assert (line["method"], line["target"], line["backend"], line["attempts"], line["outcome"]) == (
            "tools/call",
            "one_echo",
            "one",
            1,
            "ok",
        )
        assert line["ms"] > 0


def test_a_second_ctrl_c_cuts_a_call_that_will_not_end(gate: Path) -> None:
    with running("-c", str(gate), "--log-level", "debug") as daemon:
        session = Session(address(daemon))
        answers, caller = calling(session, "one_slow")
        daemon.wait_for("slow was called")
        daemon.process.send_signal(signal.SIGINT)
        daemon.wait_for("draining")
        family = ProcessFamily(daemon.process.pid)
        assert family.look()
        daemon.process.send_signal(signal.SIGINT)
        assert daemon.process.wait(10) == 1
        caller.join(PATIENCE)
        assert len(answers) == 1
        assert family.left() == set()


@pytest.mark.parametrize(
    ("first", "second", "is_cut"),
    [
        (signal.SIGTERM, signal.SIGTERM, False),
        (signal.SIGINT, signal.SIGTERM, False),
        (signal.SIGINT, signal.SIGHUP, False),
        (signal.SIGTERM, signal.SIGINT, True),
    ],
)
def test_a_second_signal_cuts_only_where_it_is_ctrl_c(gate: Path, first: signal.Signals, second: signal.Signals, is_cut: bool) -> None:
    """A service manager may send SIGTERM again and again: a call still has the time that it was promised."""
    gate.write_text(gate.read_text().replace("shutdown_timeout_seconds = 20", f"shutdown_timeout_seconds = {20 if is_cut else 2}"))
    with running("-c", str(gate), "--log-level", "debug") as daemon:
        answers, caller = calling(Session(address(daemon)), "one_slow")
        daemon.wait_for("slow was called")
        family = ProcessFamily(daemon.process.pid)
        assert family.look()
        daemon.process.send_signal(first)
        daemon.wait_for("draining")
        began = time.monotonic()
        daemon.process.send_signal(second)
        assert daemon.wait() == (1 if is_cut else 0)
        assert is_cut or time.monotonic() - began > 1.5
        assert time.monotonic() - began < 15
        caller.join(PATIENCE)
        assert len(answers) == 1
        assert family.left() == set()
        assert "Traceback" not in "".join(daemon.lines)


@pytest.mark.parametrize(("hard", "is_told"), [(700, True), (5000, False)])
def test_a_limit_of_descriptors_below_what_may_connect_is_told_of_and_is_no_end(gate: Path, hard: int, is_told: bool) -> None:
    limit = ["sh", "-c", f'ulimit -Sn 300; ulimit -Hn {hard}; exec "$@"', "sh"]
    with running("-c", str(gate), before=limit) as daemon:
        url = address(daemon)
        assert httpx2.get(f"{url}/livez").status_code == 200
        number = Path(f"/proc/{daemon.process.pid}/limits")
        if number.exists():  # as many as it needs, or as it may have
            [line] = [line for line in number.read_text().splitlines() if line.startswith("Max open files")]
            assert int(line.split()[3]) == min(4096 + 512, hard)
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.wait() == 0
        told = [json.loads(line) for line in daemon.lines if "too few files" in line]
        assert [(line["level"], line["max_connections"]) for line in told] == [("warning", 4096)] * is_told


@pytest.mark.parametrize(("mask", "mode"), [("000", None), ("077", "660"), ("000", "640")])
def test_a_unix_socket_has_its_own_mode_whatever_the_umask_is(gate: Path, tmp_path: Path, mask: str, mode: str | None) -> None:
    path = tmp_path / "gate.sock"
    own = "" if mode is None else f'\nunix_mode = "{mode}"'
    gate.write_text(gate.read_text().replace("port = 0", f"unix = {json.dumps(str(path))}{own}"))
    with running("-c", str(gate), before=["sh", "-c", f'umask {mask}; exec "$@"', "sh"]) as daemon:
        assert json.loads(daemon.wait_for('.*"serving".*')[0])["urls"] == [f"unix:{path}"]
        assert oct(path.stat().st_mode)[-3:] == (mode or "600")
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.wait() == 0
        assert not path.exists()


@pytest.mark.parametrize("server", ["native", "hypercorn"])
def test_a_call_that_will_not_end_is_cut_when_the_time_to_drain_is_over(gate: Path, server: str) -> None:
    text = gate.read_text().replace("shutdown_timeout_seconds = 20", "shutdown_timeout_seconds = 1")
    gate.write_text(text.replace("port = 0", f'port = 0\nserver = "{server}"'))
    with running("-c", str(gate), "--log-level", "debug") as daemon:
        session = Session(address(daemon))
        answers, caller = calling(session, "one_slow")
        daemon.wait_for("slow was called")
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.process.wait(15) == 0
        caller.join(PATIENCE)
        assert len(answers) == 1


def test_a_port_that_is_taken_is_an_error_with_its_name(gate: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [*SLUICEGATE, "run", "-c", str(gate), "--port", str(port)], capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    assert done.returncode == 1
    assert str(port) in done.stderr
    assert "Traceback" not in done.stderr


def test_a_socket_that_is_taken_is_an_error_with_its_name(gate: Path, tmp_path: Path) -> None:
    path = tmp_path / "gate.sock"
    gate.write_text(gate.read_text().replace("port = 0", f"unix = {json.dumps(str(path))}"))
    with socket.socket(socket.AF_UNIX) as taken:
        taken.bind(str(path))
        taken.listen()
        done = subprocess.run([*SLUICEGATE, "run", "-c", str(gate)], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 1
    assert f"cannot listen on {path}: " in done.stderr
    assert "another program listens" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_socket_whose_folder_is_missing_is_an_error_that_says_so(gate: Path, tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "gate.sock"
    gate.write_text(gate.read_text().replace("port = 0", f"unix = {json.dumps(str(path))}"))
    done = subprocess.run([*SLUICEGATE, "run", "-c", str(gate)], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 1
    assert f"cannot listen on {path}: No such file or directory; see that its folder is there" in done.stderr
    assert "--port" not in done.stderr


def test_systemd_that_has_passed_no_socket_is_an_error_that_says_so(gate: Path) -> None:
    gate.write_text(gate.read_text().replace("port = 0", "systemd = true"))
    done = subprocess.run([*SLUICEGATE, "run", "-c", str(gate)], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 1
    assert done.stderr.rstrip().endswith("systemd has passed no socket; start the gateway through a .socket unit")


def test_a_plain_gateway_loads_nothing_that_it_does_not_need(gate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    with running("-c", str(gate)) as daemon:
        address(daemon)
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.wait() == 0
    loaded = {line.rpartition("|")[2].strip() for line in daemon.lines if line.startswith("import time:")}
    assert {"trio", "structlog.dev"} <= loaded
    assert loaded & {"h11", "h2", "hypercorn", "httpx2", "mcp", "prometheus_client", "pydantic", "rich.text", "starlette", "yaml"} == set()
    assert [name for name in loaded if name.startswith(("sluicegate.frontends.stdio", "sluicegate.frontends.carried.carried"))] == []


def test_a_port_on_the_command_line_takes_the_place_of_a_socket(gate: Path, tmp_path: Path) -> None:
    path = tmp_path / "gate.sock"
    gate.write_text(gate.read_text().replace("port = 0", f"unix = {json.dumps(str(path))}"))
    with running("-c", str(gate), "--port", "0") as daemon:
        assert httpx2.get(f"{address(daemon)}/livez").status_code == 200
        assert not path.exists()


def test_sockets_of_systemd_that_others_reach_are_refused_without_authentication(gate: Path) -> None:
    gate.write_text(gate.read_text().replace("port = 0", "systemd = true"))
    with socket.create_server(("0.0.0.0", 0)) as passed:
        script = f"import os, sys; os.dup2({passed.fileno()}, 3); os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1')"
        done = subprocess.run(
            [sys.executable, "-c", f"{script}; os.execv(sys.argv[1], sys.argv[1:])", *SLUICEGATE, "run", "-c", str(gate)],
            pass_fds=[passed.fileno()],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert done.returncode == 1
    assert "'0.0.0.0' can be reached by other machines" in done.stderr


def test_strict_fails_with_the_backend_that_does_not_come_up(gate: Path) -> None:
    gate.write_text(gate.read_text() + '[[backends]]\nname = "two"\ntransport = "stdio"\ncommand = "no-such-program-here"\n')
    done = subprocess.run([*SLUICEGATE, "run", "-c", str(gate), "--strict"], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 1
    assert "[two] Connect failed" in done.stderr
    assert "no-such-program-here" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_signal_while_a_backend_that_is_waited_for_hangs_ends_it_at_once(gate: Path) -> None:
    hang = "import sys; sys.stderr.write('hanging\\n'); sys.stderr.flush(); sys.stdin.read()"
    backend = (
        f'[[backends]]\nname = "two"\ntransport = "stdio"\ncommand = {json.dumps(sys.executable)}\nargs = ["-c", {json.dumps(hang)}]\n'
    )
    gate.write_text(gate.read_text() + backend)
    with running("-c", str(gate), "--strict", "--log-level", "debug") as daemon:
        daemon.wait_for("hanging")
        family = ProcessFamily(daemon.process.pid)
        assert family.look()
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.process.wait(10) == 0
        assert family.left() == set()


def test_a_client_file_is_enough_to_serve(tmp_path: Path) -> None:
    path = tmp_path / ".mcp.json"
    path.write_text(json.dumps({"mcpServers": {"one": {"command": sys.executable, "args": [str(SERVER)]}}}))
    with running("--from-mcp-json", str(path), "--port", "0") as daemon:
        assert Session(address(daemon)).call("one_echo").json()["result"]["content"][0]["text"] == "plain: {}"


def test_nothing_is_left_when_the_gateway_itself_is_killed(gate: Path) -> None:
    with running("-c", str(gate)) as daemon:
        Session(address(daemon))
        family = ProcessFamily(daemon.process.pid)
        assert family.look()
        os.kill(daemon.process.pid, signal.SIGKILL)
        daemon.wait()
    for _ in range(200):
        if not family.left():
            return
        threading.Event().wait(0.05)
    pytest.fail("a child outlived the gateway by ten seconds")
