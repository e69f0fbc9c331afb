"""What `rulebot top` draws, to the letter: at the usual widths, with a question, with help, and when it gets narrow."""

from dataclasses import replace
from datetime import date

import pytest
from rich.console import Console, Group
from store_day import at
from syrupy.assertion import SnapshotAssertion

from rulebot.cli.terminal.top_keys import Focus, Row, after_key, rows_of
from rulebot.cli.terminal.top_text import ScreenData, top_lines
from rulebot.narrate.happenings import EventLine, Tone
from rulebot.narrate.snapshot import (
    AccountFigures,
    BotActivity,
    BotSnapshot,
    OrderSnapshot,
    PositionSnapshot,
    Snapshot,
    SymbolGreeks,
)

CONDOR = PositionSnapshot(
    id="dte0_condor-1", bot="dte0_condor", structure="5890/5900p 6035/6045c", state="open", opened_at=at("09:45"),
    dte=0, entry=0.55, mid=0.7, profit=-19.93,
    underlyings=(SymbolGreeks("SPX", -0.66, -0.158, 445.6, -9.71, price=5976.12, beta=1.0),),
    exits="target 0.28; stop 1.10; time 15:45; breach spot_within 15 pts; leg_delta beyond 0.15", max_loss=930.0,
    at_target=27.5, at_stop=-55.0,
)  # fmt: skip
PUT = PositionSnapshot(
    id="spy_put_seller-1", bot="spy_put_seller", structure="12 x 546p 2027-01-15", state="exiting",
    opened_at=at("08:32", date(2026, 10, 20)), dte=86, entry=4.72, mid=4.685, profit=1_234.5,
    underlyings=(SymbolGreeks("SPY", 15.1, None, 7.8, -1067.6, price=596.84, beta=1.0),),
    exits="resting: target 1.89, stop 14.16",
)  # fmt: skip
PICTURE = Snapshot(
    at=at("10:47"),
    engine="running",
    trading="active",
    mode="paper",
    is_simulated=True,
    realized=-19.1,
    open_profit=1_214.57,
    account=AccountFigures(id="DU0000007", net_liquidation=999_996.2, buying_power=3_999_844.1, cash=1_000_521.0),
    levels=(("SPX", 5976.12), ("SPY", 596.84), ("VIX", None)),
    bots=(
        BotSnapshot(bot="calm_tape_condor", doing=BotActivity.FLAT, waits="its window, 10:30"),
        BotSnapshot(
            bot="dte0_condor",
            doing=BotActivity.OPEN,
            since=at("09:45"),
            structure=CONDOR.structure,
            profit=-19.93,
            waits=CONDOR.exits,
            is_paused=True,
        ),
        BotSnapshot(
            bot="monthly_condor", doing=BotActivity.WATCHING, waits="vix_change 2.0%, at least 20%: 18.0% too little"
        ),
        BotSnapshot(
            bot="spy_put_seller",
            doing=BotActivity.EXITING,
            since=at("08:32", date(2026, 10, 20)),
            structure=PUT.structure,
            profit=1_234.5,
            waits="flattened: closing",
        ),
        BotSnapshot(
            bot="a_bot_whose_name_is_longer_than_its_column",
            doing=BotActivity.HALTED,
            profit=-19.1,
            waits="day_range 37.2 pts, above 37.1 (the open's expected move)",
        ),
    ),
    positions=(CONDOR, PUT),
    orders=(
        OrderSnapshot(
            bot="spy_put_seller",
            purpose="exit",
            reason="flattened",
            state="working",
            quantity=12,
            limit=4.69,
            attempt=2,
        ),
    ),
)
ALARMS = tuple(
    EventLine(at(f"10:{40 - n}"), "spy_put_seller", f"no quote of SPY 546P for {n} s", Tone.ALARM) for n in range(7)
)
SEEN = ScreenData(PICTURE, ALARMS, waiting=0, store="runs/2026-11-18-7.db")
SIZES = ((80, 24), (120, 34))


def drawn(seen: ScreenData, focus: Focus, width: int, height: int) -> str:
    """Return a whole screen; nothing is wider or higher than it, and nothing is moved by what is typed."""
    console = Console(width=width, height=height, color_system=None, force_terminal=False)
    lines = top_lines(seen, focus, width, height)
    assert len(lines) <= height
    with console.capture() as found:
        console.print(Group(*lines))
    shown = found.get().rstrip("\n").split("\n")
    assert len(shown) == len(lines), "a line was broken"
    assert max(len(line) for line in shown) <= width
    return "\n".join(line.rstrip() for line in shown)


def test_the_sum_of_the_profits_is_that_of_the_lines_above_it() -> None:
    """It was today's, beside lines of positions that were opened days ago."""
    shown = drawn(replace(SEEN, picture=replace(PICTURE, open_profit=14.57)), Focus(), *SIZES[1])
    (line,) = (each for each in shown.splitlines() if each.startswith(" all "))
    assert "+$1,214.57" in line


