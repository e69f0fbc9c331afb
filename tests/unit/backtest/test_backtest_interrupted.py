"""Random bots over random past sessions, ended after some of them and gone on with: nothing is otherwise for it."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

import numpy as np
import pytest
from past_days import PastDays
from plain_specs import random_spec
from rolling_specs import rolling_spec

from rulebot.adapters.history.session import HistoryDay
from rulebot.backtest.fill_model import fill_model
from rulebot.backtest.results import Results, read_results
from rulebot.backtest.run import BacktestOptions, run_backtest
from rulebot.calendars.calendars import shipped_dates
from rulebot.core.gate.entry_limits import MOST, WITHIN
from rulebot.documents.load_bots import LoadedBots, load_all_bots
from rulebot.model.contract import Option, Right
from rulebot.model.economic_calendar import Published, event_calendar
from rulebot.model.errors import InvariantError, MisuseError
from rulebot.model.facts import EventCalendar, EventDay
from rulebot.record.record import Kind, Record
from rulebot.store.queries import StoreReader
from rulebot.store.registry import open_store

FIRST, LAST = date(2026, 9, 1), date(2026, 9, 10)
SPREAD = """rulebot: 1
name: bot
about: Sells a same-day put spread each morning.
underlying: SPX
entry:
  at: "10:00"
  for: 30m
legs:
  expiry: {dte: 0}
  short_put: {sell: put, strike: {delta: 0.20}}
  long_put: {buy: put, strike: {below: short_put, by: 10 pts}}
order: {start: natural, wait: 30s, tries: 3, then: cancel}
exits: [{time: "15:30"}]
risk: {max_loss_per_trade: $1000}
"""
HELD = """rulebot: 1
name: bot
about: Sells a put on the first morning, and holds it.
underlying: SPX
entry: {at: "10:00", for: 30m, max_open: 1}
legs:
  expiry: {dte: {at_least: 90}}
  short_put: {sell: put, strike: {at: spot}}
