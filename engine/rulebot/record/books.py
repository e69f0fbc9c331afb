"""Books from the journal: executions, commissions and settlements as recorded.

Made from records alone, never by `fill/`: the audit compares what that package booked with this.
"""

from dataclasses import dataclass as mutable
from dataclasses import field
from datetime import date, datetime
from decimal import Decimal

from rulebot.model.contract import Option
from rulebot.model.money import CENT, ZERO
from rulebot.model.order import Purpose, execution_id, is_synthetic
from rulebot.model.position import Position, PositionLeg
from rulebot.model.session import exchange_date, session_after
from rulebot.model.values import dataclass, replace
from rulebot.record.codec import utc_time
from rulebot.record.record import TAKEN_BACK, Kind, Record

HOW = {
    "worthless": "expired",
    "cash": "cash settled",
    "assigned": "assigned",
    "exercised": "exercised",
    "delivered": "delivered",
}
"""How a leg ends without a trade: the journal's word, and the accountant's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LegContract:
    """The leg and contract of an event; `sign` is +1 for a leg that is held long."""

    account: str
    bot: str
    position: str
    leg: str
    option: Option
    sign: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BookedFill:
    """One execution after corrections. price: dollars a share. commission: dollars paid, None until reported."""

    of: LegContract
    exec_id: str
    ref: str
    is_buy: bool
    quantity: int
    price: Decimal
    executed_at: datetime
    commission: Decimal | None = None
    purpose: str = ""

    @property
    def is_entry(self) -> bool:
        """True for an execution of an entry."""
        return self.purpose == Purpose.ENTRY.value

    @property
    def unwinds(self) -> bool:
        """True for a buy-back of contracts closed beyond the holding: it trades in the direction of the entry."""
        return self.purpose == Purpose.UNWIND.value and self.is_opening

    @property
    def counted(self) -> int:
        """Contracts as the leg counts them: negative where it unwinds."""
        return -self.quantity if self.unwinds else self.quantity

    @property
    def signed(self) -> int:
        """Contracts bought, negative when sold."""
        return self.quantity if self.is_buy else -self.quantity

    @property
    def is_opening(self) -> bool:
        """True when it trades in the direction in which the leg is held."""
        return self.is_buy == (self.of.sign > 0)

    @property
    def is_estimate(self) -> bool:
        """True when it has no report: price and time come from the account and the order."""
        return is_synthetic(self.exec_id)

    @property
    def proceeds(self) -> Decimal:
        """Dollars received, negative when paid; the commission apart."""
        return -self.signed * self.price * self.of.option.multiplier

    @property
    def net_cash(self) -> Decimal:
        """Dollars received after commission, as far as reported."""
        return self.proceeds - (self.commission or ZERO)

    @property
    def date(self) -> date:
        """The day in New York."""
        return exchange_date(self.executed_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class LegEnding:
    """Contracts of a leg that left without a trade. price: dollars a share. how: a word of `HOW`.

    shares_profit: of `PositionLeg`, dollars that its shares made at the settlement price; None while that is not known.
    quantity: negative where the broker had closed more of the leg than was held, and that is gone.
    """

    of: LegContract
    quantity: int
    price: Decimal
    level: Decimal | None
    how: str
    recorded_at: datetime
    shares_profit: Decimal | None = ZERO

    @property
    def signed(self) -> int:
        """How the account's holding changes: + where a short leg is gone."""
        return -self.of.sign * self.quantity

    @property
    def cash(self) -> Decimal:
        """Dollars received, negative when paid."""
        return (self.of.sign * self.quantity * self.price * self.of.option.multiplier).quantize(CENT)

    @property
    def date(self) -> date:
        """The day on which an option ends, however late it was noticed; of shares the day they were recorded to leave.

        That is its last day, or the session after it where it settles at opening prints; of one that was assigned
        before, the day on which the account had it no more.
        """
        option, recorded = self.of.option, exchange_date(self.recorded_at)
        if option.is_share:
            return recorded
        return min(session_after(option.expiry).date if option.settles_at_open else option.expiry, recorded)


@mutable(slots=True)
class LegTotals:
    """What the records alone say of one leg, in the units of `PositionLeg`."""

    opened: int = 0
    closed: int = 0
    settled: int = 0
    entry_cash: Decimal = ZERO
    exit_cash: Decimal = ZERO
    commissions: Decimal = ZERO
    shares_profit: Decimal = ZERO

    def count(self, fill: BookedFill, times: int = 1) -> None:
        """Add an execution; times: -1 takes it out again."""
        if fill.is_entry:
            self.opened += times * fill.counted
            self.entry_cash += times * fill.proceeds
        else:
            self.closed += times * fill.counted
            self.exit_cash += times * fill.proceeds
        self.commissions += times * (fill.commission or ZERO)

    def settle(self, ending: LegEnding, shares_reported: Decimal) -> None:
        """Add contracts that left without a trade."""
        self.closed += ending.quantity
        self.settled += ending.quantity
        self.exit_cash += ending.cash
        self.shares_profit += shares_reported


def base_of(exec_id: object) -> str:
    """Return an execution id without its last part, which counts corrections."""
    return execution_id(str(exec_id)).execution


