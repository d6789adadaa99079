"""The command line of ``scripts/bench``, which sets up what this needs and runs it from the top of the checkout."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import attrs

from .against import HASTY, PATIENT, against, difference_goals, difference_notes, show_difference
from .attack import SMALL, WHOLE, attack, attack_goals, show_attack
from .drain import drain, drain_goals
from .flood_kinds import KINDS
from .floods import QUICK, THOROUGH, flood_goals, floods, show_floods
from .goals import Goal, show_goals
from .logged import compare, comparison_goals, comparison_notes, show_comparison
from .lone import lone, lone_goals, show_lone
from .peers import open_peers
from .price import measure_all, price_goals
from .processes import Failed
from .profiling import profile, show_profile
from .rows import doubts, show
from .startup import show_startup, startup, startup_goals
from .streamed import show_streamed, streamed, streamed_goals
from .stub import LOOPS
from .targets import SHAPES, open_all
from .tools import install_wrk

DESCRIPTION = """\
What a call costs: the gateway and a stub backend as real processes, driven by wrk.

Processor time per call is what to look at: it says much the same on a machine that has other things to do, rates and latencies do not."""

CONNECTIONS = (1, 16, 64)
ROUNDS = 3
SECONDS = 4
TURNS = 12
"""Comparisons of the gateway with its access log and without, of a second each."""


@attrs.define
class Findings:
    """What one run has found out."""

    shown: str
    facts: dict[str, Any]
    goals: list[Goal] = attrs.field(factory=list)
    doubts: list[str] = attrs.field(factory=list)
    """Why the numbers must not be believed."""
    notes: list[str] = attrs.field(factory=list)


def main() -> int:
    """Run what was asked for; the exit code: 0, 1 where the numbers cannot be believed, or 2 where a promise is broken and ``--goals`` asks."""
    arguments = read_arguments()
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(1))  # so that everything that was started is ended
    with tempfile.TemporaryDirectory(prefix="sluicegate-bench-") as folder:
        try:
            found = chosen(arguments)(Path(folder), arguments)
        except Failed as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
    print(found.shown)
    if found.goals:
        print(f"\n{show_goals(found.goals)}")
    for note in dict.fromkeys(found.notes):
        print(f"note: {note}", file=sys.stderr)
    for reason in found.doubts:
        print(f"NOT TO BE BELIEVED: {reason}", file=sys.stderr)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(whole(found), indent=1) + "\n", encoding="utf-8")
    return 1 if found.doubts else 2 if arguments.goals and not all(goal.met for goal in found.goals) else 0


def read_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="less of everything; by default 16 connections, a quarter of a minute")
    parser.add_argument("--json", metavar="FILE", help="write everything that was found there, too")
    parser.add_argument("--goals", action="store_true", help="exit with 2 if a promise is broken")
    parser.add_argument("--connections", type=int, nargs="+", help=f"instead of {' '.join(map(str, CONNECTIONS))}")
    parser.add_argument("--seconds", type=int, help=f"of each measurement, instead of {SECONDS}")
    parser.add_argument("--rounds", type=int, help=f"of measurements, whose medians are shown, instead of {ROUNDS}")
    parser.add_argument("--stub", choices=[*LOOPS, "both"], help=f"whose event loop serves the stub; with --quick {LOOPS[0]}, else both")
    parser.add_argument("--peers", action="store_true", help="measure other programs of the kind, too; installs them in .cache/bench")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--access-log", action="store_true", help="instead, only what the access log adds")
    instead.add_argument(
        "--against", metavar="CHECKOUT", help="instead, whether a call is dearer than in another checkout, whose .venv is there"
    )
    instead.add_argument("--startup", action="store_true", help="instead, only the time until it listens, and of `sluicegate check`")
    instead.add_argument("--profile", nargs="?", const="http", choices=SHAPES, help="instead, show where the time of a call goes")
    instead.add_argument("--attack", action="store_true", help="instead, what clients that hurt do to the others")
    parser.add_argument("--kind", choices=["clients", *KINDS], action="append", help="of --attack, only this one")
    instead.add_argument("--drain", action="store_true", help="instead, SIGTERM under load")
    instead.add_argument("--policies", action="store_true", help="instead, what the traffic policies add")
    instead.add_argument("--kept", action="store_true", help="instead, calls that are answered with what was kept, or share an answer")
    instead.add_argument("--scale", action="store_true", help="instead, whether a call costs the same however large the gateway is")
    instead.add_argument("--lone", action="store_true", help="instead, what a call without a session costs, in calls with one")
    instead.add_argument("--streams", action="store_true", help="instead, what progress and questions cost, in small calls")
    instead.add_argument("--identity", action="store_true", help="instead, what it adds to know callers by signed tokens")
    instead.add_argument("--walk", action="store_true", help="instead, which files and functions of the gateway a call goes through")
    return parser.parse_args()


def chosen(arguments: argparse.Namespace) -> Callable[[Path, argparse.Namespace], Findings]:
    """What the arguments ask for."""
    without_wrk = {"startup": starts, "attack": attacks, "drain": drains, "scale": sizes, "streams": streams, "lone": alone, "walk": walks}
    for name, action in without_wrk.items():
        if getattr(arguments, name):
            return action
    install_wrk()
    if arguments.identity:
        return identities
    if arguments.policies or arguments.kept:
        return guards if arguments.policies else keeps
    if arguments.against:
        return differs
    return profiles if arguments.profile else logs if arguments.access_log else costs


def costs(folder: Path, arguments: argparse.Namespace) -> Findings:
    """Measure the price of a call; unless in a hurry, also what the access log adds, and the start."""
    quick: bool = arguments.quick
    connections: Sequence[int] = arguments.connections or ((16,) if quick else CONNECTIONS)
    stub = arguments.stub or (LOOPS[0] if quick else "both")
    with ExitStack() as stack:
        targets = stack.enter_context(open_all(folder, LOOPS if stub == "both" else (stub,)))
        if arguments.peers:
            targets += stack.enter_context(open_peers(folder, targets[0].program))
        rounds = arguments.rounds or (1 if quick else ROUNDS)
        rows = measure_all(targets, connections, rounds, arguments.seconds or (3 if quick else SECONDS))
    wrong, notes = doubts(rows)
    found = Findings(show(rows), {"rows": [attrs.asdict(row) for row in rows]}, price_goals(rows), wrong, notes)
    for other in () if quick else (logs, starts):
        more = other(folder, arguments)
        found.shown += f"\n\n{more.shown}"
        found.facts |= more.facts
        found.goals += more.goals
        found.notes += more.notes
    return found


def logs(folder: Path, arguments: argparse.Namespace) -> Findings:
    """Compare the gateway with its access log and without."""
    found = compare(folder, 4 if arguments.quick else TURNS)
    return Findings(show_comparison(found), {"access log": attrs.asdict(found)}, comparison_goals(found), notes=comparison_notes(found))


def identities(folder: Path, arguments: argparse.Namespace) -> Findings:
    """Compare callers who are known by signed tokens with those who are known by tokens of the gateway's own."""
    from .identified import recognized, recognized_goals, recognized_notes, show_recognized  # loads what signs

    found = recognized(folder, 4 if arguments.quick else 5 * TURNS)
    return Findings(show_recognized(found), {"identity": attrs.asdict(found)}, recognized_goals(found), notes=recognized_notes(found))


