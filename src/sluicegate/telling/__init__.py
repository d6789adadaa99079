"""How parts tell of themselves: loggers for events, and frozen values of what they count. Both are quiet until somebody asks."""
