"""Backends that are spoken to over a WebSocket: the handshake, frames both ways, and what the codes mean with which one ends."""
