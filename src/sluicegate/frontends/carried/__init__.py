"""Fronts of one client each on a connection of his own, as stdio is: WebSockets, and HTTP+SSE for clients of 2024."""
