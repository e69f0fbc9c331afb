"""Cboe's delayed option file of one underlying: its price, and every option with quotes, greeks and counts.

The layout is not documented; this is what was observed. `data.options` holds an object for each option, named by its
OSI symbol (root, YYMMDD, C or P, strike x 1000 in eight digits). Prices are per share, `iv` is a fraction, `iv30`
percent; unknown greeks are -999, missing quotes 0. `data.last_trade_time` is New York time. A file with any other
layout is refused as a whole.
"""

import json
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from http.client import HTTPException
from math import isfinite, nan
from typing import Any
from urllib.parse import quote, urlsplit

from rulebot.model.contract import Option, Right, last_day, product
from rulebot.model.errors import MisuseError, RulebotError
from rulebot.model.session import at_exchange_time
from rulebot.model.values import dataclass

OSI = re.compile(r"([A-Z]{1,6})(\d{6})([CP])(\d{8})")
NOT_KNOWN = -999.0
"""Value of an unknown greek."""
MOST_UNREADABLE = 0.02
"""The part of the options that may be unreadable before the file is taken for one of another layout."""
AHEAD = timedelta(minutes=5)
"""How far ahead of our clock a file's time may be."""
NUMBERS = ("bid", "ask", "bid_size", "ask_size", "iv", "open_interest", "volume", "delta", "gamma", "vega", "theta")
"""The fields of an option that are read."""
GREEKS = ("delta", "gamma", "vega", "theta")
OF_UNDERLYING = ("current_price", "bid", "ask", "open", "high", "low", "prev_day_close", "iv30")


class DelayedDataError(RulebotError):
    """The world's fault: delayed quotes that cannot be had, or cannot be read."""


@dataclass(frozen=True, slots=True)
class DelayedOption:
    """One option: its numbers by the name of a column of the board, nan where there is none."""

    option: Option
    numbers: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class DelayedChain:
    """One file. at: time of its last trade, which gives its age; unreadable: options that were left out.

    numbers: of the underlying, by Cboe's names, nan where missing; iv30 is in percent.
    """

    symbol: str
    at: datetime
    numbers: Mapping[str, float]
    options: tuple[DelayedOption, ...]
    unreadable: int = 0


def parse(symbol: str, raw: bytes, now: datetime) -> DelayedChain:
    """Return what a file says of a symbol. Raises: DelayedDataError in words for what it cannot be."""
    whole = _object(_document(symbol, raw), symbol, "the file")
    data = _object(whole.get("data"), symbol, "'data'")
    reported = str(data.get("symbol") or whole.get("symbol") or "").lstrip("^_").upper()
    if reported != symbol.upper():
        raise DelayedDataError(f"Cboe's file of {symbol} has the symbol '{reported[:20]}'", "nothing of it was used")
    at = _instant(symbol, data.get("last_trade_time"), now)
    numbers = {name: _number(data.get(name)) for name in OF_UNDERLYING}
    if not numbers["current_price"] > 0:
        raise _changed(symbol, f"'current_price' is {_shown(data.get('current_price'))}")
    rows = data.get("options")
    if not isinstance(rows, list):
        raise _changed(symbol, f"'options' is {_shown(rows)}")
    options, unreadable = _options(symbol, rows)
    return DelayedChain(symbol=symbol, at=at, numbers=numbers, options=options, unreadable=unreadable)


