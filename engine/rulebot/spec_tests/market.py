"""The market of a test: levels that the test writes, options priced by Black's model at the given volatilities.

Quotes are generated on request: requested contracts are written to the board minute by minute. Levels are
sent at every step, as an index is every second; an option's quote only when it has changed.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import islice, pairwise
from math import exp, floor, isnan, log, nan, sqrt
from typing import NamedTuple

from rulebot.compile.plan import Plan
from rulebot.measure.series import DAY, FIVE_MINUTES, INTRADAY
from rulebot.measures.bars import last_end
from rulebot.model.black import MEAN_MOVE, price, valued, years_until
from rulebot.model.contract import SHARE_TICKS, Contract, Option, Right, Underlying, product
from rulebot.model.facts import Bar, Bars, Listing
from rulebot.model.market import OPTION_AGE, Board
from rulebot.model.position import PositionLeg
from rulebot.model.session import SESSIONS_A_YEAR, Session, sessions_before, trades_on, trading_day_before
from rulebot.spec.spec_test_document import level_of
from rulebot.spec.spec_test_nouns import ExpectedMark, SpecTestMarket, UnquotedStrike

DAYS_LISTED = 14
"""Days ahead in which every session has an expiry; after them only Fridays."""
LAST_LISTED = 200
REACH = 0.15
"""How far from spot strikes are listed, as a part of it."""
LEAST = 0.02
"""What an option is worth at least: the model knows no smallest price."""
LEAST_VOLATILITY = 0.001
"""Below which no smile brings an option, an annual fraction."""
COUNT = 1000.0
"""Contracts of an option that were traded and that are open."""


class _Terms(NamedTuple):
    """What the model prices an option by, as `rulebot.model.black` takes it."""

    forward: float
    strike: float
    years: float
    volatility: float


class _Stand(NamedTuple):
    """What all options on an underlying are priced by at a minute; nan where it is missing."""

    minute: int
    level: float
    volatility: float
    width: float


class Market:
    """A test's market on a board. `marks` are the legs that its quotes are for, and the current quote."""

    def __init__(self, given: SpecTestMarket, session: Session, board: Board) -> None:
        self.given, self.session, self.board = given, session, board
        self.legs: tuple[PositionLeg, ...] = ()
        self.mark: ExpectedMark | None = None
        self.minute = -1
        self._stands: dict[str, _Stand] = {}

    # ------------------------------------------------------------ levels

    def level(self, symbol: str) -> float:
        """Return the level of an underlying at this minute, nan when that is missing."""
        return self._stand(symbol).level

    def _stand(self, symbol: str) -> _Stand:
        known = self._stands.get(symbol)
        if known is None or known.minute != self.minute:
            level, volatility = level_of(self.given, symbol).at(self.minute), self.volatility(symbol, self.minute)
            known = self._stands[symbol] = _Stand(self.minute, level, volatility, self.width(symbol))
        return known

    def opened(self, symbol: str) -> float:
        """Return the level of an underlying at the open, nan when that is missing."""
        return level_of(self.given, symbol).at(0)

    def volatility(self, symbol: str, minute: int) -> float:
        """Return the implied volatility of options on an underlying, an annual fraction; nan when it is missing."""
        return self.given.ivs.get(symbol, self.given.iv).at(minute) / 100.0

    def volatility_of(self, option: Option) -> float:
        """Return the implied volatility of an option at this minute; nan where it, or the level, is missing."""
        _, level, volatility, _ = self._stand(option.symbol)
        smile = self.given.smiles.get(option.symbol)
        if smile is None or isnan(volatility) or isnan(level):
            return volatility
        distance = (float(option.strike) / level - 1.0) * 100.0
        return max(volatility + smile.at(distance) / 100.0, LEAST_VOLATILITY)

    def minute_of(self, at: datetime) -> int:
        """Return the whole minutes since the open, negative before it."""
        return floor((at - self.session.open) / timedelta(minutes=1))

    def previous_close(self, symbol: str) -> Decimal:
        """Return the level at the last close; 0 when the test hides the underlying's level."""
        level = self._last_close(symbol)
        return Decimal(0) if isnan(level) else Decimal(f"{level:.4f}")

    def _last_close(self, symbol: str) -> float:
        """Return the last close as given, else that of the days before, else the session's opening level."""
        days = self.given.days.get(symbol)
        return self.given.before.get(symbol, self.opened(symbol) if days is None else days.levels[-1])

    def closes(self, symbol: str, count: int) -> tuple[float, ...]:
        """Return the daily closes that are given, the first of them standing for all before; else such that the sample
        deviation of the log returns between `count` bars is the given realised volatility, none when it is unknown."""
        if (days := self.given.days.get(symbol)) is not None:
            known = days.levels[-count - 1 :]
            return (known[0],) * (count + 1 - len(known)) + known
        if self.given.rv is None or isnan(start := self.opened(symbol)):
            return ()
        returns = max(count - 1, 1)
        spread = returns / (returns + 1) if returns % 2 else (returns - 1) / returns
        step = exp(self.given.rv / 100.0 / sqrt(SESSIONS_A_YEAR) * sqrt(spread))
        return tuple(start * step ** (back % 2) for back in range(count, -1, -1))

    def implied(self, symbol: str, count: int) -> tuple[float, ...]:
        """Return 30-day volatilities of the sessions before as annual fractions; none when they are not given."""
        if (days := self.given.iv_days.get(symbol)) is None:
            return ()
        known = tuple(each / 100.0 for each in days.levels[-count:] if each == each)
        return known[:1] * (count - len(known)) + known

    def opening_move(self, listing: Listing, expiry: date) -> float | None:
        """Return the expected move from the open to an expiry, points; None when it was not known."""
        spot, volatility = self.opened(listing.symbol), self.volatility(listing.symbol, 0)
        years = years_until(expiry, self.session.open.timestamp())
        if isnan(spot) or isnan(volatility) or years is None or not listing.strikes.get(expiry):
            return None
        strike = float(min(listing.strikes[expiry], key=lambda each: abs(float(each) - spot)))
        straddle = sum(price(spot, strike, years, volatility, is_call) for is_call in (True, False))
        return round(straddle * MEAN_MOVE, 4)

    # ------------------------------------------------------------ listings

    def listings(self, plan: Plan, besides: Iterable[date] = ()) -> Iterable[Listing]:
        """Yield what is listed of the classes that a plan trades."""
        usual = tuple(_expiries(self.session.date))
        for symbol, trading_class, _ in plan.needs.chains:
            strikes = self._strikes(symbol)
            expiries = tuple(sorted({*self.given.expiries.get(symbol, usual), *besides}))
            yield Listing(symbol, trading_class, expiries, dict.fromkeys(expiries, strikes))

    def _strikes(self, symbol: str) -> tuple[Decimal, ...]:
        spot = self.opened(symbol)
        if isnan(spot):
            return ()
        step = product(symbol).strike_step
        low, high = floor(spot * (1 - REACH) / step), floor(spot * (1 + REACH) / step)
        return tuple(Decimal(each * step) for each in range(low, high + 1))

    # ------------------------------------------------------------ the board

    def stream(self, wanted: Iterable[Contract], at: datetime) -> tuple[int, ...]:
        """Stream exactly these; return the rows that are new, with their first quotes."""
        wanted = dict.fromkeys(wanted)
        fresh = [contract for contract in wanted if contract not in self.board.rows]
        self.board.hold(wanted)
        rows = tuple(self.board.rows[contract] for contract in fresh)
        for contract in fresh:
            self._write(contract, at)
        if fresh:
            self._mark_legs(at)
        return rows

    def move(self, at: datetime) -> tuple[int, ...]:
        """Write the levels and quotes of this instant; return the rows that were written."""
        self.minute = self.minute_of(at)
        for contract in self.board.rows:
            self._write(contract, at)
        self._mark_legs(at)
        self.breathe(at)
        return tuple(self.board.rows.values())

    def breathe(self, at: datetime) -> None:
        """Send the levels again: the feed is alive, and nothing has changed."""
        self.board.alive_at = at.timestamp()
        for contract, row in self.board.rows.items():
            if isinstance(contract, Underlying) and not isnan(self.board.last[row]):
                self.board.last_at[row] = self._printed(at)

    def _printed(self, at: datetime) -> float:
        """Return when levels were printed last, epoch seconds: nothing trades after the close."""
        return min(at, self.session.close).timestamp()

    def _write(self, contract: Contract, at: datetime) -> None:
        if isinstance(contract, Option) and contract.is_share:
            self._write_share(contract, at)
        elif isinstance(contract, Option):
            self._write_option(contract, at)
        else:
            self._write_level(contract, at)

    def _write_level(self, contract: Underlying, at: datetime) -> None:
        board, row, symbol = self.board, self.board.rows[contract], contract.symbol
        level = self.level(symbol)
        board.last[row], board.last_at[row] = level, nan if isnan(level) else self._printed(at)
        seen = level_of(self.given, symbol).until(self.minute)
        if seen and self.minute >= 0:
            board.open[row], board.high[row], board.low[row] = seen[0], max(seen), min(seen)
        board.iv[row], board.model_at[row] = self.volatility(symbol, self.minute), at.timestamp()
        ratio = self.given.put_call.get(symbol, 1.0)
        calls = self.given.option_volumes.get(symbol, COUNT * (1.0 + ratio)) / (1.0 + ratio)
        board.call_volume[row], board.put_volume[row] = calls, calls * ratio
        board.previous_close[row] = self._last_close(symbol)
        if product(symbol).is_tradable and not symbol.startswith("VIX"):
            board.bid[row], board.ask[row] = level - 0.01, level + 0.01
            board.quote_at[row] = at.timestamp()

    def _write_share(self, share: Option, at: datetime) -> None:
        board, row, level = self.board, self.board.rows[share], self.level(share.symbol)
        board.bid[row], board.ask[row] = level - 0.01, level + 0.01
        board.bid_size[row] = board.ask_size[row] = 1000.0
        board.quote_at[row] = nan if isnan(level) else at.timestamp()

    def _write_option(self, option: Option, at: datetime) -> None:
        terms, is_call = self._terms(option, at), option.right is Right.CALL
        board, row = self.board, self.board.rows[option]
        if terms is None:
            worth, slope, volatility = nan, nan, self.volatility_of(option)
            gamma, theta, vega = nan, nan, nan
        else:
            worth, slope, (gamma, theta, vega) = valued(*terms, is_call)
            worth, volatility = max(worth, LEAST), terms.volatility
        board.delta[row], board.iv[row] = slope, volatility
        board.gamma[row], board.theta[row], board.vega[row] = gamma, theta, vega
        board.model_at[row] = nan if isnan(slope) else at.timestamp()
        ratio = 1.0 if is_call else self.given.put_call.get(option.symbol, 1.0)
        board.volume[row] = self.given.volumes.get(option.symbol, COUNT) * ratio
        board.open_interest[row] = self.given.open_interests.get(option.symbol, COUNT)
        self._quote(option, worth, at)

    def _quote(self, option: Option, worth: float, at: datetime) -> None:
        board, row = self.board, self.board.rows[option]
        half = min(self._stand(option.symbol).width, worth) / 2.0
        board.bid[row], board.ask[row] = worth - half, worth + half
        board.bid_size[row] = board.ask_size[row] = 10.0
        board.quote_at[row] = nan if isnan(worth) else at.timestamp()

    def width(self, symbol: str) -> float:
        """Return how wide options on this underlying are quoted, a price per share."""
        usual = 0.02 if product(symbol).combo_ticks == SHARE_TICKS else 0.10
        return self.given.widths.get(symbol, usual)

    # ------------------------------------------------------------ prices

    def worth(self, option: Option, at: datetime) -> float:
        """Return the model's price at this instant, nan without a level or volatility."""
        if option.is_share:
            return self.level(option.symbol)
        terms = self._terms(option, at)
        return nan if terms is None else max(price(*terms, option.right is Right.CALL), LEAST)

    def _terms(self, option: Option, at: datetime) -> _Terms | None:
        forward, volatility = self.level(option.symbol), self.volatility_of(option)
        if isnan(forward) or isnan(volatility):
            return None
        return _Terms(forward, float(option.strike), years_until(option.expiry, at.timestamp()) or 0.0, volatility)

    # ------------------------------------------------------------ quotes of the open position

    def mark_at(self, mark: ExpectedMark, legs: tuple[PositionLeg, ...], at: datetime) -> tuple[int, ...]:
        """Set a quote of the open position from now on; return the rows that it writes."""
        self.mark, self.legs = mark, legs
        return self._mark_legs(at)

    def _mark_legs(self, at: datetime) -> tuple[int, ...]:
        if self.mark is None or any(leg.option not in self.board.rows for leg in self.legs):
            return ()
        if self.mark.hole is not None:
            self._hole(self.mark.hole, at)
        else:
            for option, worth in self._marked(self.mark.cost, at).items():
                self._quote(option, worth, at)
        return tuple(self.board.rows[leg.option] for leg in self.legs)

    def _marked(self, cost: float, at: datetime) -> Mapping[Option, float]:
        """Return a price for each leg so that closing costs that much: the model's, with one side scaled to fit."""
        sums = {1: 0.0, -1: 0.0}
        worth = {leg.option: self.worth(leg.option, at) for leg in self.legs}
        for option, found in worth.items():
            worth[option] = LEAST if isnan(found) else found
        for leg in self.legs:
            sums[leg.sign] += worth[leg.option] * leg.price_multiplier
        scaled = -1 if sums[-1] and cost + sums[1] > 0 else 1
        factor = (cost + sums[1]) / sums[-1] if scaled < 0 else (sums[-1] - cost) / sums[1]
        return {leg.option: worth[leg.option] * (factor if leg.sign == scaled else 1.0) for leg in self.legs}

    def _hole(self, hole: UnquotedStrike, at: datetime) -> None:
        board = self.board
        for leg in self.legs:
            self._quote(leg.option, self.worth(leg.option, at), at)
            row = board.rows[leg.option]
            if hole is UnquotedStrike.CROSSED:
                board.bid[row], board.ask[row] = max(board.bid[row], board.ask[row]) + 1.0, board.bid[row]
            elif hole is UnquotedStrike.STALE:
                board.quote_at[row] = at.timestamp() - OPTION_AGE - 60.0
                continue
            else:
                board.bid[row] = board.ask[row] = nan
            board.quote_at[row] = nan if hole is UnquotedStrike.UNKNOWN else at.timestamp()


