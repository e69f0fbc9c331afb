"""Sweeps: what is varied, what comes of it, and how much to believe of the best."""

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import cache, partial
from math import isclose, nan, sqrt
from pathlib import Path
from random import Random
from statistics import fmean, stdev
from types import SimpleNamespace

import pytest
from past_days import PastDays
from plain_specs import ASSIGNED

from rulebot.adapters.history.session import DailyBar, HistoryDay, finding_text
from rulebot.backtest.fill_model import fill_model
from rulebot.backtest.results import read_results
from rulebot.backtest.run import BacktestOptions, run_backtest
from rulebot.calendars.calendars import shipped_dates
from rulebot.cli.past.sweep import sweep_lines
from rulebot.documents.load_bots import load_all_bots
from rulebot.model.economic_calendar import event_calendar
from rulebot.model.errors import MisuseError
from rulebot.model.performance import sharpe
from rulebot.spec.load import load_text
from rulebot.sweep import executors as places
from rulebot.sweep.evaluate import Passed, Span, evaluate, run_variants
from rulebot.sweep.executors import BY_ARRAYS, BY_TURNS, Task, here, in_processes, shape_of, spans_of, tasks
from rulebot.sweep.page import sweep_page
from rulebot.sweep.parameters import axis, check_axes, drawn, grid, place_of, with_values
from rulebot.sweep.sweep import StoredVariants, sweep
from rulebot.sweep.variant import (
    EvaluationWay,
    Forward,
    PeriodResult,
    Variant,
    VariantTerms,
    VariantTrade,
    deflated,
    expected_best,
    expected_best_of,
    ratio,
    stretches,
    walk_forward,
    whole,
)

SPECS = Path(__file__).parents[3] / "specs"
DTE0 = (SPECS / "dte0_condor.yaml").read_text(encoding="utf-8")
DAYS = [date(2026, 9, day) for day in (1, 2, 3)]
FIRST, LAST = DAYS[0], DAYS[-1]


def source():
    return load_text(DTE0, "dte0_condor.yaml").source


@cache
def calendar():
    return event_calendar(shipped_dates())


def terms(**given: object) -> VariantTerms:
    base = VariantTerms(
        opens=partial(PastDays, strikes=25, every=3),
        first=FIRST,
        last=LAST,
        fills=fill_model("mid"),
        cash=Decimal(1_000_000),
        lines=90,
        file="dte0_condor.yaml",
        calendar=calendar(),
    )
    return replace(base, **given)


def asked(*deltas: str) -> list[tuple[int, tuple[str, ...], str]]:
    return [(number, (each,), with_values(source(), {"delta": each})) for number, each in enumerate(deltas)]


# ---------------------------------------------------------------- what is varied


def test_a_range_holds_its_ends_exactly() -> None:
    assert axis("delta=0.05..0.08/0.01").values == ("0.05", "0.06", "0.07", "0.08")
    assert axis("a.b = 10..20/5").values == ("10", "15", "20")
    assert axis("x=0..1/0.4").values == ("0.0", "0.4", "0.8")
    assert axis("when=10:30, 11:00").values == ("10:30", "11:00")


