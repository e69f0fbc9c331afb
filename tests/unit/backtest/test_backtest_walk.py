"""Bots over made-up past sessions: the same whichever way it is done, settled as options are, never ahead of time."""

import json
import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cache, partial
from itertools import count, pairwise
from math import nan
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from leaks import FutureQuotes, LeakyFeed, NextLevels
from past_days import PastDays
from plain_specs import ASSIGNED, WITH_SHARES
from pyarrow import parquet

from benchmarks.engine_desk import compiled
from benchmarks.task import variants
from rulebot.adapters.history.chain_file import write_day
from rulebot.adapters.history.session import DailyBar, Finding, HistoryDay, Source, finding_text
from rulebot.adapters.sources import open_source, written
from rulebot.backtest import historical_market as markets
from rulebot.backtest import run as backtest
from rulebot.backtest.fill_model import calibrated, fill_model
from rulebot.backtest.historical_feed import HistoryFeed
from rulebot.backtest.look_ahead import carried_state, check_look_ahead, garbled, is_independent
from rulebot.backtest.report_page import report_page, text_of
from rulebot.backtest.results import Results, read_results
from rulebot.backtest.run import BacktestOptions, run_backtest, run_session_alone, simulations_of
from rulebot.backtest.sampling import sampling
from rulebot.backtest.simulation import BacktestSimulation, SimulatedDay
from rulebot.calendars.calendars import shipped_dates
from rulebot.chart.chart import chart_of_day
from rulebot.checks.journal.audit import audit_store
from rulebot.cli.past.backtest import result_lines
from rulebot.documents.load_bots import LoadedBots, load_all_bots
from rulebot.model.contract import Right, Underlying, product
from rulebot.model.economic_calendar import event_calendar
from rulebot.model.errors import MisuseError, StoreError
from rulebot.model.event import OpeningMoveReport
from rulebot.model.facts import Bar, Bars, EventCalendar, Listing
from rulebot.model.market import Board
from rulebot.model.money import Rounding, dollars
from rulebot.model.session import EXCHANGE_ZONE, Session, at_exchange_time, exchange_date, session_before, session_on
from rulebot.narrate.trades import InShares, read_in_shares
from rulebot.narrate.why import reported_parts
from rulebot.record.record import Kind, Record
from rulebot.spec.nouns import AccountDocument
from rulebot.store.queries import StoreReader

SPECS = Path(__file__).parents[3] / "specs"
EXAMPLES = Path(__file__).parents[3] / "examples"
FIRST, LAST = date(2026, 9, 1), date(2026, 9, 10)
CONDOR = """
rulebot: 1
name: condor
about: Sells a same-day condor.
underlying: SPX
entry:
  window: {from: "09:45", to: "10:00"}
  per_day: 1
  when:
    - vix: {between: [10, 30]}
legs:
  expiry: {dte: 0}
  short_put:  {sell: put,  strike: {delta: 0.10}}
  long_put:   {buy: put,   strike: {below: short_put, by: 10 pts}}
  short_call: {sell: call, strike: {delta: 0.10}}
  long_call:  {buy: call,  strike: {above: short_call, by: 10 pts}}
  require:
    - credit: {at_least: 0.10}
order: {start: mid, step: 0.05, wait: 10s, tries: 4, then: cancel}
exits:
  - time: "15:45"
  - stop: {cost: 2x credit}
  - target: {profit: 50%}
risk:
  max_loss_per_trade: $1000
"""
HELD = """
rulebot: 1
name: held
about: Sells a put spread for a night.
underlying: SPX
entry:
  window: {from: "09:45", to: "10:00"}
  per_day: 1
  max_open: 3
  when:
    - vix: {between: [10, 30]}
legs:
  expiry: {dte: 1}
  short_put: {sell: put, strike: {delta: 0.20}}
  long_put:  {buy: put,  strike: {below: short_put, by: 10 pts}}
order: {start: mid, step: 0.05, wait: 10s, tries: 4, then: cancel}
exits:
  - at_expiry: settle
risk: {max_loss_per_trade: $2000}
"""


@cache
def calendar():
    return event_calendar(shipped_dates())


NO_CASH = "rulebot_account: 1\nabout: Puts without cash.\naccount: DU1234567\nrisk: {cash_secured_puts: ignore}\n"


def without_cash(folder: Path) -> None:
    """Let puts be sold whose shares nobody could pay for."""
    (folder / "account.yaml").write_text(NO_CASH, encoding="utf-8")


def desk_of(folder: Path, text: str) -> LoadedBots:
    file = folder / f"{text.partition('name: ')[2].partition(chr(10))[0]}.yaml"
    file.write_text(text, encoding="utf-8")
    return load_all_bots([str(file)], {}, None)


def options(store: Path, source: PastDays, **given: object) -> BacktestOptions:
    base = BacktestOptions(
        opens=partial(replace, source, made={}),
        data="made up",
        first=FIRST,
        last=LAST,
        store=store,
        fills=fill_model("mid"),
        calendar=calendar,
    )
    return replace(base, **given)


def run(desk: LoadedBots, store: Path, source: PastDays, **given: object) -> Results:
    run_backtest(desk, options(store, source, **given), lambda done, number, count: None)
    return read_results(store, "the store")


def walk(desk: LoadedBots, source: Source) -> BacktestSimulation:
    return BacktestSimulation(desk.program("t", {}, 90), source, calendar(), fill_model("mid"), Decimal(100_000))


def records(desk: LoadedBots, source: Source, first: date = FIRST, last: date = LAST) -> list[Record]:
    return [record for done in walk(desk, source).through(first, last) for record in done.records]


# ---------------------------------------------------------------- whole backtests


def test_a_backtest_is_a_store_whose_invariants_hold(tmp_path: Path) -> None:
    found = run(desk_of(tmp_path, CONDOR), tmp_path / "x.db", PastDays(every=3))
    assert found.all.trades == len(found.days) == 7
    assert found.profit == sum((trade.net for trade in found.trades), Decimal(0)) == found.all.net
    assert found.days[-1].equity == Decimal(1_000_000) + found.profit
    assert all(evaluation.holds for evaluation in audit_store(tmp_path / "x.db"))


@pytest.mark.long
def test_ci_several_processes_record_what_one_does(tmp_path: Path) -> None:
    desk, source = desk_of(tmp_path, CONDOR), PastDays(every=3, strikes=25)
    whole = text_of(run(desk, tmp_path / "one.db", source))
    Path(desk.texts[0].file).write_text(CONDOR.replace("by: 10 pts", "by: 5 pts"))  # an edit meanwhile is not theirs
    assert text_of(run(desk, tmp_path / "two.db", source, workers=2)) == whole


def test_a_process_that_shares_a_backtest_lives_by_what_was_read(tmp_path: Path) -> None:
    """It read texts and calendars anew, and an edit made sessions of another text under the digest of the first."""
    desk, source = desk_of(tmp_path, CONDOR), PastDays(every=3, strikes=25)
    Path(desk.texts[0].file).write_text("rulebot: 1\n")
    asked = options(tmp_path / "x.db", source)

    def changed() -> EventCalendar:
        raise AssertionError("events are those that were known at the start")

    reported = pickle.loads(pickle.dumps((desk.packed(), asked.calendar())))
    backtest._begin_worker(*reported, replace(asked, calendar=changed))
    assert backtest._in_worker(FIRST) == list(run_session_alone(simulations_of(desk, asked)(source), FIRST))


def test_sessions_of_which_one_takes_long_go_to_processes_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared: list[Sequence[date]] = []

    def share(desk: LoadedBots, options: BacktestOptions, days: Sequence[date]) -> Iterator[SimulatedDay]:
        shared.append(days)
        alone_here = BacktestSimulation(
            desk.program("bt", {}, 90), options.opens(), calendar(), fill_model("mid"), options.cash
        )
        for day in days:
            yield from run_session_alone(alone_here, day)

    monkeypatch.setattr(backtest, "_shared_out", share)
    desk, source = desk_of(tmp_path, CONDOR), PastDays(every=3, strikes=25)
    days = source.dates(FIRST, LAST)
    whole = text_of(run(desk, tmp_path / "one.db", source))
    for name, seconds, expected in (("quick", 0.1, []), ("slow", 3.0, [days[3:]])):
        shared.clear()
        found = run(desk, tmp_path / f"{name}.db", source, workers=2, elapsed=partial(next, count(0.0, seconds)))
        assert shared == expected
        assert text_of(found) == whole
    run(desk, tmp_path / "told.db", source, workers=2)
    assert shared[-1] == days  # whoever names a number of processes has them at once


def test_an_option_without_a_row_at_an_instant_has_traded_what_it_had_before() -> None:
    """Where rows of calls were missing for a minute their volume was gone: puts over calls doubled, and bots acted."""
    day, session, board = PastDays(strikes=5).day(FIRST), session_on(FIRST), Board()
    assert session is not None
    calls = np.array([option.right is Right.CALL for option in day.options])
    volume = np.outer(np.arange(len(day.times)), np.where(calls, 10.0, 20.0))
    volume[5, np.flatnonzero(calls)[:5]], volume[7], volume[:3] = nan, nan, nan
    market = markets.DayMarket(replace(day, volume=volume), session, board, {})
    market.watch([Underlying("SPX"), Underlying("VIX")])
    found = []
    for place in range(9):
        market.write(place)
        found.append((board.call_volume[0], board.put_volume[0]))
    assert np.isnan([*found[:3], (board.call_volume[1], board.put_volume[1])]).all()
    assert found[3:] == [
        (330.0, 660.0),
        (440.0, 880.0),
        (500.0, 1100.0),
        (660.0, 1320.0),
        (660.0, 1320.0),
        (880.0, 1760.0),
    ]


