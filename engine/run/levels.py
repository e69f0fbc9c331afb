"""What positions would make at their targets and their stops, in dollars: the book-wide profit and loss of the page."""

from decimal import Decimal

from engine.model.contract import LOT
from engine.model.position import Position
from engine.spec.nouns.exits import ExitKind
from engine.turn.program import CompiledBot
from engine.turn.resting import level_net


def dollars_at(bot: CompiledBot, position: Position, kind: ExitKind) -> Decimal | None:
    """Return (exit - entry) x structures x 100 at the first exit of a kind that has a price, None without one.

    `bot` governs the position. Commissions are left out, as in every price of an exit.
    """
    entry = position.entry_price
    for planned in bot.plan.exits:
        if planned.kind is kind and entry is not None and (level := level_net(position, planned)) is not None:
            return (entry + level) * position.structures * LOT
    return None
