"""What a page behind a proxy lets in: that proxy, and this machine. Who goes past it would be answered in the clear."""

import json
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from rulebot.model.errors import MisuseError
from rulebot.web.access import App, Receive, Scope, Send

WORDS = {
    "code": "proxy",
    "message": "this page is reached by its proxy alone",
    "help": "--trusted-proxy has the address that requests come from",
}
WIDEST = {4: 8, 6: 32}
"""Leading bits that a network of proxies has at least, by version of IP: 10.0.0.0/8 is the widest of a private one."""
_LOCAL = IPv6Network("fc00::/7")
_MAPPED = IPv6Network("::ffff:0:0/96")
HELP = "name the proxy's address, such as 10.0.0.5, or its network, such as 172.18.0.0/16; several with commas between"


def trusted_networks(text: str) -> tuple[str, ...]:
    """Return the addresses and networks of proxies. Raises: MisuseError for names, and for as much as the internet."""
    return tuple(str(_network(each.strip())) for each in text.split(","))


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        found = ip_network(text)
    except ValueError:
        raise MisuseError(f"--trusted-proxy '{text}' is no address and no network", HELP) from None
    if isinstance(found, IPv6Network) and found.subnet_of(_MAPPED):
        found = IPv4Network((int(found.network_address) & 0xFFFFFFFF, found.prefixlen - 96))
    is_local = isinstance(found, IPv6Network) and found.subnet_of(_LOCAL)
    if found.network_address.is_unspecified or (found.prefixlen < WIDEST[found.version] and not is_local):
        what = (
            "is no address of a proxy" if found.num_addresses == 1 else "is the whole internet, or a large part of it"
        )
        raise MisuseError(f"--trusted-proxy '{text}' {what}: everybody could say who they are", HELP)
    return found


class ProxyGate:
    """ASGI: refuses who comes neither by the proxy nor from this machine; takes the proxy's word on who asks it."""

    def __init__(self, app: App, proxy: str) -> None:
        """Put the app behind proxies. Raises: MisuseError, as `trusted_networks`."""
        trusted = list(trusted_networks(proxy))
        made: Any = ProxyHeadersMiddleware  # uvicorn's types of ASGI are its own
        self._known: Any = made(app, trusted_hosts=trusted)

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
        await self._known(scope, receive, send)


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
