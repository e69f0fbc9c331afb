"""Early assignment: short options on shares that are assigned before they expire.

The broker does not report it: the options disappear from the account, and exactly their shares come or go. While the
market is open, a person may have closed both by hand, which looks alike where it leaves fewer shares: that waits for a
person (`account_shortfall`), unless the cash changed by the strikes to the cent. So do positions with further options,
since those and the shares belong together.

Calls and their shares also disappear together when a paper account is reset or moved to another account: only the cash
tells them apart, and it may be reported minutes after the holdings.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from rulebot.core.books.position_closed import on_position_closed
from rulebot.core.books.settlements import assign
from rulebot.core.emit.orders import cancel
from rulebot.core.facts import PartClosed, SharesLeft
from rulebot.core.gate.exit_retry import release
from rulebot.core.queries.account import UNCERTAIN, expected_holdings, is_known
from rulebot.core.queries.close_plan import CLOSING, part_is_over
from rulebot.core.reconciliation.account_shortfall import recompute_shortfalls
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.lists import active_positions, live_orders_of
from rulebot.core.state.state import Cashes, ShareChange, State
from rulebot.core.state.turn import alarm
from rulebot.fill.ledger import leg_of
from rulebot.model.cause import Cause
from rulebot.model.contract import Option, Right, Underlying
from rulebot.model.facts import LATE_CASH
from rulebot.model.loss_bound import ASSIGNED, delivers, shares_delivered
from rulebot.model.money import CENT, ZERO
from rulebot.model.position import Position, PositionLeg
from rulebot.model.session import exchange_date, session_after, session_from
from rulebot.model.values import replace

OF_PREMIUM = Decimal("0.25")
"""How much less than the strike, as a part of it, the broker may say that shares have cost which were assigned."""
SAME_CASH = Decimal("0.005")
"""How much else than the strikes, as a part of them, shares may have brought that left an account with nothing."""
ABOUT_CASH = Decimal("0.5")
"""The same where the account holds something else still: so it was not reset, and that may have moved its cash, too."""
LATEST = timedelta(minutes=15)
"""How long after the close options on some funds still trade."""


class _Gone(NamedTuple):
    """Contracts of a leg that were assigned."""

    position: Position
    leg: PositionLeg
    contracts: int


def record_share_change(work: StateBuilder, symbol: str, count: Decimal) -> None:
    """Record the shares held before this count; changes within `UNCERTAIN` of each other are one change.

    Holdings from before a start are known for recorded symbols, those of our positions at the time.
    """
    held = work.account.holdings.get(Underlying(symbol), ZERO)
    has_had_some = any(each.symbol == symbol for each in (*work.account.holdings, *work.account.shortfalls))
    if not is_known(work.state) or held == count or not has_had_some:
        return
    known = work.account.share_changes.get(symbol)
    seen_at = None if work.connection.is_ready else work.account.seen_at
    cost, cash = work.account.costs.get(symbol, ZERO), _cash_before(work.state, work.at)
    shift = ShareChange(held, work.at, cost, seen_at or work.at, cash)
    if known is not None and work.at - known.at < UNCERTAIN:
        since = known.since if known.since < known.at else shift.since
        shift = known._replace(at=work.at, since=since)
    work.account = replace(work.account, share_changes={**work.account.share_changes, symbol: shift})


def note_cash(cashes: Cashes, cash: Decimal | None, at: datetime) -> Cashes:
    """Keep what the account's cash is, and what it was before the last minutes."""
    if cash is None or (cashes and cashes[-1][1] == cash):
        return cashes
    return (*recent_cash(cashes, at), (at, cash))


def recent_cash(cashes: Cashes, at: datetime) -> Cashes:
    """Return what the cash was in the last minutes, and before them: that of a time which says no more."""
    old = [cash for reported, cash in cashes if at - reported >= LATE_CASH]
    before = tuple((at - LATE_CASH, cash) for cash in old[-1:])
    return (*before, *cashes[len(old) :])


def _cash_before(state: State, at: datetime) -> Decimal | None:
    """Return the cash before the last minutes, in which it may have moved with shares reported only now."""
    kept = recent_cash(state.account.cashes, at)
    return kept[0][1] if kept else None


def book_assigned(work: StateBuilder, *, at_once: bool = False) -> frozenset[Option]:
    """Book assignments of options that the account lacks; return those that wait.

    They wait for cancels, or for the cash report.

    at_once: however long the account has lacked them.
    """
    due = {
        option
        for option, uncertainty in work.account.shortfalls.items()
        if at_once or work.at - uncertainty.since >= UNCERTAIN
    }
    if not due:
        return frozenset()
    of_symbols = {
        symbol: sorted((each for each in due if each.symbol == symbol), key=str)
        for symbol in sorted({option.symbol for option in due if delivers(option) and not option.is_share})
    }
    found = {
        symbol: _assigned(work, symbol, [each for each in options if not each.is_share])
        for symbol, options in of_symbols.items()
    }
    waiting: set[Option] = set()
    for symbol, options in of_symbols.items():
        if [gone for gone in found[symbol] if not _is_clear(work, gone)]:
            waiting.update(options)
        elif found[symbol] and not _is_brought(work, symbol, found):
            if work.at - work.account.share_changes[symbol].at < LATE_CASH:
                waiting.update(options)
        elif gone_of := found.pop(symbol):
            for gone in gone_of:
                _book(work, gone)
            _note_booked(work, symbol, _brings(gone_of))
            recompute_shortfalls(work)
    return frozenset(waiting)


