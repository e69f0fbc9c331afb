"""One bot, one position, and a broker that answers at random: what must hold after every event (docs/chaos.md).

Numbers at its checks are those of the invariants there.
"""

import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from math import isnan

from hand_desk import CONDOR, SELLER, Desk, bot_of, clock, put, text_of
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from street import Known, Street
from tries import tries

from rulebot.checks.journal.audit import audit
from rulebot.compile.plan import LIFECYCLE
from rulebot.core.handle_event import reload, start_run
from rulebot.core.session.reloading import changes_between, not_quiet
from rulebot.model.contract import Underlying, product
from rulebot.model.event import MarketDataUpdated, Request
from rulebot.model.facts import EventCalendar
from rulebot.model.money import ZERO, Rounding
from rulebot.model.order import Order, OrderStatus, OrderType, Purpose, Side
from rulebot.record.record import Kind
from rulebot.recovery.resume import resume

INDEX = st.integers(0, 1000)
CLOSING = (Purpose.EXIT, Purpose.UNWIND, Purpose.ROLL, Purpose.TARGET, Purpose.STOP)


class OnePosition(RuleBasedStateMachine):
    """The put spread of three structures."""

    closing: tuple[Purpose, ...] = CLOSING

    def text(self) -> str:
        entry = (
            '{window: {from: "10:00", to: "11:00"}, when: [{vix: {between: [12, 22]}}],'
            " again: {after: [unfilled], wait: 1m, at_most: 2}}"
        )
        return text_of(entry=entry, quantity="3", risk="{max_loss_per_trade: $9000}")

    def window(self) -> tuple[str, str]:
        return "10:00", "11:00"

    @initialize(filled=st.sampled_from([0, 0, 1, 2, 3, 3, 3]))
    def start(self, filled: int) -> None:
        """The entry is on its way; or it works, and some of it is filled."""
        self.desk = Desk((self.text(),), at="09:59")
        self.street = Street(self.desk)
        self.said = 0
        self.desk.enter("10:00")
        self.received()
        if filled:
            (known,) = self.street.in_state("transit")
            self.street.arrive(known)
            self.street.fill(known, filled)
            self.everything_is_said()

    def received(self) -> None:
        """After every turn: judge what was sent."""
        for order in self.street.listen():
            self.judge_order(order)

    # ------------------------------------------------------------ what happens

    @rule(seconds=st.sampled_from([0.0, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0]))
    def time_passes(self, seconds: float) -> None:
        self.desk.tick(seconds)
        self.received()

    @rule(vix=st.sampled_from([16.0, 16.0, 16.0, 30.0, float("nan")]))
    def vix_moves(self, vix: float) -> None:
        self.desk.level("VIX", vix)
        self.desk.tick(0.5)
        self.received()

    @rule(cost=st.sampled_from([0.3, 0.5, 0.7, 0.7, 0.9, 2.5]))
    def price_moves(self, cost: float) -> None:
        self.desk.quote(put(5945), cost + 1.55, cost + 1.65, -0.104)
        self.desk.tick(0.5)
        self.received()

    @rule()
    def a_quote_goes(self) -> None:
        self.desk.without_data(put(5935))
        self.desk.tick(0.5)
        self.desk.quote(put(5935), 1.55, 1.65, -0.078)
        self.received()

    def chosen(self, index: int, *states: str) -> Known | None:
        found = self.street.in_state(*states)
        return found[index % len(found)] if found else None

    @rule(index=INDEX, how=st.sampled_from(["arrive", "arrive", "arrive", "refuse", "lose"]))
    def an_order_gets_there(self, index: int, how: str) -> None:
        if (known := self.chosen(index, "transit")) is not None:
            getattr(self.street, how)(known)

    @rule(index=INDEX, count=st.integers(1, 3))
    def an_order_fills(self, index: int, count: int) -> None:
        if (known := self.chosen(index, "working")) is not None:
            self.street.fill(known, count)

    @rule(index=INDEX)
    def a_cancel_is_answered(self, index: int) -> None:
        asked = [known for known in self.street.in_state("working", "lost", "transit") if known.is_to_be_answered]
        if asked:
            self.street.cancel(asked[index % len(asked)])

    @rule(index=INDEX)
    def the_broker_cancels(self, index: int) -> None:
        if (known := self.chosen(index, "working")) is not None:
            self.street.cancel(known)

    @precondition(lambda self: self.street.outbox and self.desk.state.connection.is_linked)
    @rule(index=INDEX)
    def something_is_said(self, index: int) -> None:
        self.street.deliver(index % len(self.street.outbox))
        self.received()

    @precondition(lambda self: self.street.outbox and self.desk.state.connection.is_linked)
    @rule()
    def everything_is_said(self) -> None:
        while self.street.outbox:
            self.street.deliver()
            self.received()

    @precondition(lambda self: self.street.delivered and self.desk.state.connection.is_linked)
    @rule(index=INDEX)
    def something_is_said_again(self, index: int) -> None:
        self.street.repeat(index % len(self.street.delivered))
        self.received()

    @precondition(lambda self: self.desk.state.connection.is_linked)
    @rule(fate=st.sampled_from(["working", "lost", "transit", "unread"]))
    def the_link_breaks(self, fate: str) -> None:
        self.street.break_over(fate)
        self.street.drop()
        self.received()
        self.desk.tick(2)
        self.street.connect()
        self.received()

    @precondition(lambda self: self.desk.state.connection.is_linked)
    @rule(fate=st.sampled_from(["working", "lost", "transit", "unread"]))
    def the_engine_starts_again(self, fate: str) -> None:
        self.street.break_over(fate)
        desk = self.desk
        desk.now += timedelta(seconds=2)
        facts = desk.state.market.facts
        desk.state = resume(desk.records, desk.now, desk.board, EventCalendar()).state._replace(
            market=replace(resume(desk.records, desk.now, desk.board, EventCalendar()).state.market, facts=facts)
        )
        desk.take(start_run(desk.program, desk.state, desk.now))
        self.street.connect()
        self.received()

    @rule(seconds=st.integers(10, 14))
    def the_spec_is_edited(self, seconds: int) -> None:
        """Another text is taken up when it is quiet; what is open keeps its own."""
        desk = self.desk
        text = re.sub(r"wait: \d+s", f"wait: {seconds}s", self.text(), count=1)
        was = {name: bot.plan.digest for name, bot in desk.program.bots.items()}
        bots = {name: bot_of(text) for name in was}
        changes = changes_between(was, {name: bot.plan.digest for name, bot in bots.items()})
        if not_quiet(desk.program, desk.state, bots) or not changes:
            return
        pinned = {**desk.program.pinned, **{bot.plan.digest: bot for bot in desk.program.bots.values()}}
        desk.program = replace(desk.program, bots=bots, pinned=pinned)
        desk.take(reload(desk.program, desk.state, desk.now, changes))
        self.received()

    @rule()
    def all_goes_well(self) -> None:
        """What is on its way arrives, what is to be cancelled is, and everything is said."""
        if not self.desk.state.connection.is_linked:
            return
        for known in self.street.in_state("transit"):
            self.street.arrive(known)
        for known in self.street.in_state("working", "lost"):
            if known.was_asked_to_cancel:
                self.street.cancel(known)
        self.everything_is_said()
        self.desk.tick(1)
        self.received()

    @rule(index=INDEX)
    def an_order_is_done(self, index: int) -> None:
        if (known := self.chosen(index, "working")) is not None and self.desk.state.connection.is_linked:
            self.street.fill(known, known.order.quantity)
            self.everything_is_said()

    @rule()
    def the_end_of_the_day_comes(self) -> None:
        if self.desk.now < clock("15:40"):
            self.desk.until("15:45")
            self.received()

    @rule(request=st.sampled_from([Request.PAUSE, Request.RESUME, Request.RESUME, Request.KILL]))
    def somebody_asks(self, request: Request) -> None:
        self.desk.ask(request)
        self.received()

    @rule(request=st.sampled_from([Request.CLOSE, Request.KEEP, Request.KEEP]))
    def somebody_asks_of_one(self, request: Request) -> None:
        """One is to be closed, or kept after all; what has not begun to be closed then does not wait for it."""
        desk = self.desk
        if (name := next(iter(desk.state.positions.active), None)) is not None:
            desk.ask(request, position=name)
            assert not (request is Request.KEEP and desk.state.waits_to_close(desk.state.positions.by_id[name]))
            self.received()

    @rule()
    def it_is_closed_before_orders_arrive(self) -> None:
        """The broker has none of what is on its way, and says so at once; it may arrive all the same."""
        if not self.desk.state.connection.is_linked:
            return
        self.desk.ask(Request.FLATTEN)
        self.desk.tick(0.5)
        self.received()
        for known in self.street.in_state("transit"):
            self.street.cancel(known)
        self.everything_is_said()

    # ------------------------------------------------------------ what must hold

    def judge_order(self, order: Order) -> None:
        """Judge an order as it leaves: 8, 9, 11, 13 and 16."""
        desk = self.desk
        position = desk.state.positions.by_id[order.position]
        if order.purpose is Purpose.ENTRY:
            assert desk.state.requests.operator.trading.value == "active", "10: only what reduces"
            assert not desk.state.requests.operator.paused
            assert clock("09:30") <= desk.now < clock("16:00")
            if position.attempts <= 1 and len(desk.state.positions.by_id) == 1:
                start, end = self.window()
                assert clock(start) <= desk.now < clock(end), "11"
            vix = desk.board.last[desk.board.rows[Underlying("VIX")]]
            if order.attempt == 1 and "vix" in self.text():
                assert not isnan(vix), "16"
                assert 12 <= vix <= 22, "16"
            assert order.quantity <= position.quantity - position.structures, "13"
        else:
            for leg in order.legs_of(position.id):
                held = next(each.held for each in position.legs if each.name == leg.name)
                assert order.quantity * leg.ratio <= held, "8"
        if order.opens_position:
            assert desk.state.requests.operator.trading.value == "active", "10: only what reduces"
            assert not desk.state.requests.operator.paused
        self.judge_price(order)

    def judge_price(self, order: Order) -> None:
        if order.kind is not OrderType.LIMIT:
            return
        assert order.limit_price is not None
        facts = product(order.legs[0].option.symbol)
        ticks = facts.combo_ticks if order.is_combo else facts.option_ticks
        assert ticks.round(order.limit_price, Rounding.NEAREST) == order.limit_price, "a price lies on its tick"
        if order.purpose not in (Purpose.ENTRY, Purpose.EXIT, Purpose.ROLL):
            return
        natural = ZERO
        for leg in order.legs:
            row = self.desk.board.rows[leg.option]
            side = leg.side if order.is_combo else order.side
            worst = self.desk.board.ask[row] if side is Side.BUY else self.desk.board.bid[row]
            if isnan(worst):
                return
            natural += side.sign * leg.ratio * Decimal(f"{worst:.2f}")
        paid = order.limit_price if order.is_combo or order.side is Side.BUY else -order.limit_price
        assert paid <= natural, "never past natural"

    @invariant()
    def one_live_entry(self) -> None:
        """1."""
        live = [order for order in self.desk.live if order.purpose is Purpose.ENTRY]
        assert len(live) <= 1

    @invariant()
    def the_broker_holds_no_other_side(self) -> None:
        """8, at the broker itself: what was sold is never bought twice.

        Of a contract that one roll would have bought and another one has sold the account shows the sum.
        """
        legs = [leg for position in self.desk.state.positions.by_id.values() for leg in position.legs]
        ways = {(leg.option, leg.sign) for leg in legs}
        for leg in legs:
            assert (leg.option, -leg.sign) in ways or self.street.positions.get(leg.option, 0) * leg.sign >= 0
            assert leg.held >= 0

    @invariant()
    def closing_orders_fit(self) -> None:
        """9; a group counts once, and one that was over and works again does not while it is taken back."""
        orders = self.desk.said(Kind.ORDER)
        over = {each.data["ref"] for each in orders if each.data["status"] in ("cancelled", "lost")}
        counted = [o for o in self.desk.live if not (o.ref in over and o.status is OrderStatus.CANCELLING)]
        for position in self.desk.state.positions.by_id.values():
            live = [o for o in counted if o.position == position.id and o.purpose in self.closing]
            groups = {order.oca_group or order.ref: order for order in live}
            for leg in position.legs:
                asked = [o for o in groups.values() if leg.name in {each.name for each in o.legs}]
                assert len(asked) <= 1

    @invariant()
    def positions_are_the_fold_of_executions(self) -> None:
        """5."""
        reported = {event.exec_id: event for event in self.street.delivered if hasattr(event, "exec_id")}
        if self.desk.state.bots.by_name and not self.street.outbox:
            reported = {report.exec_id: report for report in self.street.executions}
            ours = {option: count for option, count in self.desk.books().items() if count}
            theirs = {option: count for option, count in self.street.positions.items() if count}
            assert ours == theirs
        cash = sum((p.cash for p in self.desk.state.positions.by_id.values()), ZERO)
        booked = sum((each.cash for each in self.desk.state.positions.executions.values()), ZERO)
        assert cash == booked
        assert set(reported) <= {report.exec_id for report in self.street.executions}

    @invariant()
    def only_declared_moves(self) -> None:
        """17."""
        rows = {(row.state, row.next) for row in LIFECYCLE.rows}
        for record in self.desk.records[self.said :]:
            if record.kind is Kind.DECISION and record.data["what"] == "state":
                before, after = record.data["values"]  # type: ignore[misc]
                assert (before, after) in rows
        self.said = len(self.desk.records)

    @invariant()
    def replaying_the_records_gives_the_same(self) -> None:
        """21 and 22."""
        state = self.desk.state
        again = resume(self.desk.records, self.desk.now, self.desk.board, EventCalendar()).state
        assert dict(again.positions.by_id) == dict(state.positions.by_id)
        assert dict(again.orders.by_ref) == dict(state.orders.by_ref)
        assert {name: found.day for name, found in again.bots.by_name.items()} == {
            n: b.day for n, b in state.bots.by_name.items()
        }
        assert dict(again.positions.executions) == {
            base: found for base, found in state.positions.executions.items() if found.position
        }
        assert (again.requests.operator, again.requests.ids) == (state.requests.operator, state.requests.ids)
        assert (again.orders.live, again.positions.active) == (state.orders.live, state.positions.active)
        assert again.orders.next_number == state.orders.next_number

    @invariant()
    def it_comes_to_rest(self) -> None:
        """Whoever wakes it by its own clock is not asked again at the same instant for ever."""
        desk = self.desk
        for _ in range(8):
            if not desk.state.connection.is_linked or desk.state.schedule.wake_at > desk.now:
                return
            desk.send(MarketDataUpdated(desk.now, ()))
            self.received()
        raise AssertionError("a wake in the past")

    def teardown(self) -> None:
        """23: with an answering broker every exit is done and nothing is left, at the broker neither.

        What was cancelled too often waits for a person, who lets it go on.
        """
        if not hasattr(self, "desk"):
            return
        desk, street = self.desk, self.street
        desk.level("VIX", 16.0)
        desk.until("15:45") if desk.now < clock("15:45") else None
        for _ in range(60):
            self.received()
            for known in street.in_state("transit"):
                street.arrive(known)
            for known in street.in_state("working", "lost"):
                if known.was_asked_to_cancel:
                    street.cancel(known)
                elif known.state == "working" and known.order.purpose in (Purpose.EXIT, Purpose.UNWIND):
                    street.fill(known, known.order.quantity)
            street.deliver_all()
            desk.tick(5)
            if any(position.on_hold for position in desk.state.positions.by_id.values()):
                desk.ask(Request.RESUME)
        self.at_the_end()
        assert [found for found in audit(enumerate(desk.records, 1)) if not found.holds] == []

    def at_the_end(self) -> None:
        assert not {option: count for option, count in self.street.positions.items() if count}
        assert {position.state for position in self.desk.state.positions.by_id.values()} <= {"closed"}
        assert not self.desk.live


