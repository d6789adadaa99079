"""What a child process may do beside its answers, or instead of them."""

from __future__ import annotations

from typing import ClassVar

import attrs

from ..transports import CHILD

__all__ = ["ChildExit", "DeafChild", "StderrFlood"]


@attrs.frozen
class ChildExit:
    """The child ends in the middle of the call, with this status."""

    over: ClassVar = CHILD
    code: int = 1


@attrs.frozen
class DeafChild:
    """From now on the child hears neither that its input ends nor SIGTERM. The call itself goes well."""

    over: ClassVar = CHILD


@attrs.frozen
class StderrFlood:
    """The child complains, for so many bytes. The call itself goes well."""

    over: ClassVar = CHILD
    size: int = 1_000_000
