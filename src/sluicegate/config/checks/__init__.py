"""What a configuration must keep to, beside the types of its keys: the whole of it, and each of its parts."""
