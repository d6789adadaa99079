"""What every client says."""

from __future__ import annotations

__all__ = ["HELLO", "INITIALIZED", "PING", "READY"]

HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
"""The parameters of ``initialize``."""
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}
READY = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'
"""The same as it is sent."""
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
