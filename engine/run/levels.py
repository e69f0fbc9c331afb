"""What positions would make at their targets and their stops, in dollars: the book-wide profit and loss of the page."""

from decimal import Decimal

from engine.compile.plan import ExitPlan
from engine.model.contract import LOT
from engine.model.position import Position
from engine.spec.nouns.exits import ExitKind
from engine.turn.program import CompiledBot
from engine.turn.resting import entry_of_open, level_net


def dollars_at(bot: CompiledBot, position: Position, kind: ExitKind) -> Decimal | None:
    """Return (exit - entry) x structures x 100 at the first exit of a kind that has a price, None without one.

    It is of the legs that are still open, and of exits that may still act. `bot` governs the position. Commissions are
    left out, as in every price of an exit.
    """
    for planned in bot.plan.exits:
        if (
            planned.kind is kind
            and not has_acted(position, planned)
            and (level := level_net(position, planned)) is not None
        ):
            return (entry_of_open(position) + level) * position.open_structures * LOT
    return None


def has_acted(position: Position, planned: ExitPlan) -> bool:
    """Say whether an exit does not act any more: it has closed its part, or other exits have closed its legs."""
    if planned.legs and not any(leg.held for leg in position.legs if leg.name in planned.legs):
        return not position.is_flat
    return planned.name in position.acted and not planned.repeat and planned.name != position.exit_reason
