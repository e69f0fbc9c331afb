"""The broker of a recording: whose answers an order gets, and what becomes of it once its bot does otherwise."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from math import isnan
from pathlib import Path

import pytest

from rulebot.adapters.recorded.recorder import Recorder
from rulebot.adapters.recorded.recording import Recording
from rulebot.backtest.fill_model import ACCOUNT, RECORDED
from rulebot.backtest.recorded_broker import FollowedOrder, RecordedBroker
from rulebot.backtest.recorded_replies import BoardMirror, RecordedReply, ReplyScript, fact_of
from rulebot.model.contract import Option, Right, Underlying
from rulebot.model.errors import StoreError
from rulebot.model.event import (
    AccountReport,
    BrokerStatus,
    ClosesReport,
    CommissionReport,
    Event,
    ExecutionReport,
    MarginReport,
    MarketDataUpdated,
    OrderReport,
    OrdersListed,
    PositionReport,
)
from rulebot.model.facts import Account
from rulebot.model.market import Board
from rulebot.model.order import (
    AskMargin,
    Cancel,
    Command,
    ExecutionId,
    Order,
    OrderLeg,
    OrderStatus,
    OrderTerms,
    OrderType,
    Purpose,
    Replace,
    RequestOpenOrders,
    Side,
    Submit,
    TimeInForce,
)
from rulebot.model.position import ESTIMATED, LIQUIDATED
from rulebot.model.session import session_on
from rulebot.record.codec import encode
from rulebot.record.record import Kind, Record
from rulebot.replay.reruns import _reported_first

DAY = date(2026, 10, 21)
START = datetime(2026, 10, 21, 14, 30, tzinfo=UTC)
PUT = Option("SPX", "SPXW", DAY, Decimal(5900), Right.PUT)
FAR = Option("SPX", "SPXW", DAY, Decimal(5890), Right.PUT)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def order(number: int = 1, *, bot: str = "a", limit: str = "-0.50", install: str = "there") -> Order:
    """A put spread, sold; `install` is whose order it is: the recorded engine's, or the one of now."""
    return Order(
        ref=f"rb:{install}:{number:06d}",
        number=number,
        bot=bot,
        position=f"{bot}-1",
        purpose=Purpose.ENTRY,
        reason="entry",
        legs=(OrderLeg("near", PUT, Side.SELL), OrderLeg("far", FAR, Side.BUY)),
        side=Side.BUY,
        quantity=1,
        kind=OrderType.LIMIT,
        limit_price=Decimal(limit),
        order_id=number if install == "there" else 100 + number,
        status=OrderStatus.SENDING,
        prepared_at=START,
        sent_at=START,
        changed_at=START,
    )


def mine(number: int = 1, **given: str) -> Order:
    return order(number, install="now", **given)


def dearer(found: Order) -> Order:
    return found.with_terms(1, Decimal("-0.45"))


def recorded(*, is_changed: bool = False, is_cancelled: bool = False) -> ReplyScript:
    """An order of the recording, changed after ten seconds, cancelled after twenty."""
    script = ReplyScript(order())
    if is_changed:
        script.take(dearer(order()), at(10))
    if is_cancelled:
        script.take(replace(script.last, status=OrderStatus.CANCELLING), at(20))
    return script


def broker_of(*scripts: ReplyScript, margins: Iterable[MarginReport] = ()) -> RecordedBroker:
    session = session_on(DAY)
    assert session is not None
    reported = RecordedReply({each.order.ref: each for each in scripts}, margins=list(margins))
    board = Board()
    for each, bid in ((PUT, 1.0), (FAR, 0.5)):
        row = board.add(each)
        board.bid[row], board.ask[row], board.quote_at[row] = bid, bid + 0.1, START.timestamp()
    board.alive_at = START.timestamp()
    return RecordedBroker(board, ACCOUNT, RECORDED, session, cash=Decimal(1000), reported_there=reported)


def takes(broker: RecordedBroker, command: Command, seconds: float = 0) -> list[Event]:
    return list(broker.take(command, at(seconds)))


def says(broker: RecordedBroker, event: Event, seconds: float) -> list[Event]:
    return list(broker.answers(event, at(seconds)))


