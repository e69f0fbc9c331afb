"""Edits of `exits`: what acts later, on less, or no more, and the fault that this lets through."""

from collections.abc import Iterable, Sequence
from dataclasses import field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from rulebot.compile.plan import Call, Compare, ExitPlan, Holds, Rule, Truth
from rulebot.compile.timing import end_of_day
from rulebot.model.money import short_dollars
from rulebot.model.session import DayTime
from rulebot.model.text import counted, duration, short_clock
from rulebot.model.values import dataclass
from rulebot.review.change.field import BotSection, Edit, Effect, Key, Keys, Sides, Within, facets
from rulebot.review.change.legs import nights
from rulebot.review.change.orders import judge_own_order, own_order_words
from rulebot.review.change.rules import JUDGING, head, in_one_order, judge_test, nameless
from rulebot.review.example import EACH_WORDS, Example, Subject, each_words, naming_context_for
from rulebot.review.exit_levels import legs_words, level_of, level_words, with_level
from rulebot.review.exits import acting, acts_without_engine, closed_words, roll_words
from rulebot.review.max_loss import max_loss_of
from rulebot.spec.spec import Exit, IfUnknown, OnUnfilled
from rulebot.wording.condition import rule_words, sentence
from rulebot.wording.number import FULL_DAY, HALF_DAY


def exit_part(written: Exit, subject: Subject) -> BotSection:
    """Return an exit as a part; of one that is switched off only its text counts."""
    planned = planned_of(written.name, subject)
    if planned is None:
        off = facets(written, OFF, subject)
        return BotSection(place="exits", name=written.name, noun=written, meaning=None, facets=off, said="switched off")
    said = exit_words(planned, subject)
    found = {"": head(_value(planned), said, judge_exit), **facets(written, EXIT, subject)}
    if written.condition is not None:
        found |= facets(written.condition, JUDGING, subject)
    meaning = (
        nameless(in_one_order(planned.rule.test)) if planned.rule else None,
        *(each.value for k, each in found.items() if k),
    )
    return BotSection(place="exits", name=written.name, noun=planned, meaning=meaning, facets=found, said=said)


def planned_of(name: str, subject: Subject) -> ExitPlan | None:
    """Return an exit as compiled, None when it is switched off."""
    return next((planned for planned in subject.exits if planned.name == name), None)


def _value(planned: ExitPlan) -> tuple[Any, ...]:
    return planned.kind, in_one_order(planned.rule.test) if planned.rule else None, planned.basis, planned.each


def exit_words(planned: ExitPlan, subject: Subject) -> str:
    """Return what makes an exit act, in a sentence, without how it is judged."""
    if planned.rule is None:
        return "the rest settles at expiry"
    bare = replace(planned.rule, confirm=None, max_age=None)
    words = acting(replace(planned, rule=bare), sentence(bare.test, naming_context_for(planned, subject.cast)), subject)
    return f"{words}, {each_words(planned)}" if planned.each else words


def example_words(planned: ExitPlan, example: Example | None) -> str:
    """Return at which price an exit acts on one example: `1.00 sold: bought back at 3.00, -$205`."""
    if example is None or with_level(planned) is None or planned.part is not None:
        return ""
    level = level_of(planned, example)
    return "no price reaches this" if level is None else level_words(level, example, is_price=planned.is_target_price)


# ---------------------------------------------------------------- when it acts


def judge_exit(edit: Edit) -> Effect:
    """Judge another test: a later time by minutes, a target or stop by its price, the rest by how often it holds."""
    was, now = edit.was.noun, edit.now.noun
    if edit.old[0] is not edit.new[0]:
        return Effect("another kind of exit", is_worse=True)
    if edit.old[3] != edit.new[3]:
        return _judge_each(edit.new[3])
    if times := _times(edit.old[1], edit.new[1]):
        return judge_time(*times)
    is_priced = _is_priced(was) and _is_priced(now) and _is_alike(was, now) and _read_at(was) == _read_at(now)
    if is_priced and was.part is now.part is None:
        return _judge_level(was, now, edit.sides)
    if was.rule is None or now.rule is None:
        return Effect()
    effect = judge_test(replace(edit, old=edit.old[1], new=edit.new[1]))
    if is_priced:
        return replace(effect, is_worse=_judge_level(was, now, edit.sides).is_worse)
    return _with_prices(effect, was, now, edit.sides)


