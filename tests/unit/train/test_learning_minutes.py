"""Samples of minutes: which there are, what keeps a bot out that is lifted, and trades that last beyond their day."""

from dataclasses import replace
from datetime import date, time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from past_days import PastDays, fallen
from plain_specs import ASSIGNED

from rulebot.adapters.history.session import HistoryDay
from rulebot.backtest.fill_model import fill_model
from rulebot.backtest.results import read_results
from rulebot.backtest.run import BacktestOptions, run_backtest
from rulebot.backtest.sampling import sampling
from rulebot.core.program import CompiledBot
from rulebot.documents.load_bots import LoadedBots, load_all_bots
from rulebot.model.economic_calendar import event_calendar
from rulebot.model.facts import EventCalendar
from rulebot.model.session import EXCHANGE_ZONE
from rulebot.train.minutes import MinuteSamplingOptions, at_minute, minutes_of, of_days, read_samples, sample_minutes

SPEC = """rulebot: 1
name: overnight
about: Sells a put spread that expires tomorrow.
underlying: SPX
entry:
  window: {from: "15:00", to: "15:40"}
  days: [mon, tue, wed]
  per_day: 2
  max_open: 4
  again: {after: [any]}
  when:
    - vix: {above: 500}
legs:
  expiry: {dte: 1}
  short_put: {sell: put, strike: {delta: 0.30}}
  long_put: {buy: put, strike: {below: short_put, by: 10 pts}}
order: {start: mid, step: 0.05, wait: 10s, tries: 4, then: cancel}
exits:
  - at_expiry: settle
risk:
  max_loss_per_trade: $2000
  daily_loss: $1
  halt_when:
    - vix: {above: 1}
"""


def no_events() -> EventCalendar:
    return event_calendar([])


def desk_of(folder: Path, text: str = SPEC) -> LoadedBots:
    file = folder / f"{text.partition('name: ')[2].splitlines()[0]}.yaml"
    file.write_text(text)
    return load_all_bots([str(file)], {}, None)


def asked(folder: Path, last: int = 3) -> MinuteSamplingOptions:
    return MinuteSamplingOptions(
        desk=desk_of(folder).packed(),
        opens=partial(PastDays, strikes=30, expiries=2, every=5),
        first=date(2026, 9, 1),
        last=date(2026, 9, last),
        fills=fill_model("mid"),
        lines=90,
        every=20,
        sampling=sampling("when"),
        calendar=no_events,
    )


def bot(folder: Path) -> CompiledBot:
    (compiled,) = desk_of(folder).bots.values()
    return compiled


@pytest.mark.parametrize(
    ("day", "clocks"),
    [
        (date(2026, 9, 1), ["15:00", "15:20"]),
        (date(2026, 9, 3), []),  # a Thursday
        (date(2026, 11, 25), ["15:00", "15:20"]),
        (date(2026, 11, 26), []),  # no session
    ],
)
def test_every_so_many_minutes_of_its_windows(day: date, clocks: list[str], tmp_path: Path) -> None:
    found = [f"{at.astimezone(EXCHANGE_ZONE):%H:%M}" for at in minutes_of(bot(tmp_path), day, 20)]
    assert found == clocks


def test_what_keeps_it_out_is_lifted_and_what_makes_the_trade_stays(tmp_path: Path) -> None:
    was = bot(tmp_path)
    found = at_minute(was, time(15, 20)).plan
    assert (found.entry.when, found.entry.again, found.entry.per_day, found.risk.halt_when) == ((), None, 1, ())
    assert (found.legs, found.require, found.order, found.exits) == (
        was.plan.legs,
        was.plan.require,
        was.plan.order,
        was.plan.exits,
    )


def test_a_trade_is_followed_to_its_end_on_the_next_day(tmp_path: Path) -> None:
    samples, found = sample_minutes(asked(tmp_path), 1, lambda done, count: None)
    assert (found.tried, found.entered) == (4, 4)  # Tuesday and Wednesday; nothing on Thursday
    assert [(row.entered.day, row.left.day) for row in samples.rows] == [(1, 2), (1, 2), (2, 3), (2, 3)]
    assert samples.every == 20
    assert len({row.net for row in samples.rows}) > 1


def test_a_trade_that_outlasts_the_data_is_reported_and_teaches_nothing(tmp_path: Path) -> None:
    _, found = sample_minutes(asked(tmp_path, last=2), 1, lambda done, count: None)
    assert (found.tried, found.entered, len(found.rows)) == (4, 4, 2)
    assert "2 were still open when the data ended" in found.words


