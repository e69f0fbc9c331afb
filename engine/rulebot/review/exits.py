"""The section Leaves: every exit in order of priority, what it means on the example, what rests, what expiry does."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from rulebot.compile.data_needs import calls_of
from rulebot.compile.per_leg_exits import legs_in_condition
from rulebot.compile.plan import Call, Compare, ExitPlan, Holds, ProtectPlan, RollPlan, Rule
from rulebot.measure.words import NamingContext, listed
from rulebot.model.contract import Settlement, product
from rulebot.model.text import duration, percent, plain, price
from rulebot.review.example import Example, Subject, each_words, naming_context_for
from rulebot.review.exit_levels import (
    AT_ONCE,
    is_met_at_once,
    legs_words,
    level_of,
    level_words,
    part_price,
    protection_prices,
    with_level,
)
from rulebot.review.explanation import Line, Section
from rulebot.review.orders import ladder_words
from rulebot.review.structure import expiry_words, has_several, strike_words
from rulebot.spec.nouns import Op, StrikeBy
from rulebot.spec.spec import Exit, IfUnknown, OnUnknown, PriceFrom
from rulebot.wording.condition import confirmation_words, ending, outline, rule_words

# --- What an exit rolls into, in words

OTHERWISE: Mapping[OnUnknown, str] = {
    OnUnknown.HOLD: "it holds until the next session",
    OnUnknown.CLOSE: "it only closes",
}
"""What an exit does that finds nothing to roll into; a test asks for each."""


def rolling_words(planned: ExitPlan, cast: NamingContext) -> str:
    """Return what an exit opens with what it closes, and what it does when it finds none; it has a roll."""
    assert planned.roll is not None
    tries = "1 try" if planned.order.tries == 1 else f"{planned.order.tries} tries"
    words = roll_words(planned.roll, cast)
    if planned.each and planned.legs:
        return f"one order, {tries}, closes that one alone and opens its own legs of these: {words}"
    what = f"{listed(planned.legs, 'and')} alone" if planned.legs else "it"
    return f"one order, {tries}, closes {what} and opens {words}"


def roll_words(roll: RollPlan, cast: NamingContext) -> str:
    """Return the new legs, what they require, and what follows where there are none."""
    moved = [f"{leg.name} {strike_words(leg)}" for leg in roll.legs if leg.strike.by is not StrikeBy.HELD]
    kept = [leg.name for leg in roll.legs if leg.strike.by is StrikeBy.HELD]
    legs = moved + ([f"{listed(tuple(kept), 'and')} at the strike{'s' if len(kept) > 1 else ''} held"] if kept else [])
    first = roll.legs[0]
    expiry = expiry_words(first.expiry, first.trading_class).replace("from now", "from then")
    of = expiry if roll.is_moved else "the expiry held"
    rules = " and ".join(rule_words(rule, cast) for rule in roll.require)
    asked = f", if for both together {rules}" if rules else ""
    return f"new {', '.join(legs)}, of {of}{asked}; else {OTHERWISE[roll.otherwise]}"


# --- The section Leaves


def exits_section(subject: Subject) -> Section:
    """Return the exits by priority, and below them what the engine, the broker and expiry do with the rest."""
    lines = list(_head(subject))
    for at, planned in enumerate(subject.exits, start=1):
        lines += _exit_lines(at, planned, subject)
    lines += [*_switched_off(subject), *_after_a_part(subject), *_unknown(subject), *_without_data_lines(subject)]
    lines += [*_resting(subject), *_expiry(subject)]
    return Section("Leaves", tuple(lines))


def _head(subject: Subject) -> Iterator[Line]:
    example = subject.example
    watched = "judged while the session is open, from the first fill on; " if _watched(subject) else ""
    yield Line(words=f"{watched}the first that holds acts{taking_over(subject)}")
    if example is None:
        return
    sold = f"{_how_many(subject, example)}{price(example.net)} {example.verb}, {example.basis}"
    yield Line(words=f"dollars are those of {sold}, after all commissions")


def _how_many(subject: Subject, example: Example) -> str:
    """Return of how many structures the dollars are, nothing when it is one."""
    if subject.plan.overwrite is not None:
        return "one call, "
    count = example.position.quantity
    return f"{count} structures, each " if count > 1 else ""


def taking_over(subject: Subject) -> str:
    """Return which exits take over from a working one, "" where the engine watches no two of them."""
    watched = _watched(subject)
    if len(watched) < 2:
        return ""
    words = "; one above it takes over"
    if any(planned.legs or planned.part for planned in watched):
        words = "; one above it that closes no less, or any that closes more, takes over"
    kinds = {planned.kind.takes_profit for planned in watched}
    return f"{words}; targets give way to all other exits and take over from none" if len(kinds) > 1 else words


def _watched(subject: Subject) -> list[ExitPlan]:
    return [planned for planned in subject.exits if planned.rule is not None and not planned.resting]


# ---------------------------------------------------------------- one exit


def _exit_lines(at: int, planned: ExitPlan, subject: Subject) -> Iterator[Line]:
    if planned.rule is None:
        yield Line(mark=str(at), name=planned.name, words="the rest settles at expiry")
        return
    head, *members = outline(planned.rule, naming_context_for(planned, subject.cast))
    each = f"{each_words(planned)}: " if planned.each else ""
    words = [f"{each}{acting(planned, head.words, subject)}"]
    words += _how(planned, _written(planned, subject), subject)
    yield Line(mark=str(at), name=planned.name, words="; ".join(words), note=_note(planned, subject))
    for said in members:
        yield Line(name=said.name, words=said.words, depth=said.depth)


def _written(planned: ExitPlan, subject: Subject) -> Exit:
    return next(rule for rule in subject.spec.exits if rule.name == planned.name)


def acting(planned: ExitPlan, words: str, subject: Subject) -> str:
    """Return what makes the exit act; targets and stops are said as what they are, a time as an instant."""
    rule = planned.rule
    assert rule is not None
    if isinstance(rule.test, Holds) and rule.test.call.measure == "time":
        return f"at {words.removeprefix('from ')}"
    if planned.basis is not None:
        return f"{ending(rule.test, naming_context_for(planned, subject.cast))}{confirmation_words(rule)}"
    return words


def _how(planned: ExitPlan, written: Exit, subject: Subject) -> Iterator[str]:
    """Return what is particular to this exit: what arms it, its own order, what it closes, where it rests."""
    cast = subject.cast
    if planned.activate_when:
        first = " and ".join(rule_words(rule, cast) for rule in planned.activate_when)
        yield f"only from the moment on at which {first}"
    if planned.roll is not None:
        yield rolling_words(planned, cast)
    if planned.resting:
        resting = planned.kind.traits.resting
        assert resting is not None  # others do not rest: the compiler refuses it
        yield RESTING_COMBO if len(subject.plan.legs) > 1 else resting.words
    elif written.order is not None:
        yield ladder_words(planned.order)
    if planned.any_price:
        yield "closes at any price once it was true"
    yield from _what_closes(planned, written)


def _what_closes(planned: ExitPlan, written: Exit) -> Iterator[str]:
    if planned.roll is not None and planned.legs:
        yield "the rest continues: it and the new position are separate, each under these exits"
        return
    if planned.each and not written.close_all:
        yield "that one alone is closed"
    is_said = written.close_all or _names_some(planned, written)
    if (planned.legs and not planned.each) or planned.part is not None or is_said:
        often = "" if planned.legs or planned.part is None else f", {_how_often(planned)}"
        yield f"closes {closed_words(planned.legs, planned.part)}{often}"


def _names_some(planned: ExitPlan, written: Exit) -> bool:
    """Say whether parts of its condition name legs, so that what it closes is not said by it alone."""
    if written.condition is None or planned.rule is None or planned.each:
        return False
    return len(legs_in_condition(written.condition.test, planned.rule.test)) > 1


def closed_words(legs: tuple[str, ...], part: Decimal | None) -> str:
    """Return what of the position an exit closes: these legs (none named is all), or a part of what is open."""
    if legs:
        return f"{listed(legs, 'and')} alone"
    return "the whole position" if part is None else f"{percent(part)} of the structures open, rounded up"


def _how_often(planned: ExitPlan) -> str:
    return "each time it becomes true again" if planned.repeat else "once"


RESTING_COMBO = "a limit order of all legs at the broker; any other exit cancels it first"


def _note(planned: ExitPlan, subject: Subject) -> str:
    """Return at which price the exit acts on the example, and whether it would at once."""
    note, example = _price_note(planned, subject), subject.example
    if example is None or AT_ONCE in note or not is_met_at_once(planned, example, subject.plan):
        return note
    return f"{note}: {AT_ONCE}" if note else f"on the example {AT_ONCE}"


def _price_note(planned: ExitPlan, subject: Subject) -> str:
    example = subject.example
    if example is not None and planned.each and (part := part_price(planned, example)) is not None:
        sold, closing = f"{price(example.net)} {example.verb}", "bought back" if example.net >= 0 else "sold"
        return f"{sold}: each {closing} at about {price(round(part, 2))}"
    if example is None:
        return ""
    if with_level(planned) is None:
        return legs_words(planned, example)
    level = level_of(planned, example)
    if level is None:
        return "no price reaches this"
    is_whole, is_price = planned.part is None and not planned.legs, planned.is_target_price
    return level_words(level, example, whole=is_whole, is_price=is_price, is_about=not is_price)


# ---------------------------------------------------------------- what holds for all


def _switched_off(subject: Subject) -> Iterator[Line]:
    off = tuple(rule.name for rule in subject.spec.exits if not rule.enabled)
    if off:
        yield Line(words=f"switched off: {listed(off, 'and')}")


def _unknown(subject: Subject) -> Iterator[Line]:
    """Say what exits do that cannot be judged; timed ones always can, and the broker judges those that rest there."""
    judged = [planned for planned in subject.exits if planned.rule is not None and _needs_data(planned)]
    for does, words in UNKNOWN.items():
        for grace in sorted({planned.grace for planned in judged if planned.if_unknown is does}):
            names = tuple(each.name for each in judged if (each.if_unknown, each.grace) == (does, grace))
            does_what = words[len(names) > 1]
            yield Line(words=f"{duration(grace)} without data: {listed(names, 'and')} {does_what}")


def _without_data_lines(subject: Subject) -> Iterator[Line]:
    """Say what becomes of exits that act without quotes, where their orders are limits: those need a price."""
    acts = tuple(planned for planned in subject.exits if _acts_without_data(planned))
    waits = tuple(planned.name for planned in acts if not planned.order.ends_at_market)
    if waits:
        one = "sends nothing: its order is a limit, which waits for quotes"
        sends = "send nothing: their orders are limits, which wait for quotes" if len(waits) > 1 else one
        yield Line(words=f"while a leg is not quoted {listed(waits, 'and')} {sends}")
    for planned in acts:
        if planned.order.ends_at_market and planned.order.start is not PriceFrom.MARKET:
            later = duration(planned.order.tries * planned.order.wait)
            yield Line(words=f"while a leg is not quoted {planned.name} goes to market {later} later")


def _acts_without_data(planned: ExitPlan) -> bool:
    if planned.rule is None or planned.roll is not None:
        return False
    return planned.if_unknown is IfUnknown.EXIT or planned.rule.reads <= _KNOWN


def _needs_data(planned: ExitPlan) -> bool:
    return planned.rule is not None and not planned.resting and not planned.rule.reads <= _KNOWN


_KNOWN = {"time", "position"}
"""What a rule may read without the market: the clock, and when the position was opened."""

UNKNOWN: Mapping[IfUnknown, tuple[str, str]] = {
    IfUnknown.HOLD: ("waits and raises the alarm", "wait and raise the alarm"),
    IfUnknown.EXIT: ("raises the alarm and acts as if true", "raise the alarm and act as if true"),
}
"""What one exit does, and what several do, that cannot be judged; a test asks for each."""


def _resting(subject: Subject) -> Iterator[Line]:
    """Say what the engine has to watch, and what rests at the broker."""
    if protection := protect_words(subject):
        yield Line(words=protection)
    marks = [at for at, each in enumerate(subject.exits, start=1) if each.rule is not None and not each.resting]
    if marks:
        nothing = "" if protection or _at_broker(subject) else "nothing rests at the broker: "
        yield Line(words=f"{nothing}{spanned(marks)} need{'' if len(marks) > 1 else 's'} a running engine")


def _at_broker(subject: Subject) -> tuple[str, ...]:
    return tuple(planned.name for planned in subject.exits if planned.resting)


def spanned(marks: Sequence[int]) -> str:
    """Return places in the list: `1 to 4`, `1 and 3`."""
    if len(marks) > 2 and marks[-1] - marks[0] == len(marks) - 1:
        return f"{marks[0]} to {marks[-1]}"
    return listed(tuple(str(mark) for mark in marks), "and")


def acts_without_engine(subject: Subject) -> str:
    """Return what still acts for an open position while no engine runs, "" when nothing does."""
    resting = _at_broker(subject)
    acting = []
    if resting:
        verb = "rest" if len(resting) > 1 else "rests"
        pair = ", one cancels the other" if len(resting) > 1 else ""
        acting.append(f"{listed(resting, 'and')} {verb} at the broker (good till cancelled{pair})")
    if (protect := subject.plan.risk.protect) is not None:
        stops = "stops on the short legs stay" if protect.leg is None else f"stop on {protect.leg} stays"
        acting.append(f"the {stops} at the broker (good till cancelled)")
    return "; ".join(acting)


def protect_words(subject: Subject) -> str:
    """Return the exits' protection at the broker, "" when there is none."""
    plan = subject.plan.risk.protect
    if plan is None:
        return ""
    basis = "the credit of the structure" if plan.of_whole else "what that leg brought"
    stop = f"it is bought back once it costs {plain(plan.times)} times {basis}"
    words = f"{plan.leg or 'each short leg'} has a stop order at the broker: {stop}"
    if bare := tuple(leg.name for leg in subject.plan.legs if leg.sign < 0 and not plan.covers(leg.name)):
        words = f"{listed(bare, 'and')} {'has' if len(bare) == 1 else 'have'} no stop at the broker; {words}"
    rest, example = protected_at(subject), subject.example
    alone = f"; {_sold_at(example, plan)}" if plan.of_whole and example is not None else ""
    return f"{words} ({rest}{alone})" if rest else words


