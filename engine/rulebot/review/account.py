"""An account document in words: what all bots together may do, and what admits one to real money."""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal

from rulebot.core.program import USUAL_BAND
from rulebot.decide.account_rules import ends_of
from rulebot.model.money import short_dollars
from rulebot.model.session import DayTime
from rulebot.model.text import counted, plain, price
from rulebot.review.explanation import Explanation, Line, Section
from rulebot.spec.nouns import (
    AccountDocument,
    Amount,
    Between,
    Condition,
    Demand,
    Group,
    GroupKind,
    LiveRules,
    MeasureTest,
    Op,
    PromotionEvidence,
    Shown,
    Unit,
    measure_tests,
)
from rulebot.wording.number import from_on


def explain_account(document: AccountDocument) -> Explanation:
    """Return the limits that are set, those that are not, and the way to real money."""
    lines = (
        Line(words="before every entry of any bot; what reduces is never refused:"),
        *_limits(document),
        *_not_set(document),
    )
    return Explanation(
        kind="account",
        name=document.account or "account",
        about=document.about,
        sections=(Section("Limits", lines), Section("Live", tuple(_live(document.live)))),
    )


# ---------------------------------------------------------------- limits


def _in_dollars(bound: Amount) -> str:
    if bound.unit is Unit.MULTIPLE:
        return f"{plain(bound.value)} times the net liquidation"
    return short_dollars(bound.value)


def _band(band: Amount) -> str:
    if band.unit is Unit.PERCENT:
        return f"{plain(band.value)}% of what the legs are worth at mid, added up, and at least 0.50"
    return f"{price(band.value)} per share"


BACKINGS: Mapping[PromotionEvidence, str] = {
    PromotionEvidence.CASH: "the cash",
    PromotionEvidence.NET_LIQUIDATION: "the net liquidation",
}

REQUIRED: Mapping[str, str] = {
    "worst_case": "what all positions could lose, each at its worst, the entry included",
    "margin": "the initial margin of the whole account with the entry, as the broker answers before it",
    "net_delta": "shares of each underlying that all positions are worth, the entry included",
    "net_gamma": "the change of them for a point, of each underlying, the entry included",
    "net_theta": "dollars a day by time alone, the entry included",
    "net_vega": "dollars for a point of volatility, the entry included",
}
"""What `require` measures."""

LIMITS: Mapping[str, Callable[[AccountDocument], str]] = {
    "daily_loss": lambda d: (
        f"all bots halt for the day once they have lost {_dollars(d.daily_loss)} together since the session began; no "
        "entry while a position that counts has no sound quote"
    ),
    "at_daily_loss": lambda d: "that loss closes what all bots have open (close: all)" if d.at_daily_loss else "",
    "daily_profit": lambda d: (
        f"all bots halt for the day once they have made {_dollars(d.daily_profit)} together since the session began"
    ),
    "max_open": lambda d: f"at most {counted(d.max_open or 0, 'position')} open",
    "orders_per_minute": lambda d: f"at most {counted(d.orders_per_minute or 0, 'order')} sent within a minute",
    "entries_per_day": lambda d: f"at most {counted(d.entries_per_day or 0, 'entry order')} a session, filled or not",
    "max_contracts_per_order": lambda d: (
        f"at most {counted(d.max_contracts_per_order or 0, 'contract')} in an entry, all legs added up"
    ),
    "max_notional_per_order": lambda d: (
        f"strike x multiplier x contracts of an entry, all legs added up, at most {_bound(d.max_notional_per_order)}"
    ),
    "price_band": lambda d: f"priced at most {_band(d.price_band or USUAL_BAND)} from the mid, at every try",
    "cash_secured_puts": lambda d: (
        "strike x multiplier of all short puts that no long put covers, at most "
        f"{BACKINGS[d.cash_secured_puts] if d.cash_secured_puts else ''} of the account"
    ),
    "worst_case": lambda d: f"{REQUIRED['worst_case']}, at most {_bound(d.worst_case)}",
    "margin": lambda d: f"{REQUIRED['margin']}, at most {_bound(d.margin)}",
    "net_delta": lambda d: f"{REQUIRED['net_delta']}, {_ends(d.net_delta)}",
    "net_gamma": lambda d: f"{REQUIRED['net_gamma']}, {_ends(d.net_gamma)}",
    "net_theta": lambda d: f"{REQUIRED['net_theta']}, {_ends(d.net_theta, short_dollars)}",
    "net_vega": lambda d: f"{REQUIRED['net_vega']}, {_ends(d.net_vega, short_dollars)}",
    "require": lambda d: "; ".join(f"{rule.name}: {rule_words(rule)}" for rule in d.require),
    "pattern_day_trading": lambda d: f"passed over: {d.pattern_day_trading}",
}
"""Every limit of the document; a test asks for each field."""


