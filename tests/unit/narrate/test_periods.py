"""Trading by day, week and month, beside what was expected."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from paper_days import entity as of_day
from paper_days import position as put_of
from store_day import at, entity, position, small_day

from rulebot.cli.main import main
from rulebot.narrate.periods import period_of, periods
from rulebot.record.record import Json, Kind, Record
from rulebot.spec.nouns import Demand, Op, Shown
from rulebot.store.journal import SqlJournal
from rulebot.store.queries import StoreReader
from rulebot.store.registry import open_store


@pytest.fixture
def store(tmp_path: Path) -> Path:
    journal = SqlJournal(open_store(tmp_path / "a.db"))
    journal.append([*small_day(), Record(at("16:01"), Kind.ALARM, data={"text": "one"})], durable=True)
    journal.close()
    return tmp_path / "a.db"


@pytest.mark.parametrize(
    ("day", "span", "name"),
    [
        ("2026-11-18", "day", "2026-11-18"),
        ("2026-11-18", "week", "2026-11-16"),
        ("2026-11-16", "week", "2026-11-16"),
        ("2027-01-01", "week", "2026-12-28"),
        ("2026-11-18", "month", "2026-11"),
    ],
)
def test_a_day_is_in_its_period(day: str, span: str, name: str) -> None:
    assert period_of(day, span) == name


def test_a_month_says_what_is_to_be_tracked(store: Path) -> None:
    with StoreReader(store) as reader:
        alarms = len(reader.records((Kind.ALARM,)))
        closed = [row for row in reader.view("trades") if row["status"] == "CLOSED"]
        (found,) = periods(reader, "month")
        (day,) = periods(reader, "day")
    assert (found.name, day.name) == ("2026-11", "2026-11-18")
    assert (found.sessions, found.idle, found.trades, found.wins) == (1, 0, 1, 1)
    assert found.net == found.average == Decimal(str(closed[0]["final_pnl"]))
    assert (found.win_rate, found.drawdown, found.errors) == (1, 0, alarms)


def test_a_trade_counts_where_nothing_of_it_is_held_any_more_as_in_the_sums_of_days(tmp_path: Path) -> None:
    """Its target filled on the 18th; a wing that it left expired in December, and only then its profit was final."""
    records = [each for each in small_day() if each.position != "P1" or each.kind is not Kind.POSITION]
    over = at("16:00", date(2026, 12, 18))
    ended = position("closed", True, True, opened_at=at("09:52"), closed_at=over, exit_reason="target")
    journal = SqlJournal(open_store(tmp_path / "a.db"))
    journal.append([*records, entity(Kind.POSITION, over, ended)], durable=True)
    journal.close()
    with StoreReader(tmp_path / "a.db") as reader:
        found = {each.name: (each.trades, each.net) for each in periods(reader, "month")}
        days = {row["date"]: Decimal(str(row["net_pnl"])) for row in reader.view("daily_summary")}
    assert {name: count for name, (count, _) in found.items()} == {"2026-11": 0, "2026-12": 1}
    assert days == {"2026-12-18": found["2026-12"][1]}


def test_a_bot_that_only_watched_was_idle(store: Path) -> None:
    with StoreReader(store) as reader:
        (found,) = periods(reader, "month", "calm_tape_condor")
    assert (found.sessions, found.idle, found.trades, found.win_rate, found.average) == (1, 1, 0, None, None)


def test_what_falls_short_is_said(store: Path) -> None:
    demands = [
        Demand(Shown.WIN_RATE, Op.AT_LEAST, Decimal(100)),
        Demand(Shown.WIN_RATE, Op.ABOVE, Decimal(100)),
        Demand(Shown.EXPECTANCY, Op.AT_LEAST, Decimal(500)),
        Demand(Shown.SHARPE, Op.ABOVE, Decimal(1)),
    ]
    with StoreReader(store) as reader:
        (found,) = periods(reader, "month", expected=demands)
        (idle,) = periods(reader, "month", "calm_tape_condor", demands)
    assert found.short == ("dte0_condor: win rate above 100%", "dte0_condor: average at least $500.00")
    assert idle.short == ()


def test_two_wins_in_three_meet_what_they_meet_for_a_promotion(tmp_path: Path) -> None:
    made = ((date(2026, 11, 16), "50"), (date(2026, 11, 17), "50"), (date(2026, 11, 18), "-30"))
    puts = [put_of(day, dollars) for day, dollars in made]
    store = of_days(tmp_path, *(of_day(put.closed_at, put) for put in puts if put.closed_at))
    demands = [Demand(Shown.WIN_RATE, op, Decimal("66.67")) for op in (Op.AT_LEAST, Op.ABOVE)]
    with StoreReader(store) as reader:
        (found,) = periods(reader, "month", expected=demands)
    assert (found.trades, found.wins, found.short) == (3, 2, ("win rate above 66.67%",))


def of_days(path: Path, *records: Record) -> Path:
    journal = SqlJournal(open_store(path / "a.db"))
    journal.append(list(records), durable=True)
    journal.close()
    return path / "a.db"


def ended(made: str, **changes: Any) -> Record:
    """Return a put of the 18th that is over."""
    put = put_of(date(2026, 11, 18), made, **changes)
    assert put.closed_at
    return of_day(put.closed_at, put)


@pytest.mark.parametrize(
    ("level", "said"),
    [
        ("5899.5", ()),
        ("5893", ("average above $0.00",)),
        (None, ("average above $0.00 (the settlement price of the shares of 1 trade is not known)",)),
    ],
)
def test_a_month_counts_shares_at_the_settlement_price(
    tmp_path: Path, level: str | None, said: tuple[str, ...]
) -> None:
    """A put at 5900 had brought $98, and its shares cost up to $700 more than they were worth."""
    shares = None if level is None else 100 * (Decimal(level) - 5900)
    put = put_of(date(2026, 11, 18), "98")
    leg = replace(put.legs[0], shares_profit=shares or Decimal(0), unpriced=int(shares is None))
    store = of_days(tmp_path, ended("98", legs=(leg,)))
    with StoreReader(store) as reader:
        demands = [Demand(Shown.EXPECTANCY, Op.ABOVE, Decimal(0))]
        (found,) = periods(reader, "month", expected=demands)
    assert (found.net, found.short) == (0 if shares is None else 98 + shares, said)


def test_what_a_closed_trade_owes_meets_no_demand_of_a_month(tmp_path: Path) -> None:
    reported: dict[str, Json] = {
        "exec_id": "e.1", "ref": "rb:a:1", "leg": "short_put", "con_id": 5900, "contract": "SPX", "is_buy": True,
        "quantity": 1, "price": "0.10", "executed_at": at("12:00").isoformat(), "purpose": "exit",
    }  # fmt: skip
    owing = tuple(replace(leg, commissions_pending=1) for leg in put_of(date(2026, 11, 18), "98").legs)
    store = of_days(tmp_path, ended("98", legs=owing), Record(at("12:00"), Kind.FILL, "put_lite", "P18", reported))
    with StoreReader(store) as reader:
        (found,) = periods(reader, "month", expected=[Demand(Shown.EXPECTANCY, Op.ABOVE, Decimal(0))])
    assert found.short == ("average above $0.00 (the commissions of 1 trade are not reported yet)",)


def test_each_bot_is_judged_by_itself(tmp_path: Path) -> None:
    """Together they made $34 a trade, and one of them lost."""
    store = of_days(tmp_path, ended("98"), ended("-30", id="other-1", bot="other"))
    demands = [Demand(Shown.EXPECTANCY, Op.ABOVE, Decimal(0))]
    with StoreReader(store) as reader:
        (all_of_them,) = periods(reader, "month", expected=demands)
        (alone,) = periods(reader, "month", "other", demands)
        (sound,) = periods(reader, "month", "put_lite", demands)
    assert (all_of_them.average, all_of_them.short) == (34, ("other: average above $0.00",))
    assert (alone.short, sound.short) == (("average above $0.00",), ())


def test_the_command_shows_and_reports_it(store: Path) -> None:
    text = CliRunner().invoke(main, ["summary", "--by", "month", "--store", str(store)])
    assert text.exit_code == 0, text.output
    head, row, *_ = text.output.splitlines()
    assert head.split() == [
        "month",
        "sessions",
        "idle",
        "trades",
        "won",
        "average",
        "net",
        "drawdown",
        "alarms",
    ]
    assert row.split()[:5] == ["2026-11", "1", "0", "1", "100"]
    reported = CliRunner().invoke(main, ["summary", "--by", "week", "--format", "json", "--store", str(store)])
    assert '"name": "2026-11-16"' in reported.output
    alone = CliRunner().invoke(main, ["summary", "--account", "x.yaml", "--store", str(store)])
    assert (alone.exit_code, "say --by day, week or month" in alone.output) == (2, True)


def test_the_command_goes_by_the_account_document(store: Path, tmp_path: Path) -> None:
    account, words = tmp_path / "account.yaml", ["summary", "--by", "month", "--store", str(store), "--account"]
    text = "rulebot_account: 1\nabout: All bots.\naccount: DU1234567\nrisk: {max_open: 3}\n"
    demands = "[{compliant_sessions: {at_least: 20}}, {expectancy: {at_least: $500}}]"
    account.write_text(f"{text}live: {{account: U1234567, require: {demands}, good_for: 5d}}\n")
    short = CliRunner().invoke(main, [*words, str(account)])
    assert short.output.splitlines()[0].endswith("alarms  short")
    assert (short.exit_code, short.output.splitlines()[1].split("  ")[-1]) == (
        0,
        "dte0_condor: average at least $500.00",
    )
    account.write_text(text)
    nothing = CliRunner().invoke(main, [*words, str(account)])
    assert (nothing.exit_code, "expects nothing: it has no `live`" in nothing.output) == (2, True)
    strange = CliRunner().invoke(main, [*words[:-1], "nobody"])
    assert (strange.exit_code, "no bot 'nobody'" in strange.output) == (2, True)