def _document(symbol: str, raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        if not raw.rstrip().endswith(b"}"):
            words = f"Cboe's file of {symbol} ends in the middle, after {len(raw):,} bytes"
            raise DelayedDataError(words, "ask again; the line was cut") from error
        raise DelayedDataError(f"Cboe's file of {symbol} is no JSON: {str(error)[:80]}") from error


def _object(found: Any, symbol: str, what: str) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise _changed(symbol, f"{what} is {_shown(found)}")
    return found


def _changed(symbol: str, what: str) -> DelayedDataError:
    return DelayedDataError(
        f"Cboe's file of {symbol} is laid out otherwise than it was: {what}", "nothing of it was used"
    )


def _shown(found: Any) -> str:
    return "missing" if found is None else f"{type(found).__name__} '{str(found)[:30]}'"


def _instant(symbol: str, found: Any, now: datetime) -> datetime:
    """Return the time of the last trade. Raises: DelayedDataError when it is missing or in the future."""
    try:
        local = datetime.fromisoformat(str(found))
        at = at_exchange_time(local.date(), local.time()) if local.tzinfo is None else local.astimezone(now.tzinfo)
    except ValueError:
        raise _changed(symbol, f"'last_trade_time' is {_shown(found)}") from None
    if at > now + AHEAD:
        ahead = (at - now).total_seconds() / 60
        raise DelayedDataError(
            f"Cboe's quotes of {symbol} are {ahead:,.0f} minutes ahead of this computer's clock", "set the clock"
        )
    return at


def _number(found: Any) -> float:
    """Return a number, nan for what is none."""
    if isinstance(found, bool) or not isinstance(found, int | float) or not isfinite(found):
        return nan
    return float(found)


# ---------------------------------------------------------------- options


def _options(symbol: str, rows: list[Any]) -> tuple[tuple[DelayedOption, ...], int]:
    """Return the readable options of our classes, and how many are not. Raises: DelayedDataError for too many."""
    classes = product(symbol).classes  # adjusted ones are excluded
    found: dict[Option, DelayedOption] = {}
    unreadable = 0
    for row in rows:
        name = str(row.get("option") or "").replace(" ", "") if isinstance(row, dict) else ""
        option = _option(symbol, name)
        if option is None:
            unreadable += not re.fullmatch(r"[A-Z]{1,5}\d\d{6}[CP]\d{8}", name)  # an adjusted one has a digit
            continue
        if option.trading_class not in classes:
            continue
        numbers = {each: _number(row.get(each)) for each in NUMBERS}
        if any(number != number and row.get(each) is not None for each, number in numbers.items()):
            unreadable += 1
            continue
        found[option] = DelayedOption(option, _cleaned(numbers))
    if rows and unreadable > len(rows) * MOST_UNREADABLE:
        raise _changed(symbol, f"{unreadable:,} of {len(rows):,} options cannot be read")
    return tuple(found.values()), unreadable


def _option(symbol: str, name: str) -> Option | None:
    """Return the option of an OSI symbol, None where it is none.

    The day in the name is that on which it settles: what settles at the open trades last on the session before.
    """
    parts = OSI.fullmatch(name)
    if parts is None:
        return None
    root, day, right, strike = parts.groups()
    try:
        expiry = date(2000 + int(day[:2]), int(day[2:4]), int(day[4:]))
    except ValueError:
        return None
    price = Decimal(int(strike)) / 1000
    if not price:
        return None
    return Option(symbol, root, last_day(symbol, root, expiry), price, Right.CALL if right == "C" else Right.PUT)


def _cleaned(numbers: dict[str, float]) -> dict[str, float]:
    """Return numbers without placeholders: quotes and volatility of 0, and the value of unknown greeks."""
    found = dict(numbers)
    for name in ("bid", "ask"):
        if not found[name] > 0:
            found[name] = nan
    if not found["iv"] > 0:
        found["iv"] = nan
    if any(found[name] <= NOT_KNOWN for name in GREEKS) or found["iv"] != found["iv"]:
        found.update(dict.fromkeys(GREEKS, nan))
    return found


# --- Cboe's file of one underlying fetched

ADDRESS = "https://cdn.cboe.com/api/global/delayed_quotes/options"
VARIABLE = "RULEBOT_CBOE_URL"
"""Names another place with files of this layout, such as a mirror of one's own."""
INDICES = frozenset({"SPX", "XSP", "VIX", "VIX1D", "VIX9D", "VIX3M", "VVIX", "SKEW", "NDX", "RUT", "DJX", "OEX"})
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
    """Refuses redirects: the answer must come from the host that was asked."""

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
    reported = answer.headers.get("Content-Length", "")
    if reported.isdigit() and size < int(reported):
        raise DelayedDataError(
            f"Cboe's file of {symbol} ends in the middle, after {size:,} of {int(reported):,} bytes", "ask again"
        )
    return b"".join(parts)


def _refused(symbol: str, error: urllib.error.HTTPError) -> DelayedDataError:
    what, help = _WHY.get(error.code, ("", ""))
    if not what:
        moved = 300 <= error.code < 400
        what = "has moved its files" if moved else "failed" if error.code >= 500 else "refuses the question"
        help = "set where they are" if moved else "try again later"
    wait = error.headers.get("Retry-After", "") if error.headers is not None else ""
    if error.code == 429 and wait.isdigit():
        help = f"it was asked too often: try again in {int(wait):,} s"
    return DelayedDataError(f"{symbol}: Cboe {what} (HTTP {error.code})", help)