@pytest.mark.parametrize(
    ("said", "values"),
    [
        ("25%..75%/25%", ("25%", "50%", "75%")),
        ("0.5%..1%/0.25", ("0.50%", "0.75%", "1.00%")),
        ("5 pts..15 pts/5 pts", ("5 pts", "10 pts", "15 pts")),
        ("$50..$150/$50", ("$50", "$100", "$150")),
        ("-$100..$100/$100", ("-$100", "$0", "$100")),
        ("-2..2/2", ("-2", "0", "2")),
        ("1x..2x/0.5", ("1.0x", "1.5x", "2.0x")),
        ("30s..90s/30s", ("30s", "60s", "90s")),
        ("09:45..10:30/15m", ("09:45", "10:00", "10:15", "10:30")),
        ("9:30..11:30/1h", ("09:30", "10:30", "11:30")),
    ],
)
def test_the_ends_of_a_range_may_have_a_unit(said: str, values: tuple[str, ...]) -> None:
    found = axis(f"x={said}")
    assert found.values == values
    assert found.is_range


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("delta", "NAME=FROM..TO/STEP"),
        ("=1,2", "NAME=FROM..TO/STEP"),
        ("delta=1..2", "a range is FROM..TO/STEP"),
        ("delta=1%..2 pts/1", "a range is FROM..TO/STEP"),
        ("delta=1%..2%/1 pts", "a range is FROM..TO/STEP"),
        ("at=10:00..12:00/1", "a range is FROM..TO/STEP"),
        ("at=12:00..10:00/30m", "rises from its start"),
        ("at=10:75..12:00/30m", "a range is FROM..TO/STEP"),
        ("at=23:00..24:00/30m", "a range is FROM..TO/STEP"),
        ("delta=2..1/1", "rises from its start"),
        ("delta=1..2/0", "rises from its start"),
        ("delta=1,2,1", "a value of delta occurs twice: 1"),
        ("delta=1,", "a value of delta is empty, in '1,'"),
        ("delta=0..1000000/1", "would take"),
        ("entry.when.vix.between=[14, 30]", "and no list"),
    ],
)
def test_what_varies_nothing_is_refused(text: str, says: str) -> None:
    with pytest.raises(MisuseError, match=says):
        axis(text)


def test_a_grid_has_every_combination_and_a_draw_some_of_them() -> None:
    axes = [axis("a=1,2"), axis("b=x,y,z")]
    every = list(grid(axes))
    assert every == [("1", "x"), ("1", "y"), ("1", "z"), ("2", "x"), ("2", "y"), ("2", "z")]
    some = drawn(axes, 4, 7)
    assert some == drawn(axes, 4, 7)
    assert len({*some}) == 4
    assert {*some} < {*every}
    assert drawn(axes, 100, 7) == every
    many = [axis("a=1..1000/1"), axis("b=1..1000/1")]
    for asked_for in (lambda: list(grid(many)), lambda: drawn(many, 100_001, 7)):
        with pytest.raises(MisuseError, match=r"100,000 (variants )?at most"):
            asked_for()


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("delta", "0.09", "parameters: {delta: 0.09, wing: 10 pts, floor: 30 pts}"),
        ("wing", "5", "parameters: {delta: 0.06, wing: 5 pts, floor: 30 pts}"),
        (
            "legs.short_put.delta",
            "0.09",
            "  short_put:  {sell: put,  strike: {delta: 0.09, min_otm_distance: $floor}}",
        ),
        ("legs.long_put.by", "20", "  long_put:   {buy: put,   strike: {below: short_put, by: 20 pts}}"),
        ("exits.target.profit", "60", "  - target: {profit: 60%}"),
        ("exits.stop.cost", "3", "  - stop: {cost: 3x credit}"),
        ("risk.max_loss_per_trade", "500", "  max_loss_per_trade: $500"),
        ("entry.when.vix.between.1", "25", "    - vix: {between: [14, 25]}"),
        ("entry.window.to", '"10:15"', '  window: {from: "09:45", to: "10:15"}'),
    ],
)
def test_a_value_takes_the_form_of_the_one_that_stands_there(name: str, value: str, line: str) -> None:
    assert line in with_values(source(), {name: value}).split("\n")


def test_what_stands_in_a_list_is_found_by_its_name() -> None:
    """Of two exits by `move` each was found by its number in the list alone."""
    exits = "  - {name: ran, move: {beyond: 1%}}\n  - {name: fell, move: {below: -2%}}\nrisk:"
    reported = load_text(DTE0.replace("risk:", exits), "dte0_condor.yaml").source
    assert "{name: ran, move: {beyond: 3%}}" in with_values(reported, {"exits.ran.move.beyond": "3"})
    assert "{name: fell, move: {below: -1%}}" in with_values(reported, {"exits.fell.below": "-1%"})
    assert place_of(reported, "exits.6.move.below") == place_of(reported, "exits.fell.move.below")
    with pytest.raises(MisuseError) as caught:
        place_of(reported, "exits.rna.move.beyond")
    assert caught.value.help == "did you mean 'exits.ran.move.beyond'?"


