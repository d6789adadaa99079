"""Tools of the gateway's own that call several others (CMP-1 … CMP-4)."""
