"""Positions: one structure that a bot holds, with its own ledger from the first fill to the last cent."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple

from rulebot.model.cause import Name, Text
from rulebot.model.contract import Option
from rulebot.model.money import CENT, ZERO
from rulebot.model.values import dataclass, replace

FLATTENED, CLOSED_BY_HAND, LIQUIDATED = "flattened", "closed_by_hand", "liquidated"
"""Exit reasons of closes by a person (through rulebot, or externally) and by the broker for lack of margin."""
ESTIMATED = "closed_by_hand_estimated"
"""Exit reason of an external close at an unknown price."""
BY_A_PERSON = frozenset((FLATTENED, CLOSED_BY_HAND, ESTIMATED))
CLOSED_ELSEWHERE = frozenset((CLOSED_BY_HAND, LIQUIDATED, ESTIMATED))
"""Exit reasons of positions that ended entirely through others."""


class HoldReason(Enum):
    """Why a position is on hold. Its text for people is `Position.on_hold`."""

    ACCOUNT_DIFFERS = "account_differs"
    """The account holds less than the books."""
    CLOSED_BY_OTHERS = "closed_by_others"
    """A person or the broker has closed a part of it."""
    OPENED_AGAIN = "opened_again"
    """The account holds it again, and a person may have opened it."""
    TRADE_TAKEN_BACK = "trade_taken_back"
    """The exchange has cancelled a trade of others that had closed it."""
    EXIT_CANCELLED = "exit_cancelled"
    """Others have cancelled too many of its closing orders today."""
    FILL_TAKEN_BACK = "fill_taken_back"
    """The exchange has cancelled too many of its closing fills today."""
    ORDER_ENLARGED = "order_enlarged"
    """The broker has enlarged two of its closing orders."""
    CONTRACT_CHANGED = "contract_changed"
    """The broker gives one of its contracts another number."""
    SHARES_SPLIT = "shares_split"
    """Its shares were split. Their number and value are not known."""


GOES_ON = (
    *(HoldReason.ACCOUNT_DIFFERS, HoldReason.OPENED_AGAIN),
    *(HoldReason.CLOSED_BY_OTHERS, HoldReason.TRADE_TAKEN_BACK),
)
"""With these rulebot protects and closes what both the books and the account hold. With others no exit acts."""
UNIDENTIFIED = (HoldReason.CONTRACT_CHANGED, HoldReason.SHARES_SPLIT)
"""Reasons for which a contract's deliverable is unknown; rulebot sends no order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionLeg:
    """One leg of a position. `sign` is +1 held long, -1 short.

    Units: `opened` and `closed` count contracts (of a share leg shares) of all structures together; cash in dollars, +
    received, - paid, multiplier included, commissions separate (paid: positive). `settled` contracts ended by expiry
    and are part of `closed`. `commissions_pending`: executions without a commission report yet. `shares_profit`:
    dollars that the shares of assigned and exercised contracts were worth beyond the strike, at the official settlement
    price; no cash, and negative where the strike was worse. `unpriced`: assigned contracts with an unknown settlement
    price, excluded from `shares_profit`. `group`: the first of the legs that close together with it, "" where all do.
    """

    name: Name
    option: Option
    sign: int
    ratio: int
    opened: int = 0
    closed: int = 0
    settled: int = 0
    entry_cash: Decimal = ZERO
    exit_cash: Decimal = ZERO
    commissions: Decimal = ZERO
    commissions_pending: int = 0
    shares_profit: Decimal = ZERO
    unpriced: int = 0
    group: Name = ""

    @property
    def proceeds(self) -> Decimal:
        """Dollars that closing has brought, shares at their official settlement price; commissions apart."""
        return self.exit_cash + self.shares_profit

    @property
    def price_multiplier(self) -> int:
        """What a point of the leg is worth in a price per share of the structure."""
        return self.option.price_multiplier(self.ratio)

    @property
    def held(self) -> int:
        """Contracts open now; negative when the broker closed more than was held."""
        return self.opened - self.closed

    @property
    def signed_held(self) -> int:
        """Contracts open now, negative when short, as the broker counts them."""
        return self.sign * self.held


