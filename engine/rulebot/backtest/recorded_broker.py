"""The broker of a recording: an order that it knows gets the answers that were recorded, any other one the model's.

An order is the recorded one when the same bot sends it at the same moment, with the same legs, side, quantity, type and
price. It stays so while it is changed and cancelled as it was then. A bot that sends or changes an order otherwise, or
does not change one, has left the recording: all its orders are filled by the model from then on.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from math import nan
from typing import NamedTuple

from rulebot.backtest.fill_model import ACCOUNT
from rulebot.backtest.recorded_replies import LATE, RecordedReply, ReplyScript
from rulebot.backtest.simulated_broker import CLIENT, PACE, SimulatedBroker, WorkingOrder
from rulebot.model.commission import broker_part
from rulebot.model.contract import Contract, Option, Underlying
from rulebot.model.event import (
    AccountReport,
    BrokerStatus,
    CommissionReport,
    Connected,
    Event,
    ExecutionReport,
    MarginReport,
    OrderMessage,
    OrderReport,
    OrdersListed,
    PositionReport,
)
from rulebot.model.money import ZERO
from rulebot.model.order import (
    AskMargin,
    Cancel,
    Command,
    ExecutionId,
    Order,
    OrderTerms,
    Replace,
    RequestOpenOrders,
    Submit,
    TimeInForce,
)
from rulebot.model.session import session_before

# --- An order that equals one of the recording, as long as it is changed and cancelled alike


@dataclass
class FollowedOrder:
    """done: how many changes of its script were made. counts: contracts filled. is_over: the broker has ended it."""

    order: Order
    script: ReplyScript
    done: int = 0
    counts: dict[Option, int] = field(default_factory=dict)
    is_over: bool = False
    is_cancelled: bool = False

    def does(self, terms: OrderTerms | None, at: datetime) -> bool:
        """Take what is asked of it now; say whether the recording has the same."""
        if self.done >= len(self.script.changes):
            return False
        change = self.script.changes[self.done]
        if change.terms != terms or abs(change.at - at) > LATE:
            return False
        self.done += 1
        self.is_cancelled |= terms is None
        return True

    @property
    def due_at(self) -> datetime | None:
        """When the recording has the next change."""
        return self.script.changes[self.done].at if self.done < len(self.script.changes) else None

    @property
    def filled(self) -> int:
        """Whole structures filled."""
        return min(self.counts.get(leg.option, 0) // leg.ratio for leg in self.order.legs)

    @property
    def is_incomplete(self) -> bool:
        """True between the executions of a structure's legs, of which the rest is to follow."""
        return any(self.counts.get(leg.option, 0) != self.filled * leg.ratio for leg in self.order.legs)


# --- The broker of a recording

ANSWERS = timedelta(seconds=30)
"""How long after a question of margin its answer is looked for."""
OVER = (BrokerStatus.FILLED, BrokerStatus.CANCELLED, BrokerStatus.INACTIVE)


class RecordedExecution(NamedTuple):
    """An execution in the account: which revision of it, contracts (- sold), and dollars paid for them."""

    revision: int
    contracts: int
    paid: Decimal


