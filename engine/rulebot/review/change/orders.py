"""Edits of orders: the worst price that may now be paid."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from rulebot.compile.orders import exit_order_of
from rulebot.compile.plan import Order
from rulebot.model.text import duration, plain, price
from rulebot.review.change.field import Edit, Effect, Judge, Key, Keys, Within
from rulebot.review.example import Subject
from rulebot.review.orders import floor_words, ladder_words, start_words
from rulebot.spec.spec import OnUnfilled, PriceFrom

_BOLDNESS = {PriceFrom.MID: 0, PriceFrom.NATURAL: 1, PriceFrom.MARKET: 2}
"""How much of the spread the first try gives away."""


def is_bolder(old: Order, new: Order) -> bool:
    """Say whether an order may pay a worse price than another, by where it starts, how far it goes, how it ends."""
    if old.price is not None or new.price is not None:
        return old != new
    was, now = _BOLDNESS[old.start], _BOLDNESS[new.start]
    if was != now:
        return now > was
    return _steps(new) > _steps(old) or (new.then is OnUnfilled.MARKET and old.then is not OnUnfilled.MARKET)


def _steps(order: Order) -> Decimal:
    """Return how far from its start the last try may be; one without end is bounded by natural alone.

    One that starts at natural stays there.
    """
    if order.step is None or order.start is PriceFrom.NATURAL:
        return Decimal(0)
    return Decimal("Infinity") if order.then is OnUnfilled.AGAIN else order.step * (order.tries - 1)


def worst_price(order: Order, leaving: bool, subject: Subject) -> str:
    """Return the worst price an order may pay, in words."""
    if order.start is PriceFrom.MARKET:
        return f"at market{', at any price' if leaving else ''}: no price bounds it"
    if order.then is OnUnfilled.MARKET:
        return "at market after the last try: no price bounds it"
    if leaving and _stays(order):
        return f"{start_words(order)}, however long it takes"
    if leaving or order.start is PriceFrom.NATURAL:
        return "natural"
    away = (order.step or Decimal(0)) * (order.tries - 1)
    floor = floor_words(subject)
    return f"{price(away)} from {start_words(order)}, at most natural{', ' if floor else ''}{floor}"


def _stays(order: Order) -> bool:
    """Say whether an order by which exits leave keeps to its start: it may never be filled there."""
    is_ladder = order.then is OnUnfilled.AGAIN and order.step is None
    return is_ladder and (order.price is not None or order.start is PriceFrom.MID)


def _is_worse(was: Order, now: Order, leaving: bool) -> bool:
    return is_bolder(was, now) or (leaving and _begins_to_stay(was, now))


def worst_words(edit: Edit, leaving: bool) -> str:
    """Return the worst price before and after."""
    was = worst_price(edit.was.noun, leaving, edit.sides.was)
    now = worst_price(edit.now.noun, leaving, edit.sides.now)
    return f"worst price {now}" if was == now else f"worst price {was} -> {now}"


def _tries(leaving: bool) -> Callable[[Order, str, Subject], int | None]:
    """Return what reads the number of tries: nothing for an exit order that continues until done."""
    return lambda noun, field, subject: None if leaving and noun.then is OnUnfilled.AGAIN else noun.tries


def is_slower(was: Order, now: Order) -> bool:
    """Say whether an order by which exits leave comes later to its last price: until it does a loss runs on."""
    if was.ends_at_market and now.ends_at_market:
        return now.seconds > was.seconds
    if was.start is not now.start:
        return _BOLDNESS[now.start] < _BOLDNESS[was.start] and _walks(now)
    if now.start is PriceFrom.MARKET or _walks(was) != _walks(now):
        return False
    return _stride(now) * _round(was) < _stride(was) * _round(now)


def _walks(order: Order) -> bool:
    return order.start is PriceFrom.MID and order.step is not None


def _stride(order: Order) -> Decimal:
    """Return how far it steps with each try; all that only follow the quote step alike."""
    return Decimal(1) if order.step is None or not _walks(order) else order.step


def _round(order: Order) -> Decimal:
    """Return how many seconds lie between two tries."""
    return Decimal(f"{order.wait + order.pause}")


_PACE = ("start", "step", "wait", "tries", "pause", "then")


def _begins_to_stay(was: Order, now: Order) -> bool:
    """Say whether an order by which exits leave keeps to its start, and went on from it before."""
    return _stays(now) and not _stays(was)


def _gives_up_market(was: Order, now: Order) -> bool:
    """Say whether exits could end in a market order, which needs no quotes, and no longer do."""
    return was.ends_at_market and not now.ends_at_market


def _brought_by(edit: Edit, leaving: bool, comes: Callable[[Order, Order], bool]) -> str:
    """Return the field by which this comes of closing orders, "" when it does not."""
    was, now = edit.was.noun, edit.now.noun
    if not leaving:
        if not _also_out(edit, leaving):
            return ""
        was, now = (exit_order_of(side.spec) for side in edit.sides.both)
    if not comes(was, now):
        return ""
    changed = [field for field in _PACE if getattr(was, field) != getattr(now, field)]
    alone = (field for field in changed if comes(was, replace(was, **{field: getattr(now, field)})))
    return next(alone, changed[0])


SLOWER = "a closing order comes later to its last price, and until then a loss runs on"
LIMITED = "no market order ends it: without quotes nothing is sent, and the loss can grow"
STAYS = "a closing order goes no further than {start}: it may never be filled, and meanwhile a loss runs on"


def _judged(leaving: bool, field: str) -> Judge:
    def judge(edit: Edit) -> Effect:
        words = f"{worst_words(edit, leaving)}{_also_out(edit, leaving)}"
        if _brought_by(edit, leaving, is_slower) == field:
            return Effect(f"{words}; {SLOWER}", is_worse=True)
        if _brought_by(edit, leaving, _gives_up_market) == field:
            return Effect(f"{words}; {LIMITED}", is_worse=True)
        if not leaving and _brought_by(edit, leaving, _begins_to_stay) == field:
            start = start_words(exit_order_of(edit.sides.now.spec))
            return Effect(f"{words}; {STAYS.format(start=start)}", is_worse=True)
        return Effect(words, is_worse=_is_worse(edit.was.noun, edit.now.noun, leaving))

    return judge


def _paced(leaving: bool, words: str, field: str) -> Judge:
    """Return the judge of an order's duration: a later exit can lose more."""

    def judge(edit: Edit) -> Effect:
        is_later = _brought_by(edit, leaving, is_slower) == field
        return Effect(f"{words}{_also_out(edit, leaving)}{f'; {SLOWER}' if is_later else ''}", is_worse=is_later)

    return judge


