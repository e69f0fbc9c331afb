"""The expiries of a structure: what is wrong with them, and which of two surely ends first."""

from collections.abc import Collection, Iterator
from math import inf

from rulebot.compile.problem import Problem, did_you_mean
from rulebot.compile.timing import WEEK_DAYS
from rulebot.model.contract import Kind, product
from rulebot.spec.nouns.legs import DteRule, Expiry, Side
from rulebot.spec.spec import Spec

MAX_DTE = 1100


def expiry_problems(spec: Spec) -> Iterator[Problem]:
    """Yield RB260 for days, classes and expiries of single legs that cannot be."""
    written = [each for each in (spec.legs.expiry, *(leg.expiry for leg in spec.legs.legs)) if each is not None]
    for expiry in written:
        yield from list(_problems_of(expiry, spec)) or _weekend_problems(expiry, spec.entry.days or WEEK_DAYS)
    if len(spec.legs.expiries) > 1:
        yield from _several_problems(spec)


def _problems_of(expiry: Expiry, spec: Spec) -> Iterator[Problem]:
    where = (*expiry.path, "dte")
    if not expiry.days or any(not 0 <= day <= MAX_DTE for day in expiry.days):
        yield Problem("RB260", where, f"days to expiry are 0 to {MAX_DTE}, is {_days(expiry)}")
    elif expiry.rule is DteRule.BETWEEN and (len(expiry.days) != 2 or expiry.days[0] > expiry.days[1]):
        yield Problem("RB260", where, f"the lower end comes first, is {_days(expiry)}")
    if expiry.is_latest and expiry.rule in (DteRule.EXACT, DteRule.NEAREST):
        message = "'take' chooses among several expiries, and here one alone qualifies"
        help_text = "give 'dte' as at_least, at_most or between"
        yield Problem("RB260", (*expiry.path, "take"), message, help_text, on_key=True)
    if expiry.trading_class is not None:
        yield from _class_problems(expiry, expiry.trading_class, spec)


def _weekend_problems(expiry: Expiry, days: Collection[str]) -> Iterator[Problem]:
    """Yield RB260 where all days that the rule can choose are Saturdays and Sundays, on which nothing expires."""
    fewest, most = dte_range(expiry)
    if most - fewest > 1:
        return
    starts = [place for place, day in enumerate(WEEK_DAYS) if day in days]
    if any((start + ahead) % 7 < len(WEEK_DAYS) for start in starts for ahead in range(int(fewest), int(most) + 1)):
        return
    ahead_of = f"{_days(expiry)} {'day' if expiry.days == (1,) else 'days'}"
    message = f"from an entry on {' and '.join(days)} an expiry in {ahead_of} is on a weekend: there is none"
    yield Problem("RB260", (*expiry.path, "dte"), message, "take other 'days', or more days to expiry")


def _days(expiry: Expiry) -> str:
    return " and ".join(str(day) for day in expiry.days) or "nothing"


def _class_problems(expiry: Expiry, trading_class: str, spec: Spec) -> Iterator[Problem]:
    where = (*expiry.path, "class")
    if len(spec.underlyings) > 1:
        yield Problem("RB260", where, "one trading class cannot be that of two underlyings")
        return
    symbol = spec.underlyings[0]
    facts = product(symbol)
    if facts.kind is Kind.INDEX and trading_class not in facts.classes:
        message = f"{symbol} has no options of class '{trading_class}'"
        help_text = did_you_mean(trading_class, facts.classes) or f"its classes are {' and '.join(facts.classes)}"
        if len(facts.classes) == 1:
            help_text = f"all options on {symbol} are of class {facts.same_day_class}: leave 'class' out"
        yield Problem("RB260", where, message, help_text)
    elif trading_class == facts.opening_class and dte_range(expiry)[1] == 0:
        message = f"{symbol} options of class {trading_class} settle at the open and do not trade on that day"
        yield Problem("RB260", where, message, f"{facts.same_day_class} expires at the close of its last day")


def _several_problems(spec: Spec) -> Iterator[Problem]:
    """What is sold on two days would be covered on neither for certain; two underlyings have no nearest in common."""
    if len(spec.underlyings) > 1:
        own = next(leg for leg in spec.legs.legs if leg.expiry is not None)
        message = "legs of several expiries are on one underlying, and this bot has two"
        yield Problem("RB260", (*own.path, "expiry"), message, "give all legs one 'expiry'", on_key=True)
    sold = [leg for leg in spec.legs.legs if leg.side is Side.SELL and not leg.is_shares]
    for leg in sold[1:]:
        if spec.legs.expiry_of(leg).terms != spec.legs.expiry_of(sold[0]).terms:
            where = leg.path if leg.expiry is None else (*leg.path, "expiry")
            message = f"'{leg.name}' and '{sold[0].name}' are sold with different expiries"
            help_text = "what is sold expires together; what is bought may end later, or be a bot of its own"
            yield Problem("RB260", where, message, help_text, on_key=True)


def dte_range(expiry: Expiry) -> tuple[float, float]:
    """Return the fewest and the most days to expiry that the rule can choose; one that says `nearest` is not sure."""
    if expiry.rule is DteRule.NEAREST:
        return 0.0 if expiry.is_monthly else expiry.days[0] / 2, inf
    return _asked(expiry)


def _asked(expiry: Expiry) -> tuple[float, float]:
    days = [float(day) for day in expiry.days]
    match expiry.rule:
        case DteRule.AT_MOST:
            return 0.0, days[0]
        case DteRule.AT_LEAST:
            return days[0], inf
        case _:
            return days[0], days[-1]


def ends_no_earlier(expiry: Expiry, other: Expiry) -> bool:
    """Say whether the first surely ends on the day of the other or later, whatever days are listed.

    Both rules choose from one list where their class and cycle are the same: the one that asks for more days then never
    gets the earlier day. Else only the days themselves are sure.
    """
    if expiry.terms == other.terms:
        return True
    if expiry.trading_class != other.trading_class:  # one may settle at the open, after the close of its last day
        return dte_range(expiry)[0] > dte_range(other)[1]
    if expiry.is_monthly != other.is_monthly:
        return dte_range(expiry)[0] >= dte_range(other)[1]
    (least, most), (other_least, other_most) = _asked(expiry), _asked(other)
    if least >= other_most:
        return True
    if DteRule.NEAREST in (expiry.rule, other.rule):
        return False
    if expiry.is_latest:
        return most >= other_most
    return not other.is_latest and least >= other_least
