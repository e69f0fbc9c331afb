"""A walk through a recording knows what its run had taken over from the store, and tells what it does not repeat."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from math import isnan
from pathlib import Path
from typing import Any

import pytest
from hand_desk import SELLER, Desk, text_of

from rulebot.adapters.recorded.recorder import Recorder
from rulebot.adapters.recorded.recording import Recording, open_recording
from rulebot.adapters.recorded.source import RecordingSource
from rulebot.backtest.fill_model import NATURAL, RECORDED, FillModel
from rulebot.backtest.historical_feed import empty_day
from rulebot.backtest.recorded_simulation import RecordedSimulation
from rulebot.backtest.simulation import CASH, BacktestSimulation, SimulatedDay
from rulebot.calendars.calendars import shipped_dates
from rulebot.documents.load_bots import load_all_bots
from rulebot.model.contract import Underlying
from rulebot.model.economic_calendar import event_calendar
from rulebot.model.event import AccountReport, Connected, Event, ExecutionReport, MarketDataUpdated, OrdersListed
from rulebot.model.facts import Account
from rulebot.model.market import Board
from rulebot.model.order import OrderType, Purpose
from rulebot.model.position import CLOSED_BY_HAND
from rulebot.model.session import session_from
from rulebot.record.codec import line
from rulebot.record.record import Json, Kind, Record
from rulebot.replay.reruns import Rerun, StateAt, answered, at_natural
from rulebot.spec.files import shipped

OPEN = datetime(2026, 10, 21, 13, 30, tzinfo=UTC)
DAY = date(2026, 10, 21)
BEFORE = session_from(date(2026, 11, 27)).open - timedelta(minutes=1)
"""Of a half day: a walk goes on every few seconds until the close."""


@pytest.mark.parametrize(("kind", "fills"), [(BacktestSimulation, NATURAL), (RecordedSimulation, RECORDED)])
def test_the_opens_expected_move_is_known_from_the_runs_store(
    tmp_path: Path, kind: type[BacktestSimulation], fills: FillModel
) -> None:
    data: dict[str, Json] = {"symbol": "SPX", "what": "opening_move", "value": 32.1, "expiry": str(DAY)}
    recalled = line(Record(OPEN + timedelta(seconds=1), Kind.FACTS, "put_lite", data=data))
    board = Board()
    recorder = Recorder(tmp_path / "run", {"records": [recalled]}, board, pytest.fail)
    done = simulated(recorder, board, tmp_path, kind, fills)
    facts = [each for each in done.records if each.kind is Kind.FACTS and each.data["what"] == "opening_move"]
    assert [each.data["value"] for each in facts] == [32.1]


def simulated(
    recorder: Recorder,
    board: Board,
    folder: Path,
    kind: Callable[..., BacktestSimulation] = RecordedSimulation,
    fills: FillModel = RECORDED,
    records: Sequence[Record] = (),
) -> SimulatedDay:
    """Record two minutes from an hour after the open on, the second with these records, and live through that day."""
    spx = board.add(Underlying("SPX"))
    for minute, reported in ((60, ()), (61, records)):
        at = OPEN + timedelta(minutes=minute)
        board.last[spx], board.last_at[spx], board.alive_at = 5900.0 + minute, at.timestamp(), at.timestamp()
        board.unread.add(spx)
        recorder.took(MarketDataUpdated(at, (spx,)), reported, changed=True)
    recorder.close()
    program = load_all_bots([str(shipped("specs") / "put_lite.yaml")], {}, None).program("t", {}, 90)
    walk = kind(program, RecordingSource(folder), event_calendar(shipped_dates()), fills, CASH)
    (done,) = walk.through(DAY, DAY)
    return done


def test_nothing_of_the_session_before_stands_on_a_day_that_is_not_recorded(tmp_path: Path) -> None:
    """Once other lines were streamed it stood there anew: its last print was noted as the close of that day."""
    board, chosen, after = Board(), [], session_from(DAY + timedelta(days=1))
    recorder = Recorder(tmp_path / "run", {}, board, pytest.fail)

    def walk_of(*given: Any) -> RecordedSimulation:
        chosen.append(RecordedSimulation(*given))
        return chosen[0]

    simulated(recorder, board, tmp_path, walk_of)
    (walk,) = chosen
    walk.board.add(Underlying("QQQ"))
    walk.live_through(empty_day(after), after)
    assert isnan(walk.board.last[walk.board.rows[Underlying("SPX")]])


def test_what_others_closed_then_is_reported_since_it_is_not_repeated(tmp_path: Path) -> None:
    """Of another bot, which is not lived through here, nothing is told."""
    board = Board()
    recorder = Recorder(tmp_path / "run", {}, board, pytest.fail)
    gone = [
        Record(OPEN + timedelta(minutes=61), Kind.POSITION, bot, f"{bot}-1", {"exit_reason": CLOSED_BY_HAND})
        for bot in ("put_lite", "another")
    ]
    found = [each.text for each in simulated(recorder, board, tmp_path, records=gone).findings]
    assert [text for text in found if "others" in text] == [
        "a position of put_lite was closed by others, as was noted at 10:31:00: that is not repeated"
    ]


def resting(**sections: str) -> Desk:
    """Return a desk that has sold two puts, whose target and stop rest at the broker."""
    desk = Desk((text_of("seller", **{**SELLER, "quantity": "2", **sections}),), at="10:00")
    for each in desk.fill(desk.enter("10:01")):
        desk.commission(each, "1.40")
    desk.tick(1)
    for order in desk.live:
        desk.ack(order)
    return desk


def half_filled() -> tuple[Desk, ExecutionReport]:
    """Return a desk whose target has filled by one of two, and that fill."""
    desk = resting()
    (target,) = [order for order in desk.live if order.kind is OrderType.LIMIT]
    (part,) = desk.fill(target, 1)
    desk.commission(part, "1.05")
    return desk, part


def stood(
    desk: Desk, at: datetime, folder: Path, reported: Sequence[Event] = (), bid: float = 0.50
) -> tuple[Recording, StateAt]:
    """Return where a desk stood, and a recording of three minutes from then: what it was told, and this bid."""
    board = Board()
    recorder = Recorder(folder / "run", {}, board, pytest.fail)
    for event in reported:
        recorder.took(event, (), changed=True)
    rows = board.add(Underlying("SPY")), board.add(desk.position.legs[0].option)
    for minute in range(4):
        now = at + timedelta(minutes=minute)
        board.last[rows[0]], board.bid[rows[1]], board.ask[rows[1]] = 600.0, bid, bid + 0.02
        board.last_at[rows[0]] = board.quote_at[rows[1]] = board.alive_at = now.timestamp()
        board.unread |= set(rows)
        recorder.took(MarketDataUpdated(now, rows), (), changed=True)
    recorder.close()
    (file,) = (folder / "run").iterdir()
    return open_recording(file), StateAt(at=at, state=desk.state, program=desk.program, records=())


def test_what_fills_on_the_day_after_the_first_part_pays_the_least_of_an_order_once(tmp_path: Path) -> None:
    desk, _ = half_filled()
    state = at_natural(*stood(desk, BEFORE, tmp_path)).state
    assert state is not None
    (position,) = state.positions.by_id.values()
    assert (position.state, position.commissions) == ("closed", Decimal("2.80"))


def test_a_fill_that_is_reported_again_after_a_start_counts_once(tmp_path: Path) -> None:
    """The rest of its order never filled once the recording had ended."""
    desk, part = half_filled()
    desk.link()
    linked = desk.events[-1]
    desk.unlink()
    state = answered(*stood(desk, desk.now, tmp_path, (part, linked))).state
    assert state is not None
    (position,) = state.positions.by_id.values()
    assert (position.state, position.commissions) == ("closed", Decimal("2.80"))


@pytest.mark.parametrize("walk", [at_natural, answered])
def test_an_order_that_rests_over_the_night_is_the_same_on_the_day_after(
    tmp_path: Path, walk: Callable[[Recording, StateAt], Rerun]
) -> None:
    """It had another permanent id: its cancel was not heard, the exit waited, and its bot was halted for two orders."""
    desk = resting(exits="\n  - dte: {at_most: 84}" + SELLER["exits"])
    found = walk(*stood(desk, BEFORE, tmp_path, bid=1.50))
    assert found.state is not None
    sent = [order.sent_at for order in found.state.orders.by_ref.values() if order.purpose is Purpose.EXIT]
    assert (sent, found.kept_out) == ([BEFORE + timedelta(minutes=1)], {})


def test_a_day_at_natural_begins_with_the_account_of_then(tmp_path: Path) -> None:
    """It had a million dollars, and shares without a cost: sizes and strikes by those were others."""
    desk = resting()
    desk.link(positions=[(Underlying("SPY"), 100), *desk.books().items()], costs=[(Underlying("SPY"), "590")])
    desk.send(AccountReport(desk.now, Account("DU1", cash=Decimal(20000))))
    state = at_natural(*stood(desk, BEFORE, tmp_path, bid=1.50)).state
    assert state is not None
    assert (state.market.facts.account.cash, state.account.costs) == (Decimal(20000), {"SPY": Decimal(590)})
    assert state.market.facts.account.net_liquidation == Decimal(20000 + 60000 - 2 * 151)


@pytest.mark.parametrize("walk", [at_natural, answered])
def test_an_order_that_the_broker_no_longer_had_at_a_start_is_not_at_work(
    tmp_path: Path, walk: Callable[[Recording, StateAt], Rerun]
) -> None:
    """An account that was empty counted as one that nothing was told of: what had filled unseen was held on."""
    desk = resting()
    desk.unlink()
    listed = [OrdersListed(BEFORE + timedelta(seconds=seconds), frozenset()) for seconds in (11, 14, 17)]
    linked = Connected(at=BEFORE, account="DU1", client_id=7, next_order_id=9, order_refs=(), positions=())
    state = walk(*stood(desk, BEFORE, tmp_path, (linked, *listed), bid=1.50)).state
    assert state is not None
    (position,) = state.positions.by_id.values()
    assert (position.state, position.exit_reason) == ("closed", "stop")
