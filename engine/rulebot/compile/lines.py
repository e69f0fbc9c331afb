"""What measures read of the market beside quotes: ticks that a line must be asked for, and options that are no legs."""

from collections.abc import Iterable, Iterator
from decimal import Decimal

from rulebot.compile.plan import Call, Expiry, LegPlan
from rulebot.model.contract import Right, product
from rulebot.model.market import Extra
from rulebot.spec.nouns.legs import DteRule, Strike, StrikeBy

WING_DELTA = Decimal("0.25")
"""The delta at which skew compares a put with a call."""

_OF_SYMBOL = {
    "iv_rank": (Extra.IMPLIED,),
    "iv_percentile": (Extra.IMPLIED,),
    "put_call_volume": (Extra.OPTION_VOLUME,),
    "option_volume": (Extra.OPTION_VOLUME,),
    "volume_rank": (Extra.OPTION_VOLUME,),
    "put_call_imbalance": (Extra.COUNTS,),
    "crowding": (Extra.IMPLIED, Extra.OPTION_VOLUME, Extra.COUNTS),
}
_OF_LEGS = ("volume", "open_interest")
_OF_WINGS = ("skew", "crowding")
_OF_TODAY = ("put_call_imbalance",)
TODAY_EXPIRY = Expiry(rule=DteRule.EXACT, days=(0,), path=())
"""The expiry of options that end on the session's date."""


def extras_of(calls: Iterable[Call], legs: tuple[LegPlan, ...], symbol: str) -> Iterator[tuple[str, Extra]]:
    """Yield what lines must bring beside quotes, by the symbol of the underlying; `symbol` has what is no leg."""
    symbols = {leg.name: leg.symbol for leg in legs}
    for call in calls:
        of = call.argument("of") if call.measure in (*_OF_SYMBOL, *_OF_LEGS) else None
        if call.measure in _OF_SYMBOL:
            yield from ((each, extra) for each in _symbols(call) for extra in _OF_SYMBOL[call.measure])
        elif isinstance(of, tuple):
            yield from ((found, Extra.COUNTS) for name in of if (found := symbols.get(name, symbol)))


def _symbols(call: Call) -> tuple[str, ...]:
    """Return the underlyings whose lines a call reads: its own, and those that it is ranked among."""
    among = dict(call.arguments).get("among")
    return (str(call.argument("of")), *(among if isinstance(among, tuple) else ()))


def implied_of(calls: Iterable[Call]) -> tuple[str, ...]:
    """Return the symbols whose history of 30-day volatility is read."""
    found = (str(call.argument("of")) for call in calls if Extra.IMPLIED in _OF_SYMBOL.get(call.measure, ()))
    return tuple(dict.fromkeys(found))


def wings_of(calls: Iterable[Call], legs: tuple[LegPlan, ...], expiry: Expiry) -> tuple[LegPlan, ...]:
    """Return the options that skew and crowding are read from, as if they were legs: nobody trades them."""
    symbols = _named(calls, _OF_WINGS)
    classes = {leg.symbol: leg.trading_class for leg in reversed(legs) if leg.expiry.terms == expiry.terms}
    strike = Strike(by=StrikeBy.DELTA, target=WING_DELTA, path=())
    return tuple(
        _beside(f"skew_{right.value}", symbol, classes.get(symbol), right, expiry, strike)
        for symbol in symbols
        for right in (Right.PUT, Right.CALL)
    )


def todays_of(calls: Iterable[Call]) -> tuple[LegPlan, ...]:
    """Return the options of today that put_call_imbalance counts around spot, as if they were legs."""
    strike = Strike(by=StrikeBy.AT_SPOT, path=())
    return tuple(
        _beside(f"today_{right.value}", symbol, None, right, TODAY_EXPIRY, strike)
        for symbol in _named(calls, _OF_TODAY)
        for right in (Right.PUT, Right.CALL)
    )


def _named(calls: Iterable[Call], measures: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(call.argument("of")) for call in calls if call.measure in measures))


def _beside(name: str, symbol: str, trading_class: str | None, right: Right, expiry: Expiry, strike: Strike) -> LegPlan:
    return LegPlan(
        name=name,
        symbol=symbol,
        trading_class=trading_class or product(symbol).same_day_class,
        right=right,
        sign=-1,
        ratio=1,
        expiry=expiry,
        strike=strike,
        path=(),
    )