def report(status: BrokerStatus, *, ref: str = "rb:there:000001") -> OrderReport:
    return OrderReport(at=START, ref=ref, order_id=1, perm_id=77, client_id=9, status=status)


def execution(option: Option, *, is_buy: bool, number: int = 1, revision: int = 1) -> ExecutionReport:
    return ExecutionReport(
        at=START,
        exec_id=ExecutionId(f"e.{number}", revision),
        ref="rb:there:000001",
        order_id=1,
        perm_id=77,
        client_id=9,
        option=option,
        is_combo=False,
        is_buy=is_buy,
        quantity=Decimal(1),
        price=Decimal("1.05") if option is PUT else Decimal("0.55"),
        executed_at=START,
    )


def test_an_order_that_is_recorded_gets_its_answers_in_its_own_name() -> None:
    broker = broker_of(recorded())
    assert takes(broker, Submit(mine()), 0.5) == []
    (reported,) = says(broker, report(BrokerStatus.WORKING), 1)
    assert reported == replace(report(BrokerStatus.WORKING), at=at(1), ref=mine().ref, order_id=101, client_id=1)
    (reported,) = says(broker, report(BrokerStatus.FILLED, ref=""), 2)
    assert isinstance(reported, OrderReport)
    assert (reported.ref, reported.order_id) == ("", 101)
    assert (broker.left, broker.working) == ({}, {})


def test_answers_of_orders_that_nobody_sent_now_are_not_reported() -> None:
    broker = broker_of(recorded())
    assert says(broker, report(BrokerStatus.WORKING), 1) == []
    assert says(broker, execution(PUT, is_buy=False), 1) == []
    assert says(broker, CommissionReport(START, ExecutionId("e.1"), Decimal(1)), 1) == []
    assert says(broker, MarketDataUpdated(START), 1) == []
    assert (broker.cash, broker.holdings) == (Decimal(1000), {})


def test_another_price_moment_bot_or_size_is_another_order() -> None:
    others = (mine(limit="-0.55"), mine(bot="b"), replace(mine(), quantity=2), replace(mine(), legs=mine().legs[:1]))
    for other in others:
        broker = broker_of(recorded())
        (reported,) = takes(broker, Submit(other))
        assert isinstance(reported, OrderReport)
        assert reported.status is BrokerStatus.WORKING
        assert broker.left[other.bot] == (START, "it sends an order that the recording has not")
    broker = broker_of(recorded())
    takes(broker, Submit(mine()), 1.5)
    assert list(broker.left) == ["a"]


def test_one_recorded_order_answers_one_order() -> None:
    broker = broker_of(recorded())
    takes(broker, Submit(mine(1)))
    takes(broker, Submit(mine(2)))
    assert list(broker.left) == ["a"]
    assert sorted(broker.working) == [mine(1).ref, mine(2).ref]


def test_fills_move_the_account_once() -> None:
    broker = broker_of(recorded())
    takes(broker, Submit(mine()))
    for place, (option, is_buy) in enumerate(((PUT, False), (FAR, True))):
        says(broker, execution(option, is_buy=is_buy, number=place), 1)
        says(broker, CommissionReport(START, ExecutionId(f"e.{place}"), Decimal("1.50")), 1)
    says(broker, CommissionReport(START, ExecutionId("e.0"), Decimal("1.50")), 2)
    corrected = replace(execution(PUT, is_buy=False, number=0, revision=2), price=Decimal("1.00"))
    for reported in (corrected, execution(PUT, is_buy=False, number=0), corrected):
        says(broker, reported, 2)
    assert broker.holdings == {PUT: -1, FAR: 1}
    assert broker.cash == Decimal(1000) + Decimal(45) - Decimal(3)
    (reported,) = says(broker, PositionReport(START, PUT, Decimal(-1), Decimal("103.5")), 3)
    assert reported == PositionReport(at(3), PUT, Decimal(-1), Decimal("103.5"))
    (reported,) = says(broker, PositionReport(START, FAR, Decimal(4), Decimal(9)), 3)
    assert reported == PositionReport(at(3), FAR, Decimal(1), Decimal(0))


