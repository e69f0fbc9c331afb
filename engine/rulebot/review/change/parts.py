"""A bot as parts that can be compared, in the order of its text."""

from collections.abc import Iterator
from dataclasses import field, replace
from typing import Any

from rulebot.compile.build import values_of
from rulebot.compile.condition import rules_of
from rulebot.compile.expression import number_of_name
from rulebot.compile.orders import exit_order_of
from rulebot.compile.plan import Quantity, Rule
from rulebot.compile.scope import scope_of, scope_of_let
from rulebot.compile.variants import ranked_by, read_for
from rulebot.measure.definition import Place
from rulebot.measure.words import listed
from rulebot.model.money import short_dollars
from rulebot.model.text import duration, plain
from rulebot.model.values import dataclass
from rulebot.review.change.account import judge_symbols
from rulebot.review.change.entry import ENTRY, day_words, worst_day_words
from rulebot.review.change.exits import exit_part
from rulebot.review.change.field import (
    BotSection,
    Edit,
    Effect,
    Key,
    Keys,
    Within,
    facets,
    judge_by_text,
    judge_if_more,
    judge_if_worse,
)
from rulebot.review.change.legs import LEG, LEGS, STRIKE, judge_wider, trade_words
from rulebot.review.change.orders import ENTRY_ORDER, EXIT_ORDER
from rulebot.review.change.rules import head, in_one_order, rule_part
from rulebot.review.entry import rank_words
from rulebot.review.example import Subject
from rulebot.review.exits import acts_without_engine, protected_at
from rulebot.review.risk import is_day_bound_by_halt
from rulebot.review.structure import growth_words, leg_words, overwrite_words, size_words
from rulebot.spec.nouns import Condition, Leg
from rulebot.spec.spec import Protect, Risk, Size, Spec
from rulebot.wording.number import number_words

# --- Edits of `risk`: larger limits, and protection that goes


def _of_day(noun: Risk, field: str, subject: Subject) -> Any:
    day = subject.plan.risk.day
    return day.loss if field == "daily_loss" else day.profit


def _money(value: Any, subject: Subject) -> str:
    return short_dollars(value)


def judge_trade(edit: Edit) -> Effect:
    """A larger limit of one trade."""
    larger = edit.new is None or (edit.old is not None and edit.new > edit.old)
    refused = "entries that it refused are made" if larger else "more entries are refused"
    return Effect("; ".join(part for part in (refused, trade_words(edit.sides)) if part), is_worse=larger)


def judge_day(edit: Edit) -> Effect:
    """A larger limit of the day."""
    larger = edit.new is None or (edit.old is not None and edit.new > edit.old)
    halts = "it still enters after larger losses" if larger else "it halts sooner"
    is_bound = any(map(is_day_bound_by_halt, edit.sides.both))
    comes_to = worst_day_words(edit.sides) if is_bound else ""
    return Effect("; ".join(part for part in (halts, comes_to) if part), is_worse=larger)


def judge_undefined(edit: Edit) -> Effect:
    """A short option that nothing covers may be sold."""
    if edit.new:
        words = trade_words(edit.sides) or "nothing but the underlying's own bounds limits its loss"
        return Effect(f"a short option that no leg covers may be sold: {words}", is_worse=True)
    return Effect("every short option must be covered")


def judge_protect(edit: Edit) -> Effect:
    """A dead engine leaves what does not rest at the broker."""
    if edit.new is None:
        left = acts_without_engine(edit.sides.now) or "nothing acts"
        bare = edit.old.leg or "the short legs"
        return Effect(f"a dead engine leaves {bare} without a stop: while none runs {left}", is_worse=True)
    if edit.old is None:
        return Effect("it holds also when the engine is dead")
    wider = edit.new.times > edit.old.times or _basis(edit.old) is not _basis(edit.new)
    bare = _bare(edit)
    left = f"a dead engine leaves {listed(bare, 'and')} without a stop" if bare else ""
    return Effect("; ".join(part for part in (left, _protected(edit)) if part), is_worse=wider or bool(bare))


