"""A bot as parts that can be compared, in the order of its text."""

from collections.abc import Iterator
from dataclasses import field, replace
from typing import Any

from rulebot.compile.build import values_of
from rulebot.compile.condition import rules_of
from rulebot.compile.expression import number_of_name
from rulebot.compile.measures.measure import Place
from rulebot.compile.orders import exit_order_of
from rulebot.compile.plan import Quantity, Rule
from rulebot.compile.scope import scope_of, scope_of_let
from rulebot.compile.universe import ranked_by
from rulebot.compile.variants import read_for
from rulebot.model.values import dataclass
from rulebot.review import amounts
from rulebot.review.change.entering import ENTRY, day_words
from rulebot.review.change.facet import BotSection, Edit, Verdict, judge_by_text, judge_if_worse
from rulebot.review.change.key import Key, Keys, Within, facets
from rulebot.review.change.leaving import exit_part
from rulebot.review.change.legs import LEG, LEGS, STRIKE, judge_wider, trade_words
from rulebot.review.change.orders import ENTRY_ORDER, EXIT_ORDER
from rulebot.review.change.risking import RISK
from rulebot.review.change.rules import head, in_one_order, rule_part
from rulebot.review.change.universe import judge_symbols
from rulebot.review.members import rank_words
from rulebot.review.numbers import number_words
from rulebot.review.structure import growth_words, leg_words, overwrite_words, size_words
from rulebot.review.subject import Subject
from rulebot.spec.nouns.condition import Condition
from rulebot.spec.nouns.legs import Leg
from rulebot.spec.spec import Size, Spec


def judge_name(edit: Edit) -> Verdict:
    """A bot is its name."""
    words = f"a bot is its name: what is recorded, shown on paper and promoted stays with {edit.old}"
    return Verdict(f"{words}; with a position open the renaming is refused", is_worse=True)


def judge_quantity(edit: Edit) -> Verdict:
    """More structures lose more, and dollars of a stop or target are those of the whole position."""
    (old, old_size), (new, new_size) = edit.old, edit.new
    is_worse = new > old or judge_wider(edit.sides) or (new_size != old_size and not _is_tighter(old_size, new_size))
    stops = _dollar_stops(edit) if old_size is new_size is None else ""
    found = [trade_words(edit.sides), day_words(edit.sides), stops]
    return Verdict("; ".join(part for part in found if part), is_worse=is_worse)


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
    return amounts.plain(count) if size is None else size_words(size, count)


def judge_growth(edit: Edit) -> Verdict:
    """It may come to more than it did, or to it sooner."""
    old, new = edit.old, edit.new
    if new is None or old is None:
        return Verdict("the quantity grows no more" if new is None else "the quantity grows by itself", is_worse=True)
    is_sooner = new.start > old.start or new.step * old.sessions > old.step * new.sessions
    return Verdict("it has more structures sooner" if is_sooner else "", is_worse=is_sooner)


def judge_overwrite(edit: Edit) -> Verdict:
    """More of the shares may be called away; between a count and a part of the shares no one can say which is more."""
    if edit.old is None or edit.new is None:
        now = "the text, whatever shares are held" if edit.new is None else "the shares held"
        return Verdict(f"how many calls there are is said by {now}", is_worse=True)
    if edit.new.most > edit.old.most:
        return Verdict("more of the shares may be called away at the strike", is_worse=True)
    if edit.new.least < edit.old.least:
        return Verdict("calls are sold also where no whole number of them was in the band", is_worse=True)
    if edit.new.most < edit.old.most:
        return Verdict("fewer of the shares may be called away")
    return Verdict("no calls where no whole number of them is in the band any more")


def _dollar_stops(edit: Edit) -> str:
    said = []
    for rule in edit.sides.now.exits:
        level = rule.compares
        if level is not None and level.legs is None and level.of is None and level.quantity is Quantity.DOLLARS:
            each = [amounts.money(round(level.value / count, 2)) for count, _ in (edit.old, edit.new)]
            said.append(f"{rule.name} {amounts.money(level.value)} is {each[0]} -> {each[1]} a structure")
    return ", ".join(said)


def _symbols(noun: Spec, field: str, subject: Subject) -> tuple[str, ...]:
    return noun.underlyings if noun.universe is None else noun.universe.symbols


@dataclass(frozen=True, slots=True)
class _Ranked:
    """What ranks symbols, as compiled: a let means what it stands for, whatever it is called; and the same in words."""

    meaning: tuple[Any, ...]
    words: str = field(compare=False)


def _rank(noun: Spec, key: str, subject: Subject) -> _Ranked | None:
    rank = None if noun.universe is None else noun.universe.rank
    if rank is None:
        return None
    number = ranked_by(read_for(noun, noun.underlyings[0]), values_of(noun))
    return _Ranked((number, rank.highest, rank.count), rank_words(rank.by, rank.highest, rank.count))


def _rank_words(value: Any, subject: Subject) -> str:
    return str(value.words)


SPEC: Keys = {
    "version": Key(
        key="rulebot", said=lambda value, _: str(value), judge=judge_by_text("another version of the language")
    ),
    "name": Key(key="name", said=lambda value, _: value, judge=judge_name),
    "about": Key(key="about", said=lambda value, _: value, judge=judge_by_text("")),
    "underlyings": Key(key="underlying", said=lambda value, _: ", ".join(value), judge=judge_symbols, read=_symbols),
    "universe": Key(key="universe.rank", said=_rank_words, judge=judge_if_worse("other symbols are taken"), read=_rank),
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
        found = {"": head(number, said, judge_by_text("what uses it is told there"))}
        yield BotSection(place="let", name=let.name, noun=let, meaning=number, facets=found, said=said)


def _accepts(spec: Spec) -> Iterator[BotSection]:
    for code, reason in spec.accept.items():
        found = {"": head(reason, reason, judge_by_text("the reason alone"))}
        yield BotSection(place="accept", name=code, noun=reason, meaning=(code, reason), facets=found, said=reason)
