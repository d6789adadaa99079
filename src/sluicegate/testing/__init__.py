"""The same gateway under a virtual clock: scripted backends and an outside world in memory."""
