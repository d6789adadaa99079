"""Host names and addresses, as far as it matters whether they mean this very machine."""

from __future__ import annotations

import ipaddress

__all__ = ["is_loopback"]


def is_loopback(name: str) -> bool:
    """Whether a host name or an address, with or without brackets, stands for this machine alone."""
    if name.rstrip(".").lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False
