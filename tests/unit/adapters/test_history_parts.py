"""Several Parquet files of one day in one folder `column=value`: read as one, unless a quote may stand in two."""

from collections.abc import Iterable, Sequence
from datetime import date, time
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from rulebot.adapters.history.session import HistoryDay, Severity
from rulebot.adapters.sources import open_source
from rulebot.model.errors import StoreError

DAY, NEXT = date(2019, 5, 23), date(2019, 5, 24)
FOLDER = f"date={DAY}"
CLOCK = (time(10), time(10, 1), time(10, 2), time(10, 3))
Row = dict[str, object]


def row(strike: float = 2800.0, clock: time = CLOCK[0], right: str = "P", **others: object) -> Row:
    found: Row = {
        "date": DAY,
        "time": clock,
        "symbol": "SPX",
        "trading_class": "SPXW",
        "expiry": date(2019, 5, 31),
        "right": right,
        "strike": strike,
        "bid": strike / 100 - 24 + clock.minute / 10,
        "ask": strike / 100 - 23 + clock.minute / 10,
        "underlying": 2826.0,
    }
    return found | others


def rows(
    strikes: Iterable[float] = (2790.0, 2800.0), clocks: Iterable[time] = CLOCK, right: str = "P", **others: object
) -> list[Row]:
    return [row(strike, clock, right, **others) for clock in clocks for strike in strikes]


def write(file: Path, lines: Sequence[Row], without: tuple[str, ...] = ()) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pyarrow.Table.from_pylist(list(lines)).drop_columns(list(without)), file)
    return file


def levels(file: Path, *times: time, symbol: str = "VIX", level: float = 15.0) -> None:
    write(file, [{"time": clock, "symbol": symbol, "level": level} for clock in times])


def parts(folder: Path, *each: Sequence[Row], place: str = FOLDER) -> Path:
    for number, lines in enumerate(each):
        write(folder / place / f"part-{number}.parquet", lines)
    return folder


def read(path: Path, day: date = DAY) -> HistoryDay:
    return open_source(str(path)).day(day)


def refusal_of(path: Path, day: date = DAY) -> str:
    source = open_source(str(path))
    with pytest.raises(StoreError) as raised:
        source.day(day)
    return raised.value.whole


def said(day: HistoryDay) -> list[tuple[str, int, Severity, str]]:
    return [(each.file, each.row, each.severity, each.text) for each in day.findings]


def same(one: HistoryDay, other: HistoryDay) -> bool:
    columns = [(each.bid.tolist(), each.ask.tolist(), each.times.tolist(), each.options) for each in (one, other)]
    return columns[0] == columns[1]


HALVES = (
    pytest.param(rows(clocks=CLOCK[:2]), rows(clocks=CLOCK[2:]), id="morning and afternoon"),
    pytest.param(rows(clocks=CLOCK[2:]), rows(clocks=CLOCK[:2]), id="the later one first"),
    pytest.param(rows((2790.0,)), rows((2800.0,)), id="by strike"),
    pytest.param([row(2800.0), *rows((2790.0,))], rows((2800.0,), CLOCK[1:]), id="as it came"),
)


@pytest.mark.parametrize(("one", "other"), HALVES)
def test_parts_of_a_day_are_one_day_without_a_finding(tmp_path: Path, one: list[Row], other: list[Row]) -> None:
    whole = read(parts(tmp_path / "whole", [*one, *other]))
    found = read(parts(tmp_path / "parts", one, other))
    assert same(found, whole)
    beside_order = [each.text for each in whole.findings if "the time is earlier" not in each.text]
    assert [each.text for each in found.findings] == beside_order, "no part is before another one"
    assert open_source(str(tmp_path / "parts")).dates(DAY, DAY) == [DAY]
    assert same(read(tmp_path / "parts" / FOLDER), whole), "the folder of the day may be named by itself"


def test_parts_of_many_days_share_a_day(tmp_path: Path) -> None:
    """Which days a part of `year=2019` holds is nobody's plan: here both have rows of the second one."""
    after = {"date": NEXT}
    first = [*rows(), *rows((2790.0,), **after)]
    second = rows((2800.0,), **after)
    found = parts(tmp_path / "parts", first, second, place="year=2019")
    assert open_source(str(found)).dates(DAY, NEXT) == [DAY, NEXT]
    whole = parts(tmp_path / "whole", [*first, *second], place="year=2019")
    for day in (DAY, NEXT):
        assert same(read(found, day), read(whole, day))


def test_three_parts_with_classes_in_another_order(tmp_path: Path) -> None:
    weekly, monthly = rows((2790.0,)), rows((2790.0,), trading_class="SPX", expiry=date(2019, 6, 21))
    each = [*weekly[:2], *monthly[:2]], [*monthly[2:], *weekly[2:]], rows((2850.0,), right="C")
    found = read(parts(tmp_path / "parts", *each))
    assert same(found, read(parts(tmp_path / "whole", [line for lines in each for line in lines])))
    assert {option.trading_class for option in found.options} == {"SPX", "SPXW"}


