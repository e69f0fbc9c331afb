"""What is said at a start: what nobody may overlook of a live run, above lines and table; what is taken up."""

from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console
from rich.text import Text
from store_day import at, condor, position

from rulebot.cli.run_modes import admitted
from rulebot.cli.terminal.screen import OWN_CLOCK, LiveTable, closed_lines, framed, live_title, resumed_lines, warnings
from rulebot.core.state.state import OperatorState, TradingMode
from rulebot.model.order import OrderStatus, Purpose
from rulebot.model.position import HoldReason

REAL = "LIVE: REAL MONEY in account U1234567"
PLAYED = "LIVE, SIMULATED: account U1234567 is played by a simulated gateway, no real money"
SEEN = "OBSERVING: nothing is sent, orders fill by a model (mid)"


def run(mode: str, *, simulated: bool) -> Any:
    """Return what the title is made of."""
    link = SimpleNamespace(account="U1234567", is_simulated=simulated)
    options = SimpleNamespace(settings={"mode": mode, "fills": "mid"})
    return SimpleNamespace(options=options, world=SimpleNamespace(ib=SimpleNamespace(link=link)))


@pytest.mark.parametrize(
    ("mode", "simulated", "title"),
    [("live", False, REAL), ("live", True, PLAYED), ("paper", False, ""), ("", True, ""), ("observe", False, SEEN)],
)
def test_the_title_says_real_money_observe_or_simulated(mode: str, simulated: bool, title: str) -> None:
    assert live_title(run(mode, simulated=simulated)) == title


@pytest.mark.parametrize(
    ("simulated", "lockstep", "warned"), [(True, False, [OWN_CLOCK]), (True, True, []), (False, False, [])]
)
def test_a_run_by_its_own_clock_at_a_simulated_gateway_is_warned(
    simulated: bool, lockstep: bool, warned: list[str]
) -> None:
    """`run --paper --gateway` without --sim waited for its window by the wrong clock, and the gateway's day went by."""
    link = SimpleNamespace(is_simulated=simulated, is_lockstep=lockstep)
    loop = SimpleNamespace(state=SimpleNamespace(market=SimpleNamespace(facts=SimpleNamespace(events=None))))
    started: Any = SimpleNamespace(world=SimpleNamespace(ib=SimpleNamespace(link=link)), loop=loop)
    desk: Any = SimpleNamespace(bots={}, warnings=())
    assert warnings(desk, started) == warned


def test_a_start_on_a_day_without_a_session_says_when_the_next_one_opens() -> None:
    """On a weekend nothing was said in a pipe, and the table waited for a window without a word of a day."""
    reported = [" the exchange is closed: the next session opens on Monday, 2026-11-30 at 09:30"]
    starts = ["2026-11-27T14:29Z", "2026-11-27T18:00Z", "2026-11-28T15:00Z", "2026-11-30T09:00Z", "2026-11-30T16:00Z"]
    assert [closed_lines(datetime.fromisoformat(each)) for each in starts] == [[], reported, reported, [], []]


