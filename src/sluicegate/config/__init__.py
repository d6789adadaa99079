"""What an operator writes: read, checked, and turned into values. Nothing here loads trio or structlog."""
