"""What positions would make at their targets and their stops, in dollars: the book-wide profit and loss of the page."""

from decimal import Decimal

from engine.model.contract import LOT
from engine.model.position import Position
from engine.spec.nouns.exits import ExitKind
from engine.turn.program import CompiledBot
from engine.turn.resting import entry_of_open, level_net


def dollars_at(bot: CompiledBot, position: Position, kind: ExitKind) -> Decimal | None:
    """Return (exit - entry) x structures x 100 at the first exit of a kind that has a price, None without one.

    It is of the legs that are still open. `bot` governs the position. Commissions are left out, as in every price of an
    exit.
    """
    for planned in bot.plan.exits:
        if planned.kind is kind and (level := level_net(position, planned)) is not None:
            return (entry_of_open(position) + level) * position.open_structures * LOT
    return None