def test_a_number_where_several_stand_is_refused() -> None:
    """An hour of 11 in the place of 10:15 was 11:15."""
    with pytest.raises(MisuseError, match=r"11 cannot take the place of .*, the value of entry.window.to"):
        with_values(source(), {"entry.window.to": "11"})


@pytest.mark.parametrize(
    ("varied", "says"),
    [
        (("delta=0.05", "parameters.delta=0.07"), "'delta' and 'parameters.delta' are the same place"),
        (("legs.short_put.delta=0.05", "legs.short_put.strike.delta=0.07"), "are the same place"),
        (("delta=0.1,0.2,0.10",), "0.1 and 0.10 are the same value of delta"),
        (("exits.target.profit=50,40,50.0%",), "50 and 50.0% are the same value"),
        (('entry.window.to=10:10,"10:10"',), "are the same value"),
        (("entry.window.to=9:50,09:50",), "are the same value"),
    ],
)
def test_what_would_be_tried_twice_is_refused(varied: Sequence[str], says: str) -> None:
    """Of a place with two names the values of both went into each other, and what came of it was shown as theirs."""
    with pytest.raises(MisuseError, match=says):
        check_axes(source(), [axis(each) for each in varied])


def test_what_differs_in_more_than_how_it_is_written_is_varied() -> None:
    check_axes(source(), [axis("delta=0.01,0.1,0.11"), axis("wing=1..10/1"), axis("entry.window.to=10:10,10:01")])
    check_axes(source(), [axis("underlying=a1,a01,SPX")])


def test_several_values_of_one_line_are_set_together() -> None:
    text = with_values(source(), {"delta": "0.123", "floor": "5", "wing": "100"})
    assert "parameters: {delta: 0.123, wing: 100 pts, floor: 5 pts}" in text


@pytest.mark.parametrize(("name", "says"), [("legs.strike.delta", "may be one of 2"), ("nothing", "has nothing at")])
def test_a_place_that_is_none_or_several_is_refused(name: str, says: str) -> None:
    with pytest.raises(MisuseError, match=says):
        place_of(source(), name)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("dleta", "delta"),
        ("legs.short_put.dleta", "legs.short_put.delta"),
        ("legs.shrot_put.strike.delta", "legs.short_put.strike.delta"),
        ("short_put.delta", "legs.short_put.delta"),
        ("entry.vixx.between.1", "entry.vix.between.1"),
    ],
)
def test_a_place_that_is_written_wrongly_is_answered_with_the_one_that_is_meant(name: str, meant: str) -> None:
    with pytest.raises(MisuseError) as caught:
        place_of(source(), name)
    assert caught.value.help == f"did you mean '{meant}'?"
    assert place_of(source(), meant)


def test_a_place_that_the_spec_leaves_out_is_not_answered_with_another() -> None:
    with pytest.raises(MisuseError) as caught:
        place_of(source(), "legs.short_put.width")
    assert caught.value.help == "name the keys on the way to it; what the spec leaves out is written there first"


# ---------------------------------------------------------------- what comes of it


def test_a_variant_comes_to_what_a_backtest_of_its_text_does(tmp_path: Path) -> None:
    file = tmp_path / "dte0_condor.yaml"
    found = evaluate(asked("0.06", "0.10"), terms())
    file.write_text(asked("0.06", "0.10")[1][2], encoding="utf-8")
    base = terms()
    options = BacktestOptions(
        opens=base.opens,
        data="x",
        first=FIRST,
        last=LAST,
        store=tmp_path / "x.db",
        fills=base.fills,
        calendar=calendar,
    )
    run_backtest(load_all_bots([str(file)], {}, None), options, lambda done, number, count: None)
    alone = read_results(options.store, "x")
    assert found[1].profits == tuple(float(day.profit) for day in alone.days)
    every = alone.all
    assert (found[1].trades, found[1].wins, found[1].win_rate) == (every.trades, every.wins, every.win_rate)
    assert found[1].net == float(every.net)
    assert found[1].expectancy == float(every.expectancy or 0)
    assert found[1].max_drawdown == float(alone.max_drawdown) > 0
    assert found[0].profits != found[1].profits


