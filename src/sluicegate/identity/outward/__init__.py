"""Who we are to a backend: tokens of our own, and where they come from (P-143, P-146)."""
