"""The life of orders: acceptance, fills, changes, cancels, times in force, halts."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from fake_market import AAPL_P, CLOSE, DAY, P5000, SPX_AM, SPY, SPY_C, SPY_P, TEN, Desktop

from twsim.exchange.broker_state import ExchangeSettings
from twsim.seams import Commissioned, Executed, OrderChanged, OrderError, PositionChanged, Report, Status

NOISY = ExchangeSettings(duplicate_status=1, status_before_execution=1, resting_rate=0, pending_cancel=1)


def names(reports: list[Report]) -> list[str]:
    return [type(report).__name__ for report in reports]


def statuses(reports: list[Report]) -> list[str]:
    return [report.order.status.value for report in reports if isinstance(report, OrderChanged)]


def codes(reports: list[Report]) -> list[int]:
    return [report.code for report in reports if isinstance(report, OrderError)]


def test_a_marketable_order_fills_on_arrival_and_not_inside_place() -> None:
    desk = Desktop()
    assert statuses(desk.place(P5000, "BUY", limit=2.5)) == ["PreSubmitted"]
    assert desk.broker.executions() == []
    reports = desk.broker.advance(desk.at + timedelta(seconds=1))
    assert statuses(reports) == ["Filled", "Filled"], "the market need not move for it"
    assert desk.broker.executions()[0].price == Decimal("2.2")


def test_a_change_that_makes_an_order_marketable_fills_on_arrival() -> None:
    desk = Desktop()
    desk.place(P5000, "BUY", limit=1.5)
    desk.broker.advance(desk.at + timedelta(seconds=1))
    desk.place(P5000, "BUY", limit=2.5, order_id=1)
    assert statuses(desk.broker.advance(desk.at + timedelta(seconds=2))) == ["Filled", "Filled"]


def test_orders_that_arrive_together_share_what_is_shown() -> None:
    desk = Desktop()
    for _ in range(2):
        desk.place(P5000, "BUY", 20, limit=2.2)
    desk.broker.advance(desk.at + timedelta(seconds=1))
    assert sum(each.quantity for each in desk.broker.executions()) == desk.market.quotes[P5000][3]


def test_a_filled_order_reports_in_the_order_of_the_recording() -> None:
    desk = Desktop()
    desk.place(P5000, "BUY", limit=2.2)
    reports = desk.step()
    expected = ["Executed", "OrderChanged", "OrderChanged", "Commissioned", "PositionChanged"]
    assert names(reports) == expected
    assert statuses(reports) == ["Filled", "Filled"]
    changes = [report.order for report in reports if isinstance(report, OrderChanged)]
    assert changes[0].commission is None
    assert changes[1].commission == Decimal("1.6268")


def test_noise_repeats_a_status_and_may_send_it_before_its_execution() -> None:
    desk = Desktop(settings=NOISY)
    assert names(desk.place(P5000, "BUY", limit=2.2)) == ["OrderChanged", "OrderChanged"]
    reports = desk.step()
    assert names(reports)[:3] == ["OrderChanged", "OrderChanged", "Executed"]
    assert isinstance(reports[1], OrderChanged)
    assert not reports[1].echo_open


def test_a_resting_order_becomes_submitted_and_keeps_its_perm_id_when_changed() -> None:
    desk = Desktop()
    first = desk.ticket(P5000, "BUY", 5, limit=2.0)
    desk.broker.place(first)
    assert statuses(desk.step()) == ["Submitted"]
    assert desk.step() == [], "told once"
    before = desk.broker.open_orders()[0]
    changed = desk.ticket(P5000, "BUY", 3, limit=2.2, order_id=first.order_id)
    assert statuses(desk.broker.place(changed)) == ["Submitted"]
    desk.step()
    done = desk.broker.completed_orders()[0]
    assert (done.perm_id, done.filled, done.average_price) == (before.perm_id, Decimal(3), 2.2)


def test_changes_that_are_refused_leave_the_order_working() -> None:
    desk = Desktop()
    desk.place(P5000, "BUY", 2, limit=2.0)
    desk.step()
    assert codes(desk.place(P5000, "SELL", 2, limit=2.0, order_id=1)) == [105]
    assert codes(desk.place(SPY_P, "BUY", 2, limit=2.0, order_id=1)) == [105]
    assert codes(desk.place(P5000, "BUY", 2, order_type="STP", stop=2.5, order_id=1)) == [105]
    assert codes(desk.place(P5000, "BUY", 2, limit=2.03, order_id=1)) == [110]
    view = desk.broker.open_orders()[0]
    assert (view.status, view.ticket.limit_price) == (Status.SUBMITTED, Decimal("2.0"))


def test_a_change_that_the_account_cannot_carry_leaves_the_end_of_the_order() -> None:
    desk = Desktop()
    desk.place(SPY, "BUY", 10, limit=500.0)
    desk.step()
    assert codes(desk.place(SPY, "BUY", 100_000, limit=500.0, tif="GTC", order_id=1)) == [201]
    assert [view.ticket.tif for view in desk.broker.open_orders()] == ["DAY"]
    desk.to(CLOSE)
    assert desk.broker.open_orders() == []


def test_ids_filled_finished_and_never_used() -> None:
    desk = Desktop()
    desk.place(P5000, "BUY", limit=2.2, order_id=10)
    desk.step()
    assert codes(desk.place(P5000, "BUY", limit=2.2, order_id=10)) == [104]
    desk.place(P5000, "BUY", limit=2.0, order_id=12)
    desk.broker.cancel(1, 12)
    assert codes(desk.place(P5000, "BUY", limit=2.0, order_id=12)) == [103]
    assert codes(desk.place(P5000, "BUY", limit=2.0, order_id=11)) == [103]
    assert codes(desk.place(P5000, "BUY", limit=2.0, order_id=11, client_id=2)) == []
    desk.broker.forget_order_ids()
    assert codes(desk.place(P5000, "BUY", limit=2.0, order_id=1)) == []


def test_cancel_sends_the_status_then_202() -> None:
    desk = Desktop()
    desk.place(P5000, "BUY", limit=2.0)
    desk.step()
    reports = desk.broker.cancel(1, 1)
    assert statuses(reports)[-1] == "Cancelled"
    assert isinstance(reports[-1], OrderError)
    assert (reports[-1].code, reports[-1].text) == (202, "Order Canceled - reason:")
    assert codes(desk.broker.cancel(1, 1)) == [10148]
    assert codes(desk.broker.cancel(1, 99)) == [10147]
    assert codes(desk.broker.cancel(2, 1)) == [10147]


def test_a_pending_cancel_may_precede_cancelled() -> None:
    desk = Desktop(settings=NOISY)
    desk.place(P5000, "BUY", limit=2.0)
    assert statuses(desk.broker.cancel(1, 1))[:2] == ["PendingCancel", "Cancelled"]


def test_global_cancel_ends_the_orders_of_every_client() -> None:
    desk = Desktop()
    desk.place(P5000, "BUY", limit=2.0)
    desk.place(SPY, "BUY", 10, limit=500.0, client_id=5)
    assert codes(desk.broker.cancel_all()) == [202, 202]
    assert desk.broker.open_orders() == []


def test_day_orders_expire_at_the_close_and_gtc_orders_survive_the_night() -> None:
    desk = Desktop()
    desk.place(AAPL_P, "BUY", limit=3.0)
    desk.place(AAPL_P, "BUY", limit=3.0, tif="GTC")
    desk.step()
    reports = desk.to(CLOSE)
    assert (statuses(reports), codes(reports)) == (["Cancelled"], [202])
    desk.to(datetime(2024, 5, 7, 13, 30, tzinfo=UTC))
    assert [view.ticket.tif for view in desk.broker.open_orders()] == ["GTC"]
    desk.market.quotes[AAPL_P] = (2.9, 3.0, 10, 10)
    assert "Executed" in names(desk.step())


def test_day_orders_in_options_that_trade_until_a_quarter_past_four_live_as_long() -> None:
    """Those of SPX and SPY, unless they expire today, do at the broker: one that is left there may fill."""
    desk = Desktop()
    desk.place(SPY_P, "BUY", limit=3.0)
    desk.place(SPY_C, "BUY", limit=0.4)
    desk.step()
    reports = desk.to(CLOSE)
    assert (statuses(reports), codes(reports)) == (["Cancelled"], [202])
    assert codes(desk.to(CLOSE + timedelta(minutes=14))) == []
    assert [view.ticket.con_id for view in desk.broker.open_orders()] == [SPY_P]
    assert codes(desk.to(CLOSE + timedelta(minutes=15))) == [202]
    assert len(desk.broker.completed_orders()) == 2


def test_an_order_good_till_a_time_ends_then_and_one_good_after_a_time_waits_for_it() -> None:
    desk = Desktop()
    noon = desk.at + timedelta(hours=1)
    desk.place(P5000, "BUY", limit=2.0, tif="GTD", good_till=noon)
    desk.place(P5000, "BUY", limit=2.5, good_after=noon)
    assert statuses(desk.step()) == ["Submitted"]
    assert codes(desk.to(noon - timedelta(seconds=1))) == []
    assert [view.status.value for view in desk.broker.open_orders()] == ["Submitted", "PreSubmitted"]
    reports = desk.to(noon)
    assert codes(reports) == [202]
    assert "Executed" in names(reports)
    assert codes(desk.place(P5000, "BUY", limit=2.0, tif="GTD")) == [321]
    assert codes(desk.place(P5000, "BUY", limit=2.0, tif="GTD", good_till=noon)) == [201]


def test_an_order_of_the_day_that_is_good_after_another_day_is_for_that_day() -> None:
    """It ended at today's close, before it had ever been at the exchange."""
    desk = Desktop()
    desk.place(SPY_P, "BUY", limit=3.0, good_after=datetime(2024, 5, 7, 15, 0, tzinfo=UTC))
    assert codes(desk.to(CLOSE)) == []
    assert codes(desk.to(datetime(2024, 5, 7, 19, 59, tzinfo=UTC))) == []
    assert [view.status.value for view in desk.broker.open_orders()] == ["Submitted"]
    assert codes(desk.to(datetime(2024, 5, 7, 20, 15, tzinfo=UTC))) == [202]
    assert codes(desk.place(SPY_P, "BUY", limit=3.0, good_after=datetime(2099, 1, 2, tzinfo=UTC))) == [399]


