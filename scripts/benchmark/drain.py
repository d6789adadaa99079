"""SIGTERM under load: nothing that was taken is lost, nothing new is taken, and the gateway is gone in time."""

from __future__ import annotations

import signal
import time
from collections import Counter
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

from .callers import calling
from .goals import Goal
from .sessions import call
from .targets import gateway, http_stub

__all__ = ["drain", "drain_goals"]

IN_FLIGHT = 50
LOADED = 8
"""Connections that call without a pause meanwhile."""
CLOSING = 0.2
"""Seconds from when the gateway says that it drains to when nothing is taken any more: the rest of a turn of its loop, on a busy machine."""
BEFORE = 0.7
"""Seconds of load before the signal."""


def drain(folder: Path) -> dict[str, Any]:
    """Once with calls that end within the grace, and once with calls that do not."""
    return {
        "calls that end in time": once(folder, "patient", grace=8.0, call_seconds=2.0),
        "calls that do not": once(folder, "impatient", grace=1.5, call_seconds=20.0),
    }


def once(folder: Path, name: str, *, grace: float, call_seconds: float) -> dict[str, Any]:
    """Drain a gateway that has long calls in flight and is under load."""
    with ExitStack() as stack:
        stub = stack.enter_context(http_stub(folder, f"stub-{name}"))
        target = stack.enter_context(gateway(name, folder, stub, lines={"proxy": f"shutdown_timeout_seconds = {grace}\n"}))
        long = stack.enter_context(calling(target, "slow", {"seconds": call_seconds}, IN_FLIGHT, pause=0, calls=1))
        load = stack.enter_context(calling(target, "echo", {}, LOADED, pause=0))
        time.sleep(BEFORE)
        told = time.monotonic()
        target.program.process.send_signal(signal.SIGTERM)
        code = target.program.process.wait(grace + 30)
        took = time.monotonic() - told
        heard = moment(target.program.wait_for(r'"event": ?"draining".*?"timestamp": ?"([^"]+)"'))
        calls, slow = load.outcomes(), sorted(long.outcomes(), key=lambda one: one.ended)
        executed = int(call(stub.url, "-", "count"))
    return {
        "grace": grace,
        "heard": round(heard - told, 2),
        "took": round(took, 2),
        "exit code": code,
        "long calls": Counter(one.what for one in slow),
        "long calls ended": [round(call.ended - told, 2) for call in (slow[0], slow[-1])],
        "calls before": Counter(one.what for one in calls if one.sent <= told),
        "calls around": Counter(one.what for one in calls if told < one.sent <= heard + CLOSING),
        "calls after": Counter(one.what for one in calls if one.sent > heard + CLOSING),
        "executed, but not answered": executed - sum(one.what == "200" for one in [*calls, *slow]),
    }


def moment(text: str) -> float:
    """A time of day, in the time of CLOCK_MONOTONIC."""
    return datetime.fromisoformat(text).timestamp() - time.time() + time.monotonic()


def drain_goals(found: dict[str, Any]) -> list[Goal]:
    """What must hold."""
    goals = []
    for name, one in found.items():
        goals.append(Goal(f"{name}: seconds to the exit", one["grace"] + 1, one["took"]))
        goals.append(Goal(f"{name}: exit code", 0, one["exit code"]))
        goals.append(Goal(f"{name}: earlier calls that were not answered", 0, one["calls before"].total() - one["calls before"]["200"]))
        goals.append(Goal(f"{name}: later calls that were taken", 0, one["calls after"]["200"] + one["calls after"]["wrong"]))
    patient = found["calls that end in time"]
    goals.append(Goal("calls in flight that were cut", 0, patient["long calls"].total() - patient["long calls"]["200"]))
    goals.append(Goal("calls that were executed, but not answered", 0, patient["executed, but not answered"]))
    return goals
