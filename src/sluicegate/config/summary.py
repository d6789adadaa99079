"""What ``sluicegate check`` prints of a configuration (CLI-10, CLI-11). No secret is in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from ..protocol.addresses import public_part
from .inheritance import inherited
from .model import BackendConfig, Config, JwtAuth, MtlsAuth, OAuthAuth, TimeoutSettings

__all__ = ["environments", "features", "summary"]


def summary(config: Config, warnings: Iterable[str] = (), environ: Mapping[str, str] | None = None) -> str:
    """Several lines, without a newline at the end; with the gateway's environment also the names that each command will see of it."""
    return "\n".join(_lines(config, tuple(warnings), environ))


def features(backend: BackendConfig, left: int = 100) -> tuple[str, ...]:
    """What is configured for a backend beyond where it is, in the order of CLI-11.

    Args:
        backend: which one.
        left: percent of its calls that its canaries leave to it.
    """
    sticky = " of its callers" if backend.canary_sticky else ""
    found = {
        "timeout": backend.timeout != TimeoutSettings(),
        "rate-limit": backend.rate_limit is not None,
        "circuit-breaker": backend.circuit_breaker is not None,
        "retry": backend.retry is not None,
        "hedging": backend.hedging is not None,
        "concurrency-limit": backend.concurrency is not None,
        "outlier-detection": backend.outlier_detection is not None,
        "cache": backend.cache is not None,
        "health": backend.health is not None,
        "filter": any(getattr(backend, f"{verb}_{kind}") for verb in ("expose", "hide") for kind in ("tools", "resources", "prompts")),
        "alias": bool(backend.aliases),
        f"canary of {backend.canary_of}, {backend.weight} %{sticky}": backend.canary_of is not None,
        f"{left} % left by canaries": left < 100,
        f"failover for {backend.failover_for}": backend.failover_for is not None,
        f"mirror of {backend.mirror_of}, {backend.mirror_percent} %": backend.mirror_of is not None,
        "required": backend.required,
        "disabled": not backend.enabled,
    }
    return tuple(name for name, present in found.items() if present)


def _lines(config: Config, warnings: tuple[str, ...], environ: Mapping[str, str] | None) -> Iterator[str]:
    listen = config.proxy.listen
    yield "Config OK"
    yield ""
    yield f"  Proxy:    {config.proxy.name} v{config.proxy.version}"
    yield f"  Listen:   {listen.place}{'' if listen.tls is None else ' (TLS)'}"
    yield f"  Backends: {len(config.backends)}"
    taken: Counter[str | None] = Counter()
    for backend in config.backends:
        taken[backend.canary_of] += backend.weight if backend.enabled else 0
    for backend in config.backends:
        present = ", ".join(features(backend, 100 - taken[backend.name]))
        yield f"    - {backend.name} ({backend.transport})" + (f" [{present}]" if present else "")
    yield f"  Auth:     {_auth(config)}"
    if config.cache.backend != "memory" and config.cache.url is not None:
        place = config.cache.url if config.cache.backend == "sqlite" else public_part(config.cache.url)
        yield f"  Cache:    {config.cache.backend} ({place})"
    if config.performance.coalesce_requests:
        yield "  Request coalescing: enabled"
    if config.observability.metrics.enabled:
        yield "  Metrics:  enabled"
    if environ is not None:
        yield from _environments(config, environ)
    if warnings:
        yield ""
        yield "  Warnings:"
        yield from (f"    - {warning}" for warning in warnings)


def environments(config: Config, environ: Mapping[str, str]) -> dict[str, list[str]]:
    """The names of the variables that each command will see, by backend: never a value."""
    return {
        backend.name: sorted(inherited(backend.inherit_env, environ, config.withheld_from(backend.name)).keys() | backend.env.keys())
        for backend in config.backends
        if backend.transport == "stdio" and backend.enabled
    }


def _environments(config: Config, environ: Mapping[str, str]) -> Iterator[str]:
    seen = environments(config, environ)
    if seen:
        yield "  Commands see:"
    for backend in config.backends:
        if backend.name in seen and backend.inherit_env is True:
            kept = sorted(environ.keys() - seen[backend.name])
            yield f"    - {backend.name}: everything" + (f" but {', '.join(kept)}" if kept else "")
        elif backend.name in seen:
            yield f"    - {backend.name}: {', '.join(seen[backend.name])}"


def _auth(config: Config) -> str:
    if config.auth is None:
        return "none"
    if isinstance(config.auth, MtlsAuth):
        return f"mtls ({', '.join(config.auth.names)})"
    if isinstance(config.auth, JwtAuth):
        return f"jwt ({', '.join(one.issuer for one in (config.auth, *config.auth.issuers))}){_without_a_role(config.auth)}"
    if isinstance(config.auth, OAuthAuth):
        return f"oauth ({config.auth.issuer}, {config.auth.token_validation}){_without_a_role(config.auth)}"
    count, scoped = len(config.auth.tokens), len(config.auth.scoped_tokens)
    beside = f", {scoped} with rules of {'its' if scoped == 1 else 'their'} own" if scoped else ""
    return f"bearer ({count} token{'' if count == 1 else 's'}{beside})"


def _without_a_role(auth: JwtAuth | OAuthAuth) -> str:
    """What may be done by whose token leads to no role."""
    if auth.role_mapping is None:
        return ""
    return f", without a role: {'nothing' if auth.role_mapping.default_deny else 'EVERYTHING'}"
