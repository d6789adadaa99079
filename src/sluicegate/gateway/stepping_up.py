"""Which tools need scopes beyond those that let a caller in, and how he is told so before a call begins."""

from __future__ import annotations

from collections.abc import Callable

from ..config.model import Config, OAuthAuth
from ..identity.challenges import Challenges
from ..identity.identify import Refused, Sent
from ..policies.tool_scopes import NeededScopes
from ..protocol.messages import Request, read_text
from ..protocol.principal import Principal
from ..routing.patterns import Pattern, PatternList

__all__ = ["needed_scopes", "step_up"]


def needed_scopes(config: Config) -> NeededScopes | None:
    """What the callers of some tools need; None where no tool needs anything."""
    auth = config.auth
    if not isinstance(auth, OAuthAuth) or not auth.tool_scopes:
        return None
    rules = [(PatternList.of(list(map(Pattern.parse, rule.tools))).fits, rule.scopes) for rule in auth.tool_scopes]
    return NeededScopes(rules, auth.required_scopes)


def step_up(needed: NeededScopes | None, challenges: Challenges | None) -> Callable[[Sent, Principal, Request], Refused | None] | None:
    """What tells before a call begins that its sender needs other scopes, so that the status says so; None where nobody does."""
    if needed is None or challenges is None:
        return None

    def judge(sent: Sent, principal: Principal, request: Request) -> Refused | None:
        name = read_text(request.params, "name") if request.method == "tools/call" else None
        lacking = needed.lacking(name, principal.scopes) if isinstance(name, str) else ()
        return challenges.insufficient(sent, lacking, principal.scopes) if lacking else None

    return judge