def _brings(found: Iterable[_Gone]) -> Decimal:
    """Return the dollars that the strikes of what was assigned bring, - where they are paid."""
    return -sum((shares_delivered(gone.leg.option, -gone.contracts) * gone.leg.option.strike for gone in found), ZERO)


def _note_booked(work: StateBuilder, symbol: str, brought: Decimal) -> None:
    """Treat a further change of the shares as a new one; cash from these belongs to no others."""
    account = work.account
    booked = account.share_changes[symbol].cash

    def since(cash: Decimal | None) -> Decimal | None:
        return cash if cash is None or cash != booked else cash + brought

    shifts = {name: shift._replace(cash=since(shift.cash)) for name, shift in account.share_changes.items()}
    now, cost = account.holdings.get(Underlying(symbol), ZERO), account.costs.get(symbol, ZERO)
    shifts[symbol] = ShareChange(now, work.at, cost, work.at, since(booked))
    cashes = tuple((at, cash + brought if cash == booked else cash) for at, cash in account.cashes)
    work.account = replace(account, share_changes=shifts, cashes=cashes)


def _assigned(work: StateBuilder, symbol: str, due: Iterable[Option]) -> list[_Gone]:
    """Return what was assigned of the options on a symbol that the account lacks, nothing where that is not sure."""
    ours, held, shift = expected_holdings(work), work.account.holdings, work.account.share_changes.get(symbol)
    lacking = {option: ours.get(option, 0) - int(held.get(option, ZERO)) for option in due}
    now = held.get(Underlying(symbol), ZERO)
    if shift is None or any(count >= 0 for count in lacking.values()):
        return []
    moved = sum(shares_delivered(option, count) for option, count in lacking.items())
    is_near = all(_is_near(work, shift, option) for option in lacking)
    adjusted = work.account.adjusted.get(symbol)
    is_adjusted = adjusted is not None and abs(adjusted - shift.at) <= UNCERTAIN and not _is_paid(work, shift, lacking)
    is_assignment = now - shift.before == moved and is_near and not is_adjusted
    if not is_assignment or (_may_be_dealt(work, shift, lacking) and _looks_dealt(work, shift, lacking)):
        return []
    found = [gone for option, count in lacking.items() for gone in _holders(work, option, -count)]
    is_whole = sum(gone.contracts for gone in found) == -sum(lacking.values())
    is_sure = abs(now) < abs(shift.before) and _has_brought(work.state, shift, lacking)
    may_go = (_may_go(work, gone.position, lacking, is_sure=is_sure) for gone in found)
    return found if is_whole and all(may_go) else []


def _is_near(work: StateBuilder, shift: ShareChange, option: Option) -> bool:
    """Say whether an option may have gone with the shares: what is on hold for it was so when it was first missed."""
    missed = [
        each.since
        for position in active_positions(work)
        if position.hold
        for each in position.account_missing
        if leg_of(position, each.leg).option == option
    ]
    first = shift.at if missed else shift.since
    return first - UNCERTAIN <= min([work.account.shortfalls[option].since, *missed]) <= shift.at + UNCERTAIN


def _is_paid(work: StateBuilder, shift: ShareChange, lacking: Mapping[Option, int]) -> bool:
    """Say whether shares arrived at about the strikes less premium: then it is no split, despite new options.

    An unchanged average cost may be the earlier one.
    """
    symbol = next(iter(lacking)).symbol
    cost, now = work.account.costs.get(symbol, ZERO), work.account.holdings.get(Underlying(symbol), ZERO)
    strikes = sum((shares_delivered(option, count) * option.strike for option, count in lacking.items()), ZERO)
    paid = now * cost - shift.before * shift.cost
    return cost != shift.cost and abs(now) > abs(shift.before) and abs(paid - strikes) <= abs(strikes) * OF_PREMIUM


def _looks_dealt(work: StateBuilder, shift: ShareChange, lacking: Mapping[Option, int]) -> bool:
    """Say whether a person's trades would look alike.

    That is: fewer shares without cash of the strikes to the cent, or unobserved new shares at another cost than the
    strikes.
    """
    symbol = next(iter(lacking)).symbol
    if abs(work.account.holdings.get(Underlying(symbol), ZERO)) < abs(shift.before):
        return not _has_brought(work.state, shift, lacking)
    is_cost_known = bool(work.account.costs.get(symbol))
    return shift.since < shift.at and is_cost_known and not _is_paid(work, shift, lacking)


