"""``scripts/conformance``: the protocol's official suite, directly at a server and through the gateway.

``install`` fetches what is pinned, ``places`` are the servers under test (the fixture itself, and gateways in front of it), ``suite`` runs the suite
and reads what it found, ``__main__`` compares and prints. ``adapter`` and ``driver`` are programs of their own, started by the others.
"""
