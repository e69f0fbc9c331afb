"""The slow facts of a recorded day as the history that a gateway answers from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from math import pi, sqrt

from rulebot.model.event import (
    AccountReport,
    BarsReport,
    ClosesReport,
    Event,
    ImpliedReport,
    ListingReport,
    OpeningMoveReport,
)
from rulebot.model.facts import Account, Listing
from rulebot.model.facts import Bar as FactBar
from rulebot.model.session import exchange_date, session_before
from twsim.market.given import Opening
from twsim.seams import Bar

DAY = 86400
_TRADE = 180
"""Shares of a trade, where only their sum is told: as the simulated history has it."""
_STRADDLE_OF_A_MOVE = sqrt(2 / pi)


@dataclass(slots=True)
class PastDays:
    """What was told of a day's past, and of the account; `take` learns an event."""

    day: date
    listings: dict[tuple[str, str], Listing] = field(default_factory=dict)
    closes: dict[str, tuple[float, ...]] = field(default_factory=dict)
    values: dict[str, tuple[float, ...]] = field(default_factory=dict)
    bars: dict[tuple[str, int], dict[float, FactBar]] = field(default_factory=dict)
    moves: dict[tuple[str, date], float] = field(default_factory=dict)
    accounts: list[tuple[datetime, Account]] = field(default_factory=list)

    def take(self, event: Event) -> None:
        """Learn what this event tells of listings, the past and the account."""
        if isinstance(event, ListingReport):
            key = event.listing.symbol, event.listing.trading_class
            before = self.listings.get(key)
            strikes = {**(before.strikes if before is not None else {}), **event.listing.strikes}
            ticks = event.listing.ticks or (None if before is None else before.ticks)
            self.listings[key] = replace(event.listing, strikes=strikes, ticks=ticks)
        elif isinstance(event, ClosesReport):
            self.closes[event.symbol] = max(event.closes, self.closes.get(event.symbol, ()), key=len)
        elif isinstance(event, ImpliedReport):
            self.values[event.symbol] = event.values
        elif isinstance(event, BarsReport):
            known = self.bars.setdefault((event.symbol, event.seconds), {})
            known.update((bar.at, bar) for bar in event.bars.bars)
        elif isinstance(event, OpeningMoveReport):
            self.moves[event.symbol, event.expiry] = event.points
        elif isinstance(event, AccountReport):
            self.accounts.append((event.at, event.account))

    def daily(self) -> dict[str, tuple[Bar, ...]]:
        """Return daily bars; where only closes were asked for, all of a bar is its close."""
        found: dict[str, dict[date, Bar]] = {}
        for symbol, closes in self.closes.items():
            found[symbol] = {each.at: each for each in self._of_sessions(closes)}
        for (symbol, seconds), bars in self.bars.items():
            if seconds == DAY:
                days = (_bar(bar, exchange_date) for bar in bars.values())
                found.setdefault(symbol, {}).update((each.at, each) for each in days if each.at < self.day)
        return {symbol: tuple(days[day] for day in sorted(days)) for symbol, days in found.items()}

    def implied(self) -> dict[str, tuple[Bar, ...]]:
        """Return the 30-day implied volatility by session."""
        return {symbol: tuple(self._of_sessions(values)) for symbol, values in self.values.items()}

    def intraday(self) -> dict[tuple[str, int], tuple[Bar, ...]]:
        """Return bars within sessions, by symbol and seconds."""
        return {
            key: tuple(_bar(bars[at], lambda at: at) for at in sorted(bars))
            for key, bars in self.bars.items()
            if key[1] != DAY
        }

    def openings(self) -> tuple[Opening, ...]:
        """Return what the straddles were worth whose expected moves were told."""
        found = []
        for (symbol, expiry), points in sorted(self.moves.items()):
            for (known, trading_class), listing in sorted(self.listings.items()):
                if known == symbol and listing.strikes.get(expiry):
                    found.append(Opening(symbol, trading_class, expiry, round(points * _STRADDLE_OF_A_MOVE, 2)))
        return tuple(found)

    def _of_sessions(self, values: Sequence[float]) -> list[Bar]:
        """Return values, the last one of the session before this day, as daily bars."""
        found: list[Bar] = []
        day = self.day
        for value in reversed(values):
            day = session_before(day).date
            found.append(Bar(day, value, value, value, value, 0, value, 0))
        return found[::-1]


def _bar(bar: FactBar, when: "Callable[[datetime], date | datetime]") -> Bar:
    traded = int(bar.volume)
    prices = bar.open, bar.high, bar.low, bar.close
    return Bar(when(datetime.fromtimestamp(bar.at, UTC)), *prices, traded, bar.average, traded // _TRADE)
