"""What a simulated order fills at: so much of the quoted width away from the middle, toward the natural price.

A limit fills when its price has reached that of the model, taken to the nearest step of its price grid. One that is
better than that when it arrives gets the model's price; one that waits gets its own when the market comes to it. Market
and stop orders pay the natural price. A combo trades no worse than it can ever be worth: exchanges let no market order
trade there (`order/price.py`).
"""

import re
from collections.abc import Sequence
from decimal import Decimal

from rulebot.backtest.simulated_broker import natural_fill
from rulebot.model.errors import MisuseError
from rulebot.model.money import Rounding
from rulebot.model.order import Order, OrderType
from rulebot.model.values import dataclass
from rulebot.order.draft import net_price
from rulebot.order.price import NetQuote, Part, ticks_of

NATURAL_PART = 0.5
_PART = re.compile(r"mid\+(0?\.\d+|0)")


@dataclass(frozen=True, slots=True)
class FillModel:
    """`part` of the width (ask less bid of the whole structure) that a fill lies away from the mid: 0.5 is natural."""

    part: float
    name: str

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
