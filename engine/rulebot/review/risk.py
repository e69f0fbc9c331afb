"""The section Risks: possible losses of a trade and of a day, halts, and protection while no engine runs."""

from collections.abc import Iterator
from decimal import Decimal

from rulebot.compile.plan import LegPlan, Plan
from rulebot.compile.timing import outlives_its_day
from rulebot.compile.units import written as written_as
from rulebot.measure.words import listed
from rulebot.model.contract import Kind, Right, product
from rulebot.model.loss_bound import groups_of, shortfall, unbounded_risk_reason
from rulebot.model.money import MOST_STRUCTURES, RAISED_BY, ZERO, short_dollars
from rulebot.model.position import PositionLeg
from rulebot.model.text import counted, duration, plain, price
from rulebot.review.entry import rule_lines
from rulebot.review.example import Example, Subject
from rulebot.review.exits import acts_without_engine
from rulebot.review.explanation import Line, Section
from rulebot.review.max_loss import Certainty, MaxLoss, is_on_the_listing, max_loss_of
from rulebot.spec.nouns import Amount, Unit
from rulebot.spec.spec import HALT


def risk_section(subject: Subject) -> Section:
    """Return what may be lost: a trade, all that is open, a day; then what stops the bot."""
    lines = (*_trade(subject), *_together(subject), *_required(subject), *_halts(subject), *_unwatched(subject))
    return Section("Risks", lines)


# ---------------------------------------------------------------- one trade


def _trade(subject: Subject) -> Iterator[Line]:
    worst = max_loss_of(subject)
    if subject.plan.risk.delayed_data:
        yield Line(
            words="quotes that the broker sends 10 to 15 minutes late are traded on, on paper alone (delayed_data)"
        )
    if subject.plan.overwrite is not None:
        yield Line(
            words=f"{subject.plan.underlyings[0]} shares cover the calls: exercised, they take them at the strike"
        )
        yield Line(words="what the shares lose is not counted; without enough of them nothing is entered")
        if worst is None or worst.amount is None or (subject.example and worst.amount <= subject.example.fees):
            yield from _refused(subject.plan.risk.max_loss_per_trade)
            return
    if worst is None:
        yield Line(words="nothing bounds what a trade may lose but its strikes")
        return
    yield Line(words=_words_of(worst, subject))
    example = subject.example
    if worst.sure is Certainty.EXAMPLE and example is not None and any(map(_brings_shares, example.position.legs)):
        yield Line(words="the cash for its shares is asked for by 'cash_secured_puts' of the account document alone")
    yield from _rolled_on(subject)
    yield from _rolled_apart(subject)
    yield from _coming_apart(subject)
    yield from _left_alone(subject)
    yield from _limited(worst, subject)


def _limited(worst: MaxLoss, subject: Subject) -> Iterator[Line]:
    """Say what `max_loss_per_trade` refuses, and what may be lost beyond the strikes without it."""
    example, limit = subject.example, subject.plan.risk.max_loss_per_trade
    if limit is None and worst.sure is Certainty.STRIKES and worst.width and is_on_the_listing(subject):
        yield Line(words="where no strike is listed so far apart the nearest is taken: further apart it may lose more")
    if limit is None or example is None:
        return
    if example.worst is not None and example.worst > limit:
        yield Line(words=f"the example could lose {short_dollars(example.worst)}: it would be refused")
    elif worst.sure is not Certainty.LIMIT:
        yield from _refused(limit)


def _refused(limit: Decimal | None) -> Iterator[Line]:
    if limit is not None:
        yield Line(words=f"an entry that could lose more than {short_dollars(limit)} is refused (max_loss_per_trade)")


def _rolled_on(subject: Subject) -> Iterator[Line]:
    """Return that a roll's loss adds to the possible loss of the position that it opens."""
    names = tuple(each.name for each in subject.exits if each.roll is not None)
    if names:
        yield Line(words=f"{listed(names, 'and')}: each roll opens a new trade, and losses of several add up")


def _rolled_apart(subject: Subject) -> Iterator[Line]:
    """Return that a part rolled to another expiry may be lost in addition to the rest of its position."""
    names = tuple(each.name for each in subject.exits if each.roll is not None and each.roll.is_moved and each.legs)
    if names:
        limit = subject.plan.risk.max_loss_per_trade
        most = "nothing limits" if limit is None else f"{short_dollars(limit)} limits"
        rolls = f"{listed(names, 'and')} {'roll' if len(names) > 1 else 'rolls'} a part to another expiry"
        both = f"it may be lost besides the rest, and {most} both losses together"
        yield Line(words=f"{rolls}: {both} (max_loss_per_trade)")