HELD = """
rulebot: 1
name: held
about: Sells a put spread for some nights.
underlying: SPX
entry: {at: "10:00", for: 5m, max_open: 9}
legs:
  expiry: {dte: 2}
  short_put: {sell: put, strike: {delta: 0.20}}
  long_put:  {buy: put,  strike: {below: short_put, by: 10 pts}}
order: {start: mid, step: 0.05, wait: 10s, tries: 4, then: cancel}
exits:
  - at_expiry: settle
risk: {max_loss_per_trade: $2000}
"""


def test_what_ends_in_a_session_without_data_is_a_trade_too(tmp_path: Path) -> None:
    made = partial(PastDays, strikes=25, every=3, expiries=4, missing=frozenset((date(2026, 9, 4),)))
    given = terms(opens=made, last=date(2026, 9, 11), file="held.yaml")
    found = evaluate([(0, ("held",), HELD)], given)[0]
    file, store = tmp_path / "held.yaml", tmp_path / "x.db"
    file.write_text(HELD, encoding="utf-8")
    options = BacktestOptions(
        opens=made, data="x", first=FIRST, last=given.last, store=store, fills=given.fills, calendar=calendar
    )
    run_backtest(load_all_bots([str(file)], {}, None), options, lambda done, number, count: None)
    alone = read_results(store, "x")
    assert any(trade.left is not None and trade.left.startswith("2026-09-04") for trade in alone.trades)
    assert (found.trades, found.net) == (alone.all.trades, float(alone.all.net))
    assert found.still_open == sum(trade.left is None for trade in alone.trades)
    assert sum(found.profits) == pytest.approx(float(alone.profit))


