"""The codes of what the gateway's own rules do not let through: the seventh hundred of `fault_codes`."""

from __future__ import annotations

from .cause import Cause
from .code_page import Code
from .errors import INVALID_PARAMS, UNAUTHORIZED

__all__ = ["DENIALS"]

DENIALS = (
    Code(
        "SG-701", "not_available", Cause.POLICY, INVALID_PARAMS, "The configuration hides it",
        "A filter (`expose_…`, `hide_…`) leaves this name out, or it is a stand-in's own name.", "Use a name from the list.",
        "Change the filter if it is to be called.", "use a name from the list",
    ),
    Code(
        "SG-702", "unknown_caller", Cause.POLICY, INVALID_PARAMS, "The tool is given the name of its caller",
        "An argument of the tool is `${principal.…}`, and whoever calls has shown no name.", "Call with a token of your own.",
        "Have callers identify themselves with an [auth] table, or take the argument out.", "show who you are, and call again",
    ),
    Code(
        "SG-703", "not_permitted", Cause.POLICY, INVALID_PARAMS, "The caller may not use it",
        "The lists of the caller's token, or of its roles, leave this name out. Whether there is such a thing is not said. No backend has seen the call.",
        "Use a name from the list, or ask for another role.",
        "`sluicegate access explain` says which rule it was; change it if this caller is to use the name.", "use a name from the list",
    ),
    Code(
        "SG-704", "missing_header", Cause.POLICY, INVALID_PARAMS, "The tool is given a header of the request",
        "An argument of the tool is `${header.…}`, and the request came without that header, with it more than once, or with one that is no text of "
        "1024 bytes at most; or it did not come over HTTP. No backend has seen the call.",
        "Send the header that the message names, once.",
        "Have the proxy in front set it, or write what holds without it: `${header.NAME:-none}`.", "send the header that the message names",
    ),
    Code(
        "SG-705", "no_role", Cause.POLICY, INVALID_PARAMS, "The caller has none of the roles that there are",
        "Who it is is known, and none of what its token says leads to a role (`role_mapping`), so it may do nothing at all.",
        "Ask whoever gives out the tokens for a role.",
        "Add what its tokens say to `role_mapping.mapping`; `sluicegate access explain` shows what that is. `default_deny = false` lets everybody "
        "in who has no role, without limits.", "ask for a role",
    ),
    Code(
        "SG-706", "insufficient_scope", Cause.POLICY, UNAUTHORIZED, "The token lacks a scope",
        "The authorization server has not granted the caller what this tool needs (`auth.tool_scopes`); `data.scopes` names all of it. "
        "Over HTTP the status is 403, with the same scopes in WWW-Authenticate. No backend has seen the call.",
        "Get a token with these scopes and send the call again.", "Grant them at the authorization server, or change auth.tool_scopes.",
        "get a token with the scopes that are named",
    ),
)  # fmt: skip
"""In the order of their numbers."""
