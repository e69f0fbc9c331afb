"""Rules as closures: three values, partly known legs, events, breaches, and the words for them."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import product

import pytest

from rulebot.compile.plan import (
    AllOf,
    AnyOf,
    Arithmetic,
    Call,
    Compare,
    Constant,
    Holds,
    Not,
    Op,
    Quantity,
    Rule,
    Text,
    Truth,
)
from rulebot.evaluate.rules import compile_test, shortfall
from rulebot.measure.evaluation import Evaluation
from rulebot.measure.reading import Context
from rulebot.measure.view import View
from rulebot.model.contract import Underlying
from rulebot.model.facts import EventCalendar, EventDay, Facts, Moment
from rulebot.model.session import Anchor, DayTime, Sessions, at_exchange_time
from rulebot.wording.condition import describe
from tests.unit.measures.market_view import ALL, CONTEXT, DAY, NAN, NOW, SHORT, condor, level, quote, session, view

VIX = Call("vix", (), Quantity.LEVEL)
NEVER = Call("vix9d", (), Quantity.LEVEL)


def above(bound: float, call: Call = VIX) -> Compare:
    return Compare(Op.ABOVE, call, (Constant(bound, Quantity.LEVEL),))


TESTS: dict[bool | None, Truth] = {True: above(10.0), False: above(20.0), None: above(10.0, NEVER)}


def judged(test: Truth, at: View | None = None) -> Evaluation:
    return compile_test(test, CONTEXT)(at or view())


def rule(test: Truth, text: str = "") -> Rule:
    return Rule(name="r", test=test, text=text, quantity=Quantity.PLAIN, reads=frozenset(), path=())


def test_a_bound_that_moves_is_read_again_while_a_position_is_held() -> None:
    at = condor(view())
    judge = compile_test(Compare(Op.ABOVE, VIX, (Call("vix9d", (), Quantity.LEVEL),)), CONTEXT)
    found = []
    for bound in (15.0, 18.0, 16.0):
        level(at.board, "VIX9D", bound)
        at.memo.clear()
        found.append(judge(at).truth)
    assert found == [True, False, True]


def test_a_bound_of_the_entry_is_that_of_the_position_in_question() -> None:
    at = condor(view())
    judge = compile_test(Compare(Op.ABOVE, VIX, (Call("credit", (("at", "start"),), Quantity.PRICE),)), CONTEXT)
    found = []
    for price in (1.0, 20.0, 2.0):
        at.held = at.held._replace(entry_price=price) if at.held is not None else None
        found.append(judge(at).truth)
    assert found == [True, False, True]


@pytest.mark.parametrize(("one", "other"), list(product((True, False, None), repeat=2)))
def test_all_and_any_in_three_values(one: bool | None, other: bool | None) -> None:
    members, names = (TESTS[one], TESTS[other]), ("one", "other")
    both = False if False in (one, other) else None if None in (one, other) else True
    either = True if True in (one, other) else None if None in (one, other) else False
    assert judged(AllOf(members, names)).truth is both
    assert judged(AnyOf(members, names)).truth is either


def test_not_unknown_is_unknown() -> None:
    assert judged(Not(TESTS[None])).truth is None
    assert judged(Not(TESTS[True])).truth is False
    assert judged(Not(TESTS[None])).missing == "VIX9D: not streamed"


@pytest.mark.parametrize(
    ("op", "bounds", "truth"),
    [
        (Op.ABOVE, (16.8,), False),
        (Op.AT_LEAST, (16.8,), True),
        (Op.BELOW, (16.8,), False),
        (Op.AT_MOST, (16.8,), True),
        (Op.BETWEEN, (16.8, 20.0), True),
        (Op.OUTSIDE, (16.8, 20.0), False),
        (Op.BEYOND, (16.7,), True),
    ],
)
def test_comparisons_at_their_bounds(op: Op, bounds: tuple[float, ...], truth: bool) -> None:
    assert judged(Compare(op, VIX, tuple(Constant(bound, Quantity.LEVEL) for bound in bounds))).truth is truth


@pytest.mark.parametrize(
    ("op", "bounds", "truth"),
    [
        (Op.ABOVE, (0.15,), True),
        (Op.ABOVE, (0.25,), None),
        (Op.AT_MOST, (0.15,), False),
        (Op.AT_MOST, (0.25,), None),
        (Op.BETWEEN, (0.0, 0.15), False),
        (Op.BETWEEN, (0.0, 0.25), None),
        (Op.OUTSIDE, (0.0, 0.15), True),
    ],
)
def test_known_legs_decide_when_they_can(op: Op, bounds: tuple[float, ...], truth: bool | None) -> None:
    at = condor(view())
    at.board.ask[at.legs[1].row] = NAN
    width = Call("quote_width", (("of", ALL),), Quantity.PRICE)
    evaluation = judged(Compare(op, width, tuple(Constant(bound, Quantity.PRICE) for bound in bounds)), at)
    assert evaluation.truth is truth
    assert evaluation.missing == ("long_put: no ask" if truth is None else "")


def breach(**given: float) -> Holds:
    return Holds(Call("breach", tuple(sorted({"of": SHORT, **given}.items())), Quantity.TRUTH))


@pytest.mark.parametrize(
    ("spot", "truth", "value"), [(5966.0, False, 16.0), (5965.0, True, 15.0), (5940.0, True, -10.0)]
)
def test_spot_within_counts_what_is_past_the_strike(spot: float, truth: bool, value: float) -> None:
    at = condor(view())
    level(at.board, "SPX", spot)
    evaluation = judged(breach(spot_within=15.0), at)
    assert (evaluation.truth, evaluation.value, evaluation.low) == (truth, value, 15.0)


def test_spot_beyond_asks_for_more_than_the_bound() -> None:
    at = condor(view())
    level(at.board, "SPX", 5940.0)
    assert judged(breach(spot_beyond=10.0), at).truth is False
    assert judged(breach(spot_beyond=9.0), at).truth is True


def test_a_breach_without_spot_is_unknown() -> None:
    at = condor(view())
    at.board.last[at.board.rows[Underlying("SPX")]] = NAN
    assert judged(breach(spot_within=15.0), at).truth is None


def test_time_is_true_from_then_on_and_moves_before_an_early_close() -> None:
    at = DayTime(Anchor.CLOCK, datetime(2026, 1, 1, 15, 45) - datetime(2026, 1, 1))
    test = Holds(Call("time", (("at", at),), Quantity.TRUTH))
    assert judged(test).truth is False
    half = view()
    half.session = session(date(2026, 11, 27))
    half.now = half.session.close.timestamp() - 900.0
    assert judged(test, half).truth is True
    half.now -= 1.0
    assert judged(test, half).truth is False
    assert describe(rule(test), judged(test, half)) == "from 12:45 on, 15:45 on whole days"
    assert describe(rule(test), judged(test)) == "from 15:45 on"


def test_the_kind_of_session() -> None:
    test = Compare(Op.IS, Call("session", (), Quantity.TEXT), (Text("full"),))
    assert judged(test).truth is True


def with_events(*days: EventDay, until: date = date(2027, 1, 1)) -> View:
    at = view()
    calendar = EventCalendar(days={"CPI": {each.day: each for each in days}}, known_until={"CPI": until})
    at.facts = Facts(events=calendar, listings=at.facts.listings)
    return at


def no_event(**given: object) -> Holds:
    arguments = tuple(sorted({"of": ("CPI",), **given}.items()))
    return Holds(Call("no_event", arguments, Quantity.TRUTH))  # type: ignore[arg-type]


TODAY = EventDay("CPI", DAY, datetime(2026, 11, 18, 13, 30, tzinfo=UTC))


def test_an_event_of_today_and_one_to_come() -> None:
    assert judged(no_event(), with_events(TODAY)).truth is False
    later = judged(no_event(), with_events(EventDay("CPI", date(2026, 12, 4), None, projected=True)))
    assert (later.truth, later.detail) == (True, "next: CPI 2026-12-04 (projected)")


def test_before_and_after_an_event() -> None:
    assert judged(no_event(after=7200.0), with_events(TODAY)).truth is False
    assert judged(no_event(after=1800.0), with_events(TODAY)).truth is True


@pytest.mark.parametrize("day", [DAY - timedelta(days=1), DAY + timedelta(days=1)])
def test_before_and_after_reach_over_midnight(day: date) -> None:
    near, far = {"before": 86_400.0, "after": 86_400.0}, {"before": 3600.0, "after": 3600.0}
    timed = with_events(EventDay("CPI", day, datetime.combine(day, time(15, 30), UTC)))
    assert judged(no_event(**near), timed).truth is False
    assert judged(no_event(**far), timed).truth is True
    assert judged(no_event(), timed).truth is True
    whole = with_events(EventDay("CPI", day, None))
    assert judged(no_event(before=50_000.0, after=50_000.0), whole).truth is False
    assert judged(no_event(**far), whole).truth is True


def test_before_does_not_take_away_until_the_expiry() -> None:
    weekly = with_events(EventDay("CPI", DAY, datetime(2026, 11, 18, 20, 59, tzinfo=UTC)))
    assert judged(no_event(until="expiry", before=60.0), weekly).truth is False


def test_a_span_beyond_the_calendar_is_unknown() -> None:
    assert judged(no_event(before=86_400.0), with_events(until=DAY)).truth is None
    assert judged(no_event(before=60.0), with_events(until=DAY)).truth is True


def at_time(day: date, clock: time, event: EventDay) -> View:
    """Return a view of that New York time, whose calendar has one event."""
    at = with_events(event, until=date(2028, 12, 31))
    at.now = at_exchange_time(day, clock).timestamp()
    return at


def event(day: date, clock: time | None = None) -> EventDay:
    return EventDay("CPI", day, None if clock is None else at_exchange_time(day, clock))


FRIDAY, MONDAY = date(2026, 11, 20), date(2026, 11, 23)
WEDNESDAY, HALF_DAY, AFTER_IT = date(2026, 11, 25), date(2026, 11, 27), date(2026, 11, 30)
"""Around Thanksgiving."""


@pytest.mark.parametrize(
    ("now", "count", "found", "is_on"),
    [
        ((FRIDAY, time(15, 30)), 1, event(FRIDAY, time(16, 5)), True),
        ((FRIDAY, time(15, 30)), 1, event(date(2026, 11, 22), time(12, 0)), True),
        ((FRIDAY, time(15, 30)), 1, event(MONDAY, time(7, 0)), True),
        ((FRIDAY, time(15, 30)), 1, event(MONDAY, time(15, 30)), True),
        ((FRIDAY, time(15, 30)), 1, event(MONDAY, time(15, 31)), False),
        ((FRIDAY, time(15, 30)), 1, event(FRIDAY, time(15, 29)), False),
        ((FRIDAY, time(15, 30)), 2, event(date(2026, 11, 24), time(15, 30)), True),
        ((FRIDAY, time(15, 30)), 1, event(MONDAY), True),
        ((FRIDAY, time(15, 30)), 1, event(FRIDAY), True),
        ((FRIDAY, time(15, 30)), 1, event(date(2026, 11, 24)), False),
        ((WEDNESDAY, time(15, 30)), 1, event(date(2026, 11, 26), time(8, 30)), True),
        ((WEDNESDAY, time(15, 30)), 1, event(HALF_DAY, time(13, 0)), True),
        ((WEDNESDAY, time(15, 30)), 1, event(HALF_DAY, time(13, 1)), False),
        ((WEDNESDAY, time(11, 0)), 1, event(HALF_DAY, time(11, 1)), False),
        ((date(2026, 11, 21), time(12, 0)), 1, event(MONDAY, time(11, 0)), True),
        ((date(2026, 10, 30), time(15, 30)), 1, event(date(2026, 11, 2), time(15, 30)), True),
        ((date(2026, 10, 30), time(15, 30)), 1, event(date(2026, 11, 2), time(15, 31)), False),
    ],
)
def test_days_before_an_event_are_sessions(now: tuple[date, time], count: int, found: EventDay, is_on: bool) -> None:
    assert judged(no_event(before=Sessions(count)), at_time(*now, found)).truth is not is_on


@pytest.mark.parametrize(
    ("now", "count", "found", "is_on"),
    [
        ((MONDAY, time(10, 0)), 1, event(FRIDAY, time(16, 5)), True),
        ((MONDAY, time(10, 0)), 1, event(FRIDAY, time(10, 0)), True),
        ((MONDAY, time(10, 0)), 1, event(FRIDAY, time(9, 59)), False),
        ((MONDAY, time(10, 0)), 1, event(MONDAY, time(10, 1)), False),
        ((MONDAY, time(10, 0)), 2, event(date(2026, 11, 19), time(10, 0)), True),
        ((MONDAY, time(10, 0)), 1, event(FRIDAY), True),
        ((MONDAY, time(10, 0)), 1, event(date(2026, 11, 19)), False),
        ((AFTER_IT, time(15, 30)), 1, event(HALF_DAY, time(13, 0)), True),
        ((AFTER_IT, time(15, 30)), 1, event(HALF_DAY, time(12, 59)), False),
    ],
)
def test_days_after_an_event_are_sessions(now: tuple[date, time], count: int, found: EventDay, is_on: bool) -> None:
    assert judged(no_event(after=Sessions(count)), at_time(*now, found)).truth is not is_on


NVDA = Context(symbols=("NVDA",), classes={"NVDA": "NVDA"}, expiry=CONTEXT.expiry)


def of_earnings(now: tuple[date, time], *found: EventDay, word: str = "event", **given: object) -> Evaluation:
    """Judge `event: {of: [earnings], before: 1d}` at that New York time of a calendar of NVDA with these reports."""
    at = view()
    at.now = at_exchange_time(*now).timestamp()
    days = {"earnings.NVDA": {each.day: each for each in found}}
    at.facts = Facts(events=EventCalendar(days=days, known_until={"earnings.NVDA": date(2028, 12, 31)}))
    arguments = {"of": ("earnings",), **(given or {"before": Sessions(1)})}
    call = Call(word, tuple(sorted(arguments.items())), Quantity.TRUTH)  # type: ignore[arg-type]
    return compile_test(Holds(call), NVDA)(at)


def report(day: date, moment: Moment | None = None) -> EventDay:
    return EventDay("earnings.NVDA", day, None, moment=moment)


@pytest.mark.parametrize(
    ("now", "found", "is_on"),
    [
        ((FRIDAY, time(15, 30)), report(MONDAY, Moment.BEFORE_OPEN), True),
        ((MONDAY, time(15, 30)), report(MONDAY, Moment.BEFORE_OPEN), False),
        ((FRIDAY, time(15, 30)), report(MONDAY, Moment.AFTER_CLOSE), False),
        ((MONDAY, time(15, 30)), report(MONDAY, Moment.AFTER_CLOSE), True),
        ((FRIDAY, time(15, 30)), report(FRIDAY, Moment.AFTER_CLOSE), True),
        ((FRIDAY, time(15, 30)), report(FRIDAY, Moment.BEFORE_OPEN), False),
        ((HALF_DAY, time(12, 30)), report(HALF_DAY, Moment.AFTER_CLOSE), True),
        ((FRIDAY, time(15, 30)), report(MONDAY), None),
        ((MONDAY, time(15, 30)), report(MONDAY), None),
        ((FRIDAY, time(15, 30)), report(date(2026, 11, 24)), False),
    ],
)
def test_earnings_are_on_one_evening_alone(now: tuple[date, time], found: EventDay, is_on: bool | None) -> None:
    """With a date alone it was true on two evenings: entered on both, and out before the report."""
    assert of_earnings(now, found).truth is is_on


TUESDAY, SATURDAY = date(2026, 11, 24), date(2026, 11, 21)
EVENINGS = [date(2026, 11, day) for day in (18, 19, 20, 23, 24, 25)]


def evenings_of(*found: EventDay) -> list[date]:
    """Return the evenings on which a calendar with these reports would enter."""
    return [day for day in EVENINGS if of_earnings((day, time(15, 30)), *found).truth]


@pytest.mark.parametrize(
    ("found", "evenings"),
    [
        ((report(SATURDAY),), [FRIDAY]),
        ((report(SATURDAY, Moment.BEFORE_OPEN),), [FRIDAY]),
        ((report(MONDAY, Moment.BEFORE_OPEN),), [FRIDAY]),
        ((report(MONDAY),), []),
        ((report(MONDAY), report(TUESDAY)), []),
        ((report(MONDAY, Moment.BEFORE_OPEN), report(TUESDAY, Moment.BEFORE_OPEN)), []),
        ((report(FRIDAY, Moment.AFTER_CLOSE), report(TUESDAY, Moment.AFTER_CLOSE)), []),
        ((report(MONDAY, Moment.AFTER_CLOSE), report(date(2027, 2, 22), Moment.AFTER_CLOSE)), [MONDAY]),
    ],
)
def test_a_report_is_entered_on_one_evening_or_on_none(found: tuple[EventDay, ...], evenings: list[date]) -> None:
    assert evenings_of(*found) == evenings


def test_two_dates_of_one_report_are_named_and_keep_out() -> None:
    both = (report(MONDAY, Moment.BEFORE_OPEN), report(TUESDAY, Moment.BEFORE_OPEN))
    missing = of_earnings((FRIDAY, time(15, 30)), *both).missing
    assert missing == "earnings.NVDA has two dates for one report, 2026-11-23 and 2026-11-24: remove the wrong one"
    assert of_earnings((FRIDAY, time(15, 30)), *both, word="no_event").truth is False


def test_earnings_without_a_time_say_how_to_bring_it() -> None:
    assert of_earnings((FRIDAY, time(15, 30)), report(MONDAY)).missing == (
        'earnings.NVDA on 2026-11-23 has no time: write "when": "bmo" (before the open) or "amc" (after the close) '
        "on that day in the calendar, and import it"
    )
    assert of_earnings((FRIDAY, time(15, 30)), report(MONDAY), before=Sessions(2)).truth is True  # all of it lies ahead
    assert of_earnings((DAY, time(11, 0)), report(DAY), until="").truth is True  # today, whenever
    assert of_earnings((FRIDAY, time(15, 30)), report(MONDAY), word="no_event").truth is False  # may be near: kept out


def test_sessions_beyond_a_calendar_are_unknown() -> None:
    earnings_known_to_friday = at_time(FRIDAY, time(15, 30), event(date(2026, 11, 3)))
    earnings_known_to_friday.facts = Facts(events=EventCalendar(days={"CPI": {}}, known_until={"CPI": FRIDAY}))
    missing = judged(no_event(before=Sessions(1)), earnings_known_to_friday).missing
    assert missing == "the calendar of CPI ends on 2026-11-20"
    last = at_time(date(2028, 12, 29), time(15, 30), event(date(2026, 11, 3)))
    assert judged(no_event(before=Sessions(1)), last).truth is None
    assert "the exchange calendar covers 1993 to 2028" in judged(no_event(before=Sessions(1)), last).missing


def test_past_the_calendar_events_are_unknown() -> None:
    assert judged(no_event(), with_events(until=date(2026, 11, 17))).truth is None
    assert judged(no_event(), view()).missing == "no calendar of CPI"


def test_an_index_has_no_earnings() -> None:
    assert judged(no_event(of=("earnings",))).truth is True


def test_division_by_zero_is_unknown() -> None:
    zero = Arithmetic("-", (VIX, VIX), Quantity.LEVEL)
    test = Compare(Op.ABOVE, Arithmetic("/", (VIX, zero), Quantity.PLAIN), (Constant(1.0, Quantity.PLAIN),))
    assert judged(test).missing == "division by zero"


def test_a_stop_at_three_times_the_credit_acts_at_its_tick() -> None:
    at = condor(view())
    assert at.held is not None
    at.held = at.held._replace(entry_price=0.1)
    for leg in at.legs[1:]:
        quote(at.board, leg.option, 0.05, 0.15)
    quote(at.board, at.legs[0].option, 0.25, 0.35)
    at.legs = (at.legs[0],)
    credit = Call("credit", (("at", "start"),), Quantity.PRICE)
    bound = Arithmetic("*", (Constant(3.0, Quantity.PLAIN), credit), Quantity.PRICE)
    test = Compare(Op.AT_LEAST, Call("cost", (("at", "mid"),), Quantity.PRICE), (bound,))
    assert judged(test, at) == Evaluation(True, 0.3, 0.3)


# ---------------------------------------------------------------- words

MOVE = Call("expected_move", (("asof", "open"), ("method", "straddle"), ("of", "SPX")), Quantity.POINTS)
RANGE = Call("day_range", (("of", "SPX"),), Quantity.POINTS)


def test_a_miss_against_a_multiple_is_reported_with_both_numbers() -> None:
    product_ = Arithmetic("*", (Constant(0.6, Quantity.PLAIN), MOVE), Quantity.POINTS)
    named = rule(Compare(Op.BELOW, RANGE, (product_,)), "below 0.6x day_move")
    evaluation = judged(named.test)
    words = "30.0 pts   below 0.6 x 46.1 = 27.7 (the open's expected move): 2.3 too much"
    assert describe(named, evaluation) == words
    assert shortfall(named, evaluation) == pytest.approx(2.34 / 27.66)


def test_a_rule_that_holds_is_reported_in_the_words_of_the_spec() -> None:
    between = Compare(Op.BETWEEN, VIX, (Constant(12.0, Quantity.LEVEL), Constant(22.0, Quantity.LEVEL)))
    named = rule(between, "in 12 to 22")
    assert describe(named, judged(between)) == "16.80   in 12 to 22"
    assert shortfall(named, judged(between)) == 0.0


def test_a_miss_on_the_bound_itself_still_lacks_something() -> None:
    named = rule(above(16.8), "above 16.8")
    assert shortfall(named, judged(named.test)) == 1e-9


def test_not_is_reported_with_what_it_turns_round() -> None:
    at = DayTime(Anchor.CLOCK, datetime(2026, 1, 1, 15, 45) - datetime(2026, 1, 1))
    named = rule(Not(Holds(Call("time", (("at", at),), Quantity.TRUTH))), "not time 15:45")
    assert describe(named, judged(named.test)) == "not: from 15:45 on"


def test_the_volatilities_behind_a_ratio_are_reported() -> None:
    ratio = Call("iv_over_rv", (("of", "SPX"), ("window", 20)), Quantity.PLAIN)
    named = rule(Compare(Op.ABOVE, ratio, (Constant(1.0, Quantity.PLAIN),)), "above 1.0")
    assert "over 20 sessions)" in describe(named, judged(named.test))


def test_an_estimator_of_which_bars_are_not_there_says_so_behind_a_ratio() -> None:
    given = ("estimator", "yang_zhang"), ("of", "SPX"), ("window", 20)
    ratio = Call("iv_over_rv", given, Quantity.PLAIN)
    named = rule(Compare(Op.ABOVE, ratio, (Constant(1.0, Quantity.PLAIN),)), "above 1.0")
    assert describe(named, judged(named.test)) == "unknown   above 1.0: SPX: daily bars are not known yet"


def test_unknown_is_reported_with_its_reason_and_has_no_shortfall() -> None:
    named = rule(TESTS[None], "above 10")
    evaluation = judged(named.test)
    assert describe(named, evaluation) == "unknown   above 10: VIX9D: not streamed"
    assert shortfall(named, evaluation) is None


def test_a_bound_that_is_unknown_is_named_within_a_group() -> None:
    times = Arithmetic("*", (Constant(0.95, Quantity.PLAIN), NEVER), Quantity.LEVEL)
    more = Arithmetic("+", (NEVER, Constant(1.0, Quantity.LEVEL)), Quantity.LEVEL)
    ends = {"VIX9D": NEVER, "0.95 x VIX9D": times, "what is made of VIX9D": more}
    for words, end in ends.items():
        group = rule(AllOf((Compare(Op.BELOW, VIX, (end,)),), ("a",)))
        assert describe(group, judged(group.test)) == f"a unknown (unknown   below {words}: VIX9D: not streamed)"
    between = rule(AllOf((Compare(Op.BETWEEN, VIX, (Constant(10.0, Quantity.LEVEL), NEVER)),), ("a",)))
    assert "(unknown   in 10.00 to VIX9D: " in describe(between, judged(between.test))


def test_groups_and_breaches_are_reported() -> None:
    at = condor(view())
    named = rule(breach(spot_within=15.0), "spot_within 15 pts")
    assert describe(named, judged(named.test, at)) == "50.00 pts from short_put 5950   spot_within 15 pts"
    group = rule(AnyOf((TESTS[False], TESTS[False]), ("a", "b")))
    assert describe(group, judged(group.test)).startswith("a FALSE (16.80   above 20.00: 3.20 too little); b FALSE")
    assert shortfall(group, judged(group.test)) == pytest.approx(0.16)
    assert Decimal(5950) == at.legs[0].option.strike
    assert at.now == NOW


def test_a_bound_by_the_credit_is_that_of_the_position_that_is_looked_at() -> None:
    credit = Call("credit", (("at", "mid"),), Quantity.PRICE)
    twice = Arithmetic("*", (Constant(2.0, Quantity.PLAIN), credit), Quantity.PRICE)
    cost = Call("cost", (("at", "mid"),), Quantity.PRICE)
    judge = compile_test(Compare(Op.AT_LEAST, cost, (twice,)), CONTEXT)
    for brought in (3.0, 0.4):
        at = condor(view())
        assert at.held is not None
        at.held = at.held._replace(entry_price=brought)
        assert judge(at).low == 2 * brought
        assert judge(at).low == 2 * brought
    candidate = condor(view(), held=False)
    assert judge(candidate).low == 2.0  # what the structure would bring now


@pytest.mark.parametrize(
    ("op", "measure", "quantity", "found", "bound", "words"),
    [
        (Op.ABOVE, "day_range", Quantity.POINTS, 8.04, 8.0, "8.04 pts   above"),
        (Op.ABOVE, "vix_change", Quantity.LEVEL, -0.004, 0.0, "-0.004 pts   above: 0.004 too little"),
        (Op.BEYOND, "leg_delta", Quantity.DELTA, 0.3304, 0.33, "0.3304   above"),
        (Op.AT_LEAST, "vix_change", Quantity.FRACTION, 0.11998, 0.12, "11.998%   above: 0.002% too little"),
        (Op.BELOW, "vix", Quantity.LEVEL, 20.0, 20.0, "20.00   above"),
        (Op.ABOVE, "day_range", Quantity.POINTS, 8.4, 8.0, "8.4 pts   above"),
        (Op.AT_LEAST, "credit", Quantity.PRICE, 0.5, 0.5, "0.50   above"),
    ],
)
def test_a_value_is_reported_from_a_bound_that_it_is_not(
    op: Op, measure: str, quantity: Quantity, found: float, bound: float, words: str
) -> None:
    """A halt was told as 'day_range 8.0 pts above 8 pts', a target that had not come as '12.0%, at least 12%'."""
    test = Compare(op, Call(measure, (), quantity), (Constant(bound, quantity),))
    truth = {Op.ABOVE: found > bound, Op.BEYOND: found > bound, Op.BELOW: found < bound}.get(op, found >= bound)
    assert describe(rule(test, "above"), Evaluation(truth, found, bound)) == words


def test_a_bound_that_is_computed_has_as_many_digits_as_the_value_that_misses_it() -> None:
    half = Arithmetic("*", (Constant(0.5, Quantity.PLAIN), MOVE), Quantity.POINTS)
    said = describe(rule(Compare(Op.BELOW, RANGE, (half,)), "below"), Evaluation(False, 27.72, 27.68))
    assert said == "27.72 pts   below 0.5 x 55.4 = 27.68 (the open's expected move): 0.04 too much"


@pytest.mark.parametrize(
    ("op", "bounds", "truth"),
    [
        (Op.ABOVE, (16.8,), False),
        (Op.AT_LEAST, (16.8,), True),
        (Op.BELOW, (16.8,), False),
        (Op.AT_MOST, (16.8,), True),
        (Op.BETWEEN, (12.0, 16.8), True),
        (Op.BETWEEN, (16.8, 22.0), True),
        (Op.OUTSIDE, (12.0, 16.8), False),
        (Op.OUTSIDE, (16.8, 22.0), False),
        (Op.BEYOND, (16.8,), False),
    ],
)
def test_at_its_very_bound_a_comparison_says_what_its_word_does(op: Op, bounds: tuple[float, ...], truth: bool) -> None:
    test = Compare(op, VIX, tuple(Constant(bound, Quantity.LEVEL) for bound in bounds))
    assert judged(test).truth is truth


def test_a_delta_of_a_leg_that_is_not_streamed_is_unknown() -> None:
    at = condor(view())
    at.legs = (at.legs[0]._replace(row=-1), *at.legs[1:])
    found = judged(
        Compare(Op.BELOW, Call("leg_delta", (("of", "short_put"),), Quantity.PLAIN), (Constant(1.0, Quantity.PLAIN),)),
        at,
    )
    assert (found.truth, found.missing) == (None, "short_put: not streamed")
