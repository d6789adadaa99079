"""The audit: what was asked of the gateway and what became of it, in records that cannot be changed or lost unseen."""
