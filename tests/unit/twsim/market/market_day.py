"""Short ways to make a market and to ask it."""

from datetime import date, time

import numpy as np

from twsim.market.market import SimMarket
from twsim.nouns import Instrument
from twsim.seams import ContractSearch
from twsim.sessions import session_on

DAY = date(2026, 10, 21)


def market_at(clock: time, *, seed: int = 7, day: date = DAY) -> SimMarket:
    """Return a default market at a time of its first day."""
    session = session_on(day)
    assert session is not None
    market = SimMarket(seed=seed, date=day)
    market.advance(session.at(clock))
    return market


def chain(market: SimMarket, symbol: str, last_trade: str, trading_class: str = "") -> list[Instrument]:
    """Return an expiry, by right and strike."""
    found = market.catalogue.search(
        ContractSearch(symbol=symbol, sec_type="OPT", last_trade=last_trade, trading_class=trading_class or symbol)
    )
    return sorted(found, key=lambda each: (each.right, each.strike))


def spot_of(market: SimMarket, con_id: int = 416904) -> float:
    """Return the last price of an underlying."""
    return float(market.ticks((con_id,)).last[0])


def near(instruments: list[Instrument], spot: float, part: float) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Mark the contracts whose strike is within a part of spot."""
    return np.array([abs(each.strike / spot - 1.0) < part for each in instruments])
