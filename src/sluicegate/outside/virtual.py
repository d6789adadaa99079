"""Keeps the real world out of virtual time: nothing in it waits for a clock that jumps, and no seed tells what it does next."""

from __future__ import annotations

import sys

import trio

__all__ = ["refuse_under_virtual_time"]


def refuse_under_virtual_time(what: str, instead: str) -> None:
    """Raise `RuntimeError` where a mock clock is running. For what connects or starts something, not for what is called often."""
    testing = sys.modules.get("trio.testing")  # where nobody has imported it, nobody has a mock clock, and production need not load it
    if testing is not None and isinstance(trio.lowlevel.current_clock(), testing.MockClock):
        raise RuntimeError(
            f"{what}: not under a mock clock, which does not wait for the real world. Use {instead} "
            "(sluicegate.testing.open_outside has all of them), or run this test on the real clock"
        )
