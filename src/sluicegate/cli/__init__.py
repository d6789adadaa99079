"""The command line: the only room that calls ``trio.run``, listens to signals and sets up logging."""