def protected_at(subject: Subject) -> str:
    """Return at which prices its protective stops would rest on the example, "" when none would."""
    plan, example = subject.plan.risk.protect, subject.example
    prices = {} if plan is None or example is None else protection_prices(example, plan)
    return ", ".join(f"{name} at {price(level)}" for name, level in prices.items())


def _sold_at(example: Example, plan: ProtectPlan) -> str:
    """Return what the legs with a stop are sold at on the example: of a spread it may be near the stop, or past it."""
    prices = protection_prices(example, plan)
    legs = [leg for leg in example.position.legs if leg.name in prices]
    sold = {leg.name: leg.entry_cash / (leg.opened * leg.option.multiplier) for leg in legs}
    barred = any(sold[name] >= price for name, price in prices.items())
    said = listed(tuple(f"{price:.2f}" for price in sold.values()), "and")
    return f"sold at {said}{': it would act at once, so nothing is entered' if barred else ''}"


# ---------------------------------------------------------------- what a part leaves


def _after_a_part(subject: Subject) -> Iterator[Line]:
    """List exits at a part of the price of the whole, after which the rest may be worth less."""
    if any(planned.legs and planned.roll is None for planned in subject.exits):
        for measure, whole in (("cost", "credit"), ("value", "debit")):
            names = tuple(
                each.name for each in subject.exits if not each.legs and _waits_for_less(each, measure, whole)
            )
            if names:
                said = f"{listed(names, 'and')} {'goes' if len(names) == 1 else 'go'} by the {measure} of what is left"
                yield Line(words=f"once a part is closed, {said} and the {whole} of the whole: perhaps true at once")


