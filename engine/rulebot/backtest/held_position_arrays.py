"""What a past session makes of a position that is held, by arrays: when an exit may act, and what it is worth.

The arrays decide nothing. An instant at which an exit may be true, or may not be known, is lived through by the engine.
"""

from collections.abc import Sequence
from decimal import Decimal
from functools import cached_property

import numpy as np

from rulebot.adapters.history.day import Columns
from rulebot.backtest.historical_market import DayMarket
from rulebot.backtest.scheduler import Instant
from rulebot.backtest.vectorized import measures
from rulebot.backtest.vectorized.rule_masks import Mask, Series, may_hold
from rulebot.compile.plan import Call, Rule
from rulebot.core.position_marks import at_stop
from rulebot.core.program import CompiledBot
from rulebot.core.rule_evaluation import rounded
from rulebot.core.state import Structure
from rulebot.model.contract import Option, Underlying
from rulebot.model.money import CENT
from rulebot.model.order import Order, OrderType, Side
from rulebot.model.position import Position
from rulebot.model.session import Session
from rulebot.order.draft import net_price, order_parts
from rulebot.record.record import Json, Kind, Record

_STEPS, _LARGE, _DOUBT = 1e6, 1e12, 1e-3
"""`rounded` keeps six digits: its steps, how many are told apart, how far from half a step is sure."""
_WHOLE, _NEAR_HALF = 1e15, 0.02
"""Whole numbers that a float tells apart, with room; how near half a cent four digits of a dollar decide, in cents."""
_A_STEP = 0.11
"""Dollars, more than the largest step of an option's price: what rounding may make of one."""


class LegColumns:
    """The columns of a position's legs, as rules read them while it is closed (see `measures.SessionColumns`).

    A leg that nobody bids for counts 0: a long one brings nothing, a short one costs half its ask at mid. quoted_bid,
    quoted_ask: as they were quoted; is_odd: instants at which a quote is crossed, locked or not there.
    """

    def __init__(self, market: DayMarket, options: Sequence[Option], weights: Sequence[int]) -> None:
        self._market, self._given = market, market.given_of(options)
        self.session: Session = market.session
        self.opens_at = market.session.open.timestamp()
        self.options = options
        self.quoted_bid, self.quoted_ask = self.given("bid"), self.given("ask")
        unwanted = np.isnan(self.quoted_bid) & (self.given("bid_size") == 0.0)
        worthless = unwanted & (np.array(weights) > 0)[:, None]
        self.bid = np.where(unwanted, 0.0, self.quoted_bid)
        self.ask = np.where(worthless, 0.0, self.quoted_ask)
        self.is_odd: Mask = (np.isnan(self.quoted_ask) | ~((self.bid < self.quoted_ask) | worthless)).any(axis=0)

    def given(self, name: str) -> Columns:
        """Return what is known of the legs by this name, nan where it is not. Shape: legs x instants."""
        column = self._given.get(name)
        if column is None:
            return np.full((len(self.options), len(self._market.day.times)), np.nan)
        return np.ascontiguousarray(column.T)

    @cached_property
    def times(self) -> Columns:
        """The instants, in seconds after the open."""
        return self._market.day.times - self.opens_at

    @cached_property
    def delta(self) -> Columns:
        """Deltas. Shape: legs x instants."""
        return self.given("delta")

    def level(self, symbol: str) -> Columns | None:
        """Return the level of an underlying that is streamed, None without one."""
        return self._market.day.levels.get(symbol) if Underlying(symbol) in self._market.board.rows else None


