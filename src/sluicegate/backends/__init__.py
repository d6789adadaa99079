"""One live backend: a session over some transport, and the supervisor that keeps it alive."""