def test_levels_that_come_oftener_than_quotes_keep_no_exit_from_acting(tmp_path: Path) -> None:
    """Beside levels of every 15 seconds quotes of every minute were gone in between: what was open stayed so."""
    day, desk, found = PastDays(strikes=25).day(FIRST), desk_of(tmp_path, CONDOR), []
    for seconds in (60.0, 15.0):
        file = tmp_path / f"{seconds:.0f}" / f"{FIRST}.parquet"
        write_day(day, file)
        at = np.arange(day.times[0], day.times[-1] + 1.0, seconds)
        levels = {symbol: np.interp(at, day.times, level) for symbol, level in day.levels.items()}
        columns = {"time": np.tile(at, len(levels)), "symbol": np.repeat([*levels], len(at)).tolist()}
        table = pyarrow.table({**columns, "level": np.concatenate([*levels.values()])})
        parquet.write_table(table, file.with_name(f"{FIRST}.levels.parquet"))
        opens = partial(open_source, f"parquet:{file.parent}")
        found.append(run(desk, tmp_path / f"{seconds:.0f}.db", PastDays(), opens=opens, last=FIRST))
    assert [each.reason for each in found[1].trades] == ["stop"]
    assert found[1].trades == found[0].trades
    assert not found[1].alarms


def test_an_interruption_changes_nothing(tmp_path: Path) -> None:
    desk, source = desk_of(tmp_path, CONDOR), PastDays(every=3, strikes=25)
    whole = text_of(run(desk, tmp_path / "one.db", source))
    run(desk, tmp_path / "three.db", source, last=date(2026, 9, 4))
    went_on = run(desk, tmp_path / "three.db", source, resumes=True)
    assert text_of(went_on) == whole


def test_what_is_held_over_night_is_taken_up_after_an_interruption(tmp_path: Path) -> None:
    desk, source = desk_of(tmp_path, HELD), PastDays(every=3, expiries=3, strikes=25)
    whole = run(desk, tmp_path / "one.db", source)
    assert {trade.entered[:10] == (trade.left or "")[:10] for trade in whole.trades} == {False}
    run(desk, tmp_path / "two.db", source, last=date(2026, 9, 3))
    went_on = run(desk, tmp_path / "two.db", source, resumes=True)
    reported = [(trade.name, trade.net, trade.left) for trade in whole.trades]
    assert [(trade.name, trade.net, trade.left) for trade in went_on.trades] == reported
    assert [day.equity for day in went_on.days] == [day.equity for day in whole.days]


AT_THE_OPEN = HELD.replace("dte: 1", "dte: 2").replace("  - at_expiry: settle", "  - dte: {at_most: 0}")
OF_SPY = PastDays(every=5, expiries=4, strikes=25, symbol="SPY", trading_class="SPY")
REFUSED = PastDays(every=5, expiries=4, strikes=25, refused=frozenset((date(2026, 9, 3), date(2026, 9, 9))))


@pytest.mark.parametrize(
    ("text", "source"),
    [
        pytest.param(WITH_SHARES, OF_SPY, id="shares are bought and sold again"),
        pytest.param(AT_THE_OPEN, replace(OF_SPY, symbol="SPX", trading_class="SPXW"), id="an exit at the open"),
        pytest.param(HELD.replace("dte: 1", "dte: 2"), REFUSED, id="a session before was refused"),
    ],
)
def test_interruptions_after_every_session_change_nothing(text: str, source: PastDays, tmp_path: Path) -> None:
    desk = desk_of(tmp_path, text)
    whole = run(desk, tmp_path / "one.db", source)
    for day in source.dates(FIRST, LAST):
        went_on = run(desk, tmp_path / "many.db", source, last=day, resumes=True)
    reported = [(trade.name, trade.net, trade.left) for trade in whole.trades]
    assert len(reported) > 2
    assert [(trade.name, trade.net, trade.left) for trade in went_on.trades] == reported
    assert [day.equity for day in went_on.days] == [day.equity for day in whole.days]
    assert went_on.findings == whole.findings


def test_a_backtest_that_ended_before_its_first_session_reports_once_what_its_data_lacks(tmp_path: Path) -> None:
    """A model of years needs a while until the first session is over."""
    desk, whole = desk_of(tmp_path, CONDOR), Lacking(every=3, strikes=25, last=FIRST)
    with pytest.raises(KeyboardInterrupt):
        run(desk, tmp_path / "two.db", replace(whole, change=interrupted), last=FIRST)
    went_on = run(desk, tmp_path / "two.db", whole, last=FIRST, resumes=True)
    assert [each["text"] for each in went_on.findings] == ["no data of a day"]
    assert text_of(went_on) == text_of(run(desk, tmp_path / "one.db", whole, last=FIRST))


class Lacking(PastDays):
    """Past days of which something is wrong as a whole."""

    def gaps(self, first: date, last: date) -> Sequence[Finding]:
        return (finding_text("past", 0, "no data of a day"),)


def interrupted(day: HistoryDay) -> HistoryDay:
    raise KeyboardInterrupt


def test_a_range_without_a_session_is_refused_also_to_continue_with(tmp_path: Path) -> None:
    """It made a store of nothing, which said that no session had daily bars before it. One that is over is none."""
    source = PastDays(every=5, strikes=25, missing=frozenset({FIRST}))
    desk = desk_of(tmp_path, CONDOR)
    for resumes in (False, True):
        with pytest.raises(MisuseError, match=f"has no session from {FIRST} to {FIRST}"):
            run(desk, tmp_path / "x.db", source, last=FIRST, resumes=resumes)
    assert not [*tmp_path.glob("*.db")]
    for resumes in (False, True):
        assert len(run(desk, tmp_path / "x.db", source, last=date(2026, 9, 2), resumes=resumes).days) == 1


def test_a_store_is_not_written_twice_nor_gone_on_with_otherwise(tmp_path: Path) -> None:
    desk, source, store = desk_of(tmp_path, CONDOR), PastDays(every=3, strikes=25), tmp_path / "x.db"
    run(desk, store, source, last=FIRST)
    with pytest.raises(MisuseError, match="is there already"):
        run(desk, store, source)
    with pytest.raises(MisuseError, match="fills mid, now natural"):
        run(desk, store, source, resumes=True, fills=fill_model("natural"))
    other = desk_of(tmp_path, CONDOR.replace("09:45", "09:50"))
    with pytest.raises(MisuseError, match=r"other options: condor [0-9a-f]{8}, now [0-9a-f]{8}$"):
        run(other, store, source, resumes=True)


def test_a_store_is_not_gone_on_with_under_other_limits(tmp_path: Path) -> None:
    desk, source, store = desk_of(tmp_path, CONDOR), PastDays(every=3, strikes=25), tmp_path / "x.db"
    run(desk, store, source, last=FIRST)
    limited = replace(desk, account=AccountDocument(version=1, about="", account="DU1234567", max_open=3))
    with pytest.raises(MisuseError, match=r"other options: .*max_open none, now 3"):
        run(limited, store, source, resumes=True)


