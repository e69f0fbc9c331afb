"""A gateway whose login has another time zone: fills, last days and hours mean the same instants (row 64)."""

from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from rulebot.model.order import Order
from rulebot.record.codec import utc_time
from rulebot.record.record import Kind
from rulebot.store.queries import StoreReader
from tests.e2e.test_restart import new_york
from tests.e2e.test_short_day import BOT, DAY, lived_through
from tests.e2e.test_stores_that_stop import SPEC
from tests.wire.connection_trial import live_through


def times_of_fills(folder: Path) -> list[str | None]:
    """Return when each execution was dealt, as the records have it."""
    with StoreReader(folder / "s.db") as reader:
        found = [each.data["executed_at"] for each in reader.records((Kind.FILL,))]
    return [None if each is None else str(each) for each in found]


def summed_up(alarms: list[str], orders: list[Order]) -> list[object]:
    """Return what must not depend on the zone."""
    return [*alarms, *((each.purpose, each.prepared_at, each.filled) for each in orders)]


class Morning(NamedTuple):
    """What must not depend on the zone, and when each execution was dealt, as the records have it."""

    summary: list[object]
    fills: list[str | None]


def morning_in(zone: str, folder: Path) -> Morning:
    """Live through a morning with an exit at 12:30, and an engine that goes on at 11:00, at a login of this zone."""
    text = BOT.replace("15:45", "12:30")
    stops, last = (new_york(11, 0, DAY.day),), new_york(12, 45, DAY.day)
    reported = lived_through(f"kind: time_zone, name: {zone}", folder, text=text, stops=stops, last=last)
    return Morning(summed_up(*reported), times_of_fills(folder))


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Morning:
    """Return the morning in the zone of the exchange."""
    return morning_in("US/Eastern", tmp_path_factory.mktemp("here"))


@pytest.mark.parametrize(
    "name",
    [
        "JST",
        "IST",
        pytest.param("British Summer Time", id="ci British Summer Time", marks=pytest.mark.long),
        pytest.param("Central European Standard Time", id="ci Central European Standard Time", marks=pytest.mark.long),
    ],
)
def test_a_morning_is_the_same_whatever_the_zone_of_the_login(name: str, here: Morning, tmp_path: Path) -> None:
    """The second engine is told the fills of the morning again. In IST, which may be three zones, no time is known.

    A lockstep gateway greets without its zone, which would settle that.
    """
    there = morning_in(name, tmp_path)
    assert there.summary == here.summary
    assert len(here.fills) == 4
    assert there.fills == ([None] * 4 if name == "IST" else here.fills)


@pytest.mark.parametrize(("name", "place"), [("IST", "Asia/Calcutta"), ("IST", "Asia/Jerusalem"), ("CST", "")])
def test_the_greeting_settles_a_name_of_several_zones(name: str, place: str, tmp_path: Path) -> None:
    """A gateway tells its local time when it greets: which IST that is follows from the broker's time."""
    spec = tmp_path / "holder.yaml"
    spec.write_text(SPEC.replace("NAME", "holder").replace("ENTRY", "09:35").replace("EXIT", "09:40"))
    plan = f"faults: [{{kind: time_zone, name: {name}{f', place: {place}' if place else ''}}}]"
    found = live_through(tmp_path, [spec], None, lives=(("9:34", "9:42"),), plan=plan)
    assert found.problems == []
    fills = found.of(Kind.FILL)
    assert len(fills) == 4
    reported = [utc_time(str(each.data["executed_at"])) for each in fills]
    assert all(abs(each.at - dealt) < timedelta(seconds=5) for each, dealt in zip(fills, reported, strict=True))


def test_an_unknown_zone_of_the_hours_leaves_the_calendar(tmp_path: Path) -> None:
    _, (entry, leave) = lived_through("kind: time_zone, name: CST, of: hours", tmp_path)
    assert entry.prepared_at == new_york(10, 0, DAY.day)
    assert leave.prepared_at - entry.prepared_at == timedelta(hours=5, minutes=45)
