"""What the first page keeps of a store's trades: read again once a record may have changed them, and no sooner."""

from datetime import timedelta
from pathlib import Path

from store_day import CONDOR, at, small_day

from rulebot.record.record import Kind, Record
from rulebot.store.journal import SqlJournal
from rulebot.store.queries import StoreReader
from rulebot.store.registry import open_store
from rulebot.web.live import TradingStatus, _trading


def read(store: Path, known: TradingStatus | None = None) -> TradingStatus:
    with StoreReader(store) as reader:
        return _trading(reader, known)


def test_trades_are_read_again_once_they_may_have_changed(tmp_path: Path) -> None:
    """Of a store with thousands of them that took most of each second, whatever came of it."""
    store = tmp_path / "a.db"
    journal = SqlJournal(open_store(store))
    whole = list(small_day())
    cut = max(number for number, record in enumerate(whole) if record.kind is Kind.POSITION)
    journal.append(whole[:cut], durable=True)
    first = read(store)
    assert first.entered
    later = whole[cut - 1].at
    worth = {"net_liquidation": "1", "cash": "1", "buying_power": "1"}
    journal.append([Record(later, Kind.ACCOUNT, data=worth)], durable=True)
    assert read(store, first) is first
    journal.append(whole[cut:], durable=True)
    second = read(store, first)
    assert second == read(store) != first
    journal.append([Record(at("20:00") + timedelta(days=1), Kind.ACCOUNT, data=worth)], durable=True)
    assert second.today > 0 == read(store, second).today
    assert sum(second.entered.values()) == len(second.newest)
    journal.close()
    with StoreReader(store) as reader:
        assert reader.entered(CONDOR) == {CONDOR: second.entered[CONDOR]}
