"""HTTP/1.1 on Trio streams: an ASGI server and a pooled client on one parser, llhttp."""
