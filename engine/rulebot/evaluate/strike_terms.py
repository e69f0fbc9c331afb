"""Terms in which strikes are chosen: sides, edges, grids, and what an option is worth."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from decimal import Decimal
from functools import lru_cache
from math import isnan

from rulebot.compile.plan import Call, Expiry, LegPlan, Number
from rulebot.evaluate.measure import reader_of
from rulebot.measure.listings import expiry_on
from rulebot.measure.reading import Context, Read, UnknownValue
from rulebot.measure.view import View
from rulebot.model.contract import Option, Right, listed
from rulebot.model.facts import Listing
from rulebot.model.market import OPTION_AGE, QuoteFault, fresh_rows, is_without_bid, quote_fault
from rulebot.model.values import dataclass
from rulebot.spec.nouns import Bound, Strike, StrikeBy, StrikeRounding

VALUED = (StrikeBy.DELTA, StrikeBy.PREMIUM, StrikeBy.SIDE_CREDIT)
"""Selectors by a value that falls from the money outward."""
Valued = tuple[Decimal, float]
"""A strike with what is known of it: its absolute delta, its price, or the credit of its side."""
OFFSETS = (StrikeBy.BELOW, StrikeBy.ABOVE)
HAIR = 1e-9
"""Points, deltas and prices nearer than this are the same."""


def listing_of(leg: LegPlan, view: View) -> tuple[Listing | None, date | None]:
    """Return what is listed of the leg's class, and the expiry that it means today; looked up once an instant."""
    key = ("listing", leg.symbol, leg.trading_class, id(leg.expiry))  # lives longer than the view
    if (known := view.memo.get(key)) is None:
        listing = view.facts.listings.get((leg.symbol, leg.trading_class))
        expiry = expiry_on(leg.expiry, listing.expiries, view.session.date) if listing else None
        known = view.memo[key] = (listing, expiry)
    return known


def option_of(leg: LegPlan, expiry: date, strike: Decimal) -> Option:
    """Return the option of this leg at a strike."""
    return listed(leg.symbol, leg.trading_class, expiry, strike, leg.right is Right.CALL)


def outward(leg: LegPlan, strikes: list[Decimal]) -> list[Decimal]:
    """Return strikes from the money outward: falling for puts, rising for calls."""
    return strikes[::-1] if leg.right is Right.PUT else strikes


def side_of(strike: Strike) -> StrikeRounding:
    """Return on which side of what was asked the strike must lie: a bound says so as `round` does."""
    if strike.bound is Bound.NEAREST:
        return strike.round
    falls = strike.by in VALUED
    return StrikeRounding.AWAY if (strike.bound is Bound.AT_MOST) is falls else StrikeRounding.TOWARD


def of_two(side: StrikeRounding, nearer: Valued, further: Valued, target: float) -> Decimal:
    """Return which of two neighbouring strikes around a target is meant: the nearest, or the one on a side of it.

    Of two that are as near the further out is meant. nearer: to the money.
    """
    if side is StrikeRounding.NEAREST:
        return min((further, nearer), key=lambda pair: round(abs(pair[1] - target), 9))[0]
    wanted, other = (further, nearer) if side is StrikeRounding.AWAY else (nearer, further)
    return other[0] if abs(other[1] - target) <= HAIR else wanted[0]


def partner_of(leg: LegPlan, legs: Iterable[LegPlan]) -> LegPlan:
    """Return the long of a leg that is sold by `side_credit`; the compiler has found exactly one."""
    return next(each for each in legs if each.strike.by in OFFSETS and each.strike.reference == leg.name)


@lru_cache(maxsize=256)
def _reader(number: Number, symbol: str, trading_class: str, rule: Expiry) -> Read:
    return reader_of(number, Context(symbols=(symbol,), classes={symbol: trading_class}, expiry=rule))


def edge_of(number: Number, leg: LegPlan, view: View, strikes: Mapping[str, Decimal]) -> float | UnknownValue:
    """Return the level that an edge names now, or why it is not known. strikes: those of legs chosen before."""
    if isinstance(number, Call) and number.measure == "strike":
        of = str(number.argument("of"))
        return float(strikes[of]) if of in strikes else UnknownValue(f"the strike of {of} is not chosen yet")
    found = _reader(number, leg.symbol, leg.trading_class, leg.expiry)(view)
    return found if isinstance(found, float | UnknownValue) else UnknownValue("it is no level")


