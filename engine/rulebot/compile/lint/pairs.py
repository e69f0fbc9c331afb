"""Every condition of a spec beside the rule that it was compiled to, and what follows when it holds."""

from collections.abc import Iterator
from enum import Enum
from itertools import chain

from rulebot.compile.lint.look import LintContext
from rulebot.compile.plan import Rule
from rulebot.model.values import dataclass
from rulebot.spec.nouns.condition import Condition, Path


class RulePlace(Enum):
    """What a condition decides."""

    ENTRY = "whether the bot enters"
    EXIT = "whether an exit acts"
    HALT = "whether the bot is halted"


@dataclass(frozen=True, slots=True)
class ConditionRule:
    """One condition as written and as compiled."""

    condition: Condition
    rule: Rule
    standing: RulePlace


def pairs_of(look: LintContext) -> Iterator[ConditionRule]:
    """Yield every condition of a bot once: of the universe, the entry, the legs, the exits and the limits."""
    spec, plan = look.spec, look.plan
    universe = () if spec.universe is None else spec.universe.require
    member = plan.members[0].require if plan.members else ()
    exits = {each.condition.path for each in spec.exits if each.condition is not None}
    entering: dict[Path, Condition] = {each.path: each for each in (*spec.entry.when, *spec.legs.require)}
    entering |= {each.path: each for each in (*universe, *spec.risk.require)}
    entering |= {each.path: each for rule in spec.exits if rule.roll is not None for each in rule.roll.require}
    leaving = {each.path: each for rule in spec.exits for each in rule.armed_by}
    leaving |= {path: each for path, each in look.conditions.items() if path in exits}
    halting = {each.path: each for each in spec.risk.halt_when}
    known = {RulePlace.ENTRY: entering, RulePlace.EXIT: leaving, RulePlace.HALT: halting}
    seen: set[Path] = set()
    rolls = (each.roll.require for each in plan.exits if each.roll is not None)
    armed = (each.armed_by for each in plan.exits)
    rules = chain(member, plan.entry.when, plan.require, plan.risk.require, plan.risk.halt_when, *rolls, *armed)
    for rule in chain(rules, (rule for _, rule in look.exit_rules())):
        for standing, conditions in known.items():
            if rule.path in conditions and rule.path not in seen:
                seen.add(rule.path)
                yield ConditionRule(conditions[rule.path], rule, standing)
