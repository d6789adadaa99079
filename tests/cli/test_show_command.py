from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from sluicegate.cli.live import print_backends

Command = Callable[..., tuple[int, str, str]]

FLEET = """\
[proxy]
name = "gate"
[observability]
access_log.enabled = false
[[backends]]
name = "time"
transport = "stdio"
command = "no-such-program"
retry = { max_retries = 1 }
[[backends]]
name = "second"
transport = "stdio"
command = "no-such-program"
failover_for = "time"
priority = 2
[[backends]]
name = "first"
transport = "stdio"
command = "no-such-program"
failover_for = "time"
priority = 1
[[backends]]
name = "shadow"
transport = "stdio"
command = "no-such-program"
mirror_of = "time"
[[backends]]
name = "off"
transport = "stdio"
command = "no-such-program"
enabled = false
"""


def test_the_pipeline_of_each_backend_is_shown_with_who_stands_in_for_it(sluicegate: Command, tmp_path: Path) -> None:
    file = tmp_path / "gate.toml"
    file.write_text(FLEET)
    code, out, err = sluicegate("show", "pipeline", "-c", str(file), "--json")
    plan = json.loads(out)
    assert (code, err) == (0, "")
    assert list(plan["backends"]) == ["time", "second", "first", "shadow"]
    time = plan["backends"]["time"]
    assert (time["stand_ins"], time["mirrors"]) == (["first", "second"], ["shadow"])
    assert "Retry" in " ".join(time["policies"])
    assert all((one["stand_ins"], one["mirrors"]) == ([], []) for name, one in plan["backends"].items() if name != "time")
    code, out, err = sluicegate("show", "pipeline", "-c", str(file))
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == f"every call: {' -> '.join(plan['edge'])}"
    assert lines[1] == f"time: {' -> '.join(time['policies'])}"
    assert lines[2:4] == ["    fails over to first, second", "    mirrored to shadow"]
    assert [line.partition(":")[0] for line in lines[4:]] == ["second", "first", "shadow"]


@pytest.mark.parametrize(
    ("setting", "step", "is_there"),
    [
        ("access_log.enabled = true", "AccessLog", True),
        ("metrics.enabled = true", "Metrics", True),
        ("metrics.enabled = false", "Metrics", False),
    ],
)
def test_what_every_call_passes_is_what_was_switched_on(
    sluicegate: Command, tmp_path: Path, setting: str, step: str, is_there: bool
) -> None:
    file = tmp_path / "gate.toml"
    file.write_text(FLEET.replace("access_log.enabled = false", setting))
    _, out, _ = sluicegate("show", "pipeline", "-c", str(file), "--json")
    assert (step in json.loads(out)["edge"]) is is_there


def test_backends_are_rows_and_what_is_wrong_with_their_lists_stands_below(capsys: pytest.CaptureFixture[str]) -> None:
    one = {
        "name": "one",
        "transport": "stdio",
        "state": "ready",
        "protocol": "2025-11-25",
        "offers": {"tools": 2, "prompts": 1},
        "error": "",
        "flaws": [],
        "mistakes": [],
    }
    two = one | {"name": "two", "state": "restarting", "protocol": "", "offers": {}, "error": "Connect failed"}
    print_backends([one, two])
    rows = "one\tstdio\tready\t2025-11-25\t2 tools, 1 prompts\ntwo\tstdio\trestarting\t\tConnect failed\n"
    assert capsys.readouterr().out == rows
    flaw = {"kind": "tool", "name": "bad", "what": "it has no name"}
    print_backends([one | {"flaws": [flaw]}, two])
    assert capsys.readouterr().out == rows + "\n  Not as clients can read it:\none\ttool\tbad\tit has no name\n"


def test_what_is_probably_not_meant_is_said_beside_what_was_asked_for(sluicegate: Command, gate: Path) -> None:
    gate.write_text(gate.read_text() + '[auth]\ntype = "bearer"\ntokens = ["short"]\n')
    code, out, err = sluicegate("show", "pipeline", "-c", str(gate))
    assert (code, out.startswith("every call: ")) == (0, True)
    told = f"{gate}:10: auth.tokens[0]: the token has under 16 characters and can be guessed; use a long random one"
    assert err == f"warning: {told}\n"
    code, out, err = sluicegate("check", "-c", str(gate))
    assert (code, err) == (0, "")
    assert f"    - {told}\n" in out


CROSSED = """\
[proxy]
name = "gate"
[[backends]]
name = "all"
transport = "stdio"
command = "no-such-program"
[[backends]]
name = "each"
transport = "stdio"
command = "no-such-program"
revision = "2025-11-25"
sessions = "per_client"
[[backends]]
name = "off"
transport = "stdio"
command = "no-such-program"
enabled = false
"""