def _also_out(edit: Edit, leaving: bool) -> str:
    """Say that exits follow the entry's ladder, where no text gives them one of their own."""
    if leaving or any(side.spec.exit_order is not None for side in edit.sides.both):
        return ""
    if edit.now.noun.start is PriceFrom.MARKET:
        return f"; exits leave from {start_words(exit_order_of(edit.sides.now.spec))}, until done (no exit_order)"
    return "; exits leave by the same ladder, from their side, until done (no exit_order)"


def judge_then(leaving: bool) -> Judge:
    """Return the judge of what follows the last try."""

    def judge(edit: Edit) -> Effect:
        if leaving and _brought_by(edit, leaving, _gives_up_market) == "then":
            return Effect(f"{worst_words(edit, leaving)}; {LIMITED}", is_worse=True)
        if leaving:
            return Effect(worst_words(edit, leaving), is_worse=edit.new is OnUnfilled.MARKET)
        if edit.new is OnUnfilled.UNWIND:
            return Effect("a leg without its partner is closed, at last at market")
        return Effect("a leg without its partner is kept", is_worse=True)

    return judge


def _judge_adaptive(leaving: bool) -> Judge:
    """Return the judge of the broker's algorithm, which an exit at market is not given to."""

    def judge(edit: Edit) -> Effect:
        if edit.now.noun.start is not PriceFrom.MARKET:
            return Effect("the broker's algorithm decides within the limit")
        return Effect("nothing: an exit at market has no algorithm" if leaving else "the broker's algorithm decides")

    return judge


def judge_sequence(edit: Edit) -> Effect:
    """Legs that go one by one may be without partners meanwhile, depending on the order of sending."""
    if not edit.new:
        return Effect("all legs go as one combo")
    return Effect(f"{edit.new[0]} goes first and may be open alone until the others have filled", is_worse=True)


def keys_of_order(leaving: bool) -> Keys:
    """Return every field of an order: of the entry's, or of the one by which exits leave; a test asks for each."""
    return {
        "start": Key(
            key="start",
            said=lambda value, _: value.value if isinstance(value, PriceFrom) else price(value),
            judge=_judged(leaving, "start"),
            read=lambda noun, _, __: noun.start if noun.price is None else noun.price,
        ),
        "price": Within("start"),
        "step": Key(key="step", said=lambda value, _: price(value), judge=_judged(leaving, "step")),
        "wait": Key(
            key="wait",
            said=lambda value, _: duration(value),
            judge=_paced(leaving, "how long each try works", "wait"),
        ),
        "tries": Key(
            key="tries",
            said=lambda value, _: plain(value),
            judge=_judged(leaving, "tries"),
            read=_tries(leaving),
        ),
        "pause": Key(
            key="pause",
            said=lambda value, _: duration(value),
            judge=_paced(leaving, "between two tries", "pause"),
        ),
        "then": Key(key="then", said=lambda value, _: value.value, judge=judge_then(leaving)),
        "adaptive": Key(
            key="adaptive",
            said=lambda value, _: ", ".join(each.value for each in value),
            judge=_judge_adaptive(leaving),
        ),
        "leg_by_leg": Key(key="leg_by_leg", said=lambda value, _: ", ".join(value), judge=judge_sequence),
        "path": Within(""),
    }


ENTRY_ORDER = keys_of_order(leaving=False)
EXIT_ORDER = keys_of_order(leaving=True)


def judge_own_order(edit: Edit) -> Effect:
    """Judge another order of one exit; what rests at the broker or settles has none."""
    was, now = edit.old, edit.new
    if now is None:
        return Effect("it leaves by no ladder: it rests at the broker, or settles")
    if was is None:
        return Effect(f"worst price {worst_price(now, True, edit.sides.now)}", is_worse=now.ends_at_market)
    words = (worst_price(was, True, edit.sides.was), worst_price(now, True, edit.sides.now))
    said = f"worst price {words[1]}" if words[0] == words[1] else f"worst price {words[0]} -> {words[1]}"
    if is_slower(was, now):
        return Effect(f"{said}; {SLOWER}", is_worse=True)
    if _gives_up_market(was, now):
        return Effect(f"{said}; {LIMITED}", is_worse=True)
    return Effect(said, is_worse=_is_worse(was, now, True))


def own_order_words(value: Any, subject: Subject) -> str:
    """Return an exit's order in one line."""
    return ladder_words(value)