def test_a_store_is_not_gone_on_with_by_other_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two checkouts of one version the sessions of both stood in one result."""
    desk, source, store = desk_of(tmp_path, CONDOR), PastDays(every=3, strikes=25), tmp_path / "x.db"
    run(desk, store, source, last=FIRST)
    monkeypatch.setattr("rulebot.backtest.run.code_digest", lambda: "another")
    with pytest.raises(MisuseError, match=r"other options: the code of rulebot is another one$"):
        run(desk, store, source, resumes=True)


def test_data_that_was_written_again_between_two_parts_of_a_backtest_is_reported(tmp_path: Path) -> None:
    """What was lived through stays as it came of the data before; a day that is still to come may be repaired."""
    desk, source, store = desk_of(tmp_path, CONDOR), PastDays(every=3, strikes=25), tmp_path / "x.db"
    names = ("chains/2026-09-01.parquet", "chains/2026-09-02.parquet", "daily/spx.csv", "daily/vix.csv")
    run(desk, store, source, last=FIRST, files=lambda until: {name: [5, 1] for name in names})
    restarted = {name: [5, 2] for name in names[:3]} | {names[3]: [5, 1], "chains/2026-09-03.parquet": [5, 1]}

    def files(until: date) -> dict[str, list[int]]:
        return {name: state for name, state in restarted.items() if "chains" not in name or name[7:17] <= str(until)}

    found = run(desk, store, source, last=date(2026, 9, 2), resumes=True, files=files)
    text = "it has changed or grown since: sessions before 2026-09-02 came of it as it was, and stay so"
    reported = [(each["file"], each["severity"], each["text"]) for each in found.findings]
    assert reported == [(names[0], "reported", text), (names[2], "reported", text)]
    found = run(desk, store, source, last=date(2026, 9, 3), resumes=True, files=files)
    assert len(found.findings) == 2, "told once"


def test_a_lone_file_that_has_changed_is_shown_whatever_day_it_is_named_after(tmp_path: Path) -> None:
    """It is named after its last day, or that of its export, and was taken for the file of a day to come."""
    file = tmp_path / "SPX_2026-09-03.csv"
    file.write_text("quotedate\n")
    desk, source, store = desk_of(tmp_path, CONDOR), PastDays(every=3, strikes=25), tmp_path / "x.db"
    files = partial(written, f"eod:{file}")
    run(desk, store, source, last=FIRST, files=files)
    file.write_text("quotedate\n2026-09-01\n")
    found = run(desk, store, source, last=date(2026, 9, 2), resumes=True, files=files)
    assert [each["file"] for each in found.findings] == [str(file)]


@pytest.mark.parametrize("last", [date(2026, 9, 2), date(2026, 9, 30)], ids=["to its last session", "to a later day"])
def test_a_daily_file_that_has_grown_is_reported_where_sessions_that_were_lived_through_had_not_all_of_it(
    last: date, tmp_path: Path
) -> None:
    """It gets a row with each session, and was told as written anew with each part of a backtest."""
    (tmp_path / "data" / "daily").mkdir(parents=True)
    for day in (FIRST, date(2026, 9, 2), date(2026, 9, 3)):
        (tmp_path / "data" / f"{day}.csv").touch()
    spx, vix = (tmp_path / "data" / "daily" / f"{name}.csv" for name in ("spx", "vix"))
    spx.write_text("date,open,high,low,close\n2026-08-31,1,2,1,2\n2026-09-01,2,3,2,3\n2026-09-02,3,4,3,4")
    vix.write_text("date,vix\n2026-08-31,16\n")
    desk, store = desk_of(tmp_path, CONDOR), tmp_path / "x.db"
    files = partial(written, f"eod:{tmp_path / 'data'}")
    run(desk, store, PastDays(every=3, strikes=25, last=date(2026, 9, 2)), last=last, files=files)
    with spx.open("a") as more:
        more.write("\n2026-09-03,4,5,4,5\n")
    with vix.open("a") as more:
        more.write("2026-09-02,17\n2026-09-03,18\n")
    source = PastDays(every=3, strikes=25, last=date(2026, 9, 3))
    found = run(desk, store, source, last=date(2026, 9, 3), resumes=True, files=files)
    text = "it has changed or grown since: sessions before 2026-09-03 came of it as it was, and stay so"
    assert [(each["file"], each["text"]) for each in found.findings] == [(str(vix), text)]


def test_greeks_that_the_source_lacks_are_those_of_the_model(tmp_path: Path) -> None:
    desk = desk_of(tmp_path, CONDOR)
    given = run(desk, tmp_path / "one.db", PastDays(every=3))
    lacking = run(desk, tmp_path / "two.db", PastDays(every=3, has_greeks=False))
    same = sum(a.structure == b.structure for a, b in zip(given.trades, lacking.trades, strict=True))
    assert same >= len(given.trades) - 2


def test_fills_are_measured_by_those_of_a_store(tmp_path: Path) -> None:
    desk, source, last = (
        desk_of(tmp_path, CONDOR.replace("tries: 4", "tries: 9")),
        PastDays(every=3, strikes=25),
        date(2026, 9, 15),
    )
    missing = tmp_path / "missing.yaml"
    missing.write_text(
        CONDOR.replace("name: condor", "name: missing").replace("tries: 4", "tries: 1"), encoding="utf-8"
    )
    both = load_all_bots([str(tmp_path / "condor.yaml"), str(missing)], {}, None)
    asked = run(both, tmp_path / "natural.db", source, last=last, fills=fill_model("natural"))
    run(desk, tmp_path / "mid.db", source, last=last)
    run(desk, tmp_path / "few.db", source, last=FIRST)
    with pytest.raises(MisuseError, match="holds 1 filled entries"):
        calibrated(tmp_path / "few.db", "few.db")
    found = calibrated(tmp_path / "mid.db", "mid.db")
    assert found.part <= 0.05
    assert found.name.endswith(" fills of mid.db, a backtest: its orders were filled by a model)")
    natural = calibrated(tmp_path / "natural.db", "natural.db")
    assert 0.3 < natural.part <= 0.5
    assert [funnel.entered for funnel in asked.funnels if funnel.bot == "missing"] == [0]
    (missed,) = (funnel.tried for funnel in asked.funnels if funnel.bot == "missing")
    assert natural.name.endswith(f"were filled by a model; {missed} entries never filled)")
    assert missed >= 9


def test_fills_without_quotes_on_record_are_reported(tmp_path: Path) -> None:
    without_cash(tmp_path)
    put = ASSIGNED.replace("round_to", "prefer_round_to")
    for name, text in (("assigned", put), ("with_shares", WITH_SHARES)):
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    both = load_all_bots([str(tmp_path / "assigned.yaml"), str(tmp_path / "with_shares.yaml")], {}, None)
    found = run(both, tmp_path / "both.db", replace(OF_SPY, every=3), last=date(2026, 9, 18))
    count = {name: sum(trade.bot == name for trade in found.trades) for name in ("assigned", "with_shares")}
    assert min(count.values()) > 5
    name = calibrated(tmp_path / "both.db", "both.db").name
    assert f"({count['assigned']} fills of both.db" in name
    assert name.endswith(f"; {count['with_shares']} without their quotes left out)")


def sold_by_one(folder: Path) -> tuple[LoadedBots, PastDays]:
    """Return a bot that sells five structures, and days on which one of each option is quoted."""

    def small(day: HistoryDay) -> HistoryDay:
        size = np.full(day.bid.shape, 1.0)
        return replace(day, bid_size=size, ask_size=size)

    text = HELD.replace("underlying: SPX", "underlying: SPX\nquantity: 5").replace("$2000", "$9000")
    source = PastDays(every=5, expiries=3, strikes=25, change=small)
    return desk_of(folder, text.replace("dte: 1", "dte: 0")), source


def test_fills_of_a_part_of_an_entry_are_measured(tmp_path: Path) -> None:
    """They counted neither as fills nor among what never filled: of small sizes nothing was left."""

    desk, source = sold_by_one(tmp_path)
    found = run(desk, tmp_path / "x.db", source, last=date(2026, 9, 22))
    assert {(trade.quantity, trade.asked) for trade in found.trades} == {(1, 5)}
    assert f"({len(found.trades)} fills of x.db" in calibrated(tmp_path / "x.db", "x.db").name
    lines = [line for line in result_lines(found) if found.trades[0].structure in line]
    assert lines
    assert all(f"{found.trades[0].structure}, 1 of 5" in line for line in lines)
    page = report_page(json.loads(text_of(found)), {})
    assert page.count(f"{found.trades[0].structure}, 1 of 5") == 2


def test_fills_of_what_was_rolled_into_are_no_entries(tmp_path: Path) -> None:
    """What a roll gave up stood in the price of what it opened alone: 0.5 of its width, where entries gave up 0.3."""
    roll = (
        '  - dte: {at_most: 0}\n  - name: on\n    time: "15:00"\n    roll: {expiry: {dte: {at_least: 1}}, else: hold}'
    )
    text = HELD.replace("{dte: 1}", "{dte: {at_least: 2}}").replace("  - at_expiry: settle", roll)
    desk = desk_of(tmp_path, text.replace("max_open: 3", "max_open: 9").replace("tries: 4", "tries: 12"))
    source = PastDays(expiries=4, strikes=60, every=5)
    found = run(desk, tmp_path / "x.db", source, last=date(2026, 9, 22), fills=fill_model("mid+0.3"))
    with StoreReader(tmp_path / "x.db") as reader:
        entered = {row["position"] for row in reader.view("orders", purpose="entry") if row["filled"]}
    assert len(found.trades) > len(entered) >= 10
    assert {trade.name for trade in found.trades if trade.given is not None} == entered
    assert f"({len(entered)} fills of x.db" in calibrated(tmp_path / "x.db", "x.db").name


@pytest.mark.parametrize("spec", ["dte0_condor", "calm_tape_condor", "vertical_switch"])
def test_instants_that_nobody_reads_change_nothing(spec: str) -> None:
    desk, source = load_all_bots([str(SPECS / f"{spec}.yaml")], {}, None), PastDays(every=3, strikes=25, expiries=2)
    every = BacktestSimulation(
        desk.program("t", {}, 90), source, calendar(), fill_model("mid"), Decimal(100_000), skips=False
    )
    reported = [record for done in every.through(FIRST, date(2026, 9, 2)) for record in done.records]
    assert records(desk, source, last=date(2026, 9, 2)) == reported


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_instants_that_nobody_reads_change_nothing_of_a_hundred_bots() -> None:
    source = PastDays(strikes=30)
    for first in range(0, 100, 20):
        program = compiled(variants(100)[first : first + 20])
        walks = [
            BacktestSimulation(program, source, calendar(), fill_model("natural"), Decimal(100_000), skips=skips)
            for skips in (True, False)
        ]
        reported = [[each for done in one.through(FIRST, date(2026, 9, 29)) for each in done.records] for one in walks]
        assert len(reported[0]) > 5000
        assert reported[0] == reported[1]


def test_an_ask_alone_is_no_bid_where_the_source_has_no_sizes() -> None:
    """A long wing that nobody bids for is worth nothing, and keeps no exit from being judged."""

    def unwanted(day: HistoryDay) -> HistoryDay:
        bid = day.bid.copy()
        bid[:, 0], bid[:, 1] = np.nan, np.nan
        ask = day.ask.copy()
        ask[:, 1] = np.nan
        return replace(day, bid=bid, ask=ask)

    day = PastDays(change=unwanted).day(FIRST)
    session = session_on(FIRST)
    assert day.bid_size is None
    assert session is not None
    market = markets.DayMarket(day, session, Board(), {})
    market.watch(day.options[:3])
    market.write(5)
    rows = [market.board.rows[option] for option in day.options[:3]]
    assert [market.board.bid_size[row] for row in rows] == [
        0.0,
        pytest.approx(np.nan, nan_ok=True),
        pytest.approx(np.nan, nan_ok=True),
    ]
    assert market.given_of(day.options[:1])["bid_size"][5].tolist() == [0.0]


def test_how_old_a_level_is_does_not_depend_on_when_it_was_looked_at() -> None:
    """Where the minute of a hole was read the level before it was younger than where that was passed by."""

    def holed(day: HistoryDay) -> HistoryDay:
        vix = day.levels["VIX"].copy()
        vix[6] = np.nan
        return replace(day, levels={**day.levels, "VIX": vix})

    day, session = PastDays(every=3, change=holed).day(FIRST), session_on(FIRST)
    assert session is not None
    ages = []
    for is_read in (True, False):
        market = markets.DayMarket(day, session, Board(), {})
        market.watch((Underlying("VIX"),))
        market.write(5)
        if is_read:
            market.write(6)
            market.breathe(day.times[6])
        else:
            market.skip(6)
            market.refresh()
        found = []
        for seconds in (80.0, 120.0):
            market.breathe(day.times[6] + seconds)
            found.append(day.times[6] + seconds - market.board.last_at[0])
        ages.append(found)
    assert ages == [[0.0, 300.0]] * 2


def test_a_session_knows_nothing_that_only_the_one_before_has_been_reported() -> None:
    """Whole columns without a number are not written instant by instant: what stood there is gone when it begins."""

    def counted(day: HistoryDay) -> HistoryDay:
        one = np.ones_like(day.bid)
        return replace(day, volume=one, open_interest=one, gamma=one)

    def uncounted(day: HistoryDay) -> HistoryDay:
        nothing = np.broadcast_to(np.nan, day.bid.shape)
        return replace(day, volume=nothing, open_interest=None, gamma=nothing)

    board, session = Board(), session_on(FIRST)
    assert session is not None
    found = []
    for change in (counted, uncounted):
        day = PastDays(change=change).day(FIRST)
        market = markets.DayMarket(day, session, board, {})
        market.forget()
        market.watch((Underlying("SPX"), *day.options[:1]))
        market.write(5)
        underlying, option = board.rows[Underlying("SPX")], board.rows[day.options[0]]
        reported = (
            board.volume[option],
            board.open_interest[option],
            board.gamma[option],
            board.call_volume[underlying],
        )
        found.append([value == value for value in reported])
    assert found == [[True] * 4, [False] * 4]


@pytest.mark.parametrize(
    ("symbol", "trading_class", "index", "shown"),
    [
        ("SPX", "SPXW", "VIX", 0.17),
        ("XSP", "XSP", "VIX", 0.17),
        ("NDX", "NDXP", "VXN", 0.21),
        ("RUT", "RUTW", "RVX", 0.21),
        ("NDX", "NDXP", "RVX", None),
        ("SPY", "SPY", "VIX", 0.17),
        ("AAPL", "AAPL", "VIX", None),
    ],
)
def test_the_volatility_shown_is_that_of_the_index_of_its_ranks(
    symbol: str, trading_class: str, index: str, shown: float | None
) -> None:
    def reported(day: HistoryDay) -> HistoryDay:
        of = {"VIX": np.full(len(day.times), 17.0), index: np.full(len(day.times), 17.0 if index == "VIX" else 21.0)}
        return replace(day, levels={symbol: day.levels[symbol], **of})

    source = PastDays(symbol=symbol, trading_class=trading_class, change=reported)
    day, session = source.day(FIRST), session_on(FIRST)
    assert session is not None
    market = markets.DayMarket(day, session, Board(), {})
    market.watch((Underlying(symbol),))
    market.write(5)
    row = market.board.rows[Underlying(symbol)]
    assert market.board.iv[row] == pytest.approx(np.nan if shown is None else shown, nan_ok=True)


# ---------------------------------------------------------------- expiry


def test_what_is_held_to_its_end_settles_at_the_official_level(tmp_path: Path) -> None:
    def low(day: HistoryDay) -> HistoryDay:
        return replace(day, settled={("SPX", "SPXW"): 5000.0})

    source = PastDays(every=3, expiries=3, strikes=25, change=low)
    found = [record for record in records(desk_of(tmp_path, HELD), source) if record.kind is Kind.SETTLEMENT]
    assert {record.data["level"] for record in found} == {"5000.0000"}
    assert len(found) == 2 * 5


def test_a_session_without_data_settles_what_expires_by_the_daily_bar(tmp_path: Path) -> None:
    gone = date(2026, 9, 4)
    source = PastDays(every=3, expiries=4, strikes=25, missing=frozenset((gone,)))
    found = [record for record in records(desk_of(tmp_path, HELD), source) if record.kind is Kind.SETTLEMENT]
    close = source.daily("SPX", date(2026, 9, 8), 1)[0]
    on_that_day = [record for record in found if record.at.date() == gone]
    assert close.date == gone
    assert {float(str(record.data["level"])) for record in on_that_day} == {close.close}


SELLER = """
rulebot: 1
name: seller
about: Sells a put spread, and holds it.
underlying: SPX
entry: {at: "10:00", for: 5m, max_open: 3}
legs:
  expiry: {dte: 1}
  short_put: {sell: put, strike: {at: spot, round_to: 25}}
  long_put:  {buy: put,  strike: {below: short_put, by: 25 pts}}
