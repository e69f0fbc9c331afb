"""Past sessions for tests, made up: an index that wanders, VIX, and same-day options priced by Black's model.

A day depends on its own date and seed alone, so it is made once for all tests, which cannot write to its numbers.
Nothing here is a market.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from math import sqrt

import numpy as np

from rulebot.adapters.history.session import Columns, DailyBar, Finding, HistoryDay, Severity
from rulebot.model.black_columns import black, greeks
from rulebot.model.contract import Option, Right
from rulebot.model.errors import StoreError
from rulebot.model.session import session_before, session_on, sessions

MINUTES = 390
STEP = 5
MOST_KEPT = 60
_MADE: dict[object, HistoryDay] = {}


def unchanged(day: HistoryDay) -> HistoryDay:
    """Return the day as it is."""
    return day


def fallen(day: HistoryDay) -> HistoryDay:
    """Return a day on which SPY falls by ninety points from its open; its quotes are as they were."""
    opened = day.levels["SPY"][0]
    return replace(day, levels={**day.levels, "SPY": np.linspace(opened, opened - 90.0, len(day.times))})


@dataclass
class PastDays:
    """A source of such days. `strikes` on each side of the open; `greeks` tells whether it has volatility and delta.

    change: alters a day before it is handed out. refused: days whose data cannot be read. missing: sessions without.
    """

    first: date = date(2026, 9, 1)
    last: date = date(2026, 9, 30)
    strikes: int = 40
    has_greeks: bool = True
    seed: int = 1
    expiries: int = 1
    name: str = "made up"
    is_modelled: bool = True
    change: Callable[[HistoryDay], HistoryDay] = field(default=unchanged)
    refused: frozenset[date] = frozenset()
    missing: frozenset[date] = frozenset()
    every: int = 1
    symbol: str = "SPX"
    trading_class: str = "SPXW"
    made: dict[date, HistoryDay] = field(default_factory=dict)

    def dates(self, first: date, last: date) -> Sequence[date]:
        """Return the sessions."""
        found = (each.date for each in sessions(max(first, self.first), min(last, self.last)))
        return [day for day in found if day not in self.missing]

    def gaps(self, first: date, last: date) -> Sequence[Finding]:
        """Return the sessions that are missing."""
        text = "the session is missing"
        return [
            Finding(file=f"{day}", row=0, severity=Severity.REPORTED, text=text)
            for day in sorted(self.missing)
            if first <= day <= last
        ]

    def day(self, day: date) -> HistoryDay:
        """Return one session."""
        if day in self.refused:
            raise StoreError(f"{day}.csv:7: the row is stale")
        if day not in self.made:
            self.made[day] = self.change(self._made_once(day))
        return self.made[day]

    def daily(self, symbol: str, before: date, count: int) -> Sequence[DailyBar]:
        """Return daily bars."""
        found: list[DailyBar] = []
        at = before
        while len(found) < count:
            at = session_before(at).date
            level = self._level(at, symbol)
            found.append(DailyBar(at, level[0], level.max(), level.min(), level[-1]))
        return found[::-1]

    def implied(self, symbol: str, before: date, count: int) -> Sequence[float]:
        """Return VIX at the close, as a fraction."""
        return [bar.close / 100.0 for bar in self.daily("VIX", before, count)]

    def was_split(self, symbol: str, since: date, until: date) -> bool:
        """Say that nothing was."""
        return False

    # ------------------------------------------------------------ the numbers

    def _level(self, day: date, symbol: str) -> Columns:
        return _wandered(self.seed, day, symbol == "VIX")

    def _made_once(self, day: date) -> HistoryDay:
        numbers = (self.strikes, self.has_greeks, self.seed, self.expiries, self.every)
        key = (type(self), numbers, self.symbol, self.trading_class, day)
        if key not in _MADE:
            if len(_MADE) >= MOST_KEPT:
                del _MADE[next(iter(_MADE))]
            _MADE[key] = found = self._made(day)
            columns = (found.bid, found.ask, found.iv, found.delta, found.gamma, found.theta, found.vega)
            for each in (found.times, *found.levels.values(), *columns):
                if each is not None:
                    each.flags.writeable = False
        return replace(_MADE[key])

    def _made(self, day: date) -> HistoryDay:
        session = session_on(day)
        assert session is not None
        minutes = np.arange(session.minutes + 1)[:: self.every]
        times = session.open.timestamp() + 60.0 * minutes
        spot, vix = self._level(day, self.symbol)[minutes], self._level(day, "VIX")[minutes]
        centre = round(float(spot[0]) / STEP) * STEP
        strikes = centre + STEP * np.arange(-self.strikes, self.strikes + 1)
        options, columns = [], []
        for expiry in [each.date for each in sessions(day, day + timedelta(days=10))][: self.expiries]:
            after = sum(each.minutes for each in sessions(day + timedelta(days=1), expiry))
            years = np.maximum(session.minutes - minutes + after, 0.5) / (MINUTES * 252.0)
            for right, sign in ((Right.CALL, 1.0), (Right.PUT, -1.0)):
                named = (self.symbol, self.trading_class, expiry)
                options += [Option(*named, Decimal(int(strike)), right) for strike in strikes]
                columns.append(self._quotes(spot, vix, strikes.astype(float), years, sign))
        bid, ask, iv, delta, gamma, theta, vega = (np.hstack(each) for each in zip(*columns, strict=True))
        found = HistoryDay(
            date=day, times=times, levels={self.symbol: spot, "VIX": vix}, options=tuple(options), bid=bid, ask=ask
        )
        return replace(found, iv=iv, delta=delta, gamma=gamma, theta=theta, vega=vega) if self.has_greeks else found

    def _quotes(
        self, spot: Columns, vix: Columns, strikes: Columns, years: Columns, sign: float
    ) -> tuple[Columns, ...]:
        forward, years, atm = spot[:, None], years[:, None], vix[:, None] / 100 * 0.9
        away = np.clip(np.log(strikes[None, :] / forward) / (atm * np.sqrt(np.maximum(years, 1e-4))), -6, 6)
        iv = atm * (1.0 - 0.045 * away + 0.018 * away**2)
        signs = np.full((1, 1), sign)
        worth, _ = black(forward, strikes[None, :], iv * np.sqrt(years), 1.0, signs)
        half = np.maximum(0.02, 0.012 * worth)
        bid = np.round(np.floor(np.maximum(worth - half, 0.0) / 0.05 + 1e-9) * 0.05, 2)
        ask = np.maximum(np.round(np.ceil((worth + half) / 0.05 - 1e-9) * 0.05, 2), bid + 0.05)
        delta, gamma, theta, vega = greeks(forward, strikes[None, :], years, iv, signs)
        return np.where(bid > 0, bid, np.nan), ask, iv, delta, gamma, theta, vega


@lru_cache(maxsize=5_000)
def _wandered(seed: int, day: date, is_vix: bool) -> Columns:
    chance = np.random.default_rng([seed, day.toordinal()])
    vix = np.round(18.0 + chance.normal(0, 2.5) + np.cumsum(chance.normal(0, 0.03, MINUTES + 1)), 2)
    start = 5900.0 * np.exp(chance.normal(0, 0.004))
    steps = chance.normal(0, 1, MINUTES + 1) * vix / 100 * 0.8 / sqrt(252 * MINUTES)
    found = vix if is_vix else np.round(start * np.exp(np.cumsum(steps)), 2)
    found.flags.writeable = False
    return found


def crossed(day: HistoryDay) -> HistoryDay:
    """Every seventh option is crossed in every eleventh minute."""
    bid = day.bid.copy()
    bid[::11, ::7] = day.ask[::11, ::7] + 0.05
    return replace(day, bid=bid)


def with_spy(day: HistoryDay) -> HistoryDay:
    """SPY is a tenth of SPX."""
    return replace(day, levels={**day.levels, "SPY": np.round(day.levels["SPX"] / 10.0, 2)})


def beside_another(day: HistoryDay) -> HistoryDay:
    """Return the day with a second index, which moves by itself."""
    other = PastDays(strikes=30, seed=5, symbol="XSP", trading_class="XSP").day(day.date)
    names = ("bid", "ask", "iv", "delta", "gamma", "theta", "vega")
    columns = {name: np.hstack((getattr(day, name), getattr(other, name))) for name in names}
    levels = {**day.levels, "XSP": other.levels["XSP"]}
    return replace(day, options=(*day.options, *other.options), levels=levels, **columns)


class Leaps(PastDays):
    """Spot moves two and a half times as far in a minute: often by several strikes."""

    def _level(self, day: date, symbol: str) -> Columns:
        level = super()._level(day, symbol)
        return level if symbol == "VIX" else np.round(level[0] * (level / level[0]) ** 2.5, 2)
