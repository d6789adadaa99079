"""How a backend's tools look to clients: parameters hidden, renamed and supplied, in lists and in calls (PAR-1, PAR-2, INJ-1)."""