def test_what_the_broker_does_not_act_on_is_reported() -> None:
    desk = Desktop()
    echo = {"allOrNone": "1", "minQty": "2147483647", "hedgeType": "", "cashQty": "1.7976931348623157e+308"}
    assert codes(desk.place(P5000, "BUY", limit=2.0, echo=echo)) == [2109]
    assert len(desk.broker.open_orders()) == 1


def test_orders_in_an_expired_contract_are_cancelled_at_its_last_close() -> None:
    desk = Desktop()
    desk.place(SPX_AM, "BUY", limit=1.0, tif="GTC")
    desk.place(P5000, "BUY", limit=1.0, tif="GTC")
    assert codes(desk.to(CLOSE)) == [202, 202]
    assert codes(desk.place(P5000, "BUY", limit=1.0, tif="GTC")) == [201]


def test_outside_hours_an_order_waits_for_the_open_with_a_warning() -> None:
    desk = Desktop(at=datetime(2024, 5, 6, 13, 0, tzinfo=UTC))
    reports = desk.place(SPY_P, "BUY", limit=4.1)
    assert (statuses(reports), codes(reports)) == (["PreSubmitted"], [399])
    assert isinstance(reports[-1], OrderError)
    assert "until 2024-05-06 09:30:00 US/Eastern" in reports[-1].text
    assert desk.to(datetime(2024, 5, 6, 13, 29, 59, tzinfo=UTC)) == []
    assert "Executed" in names(desk.to(datetime(2024, 5, 6, 13, 30, tzinfo=UTC)))