def _expiries(today: date) -> Iterable[date]:
    """Yield the expiries that are listed: every session at first, then Fridays (the session before a holiday)."""
    for ahead in range(LAST_LISTED + 1):
        day = today + timedelta(days=ahead)
        if ahead <= DAYS_LISTED and trades_on(day):
            yield day
        elif ahead > DAYS_LISTED and day.weekday() == 4:
            yield day if trades_on(day) else trading_day_before(day)


# --- Bars of earlier sessions that give the realised volatility of the test, for each estimator
#     them

VOLUME = 1000.0
"""Shares of every bar: in a test each minute weighs the same."""
_RANGE = 4.0 * log(2.0)
"""The squared range of a session over its variance. Source: Parkinson 1980."""


def shaped_days(bars: Sequence[Bar], rv: float, window: int) -> tuple[Bar, ...]:
    """Return daily bars with the closes of these and the volatility `rv` (% a year) by their ranges.

    window: sessions of the Yang-Zhang estimator that gives it too, 0 without one.
    """
    variance = (rv / 100.0) ** 2 / SESSIONS_A_YEAR
    return tuple(_shaped(bar, *_parts(abs(log(bar.close / bar.open)), variance, window)) for bar in bars)


def _parts(step: float, variance: float, window: int) -> tuple[float, float]:
    """Return the share of the daily move between open and close, and the range, as logarithms.

    With nights of +-p, days of +-q and p + q = step the estimator is f p^2 + k f q^2 + (1 - k) (range^2 - q^2) / 2,
    where f is the sample variance of +-1.
    """
    reach = sqrt(_RANGE * variance)
    if window < 2:
        return step, max(reach, step)
    f = window / (window - 1) if window % 2 == 0 else (window + 1) / window
    k = 0.34 / (1.34 + (window + 1) / (window - 1))
    a, b = f * (1 + k) - (1 - k) / 2, f * step
    c = f * step * step + (1 - k) * reach * reach / 2 - variance
    if b * b >= a * c:
        day = (b - sqrt(b * b - a * c)) / a
        if day <= reach:
            return day, reach
    half = step / 2  # of two sessions no range has both volatilities: that of Yang and Zhang counts
    return half, sqrt(half * half + max(2 * (variance - f * half * half * (1 + k)) / (1 - k), 0.0))