def preferred(step: Decimal | None, strike: Decimal, strikes: Iterable[Decimal]) -> list[Decimal]:
    """Return those of the strikes that are a multiple of `step`, at most half of it away; none without a step."""
    if step is None:
        return []
    return [found for found in strikes if found % step == 0 and abs(found - strike) * 2 <= step]


# --- The level of the underlying that a strike's selector asks for, in words too

ExpectedMove = Callable[[View, str], float | None]
"""What an underlying is expected to move until the legs' expiry, points; None while it is not known."""

Target = tuple[float | None, str, float]
"""The wanted level, what was asked in words, and the size of one unit of `within`."""


def target_of(
    leg: LegPlan, view: View, chosen: Mapping[str, Option], width: Decimal | None, expected_move: ExpectedMove
) -> Target:
    """Return what a selector by a level asks for; None while it is not known. width: in place of the selector's own."""
    strike, spot = leg.strike, view.level(leg.symbol)
    assert spot is not None
    if strike.by is StrikeBy.AT_SPOT:
        return spot, f"strike at spot {spot:.2f}", 1.0
    if strike.by is StrikeBy.EXPECTED_MOVE:
        return _at_expected_move(leg, spot, expected_move(view, leg.symbol))
    if strike.by is StrikeBy.OTM:
        return _out_of_the_money(leg, spot)
    if strike.by is StrikeBy.HELD:
        held = strike.target or Decimal(0)
        return float(held), f"strike {held:f}, as held", 1.0
    reference = chosen[strike.reference or ""].strike
    offset = (strike.target if width is None else width) or Decimal(0)
    if strike.by is StrikeBy.AT_LEG:
        return float(reference), f"strike of {strike.reference}", 1.0
    is_below = strike.by is StrikeBy.BELOW
    away = f"{offset:f} {_counted(offset, 'point')} {'below' if is_below else 'above'} {strike.reference} {reference:f}"
    return float(reference - offset if is_below else reference + offset), away, 1.0


def _at_expected_move(leg: LegPlan, spot: float, move: float | None) -> Target:
    multiple = float(leg.strike.target or 0)
    sign = -1 if leg.right is Right.PUT else 1
    where = "below" if sign < 0 else "above"
    moves = f"{multiple:g} {_counted(multiple, 'expected move')}"
    asked = f"strike {bounded(leg.strike) or 'at '}{moves} {where} spot"
    if move is None:
        return None, asked, 1.0
    target = spot + sign * multiple * move
    words = f"{asked}: {spot:.2f} {'+' if sign > 0 else '-'} "
    return target, words + f"{multiple:g} x {move:.1f} = {target:.1f}", move


def _out_of_the_money(leg: LegPlan, spot: float) -> Target:
    strike = leg.strike
    wanted = float(strike.target or 0)
    sign = -1 if leg.right is Right.PUT else 1
    unit = spot / 100.0 if strike.is_percent else 1.0
    target = round(spot + sign * wanted * unit, 9)
    size = f"{wanted:g}%" if strike.is_percent else f"{wanted:g} {_counted(wanted, 'point')}"
    side = "below" if sign < 0 else "above"
    return target, f"strike {bounded(strike)}{size} {side} spot {spot:.2f}: {target:.2f}", unit


def bounded(strike: Strike) -> str:
    """Return `at most ` or `at least ` of a bound, "" of a plain number."""
    return {Bound.AT_MOST: "at most ", Bound.AT_LEAST: "at least "}.get(strike.bound, "")


def _counted(number: float | Decimal, word: str) -> str:
    return word if number == 1 else f"{word}s"


# --- The selection of one leg's strike


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

    The chosen one is among them. `asked` is words and numbers. `missing` is unknown data, `refused` a rule of the spec:
    both empty with an option. is_past_held: the nearest strike is held on the other side.
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
"""Values by strike, from the money outward, without unknown ones."""


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
    if fault and not (fault is QuoteFault.NO_BID and is_without_bid(board, row)):
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
