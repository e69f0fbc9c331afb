"""Whatever wakes bots: a turn in which all of them are judged decides nothing that the engine has not decided already.

After each instant of a past session the same instant is told once more, as if every bot read everything that moved.
"""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from both_ways import FIRST, calendar, terms
from past_days import Leaps, PastDays, with_spy
from plain_specs import calm_spec, random_spec
from rolling_specs import rolling_spec

from rulebot.backtest.fill_model import fill_model
from rulebot.backtest.simulation import BacktestSimulation
from rulebot.core.handle_event import handle_event
from rulebot.core.program import Program
from rulebot.core.subscribe.subscriptions import SOON
from rulebot.documents.load_bots import load_all_bots
from rulebot.model.event import MarketDataUpdated
from rulebot.model.order import RequestOpenOrders, Subscribe
from rulebot.record.record import Kind
from rulebot.sweep.variant import program_of

ROOT = Path(__file__).parents[2]
ASKED_BY_THE_CLOCK = (RequestOpenOrders, Subscribe)
"""Commands that decide nothing: what works at the broker, what is streamed."""
WITHOUT_AN_EFFECT = ("stop watching", "halt")
"""Decisions about a bot that has no entry left, or else commands go with them: they may be told later."""
TRIED = ("breach", "cool_down", "each_side", "halts", "halving", "one_side_or_all", "protected_condor", "resting_put",
         "tiers", "trailing")  # fmt: skip
"""Examples that use what single exits do not: several positions, parts, resting and armed exits, halts."""
STRUCK = """rulebot: 1
name: struck
about: Sells a strangle slowly, unless VIX jumps.
underlying: SPX
entry:
  window: {from: "10:00", to: "11:00"}
legs:
  expiry: {dte: 0}
  short_put: {sell: put, strike: {delta: 0.15}}
  short_call: {sell: call, strike: {delta: 0.15}}
order: {start: mid, step: 0.05, wait: 5m, tries: 6, then: cancel}
exits:
  - time: "15:45"
risk:
  undefined_risk: allow
  halt_when:
    - vix_spike: {above: 0.2 pts}
"""


def program_from(text: str, name: str, source: PastDays) -> Program:
    return program_of(text, replace(terms(source, 1), file=f"{name}.yaml"))


def source_of(text: str, kind: type[PastDays], seed: int) -> PastDays:
    """Return sessions of what a bot trades."""
    if "underlying: SPY" in text:
        return kind(strikes=60, seed=seed, expiries=6, symbol="SPY", trading_class="SPY")
    return kind(strikes=60, seed=seed, expiries=6, change=with_spy)


def live_through(
    program: Program, source: PastDays, days: int, fills: str, monkeypatch: pytest.MonkeyPatch
) -> list[Kind]:
    """Live through sessions, and tell each instant twice. Return what was recorded, by kind."""
    step = BacktestSimulation._step

    def step_twice(walk: BacktestSimulation, *reported: object) -> None:
        step(walk, *reported)  # type: ignore[arg-type]
        assert walk.state is not None
        session, state = walk.state.schedule.session, walk.state
        if not session.open <= walk.now < session.close or state.schedule.wake_at <= walk.now + SOON:
            return  # what a change lets others do is done a second later
        rows = tuple(range(len(state.market.board.contracts)))
        woken = state._replace(
            subscriptions=replace(state.subscriptions, dependents=dict.fromkeys(rows, tuple(state.bots.by_name)))
        )
        found = handle_event(walk.program, woken, MarketDataUpdated(walk.now, rows))
        commands = [each for each in found.commands if not isinstance(each, ASKED_BY_THE_CLOCK)]
        decisions = [each.data for each in found.records if each.kind is Kind.DECISION]
        decided = [each for each in decisions if each["what"] not in WITHOUT_AN_EFFECT]
        assert not commands, f"{walk.now}: {commands}"
        assert not decided, f"{walk.now}: {decided}"

    monkeypatch.setattr(BacktestSimulation, "_step", step_twice)
    walk = BacktestSimulation(program, source, calendar(), fill_model(fills), terms(source, 1).cash)
    last = source.dates(FIRST, date(2026, 9, 30))[days - 1]
    return [record.kind for done in walk.through(FIRST, last) for record in done.records]


@pytest.mark.parametrize("name", TRIED)
def test_examples_act_all_at_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "examples" / f"{name}.yaml").read_text(encoding="utf-8")
    source = source_of(text, PastDays, seed=5)
    program = program_from(text, name, source)
    assert Kind.FILL in live_through(program, source, 1, "mid", monkeypatch)


def test_a_halt_is_seen_while_an_entry_works(monkeypatch: pytest.MonkeyPatch) -> None:
    source = PastDays(seed=2)
    kinds = live_through(program_from(STRUCK, "struck", source), source, 3, "natural", monkeypatch)
    assert Kind.ORDER in kinds


def bots() -> list[Path]:
    """Return all examples and shipped specs that are bots."""
    files = [*sorted((ROOT / "examples").glob("*.yaml")), *sorted((ROOT / "specs").glob("*.yaml"))]
    return [file for file in files if "\nrulebot: 1\n" in f"\n{file.read_text(encoding='utf-8')}"]


@pytest.mark.long
@pytest.mark.parametrize("number", [pytest.param(n, id=f"{'' if n % 16 else 'ci '}{n}") for n in range(len(bots()))])
def test_every_bot_that_is_shipped_acts_all_at_once(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    file = bots()[number]
    source = source_of(file.read_text(encoding="utf-8"), Leaps, seed=1)
    live_through(load_all_bots([str(file)], {}, None).program("t", {}, 90), source, 3, "natural", monkeypatch)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(40))
def test_random_bots_act_all_at_once(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    source = (PastDays if seed % 2 else Leaps)(strikes=60, seed=seed, change=with_spy)
    text = calm_spec(seed) if seed % 3 == 0 else random_spec(seed)
    live_through(program_from(text, "plain", source), source, 3, ("natural", "mid")[seed % 2], monkeypatch)


@pytest.mark.long
@pytest.mark.parametrize(
    "seed", [pytest.param(each, id=f"{'ci ' if each in (18, 39) else ''}{each}") for each in range(40)]
)
def test_random_bots_that_roll_act_all_at_once(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of them were looked at up to 15 seconds after they had been held for the time that an exit asks for."""
    text = rolling_spec(seed, "plain")
    source = source_of(text, PastDays if seed % 2 else Leaps, seed)
    live_through(program_from(text, "plain", source), source, 3, ("natural", "mid")[seed % 2], monkeypatch)
