"""Bots that are compiled together share what is the same in them, and nothing else."""

from hand_desk import text_of

from rulebot.compile.build import build_plan
from rulebot.core.program import CompiledBot, compile_bot
from rulebot.model.values import ValuePool
from rulebot.spec.load import load_text


def compiled(text: str, pool: ValuePool) -> CompiledBot:
    loaded = load_text(text)
    assert loaded.spec is not None, loaded.diagnostics
    plan, problems = build_plan(loaded.spec, loaded.source, with_warnings=False)
    assert plan is not None, problems
    return compile_bot(plan, pool)


def test_what_is_the_same_is_kept_once() -> None:
    pool = ValuePool()
    one, two = compiled(text_of("one"), pool), compiled(text_of("two"), pool)
    assert one.plan.legs[0] is two.plan.legs[0]
    assert one.exits[1] is two.exits[1]
    assert one.when[0] is two.when[0]
    assert one.plan.name != two.plan.name
    assert one.plan.digest != two.plan.digest


def test_what_is_written_otherwise_is_not_shared() -> None:
    pool = ValuePool()
    one = compiled(text_of("one"), pool)
    tighter = '\n  - time: "15:45"\n    order: market\n  - stop: {cost: 3.0x credit}\n  - target: {profit: 50%}\n'
    two = compiled(text_of("two", exits=tighter), pool)
    assert one.exits[0] is two.exits[0]
    assert one.exits[1] is not two.exits[1]
    assert (one.exits[1], two.exits[1]) != (None, None)
    assert two.exits[1] is not None
    assert "3.0x" in two.exits[1].rule.text


def test_the_same_rule_over_another_underlying_is_compiled_again() -> None:
    pool = ValuePool()
    spx = compiled(text_of("one"), pool)
    spy = compiled(text_of("two", underlying="SPY"), pool)
    assert spx.exits[1] is not spy.exits[1]


def test_a_pool_takes_what_was_made_of_the_same_parts() -> None:
    pool, made = ValuePool(), []

    def make() -> object:
        made.append(object())
        return made[-1]

    first = pool.made("x", make, 1, "a")
    assert pool.made("x", make, 1, "a") is first
    assert pool.made("y", make, 1, "a") is not first
    assert pool.made("x", make, 1, "b") is not first
    assert pool.same(0) is not pool.same(False)
