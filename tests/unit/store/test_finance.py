"""The sheets for an accountant: their sums are those of the store's views, to the cent."""

import csv
import json
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_day import CONDOR, DAY, at, call, entity, position, put

from rulebot.model.contract import Option, Right, share
from rulebot.model.errors import StoreError
from rulebot.model.money import ZERO
from rulebot.model.order import UNSEEN
from rulebot.record.books import BookedFill, LegContract, LegEnding
from rulebot.record.record import Kind, Record
from rulebot.statement.flex import EVENT_FIELDS, TRADE_FIELDS
from rulebot.statement.reconcile import DifferenceKind
from rulebot.store.export import _write, exact, export_sheets
from rulebot.store.finance import (
    NAMES,
    Column,
    Deals,
    Holds,
    Lot,
    Sheet,
    deals_of,
    finance_sheets,
    is_section_1256,
    lots_of,
    occ_symbol,
    positions_of,
    security_type,
)
from rulebot.store.journal import SqlJournal
from rulebot.store.place import Place
from rulebot.store.queries import StoreReader
from rulebot.store.registry import open_store

SHORT = LegContract(account="DU1", bot="a", position="P", leg="short_put", option=put(5930), sign=-1)
LONG = LegContract(account="DU1", bot="a", position="P", leg="long_put", option=put(5920), sign=1)


def fill(of: LegContract, clock: str, signed: int, price: str, commission: str = "1.00", day: date = DAY) -> BookedFill:
    return BookedFill(
        of=of,
        exec_id=f"e.{of.leg}.{day}{clock}{signed}.01",
        ref="rb:1",
        is_buy=signed > 0,
        quantity=abs(signed),
        price=Decimal(price),
        executed_at=at(clock, day),
        commission=Decimal(commission),
    )


def ending(of: LegContract, quantity: int, price: str, how: str, when: datetime) -> LegEnding:
    return LegEnding(of=of, quantity=quantity, price=Decimal(price), level=None, how=how, recorded_at=when)


def lots(*fills: BookedFill, endings: tuple[LegEnding, ...] = ()) -> list[Lot]:
    return lots_of(Deals(fills, endings))


def shown(found: list[Lot]) -> list[tuple[int, str, str, str, str]]:
    return [(lot.quantity, exact(lot.proceeds), exact(lot.basis), exact(lot.gain), lot.ended) for lot in found]


