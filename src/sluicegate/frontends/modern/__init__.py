"""Requests of the revisions without a handshake: each stands for itself, and its connection is all that there is of a session."""