def test_an_order_of_the_evening_is_for_the_next_session() -> None:
    desk = Desktop(at=CLOSE + timedelta(hours=1))
    reports = desk.place(SPY_P, "BUY", limit=3.0)
    assert isinstance(reports[-1], OrderError)
    assert "until 2024-05-07 09:30:00" in reports[-1].text
    desk.to(datetime(2024, 5, 7, 19, 59, tzinfo=UTC))
    assert len(desk.broker.open_orders()) == 1
    assert codes(desk.to(datetime(2024, 5, 7, 20, 15, tzinfo=UTC))) == [202]


def test_outside_rth_is_ignored_with_a_warning() -> None:
    assert codes(Desktop().place(P5000, "BUY", limit=2.0, outside_rth=True)) == [2109]


def test_orders_wait_through_a_halt() -> None:
    desk = Desktop()
    desk.market.halts.add("SPX")
    desk.place(P5000, "BUY", limit=2.2)
    assert desk.step() == []
    desk.market.halts.clear()
    assert "Executed" in names(desk.step())


def test_immediate_or_cancel_fills_what_it_can() -> None:
    desk = Desktop()
    desk.place(P5000, "BUY", 30, limit=2.2, tif="IOC")
    reports = desk.step()
    assert codes(reports) == [202]
    assert desk.broker.completed_orders()[0].filled == 20
    desk.place(P5000, "BUY", 20, limit=2.2, tif="IOC")
    assert codes(desk.step()) == [], "it is filled"