class Protected(OnePosition):
    """The put seller of two, whose target and stop rest at the broker."""

    def text(self) -> str:
        exits = """
  - target: {profit: 60%}
    resting: true
  - stop: {loss: 200%}
    resting: true
  - time: "15:45"
"""
        return text_of("seller", **{**SELLER, "exits": exits, "quantity": "2", "entry": '{at: "10:00"}'})

    def window(self) -> tuple[str, str]:
        return "10:00", "10:05"


class Guarded(OnePosition):
    """The put spread, with a wide stop at the broker on its short leg that must not be missing for long."""

    closing = (*CLOSING, Purpose.PROTECT)

    def text(self) -> str:
        risk = "{max_loss_per_trade: $9000, protect: {cost: 4x credit}, max_time_without_stop: 10s}"
        return text_of(entry='{at: "10:00"}', quantity="3", risk=risk)

    def window(self) -> tuple[str, str]:
        return "10:00", "10:05"


class Rolling(OnePosition):
    """The put spread, which rolls to the same strikes of a later expiry when VIX rises."""

    otherwise = "hold"

    def text(self) -> str:
        exits = f"""
  - time: "15:45"
  - vix: {{above: 20}}
    roll: {{expiry: {{dte: {{at_least: 1}}}}, require: [{{credit: {{at_least: 0.20}}}}], else: {self.otherwise}}}
    order: {{start: mid, step: 0.05, wait: 10s, tries: 3}}
  - stop: {{cost: 3x credit}}
  - target: {{profit: 50%}}
"""
        return text_of(entry='{at: "10:00"}', quantity="3", risk="{max_loss_per_trade: $9000}", exits=exits)

    def window(self) -> tuple[str, str]:
        return "10:00", "10:05"

    @initialize(filled=st.sampled_from([0, 1, 3, 3, 3]))
    def start(self, filled: int) -> None:
        super().start(filled)
        self.desk.quote(put(5945, expiry=self.desk.expiry_90), 4.00, 4.10, -0.30)
        self.desk.quote(put(5935, expiry=self.desk.expiry_90), 2.60, 2.70, -0.20)
        self.desk.freshen()
        if filled == 3:
            self.vix_moves(30.0)

    @rule(short=st.sampled_from([3.0, 4.0, 4.0, 5.0]))
    def what_it_may_roll_into_moves(self, short: float) -> None:
        self.desk.quote(put(5945, expiry=self.desk.expiry_90), short, short + 0.10, -0.30)
        self.desk.tick(0.5)
        self.received()

    @rule()
    def what_it_may_roll_into_goes(self) -> None:
        later = put(5935, expiry=self.desk.expiry_90)
        self.desk.without_data(later)
        self.desk.tick(0.5)
        self.desk.quote(later, 2.60, 2.70, -0.20)
        self.received()


