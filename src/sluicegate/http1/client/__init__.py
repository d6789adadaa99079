"""The pooled client."""
