"""`rulebot store correct` of a trade before expiry that nobody told: its option is booked as ended with it."""

import csv
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner
from hand_desk import DAY, SELLER, Desk, kept, text_of

from rulebot.alerts.find import find_alerts
from rulebot.checks.journal.audit import audit_store
from rulebot.cli.store import store as command
from rulebot.model.contract import Underlying
from rulebot.model.errors import MisuseError
from rulebot.model.event import MarketDataUpdated
from rulebot.model.money import ZERO
from rulebot.model.order import Order, Purpose
from rulebot.model.position import Position
from rulebot.model.session import session_after, session_from
from rulebot.model.values import replace
from rulebot.record.codec import decode, encode
from rulebot.record.record import Kind, Record
from rulebot.shadow.broker import delivered_shares
from rulebot.statement.correct_fill import correct, find_ending, traded
from rulebot.store.export import export_sheets
from rulebot.store.finance import positions_of
from rulebot.store.journal import SqlJournal
from rulebot.store.queries import StoreReader
from rulebot.store.registry import open_store

AT = datetime(2026, 11, 20, 14, tzinfo=UTC)
LEGS = "\n  expiry: {dte: 0}\n  short_put: {sell: put, strike: {delta: 0.15}}\n"
RESTS = "\n  - target: {profit: 60%}\n    resting: true\n  - at_expiry: settle\n"


def slept(desk: Desk, close: float = 600.0) -> Desk:
    """Let the engine be away from now on, and find in the morning that its options are gone."""
    desk.unlink()
    desk.day = session_after(desk.day).date
    desk.now = session_after(desk.now.date()).open - timedelta(minutes=30)
    desk.freshen()
    desk.send(MarketDataUpdated(desk.now, ()))
    desk.link([], {})
    desk.confirm_gone()
    desk.board.previous_close[desk.board.rows[Underlying("SPY")]] = close
    desk.until("09:31", step=5)
    assert (desk.position.state, desk.position.exit_reason) == (
        "closed",
        "expired_worthless" if close == 600.0 else "assigned",
    )
    return desk


def seller(quantity: int = 1, close: float = 600.0) -> Desk:
    """Return a day on which a put with its target at the broker was sold, and was held to its end for all we know."""
    text = text_of("seller", **{**SELLER, "legs": LEGS, "exits": RESTS, "quantity": str(quantity)})
    desk = Desk((text,), at="10:00")
    desk.opened("10:01")
    for order in desk.live:
        desk.ack(order)
    return slept(desk, close)


def target_of(desk: Desk) -> Order:
    return next(order for order in desk.state.orders.by_ref.values() if order.purpose is Purpose.TARGET)


def last(store: Path) -> Position:
    journal = SqlJournal(open_store(store))
    try:
        return decode(Position, dict(journal.read((Kind.POSITION,))[-1].data))
    finally:
        journal.close()


def exported(store: Path, folder: Path) -> dict[str, list[dict[str, str]]]:
    list(export_sheets(store, folder, ("trades", "daily_summary", "fills"), "csv"))
    return {path.stem: list(csv.DictReader(path.open(newline=""))) for path in folder.glob("*.csv")}


def total(rows: list[dict[str, str]], column: str) -> Decimal:
    return sum((Decimal(row[column] or 0) for row in rows), ZERO)


def assert_agrees(store: Path, sheets: dict[str, list[dict[str, str]]]) -> None:
    """The sums of docs/export.md, and every invariant."""
    (trade,) = sheets["trades"]
    assert total(sheets["executions"], "proceeds") + total(sheets["settlements"], "cash") == Decimal(
        trade["realized_pnl"]
    )
    assert total(sheets["tax_lots"], "gain") == Decimal(trade["final_pnl"]) == total(sheets["daily_summary"], "net_pnl")
    assert [evaluation.says for evaluation in audit_store(store) if not evaluation.holds] == []


