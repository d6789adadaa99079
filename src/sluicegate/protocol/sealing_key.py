"""A key that outlives the process, as it is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Self

import attrs

__all__ = ["KEY_NAME", "SealingKey"]

_BYTES = 32
_ID_BYTES = 4
KEY_NAME = 2 * _ID_BYTES
"""Characters of the name of a key."""


@attrs.frozen(order=True, repr=False)
class SealingKey:
    """One of several; their order is by age."""

    made: int
    """When, in seconds since the epoch."""
    secret: bytes = attrs.field(validator=[attrs.validators.min_len(_BYTES), attrs.validators.max_len(_BYTES)])
    id: str = attrs.field(init=False, eq=False)
    """By which it is named; it tells nothing of the key, and is the same for all who have it."""

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "id", hashlib.blake2b(self.secret, digest_size=_ID_BYTES, person=b"sluicegate key").hexdigest())

    def derived(self, use: str) -> bytes:
        """The key for that use: who has it can tell neither this one nor that for another use."""
        return hashlib.blake2b(use.encode(), key=self.secret, digest_size=_BYTES, person=b"sluicegate use").digest()

    @classmethod
    def new(cls, now: float, secret: Callable[[int], bytes]) -> Self:
        """Another one; ``secret`` gives so many unguessable bytes."""
        return cls(int(now), secret(_BYTES))