def _has_brought(state: State, shift: ShareChange, lacking: Mapping[Option, int]) -> bool:
    """Say whether the cash has changed by the strikes to the cent. A trade changes it by prices and commissions."""
    if shift.cash is None or not state.account.cashes:
        return False
    brings = -sum((shares_delivered(option, count) * option.strike for option, count in lacking.items()), ZERO)
    return abs(state.account.cashes[-1][1] - shift.cash - brings) < CENT


def _is_brought(work: StateBuilder, symbol: str, found: Mapping[str, Sequence[_Gone]]) -> bool:
    """Say whether shares that left brought the strikes in cash; not asked of shares that came.

    found: assignments by symbol that are not booked yet. Shares that left may have brought their strikes together: the
    cash is of one of these or of all, whichever fits best.
    """
    state = work.state
    shift, now = state.account.share_changes[symbol], state.account.holdings.get(Underlying(symbol), ZERO)
    if abs(now) >= abs(shift.before):
        return True
    if shift.cash is None:
        return False
    brings = {
        name: _brings(gone)
        for name, gone in found.items()
        if gone and state.account.share_changes[name].cash == shift.cash
    }
    brought = state.account.cashes[-1][1] - shift.cash
    ways = {(name,): dollars for name, dollars in brings.items()} | {tuple(brings): sum(brings.values(), ZERO)}
    names, dollars = min(ways.items(), key=lambda way: abs(brought - way[1]))
    most = ABOUT_CASH if any(state.account.holdings.values()) else SAME_CASH
    return symbol in names and abs(brought - dollars) <= abs(dollars) * most


def _may_be_dealt(work: StateBuilder, shift: ShareChange, lacking: Iterable[Option]) -> bool:
    """Say whether a person may have traded these options between their last sight in the account and their loss."""
    since = [work.account.shortfalls[option].since for option in lacking]
    return _was_open(min([shift.since, *since]), min(since))


def _was_open(first: datetime, last: datetime) -> bool:
    """Say whether these options could be traded at any time between two instants."""
    session = session_from(exchange_date(first))
    if first >= session.close + LATEST:
        session = session_after(session.date)
    return session.open <= last


def _holders(work: StateBuilder, option: Option, count: int) -> list[_Gone]:
    """Return the short legs whose contracts are gone: all of them, or the only one; else unknown which."""
    legs = ((each, leg) for each in active_positions(work) for leg in each.legs if leg.option == option)
    held = [(each, leg) for each, leg in legs if leg.held and leg.sign < 0]
    if sum(leg.held for _, leg in held) == count:
        return [_Gone(position, leg, leg.held) for position, leg in held]
    return [_Gone(position, leg, count) for position, leg in held] if len(held) == 1 else []


def _may_go(work: StateBuilder, position: Position, lacking: Iterable[Option], *, is_sure: bool) -> bool:
    """Say whether options of a position may have been assigned: it is open, and no working order explains the loss.

    Its other options need the shares, except where the shares that left were its own. is_sure: the cash proves delivery
    at the strikes.
    """
    others = {leg.option for leg in position.legs if leg.held and not leg.option.is_share} - set(lacking)
    is_closing = any(order.purpose in CLOSING for order in live_orders_of(work, position.id))
    is_separate = not others or (is_sure and _own_shares(work, position.id) > 0)
    return position.state in ("open", "exiting") and is_separate and not is_closing


def _is_clear(work: StateBuilder, gone: _Gone) -> bool:
    """Cancel the orders that would close more than remains, and say whether none of them works any more."""
    left = gone.leg.held - gone.contracts
    in_the_way = [
        order
        for order in live_orders_of(work, gone.position.id)
        if any(leg.name == gone.leg.name and order.remaining * leg.ratio > left for leg in order.legs)
    ]
    for order in in_the_way:
        cancel(work, order, Cause.ASSIGNED)
    return not in_the_way


def _book(work: StateBuilder, gone: _Gone) -> None:
    """Remove assigned contracts from a position, and alarm."""
    name, option = gone.position.id, gone.leg.option
    before = _own_shares(work, name)
    assign(work, name, gone.leg, gone.contracts)
    position = work.positions.by_id[name]
    way = "came" if option.right is Right.PUT else "went"
    whose = ", and no exit acts on them" if _own_shares(work, name) == before else ""
    moved = f"{gone.contracts * option.multiplier} {option.symbol} shares {way} at {option.strike.normalize():f}"
    alarm(work, position.bot, f"{gone.contracts} short {option} assigned before expiry: {moved}{whose}", name)
    if position.is_flat:
        on_position_closed(work, replace(release(position), exit_reason=ASSIGNED), "settled")
    elif position.state == "open":
        work.follow_up(SharesLeft(name))
    elif part_is_over(work, position):
        work.follow_up(PartClosed(name))
        work.follow_up(SharesLeft(name))


def _own_shares(work: StateBuilder, name: str) -> int:
    return sum(leg.held for leg in work.positions.by_id[name].legs if leg.option.is_share)
