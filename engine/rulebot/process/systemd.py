"""What systemd is told of this process, when it is systemd that started it: the datagrams of sd_notify(3).

Source: the manual pages sd_notify(3) and sd_watchdog_enabled(3). A datagram is lines of NAME=VALUE to a UNIX socket.
Telling is never a reason to stop trading: what cannot be sent is not sent.
"""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress

NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID = "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"
MICROSECONDS = 1_000_000


class Systemd:
    """The service manager of this process; it hears nothing where there is none."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        named = environ.get(NOTIFY_SOCKET, "")
        self._address = f"\0{named[1:]}" if named.startswith("@") else named if named.startswith("/") else ""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if self._address else None
        if self._socket is not None:
            self._socket.setblocking(False)
        self.watchdog_seconds = _watchdog_seconds(environ) if self._address else None

    def tell(self, **lines: str) -> None:
        """Send one datagram: `tell(READY="1", STATUS="connected")`."""
        if self._socket is None:
            return
        text = "\n".join(f"{name}={' '.join(value.split())}" for name, value in lines.items())
        with suppress(OSError):
            self._socket.sendto(text.encode(), self._address)

    def extend(self, seconds: float) -> None:
        """Ask for so much more time before a start that is not ready yet counts as failed."""
        self.tell(EXTEND_TIMEOUT_USEC=str(int(seconds * MICROSECONDS)))


def _watchdog_seconds(environ: Mapping[str, str]) -> float | None:
    """Return within which time a sign of life is owed, None when none is, or not by this process."""
    owed, whose = environ.get(WATCHDOG_USEC, ""), environ.get(WATCHDOG_PID, "")
    if not owed.isdigit() or int(owed) == 0 or whose not in ("", str(os.getpid())):
        return None
    return int(owed) / MICROSECONDS