def _with_prices(effect: Effect, was: ExitPlan, now: ExitPlan, sides: Sides) -> Effect:
    """Return an effect with the closing prices of some legs before and after, on the old example."""
    example = sides.was.example or sides.now.example
    prices = ["" if example is None else legs_words(each, example) for each in (was, now)]
    if not all(prices):
        return effect
    words = f"{prices[0]} -> {_short(prices[1])}"
    return replace(effect, words="; ".join(part for part in (effect.words, words) if part))


def _judge_each(now: str) -> Effect:
    """Judged together the parts offset each other; judged separately one may close while the others continue."""
    words = f"{EACH_WORDS[now]} is judged separately" if now else "its legs are judged together"
    return Effect(f"{words}: it acts at other prices, on other legs", is_worse=True)


def _is_priced(planned: ExitPlan) -> bool:
    return with_level(planned) is not None


def _is_alike(was: ExitPlan, now: ExitPlan) -> bool:
    """Say whether two exits act on the same side of their prices: targets and stops do, conditions by their word."""
    if was.basis is not None and now.basis is not None:
        return True
    tests = [planned.rule.test for planned in (was, now) if planned.rule is not None]
    old, new = (test.op if isinstance(test, Compare) else None for test in tests)
    return old is new


def _read_at(planned: ExitPlan) -> Any:
    """Return at which price an exit reads the cost of closing: natural costs more than mid."""
    test = None if planned.rule is None else planned.rule.test
    return dict(test.left.arguments).get("at") if isinstance(test, Compare) and isinstance(test.left, Call) else None


def _judge_level(was: ExitPlan, now: ExitPlan, sides: Sides) -> Effect:
    """Both prices on one example, the old one; worse when it loses more, or gains more before it leaves."""
    example = sides.was.example or sides.now.example
    if example is None:
        return Effect("read both", is_worse=True)
    old, new = level_of(was, example), level_of(now, example)
    words = f"{example_words(was, example)} -> {_short(example_words(now, example))}"
    if old is None or new is None:
        return Effect(words, is_worse=new is None)
    further = abs(new.made - old.made) > Decimal("0.005")
    loses_more = new.made < old.made if old.made < 0 or new.made < 0 else new.made > old.made
    return Effect(words, is_worse=further and loses_more)


def _short(words: str) -> str:
    """Return an example's words without the price of its entry, which is shown already."""
    return words.partition(": ")[2] or words


def _times(old: Truth | None, new: Truth | None) -> tuple[DayTime, DayTime] | None:
    was, now = _time(old), _time(new)
    return None if was is None or now is None else (was, now)


def _time(test: Truth | None) -> DayTime | None:
    if not isinstance(test, Holds) or test.call.measure != "time":
        return None
    call: Call = test.call
    at = dict(call.arguments)["at"]
    return at if isinstance(at, DayTime) else None


def judge_time(was: DayTime, now: DayTime) -> Effect:
    """Minutes left to the close, half days too."""
    left = round((FULL_DAY.close - now.before_close(FULL_DAY)).total_seconds() / 60)
    pairs = [(was.before_close(day), now.before_close(day)) for day in (FULL_DAY, HALF_DAY)]
    later = any(new > old for old, new in pairs)
    sooner = any(new < old for old, new in pairs) and not later
    sooner_said = "leaves sooner: " if sooner else ""
    close = "at the close" if not left else f"{counted(left, 'minute')} before the close"
    return Effect(f"{sooner_said}{close}; half days {_half(pairs[1][1])}", is_worse=later)


def _half(at: datetime) -> str:
    """Return when a time exit acts on a half day: one that is counted from the open may come after the close."""
    return short_clock(at) if at <= HALF_DAY.close else f"never, they close at {short_clock(HALF_DAY.close)}"


# ---------------------------------------------------------------- an exit less, or more


def removed_exit(planned: ExitPlan, sides: Sides) -> Effect:
    """Return what is no longer closed, and what still closes."""
    left = ", ".join(each.name for each in sides.now.exits) or "nothing"
    return Effect(f"{_lost(planned, sides)}; the rest: {left}", is_worse=True)


def _lost(planned: ExitPlan, sides: Sides) -> str:
    if _time(planned.rule.test if planned.rule else None) is not None:
        if end_of_day(sides.now.spec, FULL_DAY) is not None:
            return "it no longer leaves at that time"
        return nights(sides.now) if _held_over(sides.now) else "no time of day closes it: held to its expiry"
    return planned.kind.traits.lost.format(worst=worst_trade(sides.now))