def _shaped(bar: Bar, day: float, reach: float) -> Bar:
    opened = bar.close * exp(-day if bar.close > bar.open else day)
    beyond = exp((reach - day) / 2)
    high, low = max(opened, bar.close) * beyond, min(opened, bar.close) / beyond
    return bar._replace(open=opened, high=high, low=low, average=(high + low + bar.close) / 3)


def shaped_sessions(
    sessions: Iterable[Session], closes: Sequence[float], count: int, rv: float | None
) -> tuple[Bar, ...]:
    """Return the last bars of five minutes of these sessions, newest first; `closes` oldest first.

    rv: % a year that each session moves; None where it opens at its close, so that the nights alone move.
    """
    found: list[Bar] = []
    for session, close in zip(sessions, reversed(closes), strict=False):
        found = [*_session(session, closes[-1] if rv is not None else close, rv or 0.0), *found]
        if len(found) >= count:
            break
    return tuple(found[-count:])


def _session(session: Session, level: float, rv: float) -> Iterator[Bar]:
    starts = range(int(session.open.timestamp()), int(session.close.timestamp()), FIVE_MINUTES)
    high = level * exp(rv / 100.0 / sqrt(SESSIONS_A_YEAR * len(starts)))
    for number, at in enumerate(starts):
        first, last = (high, level) if number % 2 else (level, high)
        yield Bar(float(at), first, high, level, last, VOLUME, (first + last) / 2)


