"""Delayed market data as status and the page show it: of which symbols, since when, and who trades on it."""

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hand_desk import Desk, text_of

from rulebot.model.contract import Underlying
from rulebot.narrate.notices import DelayedSymbol, delayed_now, delayed_on_record
from rulebot.record.record import DATA_TROUBLE, LATE, Json, Kind, Record
from rulebot.store.journal import SqlJournal
from rulebot.store.queries import StoreReader
from rulebot.store.registry import open_store

AT = datetime(2026, 10, 21, 13, 31, tzinfo=UTC)


def link(minute: int, *, up: bool) -> Record:
    data: dict[str, Json] = {"up": up, "reason": "", "account": "DU1", "lockstep": False}
    return Record(AT + timedelta(minutes=minute), Kind.LINK, "", "", data)


def trouble(minute: int, symbol: str, *bots: str, is_late: bool = True) -> Record:
    data: dict[str, Json] = {"symbol": symbol, "what": DATA_TROUBLE, "value": "in words"}
    late: dict[str, Json] = {LATE: list(bots)} if is_late else {}
    return Record(AT + timedelta(minutes=minute), Kind.FACTS, "", "", {**data, **late})


def reported(folder: Path, *records: Record) -> tuple[DelayedSymbol, ...]:
    place = folder / "a.db"
    with closing(SqlJournal(open_store(place), logs=None)) as journal:
        journal.append(list(records), durable=True)
    with StoreReader(place) as reader:
        return delayed_on_record(reader)


def test_each_late_symbol_is_reported_once_with_who_trades_on_it(tmp_path: Path) -> None:
    records = (trouble(1, "SPX", "one", "two"), trouble(2, "AAPL"), trouble(3, "SPX"), trouble(4, "QQQ", is_late=False))
    found = reported(tmp_path, link(0, up=True), *records, link(9, up=False))
    assert [each.words for each in found] == [
        "DELAYED DATA since 2026-10-21 09:33: AAPL is 10 to 15 minutes late. no bot trades on it",
        "DELAYED DATA since 2026-10-21 09:32: SPX is 10 to 15 minutes late. one, two trade on it (delayed_data: allow)",
    ]


def test_a_new_connection_reports_again(tmp_path: Path) -> None:
    assert reported(tmp_path, link(0, up=True), trouble(1, "SPX", "one"), link(2, up=False), link(3, up=True)) == ()


def test_before_any_connection_nothing_is_late(tmp_path: Path) -> None:
    assert reported(tmp_path) == ()


def test_an_engine_names_its_late_symbols_as_long_as_they_are_late() -> None:
    desk = Desk((text_of(risk="{max_loss_per_trade: $2000, delayed_data: allow}"),))
    desk.board.allow_delayed(desk.program.may_be_delayed())
    row = desk.board.rows[Underlying("SPX")]
    desk.board.note_delayed(row)
    assert delayed_now(desk.program, desk.board) == (DelayedSymbol(symbol="SPX", bots=("spread",)),)
    refusing = Desk((text_of(),))
    assert delayed_now(refusing.program, desk.board)[0].bots == ()
    desk.board.delayed.discard(row)
    assert delayed_now(desk.program, desk.board) == ()


def test_several_symbols_at_once_are_named_as_market_data() -> None:
    assert replace(DelayedSymbol(symbol=""), bots=("one",)).words.startswith(
        "DELAYED DATA: market data is 10 to 15 minutes late"
    )
