"""A gateway whose login has another time zone: fills, last days and hours mean the same instants (row 64)."""

from datetime import timedelta
from pathlib import Path

import pytest

from engine.model.order import Order
from engine.record.record import Kind
from engine.store.queries import StoreReader
from tests.e2e.test_restart import new_york
from tests.e2e.test_short_day import DAY, lived_through


def times_of_fills(folder: Path) -> list[str | None]:
    """Return when each execution was dealt, as the records have it."""
    with StoreReader(folder / "s.db") as reader:
        found = [each.data["executed_at"] for each in reader.records((Kind.FILL,))]
    return [None if each is None else str(each) for each in found]


def summed_up(alarms: list[str], orders: list[Order]) -> list[object]:
    """Return what must not depend on the zone."""
    return [*alarms, *((each.purpose, each.prepared_at, each.filled) for each in orders)]


@pytest.mark.parametrize("name", ["British Summer Time", "Central European Standard Time", "JST", "IST"])
def test_a_day_is_the_same_whatever_the_zone_of_the_login(name: str, tmp_path: Path) -> None:
    """The second engine is told the fills of the morning again. In IST, which may be three zones, no time is known."""
    stops = (new_york(12, 0, DAY.day),)
    told: dict[str, list[object]] = {}
    for zone, plan in (("here", "US/Eastern"), ("there", name)):
        folder = tmp_path / zone
        folder.mkdir()
        told[zone] = summed_up(*lived_through(f"kind: time_zone, name: {plan}", folder, stops=stops))
    assert told["there"] == told["here"]
    here, there = (times_of_fills(tmp_path / each) for each in ("here", "there"))
    assert len(here) == 3
    assert there == ([None] * 3 if name == "IST" else here)


def test_an_unknown_zone_of_the_hours_leaves_the_calendar(tmp_path: Path) -> None:
    _, (entry, leave) = lived_through("kind: time_zone, name: CST, of: hours", tmp_path)
    assert entry.prepared_at == new_york(10, 0, DAY.day)
    assert leave.prepared_at - entry.prepared_at == timedelta(hours=5, minutes=45)
