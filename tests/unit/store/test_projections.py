"""The tables that people read, from the hand-made day."""

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from places import rows
from sqlalchemy import Engine, event
from store_day import CONDOR, DAY, SELLER, at, condor_records, entity, seller_records, small_day

from rulebot.adapters.ib.message_codes import broker_message
from rulebot.decide.entry_window import BotDay
from rulebot.model.cause import Cause
from rulebot.model.contract import Option, Right
from rulebot.model.order import Order, OrderStatus, OrderType, Purpose
from rulebot.model.position import Position, PositionLeg
from rulebot.model.session import EXCHANGE_ZONE
from rulebot.narrate.snapshot_of_store import snapshot_of_store
from rulebot.record.codec import decode
from rulebot.record.record import Kind, Record
from rulebot.store.dialect import SQLITE
from rulebot.store.journal import SqlJournal
from rulebot.store.place import Place
from rulebot.store.queries import StoreReader
from rulebot.store.registry import open_store
from rulebot.store.schema import PROJECTIONS
from rulebot.web.rest_mapping import greeks


def store_of(path: Place, records: Sequence[Record], pieces: int = 1) -> Place:
    journal = SqlJournal(open_store(path))
    for begin in range(0, len(records), pieces):
        journal.append(records[begin : begin + pieces], durable=True)
    journal.close()
    return path


def dump(path: Place) -> dict[str, list[dict[str, Any]]]:
    return {table.name: rows(path, f"SELECT * FROM {table.name} ORDER BY 1, 2") for table in PROJECTIONS}


@pytest.mark.parametrize("pieces", [1, 2, 3, 7, 1000])
def test_the_tables_follow_from_the_journal_alone(place: Place, pieces: int) -> None:
    path = store_of(place, small_day(), pieces)
    before = dump(path)
    assert all(before.values())
    journal = SqlJournal(open_store(path))
    journal.rebuild()
    journal.close()
    assert dump(path) == before


