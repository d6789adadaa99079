"""The modules of this folder import each other by their path from the root, where also ``scripts/soak`` finds them."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
