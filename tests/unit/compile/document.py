"""A small sound spec as text, and its problems after one change."""

from functools import lru_cache

from rulebot.compile.build import build_plan, check
from rulebot.compile.plan import Plan
from rulebot.spec.diagnostic import Diagnostic
from rulebot.spec.load import load_text

CONDOR = """\
rulebot: 1
name: condor
about: A condor to change one thing of.
underlying: SPX
parameters: {floor: 30 pts}
let: {day_move: {expected_move: {asof: open}}}
entry:
  window: {from: "10:00", to: "13:30"}
  per_day: 1
  when:
    - vix: {between: [12, 22]}
    - vix_change: {below: 3 pts}
    - day_range: {below: 0.6x day_move}
legs:
  expiry: {dte: 0}
  short_put: {sell: put, strike: {delta: 0.10, min_otm_distance: $floor}}
  long_put: {buy: put, strike: {below: short_put, by: 10 pts}}
  short_call: {sell: call, strike: {delta: 0.10}}
  long_call: {buy: call, strike: {above: short_call, by: 10 pts}}
  require:
    - credit: {at_least: 0.50}
order: {start: mid, step: 0.05, wait: 10s, tries: 6, then: cancel}
exits:
  - time: "15:30"
  - breach: {spot_within: 5 pts}
  - target: {profit: 50%}
  - stop: {loss: $50}
    confirm: 2 quotes
risk:
  max_loss_per_trade: $1000
"""


def changed(old: str, new: str) -> str:
    """Return the condor with one piece of its text replaced."""
    assert old in CONDOR, old
    return CONDOR.replace(old, new, 1)


def problems(text: str) -> list[Diagnostic]:
    """Return the compiler's problems of a text that the reader finds no fault with."""
    loaded = load_text(text)
    assert loaded.spec is not None, [found.message for found in loaded.diagnostics]
    return check(loaded)


def places(text: str) -> list[tuple[str, str]]:
    """Return (code, the text that is marked) of every problem."""
    return [(found.code, found.text[found.col - 1 : found.end_col - 1]) for found in problems(text)]


@lru_cache(maxsize=200)
def plan_of(text: str) -> Plan:
    """Return the plan of a sound text."""
    loaded = load_text(text)
    assert loaded.spec is not None, [found.message for found in loaded.diagnostics]
    plan, found = build_plan(loaded.spec, loaded.source, with_warnings=False)
    assert plan is not None, found
    return plan