def test_the_same_option_and_time_in_two_parts_refuses_the_day_with_both_rows(tmp_path: Path) -> None:
    """Be it the same quote or another one: one of the files may be a copy, or what was written twice."""
    for number, again in enumerate((row(2800.0, CLOCK[1]), row(2800.0, CLOCK[1], bid=1.0))):
        folder = parts(tmp_path / str(number), rows((2790.0, 2800.0)), [*rows((2810.0,)), again])
        assert refusal_of(folder) == (
            f"{FOLDER}/part-1.parquet:5: the same option and time are in part-0.parquet:4 as well: which one counts?"
        )
    folder = parts(tmp_path / "whole", rows(), rows())
    assert refusal_of(folder) == (
        f"{FOLDER}/part-1.parquet:1: the same option and time are in part-0.parquet:1 as well (8 rows do): "
        "which one counts?"
    )


def test_a_class_that_goes_by_another_number_in_its_file_is_seen_to_be_the_same(tmp_path: Path) -> None:
    monthly = {"trading_class": "SPX", "expiry": date(2019, 6, 21)}
    folder = parts(tmp_path, [*rows(**monthly), row(2790.0)], [row(2790.0), row(2800.0)])
    assert "part-1.parquet:1: the same option and time are in part-0.parquet:9 as well" in refusal_of(folder)


def test_what_stands_twice_in_one_part_is_left_out_by_its_own_row(tmp_path: Path) -> None:
    day = read(parts(tmp_path, rows((2790.0,)), [*rows((2800.0,)), row(2800.0, CLOCK[3])]))
    assert (f"{FOLDER}/part-1.parquet", 5, Severity.LEFT_OUT, "a duplicate of an earlier quote") in said(day)


def test_findings_name_the_part_and_the_row_within_it(tmp_path: Path) -> None:
    one, other = rows((2790.0,)), rows((2800.0, 2810.0))
    one[2]["bid"] = 99.0
    other[1]["bid"] = other[4]["bid"] = other[5]["bid"] = 99.0
    day = read(parts(tmp_path, one, other))
    assert [each for each in said(day) if "above" in each[3]] == [
        (
            f"{FOLDER}/part-0.parquet",
            3,
            Severity.LEFT_OUT,
            "the bid is above the ask (4 rows: 3; part-1.parquet: 2, 5, 6)",
        )
    ]


def test_rows_out_of_order_within_a_part_are_reported_of_it(tmp_path: Path) -> None:
    day = read(parts(tmp_path, rows((2790.0,)), rows((2800.0,), (CLOCK[0], CLOCK[2], CLOCK[1], CLOCK[3]))))
    text = "the time is earlier than that of the row before; the times are followed, not the order"
    assert [each for each in said(day) if "earlier" in each[3]] == [
        (f"{FOLDER}/part-1.parquet", 3, Severity.REPORTED, text)
    ]


def test_what_is_of_the_whole_day_names_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / FOLDER
    for number, strike in enumerate((2790.0, 2800.0)):
        write(folder / f"part-{number}.parquet", rows((strike,)), without=("underlying",))
    assert refusal_of(tmp_path) == f"{FOLDER} (2 files): there is no level of SPX: no file of levels, no `underlying`"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"date": NEXT}, "part-1.parquet:1: the row's date is 2019-05-24, the file's 2019-05-23"),
        ({"right": "X"}, "part-1.parquet:1: right is call or put (C, P), is 'X'"),
        ({"strike": -1.0}, "part-1.parquet:1: a strike is a number above 0, below 2,147,484, is -1"),
    ],
)
def test_a_part_with_a_row_that_cannot_be_refuses_the_day(tmp_path: Path, change: Row, text: str) -> None:
    assert refusal_of(parts(tmp_path, rows(), [row(2810.0) | change])) == f"{FOLDER}/{text}"


def test_parts_that_differ_in_columns_are_refused(tmp_path: Path) -> None:
    write(tmp_path / FOLDER / "part-0.parquet", [each | {"iv": 0.2, "delta": -0.3} for each in rows((2790.0,))])
    write(tmp_path / FOLDER / "part-1.parquet", rows((2800.0,)))
    assert refusal_of(tmp_path) == (
        f"{FOLDER}/part-1.parquet: it has no columns `delta`, `iv`, as part-0.parquet has: "
        "parts of a day have the same columns"
    )
    write(tmp_path / FOLDER / "part-0.parquet", rows((2790.0,)))
    write(tmp_path / FOLDER / "part-1.parquet", [each | {"iv": 0.2} for each in rows((2800.0,))])
    assert "part-0.parquet: it has no column `iv`, as part-1.parquet has" in refusal_of(tmp_path)


def test_columns_that_nobody_reads_may_differ(tmp_path: Path) -> None:
    write(tmp_path / FOLDER / "part-0.parquet", [each | {"source": "a"} for each in rows((2790.0,))])
    write(tmp_path / FOLDER / "part-1.parquet", rows((2800.0,)))
    assert len(read(tmp_path).options) == 2


def test_parts_of_two_underlyings_are_refused(tmp_path: Path) -> None:
    folder = parts(tmp_path, rows(), rows(symbol="SPY", trading_class="SPY"))
    assert refusal_of(folder) == (
        f"{FOLDER}/part-1.parquet: it has SPY, and part-0.parquet has SPX: "
        "put another underlying into a folder of its own"
    )