def test_a_position_whose_choice_of_strikes_is_made_again_before_it_takes_no_other_ones_place(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was found further on in the journal, and had the number of one that began with the same records."""
    first = put_seller()
    second = replace(first, id="P9")
    chosen = Record(at("10:00"), Kind.SELECTION, SELLER, "P9", {"legs": [], "reason": "", "spots": {}})
    path = store_of(place, [chosen, entity(Kind.POSITION, at("10:00"), first)])
    journal = SqlJournal(open_store(path))
    journal.append([entity(Kind.POSITION, at("10:01"), second)], durable=True)
    before = dump(path)
    assert [row["position"] for row in before["trade_rows"]] == [first.id, "P9"]
    monkeypatch.setattr("rulebot.store.projections._AT_ONCE", 2)
    journal.rebuild()
    journal.close()
    assert dump(path) == before


def test_a_condor_in_trades(day_place: Place) -> None:
    (trade,) = rows(day_place, f"SELECT * FROM trades WHERE strategy_id = '{CONDOR}'")
    legs = json.loads(trade.pop("legs"))
    wanted = {
        "trade_date": "2026-11-18", "symbol": "SPX", "strike": None, "expiration": "2026-11-18", "quantity": 1,
        "entry_price": 0.85, "entry_time": "2026-11-18 09:52:00", "exit_price": 0.40, "slippage": -0.05,
        "exit_time": "2026-11-18 13:07:00", "exit_reason": "TAKE_PROFIT", "exit_name": "target",
        "realized_pnl": 45.0, "commissions": 8.2, "final_pnl": 36.8, "entry_credit": 85.0, "exit_cost": 40.0,
        "entry_filled": 1, "status": "CLOSED", "spx_price": 6001.5, "spx_strike": None, "spy_price": None,
    }  # fmt: skip
    assert {name: trade[name] for name in wanted} == wanted
    assert [leg["name"] for leg in legs] == ["short_put", "long_put", "short_call", "long_call"]
    assert (legs[0]["strike"], legs[0]["entry_price"], legs[0]["bid"], legs[0]["ask"]) == (
        "5930",
        "0.6",
        "0.60",
        "0.70",
    )


def test_the_profit_formula_holds_in_every_row(day_place: Place) -> None:
    for trade in rows(day_place, "SELECT * FROM trades WHERE status = 'CLOSED'"):
        formula = (trade["entry_price"] - trade["exit_price"]) * trade["quantity"] * 100
        assert trade["realized_pnl"] == pytest.approx(formula)
        assert trade["final_pnl"] == pytest.approx(trade["realized_pnl"] - trade["commissions"])


def test_a_short_put_in_trades_and_its_bracket_in_orders(day_place: Place) -> None:
    (trade,) = rows(day_place, f"SELECT * FROM trades WHERE strategy_id = '{SELLER}'")
    assert (trade["strike"], trade["entry_price"], trade["status"]) == (547.0, 5.07, "OPEN")
    assert (trade["spy_strike"], trade["spy_price"], trade["realized_pnl"]) == (547.0, 599.93, None)
    orders = rows(day_place, f"SELECT * FROM orders WHERE strategy_id = '{SELLER}' ORDER BY id")
    assert [(o["bracket_type"], o["status"], o["parent_order_id"], o["action"]) for o in orders] == [
        ("PARENT", "FILLED", None, "SELL"),
        ("TAKE_PROFIT", "SUBMITTED", 103, "BUY"),
        ("STOP_LOSS", "SUBMITTED", 103, "BUY"),
    ]
    assert (orders[0]["algo_strategy"], orders[0]["algo_priority"]) == ("Adaptive", "normal")
    assert (orders[0]["ibkr_order_id"], orders[0]["ibkr_con_id"], orders[0]["fill_price"]) == (103, 547, 5.07)
    assert (orders[1]["limit_price"], orders[2]["stop_price"]) == (2.03, 15.21)


GROUP_FILLED = "202 Order Canceled - reason:OCA group member was filled"


def of_seller(purpose: Purpose) -> Order:
    """Return the last state of the put seller's order of this purpose."""
    data = [dict(each.data) for each in seller_records() if each.kind is Kind.ORDER]
    return [order for order in (decode(Order, each) for each in data) if order.purpose is purpose][-1]


@pytest.mark.parametrize(
    ("status", "cause", "received", "answer", "reported"),
    [
        (OrderStatus.CANCELLED, Cause.TRIES_USED_UP, "", "", "TIMEOUT"),
        (OrderStatus.CANCELLED, Cause.NEXT_TRY, "", "", "TIMEOUT"),
        (OrderStatus.CANCELLED, Cause.NEXT_TRY, "", "10148 OrderId 2 cannot be cancelled", "TIMEOUT"),
        (OrderStatus.CANCELLED, Cause.MARKET_FOLLOWS, "", "", "TIMEOUT"),
        (OrderStatus.CANCELLED, Cause.CONDITIONS_LOST, "", "", "WITHDRAWN"),
        (OrderStatus.CANCELLED, Cause.KILLED, "", "161 cannot be cancelled now", "WITHDRAWN"),
        (OrderStatus.CANCELLED, None, "202 Order Canceled - reason:no market is open", "", "BROKER"),
        (OrderStatus.CANCELLED, None, "", "", "BROKER"),
        (OrderStatus.REJECTED, None, "201 Order rejected - reason: no", "", "REJECTED"),
        (OrderStatus.RISK_REJECTED, None, "", "", "REJECTED"),
        (OrderStatus.LOST, None, "10147 OrderId 2 is not found.", "", "NOT_FOUND"),
        (OrderStatus.CANCELLING, Cause.TRIES_USED_UP, "", "", None),
        (OrderStatus.WORKING, None, "", "", None),
        (OrderStatus.FILLED, Cause.TRIES_USED_UP, "", "", None),
    ],
)
def test_an_order_that_is_over_says_in_one_word_why(
    place: Place, status: OrderStatus, cause: Cause | None, received: str, answer: str, reported: str | None
) -> None:
    """An attempt that was not filled in time is kept with the reason TIMEOUT (requirement A2)."""
    order = said_of(replace(of_seller(Purpose.ENTRY), status=status), cause, received, answer)
    path = store_of(place, [entity(Kind.ORDER, at("09:36"), order)])
    (found,) = rows(path, "SELECT cancel_reason, message FROM orders")
    assert found == {"cancel_reason": reported, "message": order.message}


def said_of(order: Order, cause: Cause | None, received: str = "", answer: str = "") -> Order:
    """Return the order with its cause and what the broker has said, as "CODE words"."""
    on_it, to_cancel = (
        broker_message(int(each.split()[0]), each.partition(" ")[2]) if each else None for each in (received, answer)
    )
    return replace(order, cause=cause, received=on_it, answer=to_cancel)


def test_an_order_whose_partner_has_filled_was_ended_by_its_group(place: Place) -> None:
    target, stop = of_seller(Purpose.TARGET), of_seller(Purpose.STOP)
    filled = replace(stop, status=OrderStatus.FILLED, leg_filled=(1,))
    gone = replace(target, status=OrderStatus.CANCELLED, cause=Cause.POSITION_CLOSED)
    path = store_of(place, [entity(Kind.ORDER, at("10:00"), each) for each in (filled, gone)])
    found = rows(path, "SELECT bracket_type, cancel_reason FROM orders ORDER BY id")
    assert [tuple(each.values()) for each in found] == [("TAKE_PROFIT", "OCA"), ("STOP_LOSS", None)]


@pytest.mark.parametrize(
    ("cause", "received", "answer", "reported"),
    [
        (Cause.EXIT_CLOSES, "", "", "WITHDRAWN"),
        (None, GROUP_FILLED, "", "OCA"),
        (Cause.EXIT_CLOSES, "", GROUP_FILLED, "OCA"),
        (Cause.EXIT_CLOSES, "", "202 Order Canceled - reason:", "WITHDRAWN"),
        (None, "202 Order Canceled - reason:the market is closed", "", "BROKER"),
    ],
)
def test_an_order_whose_partner_has_filled_in_part_was_ended_by_its_group_if_the_broker_says_so(
    place: Place, cause: Cause | None, received: str, answer: str, reported: str
) -> None:
    """OCA was told of a stop that the time exit took back hours after a part of the target had filled."""
    target, stop = (replace(of_seller(purpose), quantity=3) for purpose in (Purpose.TARGET, Purpose.STOP))
    begun = replace(target, status=OrderStatus.CANCELLED, leg_filled=(1,), cause=Cause.EXIT_CLOSES)
    gone = said_of(replace(stop, quantity=2, status=OrderStatus.CANCELLED), cause, received, answer)
    path = store_of(place, [entity(Kind.ORDER, at("15:00"), each) for each in (begun, gone)])
    found = rows(path, "SELECT bracket_type, cancel_reason FROM orders ORDER BY id")
    assert [tuple(each.values()) for each in found] == [("TAKE_PROFIT", "WITHDRAWN"), ("STOP_LOSS", reported)]


def test_open_positions_carry_the_latest_snapshot(day_place: Place) -> None:
    (held,) = rows(day_place, "SELECT * FROM open_positions")
    assert (held["current_bid"], held["current_ask"], held["current_mid"]) == (4.98, 5.02, 5.0)
    assert (held["snapshot_time"], held["unrealized_pnl"]) == ("2026-11-18 15:59:00", 7.0)
    (risk,) = rows(day_place, "SELECT * FROM risk_metrics")
    assert (risk["open_positions"], risk["undefined_risk"]) == (1, 0)
    assert (risk["total_delta"], risk["total_theta"]) == (2.0, 90.0)
    assert len(rows(day_place, "SELECT * FROM pending_orders")) == 2


def test_days_and_state(day_place: Place) -> None:
    assert rows(day_place, "SELECT * FROM daily_summary") == [
        {"id": 20261118, "date": "2026-11-18", "trades_count": 1, "winning_trades": 1, "losing_trades": 0,
         "total_pnl": 45.0, "total_commissions": 8.2, "net_pnl": 36.8, "max_drawdown": 0.0}
    ]  # fmt: skip
    assert rows(day_place, "SELECT * FROM system_state") == [
        {"id": 1, "last_updated": "2026-11-18 15:59:00", "is_trading": 1, "open_positions": 1, "daily_pnl": 36.8,
         "trades_today": 2, "errors_today": 1}
    ]  # fmt: skip
    skipped = rows(day_place, "SELECT skipped FROM bot_days WHERE strategy_id = 'calm_tape_condor'")
    assert skipped == [{"skipped": "its window is over"}]


def test_a_day_whose_entry_was_not_filled_says_why(place: Place) -> None:
    (entry,) = [
        decode(Order, dict(record.data))
        for record in seller_records()
        if record.kind is Kind.ORDER and record.data["purpose"] == "entry"
    ]
    cancelled = replace(entry, status=OrderStatus.CANCELLED, cause=Cause.TRIES_USED_UP)
    day = BotDay(bot=SELLER, date=DAY, entries=1)
    path = store_of(place, [entity(Kind.ORDER, at("09:36"), cancelled), entity(Kind.BOT_DAY, at("09:36"), day)])
    asked = f"SELECT skipped FROM bot_days WHERE strategy_id = '{SELLER}'"
    assert rows(path, asked) == [{"skipped": "not filled: its tries are used up"}]
    journal = SqlJournal(open_store(path))
    journal.append([entity(Kind.BOT_DAY, at("10:00"), replace(day, entries=2, opened=1))], durable=True)
    journal.close()
    assert rows(path, asked) == [{"skipped": ""}]


@pytest.mark.parametrize(
    ("asked", "is_trading"),
    [
        (["pause", "START"], 0),
        (["pause", "START", "resume"], 1),
        (["kill", "resume", "START"], 1),
        (["enter"], 1),
        (["stop"], 0),
        (["stop", "START"], 1),
    ],
)
def test_what_operators_ask_of_all_bots_holds_over_restarts(place: Place, asked: list[str], is_trading: int) -> None:
    """A run that began while all bots were paused passed for one that trades, and any other request for a pause."""
    started = small_day()[0]
    reported = [
        replace(started, at=at(f"10:0{n}"))
        if request == "START"
        else Record(at(f"10:0{n}"), Kind.OPERATOR, "", "", {"id": f"{n}", "request": request, "bot": ""})
        for n, request in enumerate(asked)
    ]
    path = store_of(place, [started, *reported])
    assert rows(path, "SELECT is_trading FROM system_state") == [{"is_trading": is_trading}]


def test_fills_with_their_commission_and_a_correction(place: Place) -> None:
    data = {"exec_id": "0000.5.01.01", "ref": "r", "leg": "a", "is_buy": True, "quantity": "1", "price": "1.05"}
    fill = Record(at("10:00"), Kind.FILL, CONDOR, "P1", {**data, "executed_at": at("09:59").isoformat()})
    fee = Record(at("10:00"), Kind.COMMISSION, CONDOR, "P1", {"exec_id": "0000.5.01.01", "amount": "1.0249999999"})
    corrected = replace(fill, data={**fill.data, "exec_id": "0000.5.01.02", "price": "1.10"})
    path = store_of(place, [fill, fee, corrected])
    (found,) = rows(path, "SELECT exec_id, price, commission, executed_at, action FROM fills")
    assert found == {
        "exec_id": "0000.5.01.02", "price": 1.10, "commission": 1.025, "executed_at": "2026-11-18 09:59:00",
        "action": "BUY",
    }  # fmt: skip


def test_an_estimate_that_was_reported_after_all_is_counted_once(place: Place) -> None:
    data = {"exec_id": "unseen:r:a.01", "ref": "r", "leg": "a", "is_buy": True, "quantity": 1, "price": "1.05"}
    guess = Record(at("10:00"), Kind.FILL, CONDOR, "P1", data)
    taken_back = replace(guess, data={**data, "exec_id": "unseen:r:a.02", "quantity": 0})
    reported = replace(guess, data={**data, "exec_id": "0000.5.01.01"})
    path = store_of(place, [guess, taken_back, reported])
    assert rows(path, "SELECT sum(quantity) AS contracts FROM fills") == [{"contracts": 1}]


def put_seller(**changes: Any) -> Position:
    (data,) = [record.data for record in seller_records() if record.kind is Kind.POSITION]
    return replace(decode(Position, dict(data)), **changes)


def closed_put(cash: str, reason: str = "", settled: int = 0) -> Position:
    held = put_seller()
    leg = replace(held.legs[0], closed=1, settled=settled, exit_cash=Decimal(cash))
    return replace(held, state="closed", closed_at=at("15:00"), legs=(leg,), exit_reason=reason)


@pytest.mark.parametrize(
    ("position", "settled", "reason"),
    [
        (closed_put("-203", "target"), "", "TAKE_PROFIT"),
        (closed_put("-1521", "stop"), "", "STOP_LOSS"),
        (closed_put("-400", "time"), "", "TIME"),
        (closed_put("-400", "leg_delta"), "", "LEG_DELTA"),
        (closed_put("-400", "flattened"), "", "MANUAL"),
        (closed_put("0", "closed_by_hand", settled=1), "worthless", "MANUAL"),
        (closed_put("-400", "kill"), "", "KILL"),
        (closed_put("0", settled=1), "worthless", "EXPIRED_WORTHLESS"),
        (closed_put("-900", settled=1), "assigned", "ASSIGNED"),
        (closed_put("-900", settled=1), "cash", "CASH_SETTLED"),
    ],
)
def test_the_word_for_how_a_trade_ended(place: Place, position: Position, settled: str, reason: str) -> None:
    records = [entity(Kind.POSITION, at("15:00"), position)]
    if settled:
        data = {"position": "P2", "leg": "short_put", "quantity": 1, "price": "0", "how": settled}
        records.append(Record(at("16:00"), Kind.SETTLEMENT, SELLER, "P2", data))
    path = store_of(place, records)
    (trade,) = rows(path, "SELECT * FROM trades")
    assert (trade["exit_reason"], trade["status"]) == (reason, "CLOSED")
    assert trade["exit_price"] == -float(position.legs[0].exit_cash) / 100


def test_the_rest_of_a_trade_that_settles_in_cash_is_named_as_all_of_one(place: Place) -> None:
    """It was SETTLED once an exit had closed a part before."""
    part = closed_put("-900", "settled")
    leg = replace(part.legs[0], opened=2, closed=2, settled=1)
    data = {"position": "P2", "leg": "short_put", "quantity": 1, "price": "4.50", "how": "cash"}
    settled = Record(at("16:00"), Kind.SETTLEMENT, SELLER, "P2", data)
    path = store_of(place, [entity(Kind.POSITION, at("16:00"), replace(part, legs=(leg,), quantity=2)), settled])
    (trade,) = rows(path, "SELECT * FROM trades")
    assert trade["exit_reason"] == "CASH_SETTLED"


def test_a_leg_left_to_expire_does_not_hide_the_exit(place: Place) -> None:
    (data,) = [r.data for r in condor_records() if r.kind is Kind.POSITION and r.data["state"] == "closed"]
    position = decode(Position, dict(data))
    legs = (*position.legs[:3], replace(position.legs[3], settled=1))
    worthless = Record(
        at("16:00"),
        Kind.SETTLEMENT,
        CONDOR,
        "P1",
        {"leg": "long_call", "quantity": 1, "price": "0", "how": "worthless"},
    )
    path = store_of(place, [worthless, entity(Kind.POSITION, at("16:00"), replace(position, legs=legs))])
    assert rows(path, "SELECT exit_reason FROM trades") == [{"exit_reason": "TAKE_PROFIT"}]


def test_sides_closed_one_by_one_are_expected_at_what_each_was_then(place: Place) -> None:
    records = []
    for record in condor_records():
        if record.kind is Kind.POSITION and record.data.get("exit_mid"):
            record = replace(record, data={**record.data, "exit_mid": "-0.30"})
        order = decode(Order, dict(record.data)) if record.kind is Kind.ORDER else None
        if order is None or order.purpose is Purpose.ENTRY:
            records.append(record)
            continue
        for ref, place_of, mid in (("rb-2", slice(0, 2), "0.30"), ("rb-3", slice(2, 4), "0.15")):
            side = replace(order, ref=ref, number=int(ref[-1]), reason=ref, legs=order.legs[place_of], mid=Decimal(mid))
            records.append(entity(Kind.ORDER, record.at, replace(side, leg_filled=order.leg_filled[place_of])))
    (trade,) = rows(store_of(place, records), "SELECT expected_exit_price, slippage FROM trades")
    assert (trade["expected_exit_price"], trade["slippage"]) == (0.45, -0.05), "not that of the first side alone"


def test_a_protective_stop_is_expected_at_its_own_price(place: Place) -> None:
    records = []
    for record in condor_records():
        order = decode(Order, dict(record.data)) if record.kind is Kind.ORDER else None
        if order is None or order.purpose is Purpose.ENTRY:
            records.append(record)
            continue
        stop = replace(order, ref="rb-2", number=2, purpose=Purpose.PROTECT, kind=OrderType.STOP, legs=order.legs[:1])
        stop = replace(stop, limit_price=None, stop_price=Decimal("1.60"), mid=None, leg_filled=order.leg_filled[:1])
        rest = replace(order, ref="rb-3", number=3, legs=order.legs[1:], leg_filled=order.leg_filled[1:])
        records += [entity(Kind.ORDER, record.at, each) for each in (stop, replace(rest, mid=Decimal("-1.25")))]
    (trade,) = rows(store_of(place, records), "SELECT expected_exit_price, slippage FROM trades")
    assert (trade["expected_exit_price"], trade["slippage"]) == (0.35, 0.05)


@pytest.mark.parametrize(("parted", "expected"), [((), 0.30), (("short_put", "long_put"), None)])
def test_a_roll_of_one_side_says_nothing_of_what_others_closed_of_the_other(
    parted: tuple[str, ...], expected: float | None, place: Place
) -> None:
    records = []
    for record in condor_records():
        if record.kind is Kind.POSITION and record.data.get("exit_mid"):
            record = replace(record, data={**record.data, "exit_mid": "-0.30", "separately_closed_legs": list(parted)})
        if record.kind is Kind.ORDER and record.data["purpose"] != Purpose.ENTRY.value:
            record = replace(record, data={**record.data, "purpose": Purpose.ROLL.value})
        records.append(record)
    (trade,) = rows(store_of(place, records), "SELECT expected_exit_price FROM trades")
    assert trade["expected_exit_price"] == expected


def test_a_second_try_is_expected_at_what_the_first_was(place: Place) -> None:
    records = condor_records()
    first, last = [r for r in records if r.kind is Kind.ORDER and r.data["ref"] == "rb-2"]
    priced, filled = (decode(Order, dict(record.data)) for record in (first, last))
    gone = replace(priced, ref="rb-1b", number=2, status=OrderStatus.CANCELLED, mid=Decimal("0.40"))
    records = [entity(Kind.ORDER, first.at, gone), *records]
    last = entity(Kind.ORDER, last.at, replace(filled, number=3, attempt=2))
    (trade,) = rows(store_of(place, [*records, last]), "SELECT expected_exit_price, slippage FROM trades")
    assert (trade["expected_exit_price"], trade["slippage"]) == (0.40, 0.0)


def test_only_a_change_that_shows_is_projected_and_rows_stay_right(place: Place) -> None:
    waiting = [put_seller(retry_at=at("10:00") + timedelta(seconds=second), attempts=second) for second in range(5)]
    records = [entity(Kind.POSITION, at("10:00"), position) for position in waiting]
    path = store_of(place, [*records, entity(Kind.POSITION, at("10:01"), closed_put("-203", "target"))])
    assert rows(path, "SELECT status, exit_reason FROM trades") == [{"status": "CLOSED", "exit_reason": "TAKE_PROFIT"}]
    before = dump(path)
    journal = SqlJournal(open_store(path))
    journal.rebuild()
    journal.close()
    assert dump(path) == before


def test_positions_that_are_closed_are_remembered_no_more(tmp_path: Path) -> None:
    """The last value of each stayed for as long as the run."""
    journal, closed = SqlJournal(open_store(tmp_path / "a.db")), condor_records()
    remembered = []
    for records in (seller_records(), closed, [each for each in closed if each.kind is Kind.POSITION]):
        journal.append(records, durable=True)
        remembered.append([*journal._projector._positions])
    journal.close()
    (held,) = {record.position for record in seller_records() if record.kind is Kind.POSITION}
    assert remembered == [[held]] * 3


def test_what_is_recorded_of_a_position_is_found_by_it_and_not_among_all_records_of_a_kind(tmp_path: Path) -> None:
    """Each fill of a store of years read through the decisions of all positions."""
    asked: dict[str, Sequence[Any]] = {}

    def note(_: Any, __: Any, statement: str, parameters: Sequence[Any], *___: Any) -> None:
        if "journal.position = " in statement or "journal.position IN " in statement:
            asked[statement] = parameters

    event.listen(Engine, "before_cursor_execute", note)
    try:
        path = store_of(tmp_path / "x.db", small_day(), pieces=3)
        with StoreReader(path) as reader:
            reader.last_record(Kind.POSITION, CONDOR)
            reader.rolls(CONDOR)
            reader.on_hold()
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert len(asked) >= 5
    with closing(sqlite3.connect(path)) as connection:
        for statement, parameters in asked.items():
            plan = [str(row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]
            assert any("journal_position" in line for line in plan), f"{statement}: {plan}"


def test_an_order_sent_without_a_contract_id_learns_it_from_its_fill(place: Place) -> None:
    (data,) = [r.data for r in seller_records() if r.kind is Kind.ORDER and r.data["purpose"] == "entry"]
    order = decode(Order, dict(data))
    leg = replace(order.legs[0], option=replace(order.legs[0].option, con_id=0))
    fill = Record(at("09:32"), Kind.FILL, SELLER, "P2", {
        "exec_id": "e", "ref": order.ref, "leg": "short_put", "con_id": 77, "is_buy": False, "quantity": 1,
        "price": "5.07", "executed_at": at("09:32").isoformat(),
    })  # fmt: skip
    path = store_of(place, [entity(Kind.ORDER, at("09:31"), replace(order, legs=(leg,))), fill])
    (found,) = rows(path, "SELECT ibkr_con_id, fill_time FROM orders")
    assert found == {"ibkr_con_id": 77, "fill_time": "2026-11-18 09:32:00"}


def test_an_exit_named_by_its_author_is_known_by_its_kind(place: Place) -> None:
    decision = Record(at("15:00"), Kind.DECISION, SELLER, "P2", {"what": "exit", "reason": "quick", "kind": "target"})
    path = store_of(place, [entity(Kind.POSITION, at("15:00"), closed_put("-203", "quick")), decision])
    (trade,) = rows(path, "SELECT exit_reason, exit_name FROM trades")
    assert trade == {"exit_reason": "TAKE_PROFIT", "exit_name": "quick"}


def test_a_position_that_never_opened_is_no_trade(place: Place) -> None:
    held = put_seller()
    empty = replace(held.legs[0], opened=0, entry_cash=Decimal(0), commissions=Decimal(0))
    waiting = replace(held, state="entering", legs=(empty,), opened_at=None)
    path = store_of(place, [entity(Kind.POSITION, at("09:31"), waiting)])
    assert rows(path, "SELECT status FROM trades") == [{"status": "PENDING"}]
    store_of(path, [entity(Kind.POSITION, at("09:36"), replace(waiting, state="closed"))])
    assert rows(path, "SELECT status FROM trades") == []


def test_what_vanished_while_held_is_an_error(place: Place) -> None:
    path = store_of(place, [entity(Kind.POSITION, at("09:31"), put_seller(state="closed"))])
    assert rows(path, "SELECT status FROM trades") == [{"status": "ERROR"}]


def test_two_underlyings_fill_the_columns_of_both(place: Place) -> None:
    spx = Option("SPX", "SPXW", DAY, Decimal(6000), Right.CALL)
    spy = Option("SPY", "SPY", DAY, Decimal(600), Right.CALL)
    legs = (
        PositionLeg(name="long_spx", option=spx, sign=1, ratio=1, opened=1, closed=1, entry_cash=Decimal(-2500),
                    exit_cash=Decimal(2000)),
        PositionLeg(name="short_spy", option=spy, sign=-1, ratio=10, opened=10, closed=10, entry_cash=Decimal(2950),
                    exit_cash=Decimal(-2100)),
    )  # fmt: skip
    position = Position(
        id="P7", bot="spx_spy_parity", digest="d", state="closed", session=DAY, quantity=1, legs=legs,
        opened_at=at("09:35"), closed_at=at("15:45"), spot=Decimal("6001.5"), exit_reason="time",
    )  # fmt: skip
    candidates = [{"strike": "595", "bid": 7.1}, {"strike": "600", "bid": 2.95, "ask": 2.96, "delta": 0.5}]
    chosen = {"legs": [{"name": "short_spy", "candidates": candidates}], "spots": {"SPX": 6001.5, "SPY": "600.12"}}
    selection = Record(at("09:35"), Kind.SELECTION, "spx_spy_parity", "P7", chosen)
    path = store_of(place, [selection, entity(Kind.POSITION, at("15:45"), position)])
    (trade,) = rows(path, "SELECT * FROM trades")
    wanted = {
        "symbol": "SPX/SPY", "spx_price": 6001.5, "spy_price": 600.12, "spx_strike": 6000.0, "spy_strike": 600.0,
        "spy_entry_bid": 2.95, "spy_entry_ask": 2.96, "spx_entry_bid": None, "entry_credit": 450.0,
        "spx_exit_price": 20.0, "spy_exit_price": 2.1, "exit_cost": 100.0, "realized_pnl": 350.0, "exit_reason": "TIME",
    }  # fmt: skip
    assert {name: trade[name] for name in wanted} == wanted


def test_drawdown_and_win_rate(place: Place) -> None:
    records = []
    for number, cash in enumerate(("-407", "-807", "-607", "-107")):
        position = closed_put(cash)
        closed_at = at("15:00") + timedelta(minutes=number)
        leg = replace(position.legs[0], commissions=Decimal(0))
        position = replace(position, id=f"P{number}", closed_at=closed_at, legs=(leg,))
        records.append(entity(Kind.POSITION, closed_at, position))
    path = store_of(place, records)
    with StoreReader(path) as reader:
        (found,) = reader.view("strategy_summary", strategy_id=SELLER)
    wanted = {"total_trades": 4, "wins": 2, "losses": 2, "win_rate": 0.5, "net_pnl": 100.0, "avg_pnl": 25.0,
              "max_win": 400.0, "max_loss": -300.0, "max_drawdown": 400.0}  # fmt: skip
    assert {name: found[name] for name in wanted} == wanted
    assert rows(path, "SELECT max_drawdown FROM daily_summary") == [{"max_drawdown": 400.0}]


@pytest.mark.parametrize("year", range(2024, 2031))
def test_new_york_time_in_sql_is_that_of_the_zone_database(year: int) -> None:
    instants = [datetime(year, 1, 1, tzinfo=UTC) + timedelta(hours=hour) for hour in range(0, 8760, 1)]
    texts = [(f"{instant:%Y-%m-%dT%H:%M:%S}.000000Z",) for instant in instants]
    with sqlite3.connect(":memory:") as connection:
        connection.execute("CREATE TABLE t (at TEXT)")
        connection.executemany("INSERT INTO t VALUES (?)", texts)
        found = [row[0] for row in connection.execute(f"SELECT {SQLITE.new_york('at')} FROM t ORDER BY at")]
    assert found == [f"{instant.astimezone(EXCHANGE_ZONE):%Y-%m-%d %H:%M:%S}" for instant in instants]


def test_asked_columns_are_there(day_place: Place) -> None:
    asked = {
        "trades": "strategy_id trade_date symbol strike expiration quantity entry_price entry_time exit_price "
        "exit_time exit_reason realized_pnl slippage status id spy_price spx_price spy_strike spx_strike spy_entry_bid "
        "spy_entry_ask spx_entry_bid spx_entry_ask entry_credit entry_filled spy_exit_price spx_exit_price exit_cost "
        "final_pnl commissions legs",
        "orders": "ibkr_order_id ibkr_perm_id ibkr_con_id parent_order_id action bracket_type status fill_price "
        "fill_time quantity algo_strategy algo_priority cancel_reason",
        "position_snapshots": "current_bid current_ask current_mid underlying_price delta gamma theta vega iv "
        "unrealized_pnl",
        "daily_summary": "id date trades_count winning_trades losing_trades total_pnl total_commissions net_pnl "
        "max_drawdown",
        "system_state": "id last_updated is_trading open_positions daily_pnl trades_today errors_today",
    }
    for view, columns in asked.items():
        (row,) = rows(day_place, f"SELECT * FROM {view} LIMIT 1")
        assert set(columns.split()) <= row.keys()


def half_closed(name: str, *, filled: int, left: tuple[int, int, int, int]) -> list[Record]:
    """Return a condor of which so many structures filled, and so many contracts of each leg are still open."""
    (data,) = [r.data for r in condor_records() if r.kind is Kind.POSITION and r.data["state"] == "open"]
    whole = decode(Position, dict(data))
    legs = tuple(
        replace(leg, opened=filled, closed=filled - open_now, entry_cash=filled * leg.entry_cash)
        for leg, open_now in zip(whole.legs, left, strict=True)
    )
    held = replace(whole, id=name, quantity=3, legs=legs)
    greeks: dict[str, Any] = {"delta": 0.01, "gamma": -0.002, "theta": 0.5, "vega": -0.3, "iv": 0.2, "spot": 6000}
    mark = {"bid": "-0.80", "ask": "-0.70", "mid": "-0.75", "profit": "10.00", **greeks}
    return [entity(Kind.POSITION, at("10:00"), held), Record(at("10:01"), Kind.MARK, CONDOR, name, mark)]


@pytest.mark.parametrize(
    ("filled", "left", "structures", "loss"),
    [
        (3, (3, 3, 3, 3), 3, 3000 - 255 + 12 * 1.63),
        (3, (1, 1, 1, 1), 1, 1000 - 255 + 4 * 1.63),
        (2, (2, 2, 0, 0), 2, 2000 - 170 + 4 * 1.63),
        (2, (0, 0, 1, 1), 1, 1000 - 170 + 2 * 1.63),
        (3, (3, 1, 0, 0), 3, 1000 + 2 * 593_000 - 255 + 4 * 1.63),
    ],
    ids=["all filled", "two of three closed", "two of three filled and a side closed", "half a side", "uneven"],
)
def test_risk_is_of_what_is_still_open(
    place: Place, filled: int, left: tuple[int, int, int, int], structures: int, loss: float
) -> None:
    """With what the closed parts brought, here all of the credit, and commissions: 4.10 paid, 1.63 of each to come."""
    path = store_of(place, half_closed("P7", filled=filled, left=left))
    (risk,) = rows(path, "SELECT * FROM risk_metrics")
    assert risk["max_loss"] == pytest.approx(loss + 4.10)
    totals = {name: risk[f"total_{name}"] / structures for name in ("delta", "gamma", "theta", "vega")}
    assert totals == pytest.approx({"delta": 1, "gamma": -0.2, "theta": 50, "vega": -30})
    with StoreReader(path) as reader:
        picture = snapshot_of_store(reader)
        (line,) = picture.positions
        assert line.greeks["theta"] == pytest.approx(50 * structures)
        assert greeks(reader, picture).total["theta"] == pytest.approx(risk["total_theta"])


def test_greeks_of_several_underlyings_add_up_in_dollars_alone(place: Place) -> None:
    """Deltas of SPX and of SPY were added, though a share of the one weighs ten times as much."""
    records = half_closed("P7", filled=2, left=(2, 2, 2, 2))
    pair = half_closed("P8", filled=1, left=(1, 1, 1, 1))
    mark = next(each for each in reversed(pair) if each.kind is Kind.MARK)
    greek: dict[str, Any] = {"gamma": 0.001, "theta": -1.0, "vega": 0.5}
    parts: list[dict[str, Any]] = [
        {"symbol": "SPX", "spot": 6000.0, "delta": 0.5, **greek},
        {"symbol": "SPY", "spot": 600.0, "delta": -5.0, **greek},
    ]
    reported = replace(mark, data={**mark.data, "delta": None, "gamma": None, "by_symbol": parts, "at_stop": "-150.00"})
    path = store_of(place, [*records, *(reported if each is mark else each for each in pair)])
    spx, spy = rows(path, "SELECT * FROM underlying_risk ORDER BY symbol")
    (own,) = rows(path, "SELECT delta, underlying_price FROM open_positions WHERE position = 'P7'")
    assert (spx["symbol"], spy["symbol"]) == ("SPX", "SPY")
    assert spx["total_delta"] == pytest.approx(own["delta"] * 200 + 50)
    assert (spy["total_delta"], spy["dollar_delta"]) == (pytest.approx(-500), pytest.approx(-500 * 600))
    assert spy["dollar_gamma"] == pytest.approx(0.1 * 600**2 / 100)
    (risk,) = rows(path, "SELECT * FROM risk_metrics")
    assert (risk["total_delta"], risk["total_gamma"]) == (None, None)
    assert (risk["max_loss_at_stops"], risk["without_stop"]) == (150.0, 1)
    assert risk["dollar_delta"] == pytest.approx(spx["dollar_delta"] + spy["dollar_delta"])


def test_risk_adds_up_several_structures(place: Place) -> None:
    records = [*half_closed("P7", filled=3, left=(1, 1, 1, 1)), *half_closed("P8", filled=2, left=(2, 2, 0, 0))]
    (risk,) = rows(store_of(place, records), "SELECT * FROM risk_metrics")
    assert (risk["open_positions"], risk["max_loss"]) == (
        2,
        pytest.approx(1000 - 255 + 2000 - 170 + 8 * 1.63 + 2 * 4.10),
    )
    assert (risk["total_delta"], risk["unrealized_pnl"]) == (pytest.approx(3), 20)
