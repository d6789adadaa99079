"""Which sockets are those of systemd's: what the environment says, and whom it says it to."""

from __future__ import annotations

import os

import pytest

from sluicegate.outside.listening import _inherited

OURS = str(os.getpid())


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"LISTEN_FDS": "1"},
        {"LISTEN_PID": OURS},
        {"LISTEN_PID": "1", "LISTEN_FDS": "1"},
        {"LISTEN_PID": OURS, "LISTEN_FDS": ""},
        {"LISTEN_PID": OURS, "LISTEN_FDS": "-1"},
        {"LISTEN_PID": OURS, "LISTEN_FDS": "one"},
        {"LISTEN_PID": OURS, "LISTEN_FDS": "0"},
    ],
)
def test_what_was_passed_to_nobody_or_to_somebody_else_is_not_ours(environ: dict[str, str]) -> None:
    assert list(_inherited(environ)) == []


def test_sockets_that_were_passed_are_counted_from_the_third_and_no_child_inherits_them() -> None:
    """Numbers of which none is open are counted, too: whoever takes them is told."""
    given = os.dup(2)
    try:
        os.set_inheritable(given, True)
        found = _inherited({"LISTEN_PID": OURS, "LISTEN_FDS": str(given - 2)})
        assert (found[0], found[-1]) == (3, given)
        assert not os.get_inheritable(given)
    finally:
        os.close(given)
