"""A rule as a sentence: what must be true, in words, before anything is measured.

The one place that words a condition without a verdict (`explain`, and whatever compares two specs). What each measure
is called stands in `rulebot.evaluate.phrases`; what was measured is told by `rulebot.evaluate.wording`.
"""

from collections.abc import Mapping

from rulebot.compile.plan import AllOf, AnyOf, Call, Compare, Confirm, Holds, Not, Op, Rule, Truth
from rulebot.evaluate.phrases import MeasureText, NamingContext
from rulebot.model.values import dataclass
from rulebot.review import amounts
from rulebot.review.manners import COMPARED, HELD, HELD_NOT, basis_words, comparison_words
from rulebot.review.numbers import bound_words


@dataclass(frozen=True, slots=True)
class RuleLine:
    """One line of a rule: `words` under its name, or the head of a group whose members follow one deeper."""

    depth: int
    name: str
    words: str


def rule_words(rule: Rule, cast: NamingContext) -> str:
    """Return a rule in one sentence, with how it is judged: `VIX is above 20, 2 readings in a row`."""
    return f"{sentence(rule.test, cast)}{confirmation_words(rule)}"


def confirmation_words(rule: Rule) -> str:
    """Return what must be so besides before a rule counts: its confirmation and the age of its data."""
    words = [confirmed(rule.confirm)] if rule.confirm is not None else []
    if rule.max_age is not None:
        words.append(f"on data at most {amounts.duration(rule.max_age)} old")
    return "".join(f", {each}" for each in words)


def confirmed(confirm: Confirm) -> str:
    """Return how long, or how often in a row, a rule must have been true."""
    if confirm.quotes is not None:
        return f"{amounts.counted(confirm.quotes, 'reading')} in a row"
    return f"for {amounts.duration(confirm.seconds or 0.0)} without a break"


def outline(rule: Rule, cast: NamingContext) -> tuple[RuleLine, ...]:
    """Return a rule as lines: one, or for a group its head and then every member by name."""
    head, *members = _outlined(rule.name, rule.name, rule.test, cast, 0)
    return (RuleLine(0, head.name, f"{head.words}{confirmation_words(rule)}"), *members)


def _outlined(name: str, shown: str, test: Truth, cast: NamingContext, depth: int) -> tuple[RuleLine, ...]:
    """Return a test's lines; members are shown without the name of their group, which stands above them."""
    if not isinstance(test, AllOf | AnyOf):
        return (RuleLine(depth, shown, sentence(test, cast)),)
    head = RuleLine(depth, shown, "all of these" if isinstance(test, AllOf) else "any of these")
    members = [
        _outlined(each, each.removeprefix(f"{name}."), member, cast, depth + 1)
        for each, member in zip(test.names, test.members, strict=True)
    ]
    return (head, *(line for member in members for line in member))


def sentence(test: Truth, cast: NamingContext) -> str:
    """Return a test as a sentence, groups in it joined by `and` and `or`."""
    match test:
        case Compare(left=Call() as call):
            return COMPARED.get(call.measure, comparison_words)(test, cast)
        case Compare():
            return comparison_words(test, cast)
        case Holds(call):
            return HELD[call.measure](MeasureText(call, cast))
        case Not(Holds(call)) if call.measure in HELD_NOT:
            return HELD_NOT[call.measure](MeasureText(call, cast))
        case Not(member):
            return f"not: {_inner(member, cast)}"
        case AllOf(members):
            return " and ".join(_inner(member, cast) for member in members)
        case AnyOf(members):
            return " or ".join(_inner(member, cast) for member in members)


def _inner(test: Truth, cast: NamingContext) -> str:
    words = sentence(test, cast)
    is_group = isinstance(test, AllOf | AnyOf) and len(test.members) > 1
    return f"({words})" if is_group else words


# ---------------------------------------------------------------- targets and stops

ENDINGS: Mapping[str, str] = {
    "profit": "at a profit of {}",
    "loss": "at a loss of {}",
    "give_back": "once {} or {} was given back from the best profit",
    "cost": "once closing costs {} or {}",
    "value": "once closing brings {} or {}",
}
"""What a target or stop measures, before its bound; a test asks for each that the schema takes."""


def ending(test: Truth, cast: NamingContext) -> str:
    """Return what makes a target or stop act: `at a loss of $50`, `once closing costs 2 times the credit or more`."""
    if not isinstance(test, Compare) or not isinstance(test.left, Call):
        return sentence(test, cast)
    bound = f"{bound_words(test.right[0], test.left, cast)}{basis_words(test, cast)}"
    or_so = "less" if test.op is Op.AT_MOST else "more"
    words = MeasureText(test.left, cast)
    of = words.some_legs
    return f"{'of' + of + ': ' if of else ''}{ENDINGS[test.left.measure].format(bound, or_so)}{words.at_natural}"