order: {start: natural, wait: 30s, tries: 3, then: cancel}
exits: [{at_expiry: settle}]
risk: {undefined_risk: allow}
"""


def run(
    desk: LoadedBots,
    store: Path,
    source: PastDays,
    last: date = LAST,
    *,
    resumes: bool = False,
    calendar: Callable[[], EventCalendar] = lambda: event_calendar(shipped_dates()),
) -> Results:
    options = BacktestOptions(
        opens=lambda: source,
        data="made up",
        first=FIRST,
        last=last,
        store=store,
        fills=fill_model("mid"),
        calendar=calendar,
        resumes=resumes,
    )
    run_backtest(desk, options, lambda done, number, count: None)
    return read_results(store, "the store")


def with_own(*days: date) -> Callable[[], EventCalendar]:
    """Return what knows these days of an event `own` beside the shipped ones."""
    own = tuple(EventDay("own", day, None) for day in days)
    dates = Published(name="own", first=FIRST, last=LAST, days=own, verified=FIRST)
    return lambda: event_calendar((*shipped_dates(), dates))


def reported(found: Results) -> tuple[Sequence[object], ...]:
    """Return its trades, what the account was worth, and what was wrong with the data, whenever that was said."""
    trades = [(each.name, each.entered, each.left, each.reason, each.net) for each in found.trades]
    worth: list[tuple[date, Decimal]] = [(each.date, each.equity) for each in found.days]
    wrong = sorted((str(each["file"]), str(each["text"])) for each in found.findings)
    return trades, worth, wrong


def executed(store: Path) -> Sequence[Record]:
    """Return what was told of executions, each with its id."""
    with StoreReader(store) as reader:
        return reader.records((Kind.FILL, Kind.COMMISSION))


def interrupted(seed: int, folder: Path) -> int:
    """Run a bot as a whole and in parts, and compare; return how many trades it made."""
    chance = Random(seed)
    rolls = chance.random() < 0.5
    text = rolling_spec(seed, "bot") if rolls else random_spec(seed, "bot", dte=chance.choice((0, 1, 2)))
    symbol, of_class = ("SPY", "SPY") if "underlying: SPY" in text else ("SPX", "SPXW")
    source = PastDays(every=chance.choice((3, 5)), expiries=8, strikes=30, seed=seed, symbol=symbol,
                      trading_class=of_class)  # fmt: skip
    days = [*source.dates(FIRST, LAST)]
    source.refused = frozenset(chance.sample(days, chance.choice((0, 0, 1, 2))))
    source.missing = frozenset(chance.sample(days, chance.choice((0, 0, 1))))
    file = folder / "bot.yaml"
    file.write_text(text, encoding="utf-8")
    desk = load_all_bots([str(file)], {}, None)
    whole = run(desk, folder / f"{seed}-whole.db", source)
    parts = [day for day in source.dates(FIRST, LAST) if chance.random() < 0.7]
    for day in (*parts, LAST):
        gone_on = run(desk, folder / f"{seed}-parts.db", source, last=day, resumes=True)
    assert reported(gone_on) == reported(whole), f"seed {seed}"
    assert executed(folder / f"{seed}-parts.db") == executed(folder / f"{seed}-whole.db"), f"seed {seed}"
    return len(whole.trades)


@pytest.mark.parametrize("seed", [8, 16])
def test_interruptions_of_random_bots_change_nothing(seed: int, tmp_path: Path) -> None:
    assert interrupted(seed, tmp_path) > 0


@pytest.mark.parametrize("asks", [True, False])
def test_a_backtest_is_not_gone_on_with_when_other_dates_of_its_events_are_known(asks: bool, tmp_path: Path) -> None:
    """Sessions of both calendars stood in one result. What no bot asks for may change."""
    file, store, source = tmp_path / "bot.yaml", tmp_path / "x.db", PastDays(every=5, strikes=25)
    when = "  when: [{no_event: [own]}]\n" if asks else ""
    file.write_text(SPREAD.replace("legs:", f"{when}legs:"), encoding="utf-8")
    desk, second = load_all_bots([str(file)], {}, None), date(2026, 9, 2)
    before, after = with_own(FIRST), with_own(FIRST, second)
    assert len(run(desk, store, source, FIRST, calendar=before).days) == 1
    if asks:
        with pytest.raises(MisuseError, match="begun with other options: other dates of own were known"):
            run(desk, store, source, second, resumes=True, calendar=after)
    found = run(desk, store, source, second, resumes=True, calendar=before if asks else after)
    assert [bool(each.opened) for each in found.days] == [not asks, True]


def test_one_that_was_killed_before_it_wrote_anything_is_begun(tmp_path: Path) -> None:
    """Its store was there, and held no backtest: neither with --resume nor without could it be gone on with."""
    file, store, source = tmp_path / "bot.yaml", tmp_path / "x.db", PastDays(every=5, strikes=25)
    file.write_text(SPREAD, encoding="utf-8")
    open_store(store).close()
    desk = load_all_bots([str(file)], {}, None)
    with pytest.raises(MisuseError, match="is there already"):
        run(desk, store, source, FIRST)
    assert len(run(desk, store, source, FIRST, resumes=True).days) == 1


def test_what_was_quoted_last_before_months_is_worth_that_after_an_interruption(tmp_path: Path) -> None:
    """Only the first two sessions quote the put that is held: later ones have others, for longer than a month."""
    expiry, last = date(2026, 12, 18), date(2026, 10, 30)

    def far(day: HistoryDay) -> HistoryDay:
        strikes = range(5700, 6200, 5) if day.date <= date(2026, 9, 2) else range(4000, 4500, 5)
        options = tuple(Option("SPX", "SPXW", expiry, Decimal(strike), Right.PUT) for strike in strikes)
        bid = np.full((len(day.times), 100), 40.0)
        return HistoryDay(
            date=day.date, times=day.times, levels={"SPX": day.levels["SPX"]}, options=options, bid=bid, ask=bid + 1
        )

    file = tmp_path / "bot.yaml"
    file.write_text(HELD, encoding="utf-8")
    desk, source = load_all_bots([str(file)], {}, None), PastDays(last=last, every=5, change=far)
    whole = run(desk, tmp_path / "whole.db", source, last=last)
    for day in (date(2026, 10, 20), last):
        gone_on = run(desk, tmp_path / "parts.db", source, last=day, resumes=True)
    assert len(whole.trades) == 1
    assert reported(gone_on) == reported(whole)


def test_an_order_that_has_filled_in_part_pays_the_least_of_an_order_once(tmp_path: Path) -> None:
    """It paid that again for what filled after an interruption."""
    expiry, last, filling = date(2026, 12, 18), date(2026, 9, 3), (date(2026, 9, 2), date(2026, 9, 3))

    def far(day: HistoryDay) -> HistoryDay:
        options = tuple(Option("SPX", "SPXW", expiry, Decimal(strike), Right.PUT) for strike in range(5700, 6200, 5))
        bid = np.full((len(day.times), len(options)), 40.0)
        if day.date in filling:
            bid[-2] = 9.0
        size = np.full_like(bid, 1.0 if day.date in filling else 10.0)
        return HistoryDay(
            date=day.date, times=day.times, levels={"SPX": day.levels["SPX"]}, options=options, bid=bid, ask=bid + 1,
            bid_size=size, ask_size=size,
        )  # fmt: skip

    (tmp_path / "account.yaml").write_text(
        "rulebot_account: 1\nabout: Puts without cash.\naccount: DU1234567\nrisk: {cash_secured_puts: ignore}\n",
        encoding="utf-8",
    )
    file = tmp_path / "bot.yaml"
    exits = "exits: [{target: {profit: 60%}, resting: true}, "
    text = HELD.replace("entry:", "quantity: 2\nentry:").replace("exits: [", exits)
    file.write_text(text, encoding="utf-8")
    desk, source = load_all_bots([str(file)], {}, None), PastDays(last=last, every=5, change=far)
    whole = run(desk, tmp_path / "whole.db", source, last=last)
    for day in (*filling, last):
        gone_on = run(desk, tmp_path / "parts.db", source, last=day, resumes=True)
    assert [(each.quantity, each.reason) for each in whole.trades] == [(2, "target")]
    assert reported(gone_on) == reported(whole)


@pytest.mark.parametrize("is_quoted", [True, False], ids=["quoted", "quoted no more"])
def test_a_day_begins_with_the_last_profit_on_record(is_quoted: bool, tmp_path: Path) -> None:
    """Of what expires in weeks a snapshot is kept every five minutes: where the data ends between two of them, a loss
    of the day after was counted from the minute before that end, after an interruption from the snapshot.
    """
    expiry, days = date(2026, 12, 18), (date(2026, 9, 1), date(2026, 9, 2))

    def far(day: HistoryDay) -> HistoryDay:
        first = 5700 if is_quoted or day.date == days[0] else 5701
        strikes = range(first, first + 500, 5)
        options = tuple(Option("SPX", "SPXW", expiry, Decimal(strike), Right.PUT) for strike in strikes)
        bid = np.full((388, len(options)), 40.0 if day.date == days[0] else 43.0)
        bid[386:] = 43.0  # at 15:56 and 15:57, where it ends
        level = day.levels["SPX"][:388]
        return HistoryDay(
            date=day.date, times=day.times[:388], levels={"SPX": level}, options=options, bid=bid, ask=bid + 1
        )

    file = tmp_path / "bot.yaml"
    text = HELD.replace("max_open: 1", "max_open: 2").replace("risk: {", "risk: {daily_loss: $200, ")
    file.write_text(text, encoding="utf-8")
    desk, source = load_all_bots([str(file)], {}, None), PastDays(last=days[1], change=far)
    whole = run(desk, tmp_path / "whole.db", source, last=days[1])
    for day in days:
        gone_on = run(desk, tmp_path / "parts.db", source, last=day, resumes=True)
    assert reported(gone_on) == reported(whole)
    assert gone_on.funnels == whole.funnels


def test_sessions_that_are_apart_have_room_for_the_orders_of_many_bots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a thousand numbers a session three bots that asked for the mid all day took those of the next one.

    The store had two orders under each, and its tables were not its journal's.
    """
    (tmp_path / "bot.yaml").write_text(SPREAD, encoding="utf-8")
    desk, source = load_all_bots([str(tmp_path / "bot.yaml")], {}, None), PastDays(strikes=30)
    run(desk, tmp_path / "b.db", source, last=date(2026, 9, 2))
    with StoreReader(tmp_path / "b.db") as reader:
        numbers = {each.at.date(): int(str(each.data["number"])) for each in reversed(reader.records((Kind.ORDER,)))}
    most_of_a_bot = MOST * (timedelta(hours=6, minutes=30) // WITHIN)
    assert numbers[date(2026, 9, 2)] - numbers[FIRST] >= 50 * most_of_a_bot
    monkeypatch.setattr("rulebot.backtest.run.NUMBERS", 1)
    with pytest.raises(InvariantError, match="2026-09-01: more than 1 orders, whose numbers are those of the next"):
        run(desk, tmp_path / "c.db", source)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_interruptions_of_many_random_bots_change_nothing(tmp_path: Path) -> None:
    assert sum(interrupted(seed, tmp_path) for seed in range(60)) > 500