order: {start: mid, step: 0.05, wait: 10s, tries: 4, then: cancel}
exits:
  - at_expiry: settle
risk: {max_loss_per_trade: $3000}
"""
SAME_DAY = SELLER.replace("dte: 1", "dte: 0")


def against(text: str) -> str:
    """Return a bot that buys what the other one sells."""
    return (
        text.replace("seller", "buyer")
        .replace("short_put: {sell: put, ", "long_put: {buy: put, ")
        .replace("long_put:  {buy: put,  strike: {below: short_put", "short_put: {sell: put, strike: {below: long_put")
    )


def net_of_both(folder: Path, text: str, **given: object) -> Results:
    """Return what comes of a bot and one that deals the opposite."""
    files = [folder / "seller.yaml", folder / "buyer.yaml"]
    text = text.replace("legs:\n", "legs:\n  on_conflict: allow\n")
    for file, each in zip(files, (text, against(text)), strict=True):
        file.write_text(each, encoding="utf-8")
    desk = load_all_bots([str(file) for file in files], {}, None)
    return run(desk, folder / "both.db", PastDays(every=3, expiries=3, strikes=40, **given))


@pytest.mark.parametrize("text", [SELLER, SAME_DAY])
def test_what_two_positions_hold_against_each_other_settles_on_its_day(text: str, tmp_path: Path) -> None:
    """The account holds nothing of it, and yet both positions end then, at the official level."""
    found = net_of_both(tmp_path, text, change=lambda day: replace(day, settled={("SPX", "SPXW"): 5000.0}))
    ended = [trade for trade in found.trades if trade.left is not None]
    assert {trade.left[11:] for trade in ended if trade.left} == {"16:05:00"}
    assert len(ended) == len(found.trades) - (2 if text is SELLER else 0)
    assert {trade.exit for trade in ended} == {25.0, -25.0}
    if text is SAME_DAY:
        assert found.all.net == found.profit


def test_no_condition_keeps_a_bot_out_of_a_session_without_data(tmp_path: Path) -> None:
    """A spread held over two of them: it watched there for half an hour, kept out by a VIX that nobody could know."""
    source = PastDays(every=5, expiries=5, strikes=25, missing=frozenset((date(2026, 9, 2), date(2026, 9, 3))))
    found = run(desk_of(tmp_path, HELD.replace("dte: 1", "dte: 2")), tmp_path / "x.db", source, last=date(2026, 9, 4))
    assert [day.has_data for day in found.days] == [True, False, False, True]
    (funnel,) = found.funnels
    assert (funnel.sessions, funnel.watched, funnel.entered) == (2, 2, 1)
    assert [(each.rule, each.sessions, each.unknown) for each in funnel.stopped] == [("expiry", 1, 0.0)]
    assert [(each.sessions, each.idle, each.trades) for each in found.months] == [(2, 1, 1)]


def test_what_two_positions_hold_against_each_other_settles_without_data_too(tmp_path: Path) -> None:
    gone = date(2026, 9, 4)
    found = net_of_both(tmp_path, SELLER, missing=frozenset((gone,)))
    assert sum(trade.left is not None and trade.left[:10] == f"{gone}" for trade in found.trades) == 2


def until_noon(day: HistoryDay) -> HistoryDay:
    """Return the day without what came after noon."""
    kept = day.times < at_exchange_time(day.date, time(12)).timestamp()
    names = ("times", "bid", "ask", "iv", "delta", "gamma", "theta", "vega")
    columns = {name: getattr(day, name)[kept] for name in names}
    return replace(day, levels={name: level[kept] for name, level in day.levels.items()}, **columns)


class WithoutBars(PastDays):
    """A source that has no daily bars of SPX."""

    def daily(self, symbol: str, before: date, count: int) -> Sequence[DailyBar]:
        return () if symbol == "SPX" else super().daily(symbol, before, count)


def test_a_level_of_noon_is_no_close(tmp_path: Path) -> None:
    """What is held when the data ends settles by the daily bar; without one nobody knows, and it is no profit."""
    source = PastDays(every=3, expiries=3, strikes=25, change=until_noon)
    found = [record for record in records(desk_of(tmp_path, HELD), source) if record.kind is Kind.SETTLEMENT]
    closes = {bar.date: bar.close for bar in source.daily("SPX", date(2026, 9, 30), 20)}
    assert found
    assert all(float(str(record.data["level"])) == closes[exchange_date(record.at)] for record in found)
    unknown = WithoutBars(every=3, expiries=3, strikes=25, change=until_noon)
    done = run(desk_of(tmp_path, HELD), tmp_path / "x.db", unknown, last=date(2026, 9, 3))
    assert [trade.left for trade in done.trades] == [None, None, None]
    assert done.all.trades == 0
    assert any("settlement level is not known" in text for text in done.alarms)


def test_daily_bars_that_a_bot_reads_and_that_are_not_there_are_reported(tmp_path: Path) -> None:
    """Daily files of the VIX alone are some: that there are none was not said, and SPX had no closes."""
    text = CONDOR.replace("  when:\n", "  when:\n    - iv_rank: {above: 0}\n", 1)

    class WithoutVolatility(WithoutBars):
        """A source that has no volatilities either."""

        def implied(self, symbol: str, before: date, count: int) -> Sequence[float]:
            return ()

    reported = [
        [str(each["text"]) for each in run(desk_of(tmp_path, text), tmp_path / f"{n}.db", source, last=FIRST).findings]
        for n, source in enumerate((WithoutVolatility(every=3), WithoutBars(every=3), PastDays(every=3)))
    ]
    no_bars = "no session has daily bars of SPX before it: its previous closes and averages are unknown"
    no_index = "no session has daily bars of VIX before it: ranks of volatility of SPX are unknown"
    assert reported == [[no_bars, no_index], [no_bars], []]


class Scaled(PastDays):
    """A source whose daily bars have another scale than its levels."""

    def daily(self, symbol: str, before: date, count: int) -> Sequence[DailyBar]:
        bars = super().daily(symbol, before, count)
        if symbol != "SPX":
            return bars
        return [DailyBar(bar.date, *(0.95 * each for each in (bar.open, bar.high, bar.low, bar.close))) for bar in bars]


@pytest.mark.parametrize("given", [{"change": until_noon}, {"missing": frozenset((date(2026, 9, 2),))}])
def test_daily_bars_of_another_scale_settle_nothing(given: dict[str, object], tmp_path: Path) -> None:
    """A put spread that expires worthless would be worth ten points by them: the position stays, and it is told."""
    source = replace(Scaled(every=3, expiries=3, strikes=25), **given)
    done = run(desk_of(tmp_path, HELD), tmp_path / "x.db", source, last=date(2026, 9, 2))
    assert [trade.left for trade in done.trades] == [None] * len(done.trades)
    assert any("settlement level is not known" in text for text in done.alarms)
    sound = replace(PastDays(every=3, expiries=3, strikes=25), **given)
    done = run(desk_of(tmp_path, HELD), tmp_path / "sound.db", sound, last=date(2026, 9, 2))
    assert done.trades[0].left is not None
    assert not done.alarms


@dataclass
class Counting(Scaled):
    """A source that notes which days are read; bars without opens are no bars of another scale."""

    reads: list[date] = field(default_factory=list)
    has_opens: bool = True

    def day(self, day: date) -> HistoryDay:
        self.reads.append(day)
        return super().day(day)

    def daily(self, symbol: str, before: date, count: int) -> Sequence[DailyBar]:
        bars = super().daily(symbol, before, count)
        return bars if self.has_opens else [replace(bar, open=nan) for bar in bars]


@pytest.mark.parametrize(
    ("trading_class", "gone", "has_opens", "reads"),
    [("SPXW", date(2026, 9, 2), True, 2), ("SPX", date(2026, 9, 3), True, 2), ("SPX", date(2026, 9, 3), False, 1)],
)
def test_whether_a_bar_fits_is_looked_up_once(
    trading_class: str, gone: date, has_opens: bool, reads: int, tmp_path: Path
) -> None:
    """What cannot be settled is tried in each later session, and a day of weeks ago was read for each option anew.

    A bar that has no open settles nothing in the morning, whether it fits or not.
    """
    given = {"missing": frozenset((gone,)), "trading_class": trading_class, "has_opens": has_opens}
    source = Counting(every=3, expiries=3, strikes=25, **given)
    found = records(desk_of(tmp_path, HELD.replace("dte: 1", f"dte: 1, class: {trading_class}")), source)
    assert sum("settlement level is not known" in str(record.data.get("text")) for record in found) > 4
    assert source.reads.count(session_before(gone).date) == reads


class Split(PastDays):
    """A source whose shares were split on the second of September."""

    def was_split(self, symbol: str, since: date, until: date) -> bool:
        return since < date(2026, 9, 2) <= until


def test_what_was_held_over_a_split_is_another_contract(tmp_path: Path) -> None:
    """Its strike is that of before the split, and the level is not: an assignment would lose what nobody has lost."""
    source = Split(every=3, expiries=3, strikes=25, symbol="SPY", trading_class="SPY")
    without_cash(tmp_path)
    text = ASSIGNED.replace("dte: 0", "dte: 1").replace('"10:00"', '"10:00", max_open: 3')
    done = run(desk_of(tmp_path, text), tmp_path / "x.db", source, last=date(2026, 9, 3))
    assert [trade.left is None for trade in done.trades][:2] == [True, False]
    assert [text for text in done.alarms if text.endswith("not known: SPY was split while it was held")]


def test_a_split_of_what_is_held_is_reported_on_its_day(tmp_path: Path) -> None:
    """Shares that were assigned the day before stay as many, at a price of after it: no loss, and it looks like one."""
    source = Split(every=3, expiries=3, strikes=25, symbol="SPY", trading_class="SPY")
    without_cash(tmp_path)
    text = ASSIGNED.replace("strike: {at: spot, round_to: 5}", "strike: {delta: 0.9}")
    found = records(desk_of(tmp_path, text), source, last=date(2026, 9, 3))
    reported = [record for record in found if "was split, by its prices" in str(record.data.get("text"))]
    assert [(record.kind, record.at.date()) for record in reported] == [(Kind.ALARM, date(2026, 9, 2))]
    assert str(reported[0].data["text"]).endswith(
        "those trades, and the account's worth, drawdown and Sharpe ratio are wrong from here on"
    )


def test_shares_that_came_on_a_day_without_data_are_worth_its_close(tmp_path: Path) -> None:
    """They were worth nothing until the next session: an account that had paid for them fell by all of it for a day."""
    gone, last = date(2026, 9, 2), date(2026, 9, 4)
    text = ASSIGNED.replace("dte: 0", "dte: 1").replace('"10:00"', '"10:00", days: [tue], max_open: 1')
    text = text.replace("{at: spot, round_to: 5}", "{delta: 0.9}")
    given = {"every": 3, "expiries": 3, "strikes": 25, "symbol": "SPY", "trading_class": "SPY"}
    desk = desk_of(tmp_path, text)
    whole = run(desk, tmp_path / "whole.db", PastDays(**given), last=last)
    holed = run(desk, tmp_path / "holed.db", PastDays(**given, missing=frozenset((gone,))), last=last)
    assert whole.trades[0].in_shares
    assert [day.equity for day in holed.days] == [day.equity for day in whole.days]
    run(desk, tmp_path / "parts.db", PastDays(**given, missing=frozenset((gone,))), last=gone)
    parts = run(desk, tmp_path / "parts.db", PastDays(**given, missing=frozenset((gone,))), last=last, resumes=True)
    assert [day.equity for day in parts.days] == [day.equity for day in whole.days]


def test_no_later_session_says_what_an_option_settled_at(tmp_path: Path) -> None:
    gone = date(2026, 9, 2)
    source = WithoutBars(every=3, expiries=3, strikes=25, missing=frozenset((gone,)))
    found = records(desk_of(tmp_path, HELD), source, last=date(2026, 9, 3))
    assert not [record for record in found if record.kind is Kind.SETTLEMENT]


def test_a_session_that_is_refused_is_reported_and_passed_by(tmp_path: Path) -> None:
    source = PastDays(every=3, strikes=25, refused=frozenset((date(2026, 9, 2),)))
    found = run(desk_of(tmp_path, CONDOR), tmp_path / "x.db", source, last=date(2026, 9, 3))
    assert [day.date.day for day in found.days] == [1, 3]
    assert [(each["severity"], each["text"]) for each in found.findings] == [
        ("refused", "2026-09-02: 2026-09-02.csv:7: the row is stale")
    ]


def test_options_of_the_morning_settlement_end_with_the_next_open(tmp_path: Path) -> None:
    source = PastDays(every=3, expiries=3, strikes=25, trading_class="SPX")
    text = HELD.replace("{dte: 1}", "{dte: 1, class: SPX}")
    found = records(desk_of(tmp_path, text), source, last=date(2026, 9, 8))
    settled = [record for record in found if record.kind is Kind.SETTLEMENT]
    morning = source.day(date(2026, 9, 3))
    of_that_day = [record for record in settled if record.at.date() == morning.date]
    assert {f"{record.at:%H:%M}" for record in settled} == {"14:00"}
    assert {record.data["level"] for record in of_that_day} == {f"{morning.levels['SPX'][0]:.4f}"}
    assert settled[0].at.date() == date(2026, 9, 3)


def test_the_account_is_reported_again_once_the_morning_has_settled(tmp_path: Path) -> None:
    source = PastDays(every=3, expiries=3, strikes=25, trading_class="SPX")
    text = HELD.replace("{dte: 1}", "{dte: 1, class: SPX}").replace("0.20", "0.80")
    found = records(desk_of(tmp_path, text), source, last=date(2026, 9, 8))
    paid = [
        (each.at, (-1 if each.data["leg"] == "short_put" else 1) * Decimal(str(each.data["price"])) * 100)
        for each in found
        if each.kind is Kind.SETTLEMENT
    ]
    cash = [(each.at, Decimal(str(each.data["cash"]))) for each in found if each.kind is Kind.ACCOUNT]
    assert any(amount for _, amount in paid)
    for morning in {at for at, _ in paid}:
        before = [amount for at, amount in cash if at < morning][-1]
        assert (morning, before + sum(amount for at, amount in paid if at == morning)) in cash


class WithoutOpens(PastDays):
    """A source whose daily bars have no opens."""

    def daily(self, symbol: str, before: date, count: int) -> Sequence[DailyBar]:
        return [replace(bar, open=nan) for bar in super().daily(symbol, before, count)]


def test_an_open_that_nobody_knows_settles_nothing(tmp_path: Path) -> None:
    """On a day without data the daily bar says what the class of the morning settles at; an empty cell does not."""
    gone = date(2026, 9, 3)
    given = {"every": 3, "expiries": 3, "strikes": 25, "trading_class": "SPX", "missing": frozenset((gone,))}
    desk = desk_of(tmp_path, HELD.replace("{dte: 1}", "{dte: 1, class: SPX}"))
    done = run(desk, tmp_path / "x.db", WithoutOpens(**given), last=gone)
    assert [text for text in done.alarms if "its settlement level is not known" in text]
    assert not [
        text for text in run(desk, tmp_path / "y.db", PastDays(**given), last=gone).alarms if "is unknown" in text
    ]


def test_shares_that_are_assigned_count_in_the_account_by_their_price(tmp_path: Path) -> None:
    def above(day: HistoryDay) -> HistoryDay:
        levels = {**day.levels, "SPY": np.linspace(day.levels["SPY"][0], day.levels["SPY"][0] - 30.0, len(day.times))}
        return replace(day, levels=levels)

    source = PastDays(every=3, strikes=25, symbol="SPY", trading_class="SPY", change=above)
    found = run(desk_of(tmp_path, ASSIGNED), tmp_path / "x.db", source, last=FIRST)
    (trade,), day = found.trades, source.day(FIRST)
    strike = float(trade.structure.partition("p")[0])
    lost = 100.0 * (strike - float(day.levels["SPY"][-1]))
    assert (trade.reason, trade.in_shares) == ("assigned", True)
    credit = 100.0 * float(trade.entry or 0)
    assert float(trade.net) == pytest.approx(credit - lost - float(trade.commissions), abs=0.01)
    assert float(trade.worth or 0) == pytest.approx(-lost, abs=0.01)
    said = list(result_lines(found))
    place = said.index(" ended in shares: 1 trade, counted at the official settlement price of the shares")
    assert said[place + 1] == f" the shares made -{dollars(lost)} of the profit"
    with StoreReader(tmp_path / "x.db") as reader:
        assert read_in_shares(reader) == [InShares(trade.name, trade.net, trade.worth)]
        assert not read_in_shares(reader, "another")
    assert float(found.profit) == pytest.approx(float(trade.net), abs=0.01)
    went_on = run(desk_of(tmp_path, ASSIGNED), tmp_path / "x.db", source, last=date(2026, 9, 2), resumes=True)
    whole = run(desk_of(tmp_path, ASSIGNED), tmp_path / "y.db", source, last=date(2026, 9, 2))
    assert [each.equity for each in went_on.days] == [each.equity for each in whole.days]


def test_no_more_fills_than_is_quoted(tmp_path: Path) -> None:
    def sized(day: HistoryDay) -> HistoryDay:
        size = np.full(day.bid.shape, 2.0)
        return replace(day, bid_size=size, ask_size=size)

    desk = desk_of(
        tmp_path, CONDOR.replace("underlying: SPX", "underlying: SPX\nquantity: 3").replace("$1000", "$9000")
    )
    found = records(desk, PastDays(every=1, strikes=25, change=sized), last=FIRST)
    counts = [
        record.data["quantity"] for record in found if record.kind is Kind.FILL and record.data["leg"] == "short_put"
    ]
    assert counts[0] == 2
    assert max(int(str(each)) for each in counts) <= 2


def test_an_entry_that_filled_in_part_is_a_trade(tmp_path: Path) -> None:
    desk, source = sold_by_one(tmp_path)
    found = run(desk, tmp_path / "x.db", source)
    assert {trade.quantity for trade in found.trades} == {1}
    assert len(found.trades) == sum(day.opened for day in found.days) == found.funnels[0].entered == 7
    assert found.all.net == found.profit == sum(month.net for month in found.months)
    assert [month.idle for month in found.months] == [0]


HALVES = (
    HELD.replace("underlying: SPX", "underlying: SPX\nquantity: 2")
    .replace("dte: 1", "dte: 0")
    .replace("delta: 0.20", "delta: 0.45")
    .replace("$2000", "$12000")
)
HALF = """exits:
  - name: early
    time_in_trade: {at_least: 30m}
    close: 50%