class HeldPosition:
    """One position over a session, for as long as nothing of it changes.

    may_act: at which instants an exit may be true, or something that it reads is not known, or an order that rests at
    the broker may fill. rules: of exits that are judged; those that rest are not.
    """

    def __init__(
        self, market: DayMarket, position: Position, found: Structure, bot: CompiledBot, resting: Sequence[Order] = ()
    ) -> None:
        self.position, self.expiry = position, found.expiry
        self.rules = rules_of(bot, with_resting=not resting)
        self._parts, self._net, self._structures = found.parts, found.net, position.structures
        self._at_stop = at_stop(bot, position, resting)
        self._weights = [part.price_multiplier for part in found.parts]
        self._columns = columns = LegColumns(market, [part.option for part in found.parts], self._weights)
        level = columns.level(position.legs[0].option.symbol)
        self._spot = np.full(len(columns.times), np.nan) if level is None else level
        self._bids, self._asks = columns.quoted_bid, columns.quoted_ask
        self.may_act = self._may_act(found, bot)
        for order in resting:
            self.may_act = self.may_act | self._may_fill(order)

    def _may_act(self, found: Structure, bot: CompiledBot) -> Mask:
        """Return at which instants an exit may be true, or something that it reads is not known."""
        assert found.held is not None
        columns, names = self._columns, tuple(leg.name for leg in found.legs)
        structure = tuple(enumerate(self._weights))
        position = measures.Position(columns, structure, names, found.held, {}, structure)
        may = columns.is_odd | np.isnan(self._spot)

        def known(call: Call) -> Series | None:
            nonlocal may
            read = position.measure(call)
            if read is not None:
                may = may | np.isnan(read[0])
            return read

        for rule in self.rules:
            mask = may_hold(rule.test, known, may.shape)
            may = np.ones_like(may) if mask is None else may | mask
        return may

    def _may_fill(self, order: Order) -> Mask:
        """Return at which instants an order that rests may fill by any model of fills (see `fills.py`).

        No model gives more than the mid; with a limit it may be rounded to the next step of its price.
        """
        if order.is_combo:
            return self._may_fill_as_one(order)
        (leg,) = order.legs
        place = [part.option for part in self._parts].index(leg.option)
        bid, ask = self._bids[place], self._asks[place]
        mid = np.where(np.isnan(bid), ask / 2, (bid + ask) / 2)
        price = order.limit_price if order.kind is OrderType.LIMIT else order.stop_price
        assert price is not None
        falls = (order.side is Side.BUY) is (order.kind is OrderType.LIMIT)
        away: Mask = mid > float(price) + _A_STEP if falls else mid < float(price) - _A_STEP
        return ~away

    def _may_fill_as_one(self, order: Order) -> Mask:
        """Return the same of a combo, by the middle of all its legs."""
        assert order.limit_price is not None
        options, brings = [part.option for part in self._parts], np.zeros(len(self._columns.times))
        for option, flow, weight in order_parts(order.legs, order.side):
            bid, ask = self._bids[options.index(option)], self._asks[options.index(option)]
            brings += flow * weight * np.where(np.isnan(bid), ask / 2, (bid + ask) / 2)
        away: Mask = brings < float(net_price(order.limit_price, order.side)) - _A_STEP
        return ~away

    @cached_property
    def value(self) -> Columns:
        """Dollars that closing all of it at mid would bring, at each instant (see `fill.pnl.open_value`)."""
        total = np.zeros(len(self._columns.times))
        for part, bid, ask in zip(self._parts, self._bids, self._asks, strict=True):
            unwanted = 0.0 if part.sign > 0 else ask / 2
            mid = np.where(np.isnan(bid), unwanted, (bid + ask) / 2)
            total += part.contracts * mid * part.option.multiplier
        return total

    def made(self, places: Sequence[int]) -> list[Decimal]:
        """Return the dollars it has made at instants at which no quote is odd."""
        return [_made(self._net, value) for value in self.value[places].tolist()]

    def marks(self, instants: Sequence[Instant]) -> list[Record]:
        """Return its snapshots, as `turn.marking` would record them at these instants."""
        bot, name, structures = self.position.bot, self.position.id, self._structures
        places = [place for _, place in instants]
        columns = rounded_columns(self._shown[:, places])
        profits = made_texts(self._net, self.value[places])
        found = []
        for (at, _), made, bid, ask, mid, delta, gamma, theta, vega, iv, spot in zip(
            instants, profits, *columns, strict=True
        ):
            data: dict[str, Json] = {
                "bid": bid,
                "ask": ask,
                "mid": mid,
                "delta": delta,
                "gamma": gamma,
                "theta": theta,
                "vega": vega,
                "iv": iv,
                "spot": spot,
                "profit": made,
                "quantity": structures,
                "at_stop": self._at_stop,
            }
            found.append(Record(at, Kind.MARK, bot, name, data))
        return found

    @cached_property
    def _shown(self) -> Columns:
        """What its snapshots show of the market, in their order, at all instants."""
        bids, asks, given = np.nan_to_num(self._bids, nan=0.0), self._asks, self._columns.given
        is_long = np.array(self._weights)[:, None] > 0
        mids = np.where(np.isnan(self._bids) & is_long, 0.0, bids + asks)
        nets = (np.where(is_long, bids, asks), np.where(is_long, asks, bids), mids)
        by_leg = np.array((*nets, *(given(name) for name in ("delta", "gamma", "theta", "vega"))))
        sums = np.zeros((len(by_leg), len(self._spot)))
        for leg, weight in enumerate(self._weights):
            sums += weight * by_leg[:, leg]
        sums[2] /= 2  # of bid and ask
        sold = next((number for number, part in enumerate(self._parts) if part.sign < 0), None)
        iv = np.full_like(self._spot, np.nan) if sold is None else given("iv")[sold]
        return np.array((*sums, iv, self._spot))


def _made(net: Decimal, value: float) -> Decimal:
    return net + Decimal(f"{value:.4f}").quantize(CENT)


def made_texts(net: Decimal, values: Columns) -> list[str]:
    """Return as text what `net` dollars and each of these values are: at once, but for those next to half a cent."""
    digits = max(-int(net.as_tuple().exponent), 2)
    if abs(net) * 10**digits > _WHOLE:
        return [str(_made(net, value)) for value in values.tolist()]
    steps = values * 100.0
    whole = np.rint(steps)
    scaled, unit, text = float(net.scaleb(digits)), 10 ** (digits - 2), f"%.{digits}f"
    found = [text % dollars for dollars in ((scaled + whole * unit + 0.0) / 10**digits).tolist()]
    sure = (np.abs(np.abs(steps - whole) - 0.5) > _NEAR_HALF) & (np.abs(steps) < _WHOLE / unit)
    for place in np.flatnonzero(~sure).tolist():
        found[place] = str(_made(net, float(values[place])))
    return found


def rounded_columns(columns: Columns) -> list[list[float | None]]:
    """Return what `rounded` makes of each value: at once, but for those that are nan or next to a half step."""
    is_unknown = np.logical_and.reduce(np.isnan(columns), axis=1)  # a source without some greeks
    steps = columns * _STEPS
    whole = np.rint(steps)
    found: list[list[float | None]] = (whole / _STEPS).tolist()
    for number in np.flatnonzero(is_unknown).tolist():
        found[number] = [None] * columns.shape[1]
    sure = (np.abs(np.abs(steps - whole) - 0.5) > _DOUBT) & (np.abs(steps) < _LARGE)
    for number, place in np.argwhere(~(sure | is_unknown[:, None])).tolist():
        found[number][place] = rounded(float(columns[number, place]))
    return found


def rules_of(bot: CompiledBot, *, with_resting: bool = True) -> list[Rule]:
    """Return the rules of a bot's exits, those that rest at the broker with the others or not."""
    exits = zip(bot.plan.exits, bot.exits, strict=True)
    return [each.rule for planned, each in exits if each is not None and (with_resting or not planned.resting)]
