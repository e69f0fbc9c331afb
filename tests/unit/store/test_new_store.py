"""What a new store is made of."""

import sqlite3
from contextlib import closing
from pathlib import Path

from rulebot.store.registry import open_store
from rulebot.store.schema import metadata


def test_every_store_that_a_process_makes_has_all_tables_and_indexes(tmp_path: Path) -> None:
    whole = {(each.name, index.name) for each in metadata.tables.values() for index in (each, *each.indexes)}
    for name in ("first.db", "second.db"):
        open_store(tmp_path / name).close()
        with closing(sqlite3.connect(tmp_path / name)) as connection:
            asked = "SELECT tbl_name, name FROM sqlite_master WHERE type IN ('table', 'index') AND sql IS NOT NULL"
            assert whole <= set(connection.execute(asked)), name