"""
BOUGHT = (
    HALVES.replace("  short_put: {sell: put, strike: {delta: 0.45}}\n", "")
    .replace("{below: short_put, by: 10 pts}", "{delta: 0.45}")
    .replace("at_expiry: settle", 'time: "15:45"')
)


def without_quotes(day: HistoryDay, *, after: time, size: float = 2.0) -> HistoryDay:
    """Return a day whose options have no quotes after a time, and at 15:45 so many contracts at each."""
    quoted = (day.times <= at_exchange_time(day.date, after).timestamp())[:, None]
    late = (day.times >= at_exchange_time(day.date, time(15, 45)).timestamp())[:, None]
    sizes = np.where(late, size, np.full(day.bid.shape, 2.0))
    bid, ask = (np.where(quoted, each, np.nan) for each in (day.bid, day.ask))
    return replace(day, bid=bid, ask=ask, bid_size=sizes, ask_size=sizes)


def test_a_trade_is_reported_by_all_exits_that_closed_it(tmp_path: Path) -> None:
    """One whose half was closed before was told, and counted, as one that its last exit had closed alone."""
    text = HALVES.replace("exits:\n", HALF).replace("at_expiry: settle", 'time: "15:45"')
    found = run(desk_of(tmp_path, text), tmp_path / "x.db", PastDays(every=3, expiries=3, strikes=25), last=FIRST)
    assert [(trade.parts, trade.reason) for trade in found.trades] == [(("early",), "time")]
    assert [*found.by_reason] == ["early, time"]
    assert any("  early, time  " in line for line in result_lines(found))


@pytest.mark.parametrize(
    ("text", "change"),
    [
        pytest.param(
            HALVES.replace("exits:\n", HALF),
            partial(without_quotes, after=time(16)),
            id="half of it is closed by an exit, half of its short leg settles",
        ),
        pytest.param(
            HALVES.replace("exits:\n", HALF).replace("at_expiry: settle", 'time: "15:45"'),
            partial(without_quotes, after=time(15, 40)),
            id="the exit that should close the rest closes nothing",
        ),
        pytest.param(
            BOUGHT, partial(without_quotes, after=time(15, 46), size=1.0), id="of two puts that were bought one is sold"
        ),
    ],
)
def test_a_trade_is_not_left_while_more_than_a_wing_is_held(
    text: str, change: Callable[[HistoryDay], HistoryDay], tmp_path: Path
) -> None:
    """Half of a spread was closed by one exit in the morning, which stood for the end of the whole trade."""
    source = PastDays(every=3, expiries=3, strikes=25, change=change)
    found = run(desk_of(tmp_path, text), tmp_path / "x.db", source, last=FIRST)
    assert [trade.left for trade in found.trades] == [f"{FIRST} 16:05:00"]
    with StoreReader(tmp_path / "x.db") as reader:
        (row,) = reader.view("trades")
        assert any(leg["settled"] == 1 < leg["closed"] for leg in json.loads(row["legs"]))
        assert "left" not in reported_parts(row, reader)
        (held,) = chart_of_day(reader, found.trades[0].bot, FIRST).held
        assert held.exit_at == at_exchange_time(FIRST, time(16, 5))


# ---------------------------------------------------------------- the funnel


def test_the_funnel_names_caps_and_week_days_and_halts_that_nobody_could_judge(tmp_path: Path) -> None:
    """A bot that never watched has a reason too, as why says it: 'nothing was judged' is none."""
    one = HELD.replace("max_open: 3", "max_open: 1\n  days: [tue, wed]")
    source = PastDays(every=3, strikes=25, expiries=3)
    (found,) = run(desk_of(tmp_path, one), tmp_path / "x.db", source, last=date(2026, 9, 4)).funnels
    assert (found.sessions, found.entered) == (4, 1)
    assert [(each.rule, each.sessions) for each in found.stopped if each.sessions] == [
        ("1 of 1 open at once", 1),
        ("it does not enter on a Friday", 1),
        ("it does not enter on a Thursday", 1),
    ]
    halts = CONDOR.replace("risk:\n", "risk:\n  halt_when: [{move: {beyond: 1.25x far}}]\n").replace(
        "entry:\n", "let: {far: {expected_move: {asof: open}}}\nentry:\n", 1
    )
    later = replace(source, change=without_todays, made={})
    (found,) = run(desk_of(tmp_path, halts), tmp_path / "y.db", later, last=date(2026, 9, 2)).funnels
    assert [(each.rule, each.sessions) for each in found.stopped] == [("halt move", 2)]


def without_todays(day: HistoryDay) -> HistoryDay:
    """Return a day of which the options that expire on it are not quoted."""
    gone = np.array([option.expiry == day.date for option in day.options])
    return replace(day, bid=np.where(gone, np.nan, day.bid), ask=np.where(gone, np.nan, day.ask))


def test_the_funnel_says_what_kept_a_bot_out(tmp_path: Path) -> None:
    text = CONDOR.replace("between: [10, 30]", "above: 50")
    found = run(desk_of(tmp_path, text), tmp_path / "x.db", PastDays(every=3, strikes=25)).funnels[0]
    assert (found.sessions, found.watched, found.entered) == (7, 7, 0)
    assert [(each.rule, each.sessions, each.false) for each in found.stopped] == [("vix", 7, 105.0)]


def test_of_a_session_without_levels_of_vix_the_daily_bar_reports_its_open(tmp_path: Path) -> None:
    """All trades of such data were of an unknown VIX; nothing of the day may be told by its bar before it is over."""

    def without_vix(day: HistoryDay) -> HistoryDay:
        return replace(day, levels={name: level for name, level in day.levels.items() if name != "VIX"})

    source = PastDays(every=3, strikes=25, change=without_vix)
    desk = desk_of(tmp_path, CONDOR.replace("vix: {between: [10, 30]}", "spot: {above: 1}"))
    trades = run(desk, tmp_path / "x.db", source, last=date(2026, 9, 3)).trades
    opens = [source.daily("VIX", day, 1)[-1].open for day in (date(2026, 9, 2), date(2026, 9, 3), date(2026, 9, 4))]
    assert [each.vix for each in trades] == opens
    assert check_look_ahead(lambda each: walk(desk, each), source, FIRST, date(2026, 9, 3)).leaks == ()


def test_a_bare_close_of_vix_is_not_its_open(tmp_path: Path) -> None:
    """It is what a gateway tells of the day before, or a file of closes: trades stood in the regime of their close."""

    @dataclass
    class Closes(PastDays):
        def daily(self, symbol: str, before: date, count: int) -> Sequence[DailyBar]:
            bars = super().daily(symbol, before, count)
            return [DailyBar(each.date, each.close, each.close, each.close, each.close) for each in bars]

    def without_vix(day: HistoryDay) -> HistoryDay:
        return replace(day, levels={name: level for name, level in day.levels.items() if name != "VIX"})

    desk = desk_of(tmp_path, CONDOR.replace("vix: {between: [10, 30]}", "spot: {above: 1}"))
    found = run(desk, tmp_path / "x.db", Closes(every=3, strikes=25, change=without_vix), last=date(2026, 9, 2))
    assert [each.vix for each in found.trades] == [None, None]
    assert [*found.by_vix] == ["VIX unknown"]


def test_margin_that_is_asked_for_is_the_estimate(tmp_path: Path) -> None:
    """It is what the condor could lose at expiry: $1,000 less its credit."""
    source = PastDays(every=3, strikes=25)
    kept_out = CONDOR.replace("    - credit: {at_least: 0.10}", "    - margin: {at_most: $400}")
    found = run(desk_of(tmp_path, kept_out), tmp_path / "x.db", source, last=FIRST).funnels[0]
    assert (found.entered, [(each.rule, each.sessions) for each in found.stopped]) == (0, [("margin", 1)])
    let_in = kept_out.replace("$400", "0.01x net_liquidation")
    assert run(desk_of(tmp_path, let_in), tmp_path / "y.db", source, last=FIRST).funnels[0].entered == 1


@pytest.mark.parametrize(
    ("instead_of", "condition", "is_separate"),
    [
        ("credit: {at_least: 0.10}", "margin: {at_most: $1000}", True),
        ("credit: {at_least: 0.10}", "margin: {at_most: 0.15x net_liquidation}", False),
        ("vix: {between: [10, 30]}", "net_liquidation: {at_least: $90000}", False),
        ("stop: {cost: 2x credit}", "buying_power: {below: $90000}", False),
    ],
)
def test_sessions_of_a_bot_that_looks_at_the_account_are_not_apart(
    instead_of: str, condition: str, is_separate: bool, tmp_path: Path
) -> None:
    desk = desk_of(tmp_path, CONDOR.replace(instead_of, condition))
    assert is_independent(desk.program("t", {}, 90)) is is_separate


@pytest.mark.parametrize(
    ("example", "carried"),
    [
        ("again", ""),
        ("as_many_as_fit", "a size that is counted by the account"),
        ("by_price", "short_put, which may be of a later day"),
        ("rolling_side", "calls_tested, which rolls"),
        ("settle_spy", "shares of SPY"),
        ("side_by_side", "a condition on buying_power"),
        ("tranches", "a cap of the week"),
    ],
)
def test_what_a_night_carries_over_is_named(example: str, carried: str) -> None:
    """Of sessions that were taken for apart each would begin without it, and nothing would say so."""
    file = str(EXAMPLES / f"{example}.yaml")
    alone, limited = (load_all_bots([file], {}, account) for account in (None, EXAMPLES / "account_limits.yaml"))
    assert carried_state(alone.program("t", {}, 90)) == carried
    assert carried_state(limited.program("t", {}, 90)) == "limits of the account"


# ---------------------------------------------------------------- looking ahead


class WholeRange(markets.DayMarket):
    """A leak: the range of the whole session from its first instant on."""

    def __init__(self, day: HistoryDay, session: Session, board: Board, previous: dict[str, float]) -> None:
        super().__init__(day, session, board, previous)
        for _, _, high, low in self._ranges.values():
            high[:], low[:] = high[-1:] * len(high), low[-1:] * len(low)


class TodaysBars:
    """A leak of the source: daily bars that hold the session itself, each under the date of the one before it."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def __getattr__(self, name: str) -> object:
        return getattr(self._source, name)

    def daily(self, symbol: str, before: date, count: int) -> list[DailyBar]:
        bars = self._source.daily(symbol, date.fromordinal(before.toordinal() + 1), count + 1)
        return [replace(bar, date=earlier.date) for earlier, bar in pairwise(bars)]


