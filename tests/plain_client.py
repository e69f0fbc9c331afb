"""Somebody else's client: an unmodified ib_async, connected to a gateway whose clock it holds."""

from typing import Any

from ib_async import IB


async def plain_client(port: int, client_id: int = 1, options: str = "+LOCKSTEP", **more: Any) -> IB:
    """Return it connected. options: what it asks for in the handshake, "" for a clock of the gateway's own."""
    ib = IB()
    ib.client.MaxRequests = 0
    ib.client.setConnectOptions(options)
    await ib.connectAsync("127.0.0.1", port, client_id, **{"timeout": 10, **more})
    return ib
