"""Today's listings. A contract's id is the contract itself, packed into 31 bits.

Layout from the top: class number (5 bits), settlement day counted from 2015-01-01 (13; the last ones are of the years
from 2010), put (1), strike in units of its class (12), counted from the first step of the class: two classes with few
strikes share a number. So ids never depend on the seed, the day or the order of requests, and no two contracts share
one.
"""

import calendar
from datetime import date, timedelta
from functools import lru_cache

import numpy as np

from twsim.market.universe import (
    CLASSES_OF,
    OPTION_CLASSES,
    UNDERLYING_BY_ID,
    UNDERLYINGS,
    OptionClass,
    StrikeLadder,
    class_of_step,
    last_step,
)
from twsim.nouns import Instrument, Settle
from twsim.nouns import SecType as Kind
from twsim.seams import ContractSearch, OptionParams
from twsim.sessions import half_days, trades_on, trading_day_before

# --- Which expiries and strikes are listed on a day

_DAILY_REACH = {StrikeLadder.INDEX_PM: 35, StrikeLadder.ETF_DAILY: 14}
_FRIDAY_REACH = {StrikeLadder.INDEX_PM: 90, StrikeLadder.ETF_DAILY: 56, StrikeLadder.STOCK: 45}
_MONTH_END_REACH = {StrikeLadder.INDEX_PM: 365, StrikeLadder.ETF_DAILY: 60}
_QUARTER_END_REACH = {StrikeLadder.INDEX_PM: 550, StrikeLadder.ETF_DAILY: 540}
_MONTHLY_REACH = {
    StrikeLadder.INDEX_AM: 365,
    StrikeLadder.INDEX_PM: 190,
    StrikeLadder.ETF_DAILY: 330,
    StrikeLadder.STOCK: 270,
}
_HALF_YEAR_REACH = {StrikeLadder.INDEX_AM: 1100, StrikeLadder.ETF_DAILY: 915, StrikeLadder.STOCK: 800}


@lru_cache(maxsize=8192)
def on_or_before(day: date) -> date:
    """Return `day`, or the last session before it."""
    return day if trades_on(day) else trading_day_before(day)


@lru_cache(maxsize=8192)
def sessions_between(after: date, until: date) -> int:
    """Count the sessions after `after` up to and with `until`."""
    span = (until - after).days
    return sum(trades_on(after + timedelta(days=step)) for step in range(1, span + 1))


@lru_cache(maxsize=8192)
def half_days_between(after: date, until: date) -> int:
    """Count the half days after `after` up to and with `until`."""
    return len(half_days(after + timedelta(days=1), until))


def third_friday(year: int, month: int) -> date:
    """Return the day monthly options settle: the third Friday, or the session before a holiday on it."""
    first = date(year, month, 1)
    friday = first + timedelta(days=(4 - first.weekday()) % 7 + 14)
    return on_or_before(friday)


def month_end(year: int, month: int) -> date:
    """Return the last session of a month."""
    return on_or_before(date(year, month, calendar.monthrange(year, month)[1]))


def _months(today: date, days: int) -> list[tuple[int, int]]:
    count = days // 28 + 2
    first = today.year * 12 + today.month - 1
    return [divmod(first + step, 12) for step in range(count)]


