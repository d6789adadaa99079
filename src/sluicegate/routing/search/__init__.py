"""Tools by which tools are found (DISC-1 … DISC-8)."""
