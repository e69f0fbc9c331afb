"""The probability that what is sold ends in the money, of the same lognormal price as `probability_of_profit`."""

from collections.abc import Sequence

from engine.evaluate.measure_volatility import outlook
from engine.evaluate.reading import Context, Reading, Unknown
from engine.evaluate.snapshot import LegView, View
from engine.model.black import probability_below
from engine.model.contract import Right


def probability_in_the_money(view: View, context: Context) -> Reading:
    """Return the probability that any leg that is sold, or where none is any that is bought, is in the money at expiry.

    Of one underlying; of several expiries the nearest counts. Source: as of `probability_of_profit`.
    """
    options = [leg for leg in view.legs if not leg.option.is_share]
    if not options:
        return Unknown("no option")
    if len({leg.option.symbol for leg in options}) > 1:
        return Unknown("of one underlying only")
    expiry, symbol = min(leg.option.expiry for leg in options), options[0].option.symbol
    spot = view.level(symbol)
    if spot is None:
        return Unknown(f"{symbol}: no price")
    found = outlook(view, symbol, expiry, spot, context)
    if isinstance(found, Unknown):
        return found
    near = [leg for leg in options if leg.option.expiry == expiry]
    sold = [leg for leg in near if leg.sign < 0] or near

    def below(strike: float) -> float:
        return probability_below(found.forward, strike, found.years, found.volatility)

    puts, calls = _strikes(sold, Right.PUT), _strikes(sold, Right.CALL)
    down = below(max(puts)) if puts else 0.0
    up = 1.0 - below(min(calls)) if calls else 0.0
    return min(down + up, 1.0)


def _strikes(legs: Sequence[LegView], right: Right) -> list[float]:
    return [float(leg.option.strike) for leg in legs if leg.option.right is right]
