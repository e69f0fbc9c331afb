"""Price grids of options: what the broker tells of a class counts, of any other the table of products."""

from engine.model.contract import product
from engine.model.facts import Grids, Listing
from engine.model.money import TickRule
from engine.record.codec import encode
from engine.record.record import TICKS, Kind
from engine.turn.work import Work


def told_grids(work: Work, listing: Listing) -> Grids:
    """Return the grids that are known with what a listing tells of its class, if that is news."""
    facts = work.state.facts
    before = facts.listings.get((listing.symbol, listing.trading_class))
    if listing.ticks is None or (before is not None and before.ticks == listing.ticks):
        return facts.ticks
    return _noted(work, listing.symbol, listing.trading_class, listing.ticks)


def _noted(work: Work, symbol: str, trading_class: str, ticks: TickRule) -> Grids:
    """Return the grids with that of a class; one that is news is recorded, for a start to go by it."""
    known = work.state.facts.ticks
    if ticks == (known.get(trading_class) or product(symbol).option_ticks):
        return known
    work.record(Kind.FACTS, symbol=symbol, what=TICKS, value=encode(ticks), trading_class=trading_class)
    return {**known, trading_class: ticks}
