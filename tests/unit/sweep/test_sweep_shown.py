"""Variants as they are shown: in order, in maps of two places, and walking forward."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from html import unescape
from random import Random

import pytest

from rulebot.cli.past.sweep import SweepData, document_of, ordered, sweep_lines
from rulebot.sweep import variant as statistics
from rulebot.sweep.page import sweep_page
from rulebot.sweep.parameters import axis
from rulebot.sweep.variant import (
    Variant,
    apart_lines,
    deflated,
    expected_best,
    not_run_lines,
    ratio,
    stretches,
    walk_forward,
)


def test_a_map_of_drawdowns_shows_the_deepest_as_the_worst() -> None:
    found = [Variant(number=place, point=(f"{place}", "1"), trades=1, max_drawdown=100.0 * place) for place in (1, 2)]
    page = sweep_page("a", found, [axis("a=1,2"), axis("b=1,2")], "max_drawdown", {}, None, [], [])
    cells = re.findall(r'<i class="(\w+)" style="opacity:([\d.]+)"></i><b>(\d+)</b>', page)
    assert cells == [("loss", "0.38", "100"), ("loss", "0.68", "200")]


def test_a_drawdown_has_no_sign_in_a_table_as_in_a_map() -> None:
    """It was -$1,240.57 above a map of 1,241, and +$0.00 where nothing was lost; a backtest tells it without one."""
    found = [Variant(number=at, point=(f"{at}",), trades=1, max_drawdown=each) for at, each in ((1, 1240.57), (2, 0.0))]
    rows = [line.split() for line in sweep_lines(found, [axis("a=1,2")], None, "max_drawdown", 20)]
    assert [row[5] for row in rows if row[:2] in (["1", "1"], ["2", "1"])] == ["$0.00", "$1,240.57"]
    page = sweep_page("a", found, [axis("a=1,2")], "max_drawdown", {}, None, [], [])
    assert ("$1,240.57" in page, "-$1,240.57" in page) == (True, False)


def test_sessions_that_the_account_could_not_carry_are_shown_where_there_are_any() -> None:
    found = [
        Variant(number=at, point=(f"{at}",), trades=9, net=float(at), strained=each) for at, each in ((1, 0), (2, 7))
    ]
    words = "1 of 2 variants has sessions that are strained: the margin of what was held, by its worst case, took all "
    lines = list(sweep_lines(found, [axis("a=1,2")], None, "net", 20))
    assert (lines[0].split()[-1], lines[1].split()[-1], lines[2].split()[-1]) == ("strained", "7", "0")
    assert sum(words in line for line in lines) == 1
    page = sweep_page("a", found, [axis("a=1,2")], "net", {}, None, [], [])
    assert (page.count('<th class="n">strained</th>'), page.count(words)) == (1, 1)
    rich = [replace(each, strained=0) for each in found]
    reported = ["\n".join(sweep_lines(rich, [axis("a=1,2")], None, "net", 20)),
            sweep_page("a", rich, [axis("a=1,2")], "net", {}, None, [], [])]  # fmt: skip
    assert not [each for each in reported if "strained" in each]


@pytest.mark.parametrize("by", ["net", "max_drawdown", "expectancy", "win_rate"])
def test_what_never_traded_is_not_the_best_of_those_that_lost(by: str) -> None:
    lost = Variant(number=1, point=("1", "1"), trades=2, net=-50.0, expectancy=-25.0, win_rate=0.0, max_drawdown=50.0)
    never = Variant(number=0, point=("2", "1"))
    assert ordered([never, lost], by) == [lost, never]
    axes = [axis("a=1,2"), axis("b=1,2")]
    lines = list(sweep_lines([never, lost], axes, None, by, 20))
    rows = [line.split() for line in lines[lines.index(f" {by} by a (down) and b (across)") :]]
    assert rows[3] == ["2", "-"]
    page = sweep_page("a", [lost, never], axes, by, {}, None, [], [])
    assert page.count('class="heat"') == 1


def test_a_map_reports_what_never_traded_from_what_was_not_tried() -> None:
    """Of `--random` and `--bayes` both were `-`."""
    found = [Variant(number=1, point=("1", "1"), trades=1, net=7.0), Variant(number=2, point=("1", "2"))]
    said = "'-' was tried and has no figure, as where no trade has closed"
    untried = "an empty cell was not tried, or could not be run"
    for values, words, rows in (("1,2", f"{said}; {untried}", 2), ("1", said, 1)):
        axes = [axis(f"a={values}"), axis("b=1,2")]
        lines = [line.rstrip() for line in sweep_lines(found, axes, None, "net", 20)]
        head = lines.index(" net by a (down) and b (across)")
        assert lines[head + 2 : head + 3 + rows] == [*[" 1  7.00  -", " 2"][:rows], f" {words}"]
        assert f'<p class="soft">{words}.</p>' in unescape(sweep_page("a", found, axes, "net", {}, None, [], []))


def test_of_variants_that_cannot_be_run_for_one_reason_all_are_counted() -> None:
    """Of two the last one alone was named, and nobody knew of the other."""
    axes = [axis("a=1,2,3")]
    found = [Variant(number=each, point=(f"{each}",), problem="no" if each < 3 else "other") for each in (1, 2, 3)]
    lines = [line for line in sweep_lines(found, axes, None, "net", 20) if "not run" in line]
    assert lines == [" not run, as 1 and 1 other: no", " not run, as 3: other"]
    assert [f" {words}" for words in not_run_lines(found)] == lines


def test_a_walk_is_reported_by_days_that_a_backtest_can_be_asked_for() -> None:
    """Stretches had the numbers of their sessions alone, `41 to 50`, and a page had the curve of a walk and no more."""
    chance = Random(3)
    days = tuple(f"2026-0{1 + number // 28}-{1 + number % 28:02}" for number in range(50))
    reported = {"number": 0, "point": ("7",), "profits": tuple(chance.gauss(5.0, 1.0) for _ in days)}
    best, axes = Variant(**reported, sessions=days), [axis("a=7,8")]  # type: ignore[arg-type]
    walked = walk_forward({0: best.profits}, stretches(50, 30, 15, 5))
    spans = ["2026-01-01 to 2026-02-02", "2026-02-08 to 2026-02-22"]

    def row(each: Variant, width: int | None) -> str:
        (found,) = (line for line in sweep_lines([each], axes, walked, "net", 20, width) if line.split()[1:2] == ["to"])
        return found

    assert re.split(r" {2,}", row(best, None).strip())[:3] == [*spans, "7"]
    for numbered in (row(best, 60), row(Variant(**reported), None)):  # type: ignore[arg-type]
        assert re.split(r" {2,}", numbered.strip())[:3] == ["1 to 30", "36 to 50", "7"]
    page = sweep_page("a", [best], axes, "sharpe", {}, walked, [], [])
    assert "".join(f"<td>{each}</td>" for each in (*spans, "7")) in page
    assert "<title>walking forward 2026-02-08 $" in page


def test_what_the_best_would_be_by_chance_is_reckoned_once_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was for each variant anew, from the ratios of all: of 20,000 the JSON took minutes after the last session."""
    asked: list[int] = []

    def counted(ratios: Sequence[float]) -> float:
        asked.append(len(ratios))
        return expected_best(ratios)

    monkeypatch.setattr(statistics, "expected_best", counted)
    chance = Random(5)
    rows = [tuple(chance.gauss(1.0, 9.0) for _ in range(30)) for _ in range(40)]
    found = [Variant(number=number, point=(f"{number}",), profits=row, trades=30) for number, row in enumerate(rows)]
    data = SweepData("a", date(2026, 1, 2), date(2026, 3, 2), "b", False, "mid")
    reported = json.loads(document_of(found, [axis("a=0..39/1")], None, "sharpe", data))
    assert asked == [40]
    beat = expected_best([each for each in map(ratio, rows) if each is not None])
    assert {each["number"]: each["deflated"] for each in reported["variants"]} == {
        number: deflated(row, beat) for number, row in enumerate(rows)
    }


