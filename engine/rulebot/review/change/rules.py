"""Edits of conditions: what a filter, a requirement, a halt or an exit now lets through."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from rulebot.compile.plan import AllOf, AnyOf, Arithmetic, Call, Compare, Constant, Holds, Not, Rule, Truth
from rulebot.model.values import replace
from rulebot.review import amounts
from rulebot.review.change.facet import BotSection, Edit, FieldSpec, Judge, Verdict
from rulebot.review.change.key import Key, Keys, Within, facets
from rulebot.review.change.legs import trade_words
from rulebot.review.change.looser import Implication, holding
from rulebot.review.sentences import confirmed, sentence
from rulebot.review.subject import Subject
from rulebot.spec.nouns.condition import Condition, Confirm

LISTS = {
    "universe.require": "enters",
    "entry.when": "enters",
    "legs.require": "enters",
    "risk.require": "enters",
    "risk.halt_when": "halts",
    "exits": "leaves",
}
"""What a rule of each list does when it holds. To enter more often is worse; to halt or to leave less often is."""

_WORSE = {"enters": Implication.OFTENER, "halts": Implication.RARER, "leaves": Implication.RARER}
_SAID = {
    ("enters", Implication.OFTENER): "it holds more often: entries that it kept out are made",
    ("enters", Implication.RARER): "it holds less often: fewer entries",
    ("halts", Implication.RARER): "it holds less often: entries go on where it halted",
    ("halts", Implication.OFTENER): "it holds more often: halts sooner",
    ("leaves", Implication.RARER): "it holds less often: a position is kept longer",
    ("leaves", Implication.OFTENER): "it holds more often: leaves sooner",
}
_AS_OFTEN = "it holds when it held before"
_NAMES = "only the names of its members, under which is recorded what they say"
_UNCLEAR = "which of the two holds more often depends on the market: read both"


def judge_test(edit: Edit) -> Verdict:
    """Judge another test of a rule by what its list does with it; a bound on the price by the worst that is paid."""
    held = judge_holding(edit.old, edit.new, LISTS[edit.now.place])
    price = "" if held.words == _NAMES else _price_words(edit)
    words = "; ".join(part for part in (held.words, price) if part)
    return Verdict(words, is_worse=held.is_worse)


def judge_holding(old: Truth, new: Truth, does: str) -> Verdict:
    """Judge another test by how often it holds; does: what a rule of its list does, as `LISTS` has it."""
    if nameless(old) == nameless(new):
        return Verdict(_NAMES)
    found = holding(old, new)
    said = {Implication.OTHERWISE: _UNCLEAR, Implication.SAME: _AS_OFTEN}.get(found) or _SAID[does, found]
    return Verdict(said, is_worse=found in (Implication.OTHERWISE, _WORSE[does]))


def _price_words(edit: Edit) -> str:
    """Return the worst price that a bound on credit or debit allows, before and after."""
    was, now = (side.example for side in edit.sides.both)
    if edit.now.place != "legs.require" or was is None or now is None or was.net == now.net:
        return ""
    price = f"may be {now.verb} at {amounts.price(now.net)}, before at {amounts.price(was.net)}"
    return "; ".join(part for part in (price, trade_words(edit.sides)) if part)


# ---------------------------------------------------------------- how a rule is judged

_ACTS = {"enters": "let it enter", "halts": "halt it", "leaves": "close a position"}


_LATER = {
    "enters": "it enters later",
    "halts": "it halts later, and until then entries go on",
    "leaves": "it acts later, and until then a loss runs on",
}


def judge_confirm(edit: Edit) -> Verdict:
    """Fewer readings let one broken quote act; more of them let a loss run on meanwhile."""
    does = LISTS[edit.now.place]
    old, new = _strength(edit.old), _strength(edit.new)
    if None not in (old, new) and (edit.old.quotes is None) is not (edit.new.quotes is None):
        return Verdict("counted in another way: readings follow the quotes, seconds do not", is_worse=True)
    if new is None or (old is not None and new < old):
        many = f"{amounts.counted(edit.new.quotes, 'reading')} in a row" if edit.new and edit.new.quotes else ""
        few = "one broken quote" if new is None or new <= 1 else many or "a shorter disturbance"
        return Verdict(f"{few} can now {_ACTS[does]}", is_worse=does != "halts")
    return Verdict(_LATER[does], is_worse=does != "enters")


def _strength(confirm: Confirm | None) -> float | None:
    return None if confirm is None else confirm.quotes or confirm.seconds or 0.0


def judge_age(edit: Edit) -> Verdict:
    """Older data counts, or no longer does."""
    if edit.new is None or (edit.old is not None and edit.new > edit.old):
        return Verdict("older data counts: it may judge a market that has moved on", is_worse=True)
    return Verdict("older data no longer counts: it is unknown sooner")


def _confirm(noun: Condition, field: str, subject: Subject) -> Confirm | None:
    """Return how a condition is confirmed, None where the first reading does, as without any."""
    return None if noun.confirm is None or noun.confirm.quotes == 1 else noun.confirm


def _confirm_words(value: Any, subject: Subject) -> str:
    return confirmed(value)


def _seconds(value: Any, subject: Subject) -> str:
    return amounts.duration(value)


JUDGING: Keys = {
    "name": Within("path"),
    "test": Within("path"),
    "confirm": Key(key="confirm", said=_confirm_words, judge=judge_confirm, read=_confirm),
    "max_age": Key(key="max_age", said=_seconds, judge=judge_age),
    "path": Within(""),
}
"""How a condition is judged; its test is the head of its part."""


def rule_part(place: str, written: Condition, rule: Rule, subject: Subject) -> BotSection:
    """Return a rule of a list as a part."""
    said, test = sentence(rule.test, subject.cast), in_one_order(rule.test)
    found = {"": head(test, said, judge_test), **facets(written, JUDGING, subject)}
    return BotSection(
        place=place,
        name=rule.name,
        noun=rule,
        meaning=(nameless(test), *(each.value for key, each in found.items() if key)),
        facets=found,
        said=said,
    )


def head(value: Any, said: str, judge: Judge) -> FieldSpec:
    """Return the facet that a part is known by: its own path is where it stands."""
    return FieldSpec(key="", value=value, said=said, judge=judge)


def in_one_order(test: Any) -> Any:
    """Return a test with its members, and what its measures list, in one order, which means nothing.

    Once a measure is itself.
    """
    match test:
        case Arithmetic("*", (Constant(1), measure)):
            return in_one_order(measure)
    if isinstance(test, Call):
        listed = ((name, tuple(sorted(each)) if isinstance(each, tuple) else each) for name, each in test.arguments)
        return replace(test, arguments=tuple(listed))
    if isinstance(test, tuple):
        return tuple(in_one_order(each) for each in test)
    if isinstance(test, (AllOf, AnyOf)):
        named = sorted(zip(test.names, test.members, strict=True), key=lambda each: each[0])
        names, members = zip(*named, strict=True)
        return replace(test, names=names, members=in_one_order(members))
    if isinstance(test, (Compare, Holds, Not, Arithmetic)):
        return replace(test, **{each.name: in_one_order(getattr(test, each.name)) for each in fields(test)})
    return test


def symbols_in(test: Any) -> tuple[str, ...]:
    """Return the symbols that measures of a test list, of which a sentence says how many there are."""
    if isinstance(test, Call):
        of = dict(test.arguments).get("of") if test.measure == "breadth" else None
        return of if isinstance(of, tuple) else ()
    if isinstance(test, (Compare, Holds, Not, AllOf, AnyOf, Arithmetic)):
        test = tuple(getattr(test, each.name) for each in fields(test))
    found = (symbol for each in test for symbol in symbols_in(each)) if isinstance(test, tuple) else ()
    return tuple(dict.fromkeys(found))


def nameless(test: Truth) -> Any:
    """Return a test without the names of its members, which follow the rule's own, whatever order these stand in."""
    members = getattr(test, "members", None)
    if members is None:
        return test
    return (type(test).__name__, tuple(sorted((nameless(member) for member in members), key=repr)))


REMOVED: Mapping[str, str] = {
    "universe.require": "symbols that do not offer this are entered too",
    "entry.when": "it enters also when this does not hold",
    "legs.require": "it enters also when the structure does not offer this",
    "risk.require": "it enters also when the bot with the entry does not keep to this",
    "risk.halt_when": "entries go on when this holds",
}
ADDED: Mapping[str, str] = {
    "universe.require": "fewer symbols",
    "entry.when": "fewer entries",
    "legs.require": "fewer entries",
    "risk.require": "fewer entries",
    "risk.halt_when": "halts when this holds",
}
"""What a rule more or less in a list comes to; exits are told one by one."""
