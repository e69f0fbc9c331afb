"""What measures read of the market beside quotes: ticks that a line must be asked for, and options that are no legs."""

from collections.abc import Iterable, Iterator
from decimal import Decimal

from engine.compile.plan import Call, Expiry, LegPlan
from engine.model.contract import Right, product
from engine.model.market import Extra
from engine.spec.nouns.legs import Strike, StrikeBy

WING_DELTA = Decimal("0.25")
"""The delta at which skew compares a put with a call."""

_OF_SYMBOL = {
    "iv_rank": (Extra.IMPLIED,),
    "iv_percentile": (Extra.IMPLIED,),
    "put_call_volume": (Extra.OPTION_VOLUME,),
    "crowding": (Extra.IMPLIED, Extra.OPTION_VOLUME, Extra.COUNTS),
}
_OF_LEGS = ("volume", "open_interest")
_OF_WINGS = ("skew", "crowding")


def extras_of(calls: Iterable[Call], legs: tuple[LegPlan, ...], symbol: str) -> Iterator[tuple[str, Extra]]:
    """Yield what lines must bring beside quotes, by the symbol of the underlying; `symbol` has what is no leg."""
    symbols = {leg.name: leg.symbol for leg in legs}
    for call in calls:
        of = call.argument("of") if call.measure in (*_OF_SYMBOL, *_OF_LEGS) else None
        if call.measure in _OF_SYMBOL:
            yield from ((str(of), extra) for extra in _OF_SYMBOL[call.measure])
        elif isinstance(of, tuple):
            yield from ((found, Extra.COUNTS) for name in of if (found := symbols.get(name, symbol)))


def implied_of(calls: Iterable[Call]) -> tuple[str, ...]:
    """Return the symbols whose history of 30-day volatility is read."""
    found = (str(call.argument("of")) for call in calls if Extra.IMPLIED in _OF_SYMBOL.get(call.measure, ()))
    return tuple(dict.fromkeys(found))


def wings_of(calls: Iterable[Call], legs: tuple[LegPlan, ...], expiry: Expiry) -> tuple[LegPlan, ...]:
    """Return the options that skew and crowding are read from, as if they were legs: nobody trades them."""
    symbols = dict.fromkeys(str(call.argument("of")) for call in calls if call.measure in _OF_WINGS)
    classes = {leg.symbol: leg.trading_class for leg in reversed(legs) if leg.expiry.terms == expiry.terms}
    strike = Strike(by=StrikeBy.DELTA, target=WING_DELTA, path=())
    return tuple(
        LegPlan(
            name=f"skew_{right.value}",
            symbol=symbol,
            trading_class=classes.get(symbol) or product(symbol).same_day_class,
            right=right,
            sign=-1,
            ratio=1,
            expiry=expiry,
            strike=strike,
            path=(),
        )
        for symbol in symbols
        for right in (Right.PUT, Right.CALL)
    )
