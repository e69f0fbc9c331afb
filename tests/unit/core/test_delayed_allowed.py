"""Bots that may trade on delayed data: which symbols count, who is told, and no real money."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rulebot.core.handle_event import handle_event, start_run
from rulebot.core.state.state import MarketData, Schedule, State
from rulebot.documents.load_bots import LoadedBots, check_live_data, load_all_bots
from rulebot.model.contract import Underlying
from rulebot.model.errors import MisuseError
from rulebot.model.event import DataTrouble
from rulebot.model.facts import EventCalendar, Facts
from rulebot.model.market import Board
from rulebot.model.session import session_on
from rulebot.record.record import Kind

TEXT = """rulebot: 1
name: NAME
about: Sells a put spread.
underlying: SYMBOL
entry: {at: "10:00", when: [{vix: {below: 40}}]}
legs:
  expiry: {dte: 0}
  short_put: {sell: put, strike: {delta: 0.20}}
  long_put:  {buy: put,  strike: {below: short_put, by: 5 pts}}
order: {start: mid, step: 0.05, wait: 10s, tries: 6, then: cancel}
exits: [{time: "15:30"}]
risk: {max_loss_per_trade: $2000, delayed_data: DATA}
"""
AT = datetime(2026, 10, 21, 13, 0, tzinfo=UTC)


def desk(folder: Path, bots: Mapping[str, tuple[str, str]]) -> LoadedBots:
    """Return bots by name, each with its underlying and what it says of delayed data."""
    for name, (symbol, data) in bots.items():
        text = TEXT.replace("NAME", name).replace("SYMBOL", symbol).replace("DATA", data)
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return load_all_bots([str(folder / f"{name}.yaml") for name in bots], {}, None)


@pytest.mark.parametrize(
    ("bots", "symbols"),
    [
        ({"one": ("SPX", "allow")}, {"SPX", "VIX"}),
        ({"one": ("SPX", "refuse")}, set()),
        ({"one": ("SPX", "allow"), "two": ("SPY", "allow")}, {"SPX", "SPY", "VIX"}),
        ({"one": ("SPX", "allow"), "two": ("SPY", "refuse")}, {"SPX"}),
        ({"one": ("SPX", "allow"), "two": ("SPX", "refuse")}, set()),
    ],
)
def test_late_data_counts_where_every_bot_that_reads_it_allows_it(
    tmp_path: Path, bots: Mapping[str, tuple[str, str]], symbols: set[str]
) -> None:
    assert desk(tmp_path, bots).program("t", {}, 90).may_be_delayed() == symbols


def test_a_bot_on_late_data_raises_an_alarm_and_others_do_not(tmp_path: Path) -> None:
    program = desk(tmp_path, {"one": ("SPX", "allow"), "two": ("SPY", "refuse")}).program("t", {}, 90)
    day = session_on(AT.date())
    assert day is not None
    state = State(Schedule(day), MarketData(Board(), facts=Facts(events=EventCalendar())))
    state = start_run(program, state, AT).state
    for event, reported in (
        (DataTrouble(AT, "SPX", "SPX: delayed data", is_late=True), ["one"]),
        (DataTrouble(AT, "SPY", "SPY: delayed data", is_late=True), []),
        (DataTrouble(AT, "SPX", "SPX: no subscription"), []),
    ):
        alarms = [each for each in handle_event(program, state, event).records if each.kind is Kind.ALARM]
        assert [each.bot for each in alarms] == reported
        assert all("10 to 15 minutes late" in str(each.data["text"]) for each in alarms)


def test_real_money_is_never_on_late_data(tmp_path: Path) -> None:
    check_live_data(desk(tmp_path, {"one": ("SPX", "refuse")}))
    with pytest.raises(MisuseError, match="two may trade on delayed data"):
        check_live_data(desk(tmp_path, {"one": ("SPX", "refuse"), "two": ("SPY", "allow")}))


def test_what_may_be_delayed_can_change_while_it_streams() -> None:
    board = Board()
    row = board.add(Underlying("SPX"))
    board.note_delayed(row)
    assert row in board.frozen
    board.allow_delayed(frozenset({"SPX"}))
    assert row not in board.frozen
    assert row in board.copy().delayed
    board.allow_delayed(frozenset())
    assert row in board.frozen
    board.drop(Underlying("SPX"))
    assert row not in board.delayed
