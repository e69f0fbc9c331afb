"""What a quantity that grows with compliant sessions stands at, in words and as numbers."""

from rulebot.compile.plan import Plan
from rulebot.decide.bot_day import BotDay
from rulebot.decide.compliance import grown, has_breach, row_of
from rulebot.model.counted import counted
from rulebot.model.values import dataclass
from rulebot.spec.spec import Growth


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowingQuantity:
    """What a bot enters now. compliant: sessions in a row before this one.

    next_after: how many more of them raise it, None at the most. quantity, most, next_quantity: structures.
    """

    quantity: int
    most: int
    compliant: int
    has_breach: bool
    next_after: int | None
    next_quantity: int | None

    @property
    def words(self) -> str:
        """Return `quantity 2 of at most 3: 21 compliant sessions in a row before this one, 19 more make it 3`."""
        head = f"quantity {self.quantity} of at most {self.most}"
        if self.has_breach:
            return f"{head}: this session has a breach, so the row begins again"
        row = f"{head}: {counted(self.compliant, 'compliant session')} in a row before this one"
        return row if self.next_after is None else f"{row}, {self.next_after} more make it {self.next_quantity}"


def grown_by(plan: Plan, day: BotDay) -> GrowingQuantity | None:
    """Return what a bot enters on a day; None where its quantity does not grow."""
    return None if plan.growth is None else grown_of(plan.growth, plan.quantity, day, plan.digest)


def grown_of(growth: Growth, most: int, day: BotDay, digest: str) -> GrowingQuantity:
    """Return what the text of a digest enters on a day. most: the count that it never goes beyond."""
    row, now = row_of(day, digest), grown(growth, day, most, digest)
    more = growth.sessions - row % growth.sessions
    after = growth.after(row + more, most)
    return GrowingQuantity(
        quantity=now,
        most=most,
        compliant=row,
        has_breach=has_breach(day),
        next_after=more if after > now else None,
        next_quantity=after if after > now else None,
    )