def _coming_apart(subject: Subject) -> Iterator[Line]:
    """Say which legs close at different times, and what the bound takes for granted of legs that close as one."""
    groups = _groups(subject.plan.legs)
    if len(groups) > 1:
        closing = tuple(dict.fromkeys(each.name for each in subject.exits if each.legs))
        by = f" ({listed(closing, 'and')})" if closing else ""
        each = "; ".join(" + ".join(names) for names in groups)
        yield Line(words=f"these can close at different prices{by}: {each}; what each can lose is added up")
    example = subject.example
    is_bound = example is not None and example.worst is not None
    if is_bound and (words := _one_by_one(subject)):
        yield Line(words=f"{words}: the bound takes it that they close at one price of {subject.plan.underlyings[0]}")
    if example is not None and is_bound and (short := _below_exercise(example)):
        of_index = ", and by interest" if _is_on_an_index(subject.plan) else ""
        words = f"the bound counts {counted(short, 'point')} for closing below the exercise value"
        yield Line(words=f"{words}: by the bid-ask spread{of_index}")


def _left_alone(subject: Subject) -> Iterator[Line]:
    """Say what an entry in steps loses when a later leg does not fill, and how much of that is limited."""
    sequence, limit = subject.plan.order.leg_by_leg, subject.plan.risk.max_loss_per_trade
    if sequence:
        words = f"if {sequence[-1]} does not fill, rulebot closes {listed(sequence[:-1], 'and')} again"
        counts = "max_loss_per_trade counts the bid-ask spread and commissions of that, not a move of the market"
        yield Line(words=words if limit is None else f"{words}: {counts}")


def _groups(legs: tuple[LegPlan, ...]) -> list[tuple[str, ...]]:
    """Return the names of the legs that close together."""
    found: dict[str, tuple[str, ...]] = {}
    for leg in legs:
        found[leg.group] = (*found.get(leg.group, ()), leg.name)
    return list(found.values())


def _below_exercise(example: Example) -> Decimal:
    """Return the points that closing the example may bring less than its exercise value."""
    return sum((shortfall(parts) for parts in groups_of(example.position.legs).values()), ZERO)


def _is_on_an_index(plan: Plan) -> bool:
    return any(product(symbol).kind is Kind.INDEX for symbol in plan.underlyings)


def _one_by_one(subject: Subject) -> str:
    """Return why legs that close as one are sent as several orders, "" when they go as one combo."""
    plan = subject.plan
    if len(plan.underlyings) > 1:
        return "legs close one after the other, each when the one before has filled"
    return "after a protective stop the other legs close one by one" if plan.risk.protect is not None else ""


def _words_of(worst: MaxLoss, subject: Subject) -> str:
    example = subject.example
    if worst.amount is None:
        return f"without a bound: {_bare(subject)} (undefined_risk: allow)"
    most = f"at most {short_dollars(round(worst.amount))} a trade"
    if worst.sure is Certainty.LIMIT:
        return f"{most}: an entry that could lose more is refused (max_loss_per_trade){_in_example(example)}"
    if worst.sure is Certainty.SIZE:
        is_too_large = example is not None and example.worst is not None and example.worst > worst.amount
        fits_not = ": not one of it fits, and it would not be entered" if is_too_large else ""
        return f"{most}: no more structures are entered than fit that (quantity){_in_example(example)}{fits_not}"
    assert example is not None
    if worst.sure is Certainty.STRIKES:
        return f"{most}: {_computed(worst, subject, example)}"
    return f"{short_dollars(round(worst.amount))} a trade in the example: {_single(subject, example)}"


def _in_example(example: Example | None) -> str:
    if example is None or example.worst is None:
        return ""
    loss = short_dollars(round(example.worst))
    return f"; the example, {example.structure} at {price(example.net)}, could lose {loss}"


