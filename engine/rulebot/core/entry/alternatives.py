"""Which alternative of `choose` a bot takes: the first whose conditions hold; what is unknown ends the choice.

All of them are judged, so that `why` can show each; then they are gone through in their order. While one is being
confirmed none below it is entered.
"""

from rulebot.core.program import CompiledBot
from rulebot.core.rules.near_misses import record_miss
from rulebot.core.rules.rule_evaluation import confirmed, evaluate_rules, failing, first_missing
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import put_day, set_bot
from rulebot.core.state.state import Reading
from rulebot.measure.view import View
from rulebot.model.values import replace
from rulebot.wording.condition import describe

PLACE = "choose"
"""Place of the conditions of alternatives in records."""

Taken = tuple[CompiledBot, tuple[Reading, ...]]


def take_alternative(work: StateBuilder, bot: CompiledBot, view: View, readings: tuple[Reading, ...]) -> Taken | None:
    """Return the bot as the alternative that it takes now, with all that was read; None is no trade, and said why.

    A bot without a choice is what it is.
    """
    if not bot.choices:
        return bot, readings
    taken, judged, ends = _judged(work, bot, view)
    readings = (*readings, *judged)
    if taken is not None:
        return taken, readings
    _none(work, bot, failing(judged if ends is None else [ends]), readings)
    return None


def still_takes(work: StateBuilder, bot: CompiledBot, view: View, alternative: str) -> bool:
    """Say whether the bot would take this alternative now; one that is being confirmed ends no order."""
    if not bot.choices:
        return True
    taken, _, _ = _judged(work, bot, view, is_at_work=True)
    return taken is not None and taken.alternative == alternative


def has_no_alternative(work: StateBuilder, bot: CompiledBot, view: View) -> bool:
    """Say whether it is known that the bot takes no alternative now."""
    taken, _, ends = _judged(work, bot, view)
    return taken is None and ends is None


def _judged(
    work: StateBuilder, bot: CompiledBot, view: View, *, is_at_work: bool = False
) -> tuple[CompiledBot | None, tuple[Reading, ...], Reading | None]:
    """Return the alternative taken, every reading, and the one that ends the choice: it is unknown, or not confirmed.

    is_at_work: what was chosen before is being entered.
    """
    name = bot.plan.name
    place = bot.place(PLACE)
    found = [(choice, evaluate_rules(work, name, place, choice.when, view)) for choice in bot.choices]
    judged = tuple(reading for _, readings in found for reading in readings)
    for choice, readings in found:
        truths = [confirmed(work, name, place, reading, view) for reading in readings]
        if all(truth is True for truth in truths):
            return choice.bot, judged, None
        if False not in truths:
            return None, judged, readings[truths.index(None)]
        if not is_at_work and all(reading.evaluation.truth is not False for reading in readings):
            return None, judged, readings[truths.index(False)]
    return None, judged, None


def _none(work: StateBuilder, bot: CompiledBot, missed: list[Reading], readings: tuple[Reading, ...]) -> None:
    """Remember why no alternative is taken; when all of them are known to be false, `try: once` is decided."""
    name = bot.plan.name
    if not missed:
        set_bot(work, name, replace(work.bots.by_name[name], status_text="confirmation"))
        return
    record_miss(work, bot, missed, readings)
    first = missed[0]
    words = first_missing(first.evaluation) or describe(first.rule, first.evaluation)
    set_bot(work, name, replace(work.bots.by_name[name], status_text=f"no alternative: {first.rule.name} {words}"))
    if bot.plan.entry.once and all(reading.evaluation.truth is False for reading in missed):
        decided = f"no alternative: {first.rule.name} {words}"
        put_day(work, work.bots.by_name[name].day.note(bot.symbol, decided=decided))
