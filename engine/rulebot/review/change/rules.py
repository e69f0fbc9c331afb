"""Whether one test is true more often than another, as far as their texts decide it.

Numbers are compared by the ranges that also find filters which exclude each other, on a full day and on a half day.
Other tests (events, formulas, web hooks) are compared part by part.
"""

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import fields
from enum import Enum
from typing import Any

from rulebot.compile.data_needs import calls_of
from rulebot.compile.lint.comparisons import KIND, TIME, LinearTerms, Subject, can_hold
from rulebot.compile.lint.reach import natural_range
from rulebot.compile.plan import (
    AllOf,
    AnyOf,
    Argument,
    Arithmetic,
    Call,
    Compare,
    Constant,
    Holds,
    Not,
    Number,
    Op,
    Rule,
    Truth,
)
from rulebot.measure.ranges import FALSE, TRUE, Range, stretch
from rulebot.measures.registry import MEASURES
from rulebot.model.session import Session, Sessions
from rulebot.model.text import counted, duration, price
from rulebot.model.values import replace
from rulebot.review.change.field import BotSection, Edit, Effect, FieldSpec, Judge, Key, Keys, Within, facets
from rulebot.review.change.legs import trade_words
from rulebot.review.example import Subject as ReviewSubject
from rulebot.spec.nouns import Condition, Confirm
from rulebot.wording.condition import confirmed, sentence
from rulebot.wording.number import FULL_DAY, HALF_DAY


class Implication(Enum):
    """How often the new test is true, compared with the old one."""

    SAME = "as often"
    OFTENER = "more often"
    RARER = "less often"
    OTHERWISE = "otherwise"


_TURNED = {Implication.OFTENER: Implication.RARER, Implication.RARER: Implication.OFTENER}
_UPWARD = (Op.ABOVE, Op.AT_LEAST)
_DOWNWARD = (Op.BELOW, Op.AT_MOST)
_STRICT = (Op.ABOVE, Op.BELOW)


def holding(old: Truth, new: Truth) -> Implication:
    """Return how often `new` is true compared with `old`; OTHERWISE where only a person can say."""
    if old == new:
        return Implication.SAME
    if (decided := _decided(old, new)) is not None:
        return decided
    match old, new:
        case Compare(), Compare() if old.left == new.left:
            return _compared(old, new)
        case Compare(_, Call() as was), Compare(_, Call() as now) if _is_priced_otherwise(was, now):
            return together((_priced(old.op, was), holding(replace(old, left=now), new)))
        case Holds(was), Holds(now) if was.measure == now.measure:
            return _held(was, now)
        case Not(was_not), Not(now_not):
            inner = holding(was_not, now_not)
            return _TURNED.get(inner, inner)
        case ((AllOf() | AnyOf()), (AllOf() | AnyOf())):
            return _grouped(old, new)
        case _:
            return Implication.OTHERWISE


def together(found: Iterable[Implication]) -> Implication:
    """Return the effect of several in different directions."""
    kinds = set(found) - {Implication.SAME}
    if not kinds:
        return Implication.SAME
    return kinds.pop() if len(kinds) == 1 else Implication.OTHERWISE


# ---------------------------------------------------------------- by what numbers let through

_NEVER_UNKNOWN = ("time", "session")
_DECIDED = {(False, False): Implication.SAME, (False, True): Implication.OFTENER, (True, False): Implication.RARER}


def _decided(old: Truth, new: Truth) -> Implication | None:
    """Return the effect when one of them is never true without the other; None when each may be.

    The following one's other inputs may be unknown while the other is true.
    """
    was, now = _reads(old), _reads(new)
    is_lost = not now <= was or _may_part(old, new)
    is_won = not was <= now or _may_part(new, old)
    return _DECIDED.get((is_lost, is_won))


def _reads(test: Truth) -> set[object]:
    """Return what may make a test unknown: its measures; for an opening range also the words beside it."""
    match test:
        case Not(member):
            return _reads(member)
        case AllOf(members) | AnyOf(members):
            return set().union(*map(_reads, members))
        case Compare(_, Call("opening_range")):
            return {test}
        case _:
            return {call for call in calls_of(test) if call.measure not in _NEVER_UNKNOWN}


