"""A spec with alternatives or many symbols, compiled: plain plans, and problems told once and of whom."""

import pytest
from document import plan_of, problems

from rulebot.compile.plan import Plan, Quantity

HEAD = """\
rulebot: 1
name: many
about: A bot of many structures.
"""
TAIL = """\
order: {start: mid, step: 0.05, wait: 10s, tries: 6, then: cancel}
exits:
  - time: "15:30"
  - target: {profit: 50%}
risk:
  max_loss_per_trade: $1000
"""
ENTRY = 'entry: {window: {from: "10:00", to: "13:30"}, per_day: 1}\n'
CHOICE = """\
legs:
  expiry: {dte: 0}
  choose:
    - name: dear
      when: [{vix: {above: 20}}]
      short_put: {sell: put, strike: {delta: 0.10}}
      long_put: {buy: put, strike: {below: short_put, by: 10 pts}}
      require: [{credit: {at_least: 0.50}}]
    - name: cheap
      expiry: {dte: 7}
      long_call: {buy: call, strike: {at: spot}}
      short_call: {sell: call, strike: {above: long_call, by: 10 pts}}
      require: [{debit: {at_most: 6.00}}]
"""
LEGS = """\
legs:
  expiry: {dte: 0}
  short_put: {sell: put, strike: {delta: 0.10}}
  long_put: {buy: put, strike: {below: short_put, by: 10 pts}}
"""


def choosing(old: str = "", new: str = "") -> str:
    text = f"{HEAD}underlying: SPX\n{ENTRY}{CHOICE}{TAIL}"
    assert old in text
    return text.replace(old, new, 1)


def scanning(universe: str, tail: str = TAIL) -> str:
    return f"{HEAD}universe: {universe}\n{ENTRY}{LEGS}{tail}"


def errors(text: str) -> list[tuple[str, str]]:
    return [(found.code, found.message) for found in problems(text) if found.is_error]


def test_each_alternative_is_a_plan_of_its_own() -> None:
    plan = plan_of(choosing())
    expensive, cheap = plan.choices
    assert [rule.name for rule in (*expensive.when, *expensive.plan.require)] == ["dear.vix", "dear.credit"]
    assert (expensive.plan.opens_for, cheap.plan.opens_for) == ("credit", "debit")
    assert (plan.expiry.days, expensive.plan.expiry.days, cheap.plan.expiry.days) == ((0,), (0,), (7,))
    assert [chain[2].days for chain in plan.needs.chains] == [(0,), (7,)]
    assert plan.needs.indices == ("VIX",)


def test_the_digest_of_a_plain_spec_is_what_it_was() -> None:
    """Pinned positions of today's specs are found again: words to come change no digest."""
    plan = plan_of(f"{HEAD}underlying: SPX\n{ENTRY}{LEGS}{TAIL}")
    assert plan.digest == "958430a905523e0dbb73e127eb26a127447235ff52d425bea29b04a40d215e7a"


@pytest.mark.parametrize(
    ("old", "new", "code", "message"),
    [
        ("target: {profit: 50%}", "target: {cost: 0.5x credit}", "RB205", "with 'cheap': this structure is bought"),
        ("target: {profit: 50%}", "breach: {spot_within: 5 pts, of: short_put}", "RB201", "with 'cheap': unknown leg"),
        ("target: {profit: 50%}", "vix: {between: [22, 12]}", "RB203", "the lower end comes first"),
        ("at: spot}", "below: short_put, by: 5 pts}", "RB201", "unknown leg 'short_put'"),
    ],
)
def test_what_one_alternative_cannot_have_is_reported_of_it(old: str, new: str, code: str, message: str) -> None:
    found = errors(choosing(old, new))
    assert found
    assert (found[0][0], found[0][1][: len(message)]) == (code, message)


def test_what_all_alternatives_have_wrong_is_reported_once() -> None:
    assert len(errors(choosing("target: {profit: 50%}", "vix: {between: [22, 12]}"))) == 1


def test_lint_speaks_of_what_no_alternative_can_reach() -> None:
    """A stop beyond what the bought one can lose is fine while the sold one may reach it."""
    both = choosing("target: {profit: 50%}", "stop: {loss: 150%}")
    assert not [found.code for found in problems(both)]


def test_each_symbol_is_a_plan_of_its_own() -> None:
    plan = plan_of(scanning("{symbols: [SPY, QQQ, AAPL], rank: {by: iv, highest: 2}}"))
    assert [(member.symbol, member.plan.underlyings) for member in plan.members] == [
        ("SPY", ("SPY",)),
        ("QQQ", ("QQQ",)),
        ("AAPL", ("AAPL",)),
    ]
    assert [chain[:2] for chain in plan.needs.chains] == [("SPY", "SPY"), ("QQQ", "QQQ"), ("AAPL", "AAPL")]
    assert plan.ranking is not None
    assert not plan.ranking.of_structure


def ranked(by: str) -> Plan:
    return plan_of(scanning(f"{{symbols: [SPY, QQQ], rank: {{by: {by}, lowest: 1}}}}"))


def test_a_rank_by_the_legs_says_so_and_closes_are_needed_for_one_by_rv() -> None:
    plan = ranked("credit")
    assert plan.needs.symbols == ("SPY", "QQQ")
    assert plan.ranking is not None
    assert plan.ranking.of_structure
    assert ranked("iv_over_rv").needs.daily == {"SPY": 21, "QQQ": 21}


def test_what_can_be_said_as_a_part_is_ranked_as_one() -> None:
    member = ranked("move").members[0]
    assert member.rank is not None
    assert getattr(member.rank, "quantity", None) is Quantity.FRACTION


@pytest.mark.parametrize(
    ("universe", "code"),
    [
        ("{symbols: [SPY, QQQ], rank: {by: session, highest: 1}}", "RB203"),
        ("{symbols: [SPY, QQQ], rank: {by: profit, highest: 1}}", "RB206"),
        ("{symbols: [SPY, QQQ], rank: {by: iv_rnk, highest: 1}}", "RB112"),
        ("{symbols: [SPY, QQQ], require: [{cost: {at_most: 1.00}}]}", "RB206"),
    ],
)
def test_what_a_universe_cannot_ask(universe: str, code: str) -> None:
    assert [found[0] for found in errors(scanning(universe))] == [code]


def test_one_class_is_not_that_of_several_symbols() -> None:
    text = scanning("{symbols: [SPX, SPY]}").replace("expiry: {dte: 0}", "expiry: {dte: 0, class: SPXW}")
    assert errors(text) == [("RB260", "one trading class cannot be that of several symbols")]
