"""Sessions by arrays of bots that read options at the money or the move of the open, and that are halted.

What comes of them is what comes of them turn by turn, also where spot moves further than what is streamed.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from both_ways import FILLS, FIRST, both, calendar, terms, together_and_alone
from past_days import Leaps, PastDays, crossed, with_spy
from plain_specs import calm_spec

from rulebot.adapters.history.session import DailyBar, HistoryDay, SharedSource
from rulebot.backtest.fill_model import NATURAL
from rulebot.backtest.historical_market import DayMarket
from rulebot.backtest.simulation import BacktestSimulation
from rulebot.core.program import Program
from rulebot.model.contract import Contract
from rulebot.model.session import session_on
from rulebot.record.record import Kind, Record
from rulebot.sweep.variant import program_of
from rulebot.sweep.vectorized import entries as groups
from rulebot.sweep.vectorized.entry_window import ArrayBot, Conditions, Numbers
from rulebot.sweep.vectorized.session_arrays import ArrayDay
from rulebot.sweep.vectorized.strikes import AtMoney

LADDER = "mid, step: 0.10, wait: 25s, tries: 12"
STRANGLE = """rulebot: 1
name: plain
about: Sells a strangle as far away as options at the money say.
underlying: SPX
entry:
  window: {from: "10:00", to: "15:00"}
legs:
  expiry: {dte: 0}
  short_put: {sell: put, strike: {expected_move: 1x}}
  short_call: {sell: call, strike: {expected_move: 1x}}
  require:
    - credit: {at_least: 500}
order: {start: natural, wait: 10s, tries: 1, then: cancel}
exits:
  - target: {profit: 50%, at: natural}
  - time: "15:45"
exit_order: {start: natural, wait: 5s, tries: 1, then: market}
risk:
  undefined_risk: allow
