"""At what orders fill in a backtest or a shadow: natural, at the mid, or between, as a store's own fills did."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from statistics import median
from typing import Any

from rulebot.backtest.simulated_broker import FillPolicy, SimulatedBroker, WorkingOrder, natural_fill
from rulebot.model.contract import LOT
from rulebot.model.errors import MisuseError
from rulebot.model.money import Rounding
from rulebot.model.order import Order, OrderType
from rulebot.model.values import dataclass
from rulebot.narrate.trades import is_opened
from rulebot.order.price import NetQuote, Part, net_price, order_parts, ticks_of
from rulebot.store.place import Place
from rulebot.store.queries import Row, StoreReader

ACCOUNT = "BACKTEST"
NATURAL_PART = 0.5
_PART = re.compile(r"mid\+(0?\.\d+|0)")


@dataclass(frozen=True, slots=True)
class FillModel(FillPolicy):
    """`part` of the width (ask less bid of the whole structure) by which a fill is off the mid: 0.5 is natural."""

    part: float
    name: str

    def net(self, broker: SimulatedBroker, found: WorkingOrder, at: datetime) -> Decimal | None:
        order = found.order
        quote = broker.quote_of(order, at, broker.grids)
        return self.price(order, order_parts(order.legs, order.side), quote, is_resting=found.is_resting)

    def count(self, broker: SimulatedBroker, found: WorkingOrder, at: datetime) -> int:
        """Return what the quoted sizes allow; of a stop all of it."""
        is_stop = found.order.kind is OrderType.STOP
        return found.order.quantity - found.filled if is_stop else broker.take_sizes(found)

    def price(self, order: Order, parts: tuple[Part, ...], quote: NetQuote, *, is_resting: bool) -> Decimal | None:
        """Return the net price per share at which an order fills at these quotes, + received; None when it does not."""
        if quote.mid is None or quote.natural is None:
            return None
        if order.kind in (OrderType.MARKET, OrderType.STOP):
            return natural_fill(order, parts, quote)
        assert order.limit_price is not None
        return self.of_limit(net_price(order.limit_price, order.side), parts, quote, is_resting=is_resting)

    def of_limit(self, limit: Decimal, parts: tuple[Part, ...], quote: NetQuote, *, is_resting: bool) -> Decimal | None:
        """Return the same for a net limit, at quotes that are whole."""
        assert quote.mid is not None
        assert quote.natural is not None
        given = quote.mid - 2.0 * self.part * (quote.mid - quote.natural)
        ticks = quote.ticks or ticks_of(parts)
        if float(limit) > given + float(ticks.tick(given)) / 2.0 + 1e-9:
            return None
        if is_resting:
            return limit
        return max(limit, ticks.round(given, Rounding.DOWN))


NATURAL = FillModel(NATURAL_PART, "natural")
RECORDED = FillModel(NATURAL_PART, "recorded")
"""What a recording answered to the same order, natural where it has none; needs a walk of `recorded/`."""


WORDS = ("natural", "mid", "mid+PART")


def fill_model(text: str, words: Sequence[str] = WORDS) -> FillModel:
    """Return the model of `natural`, `mid` or `mid+0.3` (parts of the width, 0.5 at most).

    words: all that the caller takes, for the error. Raises: MisuseError.
    """
    if text == "natural":
        return NATURAL
    if text == "mid":
        return FillModel(0.0, text)
    found = _PART.fullmatch(text)
    if found is None or float(found[1]) > NATURAL_PART:
        raise MisuseError(
            f"--fills is {', '.join(words[:-1])} or {words[-1]}, is '{text}'",
            "mid+0.3 is three tenths of the width from the mid",
        )
    return FillModel(float(found[1]), text)


# --- How far from the mid a person's own entries have filled, in widths

LEAST = 10
"""Filled entries below which a store says too little."""


def calibrated(store: Place, shown: str) -> FillModel:
    """Return the model of a store's own fills, which says where no market made them.

    Raises: StoreError, MisuseError when they are too few.
    """
    with StoreReader(store) as reader:
        entries = reader.view("orders", purpose="entry")
        asked = {row["position"] for row in entries}
        every = [_part(row) for row in reader.view("trades") if _is_filled(row) and row["position"] in asked]
        missed = _missed(entries)
        pretended = reader.run().pretended
    parts = [part for part in every if part is not None]
    if len(parts) < LEAST:
        raise MisuseError(
            f"{shown} holds {len(parts)} filled entries with their quotes, {LEAST} are needed", "use --fills mid+0.25"
        )
    part = round(median(parts), 3)
    where = f"{shown}, {pretended}" if pretended else shown
    others = f"; {missed} entries never filled" if missed else ""
    unseen = len(every) - len(parts)
    others += f"; {unseen} without their quotes left out" if unseen else ""
    return FillModel(part, f"mid+{part:g} ({len(parts)} fills of {where}{others})")


def _is_filled(row: Row) -> bool:
    """Say whether an entry is over and has a price, be it of a part of what was asked for."""
    return is_opened(row) and row["entry_price"] is not None


def _missed(orders: Sequence[Row]) -> int:
    """Return how many positions were asked for in vain: all their orders are over, and nothing was filled."""
    others = {row["position"] for row in orders if row["status"] != "CANCELLED" or row["filled"]}
    return len({row["position"] for row in orders} - others)


def _part(row: Row) -> float | None:
    """Return by how many widths an entry filled worse than its mid, None where that is not on record."""
    if row["entry_mid"] is None:
        return None
    widths = [_width(leg) for leg in json.loads(row["legs"])]
    width = sum(each for each in widths if each is not None)
    if None in widths or width <= 0.0:
        return None
    given = float(row["entry_mid"]) - float(row["entry_price"])
    return min(max(given / width, 0.0), NATURAL_PART)


def _width(leg: Mapping[str, Any]) -> float | None:
    """Return what the width of a leg's quotes adds to that of the structure, per share; None without quotes."""
    if leg["bid"] is None or leg["ask"] is None:
        return None
    shares = LOT if not leg["strike"] else 1
    return (float(leg["ask"]) - float(leg["bid"])) * float(leg["ratio"]) / shares
