"""Instants of a past session that pass by while something is held, since no exit can act at them and nothing enters.

The engine judges exits at each instant of the data. Where arrays show that none can be true, that all they read is
known, and that nothing which rests at the broker can fill, a turn would only keep snapshots and ask the broker of what
is over; that much is done here, by the engine's own clock. Instants at which anything more could come of a turn are
left to turns, and so is the last one of a stretch after which the engine is woken by its clock: a turn says when. Where
data comes next it is passed by as well.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from itertools import islice, takewhile
from operator import attrgetter

import numpy as np

from rulebot.adapters.history.session import Columns
from rulebot.backtest import arrays as measures
from rulebot.backtest.arrays import Mask, may_hold
from rulebot.backtest.historical_market import DayMarket
from rulebot.backtest.scheduler import LOOKS_AGAIN, Agenda, Instant, idle_spans, only_looks_again
from rulebot.compile.plan import Call, DayBounds, Rule
from rulebot.core.program import CompiledBot, Program
from rulebot.core.queries.account import is_unreported
from rulebot.core.queries.day_pnl import account_today, bot_today
from rulebot.core.queries.schedule import ASK_EVERY, OPENING_MINUTES, ask_at
from rulebot.core.rules.rule_evaluation import rounded
from rulebot.core.session.position_marks import at_stop, is_mark_due, is_snapshot_due, next_mark, oldest_open_since
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.state import OperatorState, State, Structure, exits_of
from rulebot.core.subscribe.subscriptions import may_enter
from rulebot.fill.exit_level import HeldLeg
from rulebot.measure.reading import Column
from rulebot.model.contract import LOT, Option, Underlying
from rulebot.model.money import CENT
from rulebot.model.order import Order, OrderType, Side
from rulebot.model.position import Position
from rulebot.model.session import Session
from rulebot.model.values import replace
from rulebot.order.price import net_price, order_parts
from rulebot.record.record import Json, Kind, Record

# --- What a past session makes of a position that is held, by arrays

_STEPS, _LARGE, _UNCERTAINTY = 1e6, 1e12, 1e-3
"""`rounded` keeps six digits: its steps, distinguishable values, and safe distance from half a step."""
_WHOLE, _NEAR_HALF = 1e15, 0.02
"""Integers that a float distinguishes, with margin; cents from half a cent that four digits of a dollar decide."""
_A_STEP = 0.11
"""Dollars, more than the largest step of an option's price: what rounding may make of one."""


class LegColumns:
    """The columns of a position's legs, as exit rules read them (see `measures.SessionColumns`).

    A leg without a bid counts 0: a long one brings nothing, a short one costs half its ask at mid. quoted_bid,
    quoted_ask: as quoted; is_odd: instants with a crossed, locked or missing quote.
    """

    def __init__(self, market: DayMarket, options: Sequence[Option], weights: Sequence[int]) -> None:
        self._market, self._given = market, market.given_of(options)
        self.session: Session = market.session
        self.opens_at = market.session.open.timestamp()
        self.options = options
        self.quoted_bid, self.quoted_ask = self.given("bid"), self.given("ask")
        unwanted = np.isnan(self.quoted_bid) & (self.given("bid_size") == 0.0)
        worthless = unwanted & (np.array(weights) > 0)[:, None]
        self.bid = np.where(unwanted, 0.0, self.quoted_bid)
        self.ask = np.where(worthless, 0.0, self.quoted_ask)
        self.is_odd: Mask = (np.isnan(self.quoted_ask) | ~((self.bid < self.quoted_ask) | worthless)).any(axis=0)

    def given(self, name: str) -> Columns:
        """Return what is known of the legs by this name, nan where it is not. Shape: legs x instants."""
        column = self._given.get(name)
        if column is None:
            return np.full((len(self.options), len(self._market.day.times)), np.nan)
        return np.ascontiguousarray(column.T)

    @cached_property
    def times(self) -> Columns:
        """The instants, in seconds after the open."""
        return self._market.day.times - self.opens_at

    @cached_property
    def delta(self) -> Columns:
        """Deltas. Shape: legs x instants."""
        return self.given("delta")

    def level(self, symbol: str) -> Columns | None:
        """Return the level of an underlying that is streamed, None without one."""
        return self._market.day.levels.get(symbol) if Underlying(symbol) in self._market.board.rows else None