def test_a_fill_that_is_reported_after_the_account_has_it_is_reported_to_be_held() -> None:
    """The account seemed to lack it for good, as if somebody had closed it by hand."""
    broker = broker_of(recorded())
    takes(broker, Submit(mine()))
    early = PositionReport(START, PUT, Decimal(-1), Decimal("103.5"))
    assert says(broker, early, 1) == [PositionReport(at(1), PUT, Decimal(0), Decimal(0))]
    execution_told, *others = says(broker, execution(PUT, is_buy=False), 2)
    assert isinstance(execution_told, ExecutionReport)
    assert others == [PositionReport(at(2), PUT, Decimal(-1), Decimal("103.5"))]
    assert len(says(broker, execution(FAR, is_buy=True, number=2), 2)) == 1, "of this one the recording tells later"
    bought_back = execution(PUT, is_buy=True, number=3)
    assert len(says(broker, bought_back, 3)) == 1, "both agreed in between"


def in_the_account(count: int) -> PositionReport:
    return PositionReport(START, PUT, Decimal(count), Decimal("103.5"))


@pytest.mark.parametrize(
    ("sent", "reported_at", "reports", "shows"),
    [
        ((1, 2), (0, 0), -2, -2),
        ((1, 2), (0, 0), -1, -1),
        ((1, 2), (0, 0), -5, 0),
        ((1,), (0, 0), -2, 0),
        ((1, 2), (0, 5), -2, 0),
    ],
    ids=["both", "the first", "and what is not ours", "one is not of now", "one comes much later"],
)
def test_what_two_orders_fill_in_one_instant_is_in_the_account_when_the_recording_says_so(
    sent: tuple[int, ...], reported_at: tuple[float, ...], reports: int, shows: int
) -> None:
    """Two bots sold the same put: the first fill is told beside an account that has both."""
    scripts = [ReplyScript(order(number, bot=f"{number}")) for number in (1, 2)]
    fills = [
        replace(execution(PUT, is_buy=False, number=number), at=at(seconds), ref=f"rb:there:00000{number}")
        for number, seconds in zip((1, 2), reported_at, strict=True)
    ]
    broker = broker_of(*scripts)
    broker.reported_there.executions = fills
    for number in sent:
        takes(broker, Submit(mine(number, bot=f"{number}")))
    (reported,) = says(broker, in_the_account(reports), 0)
    assert isinstance(reported, PositionReport)
    assert reported.quantity == shows
    assert broker.holdings == {}, "the fills are booked as they are told"


def test_the_account_as_the_recording_had_it_is_reported_once() -> None:
    """It was told without the second fill, and then again with it, so what was noted of it was other than then."""
    scripts = [ReplyScript(order(number, bot=f"{number}")) for number in (1, 2)]
    broker = broker_of(*scripts)
    for number in (1, 2):
        takes(broker, Submit(mine(number, bot=f"{number}")))
    first, second = (
        replace(execution(PUT, is_buy=False, number=number), ref=f"rb:there:00000{number}") for number in (1, 2)
    )
    broker.reported_there.executions = [first, second]
    steps = (first, in_the_account(-2), second, in_the_account(-2))
    reported = [event for step in steps for event in says(broker, step, 0)]
    assert [type(event) for event in reported] == [type(step) for step in steps]
    assert [event.quantity for event in reported if isinstance(event, PositionReport)] == [-2, -2]


def test_the_account_begins_with_the_recorded_cash_and_counts_what_its_bots_do() -> None:
    """What other bots and people made in the recorded account was told as made by these."""
    broker = broker_of(recorded())
    for seconds, cash in ((0, 5000), (2, 9000)):
        (reported,) = says(broker, AccountReport(START, Account("DU1", cash=Decimal(cash))), seconds)
        assert reported == AccountReport(at(seconds), Account(ACCOUNT, cash=Decimal(cash)))
        takes(broker, Submit(mine()))
        says(broker, execution(PUT, is_buy=False), 1)
    assert broker.cash == Decimal(5000) + Decimal(105)