def _may_part(one: Truth, other: Truth) -> bool:
    """Say whether there may be a moment, on a full day or on a half day, at which only the first holds."""
    return any(
        can_hold([(one, True), (other, False)], _reach(day), LinearTerms(day, is_whole=False))
        for day in (FULL_DAY, HALF_DAY)
    )


def _reach(session: Session) -> Callable[[Subject], Range]:
    seconds = stretch(0.0, (session.close - session.open).total_seconds(), high_open=True)
    known = {TIME: seconds, KIND: TRUE if session.is_half else FALSE}
    return lambda subject: known.get(subject) or natural_range(subject)


# ---------------------------------------------------------------- comparisons


_MORE_AT_NATURAL = {"cost": True, "loss": True, "value": False, "profit": False}
"""Cost and proceeds of closing at natural, compared with mid."""


def _is_priced_otherwise(was: Call, now: Call) -> bool:
    """Say whether two measures of a position differ by nothing but the price at which it would be closed."""
    one, other = ({name: value for name, value in each.arguments if name != "at"} for each in (was, now))
    return was.measure == now.measure and was.measure in _MORE_AT_NATURAL and one == other


def _priced(op: Op, was: Call) -> Implication:
    """Return the effect of another price, from mid to natural or the other way round."""
    if op not in (*_UPWARD, *_DOWNWARD):
        return Implication.OTHERWISE
    is_more = _MORE_AT_NATURAL[was.measure] is (was.argument("at") != "natural")
    return _oftener(is_more is (op in _UPWARD))


def _oftener(is_so: bool) -> Implication:
    return Implication.OFTENER if is_so else Implication.RARER


def _compared(old: Compare, new: Compare) -> Implication:
    was, now = ([found for bound in test.right if (found := _factor(bound)) is not None] for test in (old, new))
    if len(was) < len(old.right) or len(now) < len(new.right) or len({base for _, base in (*was, *now)}) > 1:
        return Implication.OTHERWISE
    before, after = ([number for number, _ in found] for found in (was, now))
    for ops, sign in ((_UPWARD, 1), (_DOWNWARD, -1)):
        if old.op in ops and new.op in ops:
            return _ordered((sign * before[0], old.op in _STRICT), (sign * after[0], new.op in _STRICT))
    if old.op is not new.op:
        return Implication.OTHERWISE
    return _same_op(old.op, before, after)


def _same_op(op: Op, before: list[float], after: list[float]) -> Implication:
    if op is Op.BEYOND:
        return _ordered((before[0], True), (after[0], True))
    if op in (Op.BETWEEN, Op.OUTSIDE):
        found = together((_ordered((before[0],), (after[0],)), _ordered((-before[-1],), (-after[-1],))))
        return _TURNED.get(found, found) if op is Op.OUTSIDE else found
    return Implication.OTHERWISE


def _ordered(old: tuple[float | bool, ...], new: tuple[float | bool, ...]) -> Implication:
    """Return the effect of a lower bound that was `old` and is `new`."""
    if old == new:
        return Implication.SAME
    return _oftener(new < old)


def _factor(bound: Number) -> tuple[float, str] | None:
    """Return a bound as a number, with what it multiplies; None for what is neither, and for what may be below 0."""
    match bound:
        case Call(measure) | Arithmetic("*", (_, Call(measure))) if MEASURES[measure].is_signed:
            return None
        case Constant(value, quantity):
            return value, quantity.value
        case Call():
            return 1.0, repr(bound)
        case Arithmetic("*", (Constant(value), Call() as call)):
            return value, repr(call)
        case _:
            return None


# ---------------------------------------------------------------- truths without comparison, and groups

_OFTENER_WHEN_MORE = {"spot_within": True, "spot_beyond": False, "before": True, "after": True, "within": True}