class HeldPosition:
    """One position over a session, for as long as nothing of it changes.

    may_act: at which instants an exit may be true, or something that it reads is not known, or an order that rests at
    the broker may fill. rules: of exits that are judged; those that rest are not.
    """

    def __init__(
        self, market: DayMarket, position: Position, found: Structure, bot: CompiledBot, resting: Sequence[Order] = ()
    ) -> None:
        self.position, self.expiry = position, found.expiry
        self.rules = rules_of(bot, with_resting=not resting)
        self._parts, self._net, self._structures = found.parts, found.net, position.structures
        self._at_stop = at_stop(bot, position, resting)
        self._weights = [part.price_multiplier for part in found.parts]
        self._columns = columns = LegColumns(market, [part.option for part in found.parts], self._weights)
        level = columns.level(position.legs[0].option.symbol)
        self._spot = np.full(len(columns.times), np.nan) if level is None else level
        self._bids, self._asks = columns.quoted_bid, columns.quoted_ask
        self.may_act = self._may_act(found, bot)
        for order in resting:
            self.may_act = self.may_act | self._may_fill(order)

    def _may_act(self, found: Structure, bot: CompiledBot) -> Mask:
        """Return at which instants an exit may be true, or something that it reads is not known."""
        assert found.held is not None
        columns, names = self._columns, tuple(leg.name for leg in found.legs)
        structure = tuple(enumerate(self._weights))
        position = measures.Position(columns, structure, names, found.held, {}, structure)
        may = columns.is_odd | np.isnan(self._spot)

        def known(call: Call) -> Column | None:
            nonlocal may
            read = position.measure(call)
            if read is not None:
                may = may | np.isnan(read.values)
            return read

        for rule in self.rules:
            mask = may_hold(rule.test, known, may.shape)
            may = np.ones_like(may) if mask is None else may | mask
        return may

    def _may_fill(self, order: Order) -> Mask:
        """Return at which instants an order that rests may fill by any model of fills (see `fill_model.py`).

        No model gives more than the mid; with a limit it may be rounded to the next step of its price.
        """
        if order.is_combo:
            return self._may_fill_as_one(order)
        (leg,) = order.legs
        place = [part.option for part in self._parts].index(leg.option)
        bid, ask = self._bids[place], self._asks[place]
        mid = np.where(np.isnan(bid), ask / 2, (bid + ask) / 2)
        price = order.limit_price if order.kind is OrderType.LIMIT else order.stop_price
        assert price is not None
        falls = (order.side is Side.BUY) is (order.kind is OrderType.LIMIT)
        away: Mask = mid > float(price) + _A_STEP if falls else mid < float(price) - _A_STEP
        return ~away

    def _may_fill_as_one(self, order: Order) -> Mask:
        """Return the same of a combo, by the middle of all its legs."""
        assert order.limit_price is not None
        options, brings = [part.option for part in self._parts], np.zeros(len(self._columns.times))
        for option, flow, weight in order_parts(order.legs, order.side):
            bid, ask = self._bids[options.index(option)], self._asks[options.index(option)]
            brings += flow * weight * np.where(np.isnan(bid), ask / 2, (bid + ask) / 2)
        away: Mask = brings < float(net_price(order.limit_price, order.side)) - _A_STEP
        return ~away

    @cached_property
    def value(self) -> Columns:
        """Dollars that closing all of it at mid would bring, at each instant (see `fill.pnl.open_value`)."""
        total = np.zeros(len(self._columns.times))
        for part, bid, ask in zip(self._parts, self._bids, self._asks, strict=True):
            unwanted = 0.0 if part.sign > 0 else ask / 2
            mid = np.where(np.isnan(bid), unwanted, (bid + ask) / 2)
            total += part.contracts * mid * part.option.multiplier
        return total

    def made(self, places: Sequence[int]) -> list[Decimal]:
        """Return the dollars it has made at instants at which no quote is odd."""
        return [_made(self._net, value) for value in self.value[places].tolist()]

    def marks(self, instants: Sequence[Instant]) -> list[Record]:
        """Return its snapshots, as `turn.marking` would record them at these instants."""
        bot, name, structures = self.position.bot, self.position.id, self._structures
        places = [place for _, place in instants]
        columns = rounded_columns(self._shown[:, places])
        profits = made_texts(self._net, self.value[places])
        found = []
        for (at, _), made, bid, ask, mid, delta, gamma, theta, vega, iv, spot in zip(
            instants, profits, *columns, strict=True
        ):
            data: dict[str, Json] = {
                "bid": bid,
                "ask": ask,
                "mid": mid,
                "delta": delta,
                "gamma": gamma,
                "theta": theta,
                "vega": vega,
                "iv": iv,
                "spot": spot,
                "profit": made,
                "quantity": structures,
                "at_stop": self._at_stop,
            }
            found.append(Record(at, Kind.MARK, bot, name, data))
        return found

    @cached_property
    def _shown(self) -> Columns:
        """Its snapshots' market values, in their order, at all instants."""
        bids, asks, given = np.nan_to_num(self._bids, nan=0.0), self._asks, self._columns.given
        is_long = np.array(self._weights)[:, None] > 0
        mids = np.where(np.isnan(self._bids) & is_long, 0.0, bids + asks)
        nets = (np.where(is_long, bids, asks), np.where(is_long, asks, bids), mids)
        by_leg = np.array((*nets, *(given(name) for name in ("delta", "gamma", "theta", "vega"))))
        sums = np.zeros((len(by_leg), len(self._spot)))
        for leg, weight in enumerate(self._weights):
            sums += weight * by_leg[:, leg]
        sums[2] /= 2  # of bid and ask
        sold = next((number for number, part in enumerate(self._parts) if part.sign < 0), None)
        iv = np.full_like(self._spot, np.nan) if sold is None else given("iv")[sold]
        return np.array((*sums, iv, self._spot))