def test_changes_and_cancels_are_as_recorded_or_the_bot_leaves() -> None:
    broker = broker_of(recorded(is_changed=True, is_cancelled=True))
    takes(broker, Submit(mine()))
    assert takes(broker, Replace(dearer(mine())), 10) == []
    assert takes(broker, Cancel(dearer(mine())), 20) == []
    assert takes(broker, Cancel(dearer(mine())), 25) == []
    assert broker.left == {}

    broker = broker_of(recorded(is_changed=True))
    takes(broker, Submit(mine()))
    says(broker, report(BrokerStatus.WORKING), 1)
    (reported,) = takes(broker, Replace(dearer(mine())), 7)
    assert isinstance(reported, OrderReport)
    assert reported.perm_id == 77
    assert broker.left["a"] == (at(7), "it changes an order which the recording does not")
    assert broker.working[mine().ref].order == dearer(mine())

    broker = broker_of(recorded(is_changed=True))
    takes(broker, Submit(mine()))
    reported = takes(broker, Cancel(mine()), 10)
    assert [each.status for each in reported if isinstance(each, OrderReport)] == [
        BrokerStatus.WORKING,
        BrokerStatus.CANCELLED,
    ]
    assert broker.working == {}


def test_what_the_recording_changes_alone_is_noticed() -> None:
    for script, what in ((recorded(is_changed=True), "changes"), (recorded(is_cancelled=True), "cancels")):
        broker = broker_of(script)
        takes(broker, Submit(mine()))
        due = 10 if what == "changes" else 20
        assert list(broker.overdue(at(due + 1))) == []
        (reported,) = broker.overdue(at(due + 2))
        assert isinstance(reported, OrderReport)
        assert broker.left["a"][1] == f"the recording {what} an order which it does not"


def test_who_leaves_takes_what_has_filled_along_and_fills_by_the_model() -> None:
    two = replace(order(), quantity=2)
    broker = broker_of(ReplyScript(two))
    takes(broker, Submit(replace(mine(), quantity=2)))
    says(broker, report(BrokerStatus.WORKING), 1)
    for place, (option, is_buy) in enumerate(((PUT, False), (FAR, True))):
        says(broker, execution(option, is_buy=is_buy, number=place), 1)
    takes(broker, Replace(mine().with_terms(2, Decimal("-0.40"))), 5)
    assert says(broker, report(BrokerStatus.FILLED), 6) == []
    executions = [each for each in broker.fill(at(7)) if isinstance(each, ExecutionReport)]
    assert [(each.option, each.quantity, each.perm_id) for each in executions] == [(PUT, 1, 77), (FAR, 1, 77)]
    assert broker.holdings == {PUT: -2, FAR: 2}


def test_an_order_whose_legs_are_filling_keeps_its_answers() -> None:
    broker = broker_of(recorded())
    takes(broker, Submit(mine()))
    says(broker, execution(PUT, is_buy=False), 1)
    takes(broker, Submit(mine(2)), 1)
    assert list(broker.left) == ["a"]
    assert len(says(broker, execution(FAR, is_buy=True, number=2), 1)) == 1
    assert list(broker.working) == [mine(2).ref]


def test_other_bots_follow_on_and_the_account_is_no_longer_reported() -> None:
    broker = broker_of(recorded(), ReplyScript(order(2, bot="b")))
    takes(broker, Submit(mine()))
    account = AccountReport(START, Account("DU1", cash=Decimal(5000)))
    (reported,) = says(broker, account, 1)
    assert reported == AccountReport(at(1), Account(ACCOUNT, cash=Decimal(5000)))
    assert broker.cash == Decimal(5000)
    assert takes(broker, RequestOpenOrders(), 1) == []
    takes(broker, Cancel(mine()), 2)
    assert says(broker, account, 3) == []
    assert takes(broker, Submit(mine(2, bot="b"))) == []
    assert list(broker.left) == ["a"]
    assert takes(broker, RequestOpenOrders(), 4) == [OrdersListed(at(4), frozenset({mine(2).ref}))]


def test_lists_of_open_orders_name_those_of_now() -> None:
    broker = broker_of(recorded())
    takes(broker, Submit(mine()))
    listed = OrdersListed(START, frozenset({order().ref, "rb:there:000009"}))
    assert says(broker, listed, 1) == [OrdersListed(at(1), frozenset({mine().ref}))]


