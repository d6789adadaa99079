"""What programs read of a command, printed alike by all of them."""

from __future__ import annotations

import json

__all__ = ["print_json"]


def print_json(value: object) -> None:
    """Print a value as JSON; a number that only `decimal.Decimal` holds is printed as text."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=str))