def read(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def total(rows: list[dict[str, str]], column: str) -> Decimal:
    return sum((Decimal(row[column] or 0) for row in rows), ZERO)


def test_what_was_closed_beyond_what_was_held_is_a_lot_the_other_way() -> None:
    bought = (fill(SHORT, "10:00", -1, "5.00"), fill(SHORT, "15:45", 2, "6.00", "2.00"))
    found = lots(*bought, endings=(ending(SHORT, -1, "15.00", "cash settled", at("16:00")),))
    assert shown(found) == [
        (1, "499.00", "601.00", "-102.00", "closed"),
        (1, "1500.00", "601.00", "899.00", "cash settled"),
    ]
    assert [lot.is_long for lot in found] == [False, True]


def test_what_is_closed_in_the_second_of_its_opening_was_opened_first() -> None:
    found = lots(fill(LONG, "10:00", -1, "6.00"), fill(LONG, "10:00", 1, "5.00"))
    assert [(lot.is_long, exact(lot.proceeds), exact(lot.basis)) for lot in found] == [(True, "599.00", "501.00")]


def test_sums_are_those_of_the_views(day_place: Place, tmp_path: Path) -> None:
    list(export_sheets(day_place, tmp_path, ("trades", "fills", "daily_summary"), "csv"))
    executions, found = read(tmp_path, "executions"), read(tmp_path, "tax_lots")
    trade = next(row for row in read(tmp_path, "trades") if row["strategy_id"] == CONDOR)
    day = read(tmp_path, "daily_summary")[0]
    assert total(executions, "proceeds") == Decimal(trade["realized_pnl"]) == Decimal(day["total_pnl"]) == 45
    assert (
        total(executions, "commission") == Decimal(trade["commissions"]) == total(read(tmp_path, "fills"), "commission")
    )
    assert total(executions, "net_cash") == total(found, "gain") == Decimal(trade["final_pnl"]) == Decimal("36.8")
    assert total(found, "gain") == Decimal(day["net_pnl"])
    assert total(found, "long_term_60") + total(found, "short_term_40") == total(found, "gain")


def test_an_execution_says_all_that_an_accountant_asks(day_place: Place, tmp_path: Path) -> None:
    list(export_sheets(day_place, tmp_path, (), "csv"))
    assert read(tmp_path, "executions")[1] == {
        "account": "DU0000007",
        "bot": CONDOR,
        "position": "P1",
        "leg": "long_put",
        "symbol": "SPX",
        "occ_symbol": "SPXW  261118P05920000",
        "security_type": "OPT",
        "expiry": "2026-11-18",
        "strike": "5920.00",
        "right": "P",
        "multiplier": "100",
        "side": "BUY",
        "open_close": "O",
        "quantity": "1",
        "price": "0.30",
        "proceeds": "-30.00",
        "commission": "1.025",
        "net_cash": "-31.025",
        "trade_time": "2026-11-18 09:52:00",
        "trade_time_utc": "2026-11-18T14:52:00Z",
        "settlement_date": "2026-11-19",
        "order_ref": "rb-1",
        "exec_id": "rb-1-long_put",
        "estimate": "no",
    }


FORMULAS = ("=HYPERLINK(1)", "@SUM(1)", "-1+1|x", "+x", "\t=1", "-")


def test_no_text_is_a_formula_in_a_spreadsheet_and_numbers_stay_numbers(tmp_path: Path) -> None:
    numbers = ("-1.05", "+3", "-.5", "-1e-05")
    rows = [(text, Decimal("-1.05"), -2) for text in (*FORMULAS, *numbers, "put = call", "", None)]
    columns = (Column("reason", Holds.TEXT), Column("net", Holds.MONEY), Column("many", Holds.WHOLE))
    _write(Sheet("made", columns, rows), tmp_path / "made.csv", "csv")
    found = read(tmp_path, "made")
    assert [row["reason"] for row in found] == [*(f"'{text}" for text in FORMULAS), *numbers, "put = call", "", ""]
    assert {(row["net"], row["many"]) for row in found} == {("-1.05", "-2")}


def test_parquet_and_json_say_the_same(day_place: Place, tmp_path: Path) -> None:
    from pyarrow import parquet

    for form in ("csv", "json", "parquet"):
        list(export_sheets(day_place, tmp_path, ("trades", "orders", "position_snapshots", "daily_summary"), form))
    for name in ("executions", "settlements", "tax_lots", "trades", "orders", "position_snapshots", "daily_summary"):
        table = parquet.read_table(tmp_path / f"{name}.parquet")
        document = json.loads((tmp_path / f"{name}.json").read_text())
        rows = read(tmp_path, name)
        assert table.num_rows == len(document) == len(rows), name
        assert [{key: "" if value is None else str(value) for key, value in row.items()} for row in document] == rows
    lot = parquet.read_table(tmp_path / "tax_lots.parquet").to_pylist()[0]
    assert (lot["gain"], lot["opened"]) == (Decimal(read(tmp_path, "tax_lots")[0]["gain"]), DAY)
    done = parquet.read_table(tmp_path / "executions.parquet").to_pylist()[0]
    assert done["trade_time"] == done["trade_time_utc"] == at("09:52")
    assert str(done["trade_time"]) == "2026-11-18 09:52:00-05:00"


def test_an_empty_store_has_sheets_with_their_columns(place: Place, tmp_path: Path) -> None:
    from pyarrow import parquet

    open_store(place).close()
    list(export_sheets(place, tmp_path, ("trades",), "parquet"))
    assert str(parquet.read_table(tmp_path / "tax_lots.parquet").schema.field("gain").type) == "decimal128(24, 8)"
    assert str(parquet.read_table(tmp_path / "trades.parquet").schema.field("exit_price").type) == "double"


def test_without_pyarrow_one_sentence_says_what_to_install(
    day_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(StoreError, match="Parquet needs a package that is not installed") as raised:
        list(export_sheets(day_store, tmp_path / "out", (), "parquet"))
    assert raised.value.help == "pip install 'rulebot[parquet]'"
    assert not (tmp_path / "out").exists()


def test_what_is_short_is_opened_by_a_sale() -> None:
    found = lots(fill(SHORT, "10:00", -1, "2.50"), fill(SHORT, "11:00", 1, "1.10", "1.05"))
    assert shown(found) == [(1, "249.00", "111.05", "137.95", "closed")]
    assert not found[0].is_long
    assert (found[0].long_term, found[0].short_term) == (Decimal("82.77"), Decimal("55.18"))


def test_first_in_first_out_inside_a_leg() -> None:
    day = DAY + timedelta(days=1)
    found = lots(
        fill(LONG, "10:00", 2, "1.00", "2.05"),
        fill(LONG, "10:30", 1, "2.00"),
        fill(LONG, "12:00", -1, "3.00"),
        fill(LONG, "12:00", -2, "4.00", "3.00", day=day),
    )
    assert shown(found) == [
        (1, "299.00", "101.025", "197.975", "closed"),
        (1, "398.50", "101.025", "297.475", "closed"),
        (1, "398.50", "201.00", "197.50", "closed"),
    ]
    assert [lot.holding_days for lot in found] == [0, 1, 1]


def test_a_short_leg_that_expires_pays_nothing_and_not_less() -> None:
    """Its cash was -0.00 in the sheet."""
    gone = ending(SHORT, 1, "0", "expired", at("16:00"))
    assert [exact(amount) for amount in (gone.cash, Decimal("-0.004"), Decimal("-12"))] == ["0.00", "-0.004", "-12.00"]


def test_how_a_lot_ended() -> None:
    late = at("09:31", DAY + timedelta(days=1))
    for how, price, gain in (
        ("expired", "0", "249.00"),
        ("cash settled", "4.20", "-171.00"),
        ("assigned", "0", "249.00"),
    ):
        found = lots(fill(SHORT, "10:00", -1, "2.50"), endings=(ending(SHORT, 1, price, how, late),))
        assert [(lot.ended, exact(lot.gain), lot.closed) for lot in found] == [(how, gain, DAY)], how


def test_shares_that_were_called_away() -> None:
    of = LegContract(account="", bot="a", position="P", leg="shares", option=share("SPY"), sign=1)
    gone = at("16:05")
    found = lots(fill(of, "10:00", 100, "599.50"), endings=(ending(of, 100, "600", "delivered", gone),))
    assert shown(found) == [(100, "60000.00", "59951.00", "49.00", "delivered")]
    assert (found[0].is_section_1256, found[0].long_term) == (False, None)


def test_each_sheet_says_which_way_it_was() -> None:
    moves = (fill(SHORT, "10:00", -1, "2.50"), fill(LONG, "10:00", 1, "1.10"), fill(SHORT, "11:00", 1, "1.00"))
    gone = (ending(LONG, 1, "0", "expired", at("16:00")), ending(SHORT, -1, "0", "expired", at("16:00")))
    executions, settlements, lots_sheet = finance_sheets(Deals(moves, gone))
    assert said(executions, "side", "open_close") == [("SELL", "O"), ("BUY", "O"), ("BUY", "C")]
    assert said(settlements, "held", "quantity") == [("long", 1), ("long", 1)]
    (short_settled,) = finance_sheets(Deals(moves, (ending(SHORT, 1, "0", "expired", at("16:00")),)))[1:2]
    assert said(short_settled, "held", "quantity") == [("short", 1)]
    assert said(lots_sheet, "leg", "held") == [("long_put", "long"), ("short_put", "short")]


def said(sheet: Sheet, *names: str) -> list[tuple[Any, ...]]:
    places = [[column.name for column in sheet.columns].index(name) for name in names]
    return [tuple(row[place] for place in places) for row in sheet.rows]


def test_shares_of_an_earlier_year_settle_later_than_the_option_beside_them() -> None:
    day = date(2023, 11, 15)
    of = LegContract(account="", bot="a", position="P", leg="shares", option=share("SPY"), sign=1)
    sheet = finance_sheets(Deals((fill(of, "10:00", 100, "450", day=day), fill(SHORT, "10:00", -1, "2", day=day)), ()))[
        0
    ]
    at_column = [column.name for column in sheet.columns].index("settlement_date")
    assert [row[at_column] for row in sheet.rows] == [date(2023, 11, 17), date(2023, 11, 16)]


def test_what_was_cancelled_leaves_its_commission() -> None:
    assert shown(lots(fill(SHORT, "10:00", 0, "2.50"))) == [(0, "0.00", "1.00", "-1.00", "busted")]


def test_more_closed_than_was_held_is_open_the_other_way() -> None:
    found = lots(
        fill(SHORT, "10:00", -1, "2.50"), fill(SHORT, "11:00", 2, "1.00", "2.00"), fill(SHORT, "12:00", -1, "1.5")
    )
    assert [(lot.is_long, str(lot.gain.normalize())) for lot in found] == [(False, "148"), (True, "48")]


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(1, 400), st.integers(0, 999)), max_size=12))
def test_lots_and_what_is_left_are_all_the_cash(moves: list[tuple[int, int, int]]) -> None:
    fills = [
        fill(LONG, f"10:{minute:02d}", signed, f"{cents / 100}", f"{paid / 100}")
        for minute, (signed, cents, paid) in enumerate(moves)
    ]
    flat = -sum(signed for signed, _, _ in moves)
    fills.append(fill(LONG, "15:00", flat, "1.00", "0.77"))
    gains = sum((lot.gain for lot in lots(*fills)), ZERO)
    assert gains == sum((each.net_cash for each in fills), ZERO)