def _held(old: Call, new: Call) -> Implication:
    was, now = dict(old.arguments), dict(new.arguments)
    differing = [name for name in was.keys() | now.keys() if was.get(name) != now.get(name)]
    finding = _finding(old.measure, was, now)
    found = together(_argued(name, was.get(name), now.get(name), finding) for name in differing)
    return _TURNED.get(found, found) if old.measure == "no_event" else found


def _finding(measure: str, was: Mapping[str, Argument], now: Mapping[str, Argument]) -> tuple[str, ...]:
    """Return the arguments of events that only find more: where one of them is not written, fewer are found.

    Without a span, and without the expiry, an event counts all of its day. Where the expiry is not known, nothing is:
    to `no_event` that is the same as an event, to `event` it is not.
    """
    is_spanned = all(each.get("before") or each.get("after") for each in (was, now))
    is_until_expiry = all(each.get("until") for each in (was, now))
    spans = ("before", "after") if is_spanned or is_until_expiry else ()
    return (*spans, "until") if measure == "no_event" else spans


def _argued(name: str, old: Argument, new: Argument, finding: Container[str]) -> Implication:
    """Return the effect of one argument on a truth; with more events it is true more often."""
    if None in (old, new) and (name in finding or name == "says"):
        return _oftener((old if name in finding else new) is None)
    match old, new:
        case tuple(), tuple() if set(old) < set(new) or set(new) < set(old):
            return _oftener(set(old) < set(new))
        case Sessions(before), Sessions(after):
            return _oftener(after > before)
        case float(), float() if name in _OFTENER_WHEN_MORE:
            return _oftener((new > old) is _OFTENER_WHEN_MORE[name])
        case _:
            return Implication.OTHERWISE


def _grouped(old: AllOf | AnyOf, new: AllOf | AnyOf) -> Implication:
    was, now = (dict(zip(each.names, each.members, strict=True)) for each in (old, new))
    found = [holding(was[name], now[name]) for name in was.keys() & now.keys()]
    if type(old) is not type(new):
        kept = _oftener(isinstance(new, AnyOf))
        return together((*found, kept)) if was.keys() == now.keys() else Implication.OTHERWISE
    grows = _oftener(isinstance(new, AnyOf))
    found += [grows for _ in now.keys() - was.keys()]
    found += [_TURNED[grows] for _ in was.keys() - now.keys()]
    return together(found)


# --- Edits of conditions

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
    ("halts", Implication.RARER): "it is true less often: entries continue where it halted",
    ("halts", Implication.OFTENER): "it holds more often: halts sooner",
    ("leaves", Implication.RARER): "it holds less often: a position is kept longer",
    ("leaves", Implication.OFTENER): "it holds more often: leaves sooner",
}
_AS_OFTEN = "it holds when it held before"
_NAMES = "only the names of its members, under which is recorded what they say"
_UNCLEAR = "which of the two holds more often depends on the market: read both"


def judge_test(edit: Edit) -> Effect:
    """Judge another test of a rule by what its list does with it; a bound on the price by the worst that is paid."""
    held = judge_holding(edit.old, edit.new, LISTS[edit.now.place])
    price = "" if held.words == _NAMES else _price_words(edit)
    words = "; ".join(part for part in (held.words, price) if part)
    return Effect(words, is_worse=held.is_worse)


def judge_holding(old: Truth, new: Truth, does: str) -> Effect:
    """Judge another test by how often it holds; does: what a rule of its list does, as `LISTS` has it."""
    if nameless(old) == nameless(new):
        return Effect(_NAMES)
    found = holding(old, new)
    said = {Implication.OTHERWISE: _UNCLEAR, Implication.SAME: _AS_OFTEN}.get(found) or _SAID[does, found]
    return Effect(said, is_worse=found in (Implication.OTHERWISE, _WORSE[does]))


def _price_words(edit: Edit) -> str:
    """Return the worst price that a bound on credit or debit allows, before and after."""
    was, now = (side.example for side in edit.sides.both)
    if edit.now.place != "legs.require" or was is None or now is None or was.net == now.net:
        return ""
    words = f"may be {now.verb} at {price(now.net)}, before at {price(was.net)}"
    return "; ".join(part for part in (words, trade_words(edit.sides)) if part)