@dataclass
class RecordedBroker(SimulatedBroker):
    """The broker of a recording. left: bots that deviate from it, since when, and what they did.

    asked: our margin questions by the recorded ones. executed: the order of an execution; booked: executions in the
    account, without revision; charged: the commission of each. unlike: the recording's last counts of contracts, where
    something else is booked, for example before a late fill. has_begun: the starting cash was reported; later changes
    by others do not belong to these bots. has_left: some bot deviates, possibly since an earlier session. has_ended:
    the recording has nothing more of this session, which continues.
    """

    reported_there: RecordedReply = field(default_factory=RecordedReply, kw_only=True)
    followed: dict[str, FollowedOrder] = field(default_factory=dict, kw_only=True)
    left: dict[str, tuple[datetime, str]] = field(default_factory=dict, kw_only=True)
    asked: dict[int, int] = field(default_factory=dict, kw_only=True)
    executed: dict[ExecutionId, str] = field(default_factory=dict, kw_only=True)
    booked: dict[str, RecordedExecution] = field(default_factory=dict, kw_only=True)
    charged: dict[str, Decimal] = field(default_factory=dict, kw_only=True)
    unlike: dict[Contract, PositionReport] = field(default_factory=dict, kw_only=True)
    perm_ids: dict[str, int] = field(default_factory=dict, kw_only=True)
    has_started: bool = field(default=False, kw_only=True)
    has_left: bool = field(default=False, kw_only=True)
    has_ended: bool = field(default=False, kw_only=True)

    # ------------------------------------------------------------ commands

    def take(self, command: Command, at: datetime) -> Iterator[Event]:
        """Yield what it answers at once; what was recorded comes at its time."""
        if isinstance(command, Submit):
            if not self._begins(command.order, at):
                yield from self._leaves(command.order.bot, at, "it sends an order that the recording has not")
                yield from super().take(command, at)
        elif isinstance(command, Replace | Cancel) and command.order.ref in self.followed:
            yield from self._changed(command, self.followed[command.order.ref], at)
        elif isinstance(command, AskMargin):
            if not self._is_answered(command.order, at):
                yield from super().take(command, at)
        elif isinstance(command, RequestOpenOrders):
            if self.left:
                works = {ref for ref, each in self.followed.items() if not each.is_over}
                yield OrdersListed(at, frozenset(self.working) | works)
        else:
            yield from super().take(command, at)

    def _begins(self, order: Order, at: datetime) -> bool:
        """Say whether an order that is sent is one of the recording, and follow it."""
        if order.bot in self.left:
            return False
        taken = {each.script.order.ref for each in self.followed.values()}
        for ref, script in self.reported_there.scripts.items():
            if ref not in taken and script.is_of(order, at):
                self.followed[order.ref] = FollowedOrder(order, script)
                return True
        return False

    def _changed(self, command: Replace | Cancel, found: FollowedOrder, at: datetime) -> Iterator[Event]:
        order = command.order
        is_cancel = isinstance(command, Cancel)
        if found.is_over or (is_cancel and found.is_cancelled):
            return
        if found.does(None if is_cancel else order.terms, at):
            found.order = order
            return
        what = "cancels" if is_cancel else "changes"
        yield from self._leaves(order.bot, at, f"it {what} an order which the recording does not")
        yield from super().take(command, at)

    def _is_answered(self, order: Order, at: datetime) -> bool:
        """Say whether the recording has an answer to a question of margin that is asked now."""
        if self.left:
            return False
        for report in self.reported_there.margins:
            if at <= report.at <= at + ANSWERS:
                self.reported_there.margins.remove(report)
                self.asked[report.order_id] = order.order_id
                return True
        return False

    # ------------------------------------------------------------ leaving the recording

    def _leaves(self, bot: str, at: datetime, why: str) -> Iterator[Event]:
        """Pass all orders of a bot to the model, except those whose legs are filling; yield their statuses."""
        if bot in self.left:
            return
        self.has_left = True
        self.left[bot] = at, "the recording ends" if self.has_ended else why
        handed = [each for each in self.followed.items() if each[1].order.bot == bot and not each[1].is_incomplete]
        for ref, found in handed:
            del self.followed[ref]
            if found.is_over:
                continue
            self.working[ref] = WorkingOrder(found.order, at + PACE, found.filled, is_resting=True)
            yield self.report(found.order, BrokerStatus.WORKING, found.filled, at)
            if found.is_cancelled:
                yield from self.cancelled(found.order, at)

    def overdue(self, at: datetime) -> Iterator[Event]:
        """Yield statuses of orders that the recording has changed and the bots have not."""
        for found in list(self.followed.values()):
            due = found.due_at
            if due is not None and due + LATE < at and not found.is_over:
                changed = found.script.changes[found.done].terms is not None
                what = "changes" if changed else "cancels"
                yield from self._leaves(found.order.bot, at, f"the recording {what} an order which it does not")

    def ends(self, at: datetime) -> Iterator[Event]:
        """Yield statuses of orders that have ended in the recording; after the close those for the day have."""
        self.has_ended = is_open = self.is_open(at)
        for found in [each for each in self.followed.values() if not each.is_over]:
            if is_open:
                yield from self._leaves(found.order.bot, at, "")
            elif found.order.time_in_force is TimeInForce.DAY:
                found.is_over = True
                yield self.report(found.order, BrokerStatus.CANCELLED, found.filled, at)

    def keeps(self, refs: Collection[str]) -> None:
        """Take it that the recorded broker has these of the orders that are followed, as the engine connects."""
        for ref, found in self.followed.items():
            found.is_over |= ref not in refs

    def forget(self) -> None:
        """Begin another session: orders of earlier ones that work no more are forgotten."""
        self.has_ended = False
        self.followed = {ref: each for ref, each in self.followed.items() if not each.is_over}
        self.reported_there.keep(each.script.order.ref for each in self.followed.values())

    def link(self, at: datetime, next_order_id: int) -> Connected:
        """Return its messages when the engine connects, including orders answered as recorded."""
        followed = (ref for ref, each in self.followed.items() if not each.is_over)
        found = super().link(at, next_order_id)
        return replace(found, order_refs=(*found.order_refs, *followed))

    def perm_id(self, order: Order) -> int:
        return self.perm_ids.get(order.ref) or super().perm_id(order)

    # ------------------------------------------------------------ answers

    def answers(self, event: Event, at: datetime) -> Iterator[Event]:
        """Yield a recorded message as it applies to the present orders; nothing where it is of others."""
        reported = _ANSWERS.get(type(event))
        if reported is not None:
            yield from reported(self, event, at)

    def _of(self, ref: str, order_id: int) -> FollowedOrder | None:
        for found in self.followed.values():
            there = found.script.last
            if there.ref == ref or (not ref and there.order_id == order_id):
                return found
        return None

    def _on_order(self, event: OrderReport, at: datetime) -> Iterator[Event]:
        found = self._of(event.ref, event.order_id)
        if found is not None:
            ref = found.order.ref if event.ref else ""
            self.perm_ids[found.order.ref] = event.perm_id
            yield replace(event, at=at, ref=ref, order_id=found.order.order_id, client_id=CLIENT)
            found.is_over |= event.status in OVER

    def _on_message(self, event: OrderMessage, at: datetime) -> Iterator[Event]:
        found = self._of("", event.order_id)
        if found is not None:
            yield replace(event, at=at, order_id=found.order.order_id)

    def _on_execution(self, event: ExecutionReport, at: datetime) -> Iterator[Event]:
        found = self._of(event.ref, event.order_id)
        if found is None:
            return
        ref = found.order.ref if event.ref else ""
        yield replace(event, at=at, ref=ref, order_id=found.order.order_id, client_id=CLIENT)
        if event.option is not None and not event.is_combo:
            yield from self._book(found, event, event.option, at)

    def _book(self, found: FollowedOrder, event: ExecutionReport, option: Option, at: datetime) -> Iterator[Event]:
        """Book an execution in the account; a later revision replaces the one before.

        Earlier account reports of the recording are repeated with their new values.
        """
        self.executed[event.exec_id] = found.order.ref
        execution, revision = event.exec_id
        before = self.booked.get(execution)
        count = int(event.quantity)
        if before is None:
            found.counts[option] = found.counts.get(option, 0) + count
            own = broker_part([(option, count, float(event.price))])
            self.paid[found.order.ref] = self.paid.get(found.order.ref, ZERO) + own
        elif revision <= before.revision:
            return
        signed = count if event.is_buy else -count
        now = self.booked[execution] = RecordedExecution(revision, signed, event.price * signed * option.multiplier)
        self.cash -= now.paid - (ZERO if before is None else before.paid)
        held = _held_as(option)
        self.holdings[held] = self.holdings.get(held, 0) + signed - (0 if before is None else before.contracts)
        if held in self.unlike:
            yield from self._on_position(self.unlike.pop(held), at)

    def _on_commission(self, event: CommissionReport, at: datetime) -> Iterator[Event]:
        ref = self.executed.get(event.exec_id)
        if ref is not None:
            execution = event.exec_id.execution
            self.cash -= event.commission - self.charged.get(execution, ZERO)
            self.charged[execution] = event.commission
            yield replace(event, at=at)

    def _on_position(self, event: PositionReport, at: datetime) -> Iterator[Event]:
        """Yield what the account of now holds of a contract; what it holds no more has expired when it is past."""
        contract, count = event.contract, self.holdings.get(event.contract, 0)
        count += self._filled_by_then(event, count)
        if not event.quantity and count and isinstance(contract, Option) and self._is_past(contract, at):
            level = self._level(contract)
            if level is not None:
                yield from self.settle(contract, level, at)
                return
        if count == event.quantity:
            self.costs[contract] = event.average_cost
            self.unlike.pop(contract, None)
        else:
            self.unlike[contract] = event
        yield PositionReport(at, contract, Decimal(count), self.costs.get(contract, ZERO))

    def _filled_by_then(self, event: PositionReport, count: int) -> int:
        """Return the contracts (- sold) of our recorded fills whose reports follow a moment later.

        0 where those do not explain `count`.
        """
        found = 0
        for reported in self.reported_there.executions if count != event.quantity else ():
            is_of_it = reported.option is not None and _held_as(reported.option) == event.contract
            if not is_of_it or not event.at <= reported.at <= event.at + LATE:
                continue
            if reported.exec_id.execution not in self.booked and self._of(reported.ref, reported.order_id):
                found += int(reported.quantity) * (1 if reported.is_buy else -1)
                if count + found == event.quantity:
                    return found
        return 0

    def _is_past(self, option: Option, at: datetime) -> bool:
        return option.expiry < self.session.date or (option.expiry == self.session.date and at >= self.session.close)

    def _level(self, option: Option) -> Decimal | None:
        """Return the close at which an option settles, None where what is streamed now does not say it.

        What settles at opening prints the walk takes out once they are known.
        """
        row = self.board.rows.get(Underlying(option.symbol))
        if row is None or option.settles_at_open:
            return None
        today = self.session.date
        columns = {today: self.board.last, session_before(today).date: self.board.previous_close}
        level = columns[option.expiry][row] if option.expiry in columns else nan
        return None if level != level else Decimal(f"{level:.4f}")

    def _on_account(self, event: AccountReport, at: datetime) -> Iterator[Event]:
        """Yield the values of the account while it is the recorded one; what these bots make counts from its start."""
        if self.has_left:
            return
        if event.account.cash is not None and not self.has_started:
            self.has_started, self.cash = True, event.account.cash
        yield AccountReport(at, replace(event.account, id=ACCOUNT))

    def _on_listed(self, event: OrdersListed, at: datetime) -> Iterator[Event]:
        refs = {each.script.order.ref: ref for ref, each in self.followed.items()}
        there = {refs[ref] for ref in event.order_refs if ref in refs}
        yield OrdersListed(at, frozenset(there) | frozenset(self.working))

    def _on_margin(self, event: MarginReport, at: datetime) -> Iterator[Event]:
        order_id = self.asked.pop(event.order_id, None)
        if order_id is not None:
            yield replace(event, at=at, order_id=order_id)


def _held_as(option: Option) -> Contract:
    """Return what the account holds by an execution of this."""
    return Underlying(option.symbol) if option.is_share else option


_ANSWERS: dict[type[Event], Callable[..., Iterator[Event]]] = {
    OrderReport: RecordedBroker._on_order,
    OrderMessage: RecordedBroker._on_message,
    ExecutionReport: RecordedBroker._on_execution,
    CommissionReport: RecordedBroker._on_commission,
    PositionReport: RecordedBroker._on_position,
    AccountReport: RecordedBroker._on_account,
    OrdersListed: RecordedBroker._on_listed,
    MarginReport: RecordedBroker._on_margin,
}