def test_symbols_of_the_clearing_house() -> None:
    third_friday = Option("SPX", "SPX", date(2026, 12, 17), Decimal(6000), Right.CALL)
    assert occ_symbol(third_friday) == "SPX   261218C06000000"
    past_the_calendar = put(6000, "SPX", "SPX", date(2030, 12, 19))
    assert occ_symbol(past_the_calendar) == "SPX   301220P06000000"
    assert occ_symbol(put(547, "SPY", "SPY", date(2027, 2, 19))) == "SPY   270219P00547000"
    assert occ_symbol(Option("XLF", "XLF", DAY, Decimal("51.5"), Right.CALL)) == "XLF   261118C00051500"
    assert (occ_symbol(share("SPY")), security_type(share("SPY"))) == ("SPY", "STK")
    assert [is_section_1256(each) for each in (third_friday, call(6000), share("SPY"))] == [True, True, False]
    assert not is_section_1256(put(547, "SPY", "SPY"))


@pytest.mark.parametrize(
    ("symbol", "trading_class", "name"),
    [
        ("XSP", "XSP", "XSP   261217C00600000"),
        ("NDX", "NDXP", "NDXP  261217C00600000"),
        ("NDX", "NDX", "NDX   261218C00600000"),
        ("RUT", "RUTW", "RUTW  261217C00600000"),
        ("RUT", "RUT", "RUT   261218C00600000"),
    ],
)
def test_options_on_other_indices_are_called_by_the_day_they_settle_and_are_under_section_1256(
    symbol: str, trading_class: str, name: str
) -> None:
    option = Option(symbol, trading_class, date(2026, 12, 17), Decimal(600), Right.CALL)
    assert occ_symbol(option) == name
    assert is_section_1256(option)
    of = LegContract(account="DU1", bot="a", position="P", leg="long_call", option=option, sign=1)
    (lot,) = lots(fill(of, "10:00", 1, "2.00", "0.70"), fill(of, "11:00", -1, "3.00", "0.70"))
    assert (lot.gain, lot.long_term, lot.short_term) == (Decimal("98.60"), Decimal("59.16"), Decimal("39.44"))