def _computed(worst: MaxLoss, subject: Subject, example: Example) -> str:
    """Return the sum: width less credit, or the debit, times shares, and commissions."""
    most, of_example = Decimal(subject.plan.quantity), example.position.quantity
    fees = short_dollars(round(example.fees * most / of_example))
    times = f"x {plain(example.shares * most / of_example)}, plus at most {fees} of commissions"
    net = price(example.net)
    if not worst.width:
        return f"{example.basis}, {net}, {times}"
    less = f" less {example.basis}, {net}," if example.is_bound and example.net > 0 else ""
    more = f" and {example.basis}, {net}," if example.is_bound and example.net < 0 else ""
    return f"{_lost_points(worst.width, subject, example)}{less}{more} {times}"


def _lost_points(points: Decimal, subject: Subject, example: Example) -> str:
    """Return what is lost before the price: from strike to strike, and by closing below the exercise value."""
    short = _below_exercise(example)
    both = ", added up," if len(_groups(subject.plan.legs)) > 1 else ""
    widths = f"{counted(points - short, 'point')} from strike to strike{both}" if points != short else ""
    below = f"{counted(short, 'point')} below the exercise value" if short else ""
    return " and ".join(filter(None, (widths, below)))


def _single(subject: Subject, example: Example) -> str:
    falls = tuple(leg.name for leg in example.position.legs if _falls(leg))
    at_zero = f"{listed(falls, 'and')} with the underlying at 0" if falls else "all that was paid"
    allowed = " (undefined_risk: allow)" if subject.plan.risk.undefined_risk else ""
    return f"{example.structure} at {price(example.net)}, {at_zero}{allowed}"


def _falls(leg: PositionLeg) -> bool:
    """Say whether a leg loses when the underlying falls to 0: shares that are held, and puts that were sold."""
    return leg.sign > 0 if leg.option.is_share else leg.sign < 0 and leg.option.right is Right.PUT


def _brings_shares(leg: PositionLeg) -> bool:
    """Say whether a leg is a put that was sold, on what is delivered."""
    return not leg.option.is_share and _falls(leg) and product(leg.option.symbol).kind is not Kind.INDEX


def _bare(subject: Subject) -> str:
    """Return the short calls that no long call of the same underlying covers."""
    calls = [leg for leg in subject.plan.legs if leg.right.value == "call"]
    net = {leg.symbol: sum(each.sign * each.ratio for each in calls if each.symbol == leg.symbol) for leg in calls}
    names = tuple(leg.name for leg in calls if leg.sign < 0 and net[leg.symbol] < 0)
    if names:
        return f"no contract covers {listed(names, 'and')}"
    example = subject.example
    return "" if example is None else unbounded_risk_reason(example.position.legs)


# ---------------------------------------------------------------- together


def _capped(subject: Subject) -> Iterator[Line]:
    """Say that the built-in cap refuses the size, where it does."""
    if subject.plan.quantity > MOST_STRUCTURES and subject.plan.overwrite is None:
        words = f"without an account document an order of more than {MOST_STRUCTURES} structures is refused"
        yield Line(words=f"{words}: {RAISED_BY}")


def _together(subject: Subject) -> Iterator[Line]:
    yield from _capped(subject)
    plan, worst = subject.plan, max_loss_of(subject)
    count = plan.entry.max_open
    amount = None if worst is None or subject.plan.overwrite is not None else worst.dollars
    most = "" if amount is None else short_dollars(amount * count)
    at_once = f"open at once: {count}" + (f", {most} together" if most and count > 1 else "")
    day = worst_day(subject)
    yield Line(words=f"{at_once}; {day}" if day else at_once)
    written = subject.spec.risk
    if plan.risk.day.loss is not None:
        yield _of_day("loss", plan.risk.day.loss, written.daily_loss, "daily_loss", closes=plan.risk.day.closes)
    if plan.risk.day.profit is not None:
        yield _of_day("profit", plan.risk.day.profit, written.daily_profit, "daily_profit")
    if free := unlimited(subject):
        yield Line(words=f"not limited: {listed(free, 'and')}")


def _of_day(what: str, dollars: Decimal, written: Decimal | Amount | None, key: str, *, closes: bool = False) -> Line:
    """Return at what the bot halts for the day, in R too where the spec has it so."""
    in_r = f" ({written_as(written)})" if isinstance(written, Amount) and written.unit is Unit.R else ""
    words = f"at a {what} of {short_dollars(dollars)}{in_r} since the session began, open positions included"
    then = "all that is open is closed (close: all)" if closes else "exits continue"
    return Line(words=f"{words}, it enters no more that day ({key}); {then}")


