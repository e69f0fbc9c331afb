"""Resting orders that are lost, and when each is sent again: one rule for protective stops, stops and targets.

Others cancelled it, the broker refused it, or the broker does not have it. It is sent again within a second; after
repeated losses after growing pauses, and never given up. Meanwhile the engine watches its price, and `max_unprotected`
counts. A person is told that it works again once the broker confirms it.
"""

from datetime import timedelta

from rulebot.core.queries.protection import NEVER_AGAIN, pause
from rulebot.core.rules.rule_evaluation import wake
from rulebot.core.state.builder import StateBuilder
from rulebot.model.position import Position
from rulebot.model.values import replace

REFUSED_FROM = 4
"""The loss as which the first refusal counts: the broker would refuse the same order again at once."""
TOGETHER = timedelta(seconds=1)
"""Resting orders of a position that are lost so soon one after the other are one loss."""
QUIET = timedelta(minutes=10)
"""How long nothing is lost until the next loss counts as the first."""


def record_lost_order(work: StateBuilder, position: Position, *, is_refused: bool = False) -> Position:
    """Keep that a resting order of a position was lost. Others that are lost together with it do not count."""
    last = position.lost_at
    is_together = position.is_lost and last is not None and work.at < last + max(TOGETHER, pause(position))
    if position.rearmed >= NEVER_AGAIN or is_together:
        return position
    is_first = last is None or work.at - last >= QUIET
    count = 1 if is_first else position.rearmed + 1
    count = max(count, REFUSED_FROM) if is_refused else count
    position = work.put_position(replace(position, rearmed=count, lost_at=work.at, is_lost=True))
    wake(work, position.bot, pause(position).total_seconds())
    return position
