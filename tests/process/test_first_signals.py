"""A signal that comes while the daemon is being started."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

GATE = f"""
[proxy]
name = "gate"
listen = {{ port = 0 }}
[[backends]]
name = "b"
transport = "stdio"
command = "{sys.executable}"
args = ["-S", "-E", "-c", "import sys; sys.stdin.read()"]
"""


def test_a_signal_at_any_moment_of_the_start_is_a_clean_end(tmp_path: Path) -> None:
    (tmp_path / "gate.toml").write_text(GATE)
    script = "import sys; sys.argv[0] = 'sluicegate'; from sluicegate.__main__ import main; print('', flush=True); main()"
    command = [sys.executable, "-c", script, "run", "-c", str(tmp_path / "gate.toml")]
    for delay in range(0, 1000, 50):
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(0.01 + delay / 1000)
            process.send_signal((signal.SIGTERM, signal.SIGINT)[delay // 50 % 2])
            assert process.wait(15) == 0, f"after {delay} ms"
