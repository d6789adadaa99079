"""TLS contexts: our own certificate for clients, and whom we trust among servers. Loads no event loop, so that ``check`` can try them."""
