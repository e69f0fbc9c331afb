"""The snapshot of an engine in this process, with what its connection and its market tell beside its state."""

from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from rulebot.compile.build import build_plan
from rulebot.core.program import CompiledBot, Program, compile_bot
from rulebot.core.state_builder import StateBuilder
from rulebot.measure.view import View
from rulebot.model.values import replace
from rulebot.narrate.snapshot import MarketStat, Snapshot
from rulebot.narrate.snapshot_of_state import snapshot_of
from rulebot.shadow.link import title
from rulebot.spec.load import load_text

if TYPE_CHECKING:
    from rulebot.live.start import Run


def snapshot_of_run(run: "Run", at: datetime) -> Snapshot:
    """Return a run as it stands."""
    state, program, link = run.loop.state, run.loop.program, run.world.ib.link
    seen = snapshot_of(program, state, at, run.first, run.last)
    return replace(
        seen,
        mode=str(run.options.settings.get("mode") or ""),
        mark=title(run.options.settings),
        is_simulated=link.is_simulated,
        account=replace(seen.account, id=link.account),
        stats=market_stats(program, StateBuilder(program, state, at).view()),
    )


# --- What the market does today beside what it was expected to do

MOST = 3
"""Underlyings that are shown: those of bots on one of their own, in order of the specs."""
_TEXT = """rulebot: 1
name: gauge
about: Reads the market for the page; nothing ever runs it.
underlying: "{symbol}"
entry:
  window: {{from: open, to: close}}
  when:
    - name: expected
      expected_move: {{asof: open, at_least: 0 pts}}
    - name: range
      day_range: {{at_least: 0 pts}}
    - name: rank
      iv_rank: {{at_least: 0}}
    - name: crowd
      crowding: {{at_least: 0}}
legs:
  expiry: {{dte: 0}}
  at_money: {{buy: put, strike: {{at: spot}}}}
order: {{start: mid, wait: 10s, tries: 1, then: cancel}}
exits: [{{time: close - 5m}}]
risk: {{max_loss_per_trade: $1}}
"""


def market_stats(program: Program, view: View) -> tuple[MarketStat, ...]:
    """Return what is known of the underlyings of the bots; those of which nothing is known are left out."""
    symbols = dict.fromkeys(bot.plan.underlyings[0] for bot in program.bots.values() if not bot.members)
    found = (_read(symbol, view) for symbol in list(symbols)[:MOST])
    return tuple(each for each in found if (each.expected, each.day_range, each.iv_rank) != (None, None, None))


def _read(symbol: str, view: View) -> MarketStat:
    values = {each.rule.name: each.judge(view).value for each in _compiled(symbol).when}
    return MarketStat(
        symbol=symbol,
        expected=values["expected"],
        day_range=values["range"],
        iv_rank=values["rank"],
        crowding=values["crowd"],
    )


@lru_cache(maxsize=16)
def _compiled(symbol: str) -> CompiledBot:
    loaded = load_text(_TEXT.format(symbol=symbol))
    assert loaded.spec is not None, loaded.diagnostics
    plan, problems = build_plan(loaded.spec, loaded.source, with_warnings=False)
    assert plan is not None, problems
    return compile_bot(plan)
