"""Whether arguments and results of tools fit the schemas that the tools have."""
