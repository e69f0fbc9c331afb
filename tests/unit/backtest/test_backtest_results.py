"""What came of a backtest: its sums are those of the store, and of a recorded account what its bots made counts."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hand_desk import bot_of, text_of
from store_day import CONDOR, DAY, at, small_day

from rulebot.backtest.entry_funnel import LATER, BlockedMinutes, EntryFunnel, funnels
from rulebot.backtest.report_page import reasons_of
from rulebot.backtest.results import (
    AccountDay,
    ClosedTrade,
    Results,
    by_regime,
    choosing_freely,
    drawdowns,
    read_results,
    sums,
)
from rulebot.cli.past.backtest import SHOWN_RULES, result_lines
from rulebot.narrate.why import reported_parts
from rulebot.record.record import Kind, Record
from rulebot.store.journal import SqlJournal
from rulebot.store.queries import StoreReader
from rulebot.store.registry import open_store


def backtest(store: Path, fills: str, *, wing_expires: bool = False) -> Results:
    """Write a day as one of a backtest: 10,000 in cash beside 50,000 in shares; one commission has part of a cent.

    wing_expires: a bought leg of the condor is left to expire.
    """
    settings: Any = {"mode": "backtest", "cash": "1000000", "fills": fills, "sessions_apart": False}
    records = []
    for record in small_day():
        data: Any = dict(record.data)
        if record.kind is Kind.RUN_STARTED:
            data["settings"] = settings
        if record.kind is Kind.POSITION and record.position == "P1":
            data["legs"] = [{**data["legs"][0], "commissions": "2.0573"}, *data["legs"][1:]]
            if wing_expires and data["state"] == "closed":
                data |= {"closed_at": at("16:05").isoformat()}
                data["legs"] = [*data["legs"][:-1], {**data["legs"][-1], "settled": 1}]
        records.append(replace(record, data=data))
    worth = [
        Record(at(clock), Kind.ACCOUNT, data={"cash": cash, "net_liquidation": reported})
        for clock, cash, reported in WORTH
    ]
    journal = SqlJournal(open_store(store))
    journal.append([*records, *worth], durable=True)
    journal.close()
    return read_results(store, "it")


WORTH = (
    ("09:31", "10000", "60000"),
    ("15:00", "12000", "62500"),
    ("16:05", "10100", "10100"),
    ("16:06", "12000", "62000"),
)
"""What is told of a recorded account is all that is in it; at 16:05 a backtest tells what its bots have made of it."""


def test_a_recorded_account_counts_what_its_bots_made_and_nothing_else_that_was_in_it(tmp_path: Path) -> None:
    """What it held beside its cash was told as lost on the first day, what others made there as made."""
    found = backtest(tmp_path / "a.db", "recorded")
    assert (found.profit, found.days[0].profit, found.days[0].equity) == (100, 100, 10_100)
    assert found.max_drawdown == 0


def test_a_day_is_reported_with_what_was_opened_and_closed_on_it_and_trades_by_bot_hour_and_exit(
    tmp_path: Path,
) -> None:
    found = backtest(tmp_path / "a.db", "mid")
    (day,) = found.days
    assert (day.opened, day.closed) == (2, 1)
    assert {name: each.trades for name, each in found.by_bot.items()} == {
        "calm_tape_condor": 0,
        "dte0_condor": 1,
        "spy_put_seller": 0,
    }
    assert ([*found.by_hour], [*found.by_reason]) == (["09:00"], ["target"])
    assert {each.name: (each.given, each.net) for each in found.trades} == {
        "P1": (0.05, Decimal("36.792700")),
        "P2": (-0.01, 0),
    }
    assert {each.bot: each.entered for each in found.funnels} == {
        "calm_tape_condor": 0,
        "dte0_condor": 1,
        "spy_put_seller": 1,
    }


def test_parts_of_cents_add_up_to_the_sums_of_the_store(tmp_path: Path) -> None:
    found = backtest(tmp_path / "a.db", "recorded")
    with StoreReader(tmp_path / "a.db") as reader:
        (summary,) = reader.view("account_summary")
    assert found.all.net == found.months[0].net == Decimal(str(summary["net_pnl"]))
    assert found.all.commissions == Decimal(str(summary["total_commission"]))
    assert found.all.net != round(found.all.net, 2)
    assert found.all.expectancy == round(found.all.net, 2)


def test_a_trade_was_left_when_its_exit_filled_though_a_wing_expired_later(tmp_path: Path) -> None:
    """A target of the morning stood at 16:05 in the table, after the time exit of its bot."""
    for wing_expires in (False, True):
        found = backtest(tmp_path / f"{wing_expires}.db", "mid", wing_expires=wing_expires)
        assert [each.left for each in found.trades if each.name == "P1"] == [f"{DAY} 13:07:00"]
    with StoreReader(tmp_path / "True.db") as reader:
        (row, *_) = (reported_parts(each, reader) for each in reader.view("trades") if each["position"] == "P1")
        assert (row["exit_time"], "left" in row) == (f"{DAY} 13:07:00", False)


def why_of(store: Path, left: str) -> str:
    """Return the why of a trade whose stop acted at 15:45 of the first day, and which was left then."""
    exit = {"what": "exit", "kind": "stop", "reason": "stop", "values": []}
    acted = Record(at("15:45"), Kind.DECISION, CONDOR, "P9", data=exit)
    journal = SqlJournal(open_store(store))
    journal.append([*small_day(), acted], durable=True)
    journal.close()
    return reasons_of(store, [trade(left)])["P9"]


def trade(left: str, vix: float | None = None) -> ClosedTrade:
    """Return a trade that was left at an instant."""
    figures: Any = {**dict.fromkeys(("entry", "exit", "given", "worth"), None), "in_shares": False}
    money: Any = dict.fromkeys(("commissions", "net"), Decimal(0))
    words: Any = {"symbol": "SPX", "structure": "5920/5930p", "entered": f"{DAY} 10:00:00", "why": "rulebot why"}
    ended: Any = {"left": left, "parts": (), "reason": "stop"}
    return ClosedTrade(name="P9", bot=CONDOR, quantity=1, asked=1, vix=vix, **ended, **words, **figures, **money)


def test_of_a_leg_that_was_left_over_for_days_the_why_is_of_when_the_exit_acted(tmp_path: Path) -> None:
    """Its trade is left when that leg expires, on a day whose records know nothing of the exit."""
    late = why_of(tmp_path / "late.db", f"{DAY + timedelta(days=1)} 16:05:00")
    assert late.index("entered 2026-11-18 10:00:00") < late.index("stop acted 2026-11-18 15:45:00")
    assert late.index("stop acted 2026-11-18 15:45:00") < late.index("left 2026-11-19 16:05:00")
    assert "stop acted 2026" not in why_of(tmp_path / "once.db", f"{DAY} 15:45:20")


def test_trades_and_days_are_summed_up_as_their_names_say() -> None:
    made = [replace(trade(f"{DAY} 15:45:00"), net=Decimal(net), commissions=Decimal(2)) for net in ("60", "-20", "0")]
    found = sums([*made, replace(made[0], net=Decimal("-20.01"))])
    assert (found.trades, found.wins, found.win_rate, found.profit_factor) == (4, 1, 0.25, 1.499625)
    assert (found.net, found.commissions, found.expectancy) == (Decimal("19.99"), 8, Decimal("5.00"))
    assert (found.best, found.worst) == (60, Decimal("-20.01"))
    assert sums(made[:1]).profit_factor is None
    equities = [(-40, 960), (90, 1_050), (-30, 1_020), (-80, 940), (200, 1_140)]
    days = [
        AccountDay(date=DAY, equity=Decimal(worth), profit=Decimal(profit), vix=None, opened=0, closed=0)
        for profit, worth in equities
    ]
    assert [fall for _, fall in drawdowns(days)] == [40, 0, 30, 110, 0]  # the account began with 1,000


def test_sums_by_vix_begin_with_the_lowest() -> None:
    """Sorted as text, VIX below 12 stood behind VIX 25 to 35."""
    found = by_regime([trade(f"{DAY} 15:45:00", vix) for vix in (None, 40.0, 22.0, 11.0, 13.0)])
    assert [*found] == ["VIX below 12", "VIX 12 to 15", "VIX 20 to 25", "VIX from 35", "VIX unknown"]


def test_one_symbol_of_a_universe_whose_conditions_hold_is_kept_out_by_none_of_another() -> None:
    """The first of two symbols lacked a move for an hour; for half of it all held for the other."""

    def reported(clock: str, kind: Kind, **data: Any) -> Record:
        return Record(at(clock), kind, "scan", data=data)

    def judged(clock: str, symbol: str, *, truth: bool) -> Record:
        return reported(clock, Kind.VERDICT, place="when", rule="move", symbol=symbol, truth=truth)

    records = [
        Record(at("09:29"), Kind.SESSION, data={"date": DAY.isoformat()}),
        reported("10:00", Kind.DECISION, what="watch"),
        *(judged("10:00", symbol, truth=symbol == "QQQ") for symbol in ("SPY", "QQQ")),
        judged("10:30", "QQQ", truth=False),
        reported("11:00", Kind.DECISION, what="stop watching"),
    ]
    (found,) = funnels(records, ["scan"], {})
    assert [(each.rule, each.false) for each in found.stopped] == [(LATER, 30.0), ("SPY move", 30.0)]


@pytest.mark.parametrize(
    ("lacked", "false", "reported"),
    [
        ((True,), True, [("expiry", 60.0, 1), ("vix", 30.0, 0)]),
        ((), False, [("expiry", 90.0, 1)]),  # without a condition that could have been false
        ((True, False), True, [("expiry", 0.0, 1), (LATER, 60.0, 0), ("vix", 30.0, 0)]),
    ],
)
def test_minutes_in_which_all_conditions_held_stand_beside_the_sessions_of_what_came_nearest(
    lacked: tuple[bool, ...], false: bool, reported: list[tuple[str, float, int]]
) -> None:
    """Sessions without a listed expiry had a row of their own, and their minutes another one."""

    def record(clock: str, kind: Kind, **data: Any) -> Record:
        return Record(at(clock), kind, "many", data=data)

    readings = [{"rule": "vix", "truth": truth} for truth in lacked]
    ending = [
        [
            record(clock, Kind.NEAREST, rule="expiry", readings=readings),
            record(clock, Kind.DECISION, what="stop watching"),
        ]
        for clock in ("10:30", "13:00")
    ]
    records = [
        Record(at("09:29"), Kind.SESSION, data={"date": DAY.isoformat()}),
        record("10:00", Kind.DECISION, what="watch"),
        *ending[0],
        record("12:00", Kind.DECISION, what="watch"),
        record("12:30", Kind.VERDICT, place="when", rule="vix", truth=not false),
        *ending[1],
    ]
    (found,) = funnels(records, ["many"], {})
    assert [(each.rule, each.false, each.sessions) for each in found.stopped] == reported


@pytest.mark.parametrize(("first", "named"), [(None, "halt vix_spike"), (False, "halted")])
def test_a_halt_that_could_not_be_judged_is_named_where_another_one_halted_later(
    first: bool | None, named: str
) -> None:
    """Of a bot that never watched for want of VIX it was said that it was halted, as it was in the afternoon."""

    def reported(clock: str, kind: Kind, **data: Any) -> Record:
        return Record(at(clock), kind, "calm", data=data)

    records = [
        Record(at("09:29"), Kind.SESSION, data={"date": DAY.isoformat()}),
        reported("09:30", Kind.VERDICT, place="halts", rule="vix_spike", truth=first),
        reported("14:00", Kind.VERDICT, place="halts", rule="day_range", truth=True),
        reported("14:00", Kind.DECISION, what="halt"),
    ]
    (found,) = funnels(records, ["calm"], {})
    assert [(each.rule, each.sessions) for each in found.stopped] == [(named, 1)]


def choosing(
    *verdicts: tuple[str, str, str, bool | None], free: tuple[str, ...] = ()
) -> list[tuple[str, float, float]]:
    """Return what kept a bot with a choice out from 10:00 to 11:00: each verdict by clock, place and rule."""
    reported = [
        Record(at(clock), Kind.VERDICT, "pick", data={"place": place, "rule": rule, "truth": truth})
        for clock, place, rule, truth in verdicts
    ]
    records = [
        Record(at("09:29"), Kind.SESSION, data={"date": DAY.isoformat()}),
        Record(at("10:00"), Kind.DECISION, "pick", data={"what": "watch"}),
        *reported,
        Record(at("11:00"), Kind.DECISION, "pick", data={"what": "stop watching"}),
    ]
    (found,) = funnels(records, ["pick"], {}, free)
    return [(each.rule, each.false, each.unknown) for each in found.stopped]


WHEN = ("10:00", "when", "vix", True)
WILD, CALM = ("10:00", "choose", "wild.vix", False), ("10:00", "choose", "calm.vix", False)


def test_minutes_without_an_alternative_stand_under_its_first_condition() -> None:
    """They stood beside those of the legs, the limits and the order."""
    assert choosing(WHEN, WILD, CALM) == [("wild.vix", 60.0, 0.0)]
    taken = ("10:40", "choose", "calm.vix", True)
    assert choosing(WHEN, WILD, CALM, taken) == [("wild.vix", 40.0, 0.0), (LATER, 20.0, 0.0)]


def test_an_unknown_alternative_ends_the_choice_and_a_false_one_does_not() -> None:
    unknown, expensive = ("10:00", "choose", "calm.vix", None), ("10:00", "choose", "dear.vix", True)
    assert choosing(WHEN, WILD, unknown, expensive) == [("calm.vix", 0.0, 60.0)]
    both = ("10:00", "choose", "calm.skew", False)
    assert choosing(WHEN, WILD, unknown, both, expensive) == [(LATER, 60.0, 0.0)]


def test_what_is_asked_before_the_choice_comes_first_and_what_is_required_after_it() -> None:
    credit = ("10:00", "require", "credit", False)
    assert choosing(("10:00", "when", "vix", False), WILD, credit) == [("vix", 60.0, 0.0)]
    assert choosing(WHEN, WILD, credit) == [("wild.vix", 60.0, 0.0)]
    assert choosing(WHEN, WILD, ("10:00", "choose", "calm.vix", True), credit) == [("credit", 60.0, 0.0)]


ALTERNATIVES = """
  expiry: {dte: 0}
  choose:
    - name: wild
      when: [{vix: {above: 30}}]
      short_put: {sell: put, strike: {delta: 0.10}}
      long_put: {buy: put, strike: {below: short_put, by: 10 pts}}
    - name: calm
      short_call: {sell: call, strike: {delta: 0.10}}
      long_call: {buy: call, strike: {above: short_call, by: 10 pts}}
