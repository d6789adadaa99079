"""How many descriptors the daemon may have, for all limits that it may find."""

from __future__ import annotations

import resource

import pytest

from sluicegate.cli.descriptors import OTHERS, allow_descriptors

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
