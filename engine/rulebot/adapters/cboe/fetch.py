"""Cboe's file of one underlying fetched: one question, over TLS, with an end to its size and to our patience."""

import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPException
from typing import Any
from urllib.parse import quote, urlsplit

from rulebot.adapters.cboe.parse import DelayedDataError
from rulebot.model.errors import MisuseError

ADDRESS = "https://cdn.cboe.com/api/global/delayed_quotes/options"
VARIABLE = "RULEBOT_CBOE_URL"
"""Names another place with files of this layout, such as a mirror of one's own."""
INDICES = frozenset({"SPX", "XSP", "VIX", "VIX1D", "VIX9D", "VIX3M", "VVIX", "NDX", "RUT", "DJX", "OEX"})
"""Symbols whose files are named with an underscore before them."""
PATIENCE, IN_ALL = 20.0, 90.0
"""Seconds without anything, and for a whole file."""
MOST_BYTES = 96 * 1024 * 1024
"""A whole chain of SPX has some 25,000 options of 0.5 kB."""
PART = 1 << 16
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_WHY: Mapping[int, tuple[str, str]] = {
    403: ("refuses this machine", "it may not serve programs from here: use the broker's data"),
    404: ("has no delayed quotes of that", "it publishes those of what is listed there"),
    429: ("asks us to wait", "it was asked too often: try again in some minutes"),
}


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows nothing: what is asked of one place is not told by another."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def place(environ: Mapping[str, str] = os.environ) -> str:
    """Return where files are asked for. Raises: MisuseError for an address that would be asked in the clear."""
    address = environ.get(VARIABLE) or ADDRESS
    parts = urlsplit(address)
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
    if not is_safe or not parts.hostname or parts.username or parts.query:
        raise MisuseError(f"{VARIABLE} is no address that can be asked", "such as https://mirror.example/options")
    return address.rstrip("/")


def fetch(symbol: str, address: str, elapsed: Callable[[], float] = time.monotonic) -> bytes:
    """Return the file of a symbol. Raises: DelayedDataError in words when it cannot be had."""
    name = f"_{symbol}" if symbol in INDICES else symbol
    request = urllib.request.Request(
        f"{address}/{quote(name)}.json", headers={"Accept": "application/json", "User-Agent": "rulebot"}
    )
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=PATIENCE) as answer:
            return _read(symbol, answer, elapsed() + IN_ALL, elapsed)
    except urllib.error.HTTPError as error:
        raise _refused(symbol, error) from error
    except TimeoutError as error:
        raise DelayedDataError(f"Cboe has not answered for {symbol} in {PATIENCE:.0f} s", "try again later") from error
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, TimeoutError):
            raise DelayedDataError(f"Cboe has not answered for {symbol} in {PATIENCE:.0f} s", "try again") from error
        raise DelayedDataError(
            f"Cboe cannot be reached for {symbol}: {str(reason)[:120] or type(reason).__name__}",
            "is this machine on the network?",
        ) from error


def _read(symbol: str, answer: Any, until: float, elapsed: Callable[[], float]) -> bytes:
    """Return the whole body. Raises: DelayedDataError for one that is too large, too slow, or cut off."""
    parts: list[bytes] = []
    size = 0
    while part := answer.read1(PART):
        parts.append(part)
        size += len(part)
        if size > MOST_BYTES:
            raise DelayedDataError(f"Cboe's file of {symbol} is larger than {MOST_BYTES >> 20} MB", "nothing was used")
        if elapsed() > until:
            raise DelayedDataError(f"Cboe's file of {symbol} has not come whole in {IN_ALL:.0f} s", "try again later")
    told = answer.headers.get("Content-Length", "")
    if told.isdigit() and size < int(told):
        raise DelayedDataError(
            f"Cboe's file of {symbol} ends in the middle, after {size:,} of {int(told):,} bytes", "ask again"
        )
    return b"".join(parts)


def _refused(symbol: str, error: urllib.error.HTTPError) -> DelayedDataError:
    what, help = _WHY.get(error.code, ("", ""))
    if not what:
        moved = 300 <= error.code < 400
        what = "has moved its files" if moved else "failed" if error.code >= 500 else "refuses the question"
        help = "this program has to be told where they are" if moved else "try again later"
    wait = error.headers.get("Retry-After", "") if error.headers is not None else ""
    if error.code == 429 and wait.isdigit():
        help = f"it was asked too often: try again in {int(wait):,} s"
    return DelayedDataError(f"{symbol}: Cboe {what} (HTTP {error.code})", help)
