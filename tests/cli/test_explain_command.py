from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

import pytest

from sluicegate.protocol.fault_codes import CODES, Code

Command = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize("word", ["SG-401", "sg-401", "401", "SG401", "sg 401", "timeout", "TIMEOUT", " timeout "])
def test_a_code_or_its_reason_gives_the_page(sluicegate: Command, word: str) -> None:
    code, out, err = sluicegate("explain", word)

    assert (code, err) == (0, "")
    assert out.startswith("SG-401  timeout  (JSON-RPC -32010)\n\nIt took too long\n")
    assert "timeout.per_attempt_seconds" in out
    assert "  May be repeated:            where running it twice does no harm\n" in out
    assert "  Counts against the backend: yes\n" in out


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.number)
def test_every_code_has_a_page(sluicegate: Command, code: Code) -> None:
    exit_code, out, _ = sluicegate("explain", code.number)

    assert exit_code == 0
    assert code.title in out
    assert all(len(line) <= 100 for line in out.splitlines())
    for head in ("What it means", "What the caller can do", "What the operator can do", "Cause:", "May go to a stand-in:"):
        assert head in out


def test_a_call_that_never_left_may_be_repeated_whatever_it_does(sluicegate: Command) -> None:
    assert "May be repeated:            yes; it certainly did not start" in sluicegate("explain", "queue-full")[1]
    assert "or if it certainly did not start" in sluicegate("explain", "connection_lost")[1]
    assert "May be repeated:            no\n" in sluicegate("explain", "circuit_open")[1]


@pytest.mark.parametrize(
    ("word", "meant"), [("timeot", "timeout"), ("SG-999", "SG-901"), ("connection_lst", "connection_lost"), ("ratelimited", "rate_limited")]
)
def test_an_unknown_code_is_an_error_with_the_nearest_known_one(sluicegate: Command, word: str, meant: str) -> None:
    code, out, err = sluicegate("explain", word)

    assert (code, out) == (2, "")
    assert f"there is no code '{word}'; did you mean '{meant}'?" in err


def test_what_is_like_nothing_is_told_where_the_list_is(sluicegate: Command) -> None:
    assert "'sluicegate explain' alone lists them all" in sluicegate("explain", "xyzzy")[2]


def test_a_number_of_json_rpc_lists_those_that_have_it(sluicegate: Command) -> None:
    code, out, _ = sluicegate("explain", "-32013")

    assert (code, [line.split()[1] for line in out.splitlines()]) == (0, ["overloaded", "queue_full", "queue_timeout", "no_place_to_wait"])
    assert [one["code"] for one in json.loads(sluicegate("explain", "--json", "-32010")[1])] == ["SG-401"]
    assert "there is no code '-32099'" in sluicegate("explain", "-32099")[2]
    assert "there is no code '--jsn'" in sluicegate("explain", "--jsn")[2]


def test_without_a_code_it_lists_all(sluicegate: Command) -> None:
    code, out, _ = sluicegate("explain")

    assert code == 0
    lines = out.splitlines()
    assert [line.split()[:3] for line in lines] == [[one.number, one.reason, str(one.rpc)] for one in CODES]
    assert len({line.index(one.title) for one, line in zip(CODES, lines, strict=True)}) == 1


def test_programs_get_json(sluicegate: Command) -> None:
    one = json.loads(sluicegate("explain", "ejected", "--json")[1])

    assert (one["code"], one["reason"], one["cause"], one["jsonrpc"]) == ("SG-602", "ejected", "barred", -32000)
    assert (one["may_be_repeated"], one["may_go_to_a_stand_in"], one["counts_against_the_backend"]) == ("no", "yes", "no")
    assert {"title", "meaning", "caller", "operator", "hint"} < one.keys()
    assert [entry["code"] for entry in json.loads(sluicegate("explain", "--json")[1])] == [entry.number for entry in CODES]


def test_explaining_loads_no_event_loop() -> None:
    code = (
        "import sys\nfrom sluicegate.cli.main import main\ntry:\n    main(['explain', 'SG-401'])\n"
        "except SystemExit as end:\n    assert not end.code\nprint(sorted({'trio', 'structlog', 'mcp', 'attrs'} & set(sys.modules)))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "['attrs']"
