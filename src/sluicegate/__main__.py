"""``sluicegate`` and ``python -m sluicegate``: the way into the program, which stands before anything that takes time to load."""

from __future__ import annotations

import sys
from typing import NoReturn

__all__ = ["main"]


def main() -> NoReturn:
    """Run the command line and exit."""
    if sys.argv[1:2] in (["run"], ["connect"]):
        from .cli.first_signals import FirstSignals

        FirstSignals().stand()
    from .cli.main import main as run_command

    run_command()


if __name__ == "__main__":
    main()
