"""From the settings of a backend to the rules for the parameters of its tools."""

from __future__ import annotations

from ..config.backends import ParametersConfig
from ..config.model import BackendConfig
from ..routing.shaping.shape import NO_SHAPING, Shape, Shaping
from ..routing.shaping.supplied_value import Supplied

__all__ = ["other_rules", "shaping_of"]


def shaping_of(config: BackendConfig, primary: BackendConfig | None = None) -> Shaping:
    """A backend's own rules; those of whom it stands in for where it has none (GMW-5)."""
    if not (config.default_args or config.inject_args or config.param_overrides):
        return NO_SHAPING if primary is None else shaping_of(primary)
    common = {name: Supplied.of(value) for name, value in config.default_args.items()}
    tools = dict.fromkeys((*(entry.tool for entry in config.param_overrides), *(entry.tool for entry in config.inject_args)))
    return Shaping({tool: _shape(config, tool, common) for tool in tools}, Shape(given=common) if common else None)


def other_rules(rules: Shaping, mirror: BackendConfig, source: BackendConfig | None) -> Shaping | None:
    """Those of a mirror, which are its source's where it has none; None where they are the ``rules`` of whom its copies come from."""
    found = shaping_of(mirror, source)
    return None if found == rules else found


def _shape(config: BackendConfig, tool: str, common: dict[str, Supplied]) -> Shape:
    """The nearer to the tool something is said, the more it counts (LIM-43)."""
    looks = next((entry for entry in config.param_overrides if entry.tool == tool), ParametersConfig(tool))
    given, forced = dict(common), dict[str, Supplied]()
    for entry in config.inject_args:
        if entry.tool == tool:
            (forced if entry.overwrite else given).update({name: Supplied.of(value) for name, value in entry.args.items()})
    given |= {name: Supplied.of(value) for name, value in looks.defaults.items()}
    return Shape(frozenset(looks.hide), dict(looks.rename), given, forced, looks.title, looks.description)
