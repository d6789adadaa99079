"""A call as a handler, a policy or a backend's session gets it."""

from __future__ import annotations

from sluicegate.protocol.calls import NAMED_BY, OURSELVES, SILENT, Back, Call, Caller
from sluicegate.protocol.messages import Raw, encode

__all__ = ["a_call"]


def a_call(
    target: str | int = "files_list", /, method: str = "tools/call", *, back: Back = SILENT, caller: Caller = OURSELVES, **params: object
) -> Call:
    """A call that a caller has named like this.

    Args:
        target: with its namespace; the backend's own name is what follows that.
        method: of the protocol, or none of it.
        back: where notes and questions go.
        caller: whose it is.
        params: further parameters, or others; bytes are JSON already.
    """
    named = str(target)
    raw = {NAMED_BY.get(method, "name"): Raw(encode(named.partition("_")[2] or named))}
    given = {name: Raw(value if isinstance(value, bytes) else encode(value)) for name, value in params.items()}
    return Call(method, named, raw | given, caller, back)
