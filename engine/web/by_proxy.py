"""What a page behind a proxy lets in: that proxy, and this machine. Who goes past it would be answered in the clear."""

import json
from ipaddress import IPv6Address, ip_address

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from engine.web.access import App, Receive, Scope, Send

WORDS = {
    "code": "proxy",
    "message": "this page is reached by its proxy alone",
    "help": "--trusted-proxy has the address that requests come from",
}


class ByProxy:
    """ASGI: refuses who comes neither by the proxy nor from this machine; takes the proxy's word on who asks it."""

    def __init__(self, app: App, proxy: str) -> None:
        self._known = ProxyHeadersMiddleware(app, trusted_hosts=proxy)  # type: ignore[arg-type]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request in, or answer it."""
        if scope["type"] == "http":
            sender, port = scope.get("client") or ("", 0)
            sender = _plain(sender)
            scope["client"] = (sender, port)
            ours = _plain((scope.get("server") or ("none", 0))[0])
            is_here = _is_loopback(sender) or sender == ours  # whoever has the address of this machine is on it
            if sender not in self._known.trusted_hosts and not is_here:
                body = json.dumps(WORDS).encode()
                headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
                await send({"type": "http.response.start", "status": 403, "headers": headers})
                await send({"type": "http.response.body", "body": body})
                return
        await self._known(scope, receive, send)  # type: ignore[arg-type]


def _plain(sender: str) -> str:
    """Return an address of IPv4 as such, also where it comes in through a socket of IPv6."""
    try:
        found = ip_address(sender)
    except ValueError:
        return sender
    return str((isinstance(found, IPv6Address) and found.ipv4_mapped) or found)


def _is_loopback(sender: str) -> bool:
    try:
        return ip_address(sender).is_loopback
    except ValueError:
        return False
