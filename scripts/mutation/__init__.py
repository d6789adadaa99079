"""Bugs that are drawn by seed instead of made by hand, and whether a test finds them."""
