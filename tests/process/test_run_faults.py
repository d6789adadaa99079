"""``sluicegate run --faults``: a plan's faults on real traffic, for clients in any language."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import attrs
import pytest
from tests.kit.messages import HELLO

pytestmark = pytest.mark.slow

PATIENCE = 30
RUN = (sys.executable, "-m", "sluicegate", "run")
PLAN = """
[[faults]]
fault = "rpc_error"
code = -32001
message = "busy"
percent = 30

[[faults]]
fault = "tool_fails"
text = "bad luck"
percent = 20

[[faults]]
fault = "duplicate"
percent = 10
"""


@attrs.define(eq=False)
class Client:
    """Nothing but the standard library."""

    url: str
    session: str = ""
    numbers: Iterator[int] = attrs.field(factory=count)

    def post(self, method: str, params: Mapping[str, object], **headers: str) -> tuple[int, dict[str, Any]]:
        """The status and the JSON of the answer."""
        message: dict[str, object] = {"jsonrpc": "2.0", "method": method, "params": params}
        if not method.startswith("notifications/"):
            message["id"] = next(self.numbers)
        own = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        named = {"Mcp-Session-Id": self.session} if self.session else {}
        request = urllib.request.Request(f"{self.url}/mcp", json.dumps(message).encode(), own | named | headers)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                self.session = answer.headers.get("Mcp-Session-Id") or self.session
                body = answer.read()
                return answer.status, json.loads(body) if body else {}
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    def open(self) -> None:
        """Open a session."""
        self.post("initialize", HELLO)
        self.post("notifications/initialized", {})

    def call(self, **headers: str) -> str:
        """What became of a call."""
        _, answer = self.post("tools/call", {"name": "one_echo", "arguments": {}}, **headers)
        if "error" in answer:
            return str(answer["error"]["message"])
        return str(answer["result"]["content"][0]["text"])

    def health(self) -> dict[str, Any]:
        """What ``/health`` says."""
        with urllib.request.urlopen(f"{self.url}/health", timeout=PATIENCE) as answer:
            found: dict[str, Any] = json.loads(answer.read())
            return found


@contextmanager
def running(*arguments: str) -> Iterator[tuple[Client, list[str]]]:
    """A gateway, a client with a session, and the lines that are logged before it serves; after the block, all of them."""
    lines: list[str] = []
    with subprocess.Popen(
        [*RUN, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            while not (found := re.search(r'"(http://[0-9.]+:\d+)[^"]*"', lines[-1] if lines else "")):
                line = process.stderr.readline()
                assert line, "".join(lines)
                lines.append(line)
            client = Client(found[1])
            client.open()
            yield client, lines
            process.terminate()
            lines += process.communicate(timeout=PATIENCE)[1].splitlines(keepends=True)
        finally:
            process.kill()


@pytest.fixture
def gate(write_gate: Callable[[str], Path], tmp_path: Path) -> tuple[str, ...]:
    """Arguments of a gateway with faults."""
    (tmp_path / "plan.toml").write_text(PLAN)
    path = write_gate('[proxy]\nname = "gate"\n[proxy.listen]\nport = 0\n[observability]\njson_logs = true\n')
    return "-c", str(path), "--strict", "--faults", str(tmp_path / "plan.toml")


def test_the_same_seed_gives_the_same_outcomes_and_another_seed_others(gate: tuple[str, ...]) -> None:
    def outcomes(seed: str) -> list[str]:
        with running(*gate, "--seed", seed) as (client, lines):
            found = [client.call() for _ in range(40)]
            health = client.health()["faults"]
        told = [json.loads(line) for line in lines if '"fault injected"' in line]
        assert health == {"seed": int(seed), "plan": gate[-1], "injected": len(told)}
        assert [entry["attempt"] for entry in told] == sorted(entry["attempt"] for entry in told)
        assert len(found) - len([text for text in found if text.startswith("one:")]) == len(
            [one for one in told if "Duplicate" not in one["fault"]]
        )
        [warning] = [json.loads(line) for line in lines if "made to fail on purpose" in line]
        assert (warning["level"], warning["seed"]) == ("warning", int(seed))
        return found

    first = outcomes("42")
    assert {"busy", "bad luck", "one: {}"} == set(first)
    assert first == outcomes("42")
    assert first != outcomes("43")


def test_a_seed_that_nobody_gave_is_drawn_and_told_and_gives_the_same_again(gate: tuple[str, ...]) -> None:
    with running(*gate) as (client, lines):
        found = [client.call() for _ in range(20)]
        seed = client.health()["faults"]["seed"]
    assert [seed] == [json.loads(line)["seed"] for line in lines if "made to fail on purpose" in line]
    with running(*gate, "--seed", str(seed)) as (client, _):
        assert [client.call() for _ in range(20)] == found


def test_a_request_may_ask_for_a_fault_of_its_own(write_gate: Callable[[str], Path], tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text('seed = 1\n[[faults]]\nfault = "reset"\nfirst = 1000')
    path = write_gate('[proxy]\nname = "gate"\n[proxy.listen]\nport = 0\n[observability]\njson_logs = true\n')
    with running("-c", str(path), "--strict", "--faults", str(tmp_path / "plan.toml")) as (client, lines):
        assert client.call() == "one: {}"
        assert client.call(**{"X-Sluicegate-Fault": "tool_fails no"}) == "no"
        assert "exited with status 9" in client.call(**{"X-Sluicegate-Fault": "child_exit 9"})
        status, answer = client.post("tools/call", {"name": "one_echo"}, **{"X-Sluicegate-Fault": "rest"})
        assert (status, "did you mean 'reset'?" in answer["error"]["message"]) == (400, True)
        assert client.health()["faults"]["injected"] == 2
    assert len([line for line in lines if '"fault injected"' in line]) == 2


def test_without_faults_nothing_of_the_kit_is_there(write_gate: Callable[[str], Path]) -> None:
    path = write_gate('[proxy]\nname = "gate"\n[proxy.listen]\nport = 0\n[observability]\njson_logs = true\n')
    with running("-c", str(path), "--strict") as (client, lines):
        assert client.call(**{"X-Sluicegate-Fault": "reset"}) == "one: {}"
        assert client.health() == {"status": "ok"}
    assert not [line for line in lines if "fault" in line]


@pytest.mark.parametrize(
    ("arguments", "plan", "code", "said"),
    [
        (("--seed", "1"), None, 2, "--seed goes with --faults"),
        (("--faults", "missing.toml"), None, 1, "missing.toml: cannot be read: No such file or directory"),
        (
            ("--faults", "plan.toml"),
            "[[faults]]\nfault = 'rest'",
            1,
            "plan.toml:2: faults[0].fault: there is no fault 'rest'; did you mean 'reset'?",
        ),
    ],
)
def test_a_wrong_plan_is_told_and_nothing_starts(
    arguments: tuple[str, ...], plan: str | None, code: int, said: str, gate: tuple[str, ...], tmp_path: Path
) -> None:
    if plan is not None:
        (tmp_path / "plan.toml").write_text(plan)
    arguments = tuple(str(tmp_path / word) if word.endswith(".toml") else word for word in arguments)
    ended = subprocess.run([*RUN, "-c", gate[1], *arguments], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (ended.returncode, said in ended.stderr) == (code, True), ended.stderr
