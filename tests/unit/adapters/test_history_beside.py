"""What a broker told on a day stands beside the chain of it: read again as it was, and refused where it is damaged."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from past_days import PastDays
from pyarrow import parquet

from rulebot.adapters.history.chain_file import ChainSource, write_day
from rulebot.adapters.history.daily import Daily
from rulebot.adapters.history.session import OF_UNDERLYING, HistoryDay, Source
from rulebot.backtest.fill_model import NATURAL
from rulebot.backtest.simulation import BacktestSimulation
from rulebot.calendars.calendars import shipped_dates
from rulebot.documents.load_bots import load_all_bots
from rulebot.model.contract import Underlying, product
from rulebot.model.economic_calendar import event_calendar
from rulebot.model.errors import StoreError
from rulebot.model.event import HoursReport, OpeningMoveReport
from rulebot.model.facts import Bar, Bars, Listing
from rulebot.model.session import Hours
from rulebot.record.record import Kind, Record

DAY = date(2026, 9, 1)
OPEN = datetime(2026, 9, 1, 13, 30, tzinfo=UTC)
LATER = date(2026, 9, 4)
READS = """
rulebot: 1
name: reads
about: Sells a put spread when bars of ten minutes have risen, on a calm day, in what is listed.
underlying: SPX
let: {day_move: {expected_move: {asof: open}}, mean: {sma: {window: 3, bars: 10m}}}
entry:
  window: {from: "09:45", to: "12:00"}
  per_day: 1
  when:
    - spot: {above: mean}
    - day_range: {below: day_move}
legs:
  expiry: {dte: 0}
  short_put: {sell: put, strike: {delta: 0.20}}
  long_put:  {buy: put,  strike: {below: short_put, by: 10 pts}}
order: {start: mid, step: 0.05, wait: 10s, tries: 4, then: cancel}
exits:
  - time: "15:45"
