"""A gateway as a whole: its backends, the chain of policies before them, its nurseries, how it opens and ends."""
