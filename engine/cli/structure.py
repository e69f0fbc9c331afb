"""A structure in a few letters: `5920/5930p 6065/6075c`, `547p 2027-02-19`."""

import json
from collections.abc import Mapping
from typing import Any


def structure_of(trade: Mapping[str, Any]) -> str:
    """Return what a row of `trades` or `open_positions` holds: strikes by right, and an expiry that is not its day."""
    legs = json.loads(trade["legs"])
    symbols = list(dict.fromkeys(leg["symbol"] for leg in legs))
    parts = []
    for symbol in symbols:
        name = f"{symbol} " if len(symbols) > 1 else ""
        parts += [f"{name}{text}" for right in ("put", "call") if (text := _strikes(legs, symbol, right))]
    expiry = trade["expiration"]
    opened = str(trade.get("entry_time") or "")[:10]
    later = f" {expiry}" if expiry and opened and expiry != opened else ""
    count = f"{trade['quantity']} x " if trade["quantity"] != 1 else ""
    return count + " ".join(parts) + later


def _strikes(legs: list[dict[str, Any]], symbol: str, right: str) -> str:
    found = [leg for leg in legs if leg["symbol"] == symbol and leg["right"] == right]
    strikes = sorted((float(leg["strike"]), leg["ratio"]) for leg in found)
    texts = [(f"{ratio}x" if ratio != 1 else "") + f"{strike:g}" for strike, ratio in strikes]
    return "/".join(texts) + right[0] if texts else ""