def test_a_question_of_margin_gets_the_recorded_answer_or_an_estimate() -> None:
    answer = MarginReport(at(2), 9, Decimal(900), Decimal(500))
    broker = broker_of(margins=[answer])
    assert takes(broker, AskMargin(mine())) == []
    assert says(broker, answer, 2) == [MarginReport(at(2), 101, Decimal(900), Decimal(500))]
    (estimate,) = takes(broker, AskMargin(mine()), 3)
    assert isinstance(estimate, MarginReport)
    assert estimate.initial == Decimal(950)


def test_an_end_of_the_recording_leaves_orders_to_the_model_and_after_the_close_ends_them() -> None:
    broker = broker_of(recorded(), ReplyScript(replace(order(2, bot="b"), time_in_force=TimeInForce.GTC)))
    takes(broker, Submit(mine()))
    takes(broker, Submit(replace(mine(2, bot="b"), time_in_force=TimeInForce.GTC)))
    closed = broker.session.close
    (reported,) = broker.ends(closed)
    assert isinstance(reported, OrderReport)
    assert (reported.ref, reported.status) == (mine().ref, BrokerStatus.CANCELLED)
    broker.forget()
    assert (list(broker.followed), list(broker.reported_there.scripts)) == ([mine(2).ref], ["rb:there:000002"])
    assert len(list(broker.ends(at(5)))) == 1
    assert broker.left["b"] == (at(5), "the recording ends")


def test_what_has_expired_is_settled_when_it_was() -> None:
    broker = broker_of()
    row = broker.board.add(Underlying("SPX"))
    broker.board.last[row] = 5895.0
    broker.holdings = {PUT: -1}
    gone = PositionReport(START, PUT, Decimal(0), Decimal(0))
    assert says(broker, gone, 1) == [PositionReport(at(1), PUT, Decimal(-1), Decimal(0))]
    (reported,) = broker.answers(gone, broker.session.close)
    assert isinstance(reported, PositionReport)
    assert reported.quantity == 0
    assert broker.cash == Decimal(1000) - Decimal(500)


@pytest.mark.parametrize(
    ("trading_class", "days", "cash"), [("SPXW", 1, 600), ("SPXW", 2, None), ("SPX", 1, None), ("SPX", 0, None)]
)
def test_what_is_reported_to_be_gone_on_a_later_day_does_not_settle_at_that_days_level(
    trading_class: str, days: int, cash: int | None
) -> None:
    """It went at where the index stood just then: at 5895 of the day after. None: it is held until its level is known.

    days: before this session, in which its last one was.
    """
    broker = broker_of()
    row = broker.board.add(Underlying("SPX"))
    broker.board.open[row], broker.board.last[row], broker.board.previous_close[row] = 5893.0, 5895.0, 5896.0
    put = replace(PUT, trading_class=trading_class, expiry=DAY - timedelta(days=days))
    broker.holdings = {put: -1}
    (reported,) = broker.answers(PositionReport(START, put, Decimal(0), Decimal(0)), broker.session.close)
    assert isinstance(reported, PositionReport)
    assert (broker.cash, reported.quantity) == ((1000, -1) if cash is None else (cash, 0))


def test_only_slow_facts_are_facts() -> None:
    assert fact_of(MarketDataUpdated(START)) is None


def tape(folder: Path, *reported: tuple[Event, list[Record]]) -> list[Path]:
    recorder = Recorder(folder, {"version": "1"}, Board(), lambda words: None)
    for event, records in reported:
        recorder.took(event, records, changed=True)
    recorder.close()
    return list(folder.iterdir())


def record(found: Order, seconds: float) -> Record:
    return Record(at(seconds), Kind.ORDER, found.bot, found.position, dict(encode(found)))  # type: ignore[arg-type]


