"""Cboe's file of one underlying in its layout as it was observed, priced by Black and Scholes; and who serves it."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import erf, exp, log, pi, sqrt
from typing import Any

from rulebot.model.session import EXCHANGE_ZONE

VOLATILITY = 0.16
Reply = tuple[int, dict[str, str], bytes]


def _normal(x: float) -> float:
    return (1 + erf(x / sqrt(2))) / 2


def option(root: str, expiry: date, right: str, strike: float, spot: float, years: float) -> dict[str, Any]:
    """Return one option as the file has it."""
    spread = VOLATILITY * sqrt(years)
    high = log(spot / strike) / spread + spread / 2
    sign = 1 if right == "C" else -1
    price = sign * (spot * _normal(sign * high) - strike * _normal(sign * (high - spread)))
    density = exp(-high * high / 2) / sqrt(2 * pi)
    width = 0.05 if price < 3 else 0.1
    bid = max(round((price - width / 2) / 0.05) * 0.05, 0.0)
    return {
        "option": f"{root}{expiry:%y%m%d}{right}{round(strike * 1000):08d}",
        "bid": round(bid, 2),
        "bid_size": 25.0,
        "ask": round(bid + width, 2),
        "ask_size": 30.0,
        "iv": VOLATILITY,
        "open_interest": 1200.0,
        "volume": 340.0,
        "delta": round(sign * _normal(sign * high), 4),
        "gamma": round(density / (spot * spread), 6),
        "vega": round(spot * density * sqrt(years) / 100, 4),
        "theta": round(-spot * density * VOLATILITY / (2 * sqrt(years)) / 365, 4),
        "rho": 0.01,
        "theo": round(price, 4),
        "change": 0.0,
        "open": 0.0,
        "high": 0.0,
        "low": 0.0,
        "tick": "no_change",
        "last_trade_price": round(price, 2),
        "last_trade_time": None,
        "percent_change": 0.0,
        "prev_day_close": round(price, 2),
    }


def document(symbol: str, spot: float, at: datetime, *expiries: date, step: float = 5.0) -> dict[str, Any]:
    """Return the file of an underlying, with options of these expiries around its price; `at` is the last trade."""
    root = "SPXW" if symbol == "SPX" else symbol
    local = at.astimezone(EXCHANGE_ZONE).replace(tzinfo=None)
    options = []
    for expiry in expiries:
        close = datetime(expiry.year, expiry.month, expiry.day, 16, tzinfo=EXCHANGE_ZONE)
        years = max((close - at).total_seconds(), 3600.0) / (365 * 86400)
        middle = round(spot / step) * step
        strikes = [middle + step * number for number in range(-40, 41)]
        options += [option(root, expiry, right, strike, spot, years) for strike in strikes for right in "CP"]
    named = f"^{symbol}" if symbol in ("SPX", "VIX") else symbol
    return {
        "timestamp": f"{at + timedelta(minutes=15):%Y-%m-%d %H:%M:%S}",
        "symbol": named,
        "data": {
            "symbol": named,
            "security_type": "index" if named != symbol else "stock",
            "exchange_id": 5,
            "current_price": spot,
            "price_change": 1.5,
            "price_change_percent": 0.25,
            "bid": round(spot - 0.01, 2),
            "ask": round(spot + 0.01, 2),
            "bid_size": 1,
            "ask_size": 1,
            "open": spot - 2,
            "high": spot + 4,
            "low": spot - 5,
            "close": spot,
            "prev_day_close": spot - 1.5,
            "volume": 0,
            "iv30": VOLATILITY * 100,
            "iv30_change": 0.0,
            "iv30_change_percent": 0.0,
            "seqno": 12345,
            "last_trade_time": f"{local:%Y-%m-%dT%H:%M:%S}",
            "tick": "down",
            "options": options,
        },
    }


def bytes_of(found: dict[str, Any]) -> bytes:
    """Return a file as it is sent."""
    return json.dumps(found).encode()


@contextmanager
def serving(answer: Callable[[str], Reply]) -> Iterator[tuple[str, list[str]]]:
    """Serve files on this machine; yield the address, and the paths that were asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            status, headers, body = answer(self.path.rpartition("/")[2].removesuffix(".json"))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/options", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
