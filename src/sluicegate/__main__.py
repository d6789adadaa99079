"""``sluicegate`` and ``python -m sluicegate``: the way into the program, which stands before anything that takes time to load."""

from __future__ import annotations

import gc
import sys
from typing import NoReturn

__all__ = ["main"]

WHILE_LOADING = 1_000_000
"""When the garbage collector looks at what is new while the program is loaded, which makes no garbage: a gateway takes half as many objects.
At every 700 it looked 150 times, for 50 of the 400 ms that the start takes."""


def main() -> NoReturn:
    """Run the command line and exit."""
    gc.set_threshold(WHILE_LOADING)
    if sys.argv[1:2] in (["run"], ["connect"]):
        from .cli.first_signals import FirstSignals

        FirstSignals(rereads=sys.argv[1] == "run").stand()
    from .cli.main import main as run_command

    run_command()


if __name__ == "__main__":
    main()
