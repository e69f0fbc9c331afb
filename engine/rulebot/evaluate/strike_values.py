"""What strikes of one expiry and right are worth, from the money outward, looked up once an instant."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from math import isnan

from rulebot.compile.plan import LegPlan
from rulebot.evaluate.strike_terms import outward
from rulebot.measure.view import View
from rulebot.model.contract import Option
from rulebot.model.market import OPTION_AGE, QuoteFault, fresh_rows, lacks_bid, quote_fault
from rulebot.model.values import dataclass

# --- What choosing one leg's strike came to


@dataclass(frozen=True, slots=True)
class Candidate:
    """One strike that was looked at, for `why`. distance: from what was asked, None where that is not known."""

    strike: Decimal
    bid: float | None
    ask: float | None
    delta: float | None
    distance: float | None


@dataclass(frozen=True, slots=True)
class LegChoice:
    """What one leg asked for, and, when explained, the strikes nearest to it, best first.

    The one taken is among them. `asked` is words and numbers. `missing` is unknown data, `refused` a rule of the spec:
    both empty with an option. is_past_held: the nearest strike is held the other way round.
    """

    name: str
    asked: str
    option: Option | None
    candidates: tuple[Candidate, ...] = ()
    missing: str = ""
    refused: str = ""
    is_past_held: bool = False

    @property
    def is_without_expiry(self) -> bool:
        """True when no listed expiry matches: no strike was asked for."""
        return bool(self.refused) and not self.asked


# --- What strikes of one expiry and right are worth, from the money outward, looked up once an instant

Values = Mapping[Decimal, float]
"""Values by strike, the strikes from the money outward; those that are not known are left out."""


def deltas_of(view: View, leg: LegPlan, expiry: date) -> Values:
    """Return the absolute deltas."""
    key = ("deltas", leg.trading_class, expiry, leg.right)
    known: Values | None = view.memo.get(key)
    if known is None:
        known = view.memo[key] = _deltas(view, leg, expiry)
    return known


def _deltas(view: View, leg: LegPlan, expiry: date) -> Values:
    board = view.board
    rows = view.chain(leg.trading_class, expiry, leg.right)
    fresh = set(fresh_rows(board, rows.values(), board.model_at, view.now, OPTION_AGE))
    known = ((strike, board.delta[rows[strike]]) for strike in outward(leg, list(rows)) if rows[strike] in fresh)
    return {strike: abs(delta) for strike, delta in known if delta == delta}


def premiums_of(view: View, leg: LegPlan, expiry: date) -> Values:
    """Return the prices per share at mid."""
    key = ("premiums", leg.trading_class, expiry, leg.right)
    known: Values | None = view.memo.get(key)
    if known is None:
        rows = view.chain(leg.trading_class, expiry, leg.right)
        mids = ((strike, mid_of(view, rows[strike])) for strike in outward(leg, list(rows)))
        known = view.memo[key] = {strike: mid for strike, mid in mids if mid is not None}
    return known


def mid_of(view: View, row: int) -> float | None:
    """Return what an option is worth at mid, per share; without a bid half its ask. None without a sound quote."""
    board = view.board
    fault = quote_fault(board, row, view.now, OPTION_AGE)
    if fault and not (fault is QuoteFault.NO_BID and lacks_bid(board, row)):
        return None
    bid = 0.0 if fault else board.bid[row]
    return round((bid + board.ask[row]) / 2.0, 9)


def candidate_of(view: View, leg: LegPlan, expiry: date, strike: Decimal, distance: float | None) -> Candidate:
    """Return a strike with what it is quoted at, for `why`; distance: from what was asked, None: unknown."""
    board = view.board
    row = view.chain(leg.trading_class, expiry, leg.right).get(strike)
    if row is None:
        return Candidate(strike, None, None, None, distance)

    def value(number: float) -> float | None:
        return None if isnan(number) else number

    return Candidate(strike, value(board.bid[row]), value(board.ask[row]), value(board.delta[row]), distance)