# ---------------------------------------------------------------- how a rule is judged

_ACTS = {"enters": "let it enter", "halts": "halt it", "leaves": "close a position"}


_LATER = {
    "enters": "it enters later",
    "halts": "it halts later, and until then entries continue",
    "leaves": "it acts later, and until then a loss runs on",
}


def judge_confirm(edit: Edit) -> Effect:
    """Fewer readings let one broken quote act; more of them let a loss run on meanwhile."""
    does = LISTS[edit.now.place]
    old, new = _strength(edit.old), _strength(edit.new)
    if None not in (old, new) and (edit.old.quotes is None) is not (edit.new.quotes is None):
        return Effect("counted in another way: readings follow the quotes, seconds do not", is_worse=True)
    if new is None or (old is not None and new < old):
        many = f"{counted(edit.new.quotes, 'reading')} in a row" if edit.new and edit.new.quotes else ""
        few = "one broken quote" if new is None or new <= 1 else many or "a shorter disturbance"
        return Effect(f"{few} can now {_ACTS[does]}", is_worse=does != "halts")
    return Effect(_LATER[does], is_worse=does != "enters")


def _strength(confirm: Confirm | None) -> float | None:
    return None if confirm is None else confirm.quotes or confirm.seconds or 0.0


def judge_age(edit: Edit) -> Effect:
    """Older data counts, or no longer does."""
    if edit.new is None or (edit.old is not None and edit.new > edit.old):
        return Effect("older data counts: it may judge a market that has moved on", is_worse=True)
    return Effect("older data no longer counts: it is unknown sooner")


def _confirm(noun: Condition, field: str, subject: ReviewSubject) -> Confirm | None:
    """Return how a condition is confirmed, None where the first reading does, as without any."""
    return None if noun.confirm is None or noun.confirm.quotes == 1 else noun.confirm


JUDGING: Keys = {
    "name": Within("path"),
    "test": Within("path"),
    "confirm": Key(key="confirm", said=lambda value, _: confirmed(value), judge=judge_confirm, read=_confirm),
    "max_age": Key(key="max_age", said=lambda value, _: duration(value), judge=judge_age),
    "path": Within(""),
}
"""How a condition is judged; its test is the head of its part."""


def rule_part(place: str, written: Condition, rule: Rule, subject: ReviewSubject) -> BotSection:
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
    """Return the facet by which a part is known: its own path is its place."""
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
    """Return the symbols in lists of a test's measures; a sentence gives their number."""
    if isinstance(test, Call):
        of = dict(test.arguments).get("of") if test.measure == "breadth" else None
        return of if isinstance(of, tuple) else ()
    if isinstance(test, (Compare, Holds, Not, AllOf, AnyOf, Arithmetic)):
        test = tuple(getattr(test, each.name) for each in fields(test))
    found = (symbol for each in test for symbol in symbols_in(each)) if isinstance(test, tuple) else ()
    return tuple(dict.fromkeys(found))


def nameless(test: Truth) -> Any:
    """Return a test without the names of its members, which follow the rule's own in any order."""
    members = getattr(test, "members", None)
    if members is None:
        return test
    return (type(test).__name__, tuple(sorted((nameless(member) for member in members), key=repr)))


REMOVED: Mapping[str, str] = {
    "universe.require": "symbols that do not offer this are entered too",
    "entry.when": "it enters also when this does not hold",
    "legs.require": "it enters also when the structure does not offer this",
    "risk.require": "it enters also when the bot with the entry does not keep to this",
    "risk.halt_when": "entries continue when this is true",
}
ADDED: Mapping[str, str] = {
    "universe.require": "fewer symbols",
    "entry.when": "fewer entries",
    "legs.require": "fewer entries",
    "risk.require": "fewer entries",
    "risk.halt_when": "halts when this holds",
}
"""The effect of a rule added to or removed from a list; exits are reported one by one."""