def test_a_target_that_had_filled_takes_the_place_of_the_expiry(tmp_path: Path) -> None:
    desk = seller()
    order, store = target_of(desk), kept(desk, tmp_path)
    before = last(store)
    said = correct(store, order.ref, Decimal("0.05"), commission=Decimal("0.65"), at=AT)
    assert said == f"{order.ref} short_put: 1 at 0.05 on {DAY} instead of expired, commission 0.65"
    after = last(store)
    assert (after.state, after.exit_reason, after.closed_at) == (
        "closed",
        "target",
        datetime(2026, 11, 18, 21, tzinfo=UTC),
    )
    assert after.net == before.net - 5 - Decimal("0.65")
    sheets = exported(store, tmp_path / "out")
    assert sheets["settlements"] == []
    assert [(row["open_close"], row["price"], row["estimate"]) for row in sheets["executions"]][1:] == [
        ("C", "0.05", "yes")
    ]
    assert [(lot["ended"], lot["closed"], lot["close_exec_id"]) for lot in sheets["tax_lots"]] == [
        ("closed", str(DAY), f"unseen:{order.ref}:short_put.02")
    ]
    assert [row["exit_reason"] for row in sheets["trades"]] == ["TAKE_PROFIT"]
    assert_agrees(store, sheets)


def test_what_was_not_assigned_brings_no_shares(tmp_path: Path) -> None:
    desk = seller(close=500.0)
    order, store = target_of(desk), kept(desk, tmp_path)
    head = len(desk.records)
    assert [row["how"] for row in exported(store, tmp_path / "before")["settlements"]] == ["assigned"]
    said = correct(store, order.ref, Decimal("0.05"), at=AT)
    assert said.endswith("instead of assigned")
    sheets = exported(store, tmp_path / "out")
    assert (sheets["settlements"], sheets["trades"][0]["exit_reason"]) == ([], "TAKE_PROFIT")
    assert_agrees(store, sheets)
    journal = SqlJournal(open_store(store))
    settled, held = journal.read((Kind.SETTLEMENT,)), journal.read((Kind.POSITION,))
    journal.close()
    assert delivered_shares(settled[:1], positions_of(held)) == {"SPY": 100}
    assert delivered_shares(settled, positions_of(held)) == {}
    with StoreReader(store) as reader:
        reported = [each.text for each in find_alerts(reader, head, AT).alerts]
    assert not [text for text in reported if "assigned" in text]


def test_what_has_moved_shares_of_its_position_is_refused(tmp_path: Path) -> None:
    desk = seller()
    data = {"leg": "short_put", "quantity": 100, "price": "600", "level": None, "how": "delivered"}
    desk.records.append(Record(desk.now, Kind.SETTLEMENT, "seller", desk.position.id, data))
    with pytest.raises(MisuseError, match="has ended in shares that its legs gave or took"):
        find_ending(desk.records, target_of(desk).ref, "")


def test_an_order_that_was_never_sent_or_has_filled_has_traded_no_more(tmp_path: Path) -> None:
    desk = seller(2)
    order, store = target_of(desk), kept(desk, tmp_path)
    never = replace(order, ref="rb:abc123:000099", sent_at=None)
    encoded = encode(never)
    assert isinstance(encoded, dict)
    desk.records.append(Record(desk.now, Kind.ORDER, "seller", desk.position.id, encoded))
    with pytest.raises(MisuseError, match="was never sent, or has filled"):
        find_ending(desk.records, never.ref, "")
    correct(store, order.ref, Decimal("0.05"), contracts=1, at=AT)
    correct(store, desk.position.id, Decimal("9.00"), at=AT)
    assert [(leg.closed, leg.settled) for leg in last(store).legs] == [(2, 0)]
    assert_agrees(store, exported(store, tmp_path / "out"))


def test_its_price_and_commission_are_corrected_once_more_on_a_later_day(tmp_path: Path) -> None:
    desk = seller()
    order, store = target_of(desk), kept(desk, tmp_path)
    before = last(store)
    correct(store, order.ref, Decimal("0.50"), at=AT)
    said = correct(store, order.ref, Decimal("0.05"), commission=Decimal("0.65"), at=AT + timedelta(days=3))
    assert "at 0.05 instead of 0.50" in said
    assert last(store).net == before.net - 5 - Decimal("0.65")
    assert_agrees(store, exported(store, tmp_path / "out"))