def test_what_settles_at_opening_prints_ends_on_the_day_after_its_last() -> None:
    """As the broker's statement has it; of the last day alone it was missing there."""
    friday = date(2026, 11, 20)
    option = put(5930, trading_class="SPX", expiry=date(2026, 11, 19))
    of = LegContract(account="DU1", bot="a", position="P", leg="short_put", option=option, sign=-1)
    gone = ending(of, 1, "0", "expired", at("10:00", friday))
    assert gone.date == friday
    assert occ_symbol(option) == "SPX   261120P05930000"
    (lot,) = lots(fill(of, "15:00", -1, "1.00", day=date(2026, 11, 18)), endings=(gone,))
    assert (lot.opened, lot.closed, lot.holding_days) == (date(2026, 11, 18), friday, 2)


def records(*found: Record) -> Deals:
    held = positions_of([entity(Kind.POSITION, at("09:52"), position("open", True, False))])
    return deals_of(found, held)


def reported(exec_id: str, quantity: int, price: str = "0.60") -> Record:
    data = {"exec_id": exec_id, "leg": "short_put", "is_buy": False, "quantity": quantity, "price": price}
    return Record(at("09:52"), Kind.FILL, CONDOR, "P1", data)


def paid(exec_id: str, amount: str) -> Record:
    return Record(
        at("09:52"), Kind.COMMISSION, CONDOR, "P1", {"exec_id": exec_id, "leg": "short_put", "amount": amount}
    )


