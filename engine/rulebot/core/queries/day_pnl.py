"""What the day has brought so far, and what rules see of every position."""

from decimal import Decimal

from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import put_structures
from rulebot.core.state.lists import active_positions
from rulebot.core.state.state import Structure
from rulebot.fill.exit_level import held, held_legs, leg_views, made, profit
from rulebot.model.market import Board
from rulebot.model.money import ZERO
from rulebot.model.position import Position


def marked(work: StateBuilder, position: Position) -> Decimal:
    """Return the position's profit now, or the last one that was known."""
    found = profit_of(work, position)
    if found is not None:
        return found
    return work.positions.marks.get(position.id, work.positions.pnl_at_open.get(position.id, ZERO))


def unvalued(work: StateBuilder, bot: str = "") -> tuple[str, ...]:
    """Return the positions of a bot ("": of all) that hold something and cannot be valued now.

    Without those that the account has not held since before the session: their profit does not change in it.
    """
    asked = (found for found in active_positions(work) if bot in ("", found.bot))
    unknown = (position for position in asked if profit_of(work, position) is None)
    return tuple(position.id for position in unknown if not position.has_left(work.schedule.session.open))


def bot_today(work: StateBuilder, bot: str) -> Decimal:
    """Return the bot's realised and open profit since the session began."""
    return sum(
        (
            marked(work, position) - work.positions.pnl_at_open.get(position.id, ZERO)
            for position in work.positions.by_id.values()
            if position.bot == bot
        ),
        ZERO,
    )


def account_today(work: StateBuilder) -> Decimal:
    """Return the same over all bots."""
    return sum(
        (
            marked(work, position) - work.positions.pnl_at_open.get(position.id, ZERO)
            for position in work.positions.by_id.values()
        ),
        ZERO,
    )


def keep_structures(work: StateBuilder) -> None:
    """Keep what rules see of every position that holds something, and of no other."""
    held = (position for position in active_positions(work) if not position.is_flat)
    put_structures(work, {position.id: structure(work, position) for position in held})


def structure(work: StateBuilder, position: Position) -> Structure:
    """Return what rules see of a position, as it was made before unless the position or the board has changed since."""
    found = _known(work, position)
    if found is None:
        found = _made(position, work.market.board)
        if work.positions.by_id.get(position.id) is position:
            put_structures(work, {**work.positions.structures, position.id: found})
    return found


def _known(work: StateBuilder, position: Position) -> Structure | None:
    """Return what was made of a position as it is, None where its legs have other rows of the board since."""
    found, board = work.positions.structures.get(position.id), work.market.board
    if found is None or work.positions.by_id.get(position.id) is not position:
        return None
    if work.subscriptions.board_version == board.version:
        return found
    rows = [*((leg.option, leg.row) for leg in found.legs), *((part.option, part.row) for part in found.parts)]
    return found if all(board.rows.get(option, -1) == row for option, row in rows) else None


def _made(position: Position, board: Board) -> Structure:
    return Structure(
        legs=leg_views(position, board),
        held=held(position),
        parts=held_legs(position, board),
        net=position.net + position.missed_cash,
        quantity=max(position.open_structures, 1),
        expiry=min(leg.option.expiry for leg in position.legs if leg.held or position.is_flat),
    )


def profit_of(work: StateBuilder, position: Position) -> Decimal | None:
    """Return the dollars a position has made since it began; None while unknown."""
    known = _known(work, position)
    if known is None:
        return profit(position, work.market.board, work.now)
    return made(known.net, known.parts, work.market.board, work.now)
