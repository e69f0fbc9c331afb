"""What came of a backtest: its sums are those of the store, and a recorded account begins with what it was worth."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from store_day import at, small_day

from engine.record.record import Kind, Record
from engine.run.backtest.results import Results, read_results
from engine.store.journal import SqlJournal
from engine.store.open import open_store
from engine.store.queries import StoreReader


def backtest(store: Path, fills: str) -> Results:
    """Write a day as one of a backtest: 10,000 in cash beside 50,000 in shares; one commission has part of a cent."""
    settings: Any = {"mode": "backtest", "cash": "10000", "fills": fills, "sessions_apart": False}
    records = []
    for record in small_day():
        data: Any = dict(record.data)
        if record.kind is Kind.RUN_STARTED:
            data["settings"] = settings
        if record.kind is Kind.POSITION and record.position == "P1":
            data["legs"] = [{**data["legs"][0], "commissions": "2.0573"}, *data["legs"][1:]]
        records.append(replace(record, data=data))
    worth = [Record(at(clock), Kind.ACCOUNT, data={"net_liquidation": told}) for clock, told in WORTH]
    journal = SqlJournal(open_store(store))
    journal.append([*records, *worth], durable=True)
    journal.close()
    return read_results(store, "it")


WORTH = (("09:31", "60000"), ("16:05", "60100"))


@pytest.mark.parametrize(("fills", "profit"), [("recorded", 100), ("mid", 50_100)])
def test_a_recorded_account_begins_with_all_that_it_was_worth(tmp_path: Path, fills: str, profit: int) -> None:
    """What it held beside its cash was told as made on the first day."""
    found = backtest(tmp_path / "a.db", fills)
    assert (found.profit, found.days[0].profit) == (profit, profit)
    assert found.max_drawdown == 0


def test_parts_of_cents_add_up_to_the_sums_of_the_store(tmp_path: Path) -> None:
    found = backtest(tmp_path / "a.db", "recorded")
    with StoreReader(tmp_path / "a.db") as reader:
        (summary,) = reader.view("account_summary")
    assert found.all.net == found.months[0].net == Decimal(str(summary["net_pnl"]))
    assert found.all.commissions == Decimal(str(summary["total_commission"]))
    assert found.all.net != round(found.all.net, 2)
    assert found.all.expectancy == round(found.all.net, 2)
