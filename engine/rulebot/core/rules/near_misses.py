"""Near misses: what kept a bot out, and by how much, so that `why` can say it."""

from rulebot.core.program import CompiledBot
from rulebot.core.queries.entry_blocks import not_trading, shut_today
from rulebot.core.rules.rule_evaluation import first_missing, reading_data
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import put_day, set_bot
from rulebot.core.state.lists import current_text
from rulebot.core.state.state import BotState, NearestMiss, Reading
from rulebot.evaluate.rules import shortfall
from rulebot.model.cause import Shut, Text
from rulebot.model.values import replace
from rulebot.record.codec import encode
from rulebot.record.record import NEAREST, Json, Kind
from rulebot.wording.condition import describe


def record_miss(work: StateBuilder, bot: CompiledBot, missed: list[Reading], readings: tuple[Reading, ...]) -> None:
    """Remember the nearest miss, and what is waited for."""
    name = bot.plan.name
    state = work.bots.by_name[name]
    first = missed[0]
    words = first_missing(first.evaluation) or describe(first.rule, first.evaluation)
    rule = " ".join(filter(None, (bot.symbol, first.rule.name)))
    state = replace(state, status_text=f"{rule} {words}")
    known = [reading for reading in missed if reading.evaluation.truth is False]
    if known:
        off = max((shortfall(reading.rule, reading.evaluation) or 0.0) for reading in known)
        state = _nearer(work, bot, state, len(missed), off, rule, words, readings)
    set_bot(work, name, state)


def record_limit_miss(
    work: StateBuilder,
    bot: CompiledBot,
    what: str,
    reason: str,
    readings: tuple[Reading, ...],
    *,
    is_known: bool = True,
) -> None:
    """Record as the nearest miss that every condition held and something else blocked the entry.

    An unknown price may be momentary: it counts as one rule that is far off.
    """
    name = bot.plan.name
    failed, off = (0, 0.0) if is_known else (1, 1.0)
    rule = " ".join(filter(None, (bot.symbol, what)))
    set_bot(work, name, _nearer(work, bot, work.bots.by_name[name], failed, off, rule, reason, readings))


def _nearer(
    work: StateBuilder,
    bot: CompiledBot,
    state: BotState,
    failed: int,
    off: float,
    rule: str,
    text: str,
    readings: tuple[Reading, ...],
) -> BotState:
    """Return the state with this miss if none was nearer; it is recorded for a restart."""
    name, known = bot.plan.name, state.nearest
    if known is not None and (failed, off) >= (known.failed, known.shortfall):
        return state
    digest, reported = work.program.bots[name].plan.digest, tuple(reading_data(each) for each in readings)
    nearest = NearestMiss(digest, work.at, failed, off, rule, text, reported, bot.symbol)
    work.record(Kind.FACTS, name, symbol=bot.symbol, what=NEAREST, value=encode(nearest))
    return replace(state, nearest=nearest)


def record_nearest(work: StateBuilder, name: str, nearest: NearestMiss) -> None:
    """Record the nearest miss with every condition's numbers at that instant."""
    readings: list[Json] = [dict(each) for each in nearest.readings]
    at = nearest.at.isoformat()
    of: dict[str, Json] = {"symbol": nearest.symbol} if nearest.symbol else {}
    work.record(Kind.NEAREST, name, when=at, rule=nearest.rule, text=nearest.text, readings=readings, **of)


def end_watch(work: StateBuilder, name: str, why: Shut, reason: Text) -> None:
    """Record how a watch ended, with the nearest miss of the day."""
    state = work.bots.by_name[name]
    if state.nearest is not None:
        record_nearest(work, name, state.nearest)
    blocked = {} if state.day.opened else state.blocked_by.reported(work.at)
    work.record(Kind.DECISION, name, what="stop watching", reason=reason, values=[], **blocked)
    if not state.day.opened:
        put_day(work, state.day.passed_over(why, reason, _result_of(work, name)))


def _result_of(work: StateBuilder, name: str) -> str:
    """Return what came nearest; else, when something stayed unknown to the end, that.

    A halt alone explains it: nothing else was awaited.
    """
    state, bot = work.bots.by_name[name], current_text(work, name)
    if nearest := state.nearest:
        return f"nearest {nearest.rule}: {nearest.text}"
    is_stopped = bot is not None and bool(shut_today(work, bot) or not_trading(work, bot.plan.underlyings))
    return state.status_text if is_stopped or not state.status_text else f"waited for {state.status_text}"