def _basis(protect: Protect) -> bool:
    """Say whether it counts from what a leg brought, and not from the credit of the structure."""
    return protect.each_short or protect.leg is not None


def _bare(edit: Edit) -> tuple[str, ...]:
    """Return the short legs that had a stop and have none now."""
    sold = (leg.name for leg in edit.sides.now.plan.legs if leg.sign < 0)
    return tuple(name for name in sold if edit.old.covers(name) and not edit.new.covers(name))


def _protected(edit: Edit) -> str:
    said = [protected_at(side) for side in edit.sides.both]
    return f"{said[0]} -> {said[1]}" if said[0] != said[1] else ""


def _protection(value: Any, subject: Subject) -> str:
    of = " of each short leg" if value.each_short else f" of {value.leg}" if value.leg is not None else ""
    return f"{plain(value.times)}x credit{of}"


def _judge_closing(edit: Edit) -> Effect:
    """Without closing, open positions may lose more after the limit of the day."""
    words = (
        "the loss of the day closes open positions" if edit.new else "open positions continue after the loss of the day"
    )
    return Effect(words, is_worse=not edit.new)


def _judge_delayed(edit: Edit) -> Effect:
    """Quotes of 10 to 15 minutes ago are traded on."""
    words = "it trades on quotes that come 10 to 15 minutes late" if edit.new else "late quotes count as unknown"
    return Effect(words, is_worse=bool(edit.new))


RISK: Keys = {
    "r": Key(key="r", said=_money, judge=judge_by_text("what the limits in R amount to is shown there")),
    "max_loss_per_trade": Key(key="max_loss_per_trade", said=_money, judge=judge_trade),
    "daily_loss": Key(key="daily_loss", said=_money, judge=judge_day, read=_of_day),
    "at_daily_loss": Key(
        key="at_daily_loss",
        said=lambda value, _: "{close: all}" if value else "{close: none}",
        judge=_judge_closing,
    ),
    "daily_profit": Key(
        key="daily_profit",
        said=_money,
        judge=judge_if_more("it still enters after larger gains", "it halts sooner"),
        read=_of_day,
    ),
    "require": Within("risk.require"),
    "halt_when": Within("risk.halt_when"),
    "undefined_risk": Key(
        key="undefined_risk", said=lambda value, _: "allow" if value else "not allowed", judge=judge_undefined
    ),
    "delayed_data": Key(key="delayed_data", said=lambda value, _: "allow" if value else "refuse", judge=_judge_delayed),
    "protect": Key(key="protect", said=_protection, judge=judge_protect),
    "max_time_without_stop": Key(
        key="max_time_without_stop",
        said=lambda value, _: duration(value),
        judge=judge_if_more(
            "a short leg may be longer without a stop or a closing order",
            "an unprotected short leg is closed sooner",
        ),
    ),
    "path": Within(""),
}
"""Every field of `risk`; a test asks for each."""


# --- A bot as parts that can be compared, in the order of its text


def judge_name(edit: Edit) -> Effect:
    """A bot is its name."""
    words = f"a bot is its name: what is recorded, shown on paper and promoted stays with {edit.old}"
    return Effect(f"{words}; with a position open the renaming is refused", is_worse=True)


def judge_quantity(edit: Edit) -> Effect:
    """More structures lose more, and dollars of a stop or target are those of the whole position."""
    (old, old_size), (new, new_size) = edit.old, edit.new
    is_worse = new > old or judge_wider(edit.sides) or (new_size != old_size and not _is_tighter(old_size, new_size))
    stops = _dollar_stops(edit) if old_size is new_size is None else ""
    found = [trade_words(edit.sides), day_words(edit.sides), stops]
    return Effect("; ".join(part for part in found if part), is_worse=is_worse)