def cut_off(day: HistoryDay) -> HistoryDay:
    """Return a day of which nothing is known from its middle on, nor what it settled at."""
    late = slice(len(day.times) // 2, None)
    levels = {symbol: column.copy() for symbol, column in day.levels.items()}
    bid, ask = day.bid.copy(), day.ask.copy()
    for column in (*levels.values(), bid, ask):
        column[late] = nan
    return replace(day, levels=levels, bid=bid, ask=ask, settled={})


class Unsettled(PastDays):
    """Days that end early, of which no daily bar tells where they have closed."""

    def daily(self, symbol: str, before: date, count: int) -> Sequence[DailyBar]:
        """Return none of the underlying."""
        return () if symbol == self.symbol else super().daily(symbol, before, count)


def test_a_mean_is_taken_to_the_cent_as_that_of_a_backtest_is() -> None:
    """Half a cent went to the even one: $49.62 a trade of a sweep was $49.63 of a backtest of its text."""
    made = tuple(VariantTrade(Decimal(net), FIRST, FIRST) for net in ("50.25", "49.00"))
    assert whole([PeriodResult(number=0, point=("1",), since=FIRST, trades=made)]).expectancy == 49.63


def test_what_no_level_settles_is_still_open() -> None:
    """Of recordings that end early it was said that none of the variants ever traded."""
    text, made = HELD.replace("dte: 2", "dte: 0"), partial(Unsettled, strikes=25, every=3, change=cut_off)
    given = terms(opens=made, last=date(2026, 9, 2), file="held.yaml")
    found = evaluate([(0, ("held",), text)], given)[0]
    assert (found.trades, found.still_open) == (0, 2)


def test_trades_that_ended_in_shares_are_counted() -> None:
    given = terms(
        opens=partial(PastDays, strikes=25, every=3, symbol="SPY", trading_class="SPY"), last=date(2026, 9, 2)
    )
    deep = ASSIGNED.replace("{at: spot, round_to: 5}", "{delta: 0.90}")
    left = deep.replace("  - at_expiry: settle", '  - time: "15:30"')
    held, sold = evaluate([(0, ("held",), deep), (1, ("sold",), left)], replace(given, file="assigned.yaml"))
    assert (held.trades, held.in_shares) == (2, 2)
    assert (sold.trades, sold.in_shares) == (2, 0)
    assert abs(held.net - sold.net) < 2000, "options that are deep in the money made all of their credit"


WHEEL = """  choose:
    - name: covered_call
      when: [{shares_held: {at_least: 100}}]
      short_call: {sell: call, strike: {delta: 0.90}}
    - name: put
      short_put: {sell: put, strike: {delta: 0.90}}
"""


def test_a_trade_that_ended_in_shares_is_held_while_they_are() -> None:
    """Walking forward, one session was left out, and what shares of before it made counted as made by the choice."""
    given = terms(opens=partial(PastDays, strikes=25, every=3, symbol="SPY", trading_class="SPY"), file="assigned.yaml")
    deep = ASSIGNED.replace("{at: spot, round_to: 5}", "{delta: 0.90}")
    wheel = deep.replace("  short_put: {sell: put, strike: {delta: 0.90}}\n", WHEEL)
    held, gone = evaluate([(0, ("held",), deep), (1, ("gone",), wheel)], given)
    assert (held.trades, held.in_shares, held.longest) == (3, 3, 2)
    assert (gone.trades, gone.in_shares, gone.longest) == (3, 3, 1)


@pytest.mark.parametrize(
    ("last", "sessions", "ended", "still"), [(date(2026, 9, 9), 3, True, 2), (date(2026, 9, 3), 2, False, 3)]
)
def test_the_longest_trade_is_reported_in_sessions_and_may_still_be_open(
    last: date, sessions: int, ended: bool, still: int
) -> None:
    """From the second over a long weekend to the eighth are three sessions, and what is open counts up to the last."""
    text = HELD.replace("dte: 2", "dte: {at_least: 3}")
    given = terms(opens=partial(PastDays, strikes=25, every=3, expiries=6), last=last, file="held.yaml")
    found = evaluate([(0, ("held",), text)], given)[0]
    assert (found.longest, found.trades > 0, found.still_open) == (sessions, ended, still)


@pytest.mark.long
def test_ci_where_and_in_what_order_tasks_run_changes_nothing(tmp_path: Path) -> None:
    every, base = asked("0.05", "0.06", "0.08", "0.10"), terms()
    whole = sweep(every, base, here, lambda done, count: None, None, 1)
    reported: list[tuple[int, int]] = []
    with in_processes(2) as runs:
        assert sweep(every, base, runs, lambda *now: reported.append(now), None, 2) == whole
    assert (reported[0], reported[-1]) == ((0, 4 * len(DAYS)), (4 * len(DAYS), 4 * len(DAYS)))
    assert [each.number for each in whole] == [0, 1, 2, 3]


class Clock:
    """Seconds that pass with each look."""

    def __init__(self, seconds: float) -> None:
        self.now, self.seconds = 0.0, seconds

    def __call__(self) -> float:
        self.now += self.seconds
        return self.now


def test_processes_begin_once_they_save_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep that one process does in a second waited as long again for others to begin."""
    shared: list[Task] = []
    known: list[tuple[Task, list[PeriodResult]]] = []  # what others make of the same task is the same each time

    @contextmanager
    def stand_ins(*_: object) -> Iterator[object]:
        yield SimpleNamespace(submit=submit)

    def submit(_: object, task: Task, base: VariantTerms) -> Future[list[PeriodResult]]:
        shared.append(task)
        if task not in [each for each, _ in known]:
            known.append((task, run_variants(task.asked, base, task.span)))
        done: Future[list[PeriodResult]] = Future()
        done.set_result(next(parts for each, parts in known if each == task))
        return done

    monkeypatch.setattr(places, "several", stand_ins)
    every, base = asked("0.05", "0.06", "0.08", "0.10"), terms(last=date(2026, 9, 10))
    days = base.opens().dates(base.first, base.last)
    whole = sweep(every, base, here, lambda done, count: None, None, 1)
    all_of_them = tasks(every, base, days, 2, EvaluationWay(by_arrays=True, is_separate=True))
    reported: list[int] = []
    for seconds, expected, counted in ((0.1, [], 4 * len(days)), (30.0, all_of_them, 0)):
        shared.clear()
        with in_processes(2, Clock(seconds)) as runs:
            assert sweep(every, base, runs, lambda done, count: reported.append(done), None, 2) == whole
        assert shared == expected
        assert reported[-1] == counted  # what the others do anew is counted by them
    with in_processes(2, Clock(0.3)) as runs:  # a search asks in batches: what was spent on those before counts
        for expected in ([], [], all_of_them):
            shared.clear()
            assert sweep(every, base, runs, lambda done, count: None, None, 2) == whole
            assert shared == expected
    # what two seconds have begun is known after the first session, and hundreds of variants before it
    for seconds, many, looks in ((30.0, 100, 3), (0.1, 8, 2)):
        shared.clear()
        monkeypatch.setattr(places, "MANY", many)
        clock = Clock(seconds)
        with in_processes(2, clock) as runs:
            assert sweep(every, base, runs, lambda done, count: None, None, 2) == whole
        assert (shared, round(clock.now / seconds)) == (all_of_them, looks)
    shared.clear()
    with in_processes(2) as runs:
        assert sweep(every, base, runs, lambda done, count: None, None, 2) == whole
    assert shared == all_of_them  # whoever names a number of processes has them at once


def test_tasks_are_made_so_that_little_is_read_and_compiled_twice() -> None:
    assert shape_of(1000, 252, 2, BY_ARRAYS) == (1, 2)
    assert shape_of(1000, 20, 2, BY_ARRAYS) == (2, 1)
    assert shape_of(3000, 252, 2, BY_ARRAYS) == (3, 2)
    assert shape_of(1000, 252, 8, BY_ARRAYS) == (2, 4)
    assert shape_of(1000, 252, 1, BY_ARRAYS) == (1, 1)
    assert shape_of(24, 60, 2, BY_TURNS) == (2, 2)
    assert shape_of(3, 1, 8, BY_TURNS) == (3, 1)
    assert shape_of(1, 5, 8, BY_TURNS) == (1, 5)


def test_a_task_is_some_variants_over_some_sessions() -> None:
    every = asked("0.05", "0.06", "0.08", "0.10")
    days = [(FIRST, FIRST), (date(2026, 9, 2), LAST)]

    def shapes(workers: int, by_arrays: bool, is_separate: bool) -> list[tuple[int, Span]]:
        made = tasks(every, terms(), DAYS, workers, EvaluationWay(by_arrays, is_separate))
        return [(len(task.asked), task.span) for task in made]

    assert shapes(1, False, True) == [(2, (FIRST, LAST))] * 2
    assert shapes(1, True, True) == [(4, (FIRST, LAST))]
    assert shapes(2, True, False) == [(2, (FIRST, LAST))] * 2
    assert shapes(2, True, True) == [(4, days[0]), (4, days[1])]
    assert shapes(3, False, True) == [(2, day) for _ in range(2) for day in spans_of(DAYS, terms(), 3)]
    assert spans_of(DAYS, terms(), 1) == [(FIRST, LAST)]


@pytest.mark.parametrize("every_turn", [False, True])
def test_parts_of_the_sessions_come_to_what_all_of_them_do(every_turn: bool) -> None:
    every, base = asked("0.05", "0.10"), terms(every_turn=every_turn, opens=partial(PastDays, every=3, expiries=2))
    broken = [(2, ("7",), with_values(source(), {"delta": "7"}))]
    overnight = (
        ("dte: 0", "dte: 1"),
        ("per_day: 1", "per_day: 1\n  max_open: 2"),
        ('- time: "15:45"', "- dte: {at_most: 0}"),
        ("floor: 30", "floor: 10"),
        ("  - leg_delta: {beyond: 0.15}\n    order: market\n", ""),
        ("$1000", "$3000"),
    )
    text = every[1][2]
    for was, now in overnight:
        assert was in text
        text = text.replace(was, now)
    held = [(3, ("1",), text)]
    found = evaluate([*every, *broken, *held], base)
    ended: list[int] = []

    def backward(asked_for: Sequence[Task], terms: VariantTerms, passed: Passed) -> Iterator[list[PeriodResult]]:
        ended.extend(len(task.asked) for task in asked_for)
        return here(list(reversed(asked_for)), terms, passed)

    reported: list[tuple[int, int]] = []
    assert sweep([*every, *broken, *held], base, backward, lambda *now: reported.append(now), None, 2) == found
    assert reported == sorted(reported)
    assert reported[-1] == (4 * len(DAYS), 4 * len(DAYS))
    assert found[3].longest > 0
    assert found[2].problem
    assert all(each.trades for each in found if not each.problem)
    assert [each.by_arrays for each in found] == [0, 0, 0, 0] if every_turn else [3, 3, 0, 0]
    assert ended[-1] == 1


@pytest.mark.parametrize("problem", ["", "it has no legs"])
def test_a_variant_reports_what_was_wrong_in_all_of_its_parts(problem: str) -> None:
    flaws = [finding_text("x.parquet", row, "odd") for row in (1, 2)]
    parts = [
        PeriodResult(number=0, point=("a",), since=day, problem=problem, findings=(flaws[0], flaw))
        for day, flaw in zip(DAYS, flaws, strict=False)
    ]
    assert whole(parts).findings == tuple(flaws)


class WithoutBars(PastDays):
    """A source without any daily bars."""

    def daily(self, symbol: str, before: date, count: int) -> Sequence[DailyBar]:
        return ()


def test_daily_bars_that_no_session_has_are_reported_once() -> None:
    found = evaluate(asked("0.05", "0.06"), terms(opens=partial(WithoutBars, strikes=25, every=3)))
    text = "no session has daily bars of SPX before it: its previous closes and averages are unknown"
    assert [each.text for part in found for each in part.findings] == [text]


def test_what_is_kept_is_not_done_again_and_a_broken_line_is(tmp_path: Path) -> None:
    every, base, file = asked("0.05", "0.08"), terms(), tmp_path / "sweep.jsonl"
    whole = sweep(every, base, here, lambda done, count: None, StoredVariants(file, {"a": 1}), 1)
    kept = file.read_text(encoding="utf-8")
    done: list[int] = []
    assert sweep(every, base, here, lambda now, count: done.append(now), StoredVariants(file, {"a": 1}), 1) == whole
    assert done == [2 * len(DAYS)]
    file.write_text(kept[:-40], encoding="utf-8")
    done.clear()
    assert sweep(every, base, here, lambda now, count: done.append(now), StoredVariants(file, {"a": 1}), 1) == whole
    assert done == [len(DAYS), *range(len(DAYS) + 1, 2 * len(DAYS) + 1)]
    unreported = re.compile(r'"sessions": \[.*?\]')  # told by the first variant of a task
    assert unreported.sub("", file.read_text(encoding="utf-8")) == unreported.sub("", kept)
    with pytest.raises(MisuseError, match="holds another sweep"):
        StoredVariants(file, {"a": 2}).read()


def test_a_variant_that_cannot_be_run_says_why_and_stops_no_other() -> None:
    found = evaluate(asked("0.06", "7"), terms(last=FIRST))
    assert [bool(each.problem) for each in found] == [False, True]
    assert "delta" in found[1].problem


# ---------------------------------------------------------------- how much to believe


def test_the_best_of_many_without_merit_is_seen_through() -> None:
    chance = Random(11)
    many = [[chance.gauss(0.0, 100.0) for _ in range(250)] for _ in range(200)]
    ratios = [each for each in map(ratio, many) if each is not None]
    best = max(many, key=lambda each: ratio(each) or 0.0)
    alone = deflated(best, expected_best_of([best]))
    found = deflated(best, expected_best_of([*many, [0.0] * 250]))
    assert alone is not None
    assert alone > 0.99
    assert found is not None
    assert found < 0.9
    assert isclose(expected_best(ratios), max(ratios), rel_tol=0.25)


def test_merit_is_seen_among_many() -> None:
    chance = Random(12)
    many = [[chance.gauss(0.0, 100.0) for _ in range(250)] for _ in range(50)]
    good = [chance.gauss(40.0, 100.0) for _ in range(250)]
    found = deflated(good, expected_best_of([*many, good]))
    assert found is not None
    assert found > 0.99


def test_the_example_of_the_paper_comes_to_what_the_paper_says() -> None:
    """A hundred trials whose ratios have a variance of 1/2 a year, the best 2.5; 1,250 days, skewness -3, kurtosis 10.

    Of two values, one of them 105 times, a row has just such tails.
    """
    ratios = [(-1) ** number * sqrt(99 / 100 / 500) for number in range(100)]
    by_chance = expected_best(ratios)
    assert isclose(by_chance, 0.1132, abs_tol=0.0001)
    of_days = [-1.0] * 105 + [0.0] * 1145
    up = 2.5 / sqrt(250) * stdev(of_days) - fmean(of_days)
    found = deflated([each + up for each in of_days], by_chance)
    assert found is not None
    assert isclose(found, 0.9004, abs_tol=0.0001)
    assert expected_best([0.0, 0.2]) > expected_best([0.2]) == 0.0


def test_too_little_has_no_ratio() -> None:
    assert ratio([*map(float, range(19))]) is None
    assert ratio([*map(float, range(20))]) == fmean(range(20)) / stdev(range(20))
    assert ratio([1.0] * 50) is None
    assert deflated([1.0, 2.0], 0.1) is None


def test_stretches_leave_the_purged_sessions_out() -> None:
    assert [(each.begin, each.end, each.first, each.last) for each in stretches(100, 60, 20, 5)] == [(0, 60, 65, 85)]
    found = stretches(125, 60, 20, 5)
    assert [(each.begin, each.first) for each in found] == [(0, 65), (20, 85), (40, 105)]
    with pytest.raises(MisuseError, match="hold no stretch"):
        stretches(60, 60, 20, 5)


def test_a_walk_takes_what_was_best_before_and_counts_what_came_after() -> None:
    chance = Random(3)
    early = [chance.gauss(5.0, 1.0) for _ in range(40)] + [-1.0] * 20
    late = [chance.gauss(-5.0, 1.0) for _ in range(40)] + [2.0] * 20
    found = walk_forward({0: early, 1: late}, stretches(60, 40, 10, 0))
    assert [step.variant for step in found.steps] == [0, 0]
    assert found.profits == (-1.0,) * 20
    assert found.steps[0].made == -10.0
    assert found.steps[0].chosen_for == sharpe([Decimal(each) for each in early[:40]])
    assert walk_forward({1: early, 0: early}, stretches(60, 40, 10, 0)).steps[0].variant == 1
    tried = Forward((), tuple(early), 0)
    assert tried.sharpe == sharpe([Decimal(each) for each in early])


def test_a_walk_reports_a_stretch_by_which_nothing_could_be_chosen() -> None:
    """Nobody traded in the first forty sessions: its row was missing, and its sessions counted as 0 all the same."""
    chance = Random(3)
    profits = tuple([0.0] * 40 + [chance.gauss(5.0, 1.0) for _ in range(20)])
    walked = walk_forward({0: profits}, stretches(60, 40, 10, 0))
    assert [(step.stretch.first, step.variant) for step in walked.steps] == [(40, None), (50, 0)]
    assert walked.profits == (*[0.0] * 10, *profits[50:])
    lines = list(sweep_lines([Variant(number=0, point=("1",), profits=profits)], [axis("a=1,2")], walked, "net", 20))
    (row,) = (line for line in lines if "41 to 50" in line)
    assert row.split() == ["1", "to", "40", "41", "to", "50", "none:", "no", "trades", "-", "+$0.00"]


def test_a_page_draws_a_walk_at_its_own_sessions() -> None:
    """Sessions at the end that fill no stretch are none of it: it stays where it was, and is not moved to the end."""
    chance = Random(3)
    profits = tuple(chance.gauss(5.0, 1.0) for _ in range(47))
    walked = walk_forward({0: profits}, stretches(47, 20, 10, 3))
    best = Variant(number=0, point=("1",), profits=profits)
    page = sweep_page("a", [best], [axis("a=1,2")], "sharpe", {}, walked, [], [])
    drawn_at = {int(found[1]): found[2] for found in re.finditer(r"<title>walking forward (\d+) (\S+)</title>", page)}
    made = sum(profits[23:43])
    assert (drawn_at[23], drawn_at[24]) == ("$0.00", f"${profits[23]:.2f}")
    assert drawn_at[43] == drawn_at[47] == f"${made:.2f}"