def test_a_correction_takes_the_place_and_keeps_the_commission() -> None:
    found = records(reported("a.b.01.01", 2), paid("a.b.01.01", "1.30"), reported("a.b.01.02", 1, "0.65")).fills
    assert [(each.exec_id, each.quantity, each.price, each.commission) for each in found] == [
        ("a.b.01.02", 1, Decimal("0.65"), Decimal("1.30"))
    ]


def test_an_estimate_that_was_reported_after_all_is_gone() -> None:
    guess = f"{UNSEEN}rb:1:short_put"
    assert [each.is_estimate for each in records(reported(f"{guess}.01", 1)).fills] == [True]
    found = records(reported(f"{guess}.01", 1), reported(f"{guess}.02", 0), reported("a.b.01.01", 1)).fills
    assert [each.exec_id for each in found] == ["a.b.01.01"]


def ended(quantity: int, how: str) -> Record:
    data = {"leg": "short_put", "quantity": quantity, "price": "0", "level": None, "how": how, "shares_profit": None}
    taken = {"taken_back": True} if quantity < 0 else {}
    return Record(at("16:01"), Kind.SETTLEMENT, CONDOR, "P1", {**data, **taken})


@pytest.mark.parametrize(
    ("found", "left"),
    [
        ((ended(2, "assigned"), ended(3, "assigned"), ended(-4, "assigned")), [(1, "assigned")]),
        ((ended(2, "assigned"), ended(3, "assigned"), ended(-5, "assigned")), []),
        ((ended(2, "assigned"), ended(-1, "worthless")), [(2, "assigned"), (-1, "expired")]),
    ],
)
def test_what_was_cancelled_may_have_ended_in_several_ways(
    found: tuple[Record, ...], left: list[tuple[int, str]]
) -> None:
    """Of two nights' assignments the one had -2 in the sheet; what had ended in another way ended every export."""
    assert [(each.quantity, each.how) for each in records(*found).endings] == left


def test_the_account_is_the_one_that_was_connected_at_the_time() -> None:
    first, second = (Record(at("09:30"), Kind.RUN_STARTED, data={"account": name}) for name in ("DU1", "DU2"))
    found = records(first, reported("a.b.01.01", 1), second, reported("a.b.02.01", 1)).fills
    assert [each.of.account for each in found] == ["DU1", "DU2"]


def test_a_fill_on_a_leg_that_no_position_has_is_an_error(tmp_path: Path) -> None:
    journal = SqlJournal(open_store(tmp_path / "a.db"))
    journal.append([reported("a.b.01.01", 1)], durable=True)
    journal.close()
    with (
        pytest.raises(StoreError, match="on a leg that no position has: P1 short_put"),
        StoreReader(tmp_path / "a.db") as it,
    ):
        it.deals()


def test_amounts_have_all_their_digits_and_at_least_cents() -> None:
    assert [exact(Decimal(each)) for each in ("1", "-1.5", "1.0534", "0", "1E+2")] == [
        "1.00",
        "-1.50",
        "1.0534",
        "0.00",
        "100.00",
    ]


def test_every_column_and_every_difference_is_documented() -> None:
    page = (Path(__file__).parents[3] / "docs" / "export.md").read_text(encoding="utf-8")
    columns = {column.name for sheet in finance_sheets(Deals((), ())) for column in sheet.columns}
    assert sorted(name for name in columns if f"`{name}`" not in page) == []
    assert sorted(name for name in NAMES if f"### `{name}`" not in page) == []
    assert sorted(what.value for what in DifferenceKind if f"`{what.value.upper()}`" not in page) == []
    fields = {*TRADE_FIELDS.values(), *EVENT_FIELDS.values()}
    assert sorted(words for words in fields if words not in page) == []