def test_an_empty_part_is_reported_and_the_day_is_read(tmp_path: Path) -> None:
    parts(tmp_path, rows((2790.0,)), rows((2800.0,)))
    file = tmp_path / FOLDER / "part-2.parquet"
    parquet.write_table(parquet.read_table(tmp_path / FOLDER / "part-0.parquet", partitioning=None).slice(0, 0), file)
    day = read(tmp_path)
    assert len(day.options) == 2
    assert said(day)[0] == (f"{FOLDER}/part-2.parquet", 0, Severity.REPORTED, "it has no rows")
    (tmp_path / FOLDER / "part-1.parquet").unlink()
    assert len(read(tmp_path).options) == 1
    (tmp_path / FOLDER / "part-0.parquet").write_bytes(file.read_bytes())
    assert refusal_of(tmp_path) == f"{FOLDER}/part-0.parquet: it has no rows"


def test_files_of_a_day_side_by_side_or_in_two_folders_stay_refused(tmp_path: Path) -> None:
    write(tmp_path / "beside" / f"{DAY}.parquet", rows((2790.0,)))
    write(tmp_path / "beside" / "chain-2019.parquet", rows((2800.0,)))
    write(tmp_path / "folders" / FOLDER / "right=C" / "part-0.parquet", rows((2790.0,), right="C"))
    write(tmp_path / "folders" / FOLDER / "right=P" / "part-0.parquet", rows((2790.0,)))
    parts(tmp_path / "both", rows((2790.0,)), rows((2800.0,)))
    write(tmp_path / "both" / "year=2019" / "part-0.parquet", rows((2810.0,)))
    for folder, text in (
        ("beside", f"chain-2019.parquet: {DAY} is also in {DAY}.parquet"),
        ("folders", f"right=P/part-0.parquet: {DAY} is also in right=C/part-0.parquet"),
        ("both", f"year=2019/part-0.parquet: {DAY} is also in {FOLDER}/part-0.parquet"),
    ):
        assert refusal_of(tmp_path / folder).startswith(text)


# ------------------------------------------------------------------ what stands beside


def test_levels_and_what_settled_beside_one_part_are_those_of_the_day(tmp_path: Path) -> None:
    folder = parts(tmp_path, rows((2790.0,)), rows((2800.0,))) / FOLDER
    levels(folder / "part-1.levels.parquet", *CLOCK)
    (folder / f"{DAY}.settled.csv").write_text("symbol,trading_class,level\nSPX,SPXW,2822.24\n")
    day = read(tmp_path)
    assert day.levels["VIX"].tolist() == [15.0] * 4
    assert day.levels["SPX"].tolist() == [2826.0] * 4
    assert day.settled["SPX", "SPXW"] == 2822.24


def test_levels_beside_two_parts_refuse_the_day(tmp_path: Path) -> None:
    folder = parts(tmp_path, rows((2790.0,)), rows((2800.0,))) / FOLDER
    levels(folder / "part-0.levels.parquet", *CLOCK)
    levels(folder / "part-1.levels.parquet", *CLOCK, level=16.0)
    assert refusal_of(tmp_path) == (
        f"{FOLDER}/part-1.levels.parquet: levels of {DAY} are also in part-0.levels.parquet: which ones count? "
        "keep them next to one part"
    )


def test_what_a_broker_reported_stands_beside_one_part(tmp_path: Path) -> None:
    folder = parts(tmp_path, rows((2790.0,)), rows((2800.0,))) / FOLDER
    write(folder / "part-1.implied.parquet", [{"symbol": "SPX", "iv": 0.16}])
    source = open_source(str(tmp_path))
    assert source.implied("SPX", DAY, 5) == (0.16,)
    assert len(source.day(DAY).options) == 2
    write(folder / "part-1.implied.parquet", [{"symbol": "SPX", "iv": 16.0}])
    assert "part-1.implied.parquet:1: iv is an annual fraction" in refusal_of(tmp_path)
    write(folder / "part-0.implied.parquet", [{"symbol": "SPX", "iv": 0.17}])
    text = (
        f"{FOLDER}/part-1.parquet: broker data of {DAY} is also next to part-0.parquet: "
        "which one counts? keep it next to one part"
    )
    assert refusal_of(tmp_path) == text


def test_a_file_beside_no_chain_is_reported(tmp_path: Path) -> None:
    """In a folder of parts a person may call it after the day, as beside a file of that day."""
    folder = parts(tmp_path, rows((2790.0,)), rows((2800.0,))) / FOLDER
    levels(folder / f"{DAY}.levels.parquet", *CLOCK)
    source = open_source(str(tmp_path))
    assert [(each.file, each.text) for each in source.gaps(DAY, DAY) if "beside" in each.text] == [
        (f"{FOLDER}/{DAY}.levels.parquet", f"it is not read: there is no chain {DAY}.parquet beside it")
    ]
    assert not [each for each in source.gaps(NEXT, NEXT) if "beside" in each.text]