"""


def test_an_alternative_without_conditions_is_known_by_the_text_of_its_bot() -> None:
    asking = ALTERNATIVES.replace("calm\n", "calm\n      when: [{vix: {below: 20}}]\n")
    texts = {name: text_of(name, legs=legs) for name, legs in (("free", ALTERNATIVES), ("asks", asking))}
    specs = {
        name: {"path": f"{name}.yaml", "text": text, "digest": bot_of(text).plan.digest} for name, text in texts.items()
    }
    judged = [Record(at("10:00"), Kind.VERDICT, name, data={"place": "choose"}) for name in texts]
    assert choosing_freely(judged, specs) == {"free"}
    assert choosing_freely(judged[1:], specs) == set(), "no choice of it was judged"
    assert choosing_freely(judged, {"free": {**specs["free"], "digest": "of another version"}}) == set()


def test_an_alternative_without_conditions_is_taken_where_no_other_one_is() -> None:
    assert choosing(WHEN, WILD, free=("pick",)) == [(LATER, 60.0, 0.0)]
    unknown = ("10:00", "choose", "wild.vix", None)
    assert choosing(WHEN, unknown, free=("pick",)) == [("wild.vix", 0.0, 60.0)]


def test_what_kept_a_bot_out_beyond_the_rules_that_are_shown_is_counted(tmp_path: Path) -> None:
    of_days = [
        BlockedMinutes(rule=f"rule {number}", false=0.0, unknown=0.0, sessions=9) for number in range(SHOWN_RULES + 2)
    ]
    counts = dict.fromkeys(("sessions", "watched", "tried", "entered"), 0)
    found = EntryFunnel(bot=CONDOR, minutes=0.0, stopped=tuple(of_days), **counts)
    settings = {"source": "made up", "is_modelled": False, "from": DAY, "to": DAY, "fills": "mid"}
    results = replace(backtest(tmp_path / "x.db", "mid"), funnels=(found,), settings=settings)
    assert "   and 2 others; --format json has all" in result_lines(results)


@pytest.mark.parametrize(
    ("fills", "entered", "is_said"), [("natural", 0, True), ("natural", 1, False), ("mid", 0, False)]
)
def test_where_natural_fills_let_nothing_in_others_are_named(
    fills: str, entered: int, is_said: bool, tmp_path: Path
) -> None:
    found = EntryFunnel(bot=CONDOR, sessions=9, watched=9, tried=4, entered=entered, minutes=0.0, stopped=())
    settings = {"source": "made up", "is_modelled": False, "from": DAY, "to": DAY, "fills": fills}
    results = replace(backtest(tmp_path / "x.db", "mid"), funnels=(found,), settings=settings)
    said = [line for line in result_lines(results) if line.startswith("  none of its orders filled: natural fills")]
    assert bool(said) is is_said


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        ("2018-12-29", "2019-01-01", ""),  # no session is between them and those of the data
        ("2018-12-28", "2018-12-31", "the data is of 2018-12-31 alone"),
        ("2018-12-31", "2019-03-04", "the data is of 2018-12-31 alone"),
    ],
)
def test_sessions_that_were_asked_for_and_that_the_data_does_not_reach_are_reported(
    first: str, last: str, words: str, tmp_path: Path
) -> None:
    """`--from 2018-12-27 --to 2019-03-04` of data that ends in December read as if it had gone on to March."""
    settings = {"source": "made up", "is_modelled": False, "from": first, "to": last, "fills": "mid"}
    made = backtest(tmp_path / "x.db", "mid")
    results = replace(made, settings=settings, days=(replace(made.days[0], date=date(2018, 12, 31)),))
    assert [line for line in result_lines(results) if "the data is of" in line] == ([f" {words}"] if words else [])
