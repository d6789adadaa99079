"""What ``sluicegate check`` prints of a configuration (CLI-10, CLI-11). No secret is in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .model import BackendConfig, Config, TimeoutConfig

__all__ = ["features", "summary"]


def summary(config: Config, warnings: Iterable[str] = ()) -> str:
    """Several lines, without a newline at the end."""
    return "\n".join(_lines(config, tuple(warnings)))


def features(backend: BackendConfig) -> tuple[str, ...]:
    """What is configured for a backend beyond where it is, in the order of CLI-11."""
    found = {
        "timeout": backend.timeout != TimeoutConfig(),
        "filter": any(
            (
                backend.expose_tools,
                backend.hide_tools,
                backend.expose_resources,
                backend.hide_resources,
                backend.expose_prompts,
                backend.hide_prompts,
            )
        ),
        "alias": bool(backend.aliases),
        f"failover for {backend.failover_for}": backend.failover_for is not None,
        f"mirror of {backend.mirror_of}, {backend.mirror_percent} %": backend.mirror_of is not None,
        "required": backend.required,
        "disabled": not backend.enabled,
    }
    return tuple(name for name, present in found.items() if present)


def _lines(config: Config, warnings: tuple[str, ...]) -> Iterator[str]:
    listen = config.proxy.listen
    yield "Config OK"
    yield ""
    yield f"  Proxy:    {config.proxy.name} v{config.proxy.version}"
    yield f"  Listen:   {listen.place}{'' if listen.tls is None else ' (TLS)'}"
    yield f"  Backends: {len(config.backends)}"
    for backend in config.backends:
        present = ", ".join(features(backend))
        yield f"    - {backend.name} ({backend.transport})" + (f" [{present}]" if present else "")
    yield f"  Auth:     {_auth(config)}"
    if config.observability.metrics.enabled:
        yield "  Metrics:  enabled"
    if warnings:
        yield ""
        yield "  Warnings:"
        yield from (f"    - {warning}" for warning in warnings)


def _auth(config: Config) -> str:
    if config.auth is None:
        return "planned, not built yet" if any(problem.path.startswith("auth.") for problem in config.planned) else "none"
    count = len(config.auth.tokens)
    return f"bearer ({count} token{'' if count == 1 else 's'})"