@dataclass(frozen=True, slots=True)
class PeakProfit:
    """The best profit so far. `of`: what is measured; `amount`: a part of the entry price, or dollars."""

    of: Name
    amount: Decimal


@dataclass(frozen=True, slots=True)
class ExitTerms:
    """The price of an exit when it began to close, and what a target promised.

    Units: `net` per share of one structure, + received, None where it has none. `share`: the part of the entry price
    that a target promises to keep, None where it promises dollars; `dollars` the same in dollars, None for an exit
    without a promise. `legs`: those that count, () is all. `structures` open then; `closed_cash`: dollars from legs
    closed by then.
    """

    exit: Name
    net: Decimal | None
    structures: int
    closed_cash: Decimal
    legs: tuple[Name, ...] = ()
    share: Decimal | None = None
    dollars: Decimal | None = None
    is_after_commissions: bool = False


@dataclass(frozen=True, slots=True)
class MissingLeg:
    """Contracts of a leg that the books hold and the account lacks, first seen at `since`, at an unknown price.

    contracts: those certainly of this position; 0 where several positions hold the option. price: per share, the mid
    when they were first missed, or the first mid after that. absent: contracts of the leg that rulebot does not protect
    or close meanwhile.
    """

    leg: Name
    contracts: int
    price: Decimal | None
    since: datetime
    absent: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """One position of a bot. `state` is a state of the lifecycle.

    digest: of the spec whose exits govern it. quantity: structures requested. entry_mid: signed net mid per share of
    one structure when the entry order was first priced (+ is a credit). spot: of the first underlying at entry.
    exit_mid: the same when the closing order was first priced. exit_reason: name of the exit that is closing or has
    closed it ("" while none). resting_orders_withdrawn: its resting orders are cancelled for a moment and the engine
    watches their prices. hold: why nothing is sent for it, or only for a part (`GOES_ON`), None otherwise. on_hold: the
    same in words; no decision reads them. resting_orders_replaced: how many times in a row resting orders were lost;
    lost_at: when last; is_lost: the broker has not confirmed them since. retry_at, attempts: when the next order of an
    entry or exit is due, and the number of tries. leave_open: structures that the working exit leaves open.
    partial_exits_done: exits that have closed their part and do not act again. separately_closed_legs: legs that exits
    have closed or rolled completely, apart from the others. armed: active exits with `activate_when`. max_risk: the
    most a structure can lose in dollars at its entry price, without commissions, None without a bound; before its first
    fill at the order's starting price. peak_profit: base of trailing exits. failed_close_attempts: closing orders of
    this session that were cancelled externally or busted. alternative: of `choose`, "" without one. rolled_from: the
    position that was rolled into this one, "" for none. trade: the position of the original entry, "" for itself; caps
    count it once. rolls_without_candidate: exits that found nothing to roll into in this session. account_missing: what
    the account lacks. unprotected_since: since when short legs lack required protection. unprotected: which, and why,
    in words. bare: the same as names with contracts. closed_by_others: legs closed at least partly by a person or the
    broker. liquidated: those closed by the broker. terms: the terms of the last exit that acted.
    """

    id: Name
    bot: Name
    digest: Name
    state: Name
    session: date
    quantity: int
    legs: tuple[PositionLeg, ...]
    opened_at: datetime | None = None
    closed_at: datetime | None = None
    entry_mid: Decimal | None = None
    exit_mid: Decimal | None = None
    spot: Decimal | None = None
    max_risk: Decimal | None = None
    exit_reason: Name = ""
    resting_orders_withdrawn: bool = False
    hold: HoldReason | None = None
    on_hold: Text = ""
    failed_close_attempts: int = 0
    resting_orders_replaced: int = 0
    lost_at: datetime | None = None
    is_lost: bool = False
    retry_at: datetime | None = None
    attempts: int = 0
    leave_open: int = 0
    partial_exits_done: tuple[Name, ...] = ()
    separately_closed_legs: tuple[Name, ...] = ()
    armed: tuple[Name, ...] = ()
    peak_profit: tuple[PeakProfit, ...] = ()
    alternative: Name = ""
    rolled_from: Name = ""
    trade: Name = ""
    rolls_without_candidate: tuple[Name, ...] = ()
    account_missing: tuple[MissingLeg, ...] = ()
    unprotected_since: datetime | None = None
    terms: ExitTerms | None = None
    unprotected: Text = ""
    bare: tuple[Name, ...] = ()
    closed_by_others: tuple[Name, ...] = ()
    liquidated: tuple[Name, ...] = ()

    @property
    def entered_as(self) -> str:
        """Id of the original entry's position that this one was split or rolled from."""
        return self.trade or self.id

    @property
    def structures(self) -> int:
        """Whole structures open now."""
        return min([(leg.opened - leg.closed) // leg.ratio for leg in self.legs], default=0)

    @property
    def has_unbalanced_legs(self) -> bool:
        """True when some leg holds more contracts than the whole structures need."""
        count = self.structures
        return any(leg.held != count * leg.ratio for leg in self.legs)

    @property
    def open_structures(self) -> int:
        """Structures of what is still open: a leg that an exit has closed wholly does not count."""
        return min((leg.held // leg.ratio for leg in self.legs if leg.held or not leg.opened), default=0)

    @property
    def has_fills(self) -> bool:
        """True when anything of it was ever filled."""
        return any(leg.opened for leg in self.legs)

    @property
    def is_flat(self) -> bool:
        """True when no leg holds anything."""
        return all(leg.opened == leg.closed for leg in self.legs)

    @property
    def is_closed_too_far(self) -> bool:
        """True when the broker closed more of a leg than was held."""
        return any(leg.opened < leg.closed for leg in self.legs)

    @property
    def is_split(self) -> bool:
        """True while it is on hold since its shares were split: what they are worth is not known."""
        return self.hold is HoldReason.SHARES_SPLIT

    def is_split_in(self, option: Option) -> bool:
        """Say whether what trades under the name of this leg is something else now than what our books hold."""
        return self.is_split and option.is_share

    @property
    def common(self) -> "Position":
        """The position with only the contracts that the account holds as well. It is for reading, never kept.

        Its legs count what the account lacks as closed, without cash.
        """
        absent = {each.leg: each.absent for each in self.account_missing if each.absent}
        if not absent:
            return self
        legs = (
            replace(leg, closed=min(leg.closed + absent.get(leg.name, 0), max(leg.opened, leg.closed)))
            for leg in self.legs
        )
        return replace(self, legs=tuple(legs))

    def absent(self, leg: str) -> int:
        """Return how many contracts of a leg rulebot leaves alone, since the account lacks them."""
        return next((each.absent for each in self.account_missing if each.leg == leg), 0)

    @property
    def is_flattening(self) -> bool:
        """True while all of it is being closed, as an operator has asked."""
        return self.state == "exiting" and self.exit_reason == FLATTENED

    @property
    def is_frozen(self) -> bool:
        """True when no exit acts on it: it is on hold, or the broker has closed more of it than was held."""
        return (self.hold is not None and self.hold not in GOES_ON) or self.is_closed_too_far

    @property
    def may_buy_back(self) -> bool:
        """True when no exit acts on it, but rulebot buys back short legs without protection after a time."""
        return self.is_frozen and not self.is_closed_too_far and self.hold not in UNIDENTIFIED

    @property
    def freeze_reason(self) -> str:
        """Why nothing is sent for it, or only for a part of it, "" while all is well."""
        if self.hold is not None or not self.is_closed_too_far:
            return self.on_hold
        left = ", ".join(f"{leg.signed_held:+d} {leg.option}" for leg in self.legs if leg.held)
        return f"more was closed than was held; nothing is sent for the rest, {left}"

    @property
    def waits_for_expiry(self) -> bool:
        """True when an exit has left only long legs without a bid; they may expire."""
        return self.state == "exiting" and all(
            leg.sign > 0 and not leg.option.is_share for leg in self.common.legs if leg.held
        )

    @property
    def entry_price(self) -> Decimal | None:
        """Signed net price per share of one structure, + received, average of the fills, commissions apart.

        None until every leg has a fill.
        """
        total = ZERO
        for leg in self.legs:
            if not leg.opened:
                return None
            total += leg.entry_cash * leg.price_multiplier / (leg.opened * leg.option.multiplier)
        return total

    @property
    def exit_price(self) -> Decimal | None:
        """Signed net price per share of one structure at which it was closed, - paid; None until all legs closed.

        An assigned or exercised leg has the price that makes up for its shares: see `PositionLeg.proceeds`.
        """
        total = ZERO
        for leg in self.legs:
            if not leg.closed:
                return None
            total += leg.proceeds * leg.price_multiplier / (leg.closed * leg.option.multiplier)
        return total

    @property
    def commissions(self) -> Decimal:
        """Dollars paid so far."""
        return sum((leg.commissions for leg in self.legs), ZERO)

    @property
    def commissions_pending(self) -> int:
        """Executions without a commission report: until then every profit is provisional."""
        return sum(leg.commissions_pending for leg in self.legs)

    def has_left(self, before: datetime | None = None) -> bool:
        """Say whether the account lacks all that it holds, and has, if an instant is given, since before it."""
        gone = {each.leg: each.contracts for each in self.account_missing if before is None or each.since < before}
        return bool(gone) and all(leg.held == gone.get(leg.name, 0) for leg in self.legs)

    @property
    def missed_cash(self) -> Decimal:
        """Estimated dollars of contracts that the account lacks, until a person enters their price."""
        if not self.account_missing:
            return ZERO
        legs = {leg.name: leg for leg in self.legs}
        priced = (
            (legs[each.leg], each.contracts * each.price) for each in self.account_missing if each.price is not None
        )
        return sum((leg.sign * price * leg.option.multiplier for leg, price in priced), ZERO)

    @property
    def cash(self) -> Decimal:
        """Dollars received less paid so far, commissions apart: no profit where shares came or went for options."""
        return sum((leg.entry_cash + leg.exit_cash for leg in self.legs), ZERO)

    @property
    def gross(self) -> Decimal:
        """Dollars made so far by what is closed, less what was paid for what is open; commissions apart.

        This is the profit of a flat position, and the one place where a profit is computed. Options that were assigned
        or exercised count with their shares, at the official settlement price. What the shares make later belongs to
        the account, not to the trade.
        """
        return self.cash + self.shares_profit

    @property
    def net(self) -> Decimal:
        """The same after commissions: the realised profit of a flat position."""
        return self.gross - self.commissions

    @property
    def shares_profit(self) -> Decimal:
        """The part of `gross` that the shares of assigned and exercised options made."""
        return sum((leg.shares_profit for leg in self.legs), ZERO)

    @property
    def is_in_shares(self) -> bool:
        """True when some of it was assigned or exercised into shares that are the account's."""
        return any(leg.shares_profit or leg.unpriced for leg in self.legs)

    @property
    def unpriced(self) -> int:
        """Contracts that were assigned at a price which is not known yet: `gross` is without their shares."""
        return sum(leg.unpriced for leg in self.legs)


def count_trades(positions: Iterable[Position]) -> int:
    """Return how many of these were entered: what parts of one were rolled into counts as that one."""
    return len({position.entered_as for position in positions})


def count_structures(positions: Iterable[Position]) -> int:
    """Return how many structures are open: what was rolled is still of the structure that was entered.

    As in `open_structures`, a leg that is closed wholly does not count.
    """
    trades: defaultdict[str, list[PositionLeg]] = defaultdict(list)
    for position in positions:
        trades[position.entered_as] += position.legs
    return sum(map(_open_in, trades.values()))


def _open_in(legs: Iterable[PositionLeg]) -> int:
    """Return the open structures of one trade, by the legs of all its positions."""
    held, opened, ratios = Counter[str](), Counter[str](), dict[str, int]()
    for leg in legs:
        held[leg.name] += leg.held
        opened[leg.name] += leg.opened
        ratios[leg.name] = leg.ratio
    return min((held[name] // ratio for name, ratio in ratios.items() if held[name] or not opened[name]), default=0)


# --- What a target promised to keep of a trade, what was kept, and the slippage of its exit, from recorded values

TARGET_MISSED = "target_missed"
"""How a trade ended that a target closed without keeping what it promises."""


class ProfitKept(NamedTuple):
    """How the last exit of a closed trade did.

    Units: shares are parts of the entry price (0.5 is 50 %), None where the target promises dollars; dollars of the
    whole trade, or of the legs that the exit counts, after commissions where the target is in dollars. slippage:
    dollars per contract of the structure against the price of the exit, + is better than that price, None where the
    exit has no price. promised and kept are None for an exit that promises nothing.
    """

    exit: str
    promised_share: Decimal | None
    kept_share: Decimal | None
    promised_dollars: Decimal | None
    kept_dollars: Decimal | None
    slippage: Decimal | None

    @property
    def is_missed(self) -> bool:
        """Say whether a target kept less than it promised, by a cent or more."""
        promised, kept = self.promised_dollars, self.kept_dollars
        return promised is not None and kept is not None and promised - kept >= CENT


def kept_of(position: Position) -> ProfitKept | None:
    """Return how the exit that closed a trade did; None while it is open, and where no exit of the spec closed it."""
    terms = position.terms
    if terms is None or not position.is_flat or not position.has_fills or terms.exit != position.exit_reason:
        return None
    slippage = _slippage(position, terms)
    if terms.dollars is None:
        return ProfitKept(terms.exit, None, None, None, None, slippage)
    legs = [leg for leg in position.legs if not terms.legs or leg.name in terms.legs]
    entry = abs(sum((leg.entry_cash for leg in legs), ZERO))
    kept = sum((leg.entry_cash + leg.proceeds for leg in legs), ZERO)
    if terms.is_after_commissions:
        kept -= sum((leg.commissions for leg in legs), ZERO)
    if terms.share is None or not entry:
        return ProfitKept(terms.exit, None, None, terms.dollars, kept, slippage)
    return ProfitKept(terms.exit, terms.share, kept / entry, terms.share * entry, kept, slippage)


def is_target_missed(position: Position) -> bool:
    """Say whether a target closed this trade and kept less than it promised."""
    found = kept_of(position)
    return found is not None and found.is_missed


def end_of(position: Position) -> str:
    """Return the name under which the end of a trade is reported: that of its exit, or `target_missed`."""
    return TARGET_MISSED if is_target_missed(position) else position.exit_reason


def end_of_row(row: Mapping[str, Any]) -> str:
    """Return the same of a row of `trades`; the word of the tables where no exit closed it, "" while it is open."""
    reason = row["exit_reason"]
    return TARGET_MISSED if reason == TARGET_MISSED.upper() else str(row["exit_name"] or reason or "")


def _slippage(position: Position, terms: ExitTerms) -> Decimal | None:
    """Return dollars per contract of the structure by which the exit closed better than its price."""
    if terms.net is None or terms.structures <= 0:
        return None
    brought = sum((leg.proceeds for leg in position.legs), ZERO) - terms.closed_cash
    return (brought / terms.structures - terms.net * 100).quantize(CENT)
