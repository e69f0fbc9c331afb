"""One turn in the making: starts from a State, ends as a new State with its records and commands.

Nothing outside a turn ever sees a Work. Entities that changed are recorded whole, once, at the end of the turn; other
records keep the order in which things happened.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from hashlib import blake2b
from typing import NamedTuple, TypeVar

from rulebot.core.program import CompiledBot, Program
from rulebot.core.state.share_coverage import account_shares
from rulebot.core.state.state import NOTHING, BotState, DuplicateOrder, Reading, State, Structure
from rulebot.decide.entry_window import BotDay
from rulebot.decide.machine import can, next_state
from rulebot.fill.exit_level import ended_by
from rulebot.fill.ledger import BookedExecution
from rulebot.measure.view import BotView, LegView, View
from rulebot.model.cause import Name, Text
from rulebot.model.contract import Option
from rulebot.model.errors import InvariantError
from rulebot.model.facts import Facts
from rulebot.model.loss_bound import ShareHolding
from rulebot.model.order import Command, Order, OrderStatus, RequestOpenOrders, Submit
from rulebot.model.position import Position, PositionLeg
from rulebot.model.values import replace
from rulebot.record.codec import encode
from rulebot.record.record import BASE, Json, Kind, Record

K = TypeVar("K")
V = TypeVar("V")


class Turn(NamedTuple):
    """What one event led to. Records are written before any command leaves."""

    state: State
    records: tuple[Record, ...]
    commands: tuple[Command, ...]


Take = Callable[["StateBuilder", object], None]


class StateBuilder:
    """The scratch of one turn. Its tables are the state's own until they change: then they are copied, once."""

    __slots__ = (
        *State._fields, "program", "before", "at", "now", "records", "commands", "_own", "_readings",
        "_dirty_orders", "_dirty_positions", "_dirty_days", "told_ends", "_take",
    )  # fmt: skip

    def __init__(self, program: Program, state: State, at: datetime, take: Take | None = None) -> None:
        """take: hands a fact to the stage that takes it; None where a state is only looked at."""
        self.program = program
        self.before = state
        self.at = at
        self.now = at.timestamp()
        self.schedule, self.market, self.subscriptions = state.schedule, state.market, state.subscriptions
        self.connection, self.requests, self.account = state.connection, state.requests, state.account
        self.orders, self.inquiries, self.positions, self.bots = (
            state.orders,
            state.inquiries,
            state.positions,
            state.bots,
        )
        self.records: list[Record] = []
        self.commands: list[Command] = []
        self._own: set[str] = set()
        self._readings: dict[str, dict[tuple[str, str], Reading]] = {}
        self._dirty_orders: dict[str, None] = {}
        self._dirty_positions: dict[str, None] = {}
        self._dirty_days: dict[str, None] = {}
        self.told_ends: set[str] = set()
        self._take = take

    # ------------------------------------------------------------ reading

    @property
    def state(self) -> State:
        """The state as it is by now."""
        return State(
            self.schedule, self.market, self.subscriptions, self.connection, self.requests, self.account,
            self.orders, self.inquiries, self.positions, self.bots,
        )  # fmt: skip

    def view(self, entering: str = "") -> View:
        """Return a fresh snapshot of this instant. entering: the position whose own calls are to need no shares yet."""
        market, shares = self.market, partial(self.shares_of, aside=entering)
        view = View(
            now=self.now, session=self.schedule.session, board=market.board, facts=market.facts, shares_of=shares
        )
        view.bot_view = self.bot_view
        return view

    def legs_seen(self, position: Position) -> tuple[LegView, ...]:
        """Return all legs of a position as rules see those of a structure, held or not."""
        rows = self.market.board.rows
        return tuple(LegView(x.name, x.option, rows.get(x.option, -1), x.sign, x.ratio, x.group) for x in position.legs)

    def shares_of(self, symbol: str, aside: str = "") -> ShareHolding | None:
        """Return the account's shares of an underlying, with those that calls need; None while not in step.

        aside: a position that is left out.
        """
        counted = (position for position in self.positions.by_id.values() if position.id != aside)
        return account_shares(self.state, counted, self.is_opening, self.at, symbol)

    def held_legs(self) -> list[PositionLeg]:
        """Return the legs that any position holds: a closed one, too, where the broker closed more than was held."""
        return [leg for position in self.positions.by_id.values() for leg in position.legs if leg.held]

    def first_expiry(self) -> date:
        """Return the first day on which something that is held trades last, the end of all days without any."""
        if self.positions.expires is None:
            expires = min((leg.option.expiry for leg in self.held_legs()), default=date.max)
            self.positions = replace(self.positions, expires=expires)
            return expires
        return self.positions.expires

    def is_opening(self, position: Position) -> bool:
        """Say whether an entry of this position is under way."""
        return position.state == "entering" or self.has_live_entry(position.id)

    def bot_view(self, name: str) -> BotView | None:
        """Return what the rules of any bot may know of this one, None when it is not run."""
        if name not in self.bots.by_name:
            return None
        active = self.positions_of(name)
        works = any(order.bot == name for order in self.all_live_orders())
        ended = (each for each in self.positions.by_id.values() if each.bot == name and each.state == "closed")
        session = self.schedule.session
        today = [
            each for each in ended if each.opened_at is not None and each.closed_at and each.closed_at >= session.open
        ]
        last = max(today, key=lambda each: each.closed_at or self.at, default=None)
        return BotView(any(not each.is_flat for each in active), works, "" if last is None else self._exit_of(last))

    def _exit_of(self, position: Position) -> str:
        """Return the exit that ended a position, by the name its text gives it: one that judges parts has one name."""
        return ended_by(self.governing(position).plan, position)

    def bot(self, name: str) -> CompiledBot | None:
        """Return the current text of a bot, None when it is no longer run."""
        return self.program.bots.get(name)

    def governing(self, position: Position) -> CompiledBot:
        """Return the text that governs a position."""
        return self.program.governing(position)

    def texts_of(self, name: str) -> list[CompiledBot]:
        """Return the texts that a bot goes by: those its positions were opened under, and its own."""
        texts = [self.governing(position) for position in self.positions_of(name)]
        current = self.bot(name)
        return texts if current is None else [*texts, current]

    def readings_of(self, bot: str) -> dict[tuple[str, str], Reading]:
        """Return the bot's last readings, to be changed in this turn."""
        if (found := self._readings.get(bot)) is None:
            found = self._readings[bot] = dict(self.bots.by_name[bot].readings)
        return found

    def orders_of(self, position: str) -> list[Order]:
        """Return the orders of a position, oldest first."""
        return [order for order in self.orders.by_ref.values() if order.is_of(position)]

    def all_live_orders(self) -> list[Order]:
        """Return all orders that may still fill, oldest first."""
        return [self.orders.by_ref[ref] for ref in self.orders.live] if self.orders.live else []

    def active_positions(self) -> list[Position]:
        """Return all positions that are not closed, oldest first."""
        return [self.positions.by_id[name] for name in self.positions.active] if self.positions.active else []

    def stirring_positions(self) -> list[Position]:
        """Return those that may need something although nothing moved that they read, oldest first."""
        if self.positions.needs_attention is None:
            stirring = tuple(position.id for position in self.active_positions() if self._stirs(position))
            self.positions = replace(self.positions, needs_attention=stirring)
        return [self.positions.by_id[name] for name in self.positions.needs_attention or ()]

    def _stirs(self, position: Position) -> bool:
        is_between = position.state != "open" or position.retry_at is not None or position.has_unbalanced_legs
        return is_between or self.governing(position).rests

    def live_orders(self, position: str) -> list[Order]:
        """Return those of a position's orders that may still fill."""
        return [order for order in self.all_live_orders() if order.is_of(position)]

    def has_live_entry(self, position: str) -> bool:
        """Say whether an order that opens the position may still fill."""
        return any(order.opens(position) for order in self.all_live_orders())

    def blocked_for(self, bot: str) -> frozenset[Option]:
        """Return contracts in which the broker has refused the bot's side today (orders of others work there)."""
        return self.bots.by_name[bot].blocked

    def is_doubted(self, position: Position) -> bool:
        """Say whether the account holds less than our books of something that the position holds."""
        return bool(self.account.shortfalls) and any(map(self.is_lacking, position.legs))

    def is_unsure(self, position: Position) -> bool:
        """Say whether the account lacks something of a position, and it is too soon to act on that."""
        if not self.account.shortfalls:
            return False
        known = {each.leg for each in position.account_missing}
        return any(leg.name not in known and self.is_lacking(leg) for leg in position.legs)

    def is_lacking(self, leg: PositionLeg) -> bool:
        """Say whether the account holds less than our books of a contract, on the side on which a leg holds it."""
        doubt = self.account.shortfalls.get(leg.option)
        return doubt is not None and leg.signed_held * doubt.side > 0

    def is_about_to_enter(self, bot: str) -> bool:
        """Say whether the bot waits only for resting orders to be taken back before it enters."""
        return self.bots.by_name[bot].is_waiting_to_enter and not self.requests.is_stopping

    def positions_of(self, bot: str) -> list[Position]:
        """Return the bot's positions that are not closed, oldest first."""
        return [found for found in self.active_positions() if found.bot == bot]

    # ------------------------------------------------------------ writing

    def follow_up(self, fact: object) -> None:
        """Have the stage that takes this fact do so, before anything else. Raises: InvariantError without stages."""
        if self._take is None:
            raise InvariantError(f"{type(fact).__name__} where a state is only looked at")
        self._take(self, fact)

    def record(self, kind: Kind, bot: str = "", position: str = "", /, **data: Json) -> None:
        """Add a happening."""
        self.records.append(Record(self.at, kind, bot, position, data))

    def alarm(
        self, bot: str, text: Text, position: str = "", *, again: bool = False, key: Name = "", tells: Name = ""
    ) -> None:
        """Record something a person should know, once a session for the same key about the same position.

        again: also if it was. key: what it is about; "" makes one of the text. tells: the order whose end it tells.
        """
        key = key or key_of(text)
        state = self.bots.by_name.get(bot)
        if state is not None:
            known = alarm_key(position, key)
            if known in state.alarmed and not again:
                return
            self.set_bot(bot, replace(state, alarmed=state.alarmed | {known}))
            if state.day.row_of and not state.day.breach:
                self.put_day(replace(state.day, breach=True))
        if tells:
            self.told_ends.add(tells)
        self.record(Kind.ALARM, bot, position, text=text, key=key)

    def alarm_of_price(self, bot: str, text: str, position: str) -> None:
        """Alarm that a price is missing, unless nothing is streamed yet: then the connection has only just come."""
        if self.subscriptions.streamed:
            self.alarm(bot, text, position)

    def put_order(self, order: Order) -> Order:
        """Keep a new value of an order."""
        order = replace(order, changed_at=self.at)
        by_ref = self._table("by_ref", self.orders.by_ref)
        is_new = order.ref not in by_ref
        by_ref[order.ref] = order
        ref_of_id, live = self.orders.ref_of_id, self.orders.live
        if order.order_id and ref_of_id.get(order.order_id) != order.ref:
            ref_of_id = self._table("ref_of_id", ref_of_id)
            ref_of_id[order.order_id] = order.ref
        if order.status.is_live is not (order.ref in live):
            live = (*live, order.ref) if is_new else live_refs(by_ref)
        self.orders = replace(self.orders, by_ref=by_ref, ref_of_id=ref_of_id, live=live)
        self._dirty_orders[order.ref] = None
        return order

    def put_position(self, position: Position) -> Position:
        """Keep a new value of a position."""
        by_id = self._table("by_id", self.positions.by_id)
        is_new = position.id not in by_id
        by_id[position.id] = position
        structures, active = self.positions.structures, self.positions.active
        if position.id in structures:
            structures = self._table("structures", structures)
            del structures[position.id]
        if (position.state != "closed") is not (position.id in active):
            active = (*active, position.id) if is_new else active_ids(by_id)
        self.positions = replace(
            self.positions, by_id=by_id, structures=structures, active=active, needs_attention=None, expires=None
        )
        self._dirty_positions[position.id] = None
        self.unindex()
        return position

    def unindex(self) -> None:
        """Have the bots by board row, and the structures, made anew."""
        if self.subscriptions.board_version != -1:
            self.subscriptions = replace(self.subscriptions, board_version=-1)

    def put_day(self, day: BotDay) -> None:
        """Keep a new value of a bot's day, from the first use of a window on with when that begins and ends."""
        if day.is_used and day.window_from is None and (bot := self.program.bots.get(day.bot)) is not None:
            found = bot.windows(self.schedule.session)
            if day.window < len(found):
                day = replace(day, window_from=found[day.window][0], window_to=found[day.window][1])
        if day.bot in self.bots.by_name:
            self.set_bot(day.bot, replace(self.bots.by_name[day.bot], day=day))
            self.unindex()
            self._dirty_days[day.bot] = None

    def move(self, position: Position, trigger: str) -> Position:
        """Move a position along its lifecycle. Raises: InvariantError."""
        lifecycle = self.governing(position).plan.lifecycle
        state = next_state(lifecycle, position.state, trigger)
        if state == position.state:
            return self.put_position(position)
        self.record(
            Kind.DECISION, position.bot, position.id, what="state", reason=trigger, values=[position.state, state]
        )
        closed_at = self.at if state == "closed" else None
        return self.put_position(replace(position, state=state, closed_at=closed_at))

    def may(self, position: Position, trigger: str) -> bool:
        """Say whether the lifecycle has that row."""
        return can(self.governing(position).plan.lifecycle, position.state, trigger)

    def set_bot(self, name: str, state: BotState) -> None:
        """Keep a new value of a bot's state."""
        by_name = self._table("by_name", self.bots.by_name)
        by_name[name] = state
        if by_name is not self.bots.by_name:
            self.bots = replace(self.bots, by_name=by_name)

    def drop_bot(self, name: str) -> None:
        """Forget a bot that runs no more and holds nothing."""
        by_name, wakes = self._table("by_name", self.bots.by_name), self._table("next_wakes", self.bots.next_wakes)
        del by_name[name]
        wakes.pop(name, None)
        self.bots = replace(self.bots, by_name=by_name, next_wakes=wakes)

    def set_wake(self, name: str, at: datetime) -> None:
        """Keep when a bot must be judged next even if nothing moves."""
        wakes = self._table("next_wakes", self.bots.next_wakes)
        wakes[name] = at
        if wakes is not self.bots.next_wakes:
            self.bots = replace(self.bots, next_wakes=wakes)

    def put_structures(self, structures: Mapping[str, Structure]) -> None:
        """Keep what rules see of these positions, of each until it changes."""
        self.positions = replace(self.positions, structures=structures)
        self._own.discard("structures")

    def put_booked(self, base: str, booked: BookedExecution) -> None:
        """Keep an execution as it was booked."""
        table = self._table("executions", self.positions.executions)
        table[base] = booked
        self.positions = replace(self.positions, executions=table)

    def put_mark(self, position: str, made: Decimal, *, is_recorded: bool) -> None:
        """Keep the last known profit of a position."""
        marks, snapshots = self._table("marks", self.positions.marks), self.positions.snapshots
        marks[position] = made
        if is_recorded:
            snapshots = self._table("snapshots", snapshots)
            snapshots[position] = made
        self.positions = replace(self.positions, marks=marks, snapshots=snapshots)

    def count_early(self, ref: str, change: int) -> None:
        """Keep one more, or one less, cancel of an order that left too early for its answer to say anything."""
        table = self._table("unanswered_cancels", self.inquiries.unanswered_cancels)
        table[ref] = table.get(ref, 0) + change
        self.inquiries = replace(self.inquiries, unanswered_cancels=table)

    def put_twin(self, ref: str, twin: DuplicateOrder | None) -> None:
        """Keep what is known of a second order under a reference, None once there is none."""
        table = self._table("duplicate_orders", self.inquiries.duplicate_orders)
        if twin is None:
            del table[ref]
        else:
            table[ref] = twin
        self.inquiries = replace(self.inquiries, duplicate_orders=table)

    def put_base(self, position: str, made: Decimal) -> None:
        """Keep what a position had made when the session began, which is learned only now."""
        bases = self._table("pnl_at_open", self.positions.pnl_at_open)
        bases[position] = made
        self.positions = replace(self.positions, pnl_at_open=bases)
        owner = self.positions.by_id[position].bot
        self.record(Kind.FACTS, owner, position, symbol="", what=BASE, value=str(made))

    def start_day(
        self, positions: Mapping[str, Position], orders: Mapping[str, Order], booked: Mapping[str, BookedExecution]
    ) -> None:
        """Keep only these positions, orders and executions from earlier days, and of the rest what is of them."""
        made = {name: made for name, made in self.positions.snapshots.items() if name in positions}
        self.positions = replace(
            self.positions, by_id=positions, executions=booked, marks=made, snapshots=made,
            active=active_ids(positions), needs_attention=None, expires=None,
        )  # fmt: skip
        ref_of_id = {number: ref for number, ref in self.orders.ref_of_id.items() if ref in orders}
        self.orders = replace(self.orders, by_ref=orders, ref_of_id=ref_of_id, live=live_refs(orders))
        self.inquiries = replace(self.inquiries, unanswered_cancels=NOTHING)
        self._own -= {"by_id", "by_ref", "executions", "unanswered_cancels", "ref_of_id", "marks", "snapshots"}

    def put_facts(self, facts: Facts) -> None:
        """Keep other slow facts."""
        self.market = replace(self.market, facts=facts)

    def watch_at(self, at: datetime | None) -> None:
        """Keep when subscriptions are chosen next, None for at once."""
        self.schedule = replace(self.schedule, watch_at=at)

    def _table(self, name: str, table: Mapping[K, V]) -> dict[K, V]:
        """Return a table to be changed in this turn: a copy, made at its first change. Its owner keeps it."""
        if name in self._own:
            assert isinstance(table, dict)
            return table
        self._own.add(name)
        return dict(table)

    def use_order_id(self) -> int:
        """Return the next order id, once."""
        order_id = self.orders.next_order_id
        self.orders = replace(self.orders, next_order_id=order_id + 1)
        return order_id

    def take_numbers(self) -> tuple[int, int]:
        """Return the next intent number and the next order id."""
        number = self.orders.next_number
        self.orders = replace(self.orders, next_number=number + 1)
        return number, self.use_order_id()

    def send(self, order: Order) -> Order:
        """Record an intent as leaving, and ask for it to be sent, once."""
        order = self.put_order(
            replace(order, status=OrderStatus.SENDING, sent_at=self.at, client_id=self.connection.client_id)
        )
        sent = (*(at for at in self.orders.sent if self.at - at < timedelta(minutes=1)), self.at)
        self.orders = replace(self.orders, sent=sent)
        self.commands.append(Submit(order))
        return order

    def ask_broker(self) -> None:
        """Ask what the broker has, once an instant."""
        if self.inquiries.asked_at != self.at:
            self.inquiries = replace(self.inquiries, asked_at=self.at)
            self.commands.append(RequestOpenOrders())

    def ref(self, number: int) -> str:
        """Return the orderRef of an intent."""
        return f"rb:{self.program.install}:{number:06d}"

    # ------------------------------------------------------------ the end

    def entities(self) -> list[Record]:
        """Return the records of the entities that changed."""
        orders = map(self.orders.by_ref.__getitem__, self._dirty_orders)
        positions = map(self.positions.by_id.__getitem__, self._dirty_positions)
        return [
            *[self._entity(Kind.ORDER, order.bot, order.position, order) for order in orders],
            *[self._entity(Kind.POSITION, position.bot, position.id, position) for position in positions],
            *[self._entity(Kind.BOT_DAY, name, "", self.bots.by_name[name].day) for name in self._dirty_days],
        ]

    def _entity(self, kind: Kind, bot: str, position: str, value: object) -> Record:
        data = encode(value)
        assert isinstance(data, dict)
        return Record(self.at, kind, bot, position, data)

    def _wake_readers(self) -> bool:
        """Have bots judged that read the state of a bot whose orders or positions have changed; say whether any do."""
        read = {name: bot.plan.needs.bots for name, bot in self.program.bots.items() if bot.plan.needs.bots}
        if not read:
            return False
        moved = {self.positions.by_id[name].bot for name in self._dirty_positions if name in self.positions.by_id}
        moved |= {self.orders.by_ref[ref].bot for ref in self._dirty_orders if ref in self.orders.by_ref}
        readers = [name for name, others in read.items() if name in self.bots.by_name and others & moved - {name}]
        for name in readers:
            self.set_wake(name, self.at)
        return bool(readers)

    def finish(self, step_at: datetime | None = None, wake_at: datetime | None = None) -> Turn:
        """Return the turn. step_at, wake_at: of the schedule, None where they stay."""
        for name, readings in self._readings.items():
            self.set_bot(name, replace(self.bots.by_name[name], readings=readings))
        is_changed = self._dirty_orders or self._dirty_positions or self._dirty_days
        if is_changed and self._wake_readers():
            step_at = wake_at = self.at
        if step_at is not None and wake_at is not None:
            self.schedule = replace(self.schedule, step_at=step_at, wake_at=wake_at)
        records = (*self.records, *self.entities()) if is_changed else tuple(self.records)
        return Turn(self.state, records, tuple(self.commands))


def key_of(text: Text) -> Name:
    """Return the key of an alarm that has none of its own: it stays so whatever becomes of the text."""
    return blake2b(text.encode(), digest_size=6).hexdigest()


def alarm_key(position: Name, key: Name) -> Name:
    """Return by what an alarm of a bot is known to have been raised."""
    return f"{position}: {key}"


def is_of_alarm(key: str) -> bool:
    """Say whether a key is that of an alarm: others, of what was skipped or chosen, begin with a word and a space."""
    position, colon, _ = key.partition(": ")
    return bool(colon) and " " not in position


def live_refs(orders: Mapping[str, Order]) -> tuple[str, ...]:
    """Return the refs of those orders that may still fill, oldest first."""
    return tuple(ref for ref, order in orders.items() if order.status.is_live)


def active_ids(positions: Mapping[str, Position]) -> tuple[str, ...]:
    """Return the ids of those positions that are not closed, oldest first."""
    return tuple(name for name, position in positions.items() if position.state != "closed")
