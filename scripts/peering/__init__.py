"""Real servers and real clients, with the gateway between them and without it."""
