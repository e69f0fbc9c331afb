"""A port of this machine that nobody has."""

import socket


def free_port() -> int:
    """Return a port that nobody has just now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
