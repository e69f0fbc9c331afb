"""Edits of `risk`: larger limits, and protection that goes."""

from typing import Any

from rulebot.evaluate.phrases import listed
from rulebot.review import amounts
from rulebot.review.change.entering import worst_day_words
from rulebot.review.change.facet import Edit, Verdict, judge_by_text, judge_if_more
from rulebot.review.change.key import Key, Keys, Within
from rulebot.review.change.legs import trade_words
from rulebot.review.leaves import acts_without_engine, protected_at
from rulebot.review.risks import is_day_bound_by_halt
from rulebot.review.subject import Subject
from rulebot.spec.spec import Protect, Risk


def _of_day(noun: Risk, field: str, subject: Subject) -> Any:
    day = subject.plan.risk.day
    return day.loss if field == "daily_loss" else day.profit


def _money(value: Any, subject: Subject) -> str:
    return amounts.money(value)


def judge_trade(edit: Edit) -> Verdict:
    """A larger limit of one trade."""
    larger = edit.new is None or (edit.old is not None and edit.new > edit.old)
    refused = "entries that it refused are made" if larger else "more entries are refused"
    return Verdict("; ".join(part for part in (refused, trade_words(edit.sides)) if part), is_worse=larger)


def judge_day(edit: Edit) -> Verdict:
    """A larger limit of the day."""
    larger = edit.new is None or (edit.old is not None and edit.new > edit.old)
    halts = "it goes on entering after larger losses" if larger else "it halts sooner"
    is_bound = any(map(is_day_bound_by_halt, edit.sides.both))
    comes_to = worst_day_words(edit.sides) if is_bound else ""
    return Verdict("; ".join(part for part in (halts, comes_to) if part), is_worse=larger)


def judge_undefined(edit: Edit) -> Verdict:
    """A short option that nothing covers may be sold."""
    if edit.new:
        words = trade_words(edit.sides) or "nothing but the underlying's own bounds limits its loss"
        return Verdict(f"a short option that no leg covers may be sold: {words}", is_worse=True)
    return Verdict("every short option must be covered")


def judge_protect(edit: Edit) -> Verdict:
    """A dead engine leaves what does not rest at the broker."""
    if edit.new is None:
        left = acts_without_engine(edit.sides.now) or "nothing acts"
        bare = edit.old.leg or "the short legs"
        return Verdict(f"a dead engine leaves {bare} without a stop: while none runs {left}", is_worse=True)
    if edit.old is None:
        return Verdict("it holds also when the engine is dead")
    wider = edit.new.times > edit.old.times or _basis(edit.old) is not _basis(edit.new)
    bare = _bare(edit)
    left = f"a dead engine leaves {listed(bare, 'and')} without a stop" if bare else ""
    return Verdict("; ".join(part for part in (left, _protected(edit)) if part), is_worse=wider or bool(bare))


def _basis(protect: Protect) -> bool:
    """Say whether it counts from what a leg brought, and not from the credit of the structure."""
    return protect.each_short or protect.leg is not None


def _bare(edit: Edit) -> tuple[str, ...]:
    """Return the short legs that had a stop and have none now."""
    sold = (leg.name for leg in edit.sides.now.plan.legs if leg.sign < 0)
    return tuple(name for name in sold if edit.old.covers(name) and not edit.new.covers(name))


def _protected(edit: Edit) -> str:
    said = [protected_at(side) for side in edit.sides.both]
    return f"{said[0]} -> {said[1]}" if said[0] != said[1] else ""


def _protection(value: Any, subject: Subject) -> str:
    of = " of each short leg" if value.each_short else f" of {value.leg}" if value.leg is not None else ""
    return f"{amounts.plain(value.times)}x credit{of}"


def _judge_closing(edit: Edit) -> Verdict:
    """Without closing, open positions may lose more after the limit of the day."""
    words = (
        "the loss of the day closes open positions" if edit.new else "open positions go on after the loss of the day"
    )
    return Verdict(words, is_worse=not edit.new)


def _judge_delayed(edit: Edit) -> Verdict:
    """Quotes of 10 to 15 minutes ago are traded on."""
    words = "it trades on quotes that come 10 to 15 minutes late" if edit.new else "late quotes count as unknown"
    return Verdict(words, is_worse=bool(edit.new))


RISK: Keys = {
    "r": Key(key="r", said=_money, judge=judge_by_text("what the limits in R come to is told there")),
    "max_loss_per_trade": Key(key="max_loss_per_trade", said=_money, judge=judge_trade),
    "daily_loss": Key(key="daily_loss", said=_money, judge=judge_day, read=_of_day),
    "at_daily_loss": Key(
        key="at_daily_loss",
        said=lambda value, _: "{close: all}" if value else "{close: none}",
        judge=_judge_closing,
    ),
    "daily_profit": Key(
        key="daily_profit",
        said=_money,
        judge=judge_if_more("it goes on entering after larger gains", "it halts sooner"),
        read=_of_day,
    ),
    "require": Within("risk.require"),
    "halt_when": Within("risk.halt_when"),
    "undefined_risk": Key(
        key="undefined_risk", said=lambda value, _: "allow" if value else "not allowed", judge=judge_undefined
    ),
    "delayed_data": Key(key="delayed_data", said=lambda value, _: "allow" if value else "refuse", judge=_judge_delayed),
    "protect": Key(key="protect", said=_protection, judge=judge_protect),
    "max_unprotected": Key(
        key="max_unprotected",
        said=lambda value, _: amounts.duration(value),
        judge=judge_if_more(
            "a short leg may stand longer without a stop or a closing order",
            "a short leg that stands alone is closed sooner",
        ),
    ),
    "path": Within(""),
}
"""Every field of `risk`; a test asks for each."""
