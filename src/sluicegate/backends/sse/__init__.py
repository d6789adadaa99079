"""Backends of 2024-11-05 over HTTP: one stream of events brings all that they say, and each message to them is a POST (HTTP+SSE)."""