def _waits_for_less(planned: ExitPlan, measure: str, whole: str) -> bool:
    match planned.rule:
        case Rule(test=Compare(Op.BELOW | Op.AT_MOST, Call(measure=measured) as left, right)):
            is_of_all = measured == measure and "of" not in dict(left.arguments)
            return is_of_all and any(call.measure == whole for number in right for call in calls_of(number))
    return False


# ---------------------------------------------------------------- expiry


def _expiry(subject: Subject) -> Iterator[Line]:
    """Say how each leg ends that is still held when it expires, and what an exit leaves to expire."""
    signs = {leg.sign for leg in subject.plan.legs if not leg.is_shares}
    if 1 in signs:
        rest = "; what was sold is bought back" if -1 in signs else ""
        yield Line(words=f"a bought option without a bid is left to expire{rest}")
    groups: dict[str, list[str]] = {}
    for leg in subject.plan.legs:
        if leg.is_shares:
            continue
        how = settles(leg.symbol, leg.trading_class)
        words = SETTLES[how, leg.sign if how is Settlement.SHARES else 0]
        groups.setdefault(words, []).append(leg.name)
    parts = [_ending_legs(tuple(names), words, len(groups) == 1) for words, names in groups.items()]
    if shares := tuple(leg.name for leg in subject.plan.legs if leg.is_shares):
        parts.append(f"{listed(shares, 'and')} {'is' if len(shares) == 1 else 'are'} closed once no option remains")
    yield Line(words=f"held to expiry, {'; '.join(parts)}")
    if has_several(subject.plan):
        later = "later expiries stay open, and the exits continue for them"
        counted = "worst cases count it at its exercise value on the day on which what was sold ends"
        yield Line(words=f"{later}; {counted}: kept beyond that day, it may still lose what it is worth")


def _ending_legs(names: tuple[str, ...], words: str, are_all: bool) -> str:
    if are_all and len(names) > 1:
        return f"every leg is {words}"
    return f"{listed(names, 'and')} {'is' if len(names) == 1 else 'are'} {words}"


def settles(symbol: str, trading_class: str) -> Settlement:
    """Return how options of this class end; of an index only the class that expires at the close ends there."""
    facts = product(symbol)
    if facts.settlement is Settlement.PM_CASH and trading_class != facts.same_day_class:
        return Settlement.AM_CASH
    return facts.settlement


SETTLES: Mapping[tuple[Settlement, int], str] = {
    (Settlement.PM_CASH, 0): "settled in cash at the index's close",
    (Settlement.AM_CASH, 0): "settled in cash at the opening prints of the day after its last",
    (Settlement.SHARES, -1): "assigned from 0.01 in the money, in shares, perhaps before expiry",
    (Settlement.SHARES, 1): "exercised from 0.01 in the money, in shares",
}
"""How legs end, bought (1) or sold (-1) where that differs; a test asks for each settlement."""