def all_line(*positions: PositionSnapshot) -> list[str]:
    """Return the sums of delta, gamma, theta and vega on the line of all positions."""
    shown = drawn(replace(SEEN, picture=replace(PICTURE, positions=positions)), Focus(), *SIZES[1])
    (line,) = (each for each in shown.splitlines() if each.startswith(" all "))
    return line.split()[-4:]


def test_greeks_of_one_underlying_add_up_and_those_of_several_do_not() -> None:
    """0.0 stood there for greeks that are not known, and for deltas of SPX and SPY that have no unit in common."""
    assert all_line(CONDOR, replace(CONDOR, id="dte0_condor-2")) == ["-1.3", "-0.32", "891.2", "-19.4"]
    assert all_line(CONDOR, PUT) == ["-", "-", "453.4", "-1,077.3"]
    assert all_line(CONDOR, replace(CONDOR, id="dte0_condor-2", underlyings=())) == ["-", "-", "-", "-"]
    assert "delta in SPX 0.8" in drawn(SEEN, Focus(), *SIZES[1])


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_top_fits_each_terminal_size(width: int, height: int, snapshot: SnapshotAssertion) -> None:
    assert drawn(SEEN, Focus(chosen=Row("dte0_condor", "dte0_condor-1")), width, height) == snapshot


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("keys", ["jp", "Gkc", "G", "?"])
def test_screen_after_keys(keys: str, width: int, height: int, snapshot: SnapshotAssertion) -> None:
    focus = Focus(chosen=rows_of(PICTURE)[0])
    for key in keys:
        focus, _ = after_key(focus, key, PICTURE)
    assert drawn(SEEN, focus, width, height) == snapshot


@pytest.mark.parametrize(("width", "height"), [*SIZES, (40, 10), (200, 50)])
def test_screen_that_has_something_to_say(width: int, height: int, snapshot: SnapshotAssertion) -> None:
    picture = replace(
        PICTURE, trading="reducing", notice="nothing is opened, exits continue; Start lets bots enter again"
    )
    seen = replace(SEEN, picture=picture, waiting=2)
    assert drawn(seen, Focus(chosen=Row("spy_put_seller")), width, height) == snapshot


def test_screen_of_a_store_in_which_nothing_has_run(snapshot: SnapshotAssertion) -> None:
    empty = Snapshot(at=None, engine="stopped", trading="stopped", notice="nothing has run on this store")
    assert drawn(ScreenData(empty, store="a.db"), Focus(), 80, 24) == snapshot


def test_the_last_row_leads_to_the_end_of_what_there_is() -> None:
    assert "no quote of SPY" not in drawn(SEEN, Focus(), 80, 24)
    assert "no quote of SPY 546P for 4 s" in drawn(SEEN, Focus(chosen=rows_of(PICTURE)[-1]), 80, 24)


def test_a_store_that_cannot_be_read_is_reported_over_what_was_read_last() -> None:
    shown = drawn(replace(SEEN, fault="the store a.db is locked"), Focus(), 80, 24)
    assert "this is old, and read again soon: the store a.db is locked" in shown
    assert "dte0_condor" in shown


def test_real_money_is_named_whatever_the_width() -> None:
    live = replace(SEEN, picture=replace(PICTURE, mode="live", is_simulated=False))
    assert all("LIVE: REAL MONEY" in drawn(live, Focus(), width, 24) for width in (60, 80, 120))


@pytest.mark.parametrize("width", [20, 40, 60, 80, 105, 160])
@pytest.mark.parametrize("height", [4, 8, 12, 18, 24, 60])
def test_what_is_chosen_is_always_on_the_screen(width: int, height: int) -> None:
    for row in rows_of(PICTURE):
        shown = drawn(SEEN, Focus(chosen=row), width, height)
        if height >= 12:
            assert any(line.startswith(">") for line in shown.split("\n")), row


def test_help_is_whole_on_a_small_screen() -> None:
    """Its end was cut off, and the key that was to lead there closed it."""
    shown = drawn(SEEN, Focus(is_helping=True), 60, 20)
    assert "their last change." in shown
    assert "the first and the last\n" in shown
    assert "1 more line" not in shown
    assert "G leads" not in drawn(SEEN, Focus(is_helping=True), 60, 12)


def test_a_question_is_shown_to_its_end_however_narrow() -> None:
    focus, _ = after_key(Focus(chosen=Row("dte0_condor")), "c", PICTURE)
    for width in (40, 60, 80, 120):
        shown = drawn(SEEN, focus, width, 24)
        assert shown.rstrip().endswith("pause it if it shall not. y/n") or "y/n" in shown.split("\n")[-1]