def _is_tighter(old: Size | None, new: Size | None) -> bool:
    """Say whether a budget lets in fewer than before: one where there was none, or a smaller one of its kind."""
    if old is None or new is None:
        return old is None
    alike = (old.fits, old.amount.unit) == (new.fits, new.amount.unit)
    return alike and new.amount.value < old.amount.value


def _counted(noun: Spec, field: str, subject: Subject) -> tuple[int, Size | None]:
    return noun.quantity, noun.size


def _count(value: tuple[int, Size | None], subject: Subject) -> str:
    count, size = value
    return plain(count) if size is None else size_words(size, count)


def judge_growth(edit: Edit) -> Effect:
    """It may reach more than before, or reach it sooner."""
    old, new = edit.old, edit.new
    if new is None or old is None:
        return Effect(
            "the quantity no longer grows" if new is None else "the quantity grows automatically", is_worse=True
        )
    is_sooner = new.start > old.start or new.step * old.sessions > old.step * new.sessions
    return Effect("it has more structures sooner" if is_sooner else "", is_worse=is_sooner)


def judge_overwrite(edit: Edit) -> Effect:
    """More of the shares may be called away; a count and a part of the shares cannot be compared."""
    if edit.old is None or edit.new is None:
        now = "the text, whatever shares are held" if edit.new is None else "the shares held"
        return Effect(f"how many calls there are is said by {now}", is_worse=True)
    if edit.new.most > edit.old.most:
        return Effect("more of the shares may be called away at the strike", is_worse=True)
    if edit.new.least < edit.old.least:
        return Effect("calls are sold also where no whole number of them was in the band", is_worse=True)
    if edit.new.most < edit.old.most:
        return Effect("fewer of the shares may be called away")
    return Effect("no calls where no whole number of them is in the band any more")


def _dollar_stops(edit: Edit) -> str:
    said = []
    for rule in edit.sides.now.exits:
        level = rule.compares
        if level is not None and level.legs is None and level.of is None and level.quantity is Quantity.DOLLARS:
            each = [short_dollars(round(level.value / count, 2)) for count, _ in (edit.old, edit.new)]
            said.append(f"{rule.name} {short_dollars(level.value)} is {each[0]} -> {each[1]} a structure")
    return ", ".join(said)


@dataclass(frozen=True, slots=True)
class _Ranked:
    """What ranks symbols, as compiled:

    a let has the meaning of its value, whatever it is called; and the same in words.
    """

    meaning: tuple[Any, ...]
    words: str = field(compare=False)


def _rank(noun: Spec, key: str, subject: Subject) -> _Ranked | None:
    rank = None if noun.universe is None else noun.universe.rank
    if rank is None:
        return None
    number = ranked_by(read_for(noun, noun.underlyings[0]), values_of(noun))
    return _Ranked((number, rank.highest, rank.count), rank_words(rank.by, rank.highest, rank.count))


SPEC: Keys = {
    "version": Key(
        key="rulebot", said=lambda value, _: str(value), judge=judge_by_text("another version of the language")
    ),
    "name": Key(key="name", said=lambda value, _: value, judge=judge_name),
    "about": Key(key="about", said=lambda value, _: value, judge=judge_by_text("")),
    "underlyings": Key(
        key="underlying",
        said=lambda value, _: ", ".join(value),
        judge=judge_symbols,
        read=lambda noun, _, __: noun.underlyings if noun.universe is None else noun.universe.symbols,
    ),
    "universe": Key(
        key="universe.rank",
        said=lambda value, _: str(value.words),
        judge=judge_if_worse("other symbols are taken"),
        read=_rank,
    ),
    "quantity": Key(key="quantity", said=_count, judge=judge_quantity, read=_counted),
    "size": Within("quantity"),
    "overwrite": Key(
        key="quantity.overwrite",
        said=lambda value, subject: overwrite_words(value, subject.spec.underlyings[0]),
        judge=judge_overwrite,
    ),
    "growth": Key(
        key="quantity.grow",
        said=lambda value, subject: growth_words(value, subject.spec.quantity),
        judge=judge_growth,
    ),
    "parameters": Within("parameters"),
    "lets": Within("let"),
    "entry": Within("entry"),
    "legs": Within("legs"),
    "order": Within("order"),
    "exits": Within("exits"),
    "exit_order": Within("exit_order"),
    "risk": Within("risk"),
    "accept": Within("accept"),
    "models": Within("models"),
    "digest": Within(""),
}
"""Every field of a spec; a test asks for each."""


