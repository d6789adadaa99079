"""What every client call passes first, outermost first; the order of the rest is in ``pipeline``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import attrs
import trio

from ..config.model import Config
from ..observe.access import AccessLog, Sink
from ..observe.metrics import Counts, Metrics
from ..policies.compose import stack
from ..policies.lifetime import Lifetime
from ..policies.tool_scopes import NeededScopes, ToolScopesHeld
from ..protocol.calls import Call, Coming, Handler, Layer, Reply
from ..routing.access.recognized import Recognized
from ..routing.access.rule_book import RuleBook
from ..routing.directory import Directory
from ..routing.table import Router
from .composite_making import composite_layer
from .policy_making import limit_layer
from .searching import Searching
from .stepping_up import needed_scopes

__all__ = ["Edge", "recognized_by"]


@attrs.frozen(eq=False, repr=False)
class Edge:
    """What every client call passes, once, before anything is known about where it goes."""

    lines: Sink | None
    """The access log; None where there is none."""
    counts: Counts | None
    """What ``/metrics`` shows; None where it is not there."""
    limit: Layer | None
    """The rate limit of all clients together; what is put around calls, and around what we answer ourselves, shares it."""
    wall: Callable[[], float]
    composites: Layer | None = None
    """Tools of the gateway's own; None where there are none."""
    search: Searching | None = None
    """Tools by which others are found; None where there are none."""
    recognized: Layer | None = None
    """Refuses who has no role; None where nobody needs one."""
    scopes: NeededScopes | None = None
    """What the callers of some tools must have been granted; None where no tool needs anything."""

    @classmethod
    def of(
        cls, config: Config, directory: Directory, lines: Sink | None, wall: Callable[[], float], search: Searching | None = None
    ) -> Edge:
        """As a configuration wants it."""
        observability = config.observability
        counts = Counts() if observability.metrics.enabled else None
        lines = lines if observability.access_log.enabled else None
        own, recognized = composite_layer(config, directory), recognized_by(directory.rules)
        return cls(lines, counts, limit_layer(config.proxy.rate_limit), wall, own, search, recognized, needed_scopes(config))

    def around(self, router: Handler) -> Handler:
        """Around what finds the backend of a call."""
        lines, wall, search, scopes = self.lines, self.wall, self.search, self.scopes
        held = None if scopes is None else lambda inner: ToolScopesHeld(inner, scopes)
        return stack(
            search.leading_on if search is not None and search.names.has_call else None,  # what follows knows it as what it is meant to be
            (lambda inner: AccessLog(inner, lines, wall)) if lines is not None else None,  # what is refused is logged too
            _counted_by(self.counts),
            Lifetime,  # inside of both: they see an answer even of a call that was cut
            self.limit,
            self.recognized,  # what else a caller may not use nobody finds for him: he sees a catalogue of his own (`Directory.seen_by`)
            held,
            search.answering if search is not None else None,
            self.composites,
            held if self.composites is not None else None,  # the parts of a composite tool come in below it
            around=router,
        )

    def at_once(self, router: Router) -> Callable[[Call], Reply | Coming | None]:
        """What of that matters for an answer that needs no task; where there is a limit, or a rule about tools, each call passes it."""
        counts, tell = self.counts, None if self.lines is None else AccessLog(router, self.lines, self.wall).tell

        def ended(call: Call, began: float, reply: Reply) -> Reply:
            outcome, seconds = reply.outcome(call.method), trio.current_time() - began
            if counts is not None:
                counts.ended(call.method, call.trail, outcome, seconds)
            if tell is not None:
                tell(call, outcome, seconds)
            return reply

        def landed(call: Call, began: float, reply: Reply) -> Reply:
            if counts is not None:
                counts.running -= 1
            return ended(call, began, reply)

        def answer(call: Call) -> Reply | Coming | None:
            began = trio.current_time()
            found = router.at_hand(call)
            if found is None or isinstance(found, Reply):
                return None if found is None else ended(call, began, found)
            if counts is not None:
                counts.running += 1
            found.then(partial(landed, call, began))
            return found

        return answer if self.limit is None and self.scopes is None else lambda _call: None

    def around_own(self, answer: Handler) -> Handler:
        """Around the methods that we answer ourselves, such as ``ping`` and the lists."""
        return stack(_counted_by(self.counts), Lifetime, self.limit, self.recognized, around=answer)


def recognized_by(rules: RuleBook | None) -> Layer | None:
    """What refuses who has no role; None where nobody needs one."""
    return (lambda inner: Recognized(inner, rules)) if rules is not None and rules.refuses_strangers else None


def _counted_by(counts: Counts | None) -> Layer | None:
    return None if counts is None else lambda inner: Metrics(inner, counts)