class RollingOrClosing(Rolling):
    """The same, which closes where it finds nothing to roll into."""

    otherwise = "close"


def test_a_roll_that_was_given_up_comes_to_life_beside_the_exit() -> None:
    """It is taken back with the exit that was sent since: while both are on their way back they count once."""
    day = RollingOrClosing()
    day.start(filled=3)
    day.somebody_asks(Request.FLATTEN)
    (roll,) = day.street.in_state("transit")
    day.street.cancel(roll)
    day.everything_is_said()  # "not found" while it may be on its way, and once more after it was asked again
    day.time_passes(60.0)
    day.something_is_said_again(len(day.street.delivered) - 1)
    assert day.desk.state.orders.by_ref[roll.order.ref].status is OrderStatus.LOST
    (sent,) = (known for known in day.street.in_state("transit") if known is not roll)
    day.street.arrive(sent)
    day.everything_is_said()
    day.the_engine_starts_again("working")
    assert {order.ref for order in day.desk.live} == {roll.order.ref, sent.order.ref}
    assert {order.status for order in day.desk.live} == {OrderStatus.CANCELLING}
    day.closing_orders_fit()
    day.teardown()


class EachSide(OnePosition):
    """Condors of which each side is stopped by itself, and what is left trails."""

    def text(self) -> str:
        exits = """
  - time: "15:45"
  - stop: {cost: 1x credit, of: each_side}
    order: {start: natural, wait: 5s, tries: 2, pause: 5s, then: market}
  - name: trail
    stop: {give_back: 20%}
    close: 50%
    repeat: true
"""
        risk = "{max_loss_per_trade: $9000}"
        return text_of(entry='{at: "10:00"}', quantity="3", legs=CONDOR, exits=exits, risk=risk)

    def window(self) -> tuple[str, str]:
        return "10:00", "10:05"