def _held_over(subject: Subject) -> bool:
    return nights(subject) != "held over no night"


def worst_trade(subject: Subject) -> str:
    """Return the worst case of a trade in words."""
    worst = max_loss_of(subject)
    if worst is None or worst.amount is None:
        return "a loss that nothing bounds"
    return f"the worst case, {short_dollars(round(worst.amount))}"


def judge_enabled(edit: Edit) -> Effect:
    """An exit switched off is one removed."""
    if edit.new:
        return Effect(f"it acts again: {edit.now.said}")
    planned = edit.was.noun
    return removed_exit(planned, edit.sides) if isinstance(planned, ExitPlan) else Effect("it no longer acts", True)


# ---------------------------------------------------------------- how it acts


def judge_resting(edit: Edit) -> Effect:
    """Without a resting order a dead engine closes nothing; a resting stop goes to market on one print."""
    if not edit.new:
        left = acts_without_engine(edit.sides.now) or "nothing acts"
        return Effect(f"a dead engine no longer closes by it: while none runs {left}", is_worse=True)
    resting = edit.now.noun.kind.traits.resting
    if resting is not None and resting.acts_at_market:
        return Effect("acts also while no engine runs; one print at its price sends it to market", is_worse=True)
    return Effect("acts also while no engine runs")


def judge_unknown(edit: Edit) -> Effect:
    """Holding while quotes are blind is the fault that `exit` was there for."""
    if edit.new is IfUnknown.HOLD:
        return Effect("while quotes are missing it waits: a blind quote keeps the position open", is_worse=True)
    grace = duration(edit.now.noun.grace)
    is_sure = edit.now.noun.order.ends_at_market or edit.now.noun.roll is not None
    waits = "" if is_sure else ", at a limit: while a leg is not quoted nothing is sent"
    return Effect(f"{grace} without data close the position{waits}")


def judge_grace(edit: Edit) -> Effect:
    """How long it may be blind."""
    acts = edit.now.noun.if_unknown is IfUnknown.EXIT
    longer = edit.new > edit.old
    return Effect("how long it may be without data" + (", before it acts" if acts else ""), is_worse=longer)


def judge_part(edit: Edit) -> Effect:
    """The rest can lose more."""
    was, now = (_share(each, side) for each, side in ((edit.old, edit.sides.was), (edit.new, edit.sides.now)))
    if was == now == 1.0:
        return Effect("all of its legs, as before" if edit.new[0] else "all that it holds, as before")
    if now < was or (now == was and edit.old[0] != edit.new[0]):
        return Effect("the rest can lose more", is_worse=True)
    return Effect("it leaves less open")


def _share(value: Any, subject: Subject) -> float:
    legs, part, each = value
    if each:
        return 0.5
    return (len(legs) / len(subject.plan.legs) if legs else 1.0) * float(1 if part is None else part)


def judge_repeat(edit: Edit) -> Effect:
    """Once is less than each time."""
    if edit.new:
        return Effect("it closes its part each time it becomes true again")
    return Effect("it closes its part once: held again, nothing more is closed", is_worse=True)


def judge_any_price(edit: Edit) -> Effect:
    """At any price a target may keep less than it says."""
    if edit.new:
        return Effect("closes at any price once it was true: it may keep less than it says", is_worse=True)
    return Effect("closes at its price or better: if the market moves away, the position stays open")


def judge_armed_by(edit: Edit) -> Effect:
    """Until it is armed an exit does not exist: nothing closes by it."""
    if not edit.new:
        return Effect("it acts from the first fill on")
    if _is_same(edit.old, edit.new):
        return Effect(NAMES_OF_CONDITIONS)
    when = "until that was true once nothing closes by it"
    return Effect(when if not edit.old else f"armed otherwise: {when}", is_worse=True)


NAMES_OF_CONDITIONS = "only the names of its conditions, under which is recorded what they say"


@dataclass(frozen=True, slots=True)
class _Reported:
    """What decides whether an edit changed something, what its conditions are called, and the same in words."""

    meaning: tuple[Any, ...]
    names: tuple[str, ...]
    words: str = field(compare=False)


def _is_same(old: Sequence[_Reported], new: Sequence[_Reported]) -> bool:
    """Say whether nothing but names was changed."""
    return [each.meaning for each in old] == [each.meaning for each in new]


