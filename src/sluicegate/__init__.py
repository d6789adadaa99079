"""Sluicegate: an MCP gateway for Trio."""
