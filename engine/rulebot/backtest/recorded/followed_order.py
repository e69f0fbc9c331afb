"""An order of ours that is one of the recording, as long as it is changed and cancelled as that one was."""

from dataclasses import dataclass, field
from datetime import datetime

from rulebot.backtest.recorded.recorded_replies import LATE, ReplyScript
from rulebot.model.contract import Option
from rulebot.model.order import Order, OrderTerms


@dataclass
class FollowedOrder:
    """done: how many changes of its script were made. counts: contracts filled. is_over: the broker has ended it."""

    order: Order
    script: ReplyScript
    done: int = 0
    counts: dict[Option, int] = field(default_factory=dict)
    is_over: bool = False
    is_cancelled: bool = False

    def does(self, terms: OrderTerms | None, at: datetime) -> bool:
        """Take what is asked of it now; say whether the recording has the same."""
        if self.done >= len(self.script.changes):
            return False
        change = self.script.changes[self.done]
        if change.terms != terms or abs(change.at - at) > LATE:
            return False
        self.done += 1
        self.is_cancelled |= terms is None
        return True

    @property
    def due_at(self) -> datetime | None:
        """When the recording has the next change."""
        return self.script.changes[self.done].at if self.done < len(self.script.changes) else None

    @property
    def filled(self) -> int:
        """Whole structures filled."""
        return min(self.counts.get(leg.option, 0) // leg.ratio for leg in self.order.legs)

    @property
    def is_torn(self) -> bool:
        """True between the executions of a structure's legs, of which the rest is on its way."""
        return any(self.counts.get(leg.option, 0) != self.filled * leg.ratio for leg in self.order.legs)
