"""Where the project's own files are."""

from __future__ import annotations

import sys
from pathlib import Path

__all__ = ["CONF", "ROOT", "SLUICEGATE"]

ROOT = Path(__file__).parents[2]
CONF = ROOT / "conf"
"""The configurations that are shipped."""
SLUICEGATE = (sys.executable, "-m", "sluicegate")
"""The command, in the interpreter that runs the tests."""
