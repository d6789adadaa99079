"""Every example of README.rst and of the manual is tried: configurations are loaded, Python is run on Trio, commands are run where that is safe."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import NoneType
from typing import get_args, get_type_hints

import attrs
import pytest
import trustme
from tests.kit.checkout import ROOT

from sluicegate.cli.explain import listing
from sluicegate.config.load import from_mcp_json, parse
from sluicegate.gateway.handles import Policies
from sluicegate.policies.remembering import remembering
from sluicegate.telling.statistics import shown
from sluicegate.testing.injections.words import FAULTS
from sluicegate.testing.script import Script
from sluicegate.testing.transports import CHANNELS, CHILD, HTTP, Transport

MANUAL = ROOT / "src" / "sluicegate" / "help"
PAGES = [ROOT / "README.rst", *sorted(MANUAL.glob("*.rst"))]
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
"""With the programs of this environment first, as after ``source .venv/bin/activate``."""

RUN_FOR_REAL = (
    "sluicegate --version",
    "sluicegate check",
    "sluicegate show pipeline",
    "sluicegate completion",
    "sluicegate list",
    "sluicegate call",
    "sluicegate explain",
    "sluicegate example",
    "sluicegate schema",
    "sluicegate help",
)
"""Commands that end by themselves and reach nothing beyond this machine."""

ONLY_EXIST = {
    "scripts/demo": "what it shows is tested in tests/process",
    "sluicegate token new": "it prints another one each time, and is tested in tests/cli",
    "sluicegate access explain": "it wants a configuration with roles, and is tested in tests/cli",
    "sluicegate login": "it waits for a person, and is tested in tests/process",
    "scripts/test": "it is what runs this test",
    "scripts/bench": "measures, and loads the machine; parts of it are tested in tests/process",
    "scripts/peers": "takes minutes, and installs dozens of packages of PyPI and npm",
    "scripts/conformance": "takes minutes, and installs packages of PyPI and npm",
    "scripts/matrix": "takes minutes, and installs packages of PyPI, npm, crates and Go modules",
    "scripts/reference": "writes files of the project; tests/test_conf.py looks at what it would write",
    "scripts/parity": "looks at the tests",
    "scripts/mutants": "takes minutes, and changes a copy of the source",
    "scripts/soak": "takes minutes; tests/properties plays 200 worlds of it",
    "scripts/replay": "takes minutes; tests/testing plays a few",
    "scripts/fuzz": "goes on for as long as it is told; tests/fuzz runs the targets shortly",
    "git clone": "needs the network",
    "cd": "the tests run there already",
    "sluicegate run": "serves until it is stopped; tested in tests/process",
    "sluicegate connect": "needs a daemon; tested in tests/process",
    "sluicegate show mirror": "needs a daemon; tested in tests/cli",
    "sluicegate call shop_order": "needs a daemon; tested in tests/process",
    "pytest": "runs an example; tested in tests/process",
    "python client.py": "needs a daemon; tested in tests/process",
    "curl": "needs a daemon; tested in tests/process",
    "claude mcp add": "another program",
    "export": "sets a variable of the reader's shell",
    "source": "the tests run in the environment already",
    "eval": "changes the reader's shell",
}
"""Commands that are not run here, and why."""


@attrs.frozen
class Example:
    """One code block."""

    page: str
    language: str
    text: str
    line: int

    @property
    def file(self) -> str:
        """The name under which it is to be saved; tests/process runs those in a folder of their own."""
        named = re.match(r"# ([a-z_]+\.(?:py|toml))\n", self.text)
        return "" if named is None else named[1]

    def __str__(self) -> str:
        return f"{self.page}-{self.language}-line-{self.line}"


def examples() -> Iterator[Example]:
    """The code blocks of all pages, with the line where each begins."""
    for page in PAGES:
        lines = page.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines):
            found = re.fullmatch(r"\.\. code-block:: (\S+)", line)
            if found:
                text = textwrap.dedent("\n".join(block_after(lines[number + 1 :]))).strip() + "\n"
                yield Example(page.stem, found[1], text, number + 1)


def block_after(lines: list[str]) -> Iterator[str]:
    for line in lines:
        if line.strip() and not line.startswith("   "):
            return
        if not re.fullmatch(r"   :\w+:.*", line):
            yield line


def of(*languages: str) -> list[Example]:
    return [example for example in examples() if example.language in languages]


def test_every_example_is_of_a_kind_that_is_tried() -> None:
    assert {example.language for example in examples()} <= {"console", "python", "toml", "yaml", "json", "text"}


@pytest.mark.parametrize("example", of("toml", "yaml"), ids=str)
def test_a_configuration_loads_without_errors(example: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if example.file == "plan.toml":
        assert Script.from_toml(example.text).rules
        return
    for name in set(re.findall(r"\$\{(\w+)\}", example.text)):
        monkeypatch.setenv(name, "something")
    for name in set(re.findall(r"[\w-]+\.pem", example.text)):
        trustme.CA().issue_cert("gate.example").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / name))
    monkeypatch.chdir(tmp_path)
    loaded = parse(whole(example), format="yaml" if example.language == "yaml" else "toml", name=f"{example.page}.rst:{example.line}")
    assert loaded.planned == ()


def whole(example: Example) -> str:
    """An excerpt with what it leaves out, so that the loader sees a whole configuration."""
    text = example.text
    if example.language == "toml" and "[proxy" not in text:
        text += '\n[proxy]\nname = "page"\n'
    if example.language == "toml" and "[[backends]]" not in text:
        text += '\n[[backends]]\nname = "time"\ntransport = "stdio"\ncommand = "mcp-server-time"\n'
    return text


def test_the_table_of_faults_has_each_with_its_settings_and_where_there_is_such_a_thing() -> None:
    told: dict[str, tuple[set[str], str]] = {}
    for words, _, where in rows_of(MANUAL / "faults.rst", "fault"):
        names = re.findall(r"``(\w+)``", words)
        for fault in (name for name in names if name in FAULTS):
            told[fault] = {name for name in names if name not in FAULTS}, where
    words_of = {
        frozenset(Transport): "everywhere",
        CHANNELS: "all but HTTP",
        CHILD: "stdio",
        HTTP: "HTTP",
        CHILD | HTTP: "stdio, HTTP",
    }
    true = {
        name: ({field.name for field in attrs.fields(kind)} - {"then", "why", "retry_after"}, words_of[vars(kind)["over"]])
        for name, kind in FAULTS.items()
    }
    assert told == true


def rows_of(page: Path, first: str) -> Iterator[list[str]]:
    """The rows of the page's table whose first head is this; a cell goes on below where the first column is empty, and only that of the middle."""
    head, _, table = page.read_text(encoding="utf-8").partition(f"=\n{first} ")
    columns = [(found.start(), found.end()) for found in re.finditer("=+", f"{head.splitlines()[-1]}=")]
    for line in table.partition("\n\n")[0].splitlines()[2:]:
        if line.startswith("``"):
            yield [line[start:end].strip() for start, end in columns]