def test_a_new_day_starts_with_empty_lists_but_the_positions_stay() -> None:
    desk = Desktop()
    desk.place(SPY_P, "BUY", limit=4.1)
    desk.step()
    assert desk.broker.executions()[0].at == TEN + timedelta(seconds=1)
    exec_id = desk.broker.executions()[0].exec_id
    assert isinstance(desk.broker.commission_of(exec_id), Commissioned)
    desk.to(datetime(2024, 5, 7, 4, 0, tzinfo=UTC))
    assert desk.broker.executions() == []
    assert desk.broker.completed_orders() == []
    assert [view.con_id for view in desk.broker.positions()] == [SPY_P]


def test_the_same_seed_gives_the_same_day_and_another_does_not() -> None:
    def day(seed: int) -> list[str]:
        desk = Desktop(seed=seed, settings=ExchangeSettings())
        desk.place(P5000, "BUY", 3, limit=2.1)
        return [repr(report) for _ in range(200) for report in desk.step()]

    assert day(1) == day(1)
    assert day(1) != day(2)


def test_account_id_from_the_seed() -> None:
    assert Desktop(seed=7).broker.account == "DU0000007"
    assert Desktop(seed=7, account="DU1234567").broker.account == "DU1234567"
    assert DAY.weekday() == 0


def test_executions_name_the_order_and_count_up() -> None:
    desk = Desktop(cash=Decimal(10_000_000))
    desk.place(P5000, "SELL", 30, limit=2.0, order_ref="bot/1")
    reports = [*desk.step(), *desk.step()]
    done = [report.execution for report in reports if isinstance(report, Executed)]
    assert [(one.quantity, one.cumulative, one.side) for one in done] == [(20, 20, "SLD"), (10, 30, "SLD")]
    assert {one.order_ref for one in done} == {"bot/1"}
    assert len({one.exec_id for one in done}) == 2
    assert all(one.exec_id.endswith(".01.01") for one in done)
    assert PositionChanged(P5000) in reports


def test_an_order_reports_what_its_fills_came_to() -> None:
    desk = Desktop()
    desk.place(P5000, "BUY", 30, limit=2.3)
    reports = desk.step()
    desk.market.quotes[P5000] = (2.1, 2.3, 20, 20)
    reports += desk.step()
    paid = [report.commission for report in reports if isinstance(report, Commissioned)]
    done = [report.order for report in reports if isinstance(report, OrderChanged)]
    assert len(paid) == 2
    assert [(view.filled, view.commission) for view in done] == [(20, paid[0]), (30, paid[0]), (30, sum(paid))]
    assert (done[-1].average_price, done[-1].last_price) == (pytest.approx((20 * 2.2 + 10 * 2.3) / 30), 2.3)
    assert codes(desk.place(P5000, "BUY", 30, limit=2.2, order_id=1)) == [104]


def test_a_change_leaves_more_than_has_filled() -> None:
    desk = Desktop()
    desk.place(P5000, "BUY", 30, limit=2.2)
    desk.step()
    assert codes(desk.place(P5000, "BUY", 20, limit=2.2, order_id=1)) == [201]
    assert codes(desk.place(P5000, "BUY", 21, limit=2.2, order_id=1)) == []
    assert desk.broker.open_orders()[0].remaining == 1


def test_the_balance_of_a_day_is_written_once() -> None:
    desk = Desktop()
    desk.to(datetime(2024, 5, 8, 13, 30, tzinfo=UTC))
    days = [row["day"] for row in desk.broker.ledger.rows if row["kind"] == "balance"]
    assert days == ["2024-05-06", "2024-05-07"]


def test_only_what_could_have_traded_fills_after_its_cancel() -> None:
    """A stop that was never triggered was at no exchange; a limit was."""
    desk = Desktop()
    for order_type, price in (("STP", {"stop": 9.0}), ("LMT", {"limit": 2.0})):
        ticket = desk.ticket(P5000, "BUY", order_type=order_type, **price)
        desk.broker.place(ticket)
        desk.step()
        desk.broker.cancel(ticket.client_id, ticket.order_id)
        late = desk.broker.fill_cancelled(ticket.client_id, ticket.order_id)
        assert ("Executed" in names(late)) is (order_type == "LMT")
