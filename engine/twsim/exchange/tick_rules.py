"""Price steps of the simulated exchange.

Sources: option specifications of Cboe for SPX, SPXW, RUT and VIX, and of Nasdaq for NDX (0.05 below 3.00, 0.10 from
there; VIX combos and SPX combos trade in 0.05, and here those of RUT and NDX too), of Cboe for XSP (0.01 at every
price); penny interval programme (SPY, QQQ and IWM 0.01 at every price; other classes of the programme 0.01 below
3.00, 0.05 from there; classes outside of it 0.05 and 0.10). About 400 classes are in the programme, the most traded
ones; that GGG is none of them is an assumption of this market.
"""

from collections.abc import Sequence
from decimal import Decimal

from rulebot.model.money import TickRule
from twsim.instrument import Instrument, SecType

PENNY = TickRule(((Decimal(0), Decimal("0.01")),))
NICKEL = TickRule(((Decimal(0), Decimal("0.05")),))
NICKEL_DIME = TickRule(((Decimal(0), Decimal("0.05")), (Decimal(3), Decimal("0.10"))))
EQUITY_OPTION = TickRule(((Decimal(0), Decimal("0.01")), (Decimal(3), Decimal("0.05"))))

_NICKEL_SYMBOLS = frozenset({"SPX", "VIX", "RUT", "NDX"})
_OUTSIDE_PROGRAM = frozenset({"GGG"})
_PENNY_SYMBOLS = frozenset({"SPY", "QQQ", "IWM", "XSP"})


def tick_rule(instrument: Instrument) -> TickRule:
    """Return the price steps of one contract: those that its market tells, if they are among those of this exchange."""
    if instrument.ticks in (PENNY, NICKEL_DIME, EQUITY_OPTION):
        return instrument.ticks
    if instrument.sec_type is not SecType.OPTION or instrument.symbol in _PENNY_SYMBOLS:
        return PENNY
    return NICKEL_DIME if instrument.symbol in _NICKEL_SYMBOLS | _OUTSIDE_PROGRAM else EQUITY_OPTION


def combo_tick_rule(instruments: Sequence[Instrument]) -> TickRule:
    """Return the price steps of a combo: nickels when options trade in nickels on every leg's index, else pennies."""
    return NICKEL if all(leg.symbol in _NICKEL_SYMBOLS for leg in instruments) else PENNY


def on_grid(price: Decimal, rule: TickRule) -> bool:
    """Say whether a limit or stop price lies on the grid of its own level."""
    return price % rule.tick(price) == 0
