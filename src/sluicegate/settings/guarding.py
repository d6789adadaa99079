"""What can be set of the guardrails of a backend."""

from __future__ import annotations

from typing import ClassVar, Literal

import attrs

__all__ = ["GuardrailSettings"]


@attrs.frozen(repr=False)
class GuardrailSettings:
    """Looks through the texts of results, of errors and of arguments for what must not pass (LIM-93)."""

    table: ClassVar[str] = "guardrails"
    secrets: bool = True
    """Whether it looks for keys of known forms: private keys, signed tokens, those of large providers."""
    patterns: tuple[str, ...] = ()
    """What else it looks for: regular expressions (RE2)."""
    results: Literal["redact", "refuse", "warn", "pass"] = "redact"
    """What becomes of a result that has such a thing: it is replaced there, or an error comes instead, or the log tells of it, or nothing."""
    arguments: Literal["redact", "refuse", "warn", "pass"] = "pass"
    """The same for the arguments of a call, before they leave."""
