"""What a state has, as lists and lookups: working orders, active positions, the text that governs each."""

from datetime import date
from functools import partial

from rulebot.core.program import CompiledBot
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.share_coverage import account_shares
from rulebot.core.state.state import Reading
from rulebot.decide.machine import can
from rulebot.fill.exit_level import ended_by
from rulebot.measure.view import BotView, LegView, View
from rulebot.model.contract import Option
from rulebot.model.loss_bound import ShareHolding
from rulebot.model.order import Order
from rulebot.model.position import Position, PositionLeg
from rulebot.model.values import replace


def view_of(work: StateBuilder, entering: str = "") -> View:
    """Return a fresh snapshot of this instant. entering: the position whose own calls are to need no shares yet."""
    market, shares = work.market, partial(shares_of, work, aside=entering)
    view = View(now=work.now, session=work.schedule.session, board=market.board, facts=market.facts, shares_of=shares)
    view.bot_view = partial(bot_view, work)
    return view


def legs_seen(work: StateBuilder, position: Position) -> tuple[LegView, ...]:
    """Return all legs of a position as rules see those of a structure, held or not."""
    rows = work.market.board.rows
    return tuple(LegView(x.name, x.option, rows.get(x.option, -1), x.sign, x.ratio, x.group) for x in position.legs)


def shares_of(work: StateBuilder, symbol: str, aside: str = "") -> ShareHolding | None:
    """Return the account's shares of an underlying, including those that cover calls; None while not reconciled.

    aside: a position that is not counted.
    """
    counted = (position for position in work.positions.by_id.values() if position.id != aside)
    return account_shares(work.state, counted, partial(is_opening, work), work.at, symbol)


def held_legs(work: StateBuilder) -> list[PositionLeg]:
    """Return the legs that any position holds: a closed one, too, where the broker closed more than was held."""
    return [leg for position in work.positions.by_id.values() for leg in position.legs if leg.held]


def first_expiry(work: StateBuilder) -> date:
    """Return the first day on which something that is held trades last, the end of all days without any."""
    if work.positions.expires is None:
        expires = min((leg.option.expiry for leg in held_legs(work)), default=date.max)
        work.positions = replace(work.positions, expires=expires)
        return expires
    return work.positions.expires


def is_opening(work: StateBuilder, position: Position) -> bool:
    """Say whether an entry of this position is working."""
    return position.state == "entering" or has_live_entry(work, position.id)


def bot_view(work: StateBuilder, name: str) -> BotView | None:
    """Return what the rules of any bot may know of this one, None when it is not run."""
    if name not in work.bots.by_name:
        return None
    active = positions_of(work, name)
    works = any(order.bot == name for order in all_live_orders(work))
    ended = (each for each in work.positions.by_id.values() if each.bot == name and each.state == "closed")
    session = work.schedule.session
    today = [each for each in ended if each.opened_at is not None and each.closed_at and each.closed_at >= session.open]
    last = max(today, key=lambda each: each.closed_at or work.at, default=None)
    return BotView(any(not each.is_flat for each in active), works, "" if last is None else _exit_of(work, last))


def _exit_of(work: StateBuilder, position: Position) -> str:
    """Return the exit that ended a position, by the name its text gives it: one that judges parts has one name."""
    return ended_by(governing(work, position).plan, position)


def current_text(work: StateBuilder, name: str) -> CompiledBot | None:
    """Return the current text of a bot, None when it is no longer run."""
    return work.program.bots.get(name)


def governing(work: StateBuilder, position: Position) -> CompiledBot:
    """Return the text that governs a position."""
    return work.program.governing(position)


def texts_of(work: StateBuilder, name: str) -> list[CompiledBot]:
    """Return the specs that govern a bot: its own, and those under which its positions were opened."""
    texts = [governing(work, position) for position in positions_of(work, name)]
    current = current_text(work, name)
    return texts if current is None else [*texts, current]


def readings_of(work: StateBuilder, bot: str) -> dict[tuple[str, str], Reading]:
    """Return the bot's last readings, to be changed in this turn."""
    if (found := work.readings.get(bot)) is None:
        found = work.readings[bot] = dict(work.bots.by_name[bot].readings)
    return found


def orders_of(work: StateBuilder, position: str) -> list[Order]:
    """Return the orders of a position, oldest first."""
    return [order for order in work.orders.by_ref.values() if order.is_of(position)]


def all_live_orders(work: StateBuilder) -> list[Order]:
    """Return all orders that may still fill, oldest first."""
    return [work.orders.by_ref[ref] for ref in work.orders.live] if work.orders.live else []


def active_positions(work: StateBuilder) -> list[Position]:
    """Return all positions that are not closed, oldest first."""
    return [work.positions.by_id[name] for name in work.positions.active] if work.positions.active else []


def stirring_positions(work: StateBuilder) -> list[Position]:
    """Return those that may need something although nothing moved that they read, oldest first."""
    if work.positions.needs_attention is None:
        stirring = tuple(position.id for position in active_positions(work) if _stirs(work, position))
        work.positions = replace(work.positions, needs_attention=stirring)
    return [work.positions.by_id[name] for name in work.positions.needs_attention or ()]


def _stirs(work: StateBuilder, position: Position) -> bool:
    is_between = position.state != "open" or position.retry_at is not None or position.has_unbalanced_legs
    return is_between or governing(work, position).rests


def live_orders_of(work: StateBuilder, position: str) -> list[Order]:
    """Return those of a position's orders that may still fill."""
    return [order for order in all_live_orders(work) if order.is_of(position)]


def has_live_entry(work: StateBuilder, position: str) -> bool:
    """Say whether an order that opens the position may still fill."""
    return any(order.opens(position) for order in all_live_orders(work))


def blocked_for(work: StateBuilder, bot: str) -> frozenset[Option]:
    """Return contracts in which the broker has refused the bot's side today (orders of others work there)."""
    return work.bots.by_name[bot].blocked


def is_suspect(work: StateBuilder, position: Position) -> bool:
    """Say whether the account holds less than our books of something that the position holds."""
    return bool(work.account.shortfalls) and any(is_lacking(work, leg) for leg in position.legs)


def is_unsure(work: StateBuilder, position: Position) -> bool:
    """Say whether the account lacks something of a position, and it is too soon to act on that."""
    if not work.account.shortfalls:
        return False
    known = {each.leg for each in position.account_missing}
    return any(leg.name not in known and is_lacking(work, leg) for leg in position.legs)


def is_lacking(work: StateBuilder, leg: PositionLeg) -> bool:
    """Say whether the account holds less than our books of a contract, on the side on which a leg holds it."""
    uncertainty = work.account.shortfalls.get(leg.option)
    return uncertainty is not None and leg.signed_held * uncertainty.side > 0


def is_about_to_enter(work: StateBuilder, bot: str) -> bool:
    """Say whether the bot waits to enter only until resting orders are cancelled."""
    return work.bots.by_name[bot].is_waiting_to_enter and not work.requests.is_stopping


def positions_of(work: StateBuilder, bot: str) -> list[Position]:
    """Return the bot's positions that are not closed, oldest first."""
    return [found for found in active_positions(work) if found.bot == bot]


def may_move(work: StateBuilder, position: Position, trigger: str) -> bool:
    """Say whether the lifecycle has that row."""
    return can(governing(work, position).plan.lifecycle, position.state, trigger)
