"""Where a spec may ask for web hooks: everywhere a condition stands, and the engine knows each that it asks for."""

import pytest

from rulebot.compile.build import build_plan
from rulebot.compile.plan import Plan
from rulebot.spec.load import load_text

WHOLE = """
rulebot: 1
name: asker
about: A bot of a test.
underlying: SPX
entry:
  window: {from: "10:00", to: "15:00"}
  per_day: 1
  when:
    - webhook: {name: in_when, within: 1m}
    - not: {webhook: {name: in_not, within: 2m}}
legs:
  expiry: {dte: 0}
  require:
    - webhook: {name: in_require, within: 1m}
  choose:
    - name: first
      when: [{name: either, any: [{webhook: {name: in_choose, within: 1m}}, {vix: {below: 20}}]}]
      short_put: {sell: put, strike: {delta: 0.10}}
      long_put: {buy: put, strike: {below: short_put, by: 10 pts}}
    - name: second
      short_put: {sell: put, strike: {delta: 0.20}}
      long_put: {buy: put, strike: {below: short_put, by: 10 pts}}
order: {start: mid, step: 0.05, wait: 10s, tries: 3, then: cancel}
exits:
  - stop: {loss: 100%}
    activate_when: {webhook: {name: in_armed_by, within: 1m}}
  - webhook: {name: in_exits, within: 1m}
  - time: "15:45"
risk:
  require:
    - webhook: {name: in_risk, within: 1m}
  halt_when:
    - webhook: {name: in_halts, within: 1m}
"""
PLACES = {"in_when", "in_not", "in_require", "in_choose", "in_armed_by", "in_exits", "in_risk", "in_halts"}
UNIVERSE = """universe:
  symbols: [SPY, QQQ]
  require:
    - webhook: {name: in_universe, within: 1m}
  rank: {by: iv_rank, highest: 1}
"""


def plan_of(text: str) -> Plan:
    loaded = load_text(text)
    assert loaded.spec is not None, loaded.diagnostics
    plan, problems = build_plan(loaded.spec, loaded.source)
    assert plan is not None, problems
    return plan


@pytest.mark.parametrize(
    ("text", "places"),
    [(WHOLE, PLACES), (WHOLE.replace("underlying: SPX\n", UNIVERSE), {*PLACES, "in_universe"})],
    ids=["one", "universe"],
)
def test_every_place_is_known_to_the_engine(text: str, places: set[str]) -> None:
    plan = plan_of(text)
    assert {name for name, _ in plan.needs.hooks} == places
    assert dict(plan.needs.hooks)["in_not"] == 120.0


def test_a_rule_has_the_name_of_its_hook() -> None:
    plan = plan_of(WHOLE)
    assert [rule.name for rule in plan.entry.when] == ["webhook.in_when", "not_webhook.in_not"]
    assert plan.entry.when[0].text == "in_when, within 1m"
    assert plan.entry.when[0].reads == {"hooks"}
    assert "webhook.in_exits" in [each.name for each in plan.exits]
