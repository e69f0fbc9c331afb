"""Instants that pass by while something is held: everything on record is what turns at each of them record."""

from dataclasses import replace
from datetime import datetime, time
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from passed_by import FILLS, FIRST, both, difference, odd, program_of
from past_days import PastDays, beside_another
from plain_specs import random_spec

from rulebot.adapters.history.session import HistoryDay
from rulebot.backtest.fast_forward import made_texts, rounded_columns
from rulebot.backtest.fill_model import fill_model
from rulebot.backtest.simulation import BacktestSimulation
from rulebot.calendars.calendars import shipped_dates
from rulebot.core.program import AccountLimits
from rulebot.core.rules.rule_evaluation import rounded
from rulebot.documents.load_bots import load_all_bots
from rulebot.model.economic_calendar import event_calendar
from rulebot.model.money import CENT
from rulebot.model.session import at_exchange_time
from rulebot.record.record import Kind

LOOKS_ONCE = """rulebot: 1
name: plain
about: Looks once, and halts by options at the money.
underlying: SPX
entry: {at: "10:07", for: 30m, try: once, when: [{vix: {above: 90}}]}
legs:
  expiry: {dte: 0}
  long_put: {buy: put, strike: {at: spot}}
order: {start: mid, step: 0.05, wait: 5s, tries: 4, then: cancel}
exits: [{time: "15:30"}]
risk: {halt_when: [{day_range: {above: 1x expected_move}}]}
"""

BOUGHT = """rulebot: 1
name: {name}
about: Buys a put for some time.
underlying: SPX
entry: {{at: "{at}"}}
legs:
  expiry: {{dte: 0}}
  on_conflict: allow
  long_put: {{buy: put, strike: {{at: spot}}}}
order: {{start: mid, step: 0.05, wait: 5s, tries: 4, then: cancel}}
exits: {exits}
risk: {{max_loss_per_trade: $9000}}
"""


CALENDAR = """rulebot: 1
name: plain
about: Leaves by the days of one leg of a calendar and something that moves.
underlying: SPX
entry: {at: "10:00"}
legs:
  front_put: {sell: put, expiry: {dte: 1}, strike: {at: spot}}
  back_put: {buy: put, expiry: {dte: 2}, strike: {at: front_put}}
order: {start: mid, step: 0.05, wait: 5s, tries: 4, then: cancel}
exits:
  - {name: early, all: [{dte: {at_least: 2, of: back_put}}, {profit: {at_least: 3%}}]}
  - time: "15:30"
risk: {max_loss_per_trade: $9000}
"""

PAIR = """rulebot: 1
name: plain
about: Sells a put of one index beside a put of another.
underlyings: [SPX, XSP]
entry: {at: "10:00"}
legs:
  expiry: {dte: 0}
  long_spx: {buy: put, of: SPX, strike: {at: spot}}
  short_xsp: {sell: put, of: XSP, strike: {otm: 10 pts}}
order: {start: mid, wait: 5s, tries: 4, then: unwind, leg_by_leg: [long_spx, short_xsp]}
exits:
  - breach: {spot_within: 2 pts, of: short_xsp}
    close: all
  - time: "15:30"
risk: {max_loss_per_trade: $900000, undefined_risk: allow}
"""


CONDOR = """rulebot: 1
name: plain
about: Sells a condor, and leaves by what is asked.
underlying: SPX
entry: {{at: "10:00"}}
legs:
  expiry: {{dte: 0}}
  short_put: {{sell: put, strike: {{otm: 20 pts}}}}
  long_put: {{buy: put, strike: {{below: short_put, by: 10 pts}}}}
  short_call: {{sell: call, strike: {{otm: 20 pts}}}}
  long_call: {{buy: call, strike: {{above: short_call, by: 10 pts}}}}
order: {{start: mid, step: 0.05, wait: 5s, tries: 4, then: cancel}}
exits: [{{{left}, name: left}}, {{time: "15:30"}}]
risk: {{max_loss_per_trade: $9000}}
"""


