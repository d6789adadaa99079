"""What callers may see and use of what is there."""