RANGED = CONDOR.replace("    - vix: {between: [10, 30]}", "    - day_range: {below: 90 pts}")
RISEN = CONDOR.replace("    - vix: {between: [10, 30]}", "    - vix: {between: [10, 30]}\n    - rv: {below: 20%}")


def leaky(desk: LoadedBots, source: Source, kind: type[markets.DayMarket]) -> BacktestSimulation:
    found = walk(desk, source)
    found.skips = False  # what is passed by reads no board
    found.feed = LeakyFeed(source, found.board, kind)
    return found


def test_nothing_looks_ahead(tmp_path: Path) -> None:
    for text, source in (
        (CONDOR, PastDays(every=3, strikes=25)),
        (HELD, PastDays(every=3, strikes=25, expiries=2, has_greeks=False)),
    ):
        desk = desk_of(tmp_path, text)
        found = check_look_ahead(lambda each, desk=desk: walk(desk, each), source, FIRST, date(2026, 9, 4))
        assert found.leaks == ()
        assert found.draws == 8
        assert found.records > 200


def test_features_that_are_noted_are_looked_at_too(tmp_path: Path) -> None:
    desk, source, days = desk_of(tmp_path, CONDOR), PastDays(every=3, strikes=25), (FIRST, date(2026, 9, 2))
    plain, noting = (options(tmp_path / "x.db", source, sampling=each) for each in (None, sampling("when", ["vix"])))
    counts = [check_look_ahead(simulations_of(desk, each), source, *days).records for each in (plain, noting)]
    assert counts[1] == counts[0] + 4


