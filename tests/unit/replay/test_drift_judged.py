"""When a trade was left that a day is compared by: what its closing order left over expires for both alike."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import cast

from rulebot.core.program import Program
from rulebot.core.state.state import MarketData, Positions, Schedule, State
from rulebot.model.contract import Option, Right
from rulebot.model.market import Board
from rulebot.model.order import OrderStatus
from rulebot.model.position import Position, PositionLeg
from rulebot.model.session import session_on
from rulebot.replay.drift import (
    AtNatural,
    DriftKind,
    RecordedDay,
    SpecDrift,
    _as_left,
    _judged,
    _trades,
    by_fills,
    of_fills,
    total,
)
from rulebot.replay.reruns import EntryTries, RecordedCause, Rerun, StateAt, TradeMatch

DAY = date(2026, 10, 21)
OPTION = Option("SPX", "SPXW", DAY, Decimal(5900), Right.PUT)
OPENED, CLOSE = datetime(2026, 10, 21, 14, 0, tzinfo=UTC), datetime(2026, 10, 21, 20, 0, tzinfo=UTC)


def left(after: timedelta | None, *, closed_at: datetime | None = CLOSE) -> Position:
    """Return a position that was stopped so long after its entry, or never; its wing has expired at the close.

    closed_at: None while the wing is held.
    """
    sold = PositionLeg(name="short_put", option=OPTION, sign=-1, ratio=1, opened=1, closed=1)
    wing = PositionLeg(name="long_put", option=replace(OPTION, strike=Decimal(5890)), sign=1, ratio=1, opened=1)
    position = Position(
        id="a-1",
        bot="a",
        digest="d",
        state="closed" if closed_at is not None else "exiting",
        session=DAY,
        quantity=1,
        legs=(sold, wing),
        opened_at=OPENED,
        closed_at=closed_at,
        exit_reason="stop",
    )
    dealt = SimpleNamespace(
        is_of=lambda _: True,
        position="a-1",
        status=OrderStatus.FILLED,
        opens=lambda _: False,
        has_fills=True,
        reason="stop",
        changed_at=OPENED + (after or timedelta()),
    )
    state = SimpleNamespace(orders=SimpleNamespace(by_ref={} if after is None else {"r": dealt}))
    states = cast(State, state), cast(State, state), None
    found = _as_left(states, TradeMatch("a", position, position, None)).done
    assert found is not None
    return found


def test_a_stop_that_came_an_hour_late_differs_though_the_rest_expired_at_the_close_for_both() -> None:
    soon, late = timedelta(minutes=10), timedelta(minutes=80)
    assert _judged(left(late), left(soon), CLOSE) == (DriftKind.EXIT, OPENED + soon)
    assert _judged(left(soon), left(soon), CLOSE) == (DriftKind.SAME, OPENED)


def test_what_the_broker_reports_of_expired_later_than_a_model_is_no_other_exit() -> None:
    told_later = left(timedelta(minutes=10), closed_at=CLOSE + timedelta(minutes=5))
    assert _judged(left(timedelta(minutes=10)), told_later, CLOSE) == (DriftKind.SAME, OPENED)


def test_what_expired_ended_with_the_session_whenever_it_was_reported() -> None:
    """A level told at the close led natural fills elsewhere every day: a model settles five minutes later."""
    at_once = replace(left(None), exit_reason="settled")
    later = replace(at_once, closed_at=CLOSE + timedelta(minutes=5))
    dearer = replace(later, legs=(replace(later.legs[0], entry_cash=Decimal(-100)), *later.legs[1:]))
    assert _judged(at_once, later, CLOSE) == (DriftKind.SAME, OPENED)
    assert _judged(at_once, dearer, CLOSE) == (DriftKind.PRICE, OPENED)
    assert _judged(at_once, replace(later, closed_at=CLOSE - timedelta(minutes=5)), CLOSE)[0] is DriftKind.EXIT


def test_what_only_expired_was_left_when_it_did() -> None:
    assert left(None).closed_at == CLOSE


def test_an_exit_after_the_end_of_a_recording_is_no_other_one() -> None:
    """The engine was stopped at noon, say, and the walk goes on to the close."""
    held, noon = replace(left(None), state="open", closed_at=None, exit_reason=""), OPENED + timedelta(hours=2)
    late, soon = left(timedelta(hours=3)), left(timedelta(hours=1))
    assert _judged(held, late, CLOSE, until=noon) == (DriftKind.SAME, OPENED)
    assert _judged(held, soon, CLOSE, until=noon) == (DriftKind.EXIT, OPENED + timedelta(hours=1))
    assert _judged(held, late, CLOSE) == (DriftKind.EXIT, OPENED + timedelta(hours=3))
    dearer = replace(late, legs=(replace(late.legs[0], entry_cash=Decimal(-100)), *late.legs[1:]))
    assert _judged(held, dearer, CLOSE, until=noon) == (DriftKind.PRICE, OPENED), "they differ by what is known"


def test_a_wing_that_expired_after_the_end_of_a_recording_is_no_other_exit() -> None:
    """A trade that both had stopped differed where the engine was stopped ten minutes before the close."""
    soon, late, until = timedelta(minutes=10), timedelta(hours=2), CLOSE - timedelta(minutes=10)
    assert _judged(left(soon, closed_at=None), left(soon), CLOSE, until=until) == (DriftKind.SAME, OPENED)
    assert _judged(left(late, closed_at=None), left(soon), CLOSE, until=until) == (DriftKind.EXIT, OPENED + soon)


def test_twice_as_many_are_another_quantity_also_at_natural() -> None:
    """The broker had filled an order twice: it was as the spec says, and nothing told what natural fills had made."""
    one = left(None)
    two = replace(one, legs=tuple(replace(each, opened=2) for each in one.legs))
    assert _judged(two, one, CLOSE) == (DriftKind.QUANTITY, OPENED)
    filling = replace(one, state="entering", closed_at=None)
    assert _judged(filling, two, CLOSE, until=CLOSE) == (DriftKind.SAME, OPENED), "what fills later is not known"
    tries = Rerun(state=None, tries=EntryTries(), said=frozenset(), unfilled={}, lacks={}, left={}, kept_out={})
    assert list(of_fills("a", two, one, tries, tries)) == ["2 filled, at natural 1"]


def test_an_entry_after_the_end_of_a_recording_is_not_missed() -> None:
    """Its order worked when the engine was killed: the next run may have had the fill."""
    entered = left(None)
    assert _judged(None, entered, CLOSE, until=OPENED) == (DriftKind.CUT, OPENED)
    assert _judged(None, entered, CLOSE, until=OPENED + timedelta(seconds=1)) == (DriftKind.MISSED, OPENED)


def test_what_was_closed_when_a_recording_began_is_of_the_run_before() -> None:
    """By its time alone that was also said of an exit which filled while no engine ran, and was told at the start."""
    gone = replace(left(None, closed_at=OPENED), legs=(replace(left(None).legs[0], closed=1),))
    session = session_on(DAY)
    assert session is not None
    tried = EntryTries()
    walked = Rerun(state=None, tries=tried, said=frozenset(), unfilled={}, lacks={}, left={}, kept_out={})
    known = RecordedDay(reported=RecordedCause(), walked=walked, since=OPENED, until=None)

    def state(position: Position) -> State:
        return State(Schedule(session), MarketData(Board()), positions=Positions(by_id={position.id: position}))

    def compared(before: Position) -> list[DriftKind]:
        stood = StateAt(at=OPENED, state=state(before), program=cast(Program, None), records=())
        return [each.what for each in _trades(session, state(gone), stood, known, None)]

    assert compared(gone) == []
    assert compared(replace(gone, state="exiting", closed_at=None)) == [DriftKind.SAME]


def test_what_fills_made_is_of_trades_alone_of_which_both_ends_are_known() -> None:
    """One that was closed by hand, and that natural fills had stopped before, counted as if its text had made nothing.

    What its text would have held on was streamed no more: the last line says that it is left out.
    """

    def trade(would: str | None, natural: str | None, *, is_known: bool = True, of_natural: bool = True) -> SpecDrift:
        made = [None if each is None else Decimal(each) for each in (would, natural)]
        beside = AtNatural(would="b", would_make=made[1], differs=True, is_known=of_natural)
        return SpecDrift(
            bot="a",
            what=DriftKind.EXIT,
            at=OPENED,
            done="a",
            would="b",
            made=Decimal(40),
            would_make=made[0],
            natural=beside,
            is_known=is_known,
        )

    known, never = trade("30", "-20"), trade("30", None)
    held_on, at_natural = trade(None, "-500", is_known=False), trade("30", None, of_natural=False)
    assert by_fills([known, never, held_on, at_natural]) == 50 + 30
    assert total([known, never, held_on, at_natural]) == 3 * 10
