"""``scripts/matrix``: what each client sees of each feature of each server, directly and through the gateway.

``features`` says what is asked, ``programs`` which clients and servers there are and how to get them, ``verdict`` compares, ``page`` writes the topic of
the manual, ``__main__`` runs all pairs. The programs are in ``clients``, ``servers``, ``go`` and ``rust``: a client reads targets as JSON from stdin and
writes what it saw; a server has each feature once. `peering` is about servers as they are found, and about lists and answers alone.
"""
