"""Files that are damaged, odd or incomplete: each fault is reported by file and row, and nothing of it is stored."""

import gzip
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from written_market import DAYS, market, optionsdx, plain, with_times

from rulebot.data import catalogue
from rulebot.data.add import Added, Asked, add
from rulebot.data.check import check, draft
from rulebot.data.layout import read_layout
from rulebot.model.errors import MisuseError, RulebotError, StoreError


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RULEBOT_DATA", str(tmp_path / "kept"))


def changed(tmp_path: Path, change: Callable[[list[str]], list[str]]) -> Added:
    """Add a file some lines of which are other ones. The first line is the header."""
    file = with_times(tmp_path, market())
    file.write_text("\n".join(change(file.read_text("utf-8").splitlines())) + "\n", "utf-8")
    return add("mine", [file], Asked())


def words(added: Added) -> list[tuple[int, str, str]]:
    return [(each.row, each.severity.value, each.text) for each in added.findings]


@pytest.mark.parametrize(
    ("field", "text", "said"),
    [
        (0, "soon", "its day cannot be read"),
        (2, "13 Octember 2024", "its expiry cannot be read"),
        (3, "-5000", "its strike is no number above 0"),
        (4, "both", "its right is neither call nor put"),
    ],
)
def test_a_row_that_says_no_option_is_left_out(field: int, text: str, said: str, tmp_path: Path) -> None:
    def change(lines: list[str]) -> list[str]:
        cells = lines[9].split(",")
        cells[field] = text
        return [*lines[:9], ",".join(cells), *lines[10:]]

    assert words(changed(tmp_path, change)) == [(10, "left out", said)]


def test_a_price_that_is_no_number_counts_as_none(tmp_path: Path) -> None:
    def change(lines: list[str]) -> list[str]:
        cells = lines[9].split(",")
        cells[5] = "abc"
        return [*lines[:9], ",".join(cells), *lines[10:]]

    assert words(changed(tmp_path, change)) == [(10, "reported", "bid is no number, as 'abc': it counts as empty")]


def test_a_line_with_too_many_fields_is_left_out(tmp_path: Path) -> None:
    found = changed(tmp_path, lambda lines: [*lines[:5], lines[5] + ",1,2", *lines[6:]])
    assert words(found) == [(6, "left out", "the line has not 8 fields, as the header has")]


def test_a_header_that_comes_again_is_left_out(tmp_path: Path) -> None:
    found = changed(tmp_path, lambda lines: [*lines[:40], lines[0], *lines[40:]])
    assert (41, "left out", "its day cannot be read") in words(found)


def test_rows_of_a_day_without_a_session_are_left_out(tmp_path: Path) -> None:
    found = changed(tmp_path, lambda lines: [*lines, lines[1].replace("2024-03-04T", "2024-03-03T")])
    (_, severity, text) = words(found)[0]
    assert (severity, text) == ("left out", "2024-03-03 is no session of the exchange")
    assert sorted(found.days["SPX"]) == list(DAYS)