def unlimited(subject: Subject) -> tuple[str, ...]:
    """Return the limits in dollars that the spec does not set, with what each would be of."""
    plan = subject.plan
    is_bounded = plan.overwrite is not None or plan.size is not None or plan.risk.max_loss_per_trade is not None
    trade = () if is_bounded else ("what a trade may lose (max_loss_per_trade)",)
    return trade if plan.risk.day.loss is not None else (*trade, "what a day may lose (daily_loss)")


def worst_day(subject: Subject) -> str:
    """Return the most that a day may lose and why, "" where nothing is known of a trade."""
    worst = max_loss_of(subject)
    if worst is None or subject.plan.overwrite is not None:
        return ""
    if worst.amount is None:
        return "a day's worst case has no bound either"
    entry = subject.plan.entry
    held = _held(subject)
    by_count, by_halt = _day_bounds(subject, worst.dollars or ZERO)
    words = f"a day's worst case {short_dollars(round(_least(by_count, by_halt)))}"
    if by_halt is not None and by_halt < by_count:
        then = "the one" if entry.max_open == 1 else f"all {entry.max_open}"
        return f"{words}: first just under daily_loss, then {then} that may be open"
    if held:
        return f"{words}: {held} open from before and {entry.per_day} of the day"
    return words if entry.per_day == 1 else f"{words}: {entry.per_day} entries"


def worst_day_amount(subject: Subject) -> Decimal | None:
    """Return the dollars behind `worst_day`, None where there is no bound or no example."""
    worst = max_loss_of(subject)
    return None if worst is None or worst.amount is None else _least(*_day_bounds(subject, worst.amount))


def is_day_bound_by_halt(subject: Subject) -> bool:
    """Say whether `daily_loss` keeps out entries that a day may else lose with."""
    worst = max_loss_of(subject)
    if worst is None or worst.amount is None:
        return False
    by_count, by_halt = _day_bounds(subject, worst.amount)
    return by_halt is not None and by_halt < by_count


def _held(subject: Subject) -> int:
    """Return how many positions of earlier days a day may begin with."""
    return subject.plan.entry.max_open if outlives_its_day(subject.spec) else 0


def _day_bounds(subject: Subject, amount: Decimal) -> tuple[Decimal, Decimal | None]:
    """Return what a day may lose by the count of positions, and by the limit of the day where there is one."""
    entry, limit = subject.plan.entry, subject.plan.risk.day.loss
    by_count = (entry.per_day + _held(subject)) * amount
    return by_count, None if limit is None else limit + entry.max_open * amount


def _least(amount: Decimal, other: Decimal | None) -> Decimal:
    return amount if other is None else min(amount, other)


# ---------------------------------------------------------------- what stops it


def _required(subject: Subject) -> Iterator[Line]:
    rules = subject.plan.risk.require
    if rules:
        yield Line(words="enters only if with the entry included all of these hold (what is unknown does not):")
        yield from rule_lines(rules, subject.cast)


def _halts(subject: Subject) -> Iterator[Line]:
    rules = subject.plan.risk.halt_when
    if not rules:
        return
    yield Line(words="halts for the day, exits continue, as soon as one of these is true; unknown, no entry meanwhile:")
    yield from rule_lines(rules, subject.cast)
    closing = [rule.name for rule in rules if any(planned.name == HALT + rule.name for planned in subject.exits)]
    if closing:
        closes = f"{listed(tuple(closing), 'and')} {'closes' if len(closing) == 1 else 'close'}"
        yield Line(words=f"{closes} what is open as well, and what fills after that")


def _unwatched(subject: Subject) -> Iterator[Line]:
    yield Line(words=f"while no engine runs {acts_without_engine(subject) or _nothing_acts(subject)}")
    seconds = subject.plan.risk.max_time_without_stop
    if seconds is not None:
        words = f"a short leg without a stop at the broker or a closing order for {duration(seconds)}"
        yield Line(words=f"{words} closes the position at market (max_time_without_stop)")


def _nothing_acts(subject: Subject) -> str:
    if subject.plan.overwrite is not None:
        return "nothing closes a position, and the shares cover its calls"
    worst = max_loss_of(subject)
    bound = "nothing bounds its loss" if worst is None or worst.amount is None else "the worst case is its only bound"
    return f"nothing closes a position, and {bound}"