@pytest.mark.parametrize(("sold", "trades", "is_reported"), [(30, 30, True), (29, 29, False), (60, 3, False)])
def test_a_deflated_ratio_of_a_few_trades_is_none_and_that_is_said(sold: int, trades: int, is_reported: bool) -> None:
    """Of three trades, all of them won, it was 1.00 beside a ratio that a person takes for a find."""
    row = [*[50.0 + each for each in range(sold)], *[0.0] * (90 - sold)]
    assert round(deflated([0.0] * 57 + [48.0, 52.0, 55.0], 0.0) or 0.0, 2) == 1.0
    found = [Variant(number=0, point=("1",), profits=tuple(row), trades=trades, sharpe=9.0)]
    lines = list(sweep_lines(found, [axis("a=1,2")], None, "net", 20))
    assert (lines[1].split()[-1] == "1.00", lines[1].split()[-1] == "-") == (is_reported, not is_reported)
    data = SweepData("a", date(2026, 1, 2), date(2026, 3, 2), "b", False, "mid")
    (reported,) = json.loads(document_of(found, [axis("a=1,2")], None, "net", data))["variants"]
    assert (reported["deflated"] is not None) == is_reported
    said = "1 of 1 variant closed fewer than 30 trades, or made or lost something in fewer than 30 sessions"
    page = sweep_page("a", found, [axis("a=1,2")], "net", {}, None, [], [])
    assert [any(said in line for line in lines), said in page] == [not is_reported] * 2