def _dollars(amount: Decimal | None) -> str:
    return short_dollars(amount or Decimal(0))


def _ends(ends: Between | None, said: Callable[[Decimal], str] = plain) -> str:
    """Return `-50 to 50`, `at least -50`, `at most 50`."""
    if ends is None:
        return ""
    if ends.low is not None and ends.high is not None:
        return f"{said(ends.low)} to {said(ends.high)}"
    return f"at least {said(ends.low)}" if ends.low is not None else f"at most {said(ends.high or Decimal(0))}"


def _bound(bound: Amount | None) -> str:
    return _in_dollars(bound) if bound is not None else ""


def rule_words(rule: Condition) -> str:
    """Return a condition of `require` in one sentence: `any of (.. at least 0; not: it is 10:30 or later)`."""
    test = rule.test
    if isinstance(test, Group):
        members = "; ".join(rule_words(member) for member in test.members)
        return f"not: {members}" if test.kind is GroupKind.NOT else f"{test.kind.value} of ({members})"
    assert isinstance(test, MeasureTest)
    return _measure_words(test)


def _measure_words(test: MeasureTest) -> str:
    if test.comparison is None:
        at = test.arguments["at"]
        assert isinstance(at, DayTime)
        return f"it is {from_on(at)} or later"
    if test.measure in ("worst_case", "margin"):
        (bound,) = test.comparison.operands
        assert isinstance(bound, Amount)
        return f"{REQUIRED[test.measure]}, at most {_in_dollars(bound)}"
    is_money = test.measure in ("net_theta", "net_vega")
    return f"{REQUIRED[test.measure]}, {_ends(ends_of(test.comparison), short_dollars if is_money else plain)}"


def _rule_lines(rules: tuple[Condition, ...], prefix: str = "", depth: int = 0) -> Iterator[Line]:
    """Return a line for each condition, those of a group below it."""
    for rule in rules:
        name, test = rule.name.removeprefix(prefix), rule.test
        if isinstance(test, Group) and test.kind is not GroupKind.NOT:
            yield Line(name=name, words=f"{test.kind.value} of these", depth=depth)
            yield from _rule_lines(test.members, f"{rule.name}.", depth + 1)
        else:
            yield Line(name=name, words=rule_words(rule), depth=depth)


def _limits(document: AccountDocument) -> Iterator[Line]:
    for name, words in LIMITS.items():
        if name == "require":
            yield from _rule_lines(document.require)
        elif getattr(document, name) or name == "price_band":
            usual = " (the usual one)" if name == "price_band" and document.price_band is None else ""
            yield Line(name=name, words=f"{words(document)}{usual}")


def _not_set(document: AccountDocument) -> Iterator[Line]:
    """Name what nothing limits: a limit that is not there does not limit."""
    by_rules = (test.measure for test in measure_tests(document.require))
    reported = {*UNSAID, _NO_RISK, "require", *by_rules}
    missing = [name for name in LIMITS if not getattr(document, name) and name not in reported]
    if missing:
        yield Line(words=f"not limited: {', '.join(missing)}")
    if not document.pattern_day_trading:
        yield Line(words="no bot that closes on the same day enters while the broker counts no day trade left")


UNSAID = ("price_band", "pattern_day_trading", "at_daily_loss")
"""What holds without being written."""
_NO_RISK = "daily_profit"
"""A bound whose absence adds no possible loss."""


# ---------------------------------------------------------------- real money


SHOWN: Mapping[Shown, Callable[[Demand], str]] = {
    Shown.COMPLIANT_SESSIONS: lambda d: f"{_least(d)} whole sessions in a row on which it did as its plan says",
    Shown.TRADES: lambda d: f"{_least(d)} closed trades",
    Shown.EXPECTANCY: lambda d: f"a mean net profit of its closed trades {_least(d, short_dollars)}",
    Shown.WIN_RATE: lambda d: f"{_least(d, lambda bound: f'{plain(bound)}%')} of its trades made money",
    Shown.SHARPE: lambda d: f"a Sharpe ratio of its sessions, a year's, {_least(d)}",
    Shown.ALARMS: lambda d: f"no more than {plain(d.bound)} alarms since the first of those sessions",
}
"""What a record on paper may have to show; a test asks for each."""


def _least(demand: Demand, said: Callable[[Decimal], str] = plain) -> str:
    return f"{'above' if demand.op is Op.ABOVE else 'at least'} {said(demand.bound)}"


def _live(live: LiveRules | None) -> Iterator[Line]:
    if live is None:
        yield Line(words="nothing trades real money: the document has no 'live'")
        return
    yield Line(words=f"{live.account} trades real money with bots that have shown on paper, all of it:")
    for demand in live.require:
        yield Line(name=demand.shown.value, words=SHOWN[demand.shown](demand))
    sessions = counted(live.good_for, "session")
    yield Line(words=f"that is good for {sessions} after the last of them on paper")
