"""Tick sizes of options: the broker's market rule for a class counts, else the table of products.

A reject for a price between two ticks shows a coarser grid. Then the grid of classes outside the penny interval program
applies (Cboe rule 5.4), and the order is sent once more on it.
"""

from decimal import Decimal

from rulebot.core.queries.orders import _lies_on
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import put_facts, unindex
from rulebot.core.state.turn import alarm
from rulebot.model.cause import BrokerMessage, MessageMeaning
from rulebot.model.contract import product
from rulebot.model.event import ListingReport
from rulebot.model.facts import Grids, Listing
from rulebot.model.money import TickRule
from rulebot.model.order import Order
from rulebot.model.values import replace
from rulebot.record.codec import encode
from rulebot.record.record import TICKS, Kind

COARSE = TickRule(((Decimal(0), Decimal("0.05")), (Decimal(3), Decimal("0.10"))))
"""The grid of classes outside of the penny interval program."""
_COARSE_WORDS = "multiples of 0.05 below 3.00, and of 0.10 from there"


def on_tick_sizes(work: StateBuilder, listing: Listing) -> Grids:
    """Return the known grids with those of a listing. They replace what was assumed before."""
    if listing.ticks is None:
        return work.market.facts.ticks
    return _noted(work, listing.symbol, listing.trading_class, listing.ticks)


def on_off_tick_reject(work: StateBuilder, order: Order, message: BrokerMessage) -> None:
    """Use the coarse grid for a class whose price between two ticks the broker rejected, and record it."""
    option, price = order.legs[0].option, order.terms.price
    if order.is_combo or option.is_share or price is None or not message.means(MessageMeaning.OFF_GRID):
        return
    if _lies_on(COARSE, price):
        return
    facts = work.market.facts
    ticks = _noted(work, option.symbol, option.trading_class, COARSE)
    if ticks is facts.ticks:
        return
    put_facts(work, replace(facts, ticks=ticks))
    text = f"the broker takes no price of {price} for {option}: from now on those of options {option.trading_class} are"
    alarm(work, order.bot, f"{text} {_COARSE_WORDS}", order.position)


def _noted(work: StateBuilder, symbol: str, trading_class: str, ticks: TickRule) -> Grids:
    """Return the grids with that of a class.

    A grid that is new, or not in the table, is recorded each time it is reported: a restart reads it.
    """
    known, by_table = work.market.facts.ticks, product(symbol).option_ticks
    before = known.get(trading_class) or by_table
    if (ticks, before) != (by_table, by_table):
        work.record(Kind.FACTS, symbol=symbol, what=TICKS, value=encode(ticks), trading_class=trading_class)
    return known if ticks == before else {**known, trading_class: ticks}


def on_listing(work: StateBuilder, event: ListingReport) -> None:
    """Take what strikes and expiries the broker lists, and their ticks."""
    facts = work.market.facts
    key = (event.listing.symbol, event.listing.trading_class)
    strikes = sum(len(found) for found in event.listing.strikes.values())
    work.record(Kind.FACTS, symbol=key[0], what=f"listing {key[1]}", value=strikes)
    unindex(work)
    facts = replace(facts, listings={**facts.listings, key: event.listing}, ticks=on_tick_sizes(work, event.listing))
    put_facts(work, facts)
    work.subscriptions = replace(work.subscriptions, strike_targets=None)
