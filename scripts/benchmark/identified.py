"""What it costs to know callers by signed tokens: gateways that know one by a token of their own and by a signed one, driven at the same time.

A third gateway, which is as the first, is a check, as with the access log.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import attrs
from joserfc import jws
from joserfc.jwk import RSAKey

from .goals import Goal
from .logged import CONNECTIONS, NOISE, WARM_UP, cost
from .price import say
from .ratios import Ratio, ratio
from .targets import Target, gateway, http_stub

__all__ = ["Recognized", "recognized", "recognized_goals", "recognized_notes", "show_recognized"]

OWN, SIGNED, AGAIN = "own token", "signed token", "own token, again"
ISSUER, AUDIENCE = "https://id.example", "https://gate.example/mcp"


@attrs.frozen
class Recognized:
    """Microseconds of processor time per call in each second, and what they say."""

    costs: Mapping[str, list[float]]
    signed: Ratio
    """With signed tokens, as a multiple of the mean of those with a token of their own."""
    check: Ratio


def recognized(folder: Path, times: int) -> Recognized:
    """Measure all three so often."""
    with ExitStack() as stack:
        stub = stack.enter_context(http_stub(folder))
        tokens = dict(_tokens(folder))
        targets: list[Target] = [
            stack.enter_context(gateway(name, folder, stub, lines={"auth": tokens[name][0]}, token=tokens[name][1]))
            for name in (OWN, SIGNED, AGAIN)
        ]
        for target in targets:
            target.drive(CONNECTIONS, WARM_UP)
        drivers = stack.enter_context(ThreadPoolExecutor(len(targets)))
        rows = []
        for number in range(times):
            say(f"{number + 1}/{times}: signed tokens …")
            rows.append([round(micros, 2) for micros in drivers.map(cost, targets)])
        say("")
    signed = ratio((found, (first + second) / 2) for first, found, second in rows)
    check = ratio((second, first) for first, _, second in rows)
    return Recognized(dict(zip((OWN, SIGNED, AGAIN), map(list, zip(*rows, strict=True)), strict=True)), signed, check)


def _tokens(folder: Path) -> Iterator[tuple[str, tuple[str, str]]]:
    """By the name of a gateway what it is told of callers, and the token of one."""
    own = "0123456789abcdef0123456789abcdef"
    for name in (OWN, AGAIN):
        yield name, (f'[auth]\ntype = "bearer"\ntokens = ["{own}"]\n', own)
    key, now = RSAKey.generate_key(2048), time.time()
    (folder / "keys.json").write_text(json.dumps({"keys": [{**key.as_dict(private=False), "kid": "k"}]}), encoding="utf-8")
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "somebody", "iat": now, "exp": now + 3600, "scope": "openid profile mcp"}
    claims |= {"name": "Some Body", "email": "somebody@example.org", "groups": [f"group-{number}" for number in range(12)], "azp": "client"}
    token = jws.serialize_compact({"alg": "RS256", "kid": "k", "typ": "at+jwt"}, json.dumps(claims).encode(), key)
    table = f'[auth]\ntype = "jwt"\nissuer = "{ISSUER}"\naudience = "{AUDIENCE}"\nkey_files = ["keys.json"]\n'
    yield SIGNED, (table, token)


def show_recognized(found: Recognized) -> str:
    """Some lines."""
    costs = "".join(f"{name}: {statistics.median(micros):.1f} µs per call\n" for name, micros in found.costs.items())
    return f"{costs}CPU per call with a signed token, as a multiple of that with an own: {found.signed}\nof another gateway with an own: {found.check}"


def recognized_goals(found: Recognized) -> list[Goal]:
    """What a signed token may cost that is known already."""
    return [Goal("signed token: per cent more CPU", 2.5, (found.signed.median - 1) * 100)]


def recognized_notes(found: Recognized) -> list[str]:
    """What to know when reading it."""
    apart = abs(found.check.median - 1)
    return [f"two gateways with a token of their own are {apart:.0%} apart: so rough is what is said about it"] if apart > NOISE else []
