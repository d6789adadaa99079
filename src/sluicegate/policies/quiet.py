"""Withhold what a backend says about a call while it runs: its answer is then one JSON document, however large, and no stream.

A note before it makes a stream of events of an answer over HTTP, and there are clients that refuse an event of more than a mebibyte.
"""

from __future__ import annotations

from functools import partial

import attrs

from ..protocol.calls import AtHand, Back, Call, Coming, Handler, Reply, at_hand
from ..protocol.fault import Fault
from ..protocol.messages import Params
from ..protocol.question import Question
from ..protocol.tokens import without_token

__all__ = ["Quiet"]


@attrs.frozen(eq=False, repr=False)
class _Deaf:
    """A back that drops notes, and passes questions on."""

    back: Back

    def note(self, message: bytes) -> None:
        """Drop it."""

    def ask(self, question: Question) -> Fault | None:
        return self.back.ask(question)

    def hold(self, question: Question) -> None:
        self.back.hold(question)


@attrs.frozen(repr=False)
class Quiet:
    """Ask the backend for no progress, and pass on no notes."""

    inner: Handler

    async def __call__(self, call: Call) -> Reply:
        """Run the call, which is this backend's alone, without a progress token."""
        if "_meta" in call.params:
            call.params = call.params | {"_meta": without_token(call.params["_meta"])}
        call.back = _Deaf(call.back)
        call.trail.be_whole()
        return await self.inner(call)

    @property
    def at_hand(self) -> AtHand | None:
        """Nothing is said meanwhile; of what comes later something might be, so that gets another back, and a task."""
        inner = at_hand(self.inner)
        return None if inner is None else partial(_as_one_document, inner)


def _as_one_document(inner: AtHand, call: Call, params: Params) -> Reply | Coming | None:
    call.trail.be_whole()
    return inner(call, params)
