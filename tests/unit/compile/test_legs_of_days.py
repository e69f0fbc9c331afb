"""Legs with expiries of their own: what covers what, what cannot be, and what is read of which day."""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from itertools import combinations, product

import pytest

from rulebot.compile.build import build_plan, check
from rulebot.compile.lint.lint_context import LintEnvironment
from rulebot.compile.plan import Plan
from rulebot.compile.strikes import expires_no_earlier
from rulebot.measure.listings import expiry_on, is_monthly
from rulebot.model.contract import Option, Right
from rulebot.model.facts import EventCalendar
from rulebot.model.payoff import best_case, worst_case
from rulebot.spec.load import load_text
from rulebot.spec.nouns import DteRule, Expiry

FRONT = "front: {sell: put, expiry: {dte: {nearest: 4}}, strike: {delta: 0.30}}"
BACK = "back: {buy: put, expiry: {dte: {nearest: 11}}, strike: {at: front}}"


def document(*legs: str, shared: str = "", **changes: str) -> str:
    given = {"exits": "[{dte: {at_most: 0}}]", "risk": "{daily_loss: $500}", **changes}
    if "underlyings" not in given:
        given["underlying"] = "SPX"
    text = "rulebot: 1\nname: calendar\nabout: A bot of a test.\n" + "".join(
        f"{key}: {value}\n" for key, value in given.items()
    )
    text += 'entry: {at: "10:00", max_open: 2}\norder: {start: mid, step: 0.05, tries: 3}\nlegs:\n' + shared
    return text + "".join(f"  {leg}\n" for leg in legs)


def found(*legs: str, shared: str = "", **changes: str) -> tuple[Plan | None, list[tuple[str, str]]]:
    loaded = load_text(document(*legs, shared=shared, **changes))
    if loaded.spec is None:
        return None, [(each.code, each.message) for each in loaded.diagnostics]
    plan, problems = build_plan(loaded.spec, loaded.source)
    return plan, [(each.code, each.message) for each in problems if each.is_error]


def test_each_leg_takes_its_own_expiry_and_volatility_that_of_the_nearest() -> None:
    plan, problems = found(BACK, FRONT)
    assert problems == []
    assert plan is not None
    assert {leg.name: leg.expiry.days for leg in plan.legs} == {"front": (4,), "back": (11,)}
    assert plan.expiry.days == (4,)
    assert [(chain[1], chain[2].days) for chain in plan.needs.chains] == [("SPXW", (4,)), ("SPXW", (11,))]
    assert plan.opens_for == "debit"


def test_one_expiry_stands_for_all_legs_without_one() -> None:
    plan, problems = found(FRONT.replace("expiry: {dte: {nearest: 4}}, ", ""), BACK, shared="  expiry: {dte: 0}\n")
    assert problems == []
    assert plan is not None
    assert {leg.name: leg.expiry.days for leg in plan.legs} == {"front": (0,), "back": (11,)}


def test_legs_that_say_the_same_share_one_expiry() -> None:
    plan, _ = found(
        FRONT, FRONT.replace("front", "other").replace("0.30", "0.20"), BACK, risk="{undefined_risk: allow}"
    )
    assert plan is not None
    assert plan.legs[0].expiry is plan.legs[1].expiry
    assert len(plan.needs.chains) == 2


@pytest.mark.parametrize(
    ("legs", "shared", "code", "words"),
    [
        ((FRONT, "back: {buy: put, strike: {at: front}}"), "", "RB113", "'back' lacks 'expiry'"),
        (("front: {sell: put, strike: {delta: 0.30}}",), "", "RB113", "'legs' lacks 'expiry'"),
        ((FRONT, BACK), "  expiry: {dte: 0}\n", "RB122", "this 'expiry' is that of no leg: each has its own"),
        ((FRONT, BACK, "s: {buy: shares, expiry: {dte: 0}}"), "", "RB122", "shares do not expire"),
        (
            (FRONT.replace("nearest: 4", "nearest: 12"), BACK),
            "",
            "RB209",
            "the put sold by 'front' is not covered: 'back' may end before it, and no other is bought on SPX",
        ),
        (
            (FRONT, BACK, "calls: {sell: call, expiry: {dte: {nearest: 5}}, strike: {delta: 0.10}}"),
            "",
            "RB260",
            "'calls' and 'front' are sold with different expiries",
        ),
        (
            (FRONT, BACK.replace("nearest: 11", "between: [30, 20]")),
            "",
            "RB260",
            "the lower end comes first, is 30 and 20",
        ),
    ],
)
def test_what_cannot_be_is_reported(legs: tuple[str, ...], shared: str, code: str, words: str) -> None:
    assert (code, words) in found(*legs, shared=shared)[1]


