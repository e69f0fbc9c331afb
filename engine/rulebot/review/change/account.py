"""Two account documents: limits that grew or went, and what admits a bot to real money."""

from collections.abc import Iterator
from decimal import Decimal
from enum import Enum

from rulebot.core.program import USUAL_BAND
from rulebot.review.account import LIMITS, SHOWN, UNSAID, rule_words
from rulebot.review.change.account_truth import truth_of
from rulebot.review.change.difference import Change, Difference, Status
from rulebot.review.change.rules import in_one_order, judge_holding
from rulebot.spec.nouns.account import AccountDocument, Between, Demand, LiveRules, PromotionEvidence, Shown
from rulebot.spec.nouns.condition import Amount, Op

_NOT_SET = "not limited"


def compare_accounts(was: AccountDocument, now: AccountDocument) -> Difference:
    """Return what becomes of an account document; all of it acts at once."""
    changes = (*_head(was, now), *_limits(was, now), *_rules(was, now), *_live(was.live, now.live))
    status = Status.CHANGED if changes else Status.SAME
    return Difference(name=now.account, kind="account", about=now.about, status=status, changes=changes)


def lone_account(document: AccountDocument, status: Status) -> Difference:
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
            words = "bots may trade real money" if now is not None else "nothing trades real money any more"
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
    """Say whether less is asked: of alarms more are let pass, of all else less, or what lies at the bound too."""
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
