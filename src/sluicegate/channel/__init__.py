"""Whole messages one after the other over a stream: lines, the one writer's queue, and what is too long."""