"""


def compare_calm(seeds: range, days: int, source: PastDays, fills: str) -> tuple[int, int]:
    """Assert that bots that read options at the money come to the same; return their trades, and sessions by arrays."""
    fast, slow = both([calm_spec(seed) for seed in seeds], terms(source, days, fills))
    for seed, one, other in zip(seeds, fast, slow, strict=True):
        assert not one.problem, f"seed {seed}: {one.problem}"
        assert one == other, f"seed {seed}: {calm_spec(seed)}"
    return sum(each.trades for each in slow), sum(each.by_arrays for each in fast)


@pytest.mark.parametrize(
    ("fewest", "fills", "seeds"), [(1, "natural", range(8)), (1_000, "mid+0.3", range(8, 15))], ids=["all", "apart"]
)
def test_bots_that_read_options_at_the_money_come_to_the_same(
    fewest: int, fills: str, seeds: range, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "FEWEST", fewest)
    trades, by_arrays = compare_calm(seeds, 2, PastDays(strikes=40, seed=7, change=with_spy), fills)
    assert trades >= 3
    assert by_arrays >= 13


def test_where_spot_leaps_what_is_streamed_yet_decides() -> None:
    trades, by_arrays = compare_calm(range(40, 52), 1, Leaps(strikes=60, seed=5, change=with_spy), "mid")
    assert trades >= 4
    assert by_arrays >= 10


@pytest.mark.long
@pytest.mark.parametrize("source", [PastDays(seed=9, change=with_spy), Leaps(strikes=60, seed=8, change=with_spy)])
def test_bots_that_read_options_at_the_money_on_more_days(source: PastDays) -> None:
    assert compare_calm(range(100, 112), 3, source, "mid+0.3")[1] > 20


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("fills", FILLS)
@pytest.mark.parametrize("change", [with_spy, lambda day: with_spy(crossed(day))])
def test_a_hundred_bots_that_read_options_at_the_money(fills: str, change: Callable[[HistoryDay], HistoryDay]) -> None:
    assert compare_calm(range(1000, 1100), 10, PastDays(seed=14, change=change), fills)[1] > 500


def simulated(program: Program, source: PastDays) -> tuple[BacktestSimulation, list[Record]]:
    """Return a walk through the first session, turn by turn, and what it recorded."""
    walk = BacktestSimulation(program, source, calendar(), NATURAL, terms(source, 1).cash)
    return walk, [record for done in walk.through(FIRST, FIRST) for record in done.records]


def array_day(source: PastDays) -> ArrayDay:
    session = session_on(FIRST)
    assert session is not None
    return ArrayDay(source.day(FIRST), session, SharedSource(source), calendar())


# ---------------------------------------------------------------- each part beside the engine


@pytest.mark.parametrize("source", [PastDays(seed=2), Leaps(strikes=90, seed=8)])
def test_what_is_surely_read_is_streamed(source: PastDays, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[int, list[Contract]] = {}
    watch = DayMarket.watch
    monkeypatch.setattr(DayMarket, "watch", lambda self, found: asked.update({self.place: found}) or watch(self, found))
    program = program_of(STRANGLE, terms(source, 1))
    simulated(program, source)
    day = array_day(source)
    at_money = AtMoney(day)
    found = at_money.around("SPX", "SPXW")
    assert found is not None
    reached = int(day.reached_from(np.array([1800.0]))[0])
    sure = at_money.surely_read("SPX", "SPXW", reached)
    streamed: set[Contract] = set()
    unsure = 0
    for place in range(330):
        strike = found.read[place]
        if strike < 0:
            continue  # spot is beyond all strikes
        is_there = {day.options[found.calls[strike]], day.options[found.puts[strike]]} <= streamed
        assert is_there or not sure[place]
        if reached < place:
            unsure += is_there and not sure[place]
        streamed = set(asked.get(place, streamed))
    assert sure[reached + 1 : 330].any()
    assert not sure[:reached].any()
    assert unsure <= 3
    assert source.seed == 2 or not sure[reached + 1 : 330].all()


@pytest.mark.parametrize("number", range(4))
def test_the_move_of_the_open_is_that_of_the_engine(number: int) -> None:
    source = PastDays(seed=number, change=with_spy)
    program = program_of(calm_spec(1), terms(source, 1))
    walk, _ = simulated(program, source)
    assert walk.state is not None
    found = array_day(source).facts_of(program, 0)[1].opening_moves
    assert found == walk.state.market.facts.opening_moves
    assert [*found] == [("SPX", FIRST)]


def quiet_at_the_money(day: HistoryDay) -> HistoryDay:
    """Spot stands, and the quotes at the money with it: a volatility rises by the clock alone."""
    spot = day.levels["SPX"][0]
    is_near = np.array([abs(float(option.strike) - spot) < 8 for option in day.options])
    bid, ask = (np.where(is_near, column[30], column) for column in (day.bid, day.ask))
    return with_spy(replace(day, bid=bid, ask=ask, levels={**day.levels, "SPX": np.full(len(day.times), spot)}))


@pytest.mark.parametrize("measure", ["iv", "iv_over_rv"])
def test_a_volatility_that_rises_between_two_instants_is_left_to_turns(measure: str) -> None:
    source = PastDays(seed=3, change=quiet_at_the_money)
    day = array_day(source)
    bounds, unit = [], "%" if measure == "iv" else ""
    for place in (60, 90, 120, 150):
        text = STRANGLE.replace("  window", f"  when: [{{{measure}: {{above: 0{unit}}}}}]\n  window")
        program = program_of(text, terms(source, 1))
        view = day.view_at(place, day.facts_of(program, 0))
        (rule,) = next(iter(program.bots.values())).when
        value = rule.judge(view).value
        assert value is not None
        bounds.append(f"{value * 1.0005:.6f}")
    texts = [
        STRANGLE.replace("at_least: 500", "at_least: 0.1").replace(
            "  window", f"  when: [{{{measure}: {{{op}: {bound}{unit}}}}}]\n  window"
        )
        for bound in bounds
        for op in ("above", "below")
    ]
    fast, slow = both(texts, terms(source, 1, "mid"))
    assert fast == slow
    assert [each.by_arrays for each in fast] == [0, 1] * len(bounds)


@pytest.mark.parametrize("seed", range(6))
def test_a_bot_is_halted_when_the_engine_halts_it(seed: int) -> None:
    source = PastDays(seed=seed, change=with_spy)
    rules = ("vix_spike: {above: 0.6 pts}", "move: {since: open, beyond: 0.3%}", "day_range: {above: 24 pts}")
    halts = "".join(["  halt_when:\n", *(f"    - {rule}\n" for rule in rules)])
    program = program_of(STRANGLE + halts, terms(source, 1))
    _, records = simulated(program, source)
    day = array_day(source)
    bot = ArrayBot(program, Numbers())
    found = Conditions(day, AtMoney(day)).first_halt(bot, day.facts_of(program, 0))
    (halt,) = [each for each in records if each.kind is Kind.DECISION and each.data["what"] == "halt"]
    assert found == halt.at.timestamp() - day.opens_at


def test_bots_that_are_halted_at_different_times_come_to_the_same() -> None:
    halts = [f"  halt_when: [{{vix_spike: {{above: {spike} pts}}}}]\n" for spike in (0.05, 0.15, 0.25, 0.4, 3)]
    texts = [STRANGLE.replace("at_least: 500", f"at_least: {credit}") + halt for halt in halts for credit in (1, 9)]
    fast, slow = both(texts, terms(PastDays(seed=2), 3))
    assert fast == slow
    assert sum(each.by_arrays for each in fast) >= 20
    assert 5 <= sum(each.trades for each in slow) <= 25


OF_THE_OPEN = "{expected_move: {asof: open, above: %s pts}}"


@pytest.mark.parametrize(
    ("was", "now", "trades"),
    [
        ("  - time:", "  - dte: {at_most: 0}\n    name: over\n  - time:", 1),
        ("  - time:", "  - dte: {above: 3}\n    name: over\n  - time:", 1),
        ("  - time:", "  - name: won\n    all: [{dte: {at_most: 0}}, {profit: {above: 20%}}]\n  - time:", 1),
        ("  window", f"  when: [{OF_THE_OPEN % 5}]\n  window", 1),
        ("  window", f"  when: [{OF_THE_OPEN % 500}]\n  window", 0),
        ("  window", f"  when: [{{name: some, any: [{OF_THE_OPEN % 500}, {{vix: {{above: 5}}}}]}}]\n  window", 1),
        ("  undefined", f"  halt_when: [{OF_THE_OPEN % 500}]\n  undefined", 1),
        ("  undefined", f"  halt_when: [{OF_THE_OPEN % 5}]\n  undefined", 0),
    ],
)
def test_what_is_the_same_all_day_is_judged_as_well(
    was: str, now: str, trades: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = STRANGLE.replace("at_least: 500", "at_least: 0.1").replace(was, now)
    for fast, slow in together_and_alone([text], terms(PastDays(seed=2), 1, "mid"), monkeypatch):
        assert not fast[0].problem
        assert slow[0].trades == trades


class Foundling(PastDays):
    """Nothing is known of the sessions before."""

    def daily(self, symbol: str, before: date, count: int) -> Sequence[DailyBar]:
        return []


def test_a_halt_that_is_not_known_keeps_a_bot_out(monkeypatch: pytest.MonkeyPatch) -> None:
    text = STRANGLE.replace("at_least: 500", "at_least: 0.1")
    texts = [text, text + "  halt_when: [{move: {since: close, beyond: 90%}}]\n"]
    for fast, _ in together_and_alone(texts, terms(Foundling(seed=2), 1, "mid"), monkeypatch):
        assert [each.trades for each in fast] == [1, 0]


def struck(day: HistoryDay) -> HistoryDay:
    """VIX jumps a minute after ten, and quotes are wide."""
    vix = day.levels["VIX"] + 5.0 * (np.arange(len(day.times)) > 30)
    bid = np.where(day.bid > 1.0, day.bid - 0.3, day.bid)
    return with_spy(replace(day, bid=bid, ask=day.ask + 0.3, levels={**day.levels, "VIX": vix}))


def test_an_order_at_work_when_its_bot_is_halted_is_left_to_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    text = STRANGLE.replace("at_least: 500", "at_least: 0.1").replace("natural, wait: 10s, tries: 1", LADDER)
    texts = [text, text + "  halt_when: [{vix_spike: {above: 3 pts}}]\n"]
    for fast, slow in together_and_alone(texts, terms(PastDays(seed=3, change=struck), 1), monkeypatch):
        assert [each.trades for each in slow] == [1, 0]
        assert [each.by_arrays for each in fast] == [1, 0]


def uneven(day: HistoryDay) -> HistoryDay:
    """What is quoted differs from strike to strike by up to a fifth: so does the move that is expected."""
    parts = np.array([1.0 + 0.1 * (int(option.strike) // 5 % 5 - 2) for option in day.options])
    return with_spy(replace(day, bid=day.bid * parts, ask=day.ask * parts))


def test_where_it_is_in_doubt_what_is_streamed_turns_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [STRANGLE.replace("at_least: 500", f"at_least: {credit}") for credit in np.arange(8.0, 14.0, 0.5)]
    for fast, slow in together_and_alone(texts, terms(Leaps(strikes=90, seed=5, change=uneven), 1), monkeypatch):
        assert sum(each.trades for each in slow) >= 4
        assert 5 <= sum(each.by_arrays for each in fast) < len(texts)
