"""The ASGI server in clear text."""
