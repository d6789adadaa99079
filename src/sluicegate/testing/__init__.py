"""The same gateway under a virtual clock: scripted backends, faults, a seed, and an outside world in memory.

- What stands behind the gateway: `ScriptedBackend`, which plays steps (`Answer`, `Echo`, `Delay`, …) and keeps a `Transcript`.
- What goes wrong: `Injections` of a `Script` of `Rule`, for ``open_gateway(faults=…)``; `FaultyStream` for code of one's own that reads streams.
- What is around it: `open_outside`, with a `MemoryNetwork`, a `Resolver` and a `ProcessTable`.
- What looks at a run: `play` and `replays`, `no_leaks`, `cancel_at_every_checkpoint`, `cut_after`, `assert_transcript`.

`sluicegate.testing.plugin` has the fixtures for pytest; ``sluicegate help faults`` has an example of each. Names are loaded when they are first used,
so that the plugin, which stands here, costs nothing where nobody asks for it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .backend import ScriptedBackend
    from .checkpoints import Trial, cancel_at_every_checkpoint
    from .determinism import deterministic
    from .fixtures import OpenGateway, Seeded
    from .injections.draws import Exponential, Uniform
    from .injections.injector import Injected, Injections
    from .injections.kinds import (
        AskBack,
        ChildExit,
        DeafChild,
        Delay,
        Drip,
        DropAnswer,
        Duplicate,
        Forgotten,
        Garble,
        Hang,
        Injection,
        ListStorm,
        Oversize,
        ProgressFlood,
        Refuse,
        Reorder,
        Reset,
        RpcError,
        SessionLost,
        StderrFlood,
        ToolFails,
        TooManyRequests,
        Truncate,
        Unauthorized,
        Unavailable,
        WrongId,
    )
    from .injections.streams import FaultyStream
    from .leaks import no_leaks
    from .network import MemoryOutside, open_outside, run_inline
    from .playing import Play, Played, Scenario, play, replays
    from .processes import ProcessTable, Program
    from .programs import program_of
    from .resolver import Resolver
    from .scissors import cut_after
    from .script import Answer, Ask, Echo, Note, Result, Rule, Script, Step
    from .transcript import Transcript, assert_transcript
    from .wire import MemoryListener, MemoryNetwork, MemoryStream, memory_pair

__all__ = [
    "Answer",
    "Ask",
    "AskBack",
    "ChildExit",
    "DeafChild",
    "Delay",
    "Drip",
    "DropAnswer",
    "Duplicate",
    "Echo",
    "Exponential",
    "FaultyStream",
    "Forgotten",
    "Garble",
    "Hang",
    "Injected",
    "Injection",
    "Injections",
    "ListStorm",
    "MemoryListener",
    "MemoryNetwork",
    "MemoryOutside",
    "MemoryStream",
    "Note",
    "OpenGateway",
    "Oversize",
    "Play",
    "Played",
    "ProcessTable",
    "Program",
    "ProgressFlood",
    "Refuse",
    "Reorder",
    "Reset",
    "Resolver",
    "Result",
    "RpcError",
    "Rule",
    "Scenario",
    "Script",
    "ScriptedBackend",
    "Seeded",
    "SessionLost",
    "StderrFlood",
    "Step",
    "TooManyRequests",
    "ToolFails",
    "Transcript",
    "Trial",
    "Truncate",
    "Unauthorized",
    "Unavailable",
    "Uniform",
    "WrongId",
    "assert_transcript",
    "cancel_at_every_checkpoint",
    "cut_after",
    "deterministic",
    "memory_pair",
    "no_leaks",
    "open_outside",
    "play",
    "program_of",
    "replays",
    "run_inline",
]

_HOMES = {
    "backend": ("ScriptedBackend",),
    "checkpoints": ("Trial", "cancel_at_every_checkpoint"),
    "determinism": ("deterministic",),
    "injections.draws": ("Exponential", "Uniform"),
    "injections.kinds": (
        "AskBack",
        "ChildExit",
        "DeafChild",
        "Delay",
        "Drip",
        "DropAnswer",
        "Duplicate",
        "Injection",
        "Garble",
        "Hang",
        "ListStorm",
        "Oversize",
        "ProgressFlood",
        "Refuse",
        "Reorder",
        "Reset",
        "RpcError",
        "Unavailable",
        "Forgotten",
        "SessionLost",
        "StderrFlood",
        "TooManyRequests",
        "ToolFails",
        "Truncate",
        "Unauthorized",
        "WrongId",
    ),
    "injections.streams": ("FaultyStream",),
    "fixtures": ("OpenGateway", "Seeded"),
    "injections.injector": ("Injections", "Injected"),
    "leaks": ("no_leaks",),
    "network": ("MemoryOutside", "open_outside", "run_inline"),
    "playing": ("Play", "Played", "Scenario", "play", "replays"),
    "processes": ("ProcessTable", "Program"),
    "programs": ("program_of",),
    "resolver": ("Resolver",),
    "scissors": ("cut_after",),
    "script": ("Answer", "Ask", "Echo", "Note", "Result", "Rule", "Script", "Step"),
    "transcript": ("Transcript", "assert_transcript"),
    "wire": ("MemoryListener", "MemoryNetwork", "MemoryStream", "memory_pair"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{home}", __name__), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
