"""The seam for faults that are put around backends on purpose; `sluicegate.testing.injections.injector.Injections` is what stands there.

A gateway that nobody gave any neither loads nor asks for them.
"""

from __future__ import annotations

from typing import Protocol

from ..backends.session import Connector
from ..frontends.wishes import Wishes

__all__ = ["FaultKit"]


class FaultKit(Wishes, Protocol):
    """Makes backends fail."""

    def around(self, name: str, connector: Connector) -> Connector:
        """The same connector, with faults."""
        ...