# --- Bars of a test


@dataclass
class PastBars:
    """The bars of one test. Finished bars are cached, since they do not change.

    realised: which volatilities are read from bars, by symbol, estimator and window: these give the test's value.
    """

    market: Market
    realised: frozenset[tuple[str, str, int]] = frozenset()
    before: dict[tuple[str, int, int], tuple[Bar, ...]] = field(default_factory=dict)
    today: dict[tuple[str, int], list[Bar | None]] = field(default_factory=dict)

    def of(self, symbol: str, seconds: int, count: int, now: float) -> Bars:
        """Return the finished bars of one size that are known at `now` (epoch seconds), with some from days before."""
        if seconds == DAY:
            return Bars(now, self._days(symbol, count))
        key = (symbol, seconds, count)
        if key not in self.before:
            self.before[key] = self._before(symbol, seconds, count)
        return Bars(now, (*self.before[key], *self._today(symbol, seconds, now)))

    def _days(self, symbol: str, count: int) -> tuple[Bar, ...]:
        windows = [window for of, estimator, window in self.realised if (of, estimator) == (symbol, "yang_zhang")]
        is_shaped = bool(windows) or any(each[:2] == (symbol, "parkinson") for each in self.realised)
        bars, rv = _days(self.market, symbol, count), self.market.given.rv
        if not is_shaped or rv is None or symbol in self.market.given.days:
            return bars
        return shaped_days(bars, rv, max(windows, default=0))

    def _before(self, symbol: str, seconds: int, count: int) -> tuple[Bar, ...]:
        is_shaped = seconds == FIVE_MINUTES and any(each[:2] == (symbol, INTRADAY) for each in self.realised)
        closes = _closes(self.market, symbol, count) if is_shaped else ()
        if not closes:
            return _before(self.market, symbol, seconds, count)
        rv = None if symbol in self.market.given.days else self.market.given.rv
        return shaped_sessions(sessions_before(self.market.session.date), closes, count, rv)

    def _today(self, symbol: str, seconds: int, now: float) -> Iterator[Bar]:
        found, session = self.today.setdefault((symbol, seconds), []), self.market.session
        ended = round((last_end(session, seconds, now) - session.open.timestamp()) / seconds)
        found += [_of_session(self.market, symbol, seconds, number) for number in range(len(found), ended)]
        return (each for each in found[:ended] if each is not None)


