"""What a client says with the request that opens its session."""

from __future__ import annotations

import attrs

from ..protocol import faults
from ..protocol.capabilities import read_capabilities
from ..protocol.eras import negotiate
from ..protocol.messages import EMPTY, Params, read_text

__all__ = ["Opening", "read_opening", "read_version"]


@attrs.frozen(repr=False)
class Opening:
    """What a client says when it opens a session."""

    version: str
    """The revision that both will speak."""
    capabilities: Params
    """Those that the protocol knows, each whole."""


def read_version(params: Params) -> str | faults.Fault:
    """The revision that both will speak, from the parameters of ``initialize``."""
    asked = read_text(params, "protocolVersion")
    return faults.client_mistake('"protocolVersion" must be a string') if asked is None else negotiate(asked)


def read_opening(params: Params) -> Opening | faults.Fault:
    """Read the parameters of ``initialize`` (P-2)."""
    version = read_version(params)
    if isinstance(version, faults.Fault):
        return version
    capabilities = read_capabilities(params.get("capabilities", EMPTY), "capabilities")
    return capabilities if isinstance(capabilities, faults.Fault) else Opening(version, capabilities)