def _made(net: Decimal, value: float) -> Decimal:
    return net + Decimal(f"{value:.4f}").quantize(CENT)


def made_texts(net: Decimal, values: Columns) -> list[str]:
    """Return as text what `net` dollars and each of these values are: at once, but for those next to half a cent."""
    digits = max(-int(net.as_tuple().exponent), 2)
    if abs(net) * 10**digits > _WHOLE:
        return [str(_made(net, value)) for value in values.tolist()]
    steps = values * 100.0
    whole = np.rint(steps)
    scaled, unit, text = float(net.scaleb(digits)), 10 ** (digits - 2), f"%.{digits}f"
    found = [text % dollars for dollars in ((scaled + whole * unit + 0.0) / 10**digits).tolist()]
    sure = (np.abs(np.abs(steps - whole) - 0.5) > _NEAR_HALF) & (np.abs(steps) < _WHOLE / unit)
    for place in np.flatnonzero(~sure).tolist():
        found[place] = str(_made(net, float(values[place])))
    return found


def rounded_columns(columns: Columns) -> list[list[float | None]]:
    """Return what `rounded` makes of each value: at once, but for those that are nan or next to a half step."""
    is_unknown = np.logical_and.reduce(np.isnan(columns), axis=1)  # a source without some greeks
    steps = columns * _STEPS
    whole = np.rint(steps)
    found: list[list[float | None]] = (whole / _STEPS).tolist()
    for number in np.flatnonzero(is_unknown).tolist():
        found[number] = [None] * columns.shape[1]
    sure = (np.abs(np.abs(steps - whole) - 0.5) > _UNCERTAINTY) & (np.abs(steps) < _LARGE)
    for number, place in np.argwhere(~(sure | is_unknown[:, None])).tolist():
        found[number][place] = rounded(float(columns[number, place]))
    return found


