"""What an option would be worth at another volatility, and what volatility a price of it means, at any level.

Black's formula on the level asked about, without interest; and what the market's own model of it differs from that by
today: a premium for early exercise, interest and dividends. So the market's price means the market's volatility.
"""

import math

import numpy as np

from twsim.gateway.hub import ServerState
from twsim.gateway.parse_contracts import contract_query, matches, no_contract
from twsim.gateway.session import Session
from twsim.gateway.wire import Fields
from twsim.instrument import Instrument
from twsim.market.black import black_price
from twsim.market.surface import YEAR_SECONDS, expiry_of, settlement_instant

_HIGHEST = 20.0
_STEPS = 60
_NOT_COMPUTED = -1.0


def implied_volatility(hub: ServerState, session: Session, fields: Fields) -> None:
    """Message 54: the volatility at which the option has the price asked about, where there is one."""
    asked = _Asked.read(hub, session, fields)
    if asked is not None:
        asked.answer(session, asked.volatility_of(asked.value), asked.value)


def option_price(hub: ServerState, session: Session, fields: Fields) -> None:
    """Message 55: the price of the option at the volatility asked about."""
    asked = _Asked.read(hub, session, fields)
    if asked is not None:
        asked.answer(session, asked.value, asked.price_at(asked.value) if 0 < asked.value <= _HIGHEST else math.nan)


class _Asked:
    """One question: an option, a price or volatility of it, and where its underlying is meant to be."""

    def __init__(self, hub: ServerState, req_id: int, option: Instrument, value: float, level: float) -> None:
        ticks = hub.market.ticks((option.con_id,))
        spot = float(ticks.spot[0])
        self._req_id = req_id
        self._option = option
        self._years = max(settlement_instant(expiry_of(option)).timestamp() - hub.now, 1.0) / YEAR_SECONDS
        self.value = value
        self.level = level if level > 0 else spot
        self._beyond_black = float(ticks.model[0]) - self._black(spot, float(ticks.iv[0]))

    @classmethod
    def read(cls, hub: ServerState, session: Session, fields: Fields) -> "_Asked | None":
        """Return what is asked; None after an error where no single option is meant."""
        fields.skip()
        req_id, query = fields.integer(), contract_query(fields)
        found = matches(hub.market.catalogue, query)
        if len(found) != 1 or not found[0].is_option:
            session.error(req_id, 200, no_contract(len(found), query))
            return None
        return cls(hub, req_id, found[0], fields.number() or 0.0, fields.number() or 0.0)

    def price_at(self, volatility: float) -> float:
        """Return the price at a volatility, never below 0; nan where the market has no model of the option."""
        return float(np.maximum(self._black(self.level, volatility) + self._beyond_black, 0.0))

    def volatility_of(self, price: float) -> float:
        """Return the volatility of a price, nan of one that the option has at no volatility."""
        low, high = 0.0, _HIGHEST
        if not self.price_at(low) < price < self.price_at(high):
            return math.nan
        for _ in range(_STEPS):
            middle = (low + high) / 2.0
            low, high = (low, middle) if self.price_at(middle) > price else (middle, high)
        return high

    def _black(self, level: float, volatility: float) -> float:
        sign = 1.0 if self._option.right == "C" else -1.0
        deviation = volatility * math.sqrt(self._years)
        if deviation <= 0.0:
            return max(sign * (level - self._option.strike), 0.0)
        columns = (np.array([each]) for each in (level, self._option.strike, deviation, 1.0, sign))
        return float(black_price(*columns)[0][0])

    def answer(self, session: Session, volatility: float, price: float) -> None:
        """Send what was computed, and the level that it counts at."""
        shown = [round(each, 6) if each >= 0 else _NOT_COMPUTED for each in (volatility, price, self.level)]
        session.send(21, self._req_id, 53, 0, shown[0], -2, shown[1], -1, -2, -2, -2, shown[2])
