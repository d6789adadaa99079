"""What the tests with real processes share."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
import pytest
from tests.kit.checkout import ROOT

import sluicegate

SERVER = Path(__file__).with_name("plain_server.py")
PAGES = (ROOT / "README.rst", *sorted((ROOT / "src" / "sluicegate" / "help").glob("*.rst")))
PATIENCE = 180


@pytest.fixture
def write_gate(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a configuration: the given tables, and one backend that is a real child."""

    def write(tables: str) -> Path:
        path = tmp_path / "gate.toml"
        command = f'command = {json.dumps(sys.executable)}\nargs = [{json.dumps(str(SERVER))}, "one"]\n'
        path.write_text(f'{tables}[[backends]]\nname = "one"\ntransport = "stdio"\n{command}')
        return path

    return write


@attrs.frozen
class Printed:
    """A folder with every file that README.rst and the manual print under a name; its commands are run there as they are printed, but for the port."""

    folder: Path
    blocks: tuple[str, ...]
    port: str = "8080"

    @property
    def environment(self) -> dict[str, str]:
        """As after ``source .venv/bin/activate``; the plugin is loaded as if the package were installed."""
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        source = str(Path(sluicegate.__file__).parents[1])
        addopts = "-p sluicegate.testing.plugin -p no:cacheprovider -W error"
        return os.environ | {"PATH": path, "PYTHONPATH": source, "PYTEST_ADDOPTS": addopts, "SLUICEGATE_PORT": "0"}

    def command(self, start: str) -> list[str]:
        """The one that begins like this."""
        [found] = [line[2:] for block in self.blocks for line in block.replace("\\\n", "").splitlines() if line.startswith(f"$ {start}")]
        return shlex.split(found.replace("8080", self.port))

    def output(self, start: str) -> str:
        """What the page says that this command prints."""
        place = next(place for place, block in enumerate(self.blocks) if block.startswith(f"$ {start}"))
        return self.blocks[place + 1]

    def run(self, start: str, *more: str) -> subprocess.CompletedProcess[str]:
        """Run the command that begins like this until it ends."""
        command = [*self.command(start), *more]
        return subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=PATIENCE, check=False)

    @contextmanager
    def running(self, start: str) -> Iterator[tuple[Printed, list[str]]]:
        """Run a gateway for the length of a block. Gives a folder whose clients find it, and the log: its beginning, and afterwards all of it."""
        log: list[str] = []
        with subprocess.Popen(
            self.command(start), cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                assert process.stderr is not None
                while not (found := re.search(r"http://127\.0\.0\.1:(\d+)", log[-1] if log else "")):
                    line = process.stderr.readline()
                    assert line, "".join(log)
                    log.append(line)
                for path in self.folder.iterdir():
                    if path.is_file():
                        path.write_text(path.read_text().replace("8080", found[1]))
                yield attrs.evolve(self, port=found[1]), log
                process.terminate()
                log += process.communicate(timeout=PATIENCE)[1].splitlines(keepends=True)
            finally:
                process.kill()


@pytest.fixture
def printed(tmp_path: Path) -> Printed:
    """The examples of README.rst and the manual that belong together."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    found = re.findall(r"^\.\. code-block:: \w+\n\n((?:(?:   .*)?\n)+)", text, re.MULTILINE)
    blocks = tuple(textwrap.dedent(block).strip() + "\n" for block in found)
    for block in blocks:
        if name := re.match(r"# ([a-z_]+\.(?:py|toml))\n", block):
            (tmp_path / name[1]).write_text(block)
    return Printed(tmp_path, blocks)