def test_an_edit_while_it_trains_changes_nothing(tmp_path: Path) -> None:
    what = asked(tmp_path, last=1)
    (tmp_path / f"{what.desk.texts[0].name}.yaml").write_text("rulebot: 1\n")
    assert of_days(what, [date(2026, 9, 1)]).tried == 2


def test_a_task_goes_beyond_its_days_for_the_trades_of_its_days_alone(tmp_path: Path) -> None:
    found = of_days(asked(tmp_path), [date(2026, 9, 1)])
    assert (found.tried, [row.left.day for row in found.rows]) == (2, [2, 2])


ROLLING = """rulebot: 1
name: rolling
about: Sells a put spread of tomorrow, and rolls it on its last day, as often as there is another.
underlying: SPX
entry: {at: "15:00", days: [tue], max_open: 1}
legs:
  expiry: {dte: 1}
  short_put: {sell: put, strike: {delta: 0.30}}
  long_put: {buy: put, strike: {below: short_put, by: 10 pts}}
order: {start: natural, wait: 10s, tries: 4, then: cancel}
exits:
  - name: last_day
    all: [{dte: {at_most: 0}}, {time: "15:30"}]
    roll:
      expiry: {dte: 1}
      strikes: {short_put: {delta: 0.30}, long_put: {below: short_put, by: 10 pts}}
      else: close
  - at_expiry: settle
risk: {max_loss_per_trade: $3000}
"""


def test_a_trade_has_in_the_end_what_it_was_rolled_into(tmp_path: Path) -> None:
    """Of a put that was rolled at a loss the loss alone was learned from, and what came after it from nothing."""
    source = partial(PastDays, strikes=30, expiries=2, every=5, last=date(2026, 9, 4))
    asked_of = replace(asked(tmp_path, last=4), desk=desk_of(tmp_path, ROLLING).packed(), opens=source)
    (of_minute,) = of_days(asked_of, [date(2026, 9, 1)]).rows
    desk, store = desk_of(tmp_path, ROLLING), tmp_path / "x.db"
    options = BacktestOptions(
        opens=source,
        data="made up",
        first=asked_of.first,
        last=asked_of.last,
        store=store,
        fills=asked_of.fills,
        calendar=no_events,
        sampling=asked_of.sampling,
    )
    run_backtest(desk, options, lambda done, number, count: None)
    trades = read_results(store, "x").trades
    assert [trade.reason for trade in trades] == ["last_day"] * 3
    (row,) = read_samples(store, "rolling", desk.digests["rolling"]).rows
    assert row.net == pytest.approx(sum(float(trade.net) for trade in trades))
    assert row.left.date() == date(2026, 9, 4)
    assert (of_minute.net, of_minute.left) == (pytest.approx(row.net), row.left)


def test_what_was_assigned_counts_with_the_shares_as_they_stood_then(tmp_path: Path) -> None:
    """Its credit alone would teach that a put sold before a fall of ninety points is a win."""
    opens = partial(PastDays, strikes=25, every=5, symbol="SPY", trading_class="SPY", change=fallen)
    asked_of = replace(asked(tmp_path, last=1), desk=desk_of(tmp_path, ASSIGNED).packed(), opens=opens)
    (row,) = of_days(asked_of, [date(2026, 9, 1)]).rows
    assert row.in_shares
    assert row.net < -1000.0


def with_sizes(day: HistoryDay) -> HistoryDay:
    """Return the day with two contracts bid and offered of everything."""
    two = np.full(day.bid.shape, 2.0)
    return replace(day, bid_size=two, ask_size=two)


def test_of_a_part_that_filled_each_structure_made_what_it_made(tmp_path: Path) -> None:
    """What two of five made was divided by five: beside others it was no loss to speak of."""
    nets = []
    for quantity in (2, 5):
        text = SPEC.replace("underlying: SPX\n", f"underlying: SPX\nquantity: {quantity}\n").replace("$2000", "$9000")
        what = replace(
            asked(tmp_path, last=2),
            desk=desk_of(tmp_path, text).packed(),
            opens=partial(PastDays, strikes=30, expiries=2, every=5, change=with_sizes),
        )
        samples, _ = sample_minutes(what, 1, lambda done, count: None)
        nets.append([row.net for row in samples.rows])
    assert len(nets[0]) == 2
    assert nets[1] == pytest.approx(nets[0])