class RestingSpread(OnePosition):
    """The put spread, whose target rests at the broker as one order."""

    def text(self) -> str:
        exits = """
  - time: "15:45"
  - vix: {above: 20}
  - stop: {cost: 3x credit}
  - target: {profit: 50%}
    resting: true
"""
        return text_of(entry='{at: "10:00"}', quantity="3", risk="{max_loss_per_trade: $9000}", exits=exits)

    def window(self) -> tuple[str, str]:
        return "10:00", "10:05"


class RestingCondor(OnePosition):
    """Condors whose target rests, of which a half is closed early and each side is stopped by itself."""

    def text(self) -> str:
        exits = """
  - time: "15:45"
  - stop: {cost: 0.7x credit, of: each_side}
    order: {start: natural, wait: 5s, tries: 2, pause: 5s, then: market}
  - profit: {above: 10%}
    name: half
    close: 50%
  - target: {profit: 25%}
    resting: true
"""
        risk = "{max_loss_per_trade: $9000}"
        return text_of(entry='{at: "10:00"}', quantity="3", legs=CONDOR, exits=exits, risk=risk)

    def window(self) -> tuple[str, str]:
        return "10:00", "10:05"


limits = settings(max_examples=tries(25), stateful_step_count=30)
TestOnePosition = OnePosition.TestCase
TestOnePosition.settings = limits
TestProtected = Protected.TestCase
TestProtected.settings = limits
TestGuarded = Guarded.TestCase
TestGuarded.settings = limits
TestRestingSpread = RestingSpread.TestCase
TestRestingSpread.settings = limits
TestRestingCondor = RestingCondor.TestCase
TestRestingCondor.settings = limits
TestEachSide = EachSide.TestCase
TestEachSide.settings = limits
TestRolling = Rolling.TestCase
TestRolling.settings = limits
TestRollingOrClosing = RollingOrClosing.TestCase
TestRollingOrClosing.settings = limits
