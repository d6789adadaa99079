"""A running gateway as a stdio server, for clients that start programs."""
