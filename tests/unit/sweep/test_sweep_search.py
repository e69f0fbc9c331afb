"""A search among variants: what is asked for next follows from what came of those before it, and from nothing else."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from past_days import PastDays

from rulebot.backtest.fill_model import fill_model
from rulebot.model.economic_calendar import event_calendar
from rulebot.sweep.evaluate import Asked, Passed
from rulebot.sweep.executors import Runs, Task
from rulebot.sweep.parameters import Axis, Point, axis
from rulebot.sweep.sweep import Search, StoredVariants, _drawn, _space, _study, next_batch, search_for
from rulebot.sweep.variant import PeriodResult, Variant, VariantTerms, VariantTrade, whole

pytest.importorskip("optuna")

AXES = [axis("delta=0.05..0.30/0.01"), axis("wing=5,10,20,50"), axis("when=10:30,noon,last hour")]
FIRST = date(2026, 9, 1)
SEARCH = Search(trials=40, goal="net")


TERMS = VariantTerms(
    opens=PastDays,
    first=FIRST,
    last=date(2026, 9, 2),
    fills=fill_model("mid"),
    cash=Decimal(1),
    lines=90,
    file="x.yaml",
    calendar=event_calendar([]),
)


def worth(point: Point) -> float:
    """A hill with its top at 0.17, 20, noon."""
    return 100.0 - 4000.0 * (float(point[0]) - 0.17) ** 2 - abs(int(point[1]) - 20) - 20.0 * (point[2] != "noon")


def made(asked: Asked, since: date, value: Callable[[Point], float | None]) -> PeriodResult:
    number, point, _ = asked
    found = value(point)
    if found is None:
        return PeriodResult(number=number, point=point, since=since, problem="no")
    return PeriodResult(
        number=number, point=point, since=since, trades=(VariantTrade(Decimal(str(found)), since, since),)
    )


def variant(number: int, point: Point) -> Variant:
    return whole([made((number, point, ""), FIRST, worth)])


class Hill:
    """Where tasks run, without sessions: keeps what was asked for; `order` shuffles in which order tasks end."""

    def __init__(self, value: Callable[[Point], float | None] = worth, order: Random | None = None) -> None:
        self.value, self.order = value, order
        self.tried: list[Point] = []

    def runs(self, tasks: Sequence[Task], _: VariantTerms, passed: Passed) -> Iterator[list[PeriodResult]]:
        ended = list(tasks)
        if self.order is not None:
            self.order.shuffle(ended)
        for task in ended:
            self.tried += [point for _, point, _ in task.asked]
            passed(len(task.asked))
            yield [made(each, task.span[0], self.value) for each in task.asked]


def found(search: Search, runs: Runs, kept: StoredVariants | None = None, workers: int = 1) -> list[Variant]:
    return search_for(search, AXES, " ".join, TERMS, runs, lambda done, count: None, kept, workers)


def test_each_trial_is_another_variant_of_the_grid() -> None:
    points = [each.point for each in found(SEARCH, Hill().runs)]
    assert len({*points}) == len(points) == 40
    assert all(value in each.values for point in points for value, each in zip(point, AXES, strict=True))


def test_it_finds_the_top_where_chance_does_not() -> None:
    best = max(found(replace(SEARCH, trials=60), Hill().runs), key=lambda each: each.net)
    assert (best.point[1], best.point[2]) == ("20", "noon")
    assert best.net > 99.0
    later = found(replace(SEARCH, trials=60), Hill().runs)[10:]
    assert sum(each.net for each in later) / len(later) > 8.0 + sum(map(worth, every())) / len(every())


def every() -> list[Point]:
    return [(a, b, c) for a in AXES[0].values for b in AXES[1].values for c in AXES[2].values]


def test_the_same_seed_gives_the_same_trials_however_many_share_them() -> None:
    alone = found(SEARCH, Hill().runs)
    assert found(SEARCH, Hill(order=Random(5)).runs, workers=7) == alone
    assert found(replace(SEARCH, seed=8), Hill().runs) != alone


def test_a_batch_knows_nothing_of_its_own_variants() -> None:
    started = [variant(number, point) for number, point in enumerate(next_batch(AXES, SEARCH, ()))]
    assert len(next_batch(AXES, SEARCH, started)) == 10
    assert next_batch(AXES, SEARCH, started) == next_batch(AXES, SEARCH, started)
    others = [replace(each, net=-each.net) for each in started]
    assert next_batch(AXES, SEARCH, others) != next_batch(AXES, SEARCH, started)


@pytest.mark.parametrize("first", [5, 20, 27])
def test_going_on_with_more_trials_is_as_if_they_had_been_asked_for_at_once(first: int, tmp_path: Path) -> None:
    every, again = found(SEARCH, Hill().runs), Hill()
    found(replace(SEARCH, trials=first), Hill().runs, StoredVariants(tmp_path / "s.jsonl", {}))
    assert found(SEARCH, again.runs, StoredVariants(tmp_path / "s.jsonl", {})) == every
    assert len(again.tried) == 40 - first


def test_what_is_kept_is_reported_first_even_if_another_would_be_asked_for_now(tmp_path: Path) -> None:
    kept = StoredVariants(tmp_path / "s.jsonl", {})
    kept.read()
    reported = [variant(number, point) for number, point in enumerate(every()[:30])]
    kept.add(reported)
    later = found(SEARCH, Hill().runs, kept)
    assert later[:30] == reported
    assert [each.point for each in later[30:]] == next_batch(AXES, SEARCH, reported)


def test_of_a_small_grid_every_variant_is_tried_once_and_no_more() -> None:
    axes = [axis("a=1,2,3"), axis("b=7"), axis("c=x,y")]
    variants = search_for(
        replace(SEARCH, batch=4), axes, " ".join, TERMS, hill_of(axes), lambda done, count: None, None, 1
    )
    assert sorted(each.point for each in variants) == [(a, "7", c) for a in "123" for c in "xy"]


def hill_of(axes: Sequence[Axis]) -> Runs:
    return Hill(lambda point: float(axes[0].values.index(point[0]))).runs


def test_what_cannot_be_run_is_asked_for_less_often_than_chance_would() -> None:
    """Half of the values of one place cannot be run: that is 75 of 150, give or take 6, by chance."""
    hill = Hill(lambda point: None if float(point[0]) > 0.17 else worth(point))
    asked = [each for seed in (1, 2, 3) for each in found(replace(SEARCH, trials=60, seed=seed), hill.runs)[10:]]
    assert sum(bool(each.problem) for each in asked) <= 57


def test_without_any_figure_it_continues_by_chance() -> None:
    assert len(found(SEARCH, Hill(lambda point: None).runs)) == 40


def test_what_never_trades_is_no_goal_where_all_others_lose() -> None:
    """It nets $0, more than what loses: a search for net would end where nothing is ever done."""
    known = [Variant(number=n, point=(f"{n}", "7"), trades=n > 3, net=-10.0 * (n > 3)) for n in range(1, 7)]
    axes = [axis("a=1..6/1"), axis("b=7")]
    study = _study(axes, {each.name: _space(each) for each in axes}, "net", known, 1)
    assert [trial.value for trial in study.trials] == [None, None, None, -10.0, -10.0, -10.0]


def test_what_is_drawn_at_last_is_none_that_was_tried() -> None:
    tried = {("1", "7"), ("2", "7"), ("4", "7")}
    assert {_drawn([axis("a=1..4/1"), axis("b=7")], tried, Random(seed)) for seed in range(20)} == {("3", "7")}
    many = [axis("a=1..9/1"), axis("b=7,8")]
    assert not any(_drawn(many, tried, Random(seed)) in tried for seed in range(60))
