"""Snapshots of what is open: its prices, greeks and profit, each minute or every few."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

from rulebot.compile.plan import ExitPlan
from rulebot.core.program import CompiledBot
from rulebot.core.queries.day_pnl import structure
from rulebot.core.queries.orders import resting_orders
from rulebot.core.queries.resting_order import net_of, resting_net
from rulebot.core.rules.rule_evaluation import rounded
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import put_mark
from rulebot.core.state.lists import active_positions, governing
from rulebot.core.state.turn import alarm
from rulebot.fill.exit_level import HeldLeg, level_net, made
from rulebot.model.contract import LOT, Option, Right, Settlement, product
from rulebot.model.loss_bound import max_loss
from rulebot.model.market import level_of
from rulebot.model.money import CENT
from rulebot.model.order import Order
from rulebot.model.position import Position
from rulebot.model.session import Session, session_after
from rulebot.record.record import Json, Kind
from rulebot.spec.exit_kinds import ExitKind

# --- What positions would make at their targets and their stops, in dollars


def dollars_at(bot: CompiledBot, position: Position, kind: ExitKind, orders: Sequence[Order] = ()) -> Decimal | None:
    """Return the trade's profit in dollars at the first exit of a kind with a price; None without one.

    It covers the whole trade with its closed legs, and exits that may still act; a stop loses at most the trade's
    bound. None for legs left to expire, on which no exit acts. `bot` governs the position; orders: its resting ones.
    Commissions are excluded, as in every exit price.
    """
    if position.waits_for_expiry:
        return None
    for planned in bot.plan.exits:
        if (
            _is_alike(planned.kind, kind)
            and not has_acted(position, planned)
            and (level := _net_at(position, planned, orders)) is not None
        ):
            made = position.gross + level * position.open_structures * LOT
            worst = max_loss(position) if kind.limits_loss else None
            return made if worst is None else max(made, -worst)
    return None


def _is_alike(one: ExitKind, other: ExitKind) -> bool:
    return one.takes_profit == other.takes_profit and one.limits_loss == other.limits_loss


def _net_at(position: Position, planned: ExitPlan, orders: Sequence[Order]) -> Decimal | None:
    """Return the signed net price per share at which an exit closes a position, - is paid.

    Of one that rests it is the price of its order, or that on the tick which its order would have.
    """
    net = level_net(position, planned)
    if net is None or position.is_flat or not planned.resting:
        return net
    order = next((order for order in orders if order.reason == planned.name), None)
    rests = resting_net(position, planned) if order is None else net_of(position, order)
    return net if rests is None else rests


def open_count(position: Position) -> int:
    """Return how many structures are open of the leg that has most left: by it a snapshot's greeks are multiplied."""
    return max((leg.held // leg.ratio for leg in position.legs if leg.held), default=0)


def has_acted(position: Position, planned: ExitPlan) -> bool:
    """Say whether an exit does not act any more: it has closed its part, or other exits have closed its legs."""
    if planned.legs and not any(leg.held for leg in position.legs if leg.name in planned.legs):
        return not position.is_flat
    return planned.name in position.partial_exits_done and not planned.repeat and planned.name != position.exit_reason


# --- Snapshots of what is open

MARK_EVERY = timedelta(seconds=60)
FAR_EVERY, FAR = 5, timedelta(days=7)
"""Minutes between recorded snapshots of a position without a leg that expires within `FAR`.

It changes slowly, and sixty positions held for months would fill the store.
"""


def oldest_open_since(positions: Iterable[Position]) -> datetime | None:
    """Return when the oldest of these positions was opened, None when nothing of them is held."""
    return min((each.opened_at for each in positions if each.opened_at is not None and not each.is_flat), default=None)


def next_mark(mark_at: datetime | None, at: datetime, *, is_due: bool) -> datetime:
    """Return when positions are marked next: once a minute, and while there was none the minutes went on."""
    if mark_at is None or is_due:
        return at + MARK_EVERY
    return at + MARK_EVERY - (at - mark_at) % MARK_EVERY


def is_mark_due(mark_at: datetime | None, at: datetime, since: datetime | None) -> bool:
    """Say whether positions are marked now: not after a minute without a position.

    since: when the oldest position was opened. If earlier than the minute, data without that minute was the reason, and
    the mark is late.
    """
    if mark_at is None or (since is not None and since <= mark_at):
        return True
    late = at - mark_at
    return late < MARK_EVERY or not late % MARK_EVERY


def is_snapshot_due(session: Session, expiry: date, at: datetime) -> bool:
    """Say whether a mark is kept on record: each of what expires soon, now and then one of what is far."""
    if expiry < session.date + FAR or at >= session.close - MARK_EVERY:
        return True
    return int(at.timestamp() // 60) % FAR_EVERY == 0


def mark_positions(work: StateBuilder) -> None:
    """Keep the profit of every open position, and a snapshot of those that are due."""
    session = work.schedule.session
    for position in active_positions(work):
        if position.is_flat:
            continue
        found = structure(work, position)
        gain = made(found.net, found.parts, work.market.board, work.now)
        is_due = is_snapshot_due(session, found.expiry, work.at)
        if gain is not None:
            put_mark(work, position.id, gain, is_recorded=is_due)
        if is_due:
            _mark(work, position, found.parts, gain)


def _mark(work: StateBuilder, position: Position, legs: tuple[HeldLeg, ...], gain: Decimal | None) -> None:
    board = work.market.board
    bids, asks, deltas, gammas, thetas, vegas = board.bid, board.ask, board.delta, board.gamma, board.theta, board.vega
    net_bid = net_ask = mid = delta = gamma = theta = vega = 0.0
    iv: float | None = None
    for row, option, sign, _, weight, _ in legs:
        if row < 0:
            return
        bid, ask = bids[row], asks[row]
        is_worthless = bid != bid and weight > 0
        bid = 0.0 if bid != bid else bid
        net_bid += weight * (bid if weight > 0 else ask)
        net_ask += weight * (ask if weight > 0 else bid)
        mid += 0.0 if is_worthless else weight * (bid + ask) / 2
        if option.is_share:
            delta += weight
            continue
        delta += weight * deltas[row]
        gamma += weight * gammas[row]
        theta += weight * thetas[row]
        vega += weight * vegas[row]
        if sign < 0 and iv is None:
            iv = board.iv[row]
    spot = level_of(board, position.legs[0].option.symbol, work.now)
    is_of_one = len({option.symbol for _, option, *_ in legs}) < 2  # symbols are not mixed
    work.record(
        Kind.MARK,
        position.bot,
        position.id,
        bid=rounded(net_bid),
        ask=rounded(net_ask),
        mid=rounded(mid),
        delta=rounded(delta) if is_of_one else None,
        gamma=rounded(gamma) if is_of_one else None,
        theta=rounded(theta),
        vega=rounded(vega),
        iv=rounded(iv),
        spot=rounded(spot),
        profit=None if gain is None else str(gain),
        quantity=position.structures,
        at_stop=at_stop(governing(work, position), position, resting_orders(work, position.id)),
        **_by_symbol(work, legs),
    )


def at_stop(bot: CompiledBot, position: Position, resting: Sequence[Order]) -> str | None:
    """Return the dollars that a position makes at its stop, as a mark keeps them; None without one."""
    dollars = dollars_at(bot, position, ExitKind.STOP, resting)
    return None if dollars is None else str(dollars.quantize(CENT))


def _by_symbol(work: StateBuilder, legs: tuple[HeldLeg, ...]) -> dict[str, Json]:
    """Return the greeks of one structure on each underlying, per share, where there are several."""
    symbols = dict.fromkeys(option.symbol for _, option, *_ in legs)
    if len(symbols) < 2:
        return {}
    return {"by_symbol": [_of_symbol(work, symbol, legs) for symbol in symbols]}


def _of_symbol(work: StateBuilder, symbol: str, legs: tuple[HeldLeg, ...]) -> dict[str, Json]:
    board, own = work.market.board, [leg for leg in legs if leg.option.symbol == symbol]
    sums = dict.fromkeys(("delta", "gamma", "theta", "vega"), 0.0)
    for leg in own:
        if leg.option.is_share:
            sums["delta"] += leg.price_multiplier
            continue
        for name in sums:
            sums[name] += leg.price_multiplier * getattr(board, name)[leg.row]
    level = level_of(board, symbol, work.now)
    return {"symbol": symbol, "spot": rounded(level), **{name: rounded(value) for name, value in sums.items()}}


# --- Short calls before a dividend


def warn_of_dividends(work: StateBuilder) -> None:
    """Say which short calls are in the money while a dividend is due within two sessions."""
    dividends = work.market.facts.dividends
    if not dividends:
        return
    today = work.schedule.session.date
    last = session_after(session_after(today).date).date
    for position in active_positions(work):
        for leg in position.legs:
            found = dividends.get(leg.option.symbol)
            if leg.signed_held >= 0 or found is None or not today < found.ex_date <= last:
                continue
            if found.ex_date <= leg.option.expiry and _is_in_the_money(work, leg.option):
                text = f"short {leg.option} is in the money and {leg.option.symbol} pays {found.amount} from"
                text = f"{text} {found.ex_date} on: it may be assigned the evening before, and then pays the dividend"
                alarm(work, position.bot, text, position.id)


def _is_in_the_money(work: StateBuilder, option: Option) -> bool:
    if option.right is not Right.CALL or option.is_share or product(option.symbol).settlement is not Settlement.SHARES:
        return False
    spot = level_of(work.market.board, option.symbol, work.now)
    return spot is not None and Decimal(f"{spot:.4f}") > option.strike
