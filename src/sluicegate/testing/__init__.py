"""The same gateway under a virtual clock: scripted backends, faults, a seed, and an outside world in memory.

- What stands behind the gateway: `ScriptedBackend`, which plays steps (`Answer`, `Echo`, `Delay`, …) and keeps a `Transcript`.
- What goes wrong: `Injections` of a `Script` of `Rule`, for ``open_gateway(faults=…)``; `FaultyStream` for code of one's own that reads streams.
- What is around it: `open_outside`, with a `MemoryNetwork`, a `Resolver` and a `ProcessTable`.
- What looks at a run: `play` and `replays`, `no_leaks`, `cancel_at_every_checkpoint`, `cut_after`, `assert_transcript`.

`sluicegate.testing.plugin` has the fixtures for pytest; ``sluicegate help faults`` has an example of each. Names are loaded when they are first used,
so that the plugin, which stands here, costs nothing where nobody asks for it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