@mutable(slots=True)
class Books:
    """The fold: a correction replaces its execution; a busted one has a quantity of 0.

    fills: by `base_of` their ids. legs, totals: by position and name of the leg. accounts: all that were connected.
    """

    fills: dict[str, BookedFill] = field(default_factory=dict)
    endings: list[LegEnding] = field(default_factory=list)
    legs: dict[tuple[str, str], PositionLeg] = field(default_factory=dict)
    totals: dict[tuple[str, str], LegTotals] = field(default_factory=dict)
    accounts: list[str] = field(default_factory=list)

    def know(self, position: Position) -> None:
        """Take the legs of a position, on which records may be."""
        for leg in position.legs:
            self.legs[position.id, leg.name] = leg

    def of_leg(self, position: str, name: str) -> LegTotals:
        """Return the totals of a leg, empty when nothing was booked on it."""
        return self.totals.setdefault((position, name), LegTotals())

    def take(self, record: Record, position: Position | None = None) -> str:
        """Book a record; return what is wrong with it in words, "" when nothing is. position: what it holds."""
        if position is not None:
            self.know(position)
        elif record.kind in (Kind.RUN_STARTED, Kind.LINK):
            self.accounts += [str(account)] if (account := record.data.get("account")) else []
        elif record.kind is Kind.COMMISSION:
            return self._commission(record)
        elif (of := self.holder(record)) is None:
            return f"a {record.kind.value} on a leg that no position has: {record.position} {record.data.get('leg')}"
        else:
            return self._fill(record, of) if record.kind is Kind.FILL else self._settlement(record, of)
        return ""

    def holder(self, record: Record) -> LegContract | None:
        """Return whose leg a fill or a settlement is on, None when no position has it."""
        leg = self.legs.get((record.position, str(record.data["leg"])))
        if leg is None:
            return None
        return LegContract(
            account=self.accounts[-1] if self.accounts else "",
            bot=record.bot,
            position=record.position,
            leg=leg.name,
            option=leg.option,
            sign=leg.sign,
        )

    def added(self, record: Record) -> int:
        """Return how many contracts a fill would add, below 0 where it corrects another to fewer."""
        before = self.fills.get(base_of(record.data["exec_id"]))
        return int(str(record.data["quantity"])) - (before.quantity if before is not None else 0)

    def _fill(self, record: Record, of: LegContract) -> str:
        fill = _fill(record, of)
        base, totals = base_of(fill.exec_id), self.of_leg(of.position, of.leg)
        if (known := self.fills.get(base)) is not None:
            if execution_id(known.exec_id).revision >= execution_id(fill.exec_id).revision:
                return f"execution {fill.exec_id} is recorded a second time"
            self.of_leg(known.of.position, known.of.leg).count(known, -1)
            fill = replace(fill, commission=known.commission)
        self.fills[base] = fill
        totals.count(fill)
        return ""

    def _commission(self, record: Record) -> str:
        base = base_of(record.data["exec_id"])
        known = self.fills.get(base)
        if known is None:
            return f"a commission on execution {record.data['exec_id']}, which is not recorded"
        amount = Decimal(str(record.data["amount"]))
        self.of_leg(known.of.position, known.of.leg).commissions += amount - (known.commission or ZERO)
        self.fills[base] = replace(known, commission=amount)
        return ""

    def _settlement(self, record: Record, of: LegContract) -> str:
        ending = _ending(record, of)
        self.of_leg(of.position, of.leg).settle(ending, Decimal(str(record.data.get("shares_profit") or 0)))
        take = _take_back if record.data.get(TAKEN_BACK) else list.append if ending.quantity else _price
        take(self.endings, ending)
        return ""


def _fill(record: Record, of: LegContract) -> BookedFill:
    data = record.data
    reported = data.get("executed_at")
    return BookedFill(
        of=of,
        exec_id=str(data["exec_id"]),
        ref=str(data.get("ref") or ""),
        is_buy=bool(data.get("is_buy")),
        quantity=int(str(data["quantity"])),
        price=Decimal(str(data["price"])),
        executed_at=utc_time(str(reported)) if reported else record.at,
        purpose=str(data.get("purpose") or ""),
    )


def _ending(record: Record, of: LegContract) -> LegEnding:
    data, how = record.data, str(record.data.get("how", ""))
    level = data.get("level")
    return LegEnding(
        of=of,
        quantity=int(str(data["quantity"])),
        price=Decimal(str(data["price"])),
        level=None if level is None else Decimal(str(level)),
        how=HOW.get(how, how),
        recorded_at=record.at,
        shares_profit=None if data["shares_profit"] is None else Decimal(str(data["shares_profit"])),
    )


def _take_back(endings: list[LegEnding], back: LegEnding) -> None:
    """Remove contracts from the latest endings; `back` has a negative number of them.

    A remainder is kept separately: sums are then correct.
    """
    same, count = (back.of.position, back.of.leg, back.price, back.how), -back.quantity
    for at, found in reversed(list(enumerate(endings))):
        if (found.of.position, found.of.leg, found.price, found.how) == same and found.quantity > 0 and count:
            left = max(found.quantity - count, 0)
            count -= found.quantity - left
            kept = replace(found, quantity=left, shares_profit=_part(found, left))
            endings[at : at + 1] = [kept] if left else []
    if count:
        endings.append(replace(back, quantity=-count))


def _price(endings: list[LegEnding], reported: LegEnding) -> None:
    """Set the price of assigned contracts that were recorded without one; `reported` has no contracts of its own."""
    for at, found in enumerate(endings):
        if (found.of.position, found.of.leg) == (reported.of.position, reported.of.leg) and found.shares_profit is None:
            endings[at] = replace(found, level=reported.level, shares_profit=reported.shares_profit)
            return


def _part(ending: LegEnding, left: int) -> Decimal | None:
    """Return the profit of the shares of these contracts of an ending."""
    worth = ending.shares_profit
    return None if worth is None else (worth * left / ending.quantity).quantize(CENT)
