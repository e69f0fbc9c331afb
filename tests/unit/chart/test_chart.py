"""Decisions on a chart: what is read from a store, drawn, and told TradingView; and prices kept by the minute."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from hand_desk import Desk, clock, text_of
from store_day import CONDOR, DAY, SELLER, WATCHER, at, entity, position, small_day

from rulebot.chart.chart import MOST_POINTS, Chart, Mark, MarkKind, chart_of_day, chart_of_trade, pine_script
from rulebot.chart.svg import chart_svg, mark_words, summary
from rulebot.cli.main import main
from rulebot.documents.load_bots import load_all_bots
from rulebot.model.errors import RulebotError
from rulebot.narrate.periods import PriceNotes
from rulebot.record.record import Json, Kind, Record
from rulebot.store.journal import SqlJournal
from rulebot.store.queries import StoreReader
from rulebot.store.registry import open_store

ROOT = Path(__file__).parents[3]
SVG = "{http://www.w3.org/2000/svg}"


def prices(when: str, **levels: float) -> Record:
    return Record(at(when), Kind.PRICES, "", "", {"prices": dict(levels)})


@cache
def specs_as_json(condor: Path = ROOT / "specs" / f"{CONDOR}.yaml") -> dict[str, Json]:
    """Return the specs of the day as they are shipped, so that levels of exits can be read of them."""
    files = [condor, *(ROOT / "specs" / f"{name}.yaml" for name in (WATCHER, SELLER))]
    desk = load_all_bots([str(file) for file in files], {}, None)
    return {
        text.name: {"digest": text.digest, "path": text.file, "text": text.text, "overrides": {}} for text in desk.texts
    }


def day_of(*more: Record, specs: dict[str, Json] | None = None) -> list[Record]:
    """Return the hand-made day under the shipped texts, or others, with more records in their places."""
    specs = specs or specs_as_json()
    found = []
    for record in (*small_day(), *more):
        data = dict(record.data)
        if record.kind is Kind.RUN_STARTED:
            data["specs"] = specs
        if record.kind is Kind.POSITION and record.bot in specs:
            reported = specs[record.bot]
            assert isinstance(reported, dict)
            data["digest"] = reported["digest"]
        found.append(replace(record, data=data))
    return sorted(found, key=lambda record: record.at)


def stored(path: Path, records: Sequence[Record]) -> Path:
    journal = SqlJournal(open_store(path))
    journal.append(records, durable=True)
    journal.close()
    return path


@pytest.fixture
def store(tmp_path: Path) -> Path:
    by_minute = [prices(f"{9 + m // 60:02d}:{m % 60:02d}", SPX=6000.0 + m / 10, SPY=600.0) for m in range(31, 360)]
    skip = Record(at("11:30"), Kind.DECISION, CONDOR, "", {"what": "skip", "reason": "max_open is 1", "values": []})
    return stored(tmp_path / "a.db", day_of(*by_minute, skip))


def of_day(store: Path, bot: str = CONDOR) -> Chart:
    with StoreReader(store) as reader:
        return chart_of_day(reader, bot, DAY)


# ---------------------------------------------------------------- read from a store


def test_entries_exits_and_refusals_stand_where_the_underlying_was(store: Path) -> None:
    chart = of_day(store)
    assert [name for name, _ in chart.lines] == ["SPX"]
    found = [(mark.kind, f"{mark.at - timedelta(hours=5):%H:%M}", mark.price) for mark in chart.marks]
    assert found == [
        (MarkKind.ENTRY, "09:52", 6000.0 + 5.2),
        (MarkKind.REFUSED, "11:30", 6000.0 + 15.0),
        (MarkKind.EXIT, "13:07", 6000.0 + 24.7),
    ]
    entry, refused, left = chart.marks
    assert entry.words == "sold 5920/5930p 6065/6075c at 0.85"
    assert (refused.words, refused.trade) == ("max_open is 1", None)
    assert (left.words, left.gain, left.trade) == ("target at 0.40, +$36.80", 36.8, entry.trade)


def test_a_position_shows_what_it_cost_to_close_between_its_exits(store: Path) -> None:
    (held,) = of_day(store).held
    assert (held.entry, held.exit, held.is_debit) == (0.85, 0.40, False)
    assert [cost for _, cost in held.points] == [0.75, 0.45]
    levels = dict(held.levels)
    assert levels["target"] < 0.85 < levels["stop"]
    assert held.strikes[0] == ("SPX", 5930.0, True)


def test_a_stop_in_dollars_stands_where_it_stood_while_the_position_was_open(tmp_path: Path) -> None:
    file, text = tmp_path / f"{CONDOR}.yaml", (ROOT / "specs" / f"{CONDOR}.yaml").read_text()
    file.write_text(text.replace("stop: {cost: 2x credit}", "stop: {loss: $50}"))
    (held,) = of_day(stored(tmp_path / "e.db", day_of(specs=specs_as_json(file)))).held
    assert dict(held.levels)["stop"] == pytest.approx(0.85 + 0.50 - 0.041)  # $4.10 were paid at its entry


def test_a_stop_in_dollars_is_that_of_all_structures_of_a_trade_that_is_over(tmp_path: Path) -> None:
    """Of two that were sold it stood where it would for one: a stop of $400 at 6.15 in the place of 4.17."""
    file, text = tmp_path / f"{CONDOR}.yaml", (ROOT / "specs" / f"{CONDOR}.yaml").read_text()
    file.write_text(text.replace("stop: {cost: 2x credit}", "stop: {loss: $50}"))
    one = position("closed", entries=True, exits=True, opened_at=at("09:52"), closed_at=at("13:08"))
    legs = (
        replace(leg, opened=2, closed=2, entry_cash=2 * leg.entry_cash, exit_cash=2 * leg.exit_cash) for leg in one.legs
    )
    two = entity(Kind.POSITION, at("13:08"), replace(one, quantity=2, legs=tuple(legs)))
    (held,) = of_day(stored(tmp_path / "f.db", day_of(two, specs=specs_as_json(file)))).held
    assert dict(held.levels)["stop"] == pytest.approx(0.85 + 0.25 - 0.0205)


def test_a_wing_that_is_left_to_expire_leaves_the_levels_where_they_stood(tmp_path: Path, store: Path) -> None:
    """Until the close a stop stood at -0.14 and a target at -1.58: those of the wing alone."""
    whole = position("exiting", entries=True, exits=True, opened_at=at("09:52"), exit_reason="target")
    legs = (*whole.legs[:-1], replace(whole.legs[-1], closed=0, exit_cash=Decimal(0)))
    left = entity(Kind.POSITION, at("13:08"), replace(whole, legs=legs))
    chart = of_day(stored(tmp_path / "g.db", day_of(left)))
    assert [each.levels for each in chart.held] == [each.levels for each in of_day(store).held]


def test_a_side_that_was_bought_back_has_a_mark_and_the_rest_is_left_when_it_expires(tmp_path: Path) -> None:
    """The put side is closed by its own exit at 13:07; the calls expire at 16:00, which ends the trade."""
    whole = position("open", entries=True, exits=True, opened_at=at("09:52"))
    legs = tuple(leg if "put" in leg.name else replace(leg, closed=0, exit_cash=Decimal(0)) for leg in whole.legs)
    part = replace(whole, legs=legs)
    gone = tuple(leg if "put" in leg.name else replace(leg, closed=1, settled=1) for leg in legs)
    over = replace(part, state="closed", legs=gone, closed_at=at("16:00"), exit_reason="expired_worthless")
    changes = [entity(Kind.POSITION, at("13:08"), part), entity(Kind.POSITION, at("16:00"), over)]
    ended: dict[str, Json] = {"quantity": 1, "price": "0", "level": "6001", "how": "worthless", "shares_profit": "0"}
    settled = [Record(at("16:00"), Kind.SETTLEMENT, CONDOR, "P1", {**ended, "leg": leg.name}) for leg in gone[2:]]
    chart = of_day(stored(tmp_path / "d.db", day_of(*settled, *changes)))
    reported = [(f"{mark.at - timedelta(hours=5):%H:%M}", mark.words.split(",")[0]) for mark in chart.marks]
    assert reported[1:] == [("13:07", "target: a part at 0.40"), ("16:00", "expired_worthless in all at 0.15")]
    assert [each.exit_at for each in chart.held] == [at("16:00")]


def test_without_kept_prices_those_beside_the_position_are_drawn(tmp_path: Path) -> None:
    chart = of_day(stored(tmp_path / "b.db", day_of()))
    lines = [(name, [price for _, price in points]) for name, points in chart.lines]
    assert lines == [("SPX", [6001.5, 6004.12, 6004.12])]
    assert [mark.price for mark in chart.marks] == [6001.5, 6004.12]  # the exit a minute after the last of them


def test_without_kept_prices_each_trade_of_a_day_has_its_own_beside_it(tmp_path: Path) -> None:
    """A second condor at 14:00, which was noted once, five minutes later, and bought back then."""
    opened = position("open", entries=True, exits=False, opened_at=at("14:00:21"), spot=Decimal("5990.5"))
    closed = position("closed", entries=True, exits=True, opened_at=at("14:00:21"), closed_at=at("14:05:31"))
    states = (("14:00:21", opened), ("14:05:31", replace(closed, spot=opened.spot)))
    held = [entity(Kind.POSITION, at(when), replace(each, id="P3")) for when, each in states]
    (noted, *_) = [each for each in small_day() if each.kind is Kind.MARK and each.bot == CONDOR]
    noted = replace(noted, at=at("14:05"), position="P3", data=dict(noted.data) | {"spot": "5980.25"})
    refused = Record(at("13:57"), Kind.DECISION, CONDOR, "", {"what": "skip", "reason": "a limit", "values": []})
    chart = of_day(stored(tmp_path / "c.db", day_of(*held, noted, refused)))
    assert [price for _, price in dict(chart.lines)["SPX"]] == [6001.5, 6004.12, 6004.12, 5990.5, 5980.25]
    marks = [(f"{mark.at - timedelta(hours=5):%H:%M}", mark.price) for mark in chart.marks]
    assert marks[2:] == [("13:57", None), ("14:00", 5990.5), ("14:05", 5980.25)]


def test_a_refusal_of_another_symbol_stands_beside_no_price_and_none_is_left_out(tmp_path: Path) -> None:
    """Of a universe: SPX was traded and has a line, SPY was refused and has none."""
    said = (
        ("SPY: a limit", "SPY"),
        ("SPX: a limit", "SPX"),
        ("max_open is 1", ""),
        *((f"{n} open", "") for n in range(80)),
    )
    skips = [
        Record(
            at("11:30"), Kind.DECISION, CONDOR, "", {"what": "skip", "reason": words, "values": [], "symbol": symbol}
        )
        for words, symbol in said
    ]
    chart = of_day(stored(tmp_path / "c.db", day_of(prices("11:30", SPX=6015.0), *skips)))
    found = [(mark.words, mark.symbol, mark.price) for mark in chart.marks if mark.kind is MarkKind.REFUSED]
    assert found[:3] == [("SPY: a limit", "", None), ("SPX: a limit", "SPX", 6015.0), ("max_open is 1", "", None)]
    assert [len(found), chart.marks[0].kind] == [83, MarkKind.ENTRY]


def test_marks_are_counted_in_words(store: Path) -> None:
    """Two exits, of a part and of the rest, were "2 exit"."""
    chart = of_day(store)
    assert summary(chart).endswith("1 entry, 1 exit, 1 refused")
    assert summary(replace(chart, marks=chart.marks * 2)).endswith("2 entries, 2 exits, 2 refused")


def test_a_bot_that_only_watched_has_its_line_and_no_mark(store: Path) -> None:
    chart = of_day(store, WATCHER)
    assert len(dict(chart.lines)["SPX"]) == 329
    assert (chart.marks, chart.held) == ((), ())
    assert "SPX between 6,003.10 and 6,035.90" in summary(chart)


def test_a_trade_is_drawn_alone_and_one_that_is_open_until_now(store: Path) -> None:
    with StoreReader(store) as reader:
        numbers = {row["strategy_id"]: row["id"] for row in reader.view("trades")}
        condor, seller = (chart_of_trade(reader, numbers[name]) for name in (CONDOR, SELLER))
        assert chart_of_trade(reader, 99) is None
    assert condor is not None
    assert seller is not None
    assert [mark.kind for mark in condor.marks] == [MarkKind.ENTRY, MarkKind.EXIT]
    assert [mark.kind for mark in seller.marks] == [MarkKind.ENTRY]
    assert (seller.first, seller.last) == (DAY, DAY)
    assert [name for name, _ in seller.lines] == ["SPY"]


def test_a_text_that_cannot_be_read_any_more_has_no_levels(tmp_path: Path) -> None:
    chart = of_day(stored(tmp_path / "c.db", small_day()))
    assert [held.levels for held in chart.held] == [()]
    assert chart_svg(chart)


def test_long_lines_are_thinned_and_keep_their_end(tmp_path: Path) -> None:
    many = [prices(f"10:{m:02d}:{s:02d}", SPX=float(m * 60 + s)) for m in range(60) for s in range(0, 60)]
    (name, points), *_ = of_day(stored(tmp_path / "d.db", day_of(*many)), WATCHER).lines
    assert (name, len(points) <= MOST_POINTS + 1, points[-1][1]) == ("SPX", True, 3599.0)


# ---------------------------------------------------------------- drawn


def test_the_drawing_has_a_shape_for_each_mark_that_leads_to_its_line(store: Path) -> None:
    chart = of_day(store)
    root = ElementTree.fromstring(chart_svg(chart))
    assert root.get("role") == "group"
    assert root.get("aria-label") == summary(chart)
    links = [(link.get("href"), link.get("aria-label")) for link in root.iter(f"{SVG}a")]
    assert links == [(f"#mark-{number}", f"{number}: {mark_words(mark)}") for number, mark in enumerate(chart.marks, 1)]
    shapes = [each.get("class") for each in root.iter(f"{SVG}path")]
    assert shapes == ["entry", "refused", "exit", "entry", "exit"]  # and those of the position's own panel
    assert not list(root.iter(f"{SVG}style"))
    words = [each.text for each in root.iter(f"{SVG}text")]
    assert {"SPX", "entry 0.85", "10:00", "16:00"} <= set(words)
    assert any(word and word.startswith("target ") for word in words)


def test_alone_it_brings_its_style_and_leads_nowhere(store: Path) -> None:
    root = ElementTree.fromstring(chart_svg(of_day(store), is_alone=True))
    assert len(list(root.iter(f"{SVG}style"))) == 1
    assert not list(root.iter(f"{SVG}a"))
    assert len(list(root.iter(f"{SVG}title"))) == 3


def test_everything_lies_on_the_drawing(store: Path) -> None:
    text = chart_svg(of_day(store))
    _, _, wide, high = (float(part) for part in re.search(r'viewBox="([^"]+)"', text)[1].split())  # type: ignore[index]
    for points in re.findall(r'points="([^"]+)"', text):
        for pair in points.split():
            x, y = (float(part) for part in pair.split(","))
            assert 0 <= x <= wide
            assert 0 <= y <= high


def test_marks_of_one_minute_do_not_hide_each_other(store: Path) -> None:
    chart = of_day(store)
    mark = chart.marks[1]
    crowd = replace(chart, marks=tuple(replace(mark, words=f"{number}") for number in range(5)), held=())
    places = re.findall(r'class="hit" cx="([\d.]+)" cy="([\d.]+)"', chart_svg(crowd))
    assert len(set(places)) == 5


def test_words_of_others_are_harmless_and_nothing_is_no_drawing(store: Path) -> None:
    chart = of_day(store)
    bad = Mark(at=at("12:00"), kind=MarkKind.REFUSED, symbol="SPX", words='<script>"x"&\x07')
    text = chart_svg(replace(chart, marks=(bad,)))
    assert "<script>" not in text
    assert chart_svg(replace(chart, marks=(), lines=())) == ""
    unpriced = replace(chart, lines=(), marks=(bad,), held=())
    drawn = chart_svg(unpriced)
    assert "no price of it was kept" in drawn
    assert not re.findall(r">-?[\d,]+\.\d\d<", drawn)  # an axis would invent prices


# ---------------------------------------------------------------- for TradingView


def literals(script: str) -> list[str]:
    """Return the strings of a script; fails where one does not end on its line."""
    found = []
    for line in script.splitlines():
        if line.startswith("//"):
            continue
        found += re.findall(r'"((?:[^"\\]|\\.)*)"', line)
        assert '"' not in re.sub(r'"((?:[^"\\]|\\.)*)"', "", line)
    return found


def test_the_script_marks_the_same_at_the_clock_of_the_exchange(store: Path) -> None:
    script = pine_script(of_day(store))
    assert script.startswith("//@version=6\n")
    assert 'string wanted = "SPX"' in script
    calls = [line.strip() for line in script.splitlines() if line.startswith("    mark(")]
    assert len(calls) == 3
    assert 'timestamp("America/New_York", 2026, 11, 18, 9, 52, 0)' in calls[0]
    assert '9, 52, 0), 6005.20, "sold 5920/5930p' in calls[0]
    assert "label.style_label_up, yloc.price, color.teal" in calls[0]
    unpriced = replace(of_day(store).marks[0], price=None)
    assert "0), na, " in pine_script(replace(of_day(store), marks=(unpriced,)))
    assert "yloc.belowbar" in pine_script(replace(of_day(store), marks=(unpriced,)))
    assert "label.style_xcross" in calls[1]
    assert '"refused: max_open is 1"' in calls[1]
    assert "color.blue" in calls[2]
    assert script.count("    level(timestamp(") == 4
    literals(script)


def test_words_cannot_leave_their_string(store: Path) -> None:
    chart = of_day(store)
    bad = replace(chart.marks[0], words='a "b" \\ c\nruntime.error("x")')
    script = pine_script(replace(chart, marks=(bad,), bot='x"\n//'))
    assert [line for line in script.splitlines() if line.startswith("runtime")] == []
    assert any(found == 'entry: a \\"b\\" \\\\ c runtime.error(\\"x\\")' for found in literals(script))


def test_a_long_list_keeps_to_what_pine_allows_and_an_empty_one_is_a_script(store: Path) -> None:
    chart = of_day(store)
    many = replace(chart, marks=chart.marks * 300)
    assert pine_script(many).count("    mark(timestamp(") == 450
    empty = pine_script(replace(chart, marks=(), held=()))
    assert "    int nothing = 0" in empty
    assert "    int nothing = 0" in pine_script(chart, "XSP"), "all that was decided and held is of another symbol"


def test_a_loss_is_red_and_another_symbol_has_its_own_script(store: Path) -> None:
    chart = of_day(store)
    lost = replace(chart.marks[2], gain=-5.0)
    assert "color.red)" in pine_script(replace(chart, marks=(lost,))).split("if barstate.islast and")[0]
    assert 'string wanted = "SPY"' in pine_script(chart, "SPY")


# ---------------------------------------------------------------- the command


def asked(store: Path, *arguments: str) -> tuple[int, str]:
    found = CliRunner().invoke(main, ["chart", *arguments, "--store", str(store)])
    return found.exit_code, found.output


def test_the_command_lists_writes_and_draws(store: Path) -> None:
    code, text = asked(store, CONDOR)
    assert code == 0
    assert "09:52:00 entry: sold 5920/5930p 6065/6075c at 0.85, SPX 6,005.20" in text
    assert f"next: rulebot chart {CONDOR} --date 2026-11-18 --store {store} --format pine" in text.replace("'", "")
    assert asked(store, CONDOR, "--format", "pine")[1] == pine_script(of_day(store))
    ElementTree.fromstring(asked(store, CONDOR, "--format", "svg")[1])
    found = json.loads(asked(store, CONDOR, "--format", "json")[1])
    assert [mark["kind"] for mark in found["marks"]] == ["entry", "refused", "exit"]
    assert len(found["lines"]["SPX"]) == 329
    code, text = asked(store, "--trade", "1")
    assert (code, "next: rulebot chart --trade 1 --store " in text) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "name a bot, or a trade"),
        ((CONDOR, "--trade", "1"), "a trade has one bot"),
        (("--trade", "99"), "there is no trade 99"),
        (("--trade", f"{2**63}"), f"there is no trade {2**63}"),
        (("--trade", "1", "--date", "2026-11-18"), "a trade has its own dates"),
        (("condor",), "no bot 'condor'"),
        ((CONDOR, "--symbol", "SPX"), "needs --format pine"),
        ((CONDOR, "--symbol", "IBM", "--format", "pine"), "nothing on 'IBM'"),
    ],
)
def test_what_makes_no_sense_is_misuse(store: Path, arguments: tuple[str, ...], words: str) -> None:
    code, text = asked(store, *arguments)
    assert (code, words in text) == (2, True), text


def test_a_day_without_anything_is_said(store: Path) -> None:
    code, text = asked(store, CONDOR, "--date", "2026-11-17")
    first, then = text.splitlines()
    assert (code, first) == (0, f"{CONDOR} on 2026-11-17: nothing")
    assert then.startswith(f"next: rulebot why {CONDOR} --date 2026-11-17")
    for form in ("svg", "pine"):
        code, text = asked(store, CONDOR, "--date", "2026-11-17", "--format", form)
        assert (code, "nothing to draw" in text) == (2, True)


# ---------------------------------------------------------------- kept by the minute


def kept(desk: Desk, seconds: Sequence[float]) -> list[tuple[str, object]]:
    notes, found = PriceNotes(), []
    for wait in seconds:
        desk.tick(wait)
        if (record := notes.due(desk.program, desk.state, desk.now)) is not None:
            assert record.kind is Kind.PRICES
            found.append((f"{record.at - timedelta(hours=5):%H:%M:%S}", record.data["prices"]))
    return found


def test_prices_are_kept_once_a_minute_of_what_bots_trade() -> None:
    desk = Desk((text_of(), text_of("other", underlying="SPY")), at="10:00:05")
    assert kept(desk, [0, 5, 20, 40, 1, 60]) == [
        ("10:00:05", {"SPX": 6000.0, "SPY": 600.0}),
        ("10:01:10", {"SPX": 6000.0, "SPY": 600.0}),
        ("10:02:11", {"SPX": 6000.0, "SPY": 600.0}),
    ]


@pytest.mark.parametrize("when", ["09:29:59", "16:01"])
def test_nothing_is_kept_while_the_exchange_is_closed(when: str) -> None:
    assert kept(Desk(at=when), [0]) == []


def test_what_is_not_known_is_not_kept() -> None:
    desk = Desk(at="10:00")
    desk.now = clock("10:05")
    assert PriceNotes().due(desk.program, desk.state, desk.now) is None  # its price is five minutes old
    desk.tick(0)
    assert PriceNotes().due(desk.program, desk.state, desk.now) is not None
    desk.unlink()
    assert PriceNotes().due(desk.program, desk.state, desk.now) is None


def test_a_journal_with_prices_is_sound(store: Path) -> None:
    with StoreReader(store) as reader:
        assert reader.verify() is None
        assert len(reader.between(Kind.PRICES, at("10:00"), at("10:10"))) == 11


def test_a_store_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(RulebotError):
        of_day(tmp_path / "gone.db")


# ---------------------------------------------------------------- over several sessions, and what was bought


def later(days: int, clock_text: str, record: Record, **changes: Json) -> Record:
    """Return a record as of another day."""
    return replace(record, at=at(clock_text, DAY + timedelta(days=days)), data=dict(record.data) | changes)


def test_a_trade_of_several_sessions_stands_side_by_side_without_its_nights(tmp_path: Path) -> None:
    (mark,) = [each for each in small_day() if each.kind is Kind.MARK and each.bot == SELLER]
    more = [later(day, "12:00", mark, spot=str(600 + day), mid=str(-5.0 - day)) for day in (1, 2, 5)]
    with StoreReader(stored(tmp_path / "e.db", day_of(*more))) as reader:
        (number,) = [row["id"] for row in reader.view("trades", strategy_id=SELLER)]
        chart = chart_of_trade(reader, number)
    assert chart is not None
    assert (chart.first, chart.last) == (DAY, DAY + timedelta(days=5))
    assert dict(chart.lines)["SPY"][-1][1] == 605.0
    assert [cost for _, cost in chart.held[0].points] == [5.0, 6.0, 7.0, 10.0]
    root = ElementTree.fromstring(chart_svg(chart))
    words = [each.text for each in root.iter(f"{SVG}text")]
    assert {"Nov 18", "Nov 19", "Nov 20", "Nov 23"} <= set(words)
    assert "Nov 21" not in words  # a Saturday
    (line, _) = [each.get("points") or "" for each in root.iter(f"{SVG}polyline")]
    places = [float(pair.split(",")[0]) for pair in line.split()]
    assert places == sorted(places)
    assert places[-1] > 760 * 0.7  # noon of the fourth of four sessions
    assert "from 2026-11-18 to 2026-11-23" in summary(chart)


def test_a_trade_that_ended_later_has_its_exit_on_no_session_before(tmp_path: Path) -> None:
    (mark,) = [each for each in small_day() if each.kind is Kind.MARK and each.bot == SELLER]
    *_, held = [each for each in day_of() if each.kind is Kind.POSITION and each.bot == SELLER]
    (leg,) = held.data["legs"]  # type: ignore[misc, union-attr]
    assert isinstance(leg, dict)
    left: Json = [leg | {"closed": leg["opened"], "exit_cash": "-300"}]
    ended = later(5, "13:00", held, state="closed", legs=left, closed_at=later(5, "13:00", held).at.isoformat())
    marks = [later(day, "12:00", mark, spot=str(600 + day), mid=str(-5.0 - day)) for day in (1, 5)]
    with StoreReader(stored(tmp_path / "e.db", day_of(*marks, ended))) as reader:
        charts = {day: chart_of_day(reader, SELLER, DAY + timedelta(days=day)) for day in (0, 1, 3, 5)}
    drawn = {day: chart_svg(chart) for day, chart in charts.items()}
    assert [drawn[day].count('class="entry"') for day in charts] == [2, 0, 0, 0]
    assert [drawn[day].count('class="exit"') for day in charts] == [0, 0, 0, 2]
    assert charts[3].is_empty, "a Saturday, and no Monday"
    assert [len(held.points) for held in charts[1].held] == [1]
    assert [price for _, price in dict(charts[1].lines)["SPY"]] == [601.0]


def test_what_was_bought_gains_above_its_entry(store: Path) -> None:
    (held,) = of_day(store).held
    bought = replace(held, is_debit=True, levels=(("target", 1.5), ("stop", 0.5)))
    text = chart_svg(replace(of_day(store), held=(bought,)))
    assert "what it brings when it is closed" in text
    assert text.index('class="level good"') < text.index('class="level bad"')
