"""``scripts/bench``: what a call costs, and what the gateway bears.

``__main__`` reads the command line. What it can be asked for is in ``price`` (with ``rows``, ``peers`` and ``startup``), ``logged``, ``profiling``,
``attack``, ``drain`` and ``scale``. They stand on ``targets`` (what is measured), ``sessions`` and ``wrk`` (who calls), ``processes`` and ``usage``
(what Linux tells), ``ratios`` and ``goals`` (what the numbers say). ``stub``, ``clients``, ``attackers`` and ``sampled`` are programs of their own,
started by the others; they import nothing from here.
"""