def test_columns_are_rounded_as_single_values_are() -> None:
    chance = np.random.default_rng(7)
    halves = np.round(chance.uniform(-50, 50, 3000), 6) + 5e-7
    values = np.concatenate((chance.uniform(-9, 9, 3000), halves, chance.normal(0, 1e9, 300), [np.nan, -1e-9, 0]))
    columns = np.vstack((values.reshape(3, -1), np.full(len(values) // 3, np.nan)))
    for reported, column in zip(rounded_columns(columns), columns, strict=True):
        assert [str(each) for each in reported] == [str(rounded(float(value))) for value in column]


@pytest.mark.parametrize(
    "net", ["0", "0.00", "-12.3456", "101.1", "7.123456", "1E+2", "-0.005", "123456789012.12345678"]
)
def test_profits_are_written_as_single_ones_are(net: str) -> None:
    chance = np.random.default_rng(11)
    halves = np.round(chance.uniform(-500, 500, 2000), 2) + 0.005
    near = halves + chance.uniform(-0.0002, 0.0002, 2000)
    values = np.concatenate((chance.uniform(-9e4, 9e4, 2000), halves, near, chance.normal(0, 1e13, 200), [-1e-9, 0.0]))
    reported = [str(Decimal(net) + Decimal(f"{value:.4f}").quantize(CENT)) for value in values.tolist()]
    assert made_texts(Decimal(net), values) == reported


@pytest.mark.parametrize("fills", FILLS)
def test_random_bots_record_the_same(tmp_path: Path, fills: str) -> None:
    marks = 0
    for source, seeds in ((PastDays(strikes=30), (1, 3, 48)), (PastDays(strikes=30, change=odd), (36, 38, 59))):
        for seed in seeds:
            reported, every = both(program_of(tmp_path, random_spec(seed)), source, 2, fills)
            assert not difference(reported, every), f"seed {seed}"
            marks += sum(record.kind is Kind.MARK for record in reported)
    assert marks > 500


def test_what_is_held_over_nights_is_the_same(tmp_path: Path) -> None:
    reported, every = both(program_of(tmp_path, random_spec(59, dte=2)), PastDays(strikes=30, expiries=3), 3, "mid")
    assert not difference(reported, every)
    assert sum(record.kind is Kind.MARK for record in reported) > 500


def test_what_is_held_among_instants_five_minutes_apart_is_the_same(tmp_path: Path) -> None:
    source = PastDays(strikes=30, expiries=3, every=5)
    reported, every = both(program_of(tmp_path, random_spec(59, dte=2)), source, 3, "mid+0.3")
    assert not difference(reported, every)
    assert sum(record.kind is Kind.MARK for record in reported) > 80  # none between two instants of the data


def test_a_group_of_what_changes_and_what_does_not_is_the_same(tmp_path: Path) -> None:
    """How many sessions a position has been held is one number all day; what stands beside it changes."""
    example = Path(__file__).parents[3] / "examples" / "morning_after.yaml"
    text = example.read_text(encoding="utf-8").replace("name: morning_after\nabout", "name: plain\nabout")
    reported, every = both(program_of(tmp_path, text), PastDays(strikes=60, expiries=6), 3, "mid")
    assert not difference(reported, every)
    assert sum(record.kind is Kind.MARK for record in reported) > 20


@pytest.mark.parametrize(
    ("text", "source", "leaves_by"),
    [
        (CALENDAR, PastDays(strikes=30, expiries=4), "early"),
        (PAIR, PastDays(strikes=30, change=beside_another), "breach.short_xsp"),
    ],
)
def test_an_exit_by_one_leg_looks_at_its_own_day_and_level(
    tmp_path: Path, text: str, source: PastDays, leaves_by: str
) -> None:
    """The days of the leg that ends first, and the level of the first underlying, were taken for those of each."""
    reported, every = both(program_of(tmp_path, text), source, 1, "mid")
    assert not difference(reported, every)
    assert [each.data["reason"] for each in reported if each.data.get("what") == "exit"] == [leaves_by]


@pytest.mark.parametrize("test", ["beyond: 0.2%", "below: -6 pts", "above: 4 pts"])
def test_an_exit_by_how_far_spot_has_moved_since_the_entry(tmp_path: Path, test: str) -> None:
    exits = f'[{{move: {{since: entry, {test}}}, name: ran}}, {{time: "15:30"}}]'
    text = BOUGHT.format(name="plain", at="10:00", exits=exits)
    for source in (PastDays(strikes=30), PastDays(strikes=30, change=odd)):
        reported, every = both(program_of(tmp_path, text), source, 3, "mid")
        assert not difference(reported, every)
        assert "ran" in [each.data["reason"] for each in reported if each.data.get("what") == "exit"]


@pytest.mark.parametrize(
    "left",
    [
        "position_delta: {above: 8}",
        "leg_delta: {above: 0.50}",
        "leg_delta: {of: long_call, below: 0.03}, close: all",
        "leg_gamma: {above: 0.012}",
        "leg_theta: {of: short_put, below: $60}, close: all",
        "position_gamma: {above: 0.05}",
        "position_theta: {below: -$100}",
        "position_vega: {above: $5}",
        "probability_in_the_money: {of: short_call, above: 50%}, close: all",
        "cost: {at: natural, at_least: 1.4x credit}",
        "loss: {at_least: 0.3x max_risk}",
        "move: {since: open, beyond: 0.3%}",
        "target: {profit: 60%, of: [short_put, long_put]}",
    ],
)
def test_an_exit_of_a_condor_acts_when_turns_say_so(tmp_path: Path, left: str) -> None:
    program = program_of(tmp_path, CONDOR.format(left=left))
    for source in (PastDays(strikes=30), PastDays(strikes=30, change=odd)):
        reported, every = both(program, source, 2, "mid")
        assert not difference(reported, every)
        assert "left" in [each.data["reason"] for each in reported if each.data.get("what") == "exit"]
        assert sum(record.kind is Kind.MARK for record in reported) > 100


def test_a_bot_that_holds_may_be_halted(tmp_path: Path) -> None:
    text = BOUGHT.format(name="plain", at="10:00", exits='[{time: "15:30"}]')
    text = text.replace("$9000}", "$9000, halt_when: [{move: {beyond: 0.3%}}]}")
    reported, every = both(program_of(tmp_path, text), PastDays(strikes=30), 1, "mid")
    assert not difference(reported, every)
    assert [each.at.time() for each in reported if each.data.get("what") in ("enter", "halt")] == [
        time(14),
        time(15, 27),
    ]


def without_a_level(day: HistoryDay, first: int, last: int) -> HistoryDay:
    """Return the day without a level of SPX at these instants, the last one not included."""
    levels = day.levels["SPX"].copy()
    levels[first:last] = np.nan
    return replace(day, levels={**day.levels, "SPX": levels})


@pytest.mark.parametrize(("first", "chosen", "known"), [(30, time(10), 29), (22, time(10, 1), 31)])
def test_a_level_that_is_not_there_is_the_last_one_before_and_not_for_long(
    tmp_path: Path, first: int, chosen: time, known: int
) -> None:
    """None is there to 10:00: where nobody read the minutes before, the level of the morning stood, for all the hole.

    known: the minute whose level strikes are chosen by.
    """
    text = BOUGHT.format(name="plain", at="10:00", exits='[{time: "15:30"}]').replace("at: spot", "otm: 5 pts")
    source = PastDays(strikes=30, change=lambda day: without_a_level(day, first, 31))
    reported, every = both(program_of(tmp_path, text), source, 2, "mid")
    assert not difference(reported, every)
    choice = next(each for each in reported if each.kind is Kind.SELECTION and each.data["spots"])
    assert choice.at == at_exchange_time(FIRST, chosen)
    assert choice.data["spots"] == {"SPX": source.day(FIRST).levels["SPX"][known]}


def test_a_day_that_is_over_for_a_bot_is_looked_at_again_no_sooner(tmp_path: Path) -> None:
    """Its halt reads options at the money, which are streamed no more once it has looked its only time."""
    program = program_of(tmp_path, LOOKS_ONCE)
    reported, every = both(program, PastDays(strikes=30), 1, "natural")
    assert not difference(reported, every)
    halts = [each for each in every if each.kind is Kind.VERDICT and each.data["place"] == "halts"]
    assert [each.data["truth"] for each in halts][-2:] == [False, None]


def test_what_is_held_is_passed_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    simulated: list[int] = []
    step = BacktestSimulation._step
    monkeypatch.setattr(
        BacktestSimulation,
        "_step",
        lambda walk, *where: (simulated.append(len(walk.state.positions.active)), step(walk, *where)),
    )
    reported, every = both(program_of(tmp_path, random_spec(3)), PastDays(strikes=30), 1, "mid")
    marks = sum(record.kind is Kind.MARK for record in reported)
    assert marks == sum(record.kind is Kind.MARK for record in every) > 100
    assert 0 < sum(simulated) - marks < 100  # those of the walk that lives through all of them are the rest


def test_a_move_since_the_entry_is_looked_for_in_the_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exits = '[{move: {since: entry, beyond: 9%}}, {time: "15:30"}]'
    simulated: list[int] = []
    step = BacktestSimulation._step
    monkeypatch.setattr(
        BacktestSimulation,
        "_step",
        lambda walk, *where: (simulated.append(len(walk.state.positions.active)), step(walk, *where)),
    )
    program = program_of(tmp_path, BOUGHT.format(name="plain", at="10:00", exits=exits))
    walk = BacktestSimulation(
        program, PastDays(strikes=30), event_calendar(shipped_dates()), fill_model("mid"), Decimal(1_000_000)
    )
    marks = [each for done in walk.through(FIRST, FIRST) for each in done.records if each.kind is Kind.MARK]
    assert len(marks) > 200
    assert sum(simulated) <= 8


def test_what_comes_before_an_exit_is_passed_by_to_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two hundred instants those of the entry, of the exit and of the clock are lived through."""
    simulated: list[int] = []
    step = BacktestSimulation._step
    monkeypatch.setattr(
        BacktestSimulation,
        "_step",
        lambda walk, *where: (simulated.append(len(walk.state.positions.active)), step(walk, *where)),
    )
    program, calendar = program_of(tmp_path, random_spec(3)), event_calendar(shipped_dates())
    walk = BacktestSimulation(program, PastDays(strikes=30), calendar, fill_model("mid"), Decimal(1_000_000))
    marks = [each for done in walk.through(FIRST, FIRST) for each in done.records if each.kind is Kind.MARK]
    assert len(marks) > 200
    assert sum(simulated) <= 8


def test_a_bot_with_all_open_that_it_may_is_woken_by_the_data_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that looks every quarter of an hour was woken four times a minute while it could not enter."""
    simulated: list[datetime] = []
    step = BacktestSimulation._step

    def noted(walk: BacktestSimulation, *where: object) -> None:
        step(walk, *where)  # type: ignore[arg-type]
        assert walk.state is not None
        if (
            walk.state.positions.active
            and walk.state.schedule.session.open <= walk.now < walk.state.schedule.session.close
        ):
            simulated.append(walk.now)

    text = BOUGHT.format(name="plain", at="10:00", exits='[{time: "15:30"}, {target: {profit: 900%}}]')
    text = text.replace(
        '{at: "10:00"}',
        '{window: {from: "10:00", to: "15:00"}, every: 15m, per_day: 3, max_open: 1, again: {after: [any]}}',
    )
    program, source = program_of(tmp_path, text), PastDays(strikes=30, every=15)
    reported, every = both(program, source, 1, "mid")
    assert not difference(reported, every)
    monkeypatch.setattr(BacktestSimulation, "_step", noted)
    walk = BacktestSimulation(program, source, event_calendar(shipped_dates()), fill_model("mid"), Decimal(1_000_000))
    (done,) = walk.through(FIRST, FIRST)
    assert [each.data["what"] for each in done.records if each.kind is Kind.DECISION].count("exit") == 1
    assert 3 < len(simulated) < 80  # of 22 instants, each with a moment or two after it for the broker


def test_the_broker_is_asked_at_the_same_times_where_nothing_is_held_or_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When it is asked again is an instant at which what is held later may be noted."""
    asked: dict[bool, dict[datetime, datetime | None]] = {True: {}, False: {}}
    step = BacktestSimulation._step

    def noted(walk: BacktestSimulation, *where: object) -> None:
        step(walk, *where)  # type: ignore[arg-type]
        assert walk.state is not None
        asked[walk.skips][walk.now] = walk.state.inquiries.asked_at

    monkeypatch.setattr(BacktestSimulation, "_step", noted)
    text = BOUGHT.format(name="plain", at="10:00", exits='[{sma: {window: 2, bars: 5m, below: 1}}, {time: "10:30"}]')
    reported, every = both(program_of(tmp_path, text), PastDays(strikes=30), 1, "mid")
    assert not difference(reported, every)
    since = at_exchange_time(FIRST, time(10, 35))
    assert {at: when for at, when in asked[False].items() if at in asked[True] and at > since} == {
        at: when for at, when in asked[True].items() if at > since
    }


@pytest.mark.parametrize("kind", ["daily_loss", "daily_profit"])
@pytest.mark.parametrize("limit", [40, 150, 600, 100_000])
def test_the_instant_at_which_all_bots_together_have_made_enough_is_not_passed_by(
    tmp_path: Path, kind: str, limit: int
) -> None:
    """Each alone loses, or makes, less; the third would enter later."""
    exits = '[{target: {profit: 900%}}, {time: "15:30"}]'
    files = []
    for name, at in (("one", "10:00"), ("two", "10:20"), ("three", "15:00")):
        files.append(tmp_path / f"{name}.yaml")
        files[-1].write_text(BOUGHT.format(name=name, at=at, exits=exits), encoding="utf-8")
    limits = replace(AccountLimits(), **{kind: Decimal(limit)})
    program = replace(load_all_bots([str(file) for file in files], {}, None).program("t", {}, 90), limits=limits)
    reported, every = both(program, PastDays(strikes=30), 3, "mid")
    assert not difference(reported, every)
    halted = {record.bot for record in every if record.kind is Kind.DECISION and record.data["what"] == "halt"}
    assert halted == ({"one", "two", "three"} if limit < 1000 else set())


def test_an_exit_that_could_not_be_judged_is_no_more_waited_for_once_its_position_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another bot holds from 11:00 on: of its instants those of entry and exit alone are lived through."""
    simulated: list[datetime] = []
    step = BacktestSimulation._step
    monkeypatch.setattr(
        BacktestSimulation, "_step", lambda walk, *where: (simulated.append(walk.now), step(walk, *where))
    )
    without_data = BOUGHT.format(name="blind", at="10:00", exits='[{put_call_volume: {above: 3}}, {time: "10:30"}]')
    plain = BOUGHT.format(name="plain", at="11:00", exits='[{target: {profit: 900%}}, {time: "15:30"}]')
    files = [tmp_path / f"{name}.yaml" for name in ("blind", "plain")]
    for file, text in zip(files, (without_data, plain), strict=True):
        file.write_text(text, encoding="utf-8")
    program = load_all_bots([str(file) for file in files], {}, None).program("t", {}, 90)
    calendar = event_calendar(shipped_dates())
    walk = BacktestSimulation(program, PastDays(strikes=30), calendar, fill_model("mid"), Decimal(1_000_000))
    (done,) = walk.through(FIRST, FIRST)
    assert [each.data["reason"] for each in done.records if each.data.get("what") == "exit"] == ["time", "time"]
    held = [at for at in simulated if at_exchange_time(FIRST, time(11, 2)) < at < at_exchange_time(FIRST, time(15, 30))]
    assert len(held) < 5


@pytest.mark.parametrize(
    ("condition", "seconds"),
    [
        ("{time_in_trade: {at_least: 30m}}", 1800.0),
        ("{time_in_trade: {above: 1850s}}", 1850.001),
        ("{name: calm, all: [{time_in_trade: {at_least: 21m}}, not: {vix: {above: 99}}]}", 1260.0),
    ],
)
def test_what_has_been_held_for_its_time_is_left_then_and_not_at_the_next_instant(
    tmp_path: Path, condition: str, seconds: float
) -> None:
    text = BOUGHT.format(name="plain", at="10:00", exits=f'[{condition}, {{time: "15:30"}}]')
    reported, every = both(program_of(tmp_path, text), PastDays(strikes=30), 1, "mid")
    assert not difference(reported, every)
    (opened,) = {each.at for each in reported if each.kind is Kind.FILL and each.data["purpose"] == "entry"}
    (left,) = [each.at for each in reported if each.data.get("what") == "exit"]
    assert (left - opened).total_seconds() == seconds


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("fills", FILLS)
@pytest.mark.parametrize("shape", ["whole", "odd", "sparse", "nights"])
def test_a_hundred_random_bots_record_the_same_for_a_month(tmp_path: Path, fills: str, shape: str) -> None:
    sources = {
        "whole": PastDays(strikes=30),
        "odd": PastDays(strikes=30, change=odd),
        "sparse": PastDays(strikes=30, change=odd, every=3, has_greeks=False),
        "nights": PastDays(strikes=30, change=odd, expiries=3),
    }
    for seed in range(100):
        text = random_spec(seed, dte=2 if shape == "nights" else 0)
        reported, every = both(program_of(tmp_path, text), sources[shape], 20, fills)
        assert not difference(reported, every), f"seed {seed}"
