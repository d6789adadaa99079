"""The daemon's log, where nobody reads it, and where everybody may."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

TALKER = """
import json, sys, threading, time
def talk():
    while True:
        sys.stderr.write("x" * 400 + "\\n")
if len(sys.argv) > 1:
    threading.Thread(target=talk, daemon=True).start()
for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message:
        continue
    result = {"tools": [{"name": "t", "inputSchema": {"type": "object"}}]}
    if message["method"] == "initialize":
        result = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "x", "version": "1"}}
    elif message["method"] == "tools/call":
        result = {"content": []}
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
"""


WHISPERER = """
import json, os, sys
secrets = [os.environ["API_KEY"], sys.argv[1]]
sys.stderr.write(f"starting with {secrets}\\n")
for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message:
        continue
    result = {"tools": [{"name": "t", "inputSchema": {"type": "object"}}]}
    if message["method"] == "initialize":
        result = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "x", "version": "1"}}
    elif message["method"] == "tools/call":
        print(f"debug: {secrets}", flush=True)
        sys.stderr.write(f"cannot log in with {secrets}\\n")
        sys.exit(3)
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
"""


def fetch(url: str, body: object = None, **headers: str) -> tuple[int, str, dict[str, str]]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        url, data, {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"} | headers
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), dict(error.headers)


class Client:
    """One session, without any cleverness."""

    def __init__(self, url: str, token: str = "") -> None:
        self.url = url
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}
        hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}
        headers = self.post("initialize", 1, hello)[2]
        self.session = next(value for name, value in headers.items() if name.lower() == "mcp-session-id")
        self.headers["Mcp-Session-Id"] = self.session
        self.post("notifications/initialized", None, {})

    def post(self, method: str, number: int | None, params: object) -> tuple[int, str, dict[str, str]]:
        message = {"jsonrpc": "2.0", "method": method, "params": params} | ({} if number is None else {"id": number})
        return fetch(f"{self.url}/mcp", message, **self.headers)

    def call(self, name: str) -> str:
        return self.post("tools/call", 7, {"name": name, "arguments": {}})[1]


@contextmanager
def daemon(folder: Path, port: int, text: str, stderr: int, **environ: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A gateway on a port, from when it answers on."""
    (folder / "gate.toml").write_text(f'[proxy]\nname = "gate"\nlisten = {{ port = {port} }}\n' + text)
    command = [sys.executable, "-m", "sluicegate", "run", "-c", str(folder / "gate.toml")]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr, env=os.environ | environ, start_new_session=True
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _until_ready(url)
        yield process, url
    finally:
        process.kill()
        process.wait(10)


def _until_ready(url: str) -> None:
    for _ in range(600):
        with contextlib.suppress(OSError):
            if fetch(f"{url}/readyz")[0] == 200:
                return
        threading.Event().wait(0.05)
    pytest.fail("the gateway is not ready")


def backend(folder: Path, name: str, *args: str, more: str = "") -> str:
    (folder / "talker.py").write_text(TALKER)
    command = json.dumps([str(folder / "talker.py"), *args])
    return f'[[backends]]\nname = "{name}"\ntransport = "stdio"\ncommand = "{sys.executable}"\nargs = {command}\n{more}'


