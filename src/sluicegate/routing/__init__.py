"""Which backend answers a call, and under which names clients see what there is."""
