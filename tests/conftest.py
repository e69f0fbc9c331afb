"""What every folder of tests may use; being here, it also lets them import `store_day`."""

from pathlib import Path

import pytest
from store_day import small_day

from engine.store.journal import SqlJournal
from engine.store.open import open_store


@pytest.fixture
def day_store(tmp_path: Path) -> Path:
    """Return the path of a closed store that holds the small hand-made day."""
    path = tmp_path / "day.db"
    journal = SqlJournal(open_store(path))
    journal.append(small_day(), durable=True)
    journal.close()
    return path