def _days(market: Market, symbol: str, count: int) -> tuple[Bar, ...]:
    closes = _closes(market, symbol, count)
    opens = [each.open.timestamp() for each in islice(sessions_before(market.session.date), len(closes[1:]))][::-1]
    return tuple(_bar(at, pair) for at, pair in zip(opens, pairwise(closes), strict=True))


def _closes(market: Market, symbol: str, count: int) -> tuple[float, ...]:
    closes = market.closes(symbol, count)
    return closes if all(each == each for each in closes) else ()


def _before(market: Market, symbol: str, seconds: int, count: int) -> tuple[Bar, ...]:
    """Return bars of the sessions before, in which nothing moved from the last close."""
    closes = _closes(market, symbol, 1)
    return (
        tuple(_bar(at, (closes[-1],)) for at in islice(_starts(market.session, seconds), count))[::-1] if closes else ()
    )


def _starts(session: Session, seconds: int) -> Iterator[float]:
    for each in sessions_before(session.date):
        opened, closed = int(each.open.timestamp()), int(each.close.timestamp())
        yield from (float(at) for at in reversed(range(opened, closed, seconds)))


def _of_session(market: Market, symbol: str, seconds: int, number: int) -> Bar | None:
    """Return the session's bar of this number, from 0 on; None where no level of it is known."""
    minutes, level = seconds // 60, level_of(market.given, symbol)
    seen = [level.at(minute) for minute in range(number * minutes, (number + 1) * minutes + 1)]
    known = tuple(each for each in seen if each == each)
    return _bar(market.session.open.timestamp() + number * seconds, known) if known else None


def _bar(at: float, levels: tuple[float, ...]) -> Bar:
    return Bar(at, levels[0], max(levels), min(levels), levels[-1], VOLUME, sum(levels) / len(levels))