def _in_one_order(rules: Iterable[Rule]) -> list[Rule]:
    """Return conditions that are judged together in an order of what they say: that of the text means nothing."""
    return sorted(rules, key=lambda rule: (repr(_asked(rule)), rule.name))


def _asked(rule: Rule) -> tuple[Any, ...]:
    return nameless(in_one_order(rule.test)), rule.confirm, rule.max_age


def _armed_by(noun: Exit, field: str, subject: Subject) -> Any:
    planned = planned_of(noun.name, subject)
    if planned is None:
        return None
    return tuple(_arming(rule, subject) for rule in _in_one_order(planned.activate_when))


def _arming(rule: Rule, subject: Subject) -> _Reported:
    return _Reported(_asked(rule), (rule.name,), rule_words(rule, subject.cast))


def judge_roll(edit: Edit) -> Effect:
    """What rolls stays in the market where it would have left it."""
    if edit.new is None:
        return Effect("it closes, and opens nothing")
    if edit.old is not None and _is_same([edit.old], [edit.new]):
        return Effect(NAMES_OF_CONDITIONS)
    return Effect("where it closed it opens a new position" if edit.old is None else "rolled otherwise", is_worse=True)


def _rolled(noun: Exit, field: str, subject: Subject) -> Any:
    planned = planned_of(noun.name, subject)
    if planned is None or planned.roll is None:
        return None
    roll = planned.roll
    legs = tuple(
        (leg.name, replace(leg.strike, path=()), leg.min_strike, leg.max_strike, leg.trading_class) for leg in roll.legs
    )
    expiry = roll.legs[0].expiry.terms if roll.is_moved else None
    rules = _in_one_order(roll.require)
    names, asked = tuple(rule.name for rule in rules), tuple(map(_asked, rules))
    return _Reported((legs, expiry, asked, roll.otherwise), names, roll_words(roll, subject.cast))


def _closed(noun: Exit, field: str, subject: Subject) -> Any:
    """Return the legs and the part that an exit closes, and the kind of each that it closes separately."""
    planned = planned_of(noun.name, subject)
    if planned is None:
        return None
    each = "" if noun.close_all else planned.each
    return tuple(leg.name for leg in subject.plan.legs if leg.name in planned.legs), planned.part, each


def _closed_words(value: Any, subject: Subject) -> str:
    legs, part, each = value
    if each:
        return f"the {'side' if each == 'each_side' else 'short leg'} that it is true of, alone"
    return closed_words(legs, part)


def _order(noun: Exit, field: str, subject: Subject) -> Any:
    planned = planned_of(noun.name, subject)
    return None if planned is None or planned.resting or planned.rule is None else _pathless(planned.order)


def _pathless(order: Any) -> Any:
    """Return an order without its place; one that continues until done has no count of tries."""
    return replace(order, path=(), tries=1 if order.then is OnUnfilled.AGAIN else order.tries)


def _yes(value: Any, subject: Subject) -> str:
    return "true" if value else "false"


EXIT: Keys = {
    "name": Within("path"),
    "kind": Within("path"),
    "condition": Within("path"),
    "enabled": Key(key="enabled", said=lambda value, _: "on" if value else "off", judge=judge_enabled),
    "resting": Key(key="resting", said=_yes, judge=judge_resting),
    "order": Key(
        key="order",
        said=own_order_words,
        judge=judge_own_order,
        read=_order,
        is_written=lambda noun: noun.order is not None,
    ),
    "if_unknown": Key(key="unknown", said=lambda value, _: value.value, judge=judge_unknown),
    "grace": Key(key="grace", said=lambda value, _: duration(value), judge=judge_grace),
    "close_all": Within("close"),
    "close_part": Key(key="close", said=_closed_words, judge=judge_part, read=_closed),
    "close_legs": Within("close"),
    "repeat": Key(key="repeat", said=_yes, judge=judge_repeat),
    "any_price": Key(key="any_price", said=_yes, judge=judge_any_price),
    "activate_when": Key(
        key="activate_when",
        said=lambda value, _: " and ".join(each.words for each in value),
        judge=judge_armed_by,
        read=_armed_by,
    ),
    "roll": Key(key="roll", said=lambda value, _: value.words, judge=judge_roll, read=_rolled),
    "path": Within(""),
}
"""Every field of an exit; a test asks for each."""

OFF: Keys = {"enabled": EXIT["enabled"]}