@pytest.mark.parametrize("text", [CONDOR, HELD])
def test_a_session_that_is_refused_does_not_end_the_check_of_all_others(text: str, tmp_path: Path) -> None:
    """A backtest passes it by. Where there is no other one nothing was compared, and `nothing looks ahead` was said."""
    desk, days = desk_of(tmp_path, text), (FIRST, date(2026, 9, 2))
    source = PastDays(every=15, strikes=25, expiries=2, refused=frozenset(days[1:]))
    assert check_look_ahead(lambda each: walk(desk, each), source, *days).leaks == ()
    with pytest.raises(StoreError, match="has no session from 2026-09-02 to 2026-09-02 that can be read"):
        check_look_ahead(lambda each: walk(desk, each), source, days[1], days[1])


@pytest.mark.parametrize(("kind", "text"), [(FutureQuotes, CONDOR), (WholeRange, RANGED)])
def test_a_market_that_looks_ahead_is_caught(kind: type[markets.DayMarket], text: str, tmp_path: Path) -> None:
    desk = desk_of(tmp_path, text)
    found = check_look_ahead(lambda each: leaky(desk, each, kind), PastDays(every=3, strikes=25), FIRST, LAST)
    assert found.leaks


def test_what_looks_ahead_within_a_short_window_alone_is_caught(tmp_path: Path) -> None:
    """Of the instants of whole sessions hardly one was of the window, and nothing reads a level out of it."""
    desk = desk_of(tmp_path, CONDOR)
    found = check_look_ahead(lambda each: leaky(desk, each, NextLevels), PastDays(every=3, strikes=25), FIRST, LAST)
    assert found.leaks


def test_a_source_that_looks_ahead_is_caught(tmp_path: Path) -> None:
    desk = desk_of(tmp_path, RISEN)
    found = check_look_ahead(lambda each: walk(desk, TodaysBars(each)), PastDays(every=3, strikes=25), FIRST, LAST)
    assert found.leaks


@pytest.mark.parametrize("name", ["breadth", "averages", "opening_range", "universe_by_rank", "each_side"])
def test_bots_that_read_much_are_lived_through(name: str) -> None:
    source = PastDays(every=5, expiries=3, strikes=25, change=with_funds)
    found = records(load_all_bots([str(EXAMPLES / f"{name}.yaml")], {}, None), source, last=FIRST)
    assert any(record.kind is Kind.VERDICT for record in found)


def test_bars_of_an_underlying_without_levels_are_looked_for_in_one_session_before() -> None:
    source, session = PastDays(every=5, strikes=5), session_on(LAST)
    assert session is not None
    feed, until = HistoryFeed(source, Board()), session.open.timestamp()
    feed.begin(source.day(LAST), session)
    assert feed.bars_until("SPY", 300, 100, until).bars == ()
    assert len(source.made) == 2
    assert len(feed.bars_until("SPX", 300, 100, until).bars) == 100


def with_funds(day: HistoryDay) -> HistoryDay:
    """Return the day with the levels of two funds that follow the index."""
    index = day.levels["SPX"]
    return replace(day, levels={**day.levels, "SPY": index / 10.0, "QQQ": index / 12.0})


