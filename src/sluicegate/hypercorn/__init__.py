"""The application on Hypercorn's HTTP parts, put together anew: for TLS and HTTP/2, which our own server does not speak."""
