"""Where what is kept outlives this process, and where several gateways keep it together."""