def test_what_others_had_closed_is_reported_by_its_position(tmp_path: Path) -> None:
    desk = seller()
    store = kept(desk, tmp_path)
    correct(store, desk.position.id, Decimal("0.07"), at=AT)
    assert last(store).exit_reason == "closed_by_hand"
    sheets = exported(store, tmp_path / "out")
    assert [row["purpose"] for row in sheets["fills"]] == ["entry", "by_others"]
    assert_agrees(store, sheets)


def test_no_name_means_no_fill(tmp_path: Path) -> None:
    """An empty variable of a shell put another price on whichever fill was the only one."""
    desk = seller()
    store = kept(desk, tmp_path)
    correct(store, desk.position.id, Decimal("0.07"), at=AT)
    with pytest.raises(MisuseError, match="no fill of '' was taken up") as raised:
        correct(store, "", Decimal("7.77"), at=AT)
    assert raised.value.help == f"fills that happened without a report: {desk.position.id}"


def test_what_would_be_recorded_is_said_before(tmp_path: Path) -> None:
    desk = seller(quantity=2)
    store = kept(desk, tmp_path)
    what = ("--contracts", "1", "--commission", "0.65")
    asked = ["correct", target_of(desk).ref, "0.05", *what, "--store", str(store)]
    before = last(store)
    runner = CliRunner()
    would = runner.invoke(command, [*asked, "--dry-run"], standalone_mode=False, catch_exceptions=False).output
    assert last(store) == before
    said = runner.invoke(command, asked, standalone_mode=False, catch_exceptions=False).output
    assert would == f"would record {said}"
    assert f": 1 at 0.05 on {DAY} instead of expired, commission 0.65" in said
    assert last(store) != before


def test_a_part_leaves_the_rest_as_it_ended(tmp_path: Path) -> None:
    desk = seller(3)
    order, store = target_of(desk), kept(desk, tmp_path)
    correct(store, order.ref, Decimal("0.05"), contracts=1, at=AT)
    sheets = exported(store, tmp_path / "out")
    assert [(row["how"], row["quantity"]) for row in sheets["settlements"]] == [("expired", "2")]
    assert [(lot["ended"], lot["quantity"]) for lot in sheets["tax_lots"]] == [("closed", "1"), ("expired", "2")]
    assert_agrees(store, sheets)
    with pytest.raises(MisuseError, match="is booked: of that its price"):
        correct(store, order.ref, Decimal("0.05"), contracts=2, at=AT)


def test_a_part_that_others_had_closed_before_keeps_its_price(tmp_path: Path) -> None:
    """The trade in the place of the rest's expiry was booked as another price of that part."""
    desk = seller(3)
    store, name = kept(desk, tmp_path), desk.position.id
    correct(store, name, Decimal("0.07"), contracts=1, at=AT)
    (part,) = [fill for fill in exported(store, tmp_path / "one")["executions"] if fill["open_close"] == "C"]
    before = last(store)
    with pytest.raises(MisuseError, match=r"a part of short_put of .* was closed before the rest of it") as raised:
        correct(store, name, Decimal("0.05"), at=AT)
    assert part["exec_id"] in raised.value.help
    said = correct(store, name, Decimal("0.05"), contracts=1, at=AT)
    assert said == f"{name} short_put: 1 at 0.05 on {DAY} instead of expired"
    assert last(store).net == before.net - 5
    assert [(leg.closed, leg.settled) for leg in last(store).legs] == [(3, 1)]
    said = correct(store, part["exec_id"], Decimal("0.09"), at=AT)
    assert said == f"{name} short_put: 1 at 0.09 instead of 0.07"
    assert last(store).net == before.net - 5 - 2
    said = correct(store, part["exec_id"], Decimal("0.08"), at=AT)
    assert said == f"{name} short_put: 1 at 0.08 instead of 0.09", "by the id that it had when it was told of"
    assert last(store).net == before.net - 5 - 1
    assert_agrees(store, exported(store, tmp_path / "all"))


