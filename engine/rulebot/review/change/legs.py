"""Edits of `legs`: nearer to the money, wider, later, or another structure."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from rulebot.compile.plan import Constant, Number
from rulebot.compile.timing import outlives_its_day
from rulebot.model.contract import Right
from rulebot.model.money import short_dollars
from rulebot.model.text import counted, plain
from rulebot.review.change.field import Edit, Effect, Judge, Key, Keys, Sides, Within, judge_if_worse
from rulebot.review.example import Subject
from rulebot.review.exits import SETTLES, settles
from rulebot.review.max_loss import loss_of_example, max_loss_of
from rulebot.review.structure import STRIKES, expiry_words
from rulebot.spec.nouns import DteRule, Expiry, IfHeld, Leg, Side, Strike, StrikeBy, StrikeRounding
from rulebot.wording.number import number_words

NEARER: Mapping[StrikeBy, int] = {
    StrikeBy.DELTA: 1,
    StrikeBy.PREMIUM: 1,
    StrikeBy.SIDE_CREDIT: 1,
    StrikeBy.OTM: -1,
    StrikeBy.EXPECTED_MOVE: -1,
}
"""Whether more of it (1) or less (-1) brings a strike nearer to the money."""
_OFFSETS = (StrikeBy.BELOW, StrikeBy.ABOVE)


def trade_words(sides: Sides) -> str:
    """Return what one trade may lose before and after, as bounded, else in the example; "" when that is the same."""
    was, now = (max_loss_of(each) for each in sides.both)
    if was is None or now is None:
        return ""
    old, new = ("without a bound" if each.amount is None else short_dollars(round(each.amount)) for each in (was, now))
    if old != new:
        return f"worst case of a trade {old} -> {new}"
    before, after = (loss_of_example(each) for each in sides.both)
    if before is None or after is None or round(before) == round(after):
        return ""
    return f"the example could lose {short_dollars(round(before))} -> {short_dollars(round(after))}"


def _example_words(sides: Sides) -> str:
    was, now = (each.example for each in sides.both)
    if was is None or now is None or was.structure == now.structure:
        return ""
    return f"for example {was.structure} -> {now.structure}"


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def judge_wider(sides: Sides) -> bool:
    """Say whether one trade may lose more than before, be it below the same bound."""
    was, now = (max_loss_of(each) for each in sides.both)
    if was is None or now is None or was.amount is None:
        return False
    if now.amount is None or round(now.amount) != round(was.amount):
        return now.amount is None or now.amount > was.amount
    before, after = (loss_of_example(each) for each in sides.both)
    return before is not None and after is not None and round(after) > round(before)


# ---------------------------------------------------------------- strikes


def _selector(noun: Strike, field: str, subject: Subject) -> tuple[Any, ...]:
    return noun.by, noun.target, noun.reference, noun.bound, noun.is_percent, noun.widths


def judge_strike(edit: Edit) -> Effect:
    """A short strike nearer to the money, or a wider structure, is worse; another way to choose must be read."""
    (old_by, old_target, old_of, *old_form), (new_by, new_target, new_of, *new_form) = edit.old, edit.new
    leg: Leg = edit.now.noun
    facts = _joined(_example_words(edit.sides), trade_words(edit.sides))
    if old_by is not new_by or old_form != new_form:
        return Effect(_joined("chosen in another way", facts), is_worse=True)
    if new_by in NEARER:
        nearer = (new_target - old_target) * NEARER[new_by] > 0
        words = f"the {_side(leg)} strike {'nearer to' if nearer else 'further from'} the money"
        return Effect(_joined(words, facts), is_worse=nearer is (leg.side is Side.SELL))
    if new_by in _OFFSETS and old_of == new_of:
        words = _offset_words(leg, edit.sides, is_wider=new_target > old_target)
        return Effect(_joined(words, facts), is_worse=bool(words) or judge_wider(edit.sides))
    return Effect(_joined("it hangs on another strike", facts), is_worse=True)


def _offset_words(leg: Leg, sides: Sides, *, is_wider: bool) -> str:
    """Return how another distance from another leg adds to a loss, even with the same worst case.

    Of two sold legs one comes nearer to the money; a bought leg is further behind a sold one, on a side that need not
    be the one with the largest loss.
    """
    counted = next(each for each in sides.now.spec.legs.legs if each.name == leg.strike.reference)
    is_outward = (leg.strike.by is StrikeBy.BELOW) is (leg.right == Right.PUT.value)
    if leg.side is counted.side is Side.SELL:
        return "" if is_wider is is_outward else "the short strike nearer to the money"
    is_covered = leg.side is not counted.side and leg.right == counted.right and is_outward is (leg.side is Side.BUY)
    return f"more may be lost on the {leg.right} side" if is_covered and is_wider else ""


def _side(leg: Leg) -> str:
    return "short" if leg.side is Side.SELL else "long"


def judge_distance(edit: Edit) -> Effect:
    """A smaller distance allows a strike nearer to spot."""
    was, now = (Decimal(0) if each is None else each for each in (edit.old, edit.new))
    if now < was:
        return Effect(_joined("the strike may be nearer to spot", _example_words(edit.sides)), is_worse=True)
    return Effect("the strike is further from spot")


def grid(given: str, gone: str) -> Judge:
    """Return the judge of a grid of strikes: what it does, and what holds without it.

    It is worse where it moves a short strike of the example nearer to the money, or a long one further from it.
    """

    def judge(edit: Edit) -> Effect:
        facts = _joined(_example_words(edit.sides), trade_words(edit.sides))
        words = _joined(gone if edit.new is None else given, facts)
        return Effect(words, is_worse=_is_moved_to_more_risk(edit) or judge_wider(edit.sides))

    return judge


def _is_moved_to_more_risk(edit: Edit) -> bool:
    leg: Leg = edit.now.noun
    legs = [() if each.example is None else each.example.position.legs for each in edit.sides.both]
    was, now = (next((each.option.strike for each in found if each.name == leg.name), None) for found in legs)
    if was is None or now is None or was == now:
        return False
    is_nearer = (now > was) is (leg.right == Right.PUT.value)
    return is_nearer is (leg.side is Side.SELL)


def judge_round(edit: Edit) -> Effect:
    """A short strike that is taken nearer to the money, or a long one further from it, is worse."""
    leg: Leg = edit.now.noun
    order = (StrikeRounding.AWAY, StrikeRounding.NEAREST, StrikeRounding.TOWARD)
    nearer = order.index(edit.new) > order.index(edit.old)
    words = f"the {_side(leg)} strike {'nearer to' if nearer else 'further from'} the money where it is between two"
    return Effect(_joined(words, _example_words(edit.sides)), is_worse=nearer is (leg.side is Side.SELL))


def judge_edge(edit: Edit) -> Effect:
    """What a strike may not pass: without it, or with another, the strike may lie where it did not before.

    A new one is worse where it moves a short strike nearer to the money, or a long one further from it.
    """
    words = "the strike may lie beyond it" if edit.new is None else "the strike is moved to be inside it"
    leg: Leg = edit.now.noun
    toward = "min_strike" if leg.right == Right.PUT.value else "max_strike"
    nearer = edit.path.endswith(toward) is (leg.side is Side.SELL)
    facts = _joined(_example_words(edit.sides), trade_words(edit.sides))
    return Effect(_joined(words, facts), is_worse=edit.old is not None or nearer or judge_wider(edit.sides))


def judge_tolerance(edit: Edit) -> Effect:
    """A wider tolerance trades strikes further from the requested ones."""
    if edit.new is None or (edit.old is not None and edit.new > edit.old):
        return Effect("it trades also where only a strike further from what was asked is listed", is_worse=True)
    return Effect("no trade sooner, where only strikes further away are listed")


def _strike_words(value: Any, subject: Subject) -> str:
    by, target, reference, bound, is_percent, widths = value
    leg = subject.plan.legs[0]
    strike = Strike(
        by=by, target=target, reference=reference, bound=bound, is_percent=is_percent, widths=widths, path=()
    )
    return STRIKES[by](leg, strike)


def _amount(value: Any, subject: Subject) -> str:
    return plain(value)


def _held_against(noun: Strike, field: str, subject: Subject) -> Number | None:
    """Return an edge as compiled: a let has the meaning of its value, whatever it is called."""
    leg = next(each.name for each in subject.spec.legs.legs if each.strike is noun)
    found: Number | None = getattr(next(each for each in subject.plan.legs if each.name == leg), field)
    return found


def _edge(value: Number, subject: Subject) -> str:
    return plain(value.value) if isinstance(value, Constant) else number_words(value, subject.cast)


STRIKE: Keys = {
    "by": Key(key="strike", said=_strike_words, judge=judge_strike, read=_selector),
    "target": Within("strike"),
    "reference": Within("strike"),
    "bound": Within("strike"),
    "is_percent": Within("strike"),
    "widths": Within("strike"),
    "round": Key(
        key="strike.round",
        said=lambda value, _: value.value,
        judge=judge_round,
        read=lambda noun, _, __: noun.round,
        is_written=lambda noun: noun.round is not StrikeRounding.NEAREST,
    ),
    "round_to": Key(
        key="strike.round_to", said=_amount, judge=grid("only strikes on that grid", "any strike that is listed")
    ),
    "prefer_round_to": Key(
        key="strike.prefer_round_to",
        said=_amount,
        judge=grid("that grid where one is listed", "no grid is preferred"),
    ),
    "min_otm_distance": Key(
        key="strike.min_otm_distance", said=lambda value, _: counted(value, "point"), judge=judge_distance
    ),
    "min_strike": Key(key="strike.min_strike", said=_edge, judge=judge_edge, read=_held_against),
    "max_strike": Key(key="strike.max_strike", said=_edge, judge=judge_edge, read=_held_against),
    "within": Key(key="strike.within", said=_amount, judge=judge_tolerance),
    "path": Within(""),
}
"""Every field of a strike; a test asks for each."""


# ---------------------------------------------------------------- legs


def judge_leg(edit: Edit) -> Effect:
    """Another contract or count is another structure."""
    return Effect(_joined("another structure", _example_words(edit.sides), trade_words(edit.sides)), is_worse=True)


def leg_lost(leg: Leg, sides: Sides) -> Effect:
    """Return the effect of a removed leg: a long one gave cover, a short one could lose."""
    facts = _joined(_example_words(sides), trade_words(sides))
    covers = "no bought leg covers what is sold" if leg.side is Side.BUY else ""
    return Effect(_joined(covers, facts), is_worse=leg.side is Side.BUY or judge_wider(sides))


def leg_gained(leg: Leg, sides: Sides) -> Effect:
    """Return the effect of an added leg."""
    facts = _joined(_example_words(sides), trade_words(sides))
    return Effect(facts, is_worse=leg.side is Side.SELL or judge_wider(sides))


# ---------------------------------------------------------------- expiry and the whole


def _resolved(noun: Any, field: str, subject: Subject) -> tuple[Any, ...] | None:
    expiry: Expiry | None = noun.expiry
    if expiry is None:
        return None
    options = [leg for leg in subject.plan.legs if not leg.is_shares]
    taking = next((leg for leg in options if leg.expiry.terms == expiry.terms), options[0])
    return expiry.rule, expiry.days, taking.trading_class, expiry.is_latest, expiry.is_monthly


def _expiry(value: Any, subject: Subject) -> str:
    rule, days, trading_class, is_latest, is_monthly = value
    expiry = Expiry(rule=rule, days=days, is_latest=is_latest, is_monthly=is_monthly, path=())
    return expiry_words(expiry, trading_class)


def judge_expiry(edit: Edit) -> Effect:
    """A later expiry is more nights, unless a time exit ends every day; another class may settle otherwise."""
    if edit.old is None or edit.new is None:
        words = _nights(edit.sides) or "another structure"
        return Effect(_joined(words, _example_words(edit.sides), trade_words(edit.sides)), is_worse=True)
    (old_rule, old_days, _, *old_pick), (new_rule, new_days, _, *new_pick) = edit.old, edit.new
    was = (furthest(old_rule, old_days), _days_away(old_rule, old_days, old_pick[0]))
    now = (furthest(new_rule, new_days), _days_away(new_rule, new_days, new_pick[0]))
    later = any(new > old for old, new in zip(was, now, strict=True))
    moved = "" if was == now else "it expires later" if later else "it expires sooner"
    if old_pick != new_pick and was[0] == now[0]:
        later = later or (was == now and new_pick[1] is not new_pick[0])
        moved = f"another expiry of those that qualify, {'later' if later else 'sooner'} ones too"
    settling = _settling(edit.sides)
    return Effect(_joined(_nights(edit.sides) or moved, settling), is_worse=later or bool(settling))


def _days_away(rule: DteRule, days: tuple[int, ...], is_latest: bool) -> float:
    return Expiry(rule=rule, days=days, is_latest=is_latest, path=()).days_away


def furthest(rule: DteRule, days: tuple[int, ...]) -> float:
    """Return the latest expiry in days; those without one have no bound."""
    if rule in (DteRule.AT_LEAST, DteRule.NEAREST):
        return float("inf") if rule is DteRule.AT_LEAST else days[0] + 0.5
    return days[-1]


def _nights(sides: Sides) -> str:
    was, now = (nights(each) for each in sides.both)
    return f"{was} -> {now}" if was != now else ""


def nights(subject: Subject) -> str:
    """Return over how many nights a position may be held, in words."""
    most = max(furthest(each.rule, each.days) for each in subject.spec.legs.expiries)
    if not most:
        return "held over no night"
    how_many = "as many nights as its expiry is away" if most == float("inf") else counted(int(most), "night")
    if outlives_its_day(subject.spec):
        return f"held over up to {how_many}"
    return f"expires up to {how_many} later, and a time exit is all that closes it on its day"


def _settling(sides: Sides) -> str:
    was, now = ({(leg.symbol, leg.trading_class) for leg in each.plan.legs} for each in sides.both)
    old, new = ({settles(*each) for each in found} for found in (was, now))
    if old == new:
        return ""
    said = [SETTLES.get((how, 0)) or SETTLES[how, -1] for how in new - old]
    return f"at expiry {' and '.join(said)}"


LEG: Keys = {
    "name": Within("path"),
    "side": Key(key="side", said=lambda value, _: value.value, judge=judge_leg),
    "right": Key(key="right", said=lambda value, _: str(value), judge=judge_leg),
    "underlying": Key(
        key="of",
        said=lambda value, _: str(value),
        judge=judge_leg,
        read=lambda noun, _, subject: noun.underlying or subject.plan.underlyings[0],
    ),
    "ratio": Key(key="ratio", said=_amount, judge=judge_leg),
    "expiry": Key(key="expiry", said=_expiry, judge=judge_expiry, read=_resolved),
    "strike": Within("strike"),
    "path": Within(""),
}
"""Every field of a leg; a test asks for each."""

LEGS: Keys = {
    "expiry": Key(key="expiry", said=_expiry, judge=judge_expiry, read=_resolved),
    "legs": Within("legs.LEG"),
    "choose": Within("legs.choose"),
    "require": Within("legs.require"),
    "on_conflict": Key(
        key="on_conflict",
        said=lambda value, _: value.value,
        judge=lambda edit: (
            Effect("the broker nets contracts that another bot holds the other way round", is_worse=True)
            if edit.new is IfHeld.ALLOW
            else Effect("another strike, further out, where a bot holds a contract the other way round", is_worse=True)
            if edit.new is IfHeld.SHIFT
            else Effect("no trade while another bot holds a contract the other way round")
        ),
    ),
    "path": Within(""),
}
"""Every field of `legs`; a test asks for each."""

UNDERLYING = judge_if_worse("another market: all levels and distances of the text now mean it")
