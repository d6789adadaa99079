"""Where the time of a call goes: `sampled` looks at the gateway from within while wrk drives it."""

from __future__ import annotations

import json
import re
import signal
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs

from .processes import Failed
from .targets import SHAPES, gateway, http_stub
from .usage import usage

__all__ = ["Profile", "profile", "show_profile"]

SAMPLED = Path(__file__).with_name("sampled.py")
MOST = 30
"""Lines of each table."""


@attrs.frozen
class Profile:
    """Microseconds of processor time per call, unless it says otherwise. A function that calls itself counts once."""

    total: float
    samples: int
    by_room: dict[str, float]
    """Of the innermost frame: folders of the gateway, and packages."""
    own: dict[str, float]
    """By function, without what it calls."""
    whole: dict[str, float]
    """By function, with what it calls."""
    lines: dict[str, float]
    """By line of source, without what it calls."""
    collecting: float
    """Spent in looking for garbage; in the tables it stands where the next object was made."""
    garbage: float
    """Objects per call that referred to each other in a circle, so that they had to be looked for."""
    loop: dict[str, float | str]
    """Per call: tasks that were started, steps of tasks, turns of the loop. And the longest turn and step in milliseconds, with that task."""


def profile(shape: str, connections: int, seconds: int, folder: Path) -> Profile:
    """Drive a gateway of that shape and watch it: once for its functions, once for its loop."""
    out = folder / "sampled.json"
    command = [sys.executable, str(SAMPLED), str(out)]
    with http_stub(folder) as stub, gateway(shape, folder, stub, command=command, **SHAPES[shape]) as target:
        target.drive(connections, 1)
        target.program.process.send_signal(signal.SIGUSR1)
        before = usage(target.program.pid)
        load = target.drive(connections, seconds)
        used = usage(target.program.pid) - before
        target.program.process.send_signal(signal.SIGUSR2)
        counted = target.drive(connections, max(1, seconds // 3))
    if not out.exists() or not load.requests or not counted.requests:
        raise Failed(f"the gateway left no profile:\n{target.program.tail()}")
    return read(json.loads(out.read_text()), used.own / load.requests * 1e6, load.requests, counted.requests)


def read(found: Mapping[str, Any], total: float, calls: int, counted: int) -> Profile:
    """From stacks to shares of a total."""
    rooms, own, whole, lines = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for stack in found["stacks"]:
        count = stack["count"]
        frames = [(function, short(file)) for function, file in stack["frames"]]
        function, file = frames[-1]
        own[f"{function} ({file})"] += count
        lines[f"{file}:{stack['line']} {function}"] += count
        rooms[room_of(file)] += count
        whole.update({f"{function} ({file})": count for function, file in within_the_loop(frames)})
    samples = own.total()

    def scaled(counter: Counter[str]) -> dict[str, float]:
        return {name: round(count / samples * total, 2) for name, count in counter.most_common(4 * MOST)}

    loop = found["loop"]
    per_call: dict[str, float | str] = {name: round(loop[name] / counted, 3) for name in ("tasks", "steps", "turns")}
    per_call |= {name: round(loop[name] * 1e3, 2) for name in ("longest_step", "longest_turn")} | {"slowest": loop["slowest"]}
    collecting, garbage = round(found["collecting"] / calls * 1e6, 1), round(found["garbage"] / calls, 1)
    return Profile(round(total, 1), samples, scaled(rooms), scaled(own), scaled(whole), scaled(lines), collecting, garbage, per_call)


def short(file: str) -> str:
    """A file of a package or of the standard library, without the folder where those are; all generated code is one file."""
    if file.startswith("<"):
        return "generated" if "attrs" in file or file == "<string>" else file
    return re.sub(r"^.*/(site-packages|src|(?:lib/)?python\d[\d.]*)/", "", file)


def room_of(file: str) -> str:
    """The folder of a file of ours, or the package of another."""
    parts = file.split("/")
    return "/".join(parts[:2]).removesuffix(".py") if parts[0] == "sluicegate" else parts[0].removesuffix(".py")


def within_the_loop(frames: list[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    """The frames inside of Trio's loop, or all where there is none."""
    inside = [place for place, (function, _file) in enumerate(frames) if function == "unrolled_run"]
    return frames[inside[0] :] if inside else frames


def show_profile(name: str, found: Profile) -> str:
    """Tables."""
    loop = found.loop
    tables: list[tuple[str, dict[str, float]]] = [
        ("by room", found.by_room),
        ("functions, without what they call", found.own),
        ("functions, with what they call", found.whole),
        ("lines, without what they call", found.lines),
    ]
    text = [f"{name}: {found.total:.1f} µs of processor time per call ({found.samples} samples)"]
    text += [f"{found.collecting:.1f} µs of it for looking for garbage; {found.garbage} objects per call were found"]
    text += [f"per call {loop['tasks']} tasks started, {loop['steps']} steps, {loop['turns']} turns of the loop"]
    text += [f"longest turn {loop['longest_turn']} ms, longest step {loop['longest_step']} ms: {loop['slowest']}"]
    for title, table in tables:
        text += ["", f"  µs  {title}"]
        text += [f"{micros:6.1f}  {what}" for what, micros in list(table.items())[:MOST]]
    return "\n".join(text)
