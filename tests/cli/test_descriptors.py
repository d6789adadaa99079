"""How many descriptors the daemon may have, for all limits that it may find."""

from __future__ import annotations

import gc
import os
import resource
import socket
import sys
from pathlib import Path

import pytest

from sluicegate.cli.descriptors import OTHERS, allow_descriptors, open_standard_descriptors

ENDLESS = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("found", "then", "enough"),
    [
        pytest.param((1024, 524_288), (1000 + OTHERS, 524_288), True, id="as it usually is"),
        pytest.param((1024, ENDLESS), (1000 + OTHERS, ENDLESS), True, id="no hard limit"),
        pytest.param((ENDLESS, ENDLESS), None, True, id="no limit at all"),
        pytest.param((1000 + OTHERS, ENDLESS), None, True, id="just enough"),
        pytest.param((999 + OTHERS, 1000 + OTHERS), (1000 + OTHERS, 1000 + OTHERS), True, id="one too few"),
        pytest.param((1024, 1200), (1200, 1200), False, id="a hard limit below"),
        pytest.param((1200, 1200), None, False, id="at a hard limit below"),
        pytest.param((8192, 8192), None, True, id="more than enough"),
    ],
)
def test_the_soft_limit_is_raised_as_far_as_it_must_and_may(
    found: tuple[int, int], then: tuple[int, int] | None, enough: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system refuses a soft limit over the hard one, and -1 stands for none."""
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _which: found)
    monkeypatch.setattr(resource, "setrlimit", lambda _which, limits: asked.append(limits))

    assert allow_descriptors(1000) is enough
    assert asked == ([] if then is None else [then])


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 2), (0, 1, 2)])
def test_a_standard_stream_that_is_closed_leads_nowhere(closed: tuple[int, ...]) -> None:
    """Else the first socket would be taken for it. In a process of its own, which says in its exit code what is wrong."""
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            for number, name in enumerate(("stdin", "stdout", "stderr")):
                if number in closed:
                    os.close(number)
                    setattr(sys, name, None)
            open_standard_descriptors()
            nothing = Path(os.devnull).stat()
            code = sum(
                1 << number
                for number in closed
                if not os.path.samestat(os.fstat(number), nothing)
                or not os.get_inheritable(number)
                or getattr(sys, ("stdin", "stdout", "stderr")[number]).fileno() != number
            )
            code += 8 * (socket.socket().fileno() < 3)
            for number in closed:  # what takes its place later, as a test's or a log's own stream may, leaves it open
                setattr(sys, ("stdin", "stdout", "stderr")[number], None)
                gc.collect()
                code += 16 * (not os.path.samestat(os.fstat(number), nothing))
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
