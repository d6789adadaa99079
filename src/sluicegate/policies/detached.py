"""A request once more, on nobody's behalf: for the copies of a mirror, and for what is asked for anew."""

from __future__ import annotations

from ..protocol.calls import Call, Trail, without_task
from ..protocol.tokens import without_token

__all__ = ["detached"]


def detached(call: Call) -> Call:
    """The same request with a life of its own: nobody to report to, no progress, no task."""
    params = without_task(call.params)
    meta = params.get("_meta")
    if meta is not None:
        params["_meta"] = without_token(meta)
    return Call(call.method, call.target, params, call.caller.abroad(), trail=Trail(written=call.trail.written))
