"""What must be true of the life of any world. Each claim reads what was seen at the two sides of the gateway, and its settings."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise

from tests.properties.bounds import cap, ejection_limit, longest_call
from tests.properties.living import Account
from tests.properties.watching import Attempt

__all__ = ["CLAIMS"]

HAIR = 1e-6
"""Seconds; fractions are rounded."""
WINDOW = 10.0


def one_reply(account: Account) -> Iterator[str]:
    """Every call gets exactly one reply, its own; one that was let go of, at most one."""
    yield from account.register.wrong
    for asked in account.register.asked:
        if len(asked.replies) > 1 or (not asked.replies and asked.left_at == float("inf")):
            yield f"{asked.mark} got {len(asked.replies)} replies: {asked.outcome}"


def nothing_after_the_end(account: Account) -> Iterator[str]:
    """Nothing runs after the gateway has closed, and when nobody calls nothing is taken."""
    yield from account.left
    for attempt in account.watch.attempts:
        if attempt.begins > account.closed_at or attempt.ends > account.closed_at:
            yield f"{attempt.mark}: attempt {attempt.number} at {attempt.backend} began at {attempt.begins} and ended at {attempt.ends}"


def attempts_within_the_budget(account: Account) -> Iterator[str]:
    """A call makes at most one attempt and those that it has drawn, and draws of any ten seconds are within the budget of its path."""
    granted = Counter(draw.mark for draw in account.watch.draws if draw.granted)
    reached = Counter(attempt.mark for attempt in _of_calls(account))
    paths = {asked.mark: asked.target for asked in account.register.asked}
    for mark, times in reached.items():
        retry = account.world[paths[mark]].config.retry
        if retry is not None and retry.budget_percent is not None and times > 1 + granted[mark]:
            yield f"{mark} made {times} attempts, and drew {granted[mark]} beyond the first"
        most = sum(_most_attempts(account, part.name) for part in account.world.group(paths[mark]))
        if times > most:
            yield f"{mark} made {times} attempts of at most {most}"
    for part in account.world.primaries:
        retry = part.config.retry
        if retry is not None and retry.budget_percent is not None:
            yield from _draws_within(account, part.name, retry.budget_percent, retry.min_retries_per_sec)


def _most_attempts(account: Account, name: str) -> int:
    config = account.world[name].config
    return (1 + (config.retry.max_retries if config.retry else 0)) * (1 + (config.hedging.max_hedges if config.hedging else 0))


def _draws_within(account: Account, path: str, percent: float, least: float) -> Iterator[str]:
    first: dict[str, float] = {}
    for at, backend, mark in account.watch.entries:
        if account.watch.paths[backend] == path:
            first.setdefault(mark, at)
    draws = [draw for draw in account.watch.draws if draw.path == path and draw.granted]
    for draw in draws:
        calls = sum(draw.at - WINDOW < at <= draw.at for at in first.values())
        taken = sum(draw.at - WINDOW <= other.at <= draw.at for other in draws)
        if taken > cap(percent, least, calls):
            yield f"{path}: in the ten seconds before {draw.at} were {calls} calls and {taken} draws, {draw.mark} the last"


def _of_calls(account: Account) -> list[Attempt]:
    """Without the copies of mirrors."""
    return [attempt for attempt in account.watch.attempts if account.world[attempt.backend].config.mirror_of is None]


def ejected_within_the_limit(account: Account) -> Iterator[str]:
    """So many of a group are out at once as its settings allow, and an attempt reaches one that is out only if a group has nobody else left."""
    for attempt in _of_calls(account):
        for part in account.world.primaries:
            out = [name for name in attempt.out if account.watch.paths[name] == part.name]
            if len(out) > ejection_limit(account.world, part.name):
                yield f"{', '.join(out)} are out at {attempt.begins}"
        is_alone = len(account.world.group(account.watch.paths[attempt.backend])) == 1
        may_be_asked = (attempt.last_resort and not is_alone) or _may_wait(account, attempt.backend)
        if attempt.backend in attempt.out and not may_be_asked:
            yield f"{attempt.mark}: attempt {attempt.number} reached {attempt.backend}, which is out"


def _may_wait(account: Account, name: str) -> bool:
    """Whether there is a queue between the gate and the session."""
    config = account.world[name].config
    return config.rate_limit is not None or config.concurrency is not None


def probes_within_the_permits(account: Account) -> Iterator[str]:
    """An open breaker lets nothing through, and waits as long as it should; a half-open one so many that run or have succeeded."""
    for part in account.world.parts:
        given = part.config.circuit_breaker
        if given is None or part.config.mirror_of is not None:
            continue
        turns = [turn for turn in account.watch.turns if turn.backend == part.name]
        for turn, after in pairwise(turns):
            if turn.state == "Open" and after.at - turn.at < given.wait_duration_seconds - HAIR:
                yield f"{part.name} was open from {turn.at} to {after.at} only"
        if _may_wait(account, part.name):
            continue
        periods = defaultdict[int, list[Attempt]](list)
        for attempt in _of_calls(account):
            if attempt.backend == part.name:
                periods[attempt.period].append(attempt)
        for attempts in periods.values():
            yield from _let_through(attempts, given.permitted_calls_in_half_open)


def _let_through(attempts: list[Attempt], permitted: int) -> Iterator[str]:
    """Attempts that began in one state of a breaker."""
    for place, attempt in enumerate(attempts):
        if attempt.state == "Open":
            yield f"{attempt.mark}: attempt {attempt.number} began while the breaker of {attempt.backend} was open"
        elif attempt.state == "HalfOpen":
            before = [other for other in attempts[:place] if other.ends > attempt.begins or other.bad is False]
            if len(before) >= permitted:
                yield f"{attempt.mark}: attempt {attempt.number} at {attempt.backend} began beside {len(before)} probes"


def deadlines_hold(account: Account) -> Iterator[str]:
    """A call ends at its deadline whatever it waits for, an attempt at its own, and a copy at that of its mirror."""
    for asked in account.register.asked:
        due = asked.at + longest_call(account.world, account.world[asked.target])
        heard = account.register.heard_at.get(asked.mark, 0.0)
        if heard > due + HAIR:
            yield f"{asked.mark} was due at {due} and was answered at {heard}"
    for attempt in account.watch.attempts:
        config = account.world[attempt.backend].config
        most = account.world[account.watch.paths[attempt.backend]].config.timeout.seconds
        if config.mirror_of is not None:
            most = config.timeout.seconds
        elif config.timeout.per_attempt_seconds is not None:
            most = min(most, config.timeout.per_attempt_seconds)
        if attempt.ends - attempt.begins > most + HAIR:
            yield f"{attempt.mark}: attempt {attempt.number} at {attempt.backend} took {attempt.ends - attempt.begins} of {most} s"


def no_harm_is_repeated(account: Account) -> Iterator[str]:
    """What may do harm is run at most once by each backend, unless its settings name it."""
    for part in account.world.parts:
        tables = part.config.retry, part.config.hedging
        if not part.safe and all(table is None or table.only == "safe" for table in tables):
            yield from (f"{mark} was run {times} times by {part.name}" for mark, times in account.ran[part.name].items() if times > 1)


def recovers(account: Account) -> Iterator[str]:
    """After the last fault, and what the settings of all policies add up to, every call goes well."""
    for asked, went_well in account.calm:
        if not went_well:
            yield f"{asked.mark} of {asked.target} failed {asked.at - account.storm_ends:.2f} s after the last fault: {asked.replies}"


CLAIMS: dict[str, Callable[[Account], Iterator[str]]] = {
    "one-reply": one_reply,
    "nothing-after-the-end": nothing_after_the_end,
    "attempts": attempts_within_the_budget,
    "ejected": ejected_within_the_limit,
    "probes": probes_within_the_permits,
    "deadlines": deadlines_hold,
    "harm": no_harm_is_repeated,
    "recovery": recovers,
}
