"""Two account documents: limits that grew or went, and what admits a bot to real money."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from enum import Enum

from rulebot.compile.plan import AllOf, AnyOf, Arithmetic, Call, Compare, Constant, Holds, Not, Number, Quantity, Truth
from rulebot.core.program import USUAL_BAND
from rulebot.decide.account_rules import ends_of
from rulebot.decide.limits import NET
from rulebot.measure.words import listed
from rulebot.model.session import DayTime
from rulebot.review.account import LIMITS, SHOWN, UNSAID, rule_words
from rulebot.review.change.field import Change, Difference, Edit, Effect, Kind, Status, reach_of
from rulebot.review.change.legs import UNDERLYING
from rulebot.review.change.rules import in_one_order, judge_holding
from rulebot.review.entry import taken_words
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
)
from rulebot.spec.spec import UniverseDocument

# --- Symbols that come and go

Symbols = tuple[str, ...]


def judge_symbols(edit: Edit) -> Effect:
    """One symbol more is one more to lose in; of a bot on one underlying another one is another market."""
    universes = [side.spec.universe for side in edit.sides.both]
    if None in universes:
        return UNDERLYING(edit)
    now = universes[1]
    source = "" if now is None or now.taken is None else f"; {taken_words(now.taken)}"
    return Effect(f"{came_and_went(edit.old, edit.new)}{source}", is_worse=bool(set(edit.new) - set(edit.old)))


def came_and_went(was: Symbols, now: Symbols) -> str:
    """Return `NFLX and SHOP come, TSLA goes`; the same symbols in another order are said to be that."""
    came, gone = ([each for each in one if each not in other] for one, other in ((now, was), (was, now)))
    said = [_said(came, "comes", "come"), _said(gone, "goes", "go")]
    return ", ".join(part for part in said if part) or "the same symbols in another order"


def _said(symbols: list[str], one: str, many: str) -> str:
    return f"{listed(tuple(symbols), 'and')} {one if len(symbols) == 1 else many}" if symbols else ""


# ---------------------------------------------------------------- the document


def compare_universes(was: UniverseDocument, now: UniverseDocument, name: str, was_name: str) -> Difference:
    """Return the changes of a universe document; bots that use it report theirs."""
    changes = (*_universe_head(was, now), *_categories(was.categories, now.categories))
    return Difference(
        name=name,
        was_name=was_name,
        kind="universe",
        about=now.about,
        status=Status.CHANGED if changes else Status.SAME,
        changes=changes,
    )


def universe_difference(document: UniverseDocument, name: str, status: Status) -> Difference:
    """Return a universe document that only one side has."""
    return Difference(name=name, kind="universe", about=document.about, status=status)


def _universe_head(was: UniverseDocument, now: UniverseDocument) -> Iterator[Change]:
    if was.about != now.about:
        yield Change(path="about", old=was.about, new=now.about, applies=reach_of("about", "universe"))


def _categories(was: Mapping[str, Symbols], now: Mapping[str, Symbols]) -> Iterator[Change]:
    applies = reach_of("categories", "universe")
    for name, symbols in now.items():
        path, old = f"categories.{name}", was.get(name)
        if old is None:
            words = "no bot takes it before its text names it"
            yield Change(kind=Kind.ADDED, path=path, new=", ".join(symbols), words=words, applies=applies)
        elif old != symbols:
            yield Change(
                path=path,
                old=", ".join(old),
                new=", ".join(symbols),
                words=came_and_went(old, symbols),
                is_worse=bool(set(symbols) - set(old)),
                applies=applies,
            )
    for name, symbols in was.items():
        if name not in now:
            words = "a bot that names it can no longer be read"
            path = f"categories.{name}"
            yield Change(
                kind=Kind.REMOVED, path=path, old=", ".join(symbols), words=words, is_worse=True, applies=applies
            )


# --- Conditions of an account document as tests of a plan, so that two are compared like those of a bot


def truth_of(rule: Condition) -> Truth:
    """Return what a condition of `require` tests."""
    test = rule.test
    if isinstance(test, Group):
        return _grouped(test)
    assert isinstance(test, MeasureTest)
    if test.comparison is None:
        at = test.arguments["at"]
        assert isinstance(at, DayTime)
        return Holds(Call("time", (("at", at),), Quantity.TRUTH))
    if test.measure in NET:
        return _between(test.measure, ends_of(test.comparison))
    (bound,) = test.comparison.operands
    assert isinstance(bound, Amount)
    return Compare(Op.AT_MOST, Call(test.measure, (), Quantity.DOLLARS), (_dollars(bound),))


def _grouped(group: Group) -> Truth:
    members = tuple(truth_of(member) for member in group.members)
    if group.kind is GroupKind.NOT:
        return Not(members[0])
    names = tuple(member.name for member in group.members)
    return AllOf(members, names) if group.kind is GroupKind.ALL else AnyOf(members, names)


def _between(measure: str, ends: Between) -> Truth:
    found = tuple(
        _end(op, measure, end) for op, end in ((Op.AT_LEAST, ends.low), (Op.AT_MOST, ends.high)) if end is not None
    )
    return AllOf(found, tuple(each.op.value for each in found))


def _end(op: Op, measure: str, end: Decimal) -> Compare:
    extreme = Call(measure, (("of", "least" if op is Op.AT_LEAST else "greatest"),), Quantity.PLAIN)
    return Compare(op, extreme, (Constant(float(end), Quantity.PLAIN),))


def _dollars(bound: Amount) -> Number:
    if bound.unit is not Unit.MULTIPLE:
        return Constant(float(bound.value), Quantity.DOLLARS)
    times = Constant(float(bound.value), Quantity.PLAIN)
    return Arithmetic("*", (times, Call("net_liquidation", (), Quantity.DOLLARS)), Quantity.DOLLARS)


# --- Two account documents

_NOT_SET = "not limited"


def compare_accounts(was: AccountDocument, now: AccountDocument) -> Difference:
    """Return what becomes of an account document; all of it acts at once."""
    changes = (*_head(was, now), *_limits(was, now), *_rules(was, now), *_live(was.live, now.live))
    status = Status.CHANGED if changes else Status.SAME
    return Difference(name=now.account, kind="account", about=now.about, status=status, changes=changes)


def account_difference(document: AccountDocument, status: Status) -> Difference:
    """Return an account document that only one side has."""
    return Difference(name=document.account or "account", kind="account", about=document.about, status=status)


def _change(path: str, old: str, new: str, words: str = "", *, is_worse: bool = False) -> Change:
    return Change(path=path, old=old, new=new, words=words, is_worse=is_worse, applies="at_once")


def _head(was: AccountDocument, now: AccountDocument) -> Iterator[Change]:
    if was.about != now.about:
        yield _change("about", was.about, now.about)
    if was.account != now.account:
        yield _change("account", was.account, now.account, "another account", is_worse=True)


# ---------------------------------------------------------------- limits


def _limits(was: AccountDocument, now: AccountDocument) -> Iterator[Change]:
    for name, words in LIMITS.items():
        old, new = (_limit(each, name) for each in (was, now))
        if old == new or name == "require":
            continue
        said = [words(each) if getattr(each, name) or name == "price_band" else _unset(name) for each in (was, now)]
        yield _change(name, said[0], said[1], is_worse=_is_wider(old, new, unsaid_holds=name == "pattern_day_trading"))


def _rules(was: AccountDocument, now: AccountDocument) -> Iterator[Change]:
    """Return what becomes of conditions that are judged by themselves, by their names and by what they say."""
    before, after = ({rule.name: rule for rule in each.require} for each in (was, now))
    for name in dict.fromkeys((*before, *after)):
        path, old, new = f"require.{name}", before.get(name), after.get(name)
        was_said, now_said = ("" if rule is None else rule_words(rule) for rule in (old, new))
        if old is None:
            yield _change(path, "", now_said, "fewer entries")
        elif new is None:
            yield _change(path, was_said, "", "entries that it kept out are made", is_worse=True)
        elif in_one_order(truth_of(old)) != in_one_order(truth_of(new)):
            found = judge_holding(truth_of(old), truth_of(new), "enters")
            yield _change(path, was_said, now_said, found.words, is_worse=found.is_worse)


def _limit(document: AccountDocument, name: str) -> object:
    """Return a limit, the usual one where the document says none."""
    said: object = getattr(document, name)
    return said or USUAL_BAND if name == "price_band" else said


def _unset(name: str) -> str:
    return "heeded" if name in UNSAID else _NOT_SET


def _is_wider(old: object, new: object, *, unsaid_holds: bool) -> bool:
    """Say whether a limit allows more; a rule that holds unsaid is passed over by writing it."""
    if unsaid_holds:
        return bool(new) and not old
    if not new or not old:
        return not new
    if isinstance(old, Amount) and isinstance(new, Amount):
        return new.unit is not old.unit or new.of != old.of or new.value > old.value
    if isinstance(old, Between) and isinstance(new, Between):
        return _is_lower(new.low, old.low) or _is_lower(_turned(new.high), _turned(old.high))
    if isinstance(new, Enum):
        return new is PromotionEvidence.NET_LIQUIDATION
    return isinstance(old, Decimal | int) and isinstance(new, Decimal | int) and new > old


def _is_lower(new: Decimal | None, old: Decimal | None) -> bool:
    """Say whether a lower end lets in more: None is no end."""
    return old is not None and (new is None or new < old)


def _turned(end: Decimal | None) -> Decimal | None:
    return None if end is None else -end


# ---------------------------------------------------------------- real money


def _live(was: LiveRules | None, now: LiveRules | None) -> Iterator[Change]:
    if was is None or now is None:
        if was != now:
            words = "bots may trade real money" if now is not None else "nothing trades real money now"
            yield _change("live", _account(was), _account(now), words, is_worse=now is not None)
        return
    if was.account != now.account:
        yield _change("live.account", was.account, now.account, "another account with real money", is_worse=True)
    yield from _demands({each.shown: each for each in was.require}, {each.shown: each for each in now.require})
    if was.good_for != now.good_for:
        longer = now.good_for > was.good_for
        words = "a promotion is good for more sessions" if longer else "a promotion ends sooner"
        yield _change("live.good_for", str(was.good_for), str(now.good_for), words, is_worse=longer)


def _account(live: LiveRules | None) -> str:
    return "none" if live is None else live.account


def _asks_less(was: Demand, now: Demand) -> bool:
    """Say whether a requirement is weaker: more alarms are allowed, or less of anything else, or the bound itself."""
    if now.op is Op.AT_MOST:
        return now.bound > was.bound
    return (now.bound, now.op is Op.ABOVE) < (was.bound, was.op is Op.ABOVE)


def _demands(was: dict[Shown, Demand], now: dict[Shown, Demand]) -> Iterator[Change]:
    for shown in dict.fromkeys((*now, *was)):
        old, new = was.get(shown), now.get(shown)
        if old == new:
            continue
        said = ["" if each is None else SHOWN[shown](each) for each in (old, new)]
        is_less = new is None or (old is not None and _asks_less(old, new))
        words = "less is asked of a bot before it trades real money" if is_less else ""
        yield _change(f"live.require.{shown.value}", said[0], said[1], words, is_worse=is_less)