def test_a_page_says_that_nothing_ever_traded() -> None:
    """The terminal said it, and what tells why."""
    found, axes = [Variant(number=1, point=("1",), profits=(0.0,))], [axis("a=1,2")]
    said = "none of them ever traded: 'rulebot backtest' on these sessions says what kept the bot out"
    assert f" {said}" in sweep_lines(found, axes, None, "net", 20)
    page = sweep_page("a", found, axes, "net", {}, None, [], [])
    assert f"<p>{said}.</p>" in unescape(page)


@pytest.mark.parametrize("held", [{"still_open": 1}, {"in_shares": 1}])
def test_what_is_still_open_or_ended_in_shares_has_traded(held: dict[str, int]) -> None:
    """Of a bot that sells 90 days ahead a sweep of a week said that none of its variants ever traded."""
    found = [Variant(number=1, point=("1",), profits=(0.0,), **held)]
    assert [words for words in apart_lines(found) if "ever traded" in words] == []


def test_a_page_says_how_many_variants_it_leaves_out() -> None:
    """Of 501 the last one was not there, and nothing said so; nor what a deflated ratio is."""
    few, many = ([Variant(number=each, point=(f"{each}",)) for each in range(count)] for count in (500, 501))
    pages = [sweep_page("a", each, [axis("a=0..500/1")], "net", {}, None, [], []) for each in (few, many)]
    assert ["Shown are the first 500 of 501" in page for page in pages] == [False, True]
    assert all("given that it was picked among" in page for page in pages)


@pytest.mark.parametrize(
    ("made", "shown"), [(0.39, "0.39"), (-0.4, "-0.40"), (-0.001, "0.00"), (-42.5, "-42.50"), (1240.57, "1,241")]
)
def test_a_map_of_a_few_dollars_shows_their_cents(made: float, shown: str) -> None:
    """An average of $0.39 was 0 in every cell, and one of -$0.40 was -0."""
    found = [Variant(number=1, point=("1", "1"), trades=1, net=made)]
    axes = [axis("a=1,2"), axis("b=1,2")]
    assert f"<b>{shown}</b>" in sweep_page("a", found, axes, "net", {}, None, [], [])
    assert f" 1  {shown}" in [line.rstrip() for line in sweep_lines(found, axes, None, "net", 20)]


def test_a_map_that_is_not_drawn_is_reported() -> None:
    """A page of 51 times 19 values had no map, and said nothing of it; so had the terminal.

    Then the terminal said that the page draws what it does not.
    """
    found = [Variant(number=1, point=("1", "1"))]
    for count, (drawn, reported) in ((50, (True, False)), (51, (False, True))):
        axes = [axis(f"a=1..{count}/1"), axis("b=1..50/1")]
        page = sweep_page("a", found, axes, "net", {}, None, [], [])
        assert ("a \\ b" in page, "A map of 2,550 cells is not drawn: 2,500 at most." in page) == (drawn, reported)
        where = "; --html draws it" if drawn else ""
        assert f" no map: a place has more than 16 values{where}" in sweep_lines(found, axes, None, "net", 20)
