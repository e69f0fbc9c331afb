"""What the engine of a test is told before anything moves: the account, listings, daily closes, the open's move."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal

from rulebot.compile.plan import Plan
from rulebot.evaluate.listings import expiry_on
from rulebot.evaluate.measure_options import SESSIONS
from rulebot.model.event import AccountReport, ClosesReport, Event, ImpliedReport, ListingReport, OpeningMoveReport
from rulebot.model.facts import Account, Facts, Listing
from rulebot.model.values import dataclass
from rulebot.spec.trial import Opening
from rulebot.spec_tests.market import Market

EQUITY = Decimal(1_000_000)
"""Dollars of the account: no test fails for want of them."""
ACCOUNT = Account("DU0000001", net_liquidation=EQUITY, cash=EQUITY, buying_power=EQUITY, available_funds=EQUITY)


@dataclass(frozen=True, slots=True)
class FirstFacts:
    """Facts of the session. opening_moves: for a test that begins after the open, by symbol and expiry."""

    listings: tuple[Listing, ...]
    closes: tuple[tuple[str, tuple[float, ...]], ...]
    opening_moves: tuple[tuple[str, date, float], ...]
    implied: tuple[tuple[str, tuple[float, ...]], ...]

    @property
    def known(self) -> Facts:
        """The listings and the account as rules see them."""
        return Facts(listings={(each.symbol, each.trading_class): each for each in self.listings}, account=ACCOUNT)

    def events(self, at: datetime) -> Iterator[Event]:
        """Yield them as the engine is told."""
        yield AccountReport(at, ACCOUNT)
        for listing in self.listings:
            yield ListingReport(at, listing)
        for symbol, closes in self.closes:
            yield ClosesReport(at, symbol, closes)
        for symbol, values in self.implied:
            yield ImpliedReport(at, symbol, values)
        for symbol, expiry, points in self.opening_moves:
            yield OpeningMoveReport(at, symbol, expiry, points)


def first_facts(plan: Plan, market: Market, opening: Opening | None) -> FirstFacts:
    """Return the facts of a test's session."""
    today = market.session.date
    besides = () if opening is None or opening.dte is None else (today + timedelta(days=opening.dte),)
    listings = tuple(market.listings(plan, besides))
    closes = tuple((symbol, market.closes(symbol, count)) for symbol, count in plan.needs.daily.items())
    implied = tuple((symbol, market.implied(symbol, SESSIONS)) for symbol in plan.needs.implied)
    moves = () if opening is None else tuple(_opening_moves(plan, market, listings))
    return FirstFacts(listings, closes, moves, implied)


def _opening_moves(plan: Plan, market: Market, listings: tuple[Listing, ...]) -> Iterator[tuple[str, date, float]]:
    rules = dict.fromkeys((plan.expiry, *(each.expiry for each in plan.structures_of_all())))
    for listing, rule in ((listing, rule) for listing in listings for rule in rules):
        if listing.symbol in plan.needs.opening_move:
            expiry = expiry_on(rule, listing.expiries, market.session.date)
            points = None if expiry is None else market.opening_move(listing, expiry)
            if expiry is not None and points is not None:
                yield listing.symbol, expiry, points