def differs(folder: Path, arguments: argparse.Namespace) -> Findings:
    """Compare this checkout with another one."""
    found = against(folder, Path(arguments.against), HASTY if arguments.quick else PATIENT)
    facts = {"against": [attrs.asdict(one) for one in found]}
    return Findings(show_difference(found), facts, difference_goals(found), notes=difference_notes(found))


def starts(folder: Path, arguments: argparse.Namespace) -> Findings:
    """Start it."""
    del arguments
    found = startup(folder)
    return Findings(show_startup(found), {"startup": {name: attrs.asdict(times) for name, times in found.items()}}, startup_goals(found))


def profiles(folder: Path, arguments: argparse.Namespace) -> Findings:
    """Show where the time of a call goes."""
    (connections,) = arguments.connections or (16,)
    found = profile(arguments.profile, connections, arguments.seconds or (4 if arguments.quick else 12), folder)
    return Findings(show_profile(f"{arguments.profile}, {connections} connections", found), {"profile": attrs.asdict(found)})


def attacks(folder: Path, arguments: argparse.Namespace) -> Findings:
    """Let clients and backends do what hurts."""
    kinds: list[str] = arguments.kind or ["clients", *KINDS]
    found = Findings("", {}, [])
    if "clients" in kinds:
        one = attack(folder, SMALL if arguments.quick else WHOLE)
        found = Findings(show_attack(one), {"attack": one}, attack_goals(one), notes=one["notes"])
    if names := [kind for kind in kinds if kind in KINDS]:
        others = floods(folder, QUICK if arguments.quick else THOROUGH, names)
        found.shown = "\n\n".join(filter(None, (found.shown, show_floods(others))))
        found.facts |= {"floods": others}
        found.goals += flood_goals(others)
    return found


