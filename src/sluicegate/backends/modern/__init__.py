"""Backends of a revision without a handshake: each request says of itself what it needs, and a question is an answer."""