def parts_of(subject: Subject) -> tuple[BotSection, ...]:
    """Return all parts of a bot."""
    spec, plan = subject.spec, subject.plan
    return (
        _section("", spec, SPEC, subject),
        *_rules("universe.require", *_required(spec), subject),
        *_lets(subject),
        *_accepts(spec),
        _section("entry", spec.entry, ENTRY, subject),
        *_rules("entry.when", spec.entry.when, plan.entry.when, subject),
        _section("legs", spec.legs, LEGS, subject),
        *(_leg(leg, subject) for leg in spec.legs.legs),
        *_rules("legs.require", spec.legs.require, plan.require, subject),
        _section("order", spec.order, ENTRY_ORDER, subject),
        *(exit_part(rule, subject) for rule in spec.exits),
        _exit_order(subject),
        _section("risk", spec.risk, RISK, subject),
        *_rules("risk.require", spec.risk.require, plan.risk.require, subject),
        *_rules("risk.halt_when", spec.risk.halt_when, plan.risk.halt_when, subject),
    )


def _section(place: str, noun: Any, keys: Keys, subject: Subject) -> BotSection:
    return BotSection(place=place, noun=noun, meaning=None, facets=facets(noun, keys, subject))


def _rules(
    place: str, written: tuple[Condition, ...], compiled: tuple[Rule, ...], subject: Subject
) -> Iterator[BotSection]:
    return (rule_part(place, text, rule, subject) for text, rule in zip(written, compiled, strict=True))


def _required(spec: Spec) -> tuple[tuple[Condition, ...], tuple[Rule, ...]]:
    """Return what the universe requires, as written and as it reads for its first symbol."""
    if spec.universe is None:
        return (), ()
    return spec.universe.require, rules_of(spec.universe.require, scope_of(spec, Place.UNIVERSE, values_of(spec)))[0]


def _leg(leg: Leg, subject: Subject) -> BotSection:
    found = {**facets(leg, LEG, subject), **facets(leg.strike, STRIKE, subject)}
    planned = next(each for each in subject.plan.legs if each.name == leg.name)
    return BotSection(
        place="legs",
        name=leg.name,
        noun=leg,
        meaning=tuple(each.value for each in found.values()),
        facets=found,
        said=leg_words(planned, subject.plan),
    )


def _exit_order(subject: Subject) -> BotSection:
    """Return the order by which exits leave; where none is written it follows the entry's."""
    spec = subject.spec
    order = replace(exit_order_of(spec), path=("exit_order",))
    found = facets(order, EXIT_ORDER, subject)
    is_written = spec.exit_order is not None
    marked = {key: replace(facet, is_written=is_written) for key, facet in found.items()}
    return BotSection(place="exit_order", noun=order, meaning=None, facets=marked)


def _lets(subject: Subject) -> Iterator[BotSection]:
    for let in subject.spec.lets:
        scope = scope_of_let(subject.spec, let, values_of(subject.spec))
        number = in_one_order(number_of_name(let.name, scope, let.path))
        said = number_words(number, subject.cast)
        found = {"": head(number, said, judge_by_text("what uses it is shown there"))}
        yield BotSection(place="let", name=let.name, noun=let, meaning=number, facets=found, said=said)


def _accepts(spec: Spec) -> Iterator[BotSection]:
    for code, reason in spec.accept.items():
        found = {"": head(reason, reason, judge_by_text("the reason alone"))}
        yield BotSection(place="accept", name=code, noun=reason, meaning=(code, reason), facets=found, said=reason)