def _fridays(today: date, reach: int) -> set[date]:
    first = today + timedelta(days=(4 - today.weekday()) % 7)
    found = (first + timedelta(days=7 * week) for week in range(reach // 7 + 1))
    return {on_or_before(friday) for friday in found}


@lru_cache(maxsize=512)
def expiries(ladder: StrikeLadder, today: date) -> tuple[date, ...]:
    """Return the settlement days listed on `today`, in order; `today` is included until its close."""
    found: set[date] = set()
    daily = _DAILY_REACH.get(ladder, -1)
    found.update(day for step in range(daily + 1) if trades_on(day := today + timedelta(days=step)))
    if ladder in _FRIDAY_REACH:
        found |= _fridays(today, _FRIDAY_REACH[ladder])
    for year, month in _months(today, 1100):
        month += 1
        found |= _monthly(ladder, today, year, month)
    last_trade = {day: trading_day_before(day) if ladder is StrikeLadder.INDEX_AM else day for day in found}
    return tuple(sorted(day for day, last in last_trade.items() if last >= today))


def _monthly(ladder: StrikeLadder, today: date, year: int, month: int) -> set[date]:
    friday, end = third_friday(year, month), month_end(year, month)
    found = set()
    reach = (friday - today).days
    if reach <= _MONTHLY_REACH.get(ladder, -1) or (month in (1, 6, 12) and reach <= _HALF_YEAR_REACH.get(ladder, -1)):
        found.add(friday)
    reach = (end - today).days
    if reach <= _MONTH_END_REACH.get(ladder, -1) or (month % 3 == 0 and reach <= _QUARTER_END_REACH.get(ladder, -1)):
        found.add(end)
    return found


def _band(reference: float, low: float, high: float, step: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    first = np.ceil(reference * low / step)
    last = np.floor(reference * high / step)
    return np.arange(first, last + 1) * step


_INDEX_FAR = ((0.80, 1.15, 5.0), (0.20, 1.60, 20.0))
_INDEX_MIDDLE = ((0.90, 1.08, 1.0), (0.80, 1.15, 2.0), (0.50, 1.40, 5.0), *_INDEX_FAR)
_INDEX_NEAR = ((0.85, 1.10, 1.0), (0.75, 1.15, 2.0), *_INDEX_MIDDLE)
"""Parts of the level, and the units between strikes within them; a unit of SPX is 5 points."""
_ETF_FAR = ((0.92, 1.08, 1.0), (0.40, 1.50, 5.0))
_ETF_NEAR = ((0.80, 1.15, 1.0), *_ETF_FAR)


def stock_step(price: float) -> float:
    """Return the strike step near the money of a stock at this price."""
    for below, step in ((25.0, 0.5), (100.0, 1.0), (220.0, 2.5)):
        if price < below:
            return step
    return 5.0


@lru_cache(maxsize=4096)
def strikes(ladder: StrikeLadder, days: int, reference: float, unit: float = 5.0) -> tuple[float, ...]:
    """Return the strikes of an expiry `days` ahead for a price level near `reference`, in order.

    What is listed far ahead is listed nearer too, so no strike is ever taken away. unit: points between the strikes of
    an index that are nearest to one another.
    """
    bands: tuple[tuple[float, float, float], ...]
    if ladder in (StrikeLadder.INDEX_AM, StrikeLadder.INDEX_PM):
        found = _INDEX_NEAR if days <= 45 else _INDEX_MIDDLE if days <= 200 else _INDEX_FAR
        bands = tuple((low, high, units * unit) for low, high, units in found)
    elif ladder is StrikeLadder.ETF_DAILY:
        bands = _ETF_NEAR if days <= 200 else _ETF_FAR
    else:
        step = stock_step(reference)
        bands = (0.80, 1.25, step), (0.50, 1.60, step * 2)
    return tuple(np.unique(np.concatenate([_band(reference, *band) for band in bands])).tolist())


def days_class(days: int) -> int:
    """Return an equivalent for the days to expiry with which `strikes` gives the same ladder."""
    return 45 if days <= 45 else 200 if days <= 200 else 1000


# --- What is listed today

_FIRST, _EPOCH = date(2010, 1, 1), date(2015, 1, 1)
_STRIKE_BITS, _DAY_BITS = 12, 13
CLASS_BITS = _STRIKE_BITS + 1 + _DAY_BITS
"""Bits of an id below the number of its class."""
_STRIKE_MASK, _DAY_MASK = (1 << _STRIKE_BITS) - 1, (1 << _DAY_BITS) - 1
_MULTIPLIER = 100
_ROUND = {"SPX": 100.0, "NDX": 250.0, "RUT": 50.0}
_RIGHTS = ("", "C", "P", "CALL", "PUT")


def option_id(option_class: OptionClass, settles: date, right: str, strike: float) -> int:
    """Return the contract id of an option. Units: strike is a multiple of the class's strike unit."""
    steps = option_class.first_step + round(strike / option_class.strike_unit)
    packed = (option_class.number << _DAY_BITS) | ((settles - _EPOCH).days & _DAY_MASK)
    return (((packed << 1) | (right == "P")) << _STRIKE_BITS) | steps


def expiry_code(con_id: int) -> int:
    """Return the part of an option's id that all options of its class and expiry share."""
    return con_id >> (_STRIKE_BITS + 1)


@lru_cache(maxsize=4096)
def _written(day: date | None) -> str:
    return f"{day:%Y%m%d}"


def _local_symbol(name: str, settles: date, right: str, strike: float) -> str:
    return f"{name:<6}{_written(settles)[2:]}{right}{round(strike * 1000):08d}"


def _option(option_class: OptionClass, settles: date, right: str, strike: float) -> Instrument:
    """Build an option. Source: OCC symbology, 21 characters."""
    under = UNDERLYINGS[option_class.symbol]
    is_am = option_class.ladder is StrikeLadder.INDEX_AM
    settle = Settle.SHARES if under.sec_type is Kind.STOCK else Settle.AM if is_am else Settle.PM
    return Instrument(
        con_id=option_id(option_class, settles, right, strike),
        symbol=under.symbol,
        sec_type=Kind.OPTION,
        trading_class=option_class.name,
        local_symbol=_local_symbol(option_class.name, settles, right, strike),
        exchange="SMART",
        primary_exchange="",
        long_name=under.long_name,
        multiplier=_MULTIPLIER,
        last_trade_date=trading_day_before(settles) if is_am else settles,
        settle_date=settles,
        strike=float(strike),
        right=right,
        settle=settle,
        underlying_id=under.con_id,
    )


def _parse_local(local_symbol: str) -> tuple[OptionClass, date, str, float] | None:
    padded = local_symbol.ljust(21) if len(local_symbol) < 7 else local_symbol
    name, rest = padded[:6].strip(), padded[6:].strip()
    option_class = OPTION_CLASSES.get(name)
    if option_class is None or len(rest) != 15 or rest[6] not in "CP" or not (rest[:6] + rest[7:]).isdecimal():
        return None
    try:
        settles = date(2000 + int(rest[:2]), int(rest[2:4]), int(rest[4:6]))
    except ValueError:
        return None
    return option_class, settles, rest[6], int(rest[7:]) / 1000.0


def _reference(symbol: str, level: float) -> float:
    """Return a round level, so that ladders keep still while prices move a little."""
    step = _ROUND.get(symbol, 10.0 if level > 100 else 5.0)
    return max(round(level / step), 1) * step


class Listings:
    """The catalogue of one run: `open_day` moves it to a new day at the day's reference levels."""

    def __init__(self) -> None:
        self._today = _EPOCH
        self._first_day = date.max
        self._seen: dict[str, set[float]] = {symbol: set() for symbol in CLASSES_OF}
        self._ladders: dict[tuple[str, int], frozenset[float]] = {}
        self._known: dict[int, Instrument | None] = {}
        self._chains: dict[tuple[str, date], tuple[Instrument, ...]] = {}
        self._params: dict[int, list[OptionParams]] = {}

    def open_day(self, today: date, references: dict[str, float]) -> None:
        """List what trades on `today`, strikes around the reference level of each underlying."""
        self._today = today
        self._first_day = min(self._first_day, today)
        for symbol, levels in self._seen.items():
            levels.add(_reference(symbol, references[symbol]))
        self._ladders.clear()
        self._chains.clear()
        self._params.clear()
        self._known = {key: found for key, found in self._known.items() if found is not None}

    def by_id(self, con_id: int) -> Instrument | None:
        if con_id in self._known:
            return self._known[con_id]
        found = UNDERLYING_BY_ID.get(con_id) or self._unpack(con_id)
        self._known[con_id] = found
        return found

    def _unpack(self, con_id: int) -> Instrument | None:
        steps, rest = con_id & _STRIKE_MASK, con_id >> _STRIKE_BITS
        right, rest = "P" if rest & 1 else "C", rest >> 1
        option_class = class_of_step(rest >> _DAY_BITS, steps)
        if con_id < 0 or option_class is None:
            return None
        settles = _FIRST + timedelta(days=((_EPOCH - _FIRST).days + rest) & _DAY_MASK)
        strike = (steps - option_class.first_step) * option_class.strike_unit
        return self._exact(option_class, settles, right, strike, include_expired=True)

    def _exact(
        self, option_class: OptionClass, settles: date, right: str, strike: float, *, include_expired: bool
    ) -> Instrument | None:
        day = self._listing_day(option_class, settles)
        if day is None or (day != self._today and not include_expired):
            return None
        if strike not in self._ladder(option_class, (settles - day).days):
            return None
        return _option(option_class, settles, right, strike)

    def _listing_day(self, option_class: OptionClass, settles: date) -> date | None:
        """Return the last day of this run on which an expiry was listed."""
        last = trading_day_before(settles) if option_class.ladder is StrikeLadder.INDEX_AM else settles
        day = min(self._today, last)
        if day < self._first_day or settles not in expiries(option_class.ladder, day):
            return None
        return day

    def _ladder(self, option_class: OptionClass, days: int) -> frozenset[float]:
        """Return the strikes of an expiry: once listed, a strike stays."""
        near = days_class(days)
        key = (option_class.name, near)
        if key not in self._ladders:
            levels, unit = self._seen[option_class.symbol], option_class.strike_unit
            found = (strikes(option_class.ladder, near, level, unit) for level in levels)
            highest = last_step(option_class) * unit
            self._ladders[key] = frozenset(each for strikes in found for each in strikes if each <= highest)
        return self._ladders[key]

    def underlying(self, symbol: str) -> Instrument | None:
        return UNDERLYINGS.get(symbol)

    def symbols(self) -> tuple[str, ...]:
        return tuple(UNDERLYINGS)

    def strikes(self, option_class: OptionClass, settles: date) -> tuple[float, ...]:
        """Return the strikes listed today for an expiry, in order."""
        return tuple(sorted(self._ladder(option_class, (settles - self._today).days)))

    def chain(self, option_class: OptionClass, settles: date) -> tuple[Instrument, ...]:
        """Return every option of an expiry, calls first, by strike."""
        key = (option_class.name, settles)
        if key not in self._chains:
            ladder = self.strikes(option_class, settles)
            self._chains[key] = tuple(_option(option_class, settles, right, k) for right in "CP" for k in ladder)
        return self._chains[key]

    def listed(self, symbol: str) -> list[tuple[OptionClass, date]]:
        """Return class and settlement day of every expiry of an underlying listed today."""
        classes = CLASSES_OF.get(symbol, ())
        return [(each, day) for each in classes for day in expiries(each.ladder, self._today)]

    def option_params(self, underlying_id: int) -> list[OptionParams]:
        if underlying_id not in self._params:
            under = UNDERLYING_BY_ID.get(underlying_id)
            classes = CLASSES_OF.get(under.symbol, ()) if under else ()
            self._params[underlying_id] = [self._params_row(underlying_id, each) for each in classes]
        return list(self._params[underlying_id])

    def _params_row(self, underlying_id: int, option_class: OptionClass) -> OptionParams:
        days = expiries(option_class.ladder, self._today)
        ladders = [self._ladder(option_class, (day - self._today).days) for day in days]
        union = frozenset[float]().union(*ladders)
        last_trades = tuple(self._last_trade(option_class, day) for day in days)
        return OptionParams("SMART", underlying_id, option_class.name, _MULTIPLIER, last_trades, tuple(sorted(union)))

    @staticmethod
    def _last_trade(option_class: OptionClass, settles: date) -> date:
        return trading_day_before(settles) if option_class.ladder is StrikeLadder.INDEX_AM else settles

    def search(self, asked: ContractSearch) -> list[Instrument]:
        found: list[Instrument] = []
        if not (asked.last_trade or asked.strike or asked.right):
            found += [each for each in UNDERLYINGS.values() if asked.fits(each)]
        if asked.sec_type in ("", Kind.OPTION.value) and (asked.symbol or asked.trading_class or asked.local_symbol):
            found += self._options(asked)
        return sorted(found, key=lambda each: each.con_id)

    def _options(self, asked: ContractSearch) -> list[Instrument]:
        if asked.right.upper() not in _RIGHTS:
            return []
        if asked.local_symbol:
            parsed = _parse_local(asked.local_symbol)
            one = self._exact(*parsed, include_expired=asked.include_expired) if parsed else None
            candidates = [one] if one else []
        else:
            candidates = self._candidates(asked)
        terms = asked._replace(local_symbol="")
        return [each for each in candidates if terms.fits(each)]

    def _candidates(self, asked: ContractSearch) -> list[Instrument]:
        found: list[Instrument] = []
        for option_class in OPTION_CLASSES.values():
            if asked.symbol not in ("", option_class.symbol) or asked.trading_class not in ("", option_class.name):
                continue
            for settles in self._expiries(option_class, asked.include_expired):
                if not _written(self._last_trade(option_class, settles)).startswith(asked.last_trade):
                    continue
                if asked.strike:
                    exact = (
                        self._exact(option_class, settles, side, asked.strike, include_expired=asked.include_expired)
                        for side in asked.side or "CP"
                    )
                    found += [each for each in exact if each is not None]
                else:
                    found += self.chain(option_class, settles)
        return found

    def _expiries(self, option_class: OptionClass, include_expired: bool) -> tuple[date, ...]:
        found = expiries(option_class.ladder, self._today)
        if not include_expired or self._first_day >= self._today:
            return found
        past: set[date] = set()
        day = self._first_day
        while day < self._today:
            past.update(expiries(option_class.ladder, day))
            day += timedelta(days=1)
        return tuple(sorted(past | set(found)))
