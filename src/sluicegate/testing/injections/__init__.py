"""What the kit does to a server on purpose: which kinds there are, how a plan is written, and where each is put."""