def drains(folder: Path, arguments: argparse.Namespace) -> Findings:
    """End the gateway under load."""
    del arguments
    found = drain(folder)
    return Findings(json.dumps(found, indent=1), {"drain": found}, drain_goals(found))


def sizes(folder: Path, arguments: argparse.Namespace) -> Findings:
    """Look at large gateways."""
    del arguments
    from .scale import scale, scale_goals  # loads the gateway itself, which the other measurements do not need

    found = scale(folder)
    return Findings(json.dumps(found, indent=1), {"scale": found}, scale_goals(found))


def streams(folder: Path, arguments: argparse.Namespace) -> Findings:
    """Have calls say something before they are answered."""
    found = streamed(folder, 2) if arguments.quick else streamed(folder)
    return Findings(show_streamed(found), {"streams": found.costs}, streamed_goals(found))


def alone(folder: Path, arguments: argparse.Namespace) -> Findings:
    """Have clients call without a session."""
    found = lone(folder, 3) if arguments.quick else lone(folder)
    return Findings(show_lone(found), {"lone": found.pairs}, lone_goals(found))


def walks(folder: Path, arguments: argparse.Namespace) -> Findings:
    """Follow a call on its way."""
    del folder, arguments
    from .walk import show_walk, walk, walk_goals  # loads the gateway itself, which the other measurements do not need

    found = walk()
    return Findings(show_walk(found), {"walk": found.steps}, walk_goals(found))


def keeps(folder: Path, arguments: argparse.Namespace) -> Findings:
    """Compare calls that are answered with what was kept, or with the answer to another one, with those that are forwarded."""
    from .kept import kept, kept_goals, kept_notes, show_kept

    found = kept(folder, 4 if arguments.quick else TURNS)
    return Findings(show_kept(found), {"kept": attrs.asdict(found)}, kept_goals(found), notes=kept_notes(found))


def guards(folder: Path, arguments: argparse.Namespace) -> Findings:
    """Compare the gateway with its policies and without."""
    from .policies import load_goals, load_notes, loaded, show_load  # loads the gateway itself, which the other measurements do not need

    found = loaded(folder, 4 if arguments.quick else TURNS)
    return Findings(show_load(found), {"policies": attrs.asdict(found)}, load_goals(found), notes=load_notes(found))


def whole(found: Findings) -> dict[str, Any]:
    """Everything in one object."""
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.platform(), "load": os.getloadavg()}
    promises = [attrs.asdict(goal) | {"met": goal.met} for goal in found.goals]
    return {"machine": machine, **found.facts, "goals": promises, "doubts": found.doubts, "notes": found.notes}


if __name__ == "__main__":
    sys.exit(main())