def statistics_of_policies() -> Iterator[type[attrs.AttrsInstance]]:
    """What each of them can tell, as it is declared."""
    for field, hint in get_type_hints(Policies).items():
        if field in Policies.names():
            (part,) = (kind for kind in get_args(hint) if kind is not NoneType)
            yield get_type_hints(part.statistics)["return"]
    yield from (get_type_hints(kind.statistics)["return"] for kind in remembering())


def test_every_number_that_tells_of_a_policy_is_in_the_table_of_metrics() -> None:
    text = (MANUAL / "metrics.rst").read_text(encoding="utf-8")
    names = [f"{one.name}_total" if one.kind == "counter" else one.name for kind in statistics_of_policies() for _field, one in shown(kind)]
    assert [name for name in names if not re.search(rf"``(mcp_proxy)?_{name}``", text)] == []


def test_the_codes_of_errors_are_those_that_the_command_lists() -> None:
    """Generated: when it fails, put the output of ``sluicegate explain`` into ``help/errors.rst``."""
    assert [example.text for example in of("text") if example.text.startswith("SG-")] == [f"{listing()}\n"]


@pytest.mark.parametrize("example", of("json"), ids=str)
def test_a_client_file_is_what_the_importer_reads(example: Example, tmp_path: Path) -> None:
    path = tmp_path / ".mcp.json"
    path.write_text(example.text, encoding="utf-8")
    json.loads(example.text)
    assert from_mcp_json(path).config.backends


@pytest.mark.slow
@pytest.mark.parametrize("example", [example for example in of("python") if not example.file], ids=str)
def test_python_runs_on_trio(example: Example) -> None:
    """In an interpreter of its own, where every warning is an error; its assertions say what must hold."""
    program = example.text
    if not re.search(r"(trio|asyncio)\.run\(|\bplay\(", program):  # an excerpt from inside an async function
        program = f"import trio\nasync def main():\n{textwrap.indent(program, '    ')}\ntrio.run(main)\n"
    run([sys.executable, "-W", "error", "-c", program], ROOT)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reader's folder, which is no checkout, with the file that they all begin with."""
    made = tmp_path_factory.mktemp("reader")
    (made / "gate.toml").write_text(run(["sluicegate", "example", "demo"], made), encoding="utf-8")
    return made


def commands(text: str) -> Iterator[str]:
    """What is typed: lines after a prompt, a trailing backslash joining the next."""
    for line in text.replace("\\\n", " ").splitlines():
        if line.startswith("$ "):
            yield re.sub(r"\s+", " ", line[2:].partition("  #")[0].strip())


FIRST_PLACE = {command: example for example in reversed(of("console")) for command in commands(example.text)}
"""Where a command stands first; in the same folder it does the same again."""


@pytest.mark.slow
@pytest.mark.parametrize("example", of("console"), ids=str)
def test_commands_do_what_the_page_says(example: Example, folder: Path) -> None:
    """Each is run as typed in a folder of the reader's, or is known to be one that a test must not run. What stands on many pages is run for one."""
    for command in commands(example.text):
        reason = next((why for start, why in ONLY_EXIST.items() if command.startswith(start)), None)
        if reason is None:
            assert command.startswith(RUN_FOR_REAL), f"{example}: say in this file whether {command!r} can be run"
            line, _, file = command.partition(" > ")
            if not file and FIRST_PLACE[command] != example:
                continue
            said = run(shlex.split(line), folder)
            if file:
                (folder / file).write_text(said, encoding="utf-8")
        elif command.startswith("scripts/"):
            assert os.access(ROOT / command.split()[0], os.X_OK)


def run(arguments: list[str], folder: Path) -> str:
    """What the command prints."""
    assert shutil.which(arguments[0], path=PATH), f"{arguments[0]} is not installed"
    done = subprocess.run(
        arguments,
        cwd=folder,
        env=os.environ | {"PATH": PATH},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"{shlex.join(arguments)}: {done.stdout}{done.stderr}"
    return done.stdout