@pytest.mark.parametrize("of_order", [False, True])
def test_what_has_settled_in_cash_is_cancelled_at_its_price(tmp_path: Path, of_order: bool) -> None:
    """of_order: an exit that the broker has cancelled at the close is said to have filled; else somebody has traded."""
    exits = '\n  - time: "15:59"\n  - at_expiry: settle\n' if of_order else "\n  - at_expiry: settle\n"
    desk = Desk((text_of(exits=exits),))
    desk.opened()
    desk.until("15:59")
    if of_order:
        desk.ack(desk.last)
        desk.cancelled(desk.last)
    desk.until("16:00:30", step=60)
    for leg in desk.position.legs:
        desk.holds(leg.option, 0)
    assert desk.position.state == "closed"
    settled = {str(each.data["leg"]): Decimal(str(each.data["price"])) for each in desk.said(Kind.SETTLEMENT)}
    store = kept(desk, tmp_path)
    name = desk.last.ref if of_order else desk.position.id
    with pytest.raises(MisuseError, match=f"which leg of {name} is meant is not clear") as raised:
        correct(store, name, Decimal("7.40"), at=AT)
    assert raised.value.help == "say --leg with one of: short_put, long_put"
    before = last(store)
    correct(store, name, Decimal("7.40"), leg="short_put", at=AT)
    with pytest.raises(MisuseError, match="is not clear") as raised:
        correct(store, name, Decimal("2.10"), at=AT)  # it put the price of the other leg on the one that was put in
    assert raised.value.help == "say --leg with one of: short_put, long_put"
    assert last(store).cash == before.cash + (settled["short_put"] - Decimal("7.40")) * 100
    assert last(store).closed_at == before.closed_at, "a leg of it went with its option"
    correct(store, name, Decimal("2.10"), leg="long_put", at=AT)
    sheets = exported(store, tmp_path / "out")
    assert sheets["settlements"] == []
    assert_agrees(store, sheets)


def test_a_day_before_the_last_is_reported_by_name(tmp_path: Path) -> None:
    """A target of some days: when it filled only the statement knows."""
    desk = Desk((text_of("seller", **{**SELLER, "exits": RESTS}),), at="10:00")
    desk.opened("10:01")
    for order in desk.live:
        desk.ack(order)
    expiry = desk.position.legs[0].option.expiry
    desk.unlink()
    desk.day, desk.now = expiry, session_from(expiry).open
    slept(desk)
    order, store = target_of(desk), kept(desk, tmp_path)
    for day in (DAY - timedelta(days=1), DAY + timedelta(days=3), expiry + timedelta(days=1)):
        with pytest.raises(MisuseError, match=f"was held from {DAY} to {expiry}, and {day} is no session"):
            correct(store, order.ref, Decimal("0.05"), on=day, at=desk.now)
    correct(store, order.ref, Decimal("0.05"), on=DAY, at=desk.now + timedelta(days=1))
    sheets = exported(store, tmp_path / "out")
    assert [row["date"] for row in sheets["daily_summary"]] == [str(DAY)]
    assert [lot["closed"] for lot in sheets["tax_lots"]] == [str(DAY)]
    assert_agrees(store, sheets)


def test_the_fill_that_the_broker_reports_after_all_takes_the_place_of_what_a_person_has_reported() -> None:
    desk = seller()
    order, before = target_of(desk), desk.position
    ending = find_ending(desk.records, order.ref, "")
    assert ending is not None
    desk.send(traded(desk.records, ending, Decimal("0.10"), None, None, desk.now))
    assert desk.position.cash == before.cash - 10
    fill = desk.execution(order, order.legs[0], 1, "0.05")
    desk.send(fill)
    assert (desk.position.cash, desk.position.is_flat) == (before.cash - 5, True)
    assert desk.order(order.ref).filled == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nothing", "0.05"), "nothing of it has ended with its option"),
        (("entry", "0.05"), "opens something"),
        (("target", "0.05", "--contracts", "2"), "1 contract of short_put may have been traded, not 2"),
        (("target", "0.05", "--leg", "long_put"), "nothing of it has ended with its option"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_recorded(
    arguments: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    desk = seller()
    store = kept(desk, tmp_path)
    refs = {order.purpose.value: order.ref for order in desk.state.orders.by_ref.values()}
    asked = ["correct", refs.get(arguments[0], arguments[0]), *arguments[1:], "--store", str(store)]
    with pytest.raises(MisuseError, match=words):
        CliRunner().invoke(command, asked, standalone_mode=False, catch_exceptions=False)
    journal = SqlJournal(open_store(store))
    assert len(journal.read()) == len(desk.records)
    journal.close()
