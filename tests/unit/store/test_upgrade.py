"""A store of the first version goes on: its journal as it was written, its tables made anew."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from places import rows
from store_day import at, small_day

from rulebot.model.order import Order
from rulebot.record.codec import decode
from rulebot.record.record import Kind, Record
from rulebot.store.journal import SqlJournal
from rulebot.store.queries import StoreReader
from rulebot.store.registry import open_store
from rulebot.store.schema import NAMES, SCHEMA_VERSION

ADDED = {"order_rows": ("cause", "broker_code", "broker_meaning"), "bot_day_rows": ("halt", "skip")}
GONE = {Kind.ORDER: ("cause", "about", "detail", "heard", "answer"), Kind.BOT_DAY: ("halt", "halt_rule", "skip")}
"""Fields that the first version did not have."""


def of_first_version(path: Path) -> Path:
    """Write the small day as the first version of a store has it."""
    journal = SqlJournal(open_store(path))
    journal.append([_as_before(record) for record in small_day()], durable=True)
    journal.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        for name in reversed(NAMES):
            connection.execute(f"DROP VIEW {name}")
        for table, names in ADDED.items():
            for name in names:
                connection.execute(f"ALTER TABLE {table} DROP COLUMN {name}")
        connection.execute("CREATE VIEW orders AS SELECT ref, message FROM order_rows")
        connection.execute("UPDATE schema_version SET version = 1")
        connection.execute("UPDATE lease SET owner = 'somebody, code of another'")
    return path


def _as_before(record: Record) -> Record:
    if record.kind not in GONE:
        return record
    message = decode(Order, dict(record.data)).message if record.kind is Kind.ORDER else ""
    data: Any = {**record.data, **({"message": message} if record.kind is Kind.ORDER else {})}
    for name in GONE[record.kind]:
        data.pop(name, None)
    return Record(record.at, record.kind, record.bot, record.position, data)


def test_a_store_of_the_first_version_is_taken_over(tmp_path: Path, day_store: Path) -> None:
    path = of_first_version(tmp_path / "old.db")
    SqlJournal(open_store(path)).close()
    for name in ("orders", "trades", "bot_days", "position_snapshots"):
        assert rows(path, f"SELECT * FROM {name} ORDER BY 1") == rows(day_store, f"SELECT * FROM {name} ORDER BY 1")
    assert rows(path, "SELECT version FROM schema_version") == [{"version": SCHEMA_VERSION}]
    again = SqlJournal(open_store(path))
    again.rebuild()
    again.close()


def test_a_store_of_the_first_version_can_be_read_before_an_engine_takes_it_over(tmp_path: Path) -> None:
    path = of_first_version(tmp_path / "old.db")
    with StoreReader(path) as reader:
        records = reader.recall(at("16:00")).records
    assert [decode(Order, dict(each.data)).ref for each in records if each.kind is Kind.ORDER]