def test_two_underlyings_have_one_expiry() -> None:
    own = "expiry: {dte: {nearest: 4}}"
    legs = (
        f"one: {{sell: put, of: SPX, {own}, strike: {{delta: 0.30}}}}",
        "two: {buy: put, of: SPY, expiry: {dte: {nearest: 11}}, strike: {delta: 0.30}}",
    )
    problems = found(*legs, underlyings="[SPX, SPY]", risk="{undefined_risk: allow}")[1]
    assert ("RB260", "legs of several expiries are on one underlying, and this bot has two") in problems


def rules() -> Iterator[Expiry]:
    for first, last in combinations(range(0, 9, 2), 2):
        yield Expiry(rule=DteRule.BETWEEN, days=(first, last), path=())
        yield Expiry(rule=DteRule.BETWEEN, days=(first, last), is_latest=True, path=())
    for day in range(0, 9, 2):
        for rule in (DteRule.EXACT, DteRule.NEAREST, DteRule.AT_LEAST, DteRule.AT_MOST):
            yield Expiry(rule=rule, days=(day,), path=())
        yield Expiry(rule=DteRule.AT_LEAST, days=(day,), is_latest=True, path=())
        yield Expiry(rule=DteRule.AT_MOST, days=(day,), is_latest=True, path=())


def test_what_covers_never_ends_first_whatever_is_listed() -> None:
    """All rules against all, on every listing of nine days; those that never fail to cover are nearly all found."""
    today, every = date(2026, 11, 2), list(rules())
    listings = [tuple(today + timedelta(days=at) for at in range(9) if number >> at & 1) for number in range(1, 1 << 9)]
    taken = [[expiry_on.__wrapped__(rule, listing, today) for listing in listings] for rule in every]
    sure = held = 0
    for (rule, days), (other, other_days) in product(zip(every, taken, strict=True), repeat=2):
        holds = all(day >= least for day, least in zip(days, other_days, strict=True) if day and least)
        if expires_no_earlier(rule, other):
            assert holds, (rule, other)
            sure += 1
        held += holds
    assert sure > 0.85 * held


@pytest.mark.parametrize(("legs", "codes"), [((FRONT, BACK), []), ((FRONT,), ["RB333"])])
def test_an_exit_that_waits_until_a_leg_is_over_can_act(legs: tuple[str, ...], codes: list[str]) -> None:
    exits = "[{name: over, dte: {of: front, below: 0}}, {dte: {at_most: 0}}]"
    loaded = load_text(document(*legs, exits=exits, risk="{undefined_risk: allow, daily_loss: $500}"))
    assert [each.code for each in check(loaded, LintEnvironment(date(2026, 11, 2), (), EventCalendar))] == codes


def test_another_cycle_has_other_days() -> None:
    monthly = Expiry(rule=DteRule.NEAREST, days=(45,), is_monthly=True, path=())
    weekly = Expiry(rule=DteRule.NEAREST, days=(30,), path=())
    assert not expires_no_earlier(monthly, weekly)
    assert expires_no_earlier(monthly, monthly)
    exact = Expiry(rule=DteRule.EXACT, days=(30,), path=())
    assert expires_no_earlier(Expiry(rule=DteRule.AT_LEAST, days=(31,), is_monthly=True, path=()), exact)
    assert is_monthly(date(2026, 11, 20), None)


def test_another_class_may_end_after_the_close_of_the_same_day() -> None:
    exact = Expiry(rule=DteRule.EXACT, days=(30,), path=())
    at_open = Expiry(rule=DteRule.EXACT, days=(30,), trading_class="SPX", path=())
    assert not expires_no_earlier(exact, at_open)
    assert not expires_no_earlier(at_open, exact), "by days alone that is not sure"
    assert expires_no_earlier(Expiry(rule=DteRule.EXACT, days=(31,), path=()), at_open)
    day, strike = date(2026, 11, 19), Decimal(6000)
    pm, am = (Option("SPX", name, day, strike, Right.PUT) for name in ("SPXW", "SPX"))
    assert worst_case(((pm, -1), (am, 1)), Decimal(0)) == 0
    assert worst_case(((am, -1), (pm, 1)), Decimal(0)) == 6000


def put(strike: int, days: int) -> Option:
    return Option("SPX", "SPXW", date(2026, 11, 2) + timedelta(days=days), Decimal(strike), Right.PUT)


@pytest.mark.parametrize(
    ("parts", "net", "worst"),
    [
        (((put(6000, 4), -1), (put(6000, 11), 1)), "-15", "15"),
        (((put(6000, 4), -1), (put(5980, 11), 1)), "-5", "25"),
        (((put(6000, 11), -1), (put(6000, 4), 1)), "15", "5985"),
    ],
    ids=["calendar", "diagonal", "reverse"],
)
def test_the_worst_case_is_that_of_the_day_on_which_what_was_sold_ends(
    parts: tuple[tuple[Option, int], ...], net: str, worst: str
) -> None:
    assert worst_case(parts, Decimal(net)) == Decimal(worst)
    assert best_case(parts, Decimal(net)) is None
