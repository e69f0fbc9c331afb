"""Unknown exits: what is unknown about a position, and since when (an exit, a price, a quote, a roll).

Kept with the bot by position and name, not recorded: each restarts after a start.
"""

from datetime import datetime, timedelta

from rulebot.compile.plan import ExitPlan
from rulebot.core.queries.schedule import is_unknown
from rulebot.core.rules.rule_evaluation import first_missing, wake
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import set_bot
from rulebot.core.state.state import Reading
from rulebot.core.state.turn import alarm, alarm_key, key_of
from rulebot.model.position import Position
from rulebot.model.values import replace
from rulebot.spec.spec import IfUnknown

REPORTED_AGAIN = timedelta(minutes=10)
"""How long after an alarm that an exit cannot be judged it comes again, if it could be judged in between."""


def note_unknown(work: StateBuilder, position: Position, name: str) -> datetime:
    """Return since when this is unknown of a position of a bot that runs: from now on, if it was known before."""
    state = work.bots.by_name[position.bot]
    key = (position.id, name)
    if key not in state.unknown_since:
        set_bot(work, position.bot, replace(state, unknown_since={**state.unknown_since, key: work.at}))
    return state.unknown_since.get(key, work.at)


def known_again(work: StateBuilder, position: Position, name: str) -> None:
    """Forget since when this was unknown of a position."""
    if is_unknown(work, position, name):
        state, key = work.bots.by_name[position.bot], (position.id, name)
        rest = {found: since for found, since in state.unknown_since.items() if found != key}
        set_bot(work, position.bot, replace(state, unknown_since=rest))


def acts_unknown(work: StateBuilder, position: Position, planned: ExitPlan, reading: Reading) -> bool:
    """Say whether an undecidable exit acts anyway; after its grace period an alarm is sent."""
    since = note_unknown(work, position, planned.name)
    left = planned.grace - (work.at - since).total_seconds()
    if left > 0:
        wake(work, position.bot, left)
        return False
    _alarm_of_unknown(work, position, planned, since, first_missing(reading.evaluation))
    return planned.if_unknown is IfUnknown.EXIT


def _alarm_of_unknown(work: StateBuilder, position: Position, planned: ExitPlan, since: datetime, missing: str) -> None:
    """Raise the alarm that an exit cannot be judged: once for each time that is so, and none soon after another."""
    state = work.bots.by_name[position.bot]
    key = (position.id, planned.name)
    about = f"unknown {planned.name} "
    reported = state.reported_unknown.get(key)
    if reported is None or (reported < since and work.at >= reported + REPORTED_AGAIN):
        alarmed = frozenset(each for each in state.alarmed if not each.startswith(alarm_key(position.id, about)))
        state = replace(state, alarmed=alarmed, reported_unknown={**state.reported_unknown, key: work.at})
        set_bot(work, position.bot, state)
    brief = missing.partition(" for ")[0]
    text = f"exit {planned.name} cannot be judged: {brief}"
    alarm(work, position.bot, text, position.id, key=about + key_of(brief))