risk: {max_loss_per_trade: $2000}
"""


def seconds(later: float) -> float:
    return OPEN.timestamp() + later


def told_day(day: HistoryDay) -> HistoryDay:
    """Return a day on which a broker told bars that are not those of the levels, and half of the strikes as listed."""
    bars = []
    for count in range(39):
        known = tuple(Bar(seconds(600 * n), 5900.0, 5910.0 + n, 5890.0, 5905.0 - n, 0.0, 0.0) for n in range(count))
        bars.append((seconds(600 * count + 4), Bars(seconds(600 * count), known)))
    strikes = sorted({option.strike for option in day.options})
    of_spot = {name: np.full(len(day.times), 1.0 + place) for place, name in enumerate(OF_UNDERLYING)}
    of_spot["iv"][7] = np.nan
    of_spot["open"], of_spot["high"], of_spot["low"] = (level + day.levels["SPX"] for level in (0.0, 2.0, -3.0))
    nothing = {name: np.full(len(day.times), np.nan) for name in OF_UNDERLYING}
    return replace(
        day,
        reported={"SPX": of_spot, "VIX": nothing},
        bars={("SPX", 600): tuple(bars)},
        listings={
            ("SPX", "SPXW"): Listing(
                "SPX", "SPXW", (DAY, LATER), {DAY: tuple(strikes[::2]), LATER: (Decimal("62.5"),)}
            ),
            ("SPX", "SPX"): Listing("SPX", "SPX", (date(2026, 9, 17),), ticks=product("SPX").option_ticks),
            ("SPY", "SPY"): Listing("SPY", "SPY", ()),
        },
        moves=(OpeningMoveReport(OPEN + timedelta(seconds=1), "SPX", DAY, 12.25),),
        halts=(
            (seconds(900), frozenset((Underlying("SPX"), Underlying("SPY")))),
            (seconds(960), frozenset(day.options[:2])),
            (seconds(3600), frozenset()),
        ),
        hours=(
            HoursReport(OPEN - timedelta(hours=1), "SPY", Hours(DAY)),
            HoursReport(OPEN + timedelta(hours=3), "SPX", Hours(DAY, OPEN, OPEN + timedelta(hours=5))),
        ),
        ran=frozenset({"reads", "another"}),
    )


SOURCE = PastDays(change=told_day)


@cache
def made() -> HistoryDay:
    return SOURCE.day(DAY)


def written(folder: Path) -> ChainSource:
    write_day(made(), folder / f"{DAY}.parquet", {"SPX": (0.1, 0.2), "SPY": ()})
    return ChainSource(folder, Daily(()))


def test_what_was_reported_is_read_again_as_it_was(tmp_path: Path) -> None:
    source = written(tmp_path)
    found, was = source.day(DAY), made()
    assert found.bars == was.bars
    assert found.listings == was.listings
    assert found.moves == was.moves
    assert found.halts == was.halts
    assert found.hours == was.hours
    assert found.ran == was.ran == {"reads", "another"}
    assert found.reported is not None
    assert was.reported is not None
    for symbol in ("SPX", "VIX"):
        for name in OF_UNDERLYING:
            assert np.array_equal(found.reported[symbol][name], was.reported[symbol][name], equal_nan=True), name
    assert (source.implied("SPX", DAY, 5), source.implied("SPX", DAY, 1)) == ((0.1, 0.2), (0.2,))
    assert source.dates(DAY, LATER) == [DAY], "what stands beside a chain is none"


def test_what_was_never_reported_has_no_file(tmp_path: Path) -> None:
    nothing: dict[str, Any] = {"reported": None, "bars": None, "listings": None, "ran": None}
    nothing |= {"moves": (), "halts": (), "hours": ()}
    write_day(replace(made(), **nothing), tmp_path / f"{DAY}.parquet")
    assert sorted(file.name for file in tmp_path.iterdir()) == [f"{DAY}.levels.parquet", f"{DAY}.parquet"]
    found = ChainSource(tmp_path, Daily(())).day(DAY)
    assert {name: getattr(found, name) for name in nothing} == nothing


def test_that_no_bot_ran_is_reported_too(tmp_path: Path) -> None:
    """As on a day on which an engine only held what was open: of options there is what was held then."""
    write_day(replace(made(), ran=frozenset()), tmp_path / f"{DAY}.parquet")
    assert ChainSource(tmp_path, Daily(())).day(DAY).ran == frozenset()


def test_of_bars_that_were_reported_twice_at_one_instant_the_later_ones_are_written(tmp_path: Path) -> None:
    bars = [(seconds(0), Bars(seconds(n), (Bar(seconds(-600), 1.0, 2.0, 1.0, 1.5, 0.0, 0.0),) * n)) for n in (0, 1)]
    write_day(replace(made(), bars={("SPX", 600): tuple(bars)}), tmp_path / f"{DAY}.parquet")
    assert ChainSource(tmp_path, Daily(())).day(DAY).bars == {("SPX", 600): (bars[1],)}


def simulated(source: Source, folder: Path) -> list[Record]:
    file = folder / "reads.yaml"
    file.write_text(READS, encoding="utf-8")
    desk = load_all_bots([str(file)], {}, None)
    walk = BacktestSimulation(
        desk.program("t", {}, 90), source, event_calendar(shipped_dates()), NATURAL, Decimal(100_000)
    )
    return [record for done in walk.through(DAY, DAY) for record in done.records]


def test_a_backtest_over_what_was_written_decides_as_over_what_was_recorded(tmp_path: Path) -> None:
    """Without the files beside, the bars would be made of the levels, and all that was streamed would be listed."""
    folder = tmp_path / "chain"
    there, here = simulated(written(folder), tmp_path), simulated(SOURCE, tmp_path)
    assert [record for record in there if record.kind is not Kind.ACCOUNT] == [
        record for record in here if record.kind is not Kind.ACCOUNT
    ]
    assert any(record.kind is Kind.DECISION and record.data["what"] == "enter" for record in here)
    (shut,) = (record for record in here if record.kind is Kind.SESSION and record.data["half"])
    assert shut.at == OPEN + timedelta(hours=3)
    for name in ("bars", "listings", "moves", "halts", "hours"):
        (folder / f"{DAY}.{name}.parquet").unlink()
    assert simulated(ChainSource(folder, Daily(())), tmp_path) != there


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("bars", lambda rows: rows.pop("known_until"), "bars.parquet: it has no column `known_until`"),
        (
            "bars",
            lambda rows: rows["high"].__setitem__(5, 1.0),
            "bars.parquet:6: a price of the bar is missing, or its",
        ),
        ("bars", lambda rows: rows["close"].__setitem__(5, None), "bars.parquet:6: a price of the bar is missing"),
        ("bars", lambda rows: rows["seconds"].__setitem__(5, 0), "bars.parquet:6: seconds is the size of a bar"),
        ("bars", lambda rows: rows["known_until"].__setitem__(5, None), "bars.parquet:6: known_until is missing"),
        (
            "bars",
            lambda rows: [each.reverse() for each in rows.values()],
            "600-second bars of SPX are not in the order",
        ),
        (
            "bars",
            lambda rows: rows.update(time=[at + timedelta(days=1) for at in rows["time"]]),
            "bars.parquet:1: the row's date is 2026-09-02, the file's 2026-09-01",
        ),
        (
            "bars",
            lambda rows: rows.update(begin=[7] * len(rows["begin"])),
            "begin is a timestamp with a zone, is int64",
        ),
        ("listings", lambda rows: rows.pop("strikes"), "listings.parquet: it has no column `strikes`"),
        ("listings", lambda rows: rows["strikes"].__setitem__(0, [-5.0]), "listings.parquet:1: strikes are numbers"),
        (
            "listings",
            lambda rows: rows["steps"].__setitem__(0, "0.05"),
            "listings.parquet:1: steps are a price and the step from there, as in `0 0.05 3 0.10`, are 0.05",
        ),
        (
            "listings",
            lambda rows: rows.update(strikes=[5.0] * len(rows["strikes"])),
            "listings.parquet: strikes is a list in each row, is double",
        ),
        (
            "halts",
            lambda rows: rows.update(right=[["call"]] * len(rows["right"])),
            "halts.parquet: right is a text, is list<",
        ),
        ("listings", lambda rows: rows["last_day"].__setitem__(1, DAY), "listings.parquet:2: 2026-09-01 is no later"),
        ("moves", lambda rows: rows["points"].__setitem__(0, -1.0), "moves.parquet:1: points is an expected move"),
        ("moves", lambda rows: rows.update(expiry=["x"]), "moves.parquet: expiry is a date, is string"),
        ("halts", lambda rows: rows["strike"].__setitem__(2, None), "halts.parquet:3: an option has its last_day"),
        ("halts", lambda rows: rows["time"].reverse(), "halts.parquet:2: the time is earlier than that before"),
        (
            "hours",
            lambda rows: rows["hours"].__setitem__(1, "9 to 5"),
            "hours.parquet:2: hours are as '09:30 to 13:00'",
        ),
        ("hours", lambda rows: rows["hours"].__setitem__(1, "noon"), "hours.parquet:2: hours are as '09:30 to 13:00'"),
        ("ran", lambda rows: rows.pop("bot"), "ran.parquet: it has no column `bot`"),
        ("ran", lambda rows: rows["bot"].__setitem__(1, None), "ran.parquet:2: bot is missing"),
        ("ran", lambda rows: rows["bot"].__setitem__(1, ""), "ran.parquet:2: bot is the name of one that ran"),
        ("levels", lambda rows: rows["open"].__setitem__(3, float("inf")), "levels.parquet:4: open is infinite"),
    ],
)
def test_what_is_damaged_is_refused(tmp_path: Path, name: str, change: Change, says: str) -> None:
    source, file = written(tmp_path), tmp_path / f"{DAY}.{name}.parquet"
    rows = parquet.read_table(file).to_pydict()
    change(rows)
    parquet.write_table(pyarrow.table(rows), file)
    with pytest.raises(StoreError, match=says):
        source.day(DAY)


@pytest.mark.parametrize("name", ["bars", "listings", "moves", "halts", "hours", "implied", "ran"])
def test_what_is_cut_off_is_refused(tmp_path: Path, name: str) -> None:
    source, file = written(tmp_path), tmp_path / f"{DAY}.{name}.parquet"
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(StoreError, match=f"{DAY}.{name}.parquet: this is no whole Parquet file"):
        source.day(DAY)


def test_volatilities_in_percent_are_refused(tmp_path: Path) -> None:
    source = written(tmp_path)
    parquet.write_table(pyarrow.table({"symbol": ["SPX"], "iv": [16.0]}), tmp_path / f"{DAY}.implied.parquet")
    with pytest.raises(StoreError, match=r"implied.parquet:1: iv is an annual fraction"):
        source.day(DAY)
