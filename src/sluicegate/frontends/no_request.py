"""What a server hands over that is no request."""

from __future__ import annotations

from ..http1.asgi import Receive, Scope, Send

__all__ = ["tolerate"]


async def tolerate(scope: Scope, receive: Receive, send: Send) -> None:
    """Tolerate servers that announce their own start and end, since our life is not theirs, and refuse everything else."""
    if scope["type"] != "lifespan":
        await receive()
        await send({"type": "websocket.close", "code": 1000})
        return
    while True:
        event = await receive()
        if event["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        elif event["type"] == "lifespan.shutdown":
            await send({"type": "lifespan.shutdown.complete"})
            return
