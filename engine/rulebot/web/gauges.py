"""What the market does today beside what it was expected to do: read by the words of the language, as a bot reads them.

A figure that no bot has asked the broker for is not known, and is left empty.
"""

from functools import lru_cache

from rulebot.compile.build import build_plan
from rulebot.core.program import CompiledBot, Program, compile_bot
from rulebot.evaluate.snapshot import View
from rulebot.model.values import dataclass
from rulebot.spec.load import load_text

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


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketStat:
    """One underlying. expected: the move that the open expected, day_range: what there was of it, both in its points.

    iv_rank and crowding go from 0 to 100.
    """

    symbol: str
    expected: float | None
    day_range: float | None
    iv_rank: float | None
    crowding: float | None

    @property
    def used(self) -> float | None:
        """The part of the expected move that the day has covered."""
        if self.expected is None or self.day_range is None or not self.expected:
            return None
        return self.day_range / self.expected


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