def test_what_crosses_is_shown_for_each_revision_that_client_and_backend_may_speak(sluicegate: Command, tmp_path: Path) -> None:
    file = tmp_path / "gate.toml"
    file.write_text(CROSSED)
    code, out, err = sluicegate("show", "crossing", "-c", str(file), "--json")
    found = json.loads(out)
    assert (code, err) == (0, "")
    pairs = list(dict.fromkeys((cell["backend"], cell["revision"], cell["client"]) for cell in found))
    eras = ("2025-11-25", "2026-07-28")
    assert pairs == [*(("all", revision, client) for revision in eras for client in eras), *(("each", eras[0], client) for client in eras)]
    questions = {(cell["backend"], cell["revision"], cell["client"]): cell["way"] for cell in found if "sampling" in cell["part"]}
    assert questions["all", eras[0], eras[0]] == "refused"
    assert questions["each", eras[0], eras[0]] == "carried"
    assert questions["all", eras[1], eras[0]] == "translated"
    assert {cell["way"] for cell in found} == {"carried", "translated", "refused"}
    assert all(cell["why"] for cell in found if cell["way"] != "carried")
    assert any(cell["part"] == "io.modelcontextprotocol/ui" for cell in found)


def test_a_person_reads_what_crosses_pair_by_pair(sluicegate: Command, tmp_path: Path) -> None:
    file = tmp_path / "gate.toml"
    file.write_text(CROSSED)
    code, out, err = sluicegate("show", "crossing", "-c", str(file))
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "all, spoken to in 2025-11-25, with a client of 2025-11-25"
    assert "elicitation, sampling, roots\trefused\tall clients share one session, so none can be declared" in out


MIRRORS = {
    "m": {
        "copies": {"ok": 2, "failed": 0, "dropped": 0},
        "compared": {"different": 1, "same": 1},
        "different": {"echo": 1},
        "latest": [
            {"method": "tools/call", "name": "echo", "seconds_ago": 3.2, "places": [{"path": "/a", "source": "string", "mirror": "absent"}]}
        ],
    }
}


class Page(BaseHTTPRequestHandler):
    said: object = MIRRORS

    def do_GET(self) -> None:
        is_known = self.headers["Authorization"] == "Bearer t"
        self.send_response((200 if self.path == "/mirror" else 404) if is_known else 401)
        self.end_headers()
        self.wfile.write(json.dumps(self.said).encode())

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def running() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/mcp"
        server.shutdown()
        thread.join()


def test_what_mirrors_have_answered_otherwise_is_asked_of_a_gateway_that_runs(sluicegate: Command, running: str) -> None:
    assert sluicegate("show", "mirror", "--url", running, "--token", "t") == (
        0,
        "m: copies ok 2, failed 0, dropped 0; compared different 1, same 1\n  different: echo 1\n3 s\techo\t/a\tstring\tabsent\n",
        "",
    )
    code, out, err = sluicegate("show", "mirror", "--url", running, "--token", "t", "--json")
    assert (code, json.loads(out), err) == (0, MIRRORS, "")


@pytest.mark.parametrize("said", [[], [["a", 1]], 7, None])
def test_a_page_that_is_not_a_gateways_is_said_to_be_none(
    sluicegate: Command, running: str, monkeypatch: pytest.MonkeyPatch, said: object
) -> None:
    monkeypatch.setattr(Page, "said", said)
    code, out, err = sluicegate("show", "mirror", "--url", running, "--token", "t")
    assert (code, out) == (1, "")
    assert "HTTP 200; is it the address of a gateway?" in err


def test_names_of_tools_move_no_cursor(sluicegate: Command, running: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Page, "said", {"m": MIRRORS["m"] | {"different": {"\x1b[2Jecho": 1}, "latest": []}})
    _code, out, _err = sluicegate("show", "mirror", "--url", running, "--token", "t")
    assert out.endswith("  different: \ufffd[2Jecho 1\n")


def test_where_no_gateway_answers_or_no_token_is_shown_it_says_so(sluicegate: Command, running: str) -> None:
    code, out, err = sluicegate("show", "mirror", "--url", running)
    assert (code, out) == (1, "")
    assert "HTTP 401; give --token" in err
    code, out, err = sluicegate("show", "mirror", "--url", "http://127.0.0.1:9/mcp")
    assert (code, out) == (1, "")
    assert "cannot talk to http://127.0.0.1:9/mirror" in err
