"""The examples of README.rst and the manual about faults, run as they are printed."""

from __future__ import annotations

import json
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "src" / "sluicegate" / "help" / "faults.rst"


def test_a_server_on_the_sdk_is_tested_under_faults_in_less_than_twenty_lines(printed: Any) -> None:
    done = printed.run("pytest test_shop.py")
    assert (done.returncode, "1 passed" in done.stdout) == (0, True), done.stdout
    lines = [line for name in ("shop.py", "test_shop.py") for line in code(printed.folder / name)]
    assert len(lines) < 20


def code(path: Path) -> list[str]:
    """Its lines but for the first, which is the file's name, and empty ones."""
    return [line for line in path.read_text().splitlines()[1:] if line]


@pytest.mark.parametrize("command", ["pytest test_shop.py", "pytest test_weather.py"])
def test_the_test_fails_if_the_server_takes_an_order_twice(command: str, printed: Any) -> None:
    server = printed.folder / "shop.py"
    careless = server.read_text().replace("setdefault(key,", "setdefault(len(orders),")
    assert careless != server.read_text()
    server.write_text(careless)
    done = printed.run(command, "-x")
    assert (done.returncode, "failed" in done.stdout) == (1, True), done.stdout


def test_the_test_on_the_first_page_passes_and_fails_if_the_order_is_sent_again(printed: Any) -> None:
    done = printed.run("pytest test_orders.py")
    assert (done.returncode, "1 passed" in done.stdout) == (0, True), done.stdout
    page = printed.folder / "test_orders.py"
    careless = page.read_text().replace('"max_retries": 2', '"max_retries": 2, "only": "all"')
    assert careless != page.read_text()
    page.write_text(careless)
    done = printed.run("pytest test_orders.py")
    assert (done.returncode, "1 failed" in done.stdout) == (1, True), done.stdout


def test_the_same_server_is_tested_in_a_hundred_kinds_of_weather(printed: Any) -> None:
    done = printed.run("pytest test_weather.py")
    assert (done.returncode, "100 passed" in done.stdout) == (0, True), done.stdout


def test_a_client_of_the_same_server_meets_what_the_page_says_it_meets(printed: Any) -> None:
    """The official SDK's client on asyncio; what it prints follows from the seed."""
    with printed.running("sluicegate run -c shop.toml --faults") as (there, log):
        done = there.run("python client.py")
        with urllib.request.urlopen(there.command("curl")[1]) as answer:
            health = answer.read().decode()
    assert done.stdout == printed.output("python client.py"), done.stderr
    assert health + "\n" == printed.output("curl")
    assert "fail on purpose" in log[0]
    assert len([line for line in log if "fault injected" in line]) == json.loads(health)["faults"]["injected"]


def test_a_policy_hides_what_the_page_says_it_hides(printed: Any) -> None:
    line = 'retry = { max_retries = 2, only = "all" }'
    assert line in PAGE.read_text(encoding="utf-8")
    with (printed.folder / "shop.toml").open("a") as file:
        file.write(f"{line}\n")
    with printed.running("sluicegate run -c shop.toml --faults") as (there, _log):
        done = there.run("python client.py")
    assert "jammed" in printed.output("python client.py")
    assert [text.split()[1] for text in done.stdout.splitlines()] == ["tea", "sold", "tea", "tea", "sold", "tea", "tea", "tea"], done.stderr


def test_one_request_asks_for_a_fault_as_the_page_says(printed: Any) -> None:
    with printed.running("sluicegate run -c shop.toml --faults") as (there, log):
        began = time.monotonic()
        done = there.run("sluicegate call shop_order")
        assert (done.returncode, done.stdout) == (0, "tea is order 1\n"), done.stderr
        assert time.monotonic() - began > 2
    assert [line for line in log if "fault injected" in line and "Delay(seconds=2.0" in line]