def test_lines_in_any_order_are_the_same_sessions(tmp_path: Path) -> None:
    def shuffled(lines: list[str]) -> list[str]:
        rest = lines[1:]
        random.Random(1).shuffle(rest)
        return [lines[0], *rest]

    found = changed(tmp_path, shuffled)
    assert (words(found), sorted(found.days["SPX"])) == ([], list(DAYS))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b"PAR1 this is none\0\0\0", "the file is no text in UTF-8"),
        (b'{"Information": "the limit is 25 requests a day"}', "this is no table: it begins with"),
        (b"date,bid,bid,ask\n", "there are two columns 'bid'"),
        (
            b"date,strike\n2024-03-04,5000\n",
            "no column holds expiry, right, bid, ask, symbol; the file has date, strike",
        ),
        (b"a\rb\rc", "lines end with a carriage return alone"),
    ],
)
def test_a_file_that_is_no_chain_is_refused(content: bytes, said: str, tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_bytes(content)
    with pytest.raises(RulebotError, match=r"x\.csv.*") as raised:
        add("mine", [file], Asked())
    assert said in raised.value.message
    assert not catalogue.exists("mine")


def test_a_symbol_that_is_a_path_is_none(tmp_path: Path) -> None:
    found = changed(tmp_path, lambda lines: [*lines[:9], lines[9].replace("I:SPX", "../../x"), *lines[10:]])
    assert words(found) == [(10, "left out", "it names no underlying")]


def test_a_day_of_another_century_is_left_out(tmp_path: Path) -> None:
    found = changed(tmp_path, lambda lines: [*lines, lines[1].replace("2024-03-04T", "1815-06-18T")])
    assert words(found)[0][1:] == ("left out", "1815-06-18 is no session of the exchange")


def test_of_a_file_that_is_refused_nothing_stays_stored(tmp_path: Path) -> None:
    sound = plain(tmp_path, market())
    add("mine", [sound], Asked())
    before = {each: each.read_bytes() for each in (tmp_path / "kept").rglob("*.parquet")}
    text = with_times(tmp_path, market()).read_bytes()
    with gzip.open(tmp_path / "cut.csv.gz", "wb") as stream:
        stream.write(text)
    whole = (tmp_path / "cut.csv.gz").read_bytes()
    (tmp_path / "cut.csv.gz").write_bytes(whole[: len(whole) * 3 // 4])
    with pytest.raises(StoreError, match=r"cut\.csv\.gz: the file is damaged or cut off"):
        add("mine", [tmp_path / "cut.csv.gz"], Asked())
    assert {each: each.read_bytes() for each in (tmp_path / "kept").rglob("*.parquet")} == before


def test_a_zip_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(StoreError, match=r"x\.zip: the file is damaged or cut off"):
        add("mine", [tmp_path / "x.zip"], Asked())


def test_a_zip_with_a_sound_and_a_bad_file_is_refused_as_a_whole(tmp_path: Path) -> None:
    sound = with_times(tmp_path, market())
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.write(sound, "a.csv")
        archive.writestr("b.csv", "date,strike\n2024-03-04,5000\n")
    with pytest.raises(StoreError, match=r"x\.zip/b\.csv:1: no column holds expiry"):
        add("mine", [tmp_path / "x.zip"], Asked())
    assert list((tmp_path / "kept").rglob("*.parquet")) == []


def test_a_row_with_a_call_and_a_put_counts_once(tmp_path: Path) -> None:
    file = optionsdx(tmp_path, market())
    lines = file.read_text("utf-8").splitlines()
    file.write_text("\n".join([*lines[:3], lines[3].replace("2024-03-08", "never"), *lines[4:]]) + "\n", "utf-8")
    assert (4, "left out", "its expiry cannot be read") in words(add("mine", [file], Asked()))


@pytest.mark.parametrize("odd", ["\r", '"', "x" * 200_000], ids=["a return", "a quote", "a long field"])
def test_a_line_that_cannot_be_parted_is_left_out(odd: str, tmp_path: Path) -> None:
    found = changed(tmp_path, lambda lines: [*lines[:5], lines[5].replace(",", f",{odd}", 2) + ",,,", *lines[6:]])
    assert words(found) == [(6, "left out", "the line has not 8 fields, as the header has")]


@pytest.mark.parametrize("seed", range(20))
def test_readable_garbage_is_refused_and_never_a_traceback(seed: int, tmp_path: Path) -> None:
    source = random.Random(seed)
    file = tmp_path / "g.csv"
    file.write_text("".join(source.choice("ab,;\t|\n\r\"'0159-/.: ") for _ in range(5000)), "utf-8")
    with pytest.raises(RulebotError):
        add("mine", [file], Asked())


def test_garbage_is_refused_and_never_a_traceback(tmp_path: Path) -> None:
    source = random.Random(3)
    for number in range(40):
        file = tmp_path / f"g{number}.csv"
        file.write_bytes(bytes(source.randrange(256) for _ in range(4000)))
        with pytest.raises(RulebotError):
            add("mine", [file], Asked())


def test_days_with_two_meanings_are_refused_until_a_columns_file_says_which(tmp_path: Path) -> None:
    file = tmp_path / "spx.csv"
    file.write_text("date,symbol,expiry,right,strike,bid,ask,spot\n03/04/2024,SPX,03/08/2024,C,5000,130,131,5130\n")
    with pytest.raises(StoreError, match=r"spx\.csv:2: '03/0[48]/2024' may have the month or the day first"):
        add("mine", [file], Asked())
    columns = tmp_path / "columns.yaml"
    columns.write_text(
        "dates: month first\ncolumns: {date: date, symbol: symbol, expiry: expiry, right: right, strike: strike, "
        "bid: bid, ask: ask, underlying: spot}\n"
    )
    assert add("mine", [file], Asked(read_layout(columns))).days == {"SPX": {DAYS[0]}}


def test_a_columns_file_says_units_zone_and_decimal_comma(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text(
        "Tag;Zeit;Basis;Verfall;Art;K;Geld;Brief;Kurs\n4.3.2024;14,75;SPX;8.3.2024;P;5000000;1.301,5;1.302,5;5.130,25\n"
    )
    columns = tmp_path / "columns.yaml"
    columns.write_text(
        "columns: {date: Tag, time: Zeit, symbol: Basis, expiry: Verfall, right: Art, strike: K, bid: Geld, "
        "ask: Brief, underlying: Kurs}\nclock: hours\ndecimal: comma\nends: 60\nscale: {strike: 0.001}\n"
    )
    add("mine", [file], Asked(read_layout(columns)))
    (row,) = pl.read_parquet(next((tmp_path / "kept").rglob("*.parquet"))).to_dicts()
    assert (row["strike"], row["bid"], row["ask"], row["underlying_price"]) == (5000.0, 1301.5, 1302.5, 5130.25)
    assert (str(row["date"]), row["time"], row["right"]) == ("2024-03-04", "14:46:00.000000", "P")


def test_a_row_whose_time_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    head = "date,time,symbol,expiry,right,strike,bid,ask,spot"
    rows = [
        f"2024-03-04,{time},SPX,2024-03-08,C,{strike},131,132,5130" for time, strike in (("9:35", 5000), ("?", 5010))
    ]
    file.write_text("\n".join([head, *rows]) + "\n")
    assert words(add("mine", [file], Asked())) == [(3, "left out", "its time cannot be read")]


def test_a_columns_file_with_a_misspelt_key_is_refused_by_its_line(tmp_path: Path) -> None:
    columns = tmp_path / "columns.yaml"
    columns.write_text("columns:\n  date: Day\n  bidd: B\n")
    with pytest.raises(MisuseError, match=r"columns\.yaml:3: "):
        read_layout(columns)


def test_check_drafts_what_a_columns_file_lacks_and_stores_nothing(tmp_path: Path) -> None:
    file = tmp_path / "odd.csv"
    file.write_text("date,sym,lapse,kind,strike,bid,ask\n2024-03-04,SPX,2024-03-08,C,5000,130,131\n")
    found = check([file], Asked())
    assert not found.is_usable
    assert found.files[0].lacking == ["expiry", "right", "symbol"]
    assert "  # expiry: which of sym, lapse, kind?" in draft(found.files[0]).splitlines()
    assert catalogue.names() == []


def test_a_file_is_added_once(tmp_path: Path) -> None:
    file = plain(tmp_path, market())
    first, second = add("mine", [file], Asked()), add("mine", [file], Asked())
    assert ([each.name for each in first.files], second.files, second.known) == (["mine.csv"], [], ["mine.csv"])


def test_another_file_of_the_same_name_is_refused(tmp_path: Path) -> None:
    file = plain(tmp_path, market())
    add("mine", [file], Asked())
    file.write_text(file.read_text("utf-8").replace(";5000;", ";5001;"), "utf-8")
    with pytest.raises(StoreError, match=r"the source mine has another file mine\.csv"):
        add("mine", [file], Asked())


def test_instants_without_enough_pairs_are_counted(tmp_path: Path) -> None:
    head = "date,time,symbol,expiry,strike,right,bid,ask"
    rows = [f"2024-03-04,9:35,SPX,2024-03-08,{strike},C,131,132" for strike in (5000, 5010)]
    (tmp_path / "x.csv").write_text("\n".join([*plain_rows(tmp_path, head), *rows]) + "\n")
    text = "1 instant in 1 session has no level of the underlying: too few calls and puts are quoted"
    assert (0, "reported", text) in words(add("mine", [tmp_path / "x.csv"], Asked()))


def plain_rows(folder: Path, head: str) -> list[str]:
    """Return the rows of the market at 15:45 without a level."""
    lines = with_times(folder, market()).read_text("utf-8").splitlines()[1:]
    return [head, *(f"{line[:10]},15:45,{','.join(line.split(',')[1:7])}" for line in lines)]