# ---------------------------------------------------------------- bars that were recorded

ABOVE_AVERAGE = HELD.replace("    - vix: {between: [10, 30]}", "    - spot: {above: vwap}").replace("held", "above")


def recorded(reported: bool, day: HistoryDay) -> HistoryDay:
    """Return a day as a recording has it: minutes that were told ten seconds after each had ended, or none."""
    if not reported:
        return replace(day, bars={})
    opened = session_on(day.date).open.timestamp()
    minutes = [opened + 60.0 * each for each in range(60)]
    bars = tuple(Bar(at, 1.0, 1.0, 1.0, 1.0, 100.0, 1.0) for at in minutes)
    cheap = [(at + 70.0, Bars(at + 70.0, bars[: place + 1])) for place, at in enumerate(minutes)]
    return replace(day, bars={(symbol, 60): tuple(cheap) for symbol in ("SPX", "SPY")})


def entries(found: Sequence[Record]) -> list[datetime]:
    return [each.at for each in found if each.kind is Kind.DECISION and each.data["what"] == "enter"]


def test_bars_that_were_recorded_are_read_with_their_volumes(tmp_path: Path) -> None:
    desk = desk_of(tmp_path, ABOVE_AVERAGE)
    (done,) = walk(desk, PastDays(expiries=2, change=partial(recorded, True))).through(FIRST, FIRST)
    assert len(entries(done.records)) == 1
    assert [each.text for each in done.findings] == [
        f"{FIRST}: 1m bars of {symbol} are recorded until 10:30:10 only" for symbol in ("SPX", "SPY")
    ]


def test_bars_that_were_not_recorded_are_reported(tmp_path: Path) -> None:
    desk = desk_of(tmp_path, ABOVE_AVERAGE)
    (done,) = walk(desk, PastDays(expiries=2, change=partial(recorded, False))).through(FIRST, FIRST)
    assert entries(done.records) == []
    assert [each.text for each in done.findings] == [
        f"{FIRST}: 1m bars of SPX are not recorded: they are made of the levels that were streamed, without volumes",
        f"{FIRST}: 1m bars of SPY are not recorded, nor is its level",
    ]


def test_recorded_bars_are_reported_no_earlier_than_then(tmp_path: Path) -> None:
    desk = desk_of(tmp_path, ABOVE_AVERAGE)
    found = records(desk, PastDays(change=partial(recorded, True)), FIRST, FIRST)
    reported = [each.at for each in found if each.kind is Kind.FACTS and each.data["what"] == "bars 1m"]
    opened = session_on(FIRST).open
    assert reported[:2] == [opened + timedelta(seconds=70)] * 2
    assert reported[2:4] == [opened + timedelta(seconds=130)] * 2


def test_recorded_bars_are_garbled_too_when_looking_for_what_is_ahead(tmp_path: Path) -> None:
    day = recorded(True, PastDays().day(FIRST))
    later = day.times > day.times[5]
    strange = garbled(day, later, 7)
    was, now = day.bars["SPY", 60], strange.bars["SPY", 60]
    same = [at for (at, bars), (_, others) in zip(was, now, strict=True) if bars == others]
    assert max(same) < day.times[later].min()
    assert len(same) < len(was)


def streamed(is_reported: bool, day: HistoryDay) -> HistoryDay:
    """Return a day as a recording that has each second strike alone; told is that all of them were listed."""
    places = [place for place, each in enumerate(day.options) if each.strike % 10 == 0]
    columns = {name: column[:, places] for name, column in day.columns().items()}
    strikes = {each: tuple(day.strikes("SPX", "SPXW", each)) for each in day.expiries("SPX", "SPXW")}
    reported = {("SPX", "SPXW"): Listing("SPX", "SPXW", tuple(strikes), strikes)} if is_reported else {}
    return replace(day, options=tuple(day.options[place] for place in places), listings=reported, **columns)


NARROW = CONDOR.replace("10 pts", "5 pts").replace("condor", "narrow")


def test_a_strike_that_was_listed_and_not_streamed_has_no_quote_and_no_other_takes_its_place(tmp_path: Path) -> None:
    (done,) = walk(desk_of(tmp_path, NARROW), PastDays(change=partial(streamed, True))).through(FIRST, FIRST)
    assert entries(done.records) == []
    assert done.findings == ()


def coarse(day: HistoryDay) -> HistoryDay:
    """Return a day as a recording whose broker told that options SPY are outside of the penny interval program."""
    days = day.expiries("SPY", "SPY")
    strikes = {each: tuple(day.strikes("SPY", "SPY", each)) for each in days}
    return replace(day, listings={("SPY", "SPY"): Listing("SPY", "SPY", tuple(days), strikes, SPX_STEPS)})


SPX_STEPS = product("SPX").option_ticks
ALONE = """
rulebot: 1
name: alone
about: Sells one put, whose target rests.
underlying: SPY
quantity: 1
entry: {window: {from: "10:00", to: "15:00"}, per_day: 1, when: [{vix: {below: 60}}]}
legs:
  expiry: {dte: {nearest: 3}}
  short_put: {sell: put, strike: {delta: 0.30}}
order: {start: mid, step: 0.01, wait: 1m, tries: 9, then: cancel}
exits:
  - target: {profit: 7.7%}
    resting: true
  - time: "15:30"
    order: {start: mid, step: 0.01, wait: 1m, tries: 9, then: market}
risk: {undefined_risk: allow}
"""


@pytest.mark.parametrize("is_reported", [True, False])
def test_prices_lie_on_the_grid_that_was_reported_then(is_reported: bool, tmp_path: Path) -> None:
    without_cash(tmp_path)
    source = replace(OF_SPY, made={}, **({"change": coarse} if is_reported else {}))
    (done,) = walk(desk_of(tmp_path, ALONE), source).through(FIRST, FIRST)
    orders = [each.data for each in done.records if each.kind is Kind.ORDER and each.data["status"] == "sending"]
    assert {"entry", "target"} <= {str(each["purpose"]) for each in orders}
    limits = [Decimal(str(each["limit_price"])) for each in orders if each["limit_price"] is not None]
    assert all(SPX_STEPS.round(price, Rounding.UP) == price for price in limits) is is_reported


def test_listings_that_were_not_recorded_are_reported(tmp_path: Path) -> None:
    (done,) = walk(desk_of(tmp_path, NARROW), PastDays(change=partial(streamed, False))).through(FIRST, FIRST)
    assert [each.text for each in done.findings] == [
        f"{FIRST}: what is listed of SPX SPXW is not recorded: taken for it is what was streamed",
        f"{FIRST}: which strikes are listed of SPX SPXW {FIRST} is not recorded: taken for it is what was streamed",
    ]


MOVED = CONDOR.replace("    - vix: {between: [10, 30]}", "    - day_range: {below: day_move}").replace(
    "entry:", "let: {day_move: {expected_move: {asof: open}}}\nentry:", 1
)


def measured(day: HistoryDay) -> HistoryDay:
    """Return a day of which an engine measured 32.1 points a second after the open, between two instants."""
    at = session_on(day.date).open + timedelta(seconds=1)
    later = replace(day, times=np.concatenate((day.times[:1], day.times[1:] + 1.0)))
    return replace(later, moves=(OpeningMoveReport(at, "SPX", day.date, 32.1),))


def test_the_opens_expected_move_that_was_recorded_counts(tmp_path: Path) -> None:
    found = records(desk_of(tmp_path, MOVED.replace("condor", "moved")), PastDays(change=measured), FIRST, FIRST)
    moves = [each.data["value"] for each in found if each.kind is Kind.FACTS and each.data["what"] == "opening_move"]
    assert moves == [32.1]


def halted_over_the_window(day: HistoryDay) -> HistoryDay:
    """Return a day on which trading in SPX is halted from 09:40 to 09:55, and from 15:44 to 15:50."""
    session = session_on(day.date)
    stops, spx = ((time(9, 40), time(9, 55)), (time(15, 44), time(15, 50))), frozenset((Underlying("SPX"),))
    return replace(
        day,
        halts=tuple(
            (session.at(clock).timestamp(), contracts)
            for stop in stops
            for clock, contracts in zip(stop, (spx, frozenset()), strict=True)
        ),
    )


def test_nothing_is_entered_and_nothing_fills_while_trading_was_halted(tmp_path: Path) -> None:
    text = CONDOR.replace("  - target: {profit: 50%}\n", "").replace("2x credit", "40x credit")
    found = records(desk_of(tmp_path, text), PastDays(change=halted_over_the_window), FIRST, FIRST)
    reported = [(str(each.data["what"]), str(each.data["reason"])) for each in found if each.kind is Kind.DECISION]
    assert reported[1:3] == [("skip", "trading is halted in SPX"), ("enter", "all conditions hold")], reported
    fills = [exchange_clock(each.at) for each in found if each.kind is Kind.FILL]
    assert fills
    assert all(clock >= time(9, 55) and not time(15, 44) <= clock < time(15, 50) for clock in fills)
    assert any(clock >= time(15, 50) for clock in fills), fills


def exchange_clock(at: datetime) -> time:
    return at.astimezone(EXCHANGE_ZONE).time()


def test_the_open_of_a_session_is_its_first_level_and_nothing_of_before_it() -> None:
    session = session_on(FIRST)
    assert session is not None
    times = session.open.timestamp() + np.array([-60.0, 0.0, 60.0, 120.0, 180.0])
    reported = [list(each)[2:] for each in markets.ranges(times, np.array([90.0, nan, 100.0, 102.0, 99.0]), session)]
    assert reported == [[100.0, 102.0, 99.0], [100.0, 100.0, 100.0], [100.0, 102.0, 102.0], [100.0, 100.0, 99.0]]
