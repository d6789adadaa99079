"""What can be set of parts that are no policies, once: default, range, unit and sentence; files are read into it, and the parts take it."""