def rules_of(bot: CompiledBot, *, with_resting: bool = True) -> list[Rule]:
    """Return the rules of a bot's exits, those that rest at the broker with the others or not."""
    exits = zip(bot.plan.exits, bot.exits, strict=True)
    return [each.rule for planned, each in exits if each is not None and (with_resting or not planned.resting)]


# --- Instants of a past session that pass by while something is held, since no exit can act at them and nothing
#     enters

CENTS = 0.02
"""Dollars by which a day's loss by arrays may be off."""


class FastForward:
    """The data of one session for the held positions, made for each session."""

    def __init__(self, program: Program, market: DayMarket) -> None:
        self._program, self._market = program, market
        self._known: dict[str, tuple[Position, tuple[Order, ...], HeldPosition | None]] = {}

    def pass_by(self, agenda: Agenda, state: State, now: datetime) -> tuple[State, list[Record]]:
        """Pass by what comes first in the agenda, as far as turns would change nothing; return what came of it."""
        found = None if self._market.is_behind else self._until(state, now)
        if found is None:
            return state, []
        until, end = found
        passed = list(takewhile(lambda each: each[0] < until and 0 <= each[1] < end, agenda))
        asks = self._asks(state, passed)
        del passed[len(asks) :]
        if passed and not self._is_data_next(agenda, passed, until, asks[-1][1]):
            passed.pop()
        if not passed:
            return state, []
        for _ in passed:
            agenda.popleft()
        self._market.skip(passed[-1][1])
        self._market.write_levels()
        return self._after(state, passed, asks[len(passed) - 1][0])

    def _is_data_next(self, agenda: Agenda, passed: Sequence[Instant], until: datetime, ask: datetime | None) -> bool:
        """Say whether the first turn after these instants is made at one of the data, and by nothing before it.

        ask: when the broker is to be asked next.
        """
        last = passed[-1][0]
        after = list(islice(agenda, len(passed), len(passed) + 2))
        coming = [place for at, place in after if at == after[0][0]]
        is_early = ask is not None and ask < last + LOOKS_AGAIN
        return bool(after) and after[0][0] <= until and max(coming) >= 0 and not is_early

    def _until(self, state: State, now: datetime) -> tuple[datetime, int] | None:
        """Return the time, and the instant of the data, before which turns would change nothing; None without any."""
        is_calm = self._market.place >= 0 and self._is_calm(state, now)
        held = self._all_held(state) if is_calm else None
        if not held:
            return None
        work = StateBuilder(self._program, state, now)
        names = {each.position.bot for each in held}
        if not all(self._only_holds(work, name) for name in names):
            return None
        others = (at for name, at in state.bots.next_wakes.items() if name not in names)
        agendas = (at for name in names for at in state.bots.by_name[name].agenda[:1])
        assert state.schedule.watch_at is not None
        spells = idle_spans(self._program, state, now)
        until = min(state.schedule.watch_at - LOOKS_AGAIN, state.schedule.session.close, *others, *agendas, *spells)
        return until, self._next_stir(work, held)

    def _asks(self, state: State, instants: Sequence[Instant]) -> list[tuple[datetime | None, datetime | None]]:
        """Return of each instant when the broker was asked last by then, and when it is to be asked next.

        They end with the first instant soon after which it is asked by the clock, without data.
        """
        found: list[tuple[datetime | None, datetime | None]] = []
        asked_at, ask = (
            state.inquiries.asked_at,
            ask_at(StateBuilder(self._program, state, instants[0][0])) if instants else None,
        )
        for at, _ in instants:
            if ask is not None and at >= ask:
                ask, asked_at = at + ASK_EVERY, at
            found.append((asked_at, ask))
            if ask is not None and ask < at + LOOKS_AGAIN:
                break
        return found

    def _after(
        self, state: State, instants: Sequence[Instant], asked_at: datetime | None
    ) -> tuple[State, list[Record]]:
        """Return the state after these instants, at which the broker was asked last, and what is recorded at them."""
        held = self._all_held(state)
        assert held
        mark_at, marked = state.schedule.mark_at, list[Instant]()
        since = oldest_open_since(each.position for each in held)
        for instant in instants:
            at, _ = instant
            if mark_at is None or at >= mark_at:
                if is_due := is_mark_due(mark_at, at, since):
                    marked.append(instant)
                mark_at = next_mark(mark_at, at, is_due=is_due)
        last = [place for _, place in marked[-1:]]
        marks = {each.position.id: made for each in held for made in each.made(last)}
        snapshots: dict[str, Decimal] = {}
        records: list[Record] = []
        for each in held:
            due = [one for one in marked if is_snapshot_due(state.schedule.session, each.expiry, one[0])]
            records += each.marks(due)
            for made in each.made([place for _, place in due[-1:]]):
                snapshots[each.position.id] = made
        records.sort(key=attrgetter("at"))
        known = state.positions
        positions = replace(known, marks={**known.marks, **marks}, snapshots={**known.snapshots, **snapshots})
        inquiries = replace(state.inquiries, asked_at=asked_at)
        schedule = replace(state.schedule, mark_at=mark_at)
        return state._replace(positions=positions, inquiries=inquiries, schedule=schedule), records

    # ------------------------------------------------------------ when a turn does nothing

    def _is_calm(self, state: State, now: datetime) -> bool:
        """Say whether nothing but exits of open positions, and orders that rest, could make a turn do anything.

        Positions are open and whole, wait for no retry, and what is to rest at the broker does.
        """
        if (
            not state.positions.active
            or state.account.shortfalls
            or state.account.uncovered
            or state.positions.needs_attention is None
            or state.requests.is_stopping
        ):
            return False
        if not all(self._rests_whole(state, state.positions.by_id[name]) for name in state.positions.needs_attention):
            return False
        if (
            not state.connection.is_linked
            or state.requests.operator != OperatorState()
            or state.market.facts.dividends
            or is_unreported(state.account)
        ):
            return False
        if (
            now < state.schedule.session.open + OPENING_MINUTES
            or state.schedule.watch_at is None
            or state.subscriptions.strike_targets is None
        ):
            return False
        return only_looks_again(self._program, state, now, state.schedule.step_at)

    def _rests_whole(self, state: State, position: Position) -> bool:
        """Say whether an open position stirs only since orders of it rest, each for what its legs hold."""
        if position.resting_orders_withdrawn or position.has_unbalanced_legs:
            return False
        held = {leg.name: leg.held for leg in position.legs}
        resting = _resting_of(state, position)
        return all(order.remaining * leg.ratio == held[leg.name] for order in resting for leg in order.legs)

    def _all_held(self, state: State) -> tuple[HeldPosition, ...] | None:
        """Return the held positions, None when arrays cannot represent one, or one waits for something."""
        readers = {
            name for row in state.market.board.rows.values() for name in state.subscriptions.dependents.get(row, ())
        }
        found = []
        for name in state.positions.active:
            held = self._held(state, state.positions.by_id[name])
            if held is None or not self._has_been_false(state, held):
                return None
            readers.discard(held.position.bot)
            found.append(held)
        return None if readers else tuple(found)

    def _held(self, state: State, position: Position) -> HeldPosition | None:
        known, resting = self._known.get(position.id), _resting_of(state, position)
        if known is None or known[0] is not position or known[1] != resting:
            bot, structure = self._program.governing(position), state.positions.structures.get(position.id)
            made = None
            if structure is not None and is_plain_bot(bot) and self._is_plain(position, structure):
                made = HeldPosition(self._market, position, structure, bot, resting)
            known = self._known[position.id] = (position, resting, made)
        return known[2]

    def _is_plain(self, position: Position, structure: Structure) -> bool:
        """Say whether a position that does not stir is as it was opened, and holds options that have quotes."""
        held = structure.held
        is_as_opened = held is not None and not held.realized and not position.is_frozen
        is_of_one = (
            len({part.option.symbol for part in structure.parts}) == 1
        )  # a mark of several underlyings lists each
        return is_as_opened and is_of_one and all(self._is_plain_leg(part) for part in structure.parts)

    def _is_plain_leg(self, part: HeldLeg) -> bool:
        option = part.option
        return part.row >= 0 and option.multiplier == LOT and self._market.column(option) is not None

    def _has_been_false(self, state: State, held: HeldPosition) -> bool:
        """Say whether each exit was judged before, and was not true: what changes there is put on record."""
        readings, place = state.bots.by_name[held.position.bot].readings, exits_of(held.position.id)
        for rule in held.rules:
            before = readings.get((place, rule.name))
            if before is None or before.evaluation.truth is not False:
                return False
        return True

    def _only_holds(self, work: StateBuilder, name: str) -> bool:
        """Say whether a bot can enter nothing now, and nothing but a loss of the day can halt it."""
        bot = self._program.bots.get(name)
        return not may_enter(work, name) and (bot is None or not (bot.halts or bot.members))

    def _next_stir(self, work: StateBuilder, held: Sequence[HeldPosition]) -> int:
        """Return the first instant after the present one at which an exit may act, or a loss of the day may halt."""
        first = self._market.place + 1
        stirs = np.logical_or.reduce([each.may_act[first:] for each in held])
        for name in {each.position.bot for each in held}:
            bot = self._program.bots.get(name)
            if bot is not None and bot.plan.risk.day.are_set and not work.bots.by_name[name].day.halt:
                own = [each for each in held if each.position.bot == name]
                stirs |= _may_pass(own, first, bot_today(work, name), bot.plan.risk.day)
        limits = self._program.limits
        is_over = all(work.bots.by_name[name].day.halt for name in self._program.bots) and not limits.at_daily_loss
        if limits.bounds_a_day and not is_over:
            stirs |= _may_pass(held, first, account_today(work), limits.day)
        found = np.flatnonzero(stirs)
        return first + (int(found[0]) if len(found) else len(stirs))


def _may_pass(held: Sequence[HeldPosition], first: int, today: Decimal, bounds: DayBounds) -> Mask:
    """Return the instants from `first` on at which these may have taken the day past what it may lose or bring.

    today: what was made of it at the instant before, dollars.
    """
    value = np.sum([each.value for each in held], axis=0)
    made = value[first:] - value[first - 1] + float(today)
    found: Mask = np.zeros(len(made), dtype=bool)
    if bounds.loss is not None:
        found |= ~(made > CENTS - float(bounds.loss))
    if bounds.profit is not None:
        found |= ~(made < float(bounds.profit) - CENTS)
    return found


def _resting_of(state: State, position: Position) -> tuple[Order, ...]:
    """Return the orders of a position that may still fill."""
    return tuple(order for ref in state.orders.live if (order := state.orders.by_ref[ref]).is_of(position.id))


def is_plain_bot(bot: CompiledBot) -> bool:
    """Say whether all exits of a bot are judged alone and by what arrays can know."""
    if bot.trailing or bot.exit_chains or any(bot.arming):
        return False
    return all(rule.max_age is None for rule in rules_of(bot)) and not any(each.repeat for each in bot.plan.exits)
