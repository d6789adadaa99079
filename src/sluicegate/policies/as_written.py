"""Keep what a client has written of a call, for copies that are made of that and not of what others have made of it."""

from __future__ import annotations

import attrs

from ..protocol.calls import Call, Handler, Reply

__all__ = ["AsWritten"]


@attrs.frozen(repr=False)
class AsWritten:
    """Stands outside of whatever changes a call."""

    inner: Handler

    async def __call__(self, call: Call) -> Reply:
        """Run it; whoever is asked, and how often, its client has written the same."""
        call.trail.written = call.params
        return await self.inner(call)