def fill(descriptor: int) -> None:
    """Leave no room in a pipe."""
    os.set_blocking(descriptor, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(descriptor, b"x" * 1024)
    os.set_blocking(descriptor, True)


@pytest.fixture
def port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_log_that_nobody_reads_holds_up_no_call_no_probe_and_no_end(tmp_path: Path, port: int) -> None:
    read, write = os.pipe()
    with daemon(tmp_path, port, backend(tmp_path, "loud", "loudly") + backend(tmp_path, "quiet"), write) as (process, url):
        fill(write)
        client = Client(url)
        for _ in range(30):
            assert '"content":[]' in client.call("quiet_t").replace(" ", "")
            assert fetch(f"{url}/livez")[0] == 200
            time.sleep(0.05)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert time.monotonic() - began < 6
    os.close(read)
    os.close(write)


def test_a_loud_backend_fills_no_disk_and_what_is_left_out_is_counted(tmp_path: Path, port: int) -> None:
    with (tmp_path / "log").open("wb") as log, daemon(tmp_path, port, backend(tmp_path, "loud", "loudly"), log.fileno()) as (process, _):
        for _ in range(400):
            if "lines are left out and counted" in (tmp_path / "log").read_text():
                break
            threading.Event().wait(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    text = (tmp_path / "log").read_text()
    assert len(text) < 250_000
    assert "lines of a backend were left out" in text
    assert "left_out=" in text


def test_a_reader_that_goes_away_ends_nothing(tmp_path: Path, port: int) -> None:
    read, write = os.pipe()
    with daemon(tmp_path, port, backend(tmp_path, "loud", "loudly"), write) as (process, url):
        os.close(write)
        os.close(read)
        client = Client(url)
        for _ in range(10):
            client.call("loud_t")
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


@pytest.mark.parametrize("form", ["json", "text"])
def test_events_and_calls_on_one_stream_have_one_form(form: str, tmp_path: Path, port: int) -> None:
    text = f"[observability]\njson_logs = {'true' if form == 'json' else 'false'}\n" + backend(tmp_path, "b")
    with (tmp_path / "log").open("wb") as log, daemon(tmp_path, port, text, log.fileno()) as (process, url):
        Client(url).call("b_t")
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    lines = (tmp_path / "log").read_text().splitlines()
    calls = [line for line in lines if "tools/call" in line]
    assert len(calls) == 1
    if form == "json":
        assert json.loads(calls[0])["target"] == "b_t"
        assert all(isinstance(json.loads(line), dict) for line in lines)
    else:
        assert "[info     ] call [sluicegate.access] outcome=ok ms=" in calls[0]
        assert "attempts=1 method=tools/call target=b_t backend=b session=" in calls[0]
        assert not any(line.startswith("{") for line in lines)


class Site(http.server.BaseHTTPRequestHandler):
    """An MCP server over HTTP whose error page shows the request."""

    protocol_version = "HTTP/1.1"
    SESSION = "session-of-the-backend-0123456789abcdef"

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        hello = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "x", "version": "1"}}
        tools = {"tools": [{"name": "t", "inputSchema": {"type": "object"}}]}
        result: object = hello if message["method"] == "initialize" else tools
        if message["method"] == "tools/call":
            self.say(500, "text/html", f"<h1>failed</h1> {dict(self.headers)}")
        elif "id" in message:
            self.say(200, "application/json", json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}))
        else:
            self.say(202, "text/plain", "")

    def do_GET(self) -> None:
        self.say(405, "text/plain", f"{dict(self.headers)}")

    def do_DELETE(self) -> None:
        self.say(200, "text/plain", "")

    def say(self, status: int, kind: str, text: str) -> None:
        self.send_response(status)
        for name, value in (("Content-Type", kind), ("Content-Length", str(len(text.encode()))), ("Mcp-Session-Id", self.SESSION)):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Nothing."""


SECRETS = {
    "GATE_TOKEN": "token-of-the-clients-0123456789",
    "API_KEY": "key-of-the-command-abc",
    "ARGUMENT": "argument-of-the-command-abc",
    "WEB_TOKEN": "token-of-the-web-abc",
    "WEB_KEY": "header-of-the-web-abc",
}

WHOLE_RUN = """
[auth]
tokens = ["${GATE_TOKEN}"]
[observability]
log_level = "debug"
json_logs = JSON
[observability.metrics]
enabled = true
[[backends]]
name = "whisperer"
transport = "stdio"
command = "PYTHON"
args = ["FOLDER/whisperer.py", "${ARGUMENT}"]
env = { API_KEY = "${API_KEY}" }
[[backends]]
name = "web"
transport = "http"
url = "http://user:pass-of-the-web@127.0.0.1:SITE/mcp?key=query-of-the-web"
bearer_token = "${WEB_TOKEN}"
headers = { X-Key = "${WEB_KEY}" }
"""


@contextmanager
def site() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("json_logs", ["true", "false"])
def test_no_log_metric_error_or_command_of_a_whole_run_shows_a_secret_or_a_session(json_logs: str, tmp_path: Path, port: int) -> None:
    (tmp_path / "whisperer.py").write_text(WHISPERER)
    shown: dict[str, str] = {}
    with (tmp_path / "log").open("wb") as log, site() as at:
        text = WHOLE_RUN
        for word, value in {"JSON": json_logs, "PYTHON": sys.executable, "FOLDER": str(tmp_path), "SITE": str(at)}.items():
            text = text.replace(word, value)
        with daemon(tmp_path, port, text, log.fileno(), **SECRETS) as (process, url):
            client = Client(url, SECRETS["GATE_TOKEN"])
            for number, name in enumerate(("whisperer_t", "whisperer_t", "web_t", "nobody_t")):
                shown[f"call {number}"] = client.call(name)
            shown["a stranger"] = str(fetch(f"{url}/mcp", {}, Authorization="Bearer wrong")[:2])
            shown["a lost session"] = str(fetch(f"{url}/mcp", {}, **client.headers | {"Mcp-Session-Id": client.session[:-1]})[:2])
            for page in ("metrics", "readyz", "livez", "healthz"):
                shown[page] = fetch(f"{url}/{page}", **client.headers)[1]
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        shown["log"] = (tmp_path / "log").read_text()
        for command in (["check"], ["check", "--json"], ["check", "--connect"], ["show", "backends", "--json"], ["show", "pipeline"]):
            run = [sys.executable, "-m", "sluicegate", *command, "-c", str(tmp_path / "gate.toml")]
            done = subprocess.run(run, capture_output=True, text=True, env=os.environ | SECRETS, timeout=60, check=False)
            shown[" ".join(command)] = done.stdout + done.stderr

    known = [*SECRETS.values(), "pass-of-the-web", "query-of-the-web", client.session, Site.SESSION]
    found = [(place, secret) for place, said in shown.items() for secret in known if secret in said]
    assert found == []
    assert "exited with status 3" in shown["call 0"]
    assert "HTTP 500" in shown["call 2"]
    for words in ("cannot log in with", "<h1>failed</h1>", "starting with", "***"):
        assert words in shown["log"], "the operator reads the rest"
