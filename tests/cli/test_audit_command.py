from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sluicegate.observe.audit.chain import Chain

Command = Callable[..., tuple[int, str, str]]
KEY = "0123456789abcdef"


@pytest.fixture
def audit(tmp_path: Path) -> Path:
    chain = Chain(KEY.encode())
    path = tmp_path / "audit.jsonl"
    path.write_bytes(b"".join(chain.seal(b'{"event":"%b"}' % event) + b"\n" for event in (b"start", b"request", b"stop")))
    return path


def test_what_was_written_is_verified(sluicegate: Command, audit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDIT_KEY", KEY)
    code, out, err = sluicegate("audit", "verify", str(audit), "--key-env", "AUDIT_KEY")
    assert (code, err) == (0, "")
    assert out.startswith("3 records, 1 to 3, follow each other\n  chain: ")
    code, out, _ = sluicegate("audit", "verify", str(audit), "--key-env", "AUDIT_KEY", "--json")
    assert (code, json.loads(out)["ok"], json.loads(out)["is_ended"]) == (0, True, True)


def test_the_first_line_that_is_wrong_is_named(sluicegate: Command, audit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDIT_KEY", KEY)
    audit.write_text(audit.read_text().replace("request", "nothing"))
    code, out, _ = sluicegate("audit", "verify", str(audit), "--key-env", "AUDIT_KEY")
    assert code == 1
    assert f"{audit}:2: record 2 is not what was written" in out


def test_a_key_that_is_not_there_is_asked_for(sluicegate: Command, audit: Path) -> None:
    code, _, err = sluicegate("audit", "verify", str(audit), "--key-env", "NO_SUCH_KEY")
    assert code == 2
    assert "'NO_SUCH_KEY' is not set" in err


def test_over_stdio_there_is_no_audit_on_stdout(sluicegate: Command, gate: Path) -> None:
    gate.write_text(gate.read_text() + '[observability.audit]\nto = "stdout"\n')
    code, _, err = sluicegate("run", "--stdio", "-c", str(gate))
    assert code == 1
    assert "observability.audit.to: over stdio the client reads stdout" in err
