"""Prices on the tick and money, in Decimal.

Market data in bulk is float64; `on_tick` is the one crossing from there to a price of an order.
"""

from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, InvalidOperation
from enum import Enum

from rulebot.model.values import dataclass

CENT = Decimal("0.01")
ZERO = Decimal(0)


class Rounding(Enum):
    """Which neighbour on the grid a price takes."""

    NEAREST = ROUND_HALF_EVEN
    DOWN = ROUND_FLOOR
    UP = ROUND_CEILING


def on_tick(price: float | Decimal, tick: Decimal, rounding: Rounding) -> Decimal:
    """Return `price` as a Decimal on the grid of `tick` (signed prices allowed: DOWN is toward minus infinity).

    A float is first read to 10 decimals, so that 0.15 / 0.05 is three ticks and not 2.9999999999999996.
    """
    exact = price if isinstance(price, Decimal) else Decimal(f"{price:.10f}")
    steps = (exact / tick).to_integral_value(rounding.value)
    return (steps * tick).quantize(tick)


@dataclass(frozen=True, slots=True)
class TickRule:
    """Price steps by price level, lowest edge first: ((low edge, step), ...)."""

    steps: tuple[tuple[Decimal, Decimal], ...]

    @classmethod
    def of(cls, texts: Sequence[str]) -> "TickRule":
        """Return the price grid given as an edge, the step from there, and so on.

        Raises: ValueError when no prices can be on it.
        """
        try:
            numbers = [_with_places(Decimal(each)) for each in texts]
            steps = tuple(sorted(zip(numbers[::2], numbers[1::2], strict=True)))
            if steps and min(step for _, step in steps) > 0:
                return cls(steps)
        except (InvalidOperation, ValueError):
            pass
        raise ValueError(f"no price steps: {' '.join(texts)!r}")

    def tick(self, price: Decimal | float) -> Decimal:
        """Return the step that applies at |price|."""
        level = abs(Decimal(price))
        found = self.steps[0][1]
        for edge, step in self.steps:
            if level >= edge:
                found = step
        return found

    def round(self, price: float | Decimal, rounding: Rounding) -> Decimal:
        """Return `price` rounded to the tick size at its level."""
        return on_tick(price, self.tick(price), rounding)


def _with_places(number: Decimal) -> Decimal:
    """Return a number with the places that it has, at least two: prices bear those of their step."""
    in_cents = number.quantize(CENT)
    return in_cents if in_cents == number else number.normalize()


def cents(amount: float | Decimal) -> Decimal:
    """Return dollars to the cent, half of one away from zero: of a Decimal as of the float that a store has of it."""
    exact = amount if isinstance(amount, Decimal) else Decimal(f"{amount:.8f}")
    return exact.quantize(CENT, ROUND_HALF_UP) if exact.is_finite() else exact


def dollars(amount: float | Decimal) -> str:
    """Return `-$1,234.50` for a report."""
    exact = cents(amount)
    return f"{'-' if exact < 0 else ''}${abs(exact):,}"


def signed_dollars(amount: float | Decimal | None) -> str:
    """Return `+$36.80` or `-$1,234.50` for a report, a dash for None."""
    if amount is None:
        return "-"
    text = dollars(amount)
    return text if text.startswith("-") else f"+{text}"


def short_dollars(amount: float | Decimal) -> str:
    """Return `$1,000` or `-$8.50`: cents only where there are some."""
    return dollars(amount).removesuffix(".00")


def whole_dollars(amount: Decimal) -> str:
    """Return whole dollars with their sign, for what is estimated: `+$15`, `-$55`."""
    return f"{'-' if round(amount) < 0 else '+'}${abs(round(amount)):,}"


# --- The built-in caps on one entry order

MOST_STRUCTURES = 10
"""Structures of one entry order."""
MOST_NOTIONAL = Decimal(25_000_000)
"""Dollars of strike x multiplier x contracts of one entry order. Ten condors on SPX at 6000 are 24 million."""
RAISED_BY = "an account document (account.yaml) sets its own limits instead"
"""How a built-in cap is raised."""
BUILT_IN_WORDS = (
    f"at most {MOST_STRUCTURES} structures and ${MOST_NOTIONAL:,} of strikes in an entry, cash for short puts"
)
"""The built-in limits, for the first lines of a run."""
