"""What is said to those who may not use something; the rest of all that can go wrong is in ``protocol/faults``."""

from __future__ import annotations

from ...protocol.errors import INVALID_PARAMS
from ...protocol.fault import Cause, Fault

__all__ = ["no_role", "not_permitted"]


def not_permitted(who: str, does: str, name: str) -> Fault:
    """The caller's token or roles leave it out (AUTH-4, RBAC-6)."""
    return Fault(Cause.POLICY, INVALID_PARAMS, f"{who} not authorized to {does}: {name}", "not_permitted", started=False)


def no_role() -> Fault:
    """The caller may do nothing at all (RBAC-4)."""
    message = "Authenticated principal carries no recognized role; access denied (rbac default_deny)"
    return Fault(Cause.POLICY, INVALID_PARAMS, message, "no_role", started=False)
