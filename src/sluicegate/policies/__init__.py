"""What may happen to a call between its caller and a backend: one file, one policy."""