def test_a_recording_reports_orders_facts_and_answers(tmp_path: Path) -> None:
    cancelling = replace(dearer(order()), status=OrderStatus.CANCELLING)
    margin = MarginReport(at(1), 9, Decimal(900), Decimal(500))
    files = tape(
        tmp_path,
        (ClosesReport(START, "SPX", (1.0,)), [record(replace(order(2), sent_at=None), 0), record(order(), 0)]),
        (margin, [record(dearer(order()), 10), record(dearer(order()), 11)]),
        (MarketDataUpdated(at(20)), [record(cancelling, 20)]),
    )
    reported = RecordedReply()
    reported.read(files)
    (script,) = reported.scripts.values()
    assert script.changes == [(at(10), OrderTerms(1, Decimal("-0.45"))), (at(20), None)]
    assert (reported.facts, reported.margins) == ({(ClosesReport, "SPX")}, [margin])


def test_what_filled_while_the_engine_did_not_run_is_reported_before_it_is_connected(tmp_path: Path) -> None:
    """A walk from there took the order for one that works, cancelled it, and had no trade at all."""
    fills = (execution(PUT, is_buy=False, number=1), execution(FAR, is_buy=True, number=2))
    linked = broker_of().link(START, 2)
    later = report(BrokerStatus.CANCELLED)
    files = tape(tmp_path, *((each, []) for each in (*fills, report(BrokerStatus.FILLED), linked, later)))
    broker = broker_of()
    broker.followed[mine().ref] = FollowedOrder(mine(), recorded())
    broker.holdings = {PUT: -1, FAR: 1}
    reported = list(_reported_first(broker, Recording(tuple(files), {}), at(5)))
    assert [each.status for each in reported if isinstance(each, OrderReport)] == [BrokerStatus.FILLED]
    assert [each.option for each in reported if isinstance(each, ExecutionReport)] == [PUT, FAR]
    assert {each.at for each in reported} == {at(5)}
    assert broker.holdings == {PUT: -1, FAR: 1}, "the account has them, as it was told on connecting"
    assert broker.link(at(5), 2).order_refs == ()


def test_a_recording_reports_which_positions_others_closed(tmp_path: Path) -> None:
    noted = [
        Record(at(seconds), Kind.POSITION, bot, f"{bot}-1", {"exit_reason": reason})
        for seconds, bot, reason in ((5, "a", "target"), (6, "b", ESTIMATED), (7, "b", ESTIMATED), (8, "c", LIQUIDATED))
    ]
    reported = RecordedReply()
    reported.read(tape(tmp_path, (MarketDataUpdated(at(5)), noted)))
    assert reported.closed_elsewhere == {"b-1": ("b", at(6)), "c-1": ("c", at(8))}


def test_of_two_recordings_the_earlier_one_counts_until_the_later_one_begins(tmp_path: Path) -> None:
    """One day that was simulated twice: each order seemed to be changed back and forth, and its fills were lost."""
    repriced = (MarketDataUpdated(at(10)), [record(dearer(order()), 10)])
    sent = (MarketDataUpdated(at(5)), [record(order(), 5)])
    reported = RecordedReply()
    reported.read((*tape(tmp_path / "1", sent, repriced), *tape(tmp_path / "2", sent, repriced)))
    (script,) = reported.scripts.values()
    assert script.changes == [(at(10), OrderTerms(1, Decimal("-0.45")))]


def test_an_order_of_another_version_is_named(tmp_path: Path) -> None:
    files = tape(tmp_path, (MarketDataUpdated(START), [Record(START, Kind.ORDER, data={"ref": "x", "sum": 1})]))
    with pytest.raises(StoreError, match="a recorded order cannot be read"):
        RecordedReply().read(files)


def test_the_board_of_the_engine_shows_what_it_streams_itself() -> None:
    """Rows have places of their own; what the recording gives up has no values, whatever they were."""
    board = Board()
    mirror = BoardMirror(board)
    for option, bid in ((FAR, 0.5), (PUT, 1.0)):
        mirror.recorded.bid[mirror.recorded.add(option)] = bid
    ours = board.add(PUT)
    mirror.recorded.frozen = {0, 1}
    assert mirror.is_behind
    assert mirror.show(()) == {ours}
    assert (board.bid[ours], board.frozen, mirror.ours({0, 1})) == (1.0, {ours}, {ours})
    assert mirror.show({0, 1}) == set()
    mirror.recorded.drop(PUT)
    assert not mirror.is_behind
    mirror.show(())
    assert isnan(board.bid[ours])