@pytest.mark.parametrize(
    ("bots", "reported"),
    [
        (("wheel", "condor"), "condor, wheel will trade account U1234567 with real money, kept in "),
        ((), "nothing will be entered; exits of what is open in "),
    ],
)
def test_who_confirms_an_account_reads_what_will_trade_it(
    bots: tuple[str, ...],
    reported: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With --exits-only it said that nobody, a name that was empty, would trade the account."""

    async def offered(settings: object) -> tuple[int, object, str]:
        return 4001, SimpleNamespace(is_simulated=False, reported_at=datetime.fromisoformat("2026-11-30T14:00Z")), ""

    monkeypatch.setattr("rulebot.cli.run_modes._offered", offered)
    monkeypatch.setattr("rulebot.promotion.promotion.missing", lambda asked: [])
    monkeypatch.setattr("rulebot.cli.run_modes._is_terminal", lambda: True)
    monkeypatch.setattr("click.prompt", lambda text, **options: " U1234567 ")
    rules = SimpleNamespace(live=SimpleNamespace(account="U1234567"))
    desk: Any = SimpleNamespace(bots=dict.fromkeys(bots), texts=(), account=rules)
    settings: Any = SimpleNamespace(live_store=tmp_path / "live.db", host="127.0.0.1", live_port=4001)
    assert admitted(desk, settings, None)[:2] == ("U1234567", 4001)
    assert capsys.readouterr().out.startswith(reported)


@pytest.mark.parametrize("width", [30, 120])
def test_the_table_bears_it_cut_to_the_width(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rulebot.cli.terminal.screen.glance_lines", lambda shown, width: [])
    table = LiveTable(Console(width=width, height=20))
    assert [line.plain for line in table._lines(None)] == [""]  # type: ignore[arg-type]
    table.title = REAL
    first, title = table._lines(SimpleNamespace(notice=""))  # type: ignore[arg-type]
    assert (first.plain, title.style) == ("", "bold white on red")
    assert len(title.plain) < width
    assert title.plain.startswith(" LIVE: REAL MONEY")


def test_a_table_that_is_too_high_names_what_shows_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It named `rulebot status`, which says nothing of bots that wait."""
    monkeypatch.setattr("rulebot.cli.terminal.screen.glance_lines", lambda shown, width: [Text("")] * 30)
    lines = LiveTable(Console(width=80, height=20))._lines(SimpleNamespace(notice=""))  # type: ignore[arg-type]
    assert lines[-1].plain == " 14 more lines: 'rulebot top' has all"


def test_an_entry_at_work_is_taken_up_as_an_order_and_not_as_a_position() -> None:
    times = {"prepared_at": at("10:00"), "changed_at": at("10:00")}
    entry = condor("rb-1", 1, Purpose.ENTRY, status=OrderStatus.WORKING, reason="", **times)
    entering = SimpleNamespace(
        positions=SimpleNamespace(by_id={"P1": position("entering", False, False)}),
        orders=SimpleNamespace(by_ref={"rb-1": entry}),
    )
    held = SimpleNamespace(
        positions=SimpleNamespace(by_id={"P1": position("open", True, False)}), orders=SimpleNamespace(by_ref={})
    )
    for state, words in ((entering, "0 open positions, 1 order"), (held, "1 open position, 0 orders")):
        assert resumed_lines(resumed(state, "dte0_condor")) == [f" from the last run: {words} working"]


def test_what_a_bot_of_another_name_has_opened_is_named() -> None:
    """A renamed bot entered the same once more, and nothing said that its old position was nobody's."""
    held = SimpleNamespace(
        positions=SimpleNamespace(by_id={"P1": position("open", True, False)}), orders=SimpleNamespace(by_ref={})
    )
    assert resumed_lines(resumed(held, "renamed"))[1:] == [
        " of bots that are not running: 1 position of dte0_condor; exits continue, and no bot counts them as its own"
    ]


@pytest.mark.parametrize(
    ("standing", "reported"),
    [
        (OperatorState(TradingMode.REDUCING), " killed: no bot enters until 'rulebot resume'; exits continue"),
        (
            OperatorState(paused=frozenset({"dte0_condor"})),
            " paused: dte0_condor enters nothing until 'rulebot resume dte0_condor'; exits continue",
        ),
    ],
    ids=["all", "one"],
)
def test_a_kill_that_holds_over_the_start_is_reported_with_what_ends_it(standing: OperatorState, reported: str) -> None:
    """A service whose bots entered nothing all day said nothing of it in its log."""
    state = SimpleNamespace(
        positions=SimpleNamespace(by_id={}),
        orders=SimpleNamespace(by_ref={}),
        requests=SimpleNamespace(operator=standing),
    )
    assert resumed_lines(resumed(state, "dte0_condor"))[1:] == [reported]


def test_a_position_that_is_on_hold_is_reported_with_the_reason() -> None:
    """Its alarm comes once a session, so that a restart within it said nothing of what nobody closes any more."""
    held = position(
        "open", True, False, hold=HoldReason.ACCOUNT_DIFFERS, on_hold="the account holds less than our books"
    )
    state = SimpleNamespace(positions=SimpleNamespace(by_id={"P1": held}), orders=SimpleNamespace(by_ref={}))
    reported = f" on hold: dte0_condor {held.id}: the account holds less than our books"
    assert resumed_lines(resumed(state, "dte0_condor"))[1:] == [reported]


def resumed(state: Any, bot: str) -> Any:
    """Return a start of one bot that takes up a state; nobody has asked for anything unless it says so."""
    state.requests = getattr(state, "requests", SimpleNamespace(operator=OperatorState()))
    loop = SimpleNamespace(program=SimpleNamespace(bots={bot: None}))
    return SimpleNamespace(resumed=SimpleNamespace(is_fresh=False, state=state), loop=loop)


def test_its_frame_fits_the_terminal() -> None:
    """On one of 80 columns the frame of a simulated live account was broken, and its title too."""
    assert framed("", 80) == []
    bar = "=" * (len(PLAYED) + 6)
    assert framed(PLAYED, None) == framed(PLAYED, 200) == [bar, f"== {PLAYED} ==", bar]
    top, *titles, bottom = framed(PLAYED, 80)
    assert top == bottom == "=" * len(top)
    assert {len(line) for line in titles} == {len(top)}
    assert len(top) <= 80
    assert " ".join(line.strip("= ") for line in titles) == PLAYED
