"""The section Orders: how an order is priced, stepped and ended, for entries and exits."""

from decimal import Decimal

from rulebot.compile.data_needs import price_dependent_parts
from rulebot.compile.orders import exit_order_of
from rulebot.compile.plan import Order, Plan
from rulebot.core.queries.close_plan import UNWIND_LADDER
from rulebot.measure.words import listed
from rulebot.model.text import counted, duration, price
from rulebot.review.example import Example, Subject
from rulebot.review.explanation import Line, Section, sentence_line
from rulebot.review.max_loss import is_fixed
from rulebot.spec.spec import OnUnfilled, PriceFrom

_ENDS_OF_ENTRIES = (OnUnfilled.CANCEL, OnUnfilled.UNWIND)


def orders_section(subject: Subject) -> Section:
    """Return how entries are worked, then how exits are that say nothing else."""
    order = subject.plan.order
    lines = [
        sentence_line(f"in: {_together(subject, order)}{ladder_words(order)}", _floor(subject)),
        Line(words=f"{_judged_again(order)}{ending_words(order, subject)}"),
    ]
    leaving = exit_order_of(subject.spec)
    if any(
        rule.condition is not None and rule.enabled and not rule.resting and rule.order is None
        for rule in subject.spec.exits
    ):
        lines.append(
            Line(words=f"out: {_one_by_one_out(leaving) or _together(subject, leaving)}{ladder_words(leaving)}")
        )
    return Section("Orders", tuple(lines))


def _together(subject: Subject, order: Order) -> str:
    """Return which legs one order holds, and in which sequence those go that are sent one by one."""
    if not order.leg_by_leg:
        return "one combo of all legs, " if len(subject.plan.legs) > 1 else ""
    first, *others = order.leg_by_leg
    return f"{first} first, then {listed(tuple(others), 'and')} for what the one before has filled, each "


def _one_by_one_out(order: Order) -> str:
    return f"{', then '.join(order.leg_by_leg)}, each " if order.leg_by_leg else ""


# ---------------------------------------------------------------- one ladder


def ladder_words(order: Order) -> str:
    """Return how an order is priced and stepped: `a limit at mid, 0.05 worse every 10 s, 6 tries`."""
    if order.start is PriceFrom.MARKET:
        return _entry_at_market(order) if order.then in _ENDS_OF_ENTRIES else "at market"
    parts = [f"a limit at {start_words(order)}", _stepped(order), _algorithm(order), _after(order)]
    return ", ".join(part for part in parts if part)


def _entry_at_market(order: Order) -> str:
    """Return how an order that enters at market is worked: an exit's has no tries and no algorithm."""
    wait = duration(order.wait)
    often = f"for {wait}, 1 try" if order.tries == 1 else f"{order.tries} tries of {wait}{_between_two(order)}"
    return ", ".join(part for part in ("a market order, which no price bounds", often, _algorithm(order)) if part)


def start_words(order: Order) -> str:
    """Return where the first try is priced."""
    return price(order.price) if order.price is not None else order.start.value


def _stepped(order: Order) -> str:
    wait = duration(order.wait)
    tries = counted(order.tries, "try", "tries")
    is_endless = order.then is OnUnfilled.AGAIN
    pause = ""
    if order.pause and is_endless:
        pause = f", after each a pause of {duration(order.pause)} without an order"
    else:
        pause = _between_two(order)
    if order.step is None or order.start is PriceFrom.NATURAL or (order.tries == 1 and not is_endless):
        moves = f"set to the quote again every {wait}" if is_endless or order.tries > 1 else f"for {wait}"
        return f"{moves}{pause}" if is_endless else f"{moves}, {tries}{pause}"
    step = f"{price(order.step)} worse every {wait}"
    if is_endless:
        return f"{step}{pause}, never past natural"
    return f"{step}, {tries}{pause}{_furthest(order)}, never past natural"


def _between_two(order: Order) -> str:
    has_pause = order.pause and order.tries > 1
    return f" and a pause of {duration(order.pause)} between two" if has_pause else ""


def _furthest(order: Order) -> str:
    """Return how far from its start the last try is."""
    away: Decimal = (order.step or Decimal(0)) * (order.tries - 1)
    return f" ({price(away)} from {start_words(order)} at the last)" if order.tries > 1 else ""


def _algorithm(order: Order) -> str:
    if not order.adaptive:
        return ""
    names = [priority.value for priority in order.adaptive]
    return f"given to the broker's adaptive algorithm ({', then '.join(names)})"


def _after(order: Order) -> str:
    return {OnUnfilled.AGAIN: "until done", OnUnfilled.MARKET: "then at market"}.get(order.then, "")


# ---------------------------------------------------------------- the entry's own


def _floor(subject: Subject) -> str:
    """Return the price that no try goes past; of legs that go one after the other it binds the last of them."""
    words, legs = floor_words(subject), subject.plan.order.leg_by_leg
    return f"{words} for all legs together, which binds {legs[-1]} alone" if words and legs else words


def floor_words(subject: Subject) -> str:
    """Return what no try goes past, a price and what holds only up to one, and what says so."""
    return ", ".join(words for words in (_price_words(subject), _judged_words(subject)) if words)


def _judged_words(subject: Subject) -> str:
    """Return the price-dependent conditions that no number expresses, without which no price is offered.

    A market order offers none.
    """
    if subject.plan.order.start is PriceFrom.MARKET:
        return ""
    names = tuple(rule.name for rule in subject.plan.require if price_dependent_parts(rule))
    return f"never where {listed(names, 'or')} would not hold (require)" if names else ""


def _price_words(subject: Subject) -> str:
    """Return the price that no try goes past, and what says so."""
    example = subject.example
    if example is None:
        return ""
    if example.is_bound:
        word = "under" if example.net >= 0 else "over"
        is_floor = example.floor is not None and example.floor >= example.net
        source = _floor_source(subject.plan, example) if is_floor else "(require)"
        return f"never {word} {price(example.net)} {source}"
    if example.floor is None or not is_fixed(subject.plan.legs) or example.floor * example.net <= 0:
        return ""
    word = "under" if example.floor > 0 else "over"
    return f"never {word} {price(example.floor)} {_floor_source(subject.plan, example)}"


def _floor_source(plan: Plan, example: Example) -> str:
    """Return what the price may not go past, and for how many structures where a budget makes their count."""
    count = f"for {example.position.quantity} " if plan.size is not None else ""
    return f"{count}({example.floor_by})"


def _judged_again(order: Order) -> str:
    if order.tries == 1:
        return ""
    of = f" of {order.leg_by_leg[0]}" if order.leg_by_leg else ""
    return f"before each try{of}, until a part has filled, all conditions are judged again; "


def ending_words(order: Order, subject: Subject) -> str:
    """Return what follows the last try, and whether the day continues."""
    entry = subject.plan.entry
    last = "then" if order.tries == 1 else "after the last"
    if order.then is OnUnfilled.UNWIND:
        steps = counted(UNWIND_LADDER.tries, "time")
        how = f"at natural {steps} for {duration(UNWIND_LADDER.wait)}, then at market"
        kept = f"{last} it is cancelled, and a leg without its partner is closed: {how}"
    else:
        kept = f"{last} it is cancelled; what filled stays"
    again = entry.again is not None and ({"unfilled", "any"} & set(entry.again.after))
    if again and entry.again is not None:
        return f"{kept}; unfilled it may enter again {duration(entry.again.wait)} later"
    what = "that symbol " if subject.spec.universe is not None else ""
    when = "that day" if len(entry.windows) == 1 else "in that window"
    return f"{kept}; unfilled it does not enter {what}again {when}"
