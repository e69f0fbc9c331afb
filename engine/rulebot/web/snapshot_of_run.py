"""The picture of an engine in this process, made from its state between two batches."""

from datetime import datetime
from typing import TYPE_CHECKING

from rulebot.core.bracket_orders import RESTING
from rulebot.core.pnl_at_exits import dollars_at, open_count
from rulebot.core.program import Program
from rulebot.core.state import State
from rulebot.core.state_builder import StateBuilder
from rulebot.fill.exit_level import profit
from rulebot.model.contract import Underlying
from rulebot.model.loss_bound import max_loss
from rulebot.model.position import Position
from rulebot.model.values import replace
from rulebot.narrate.notices import GrowingQuantity, delayed_now, grown_by
from rulebot.narrate.positions import close_price, exits_text, held_text, live_orders, order_price
from rulebot.narrate.snapshot import BotRow, RunSnapshot, is_known_today, owed_today, run_snapshot
from rulebot.narrate.trades import closing
from rulebot.shadow.link import title
from rulebot.spec.spec import ExitKind
from rulebot.web.snapshot import (
    BotLine,
    OrderLine,
    PageSnapshot,
    PositionLine,
    clock_text,
    greeks_of,
    instant_text,
    market_stats,
    with_beta,
)

if TYPE_CHECKING:
    from rulebot.live.start import Run


def snapshot_of_run(run: "Run", at: datetime) -> PageSnapshot:
    """Return what the page shows of a run."""
    state, program = run.loop.state, run.loop.program
    seen = run_snapshot(program, state, at, run.first, run.last)
    account = state.facts.account
    return PageSnapshot(
        at=at,
        engine="stopping" if state.is_stopping else "running",
        trading="active" if state.standing.is_active else "reducing",
        mode=str(run.options.settings.get("mode") or ""),
        mark=title(run.options.settings),
        is_linked=state.is_linked,
        is_simulated=run.world.ib.link.is_simulated,
        session=_session_text(state, at),
        progress=None if run.last is None else seen.progress,
        notice=seen.notice,
        account=run.world.ib.link.account,
        net_liquidation=_number(account and account.net_liquidation),
        cash=_number(account and account.cash),
        available_funds=_number(account and account.available_funds),
        buying_power=_number(account and account.buying_power),
        maintenance_margin=_number(account and account.maintenance_margin),
        shares=_shares(state),
        realized=float(seen.realized),
        unrealized=float(seen.open_profit) if is_known_today(state, at) else None,
        commissions_owed=owed_today(state),
        levels=seen.levels,
        gauges=market_stats(program, StateBuilder(program, state, at).view()),
        bots=bot_lines(program, state, seen, at),
        positions=position_lines(program, state, at),
        orders=order_lines(state),
        late=delayed_now(program, state.board),
    )


def bot_lines(program: Program, state: State, seen: RunSnapshot, at: datetime) -> tuple[BotLine, ...]:
    """Return a line for each bot, or for each of its positions."""
    paused = state.standing.paused
    return tuple(
        replace(
            _bot_line(row, at, has_universe=_has_universe(program, row.bot), is_paused=row.bot in paused),
            grown=_grown(program, state, row.bot),
        )
        for row in seen.rows
    )


def position_lines(program: Program, state: State, at: datetime) -> tuple[PositionLine, ...]:
    """Return a line for each position that is open."""
    return tuple(_position_line(program, state, each, at) for each in state.positions.values() if _is_open(each))


def _shares(state: State) -> tuple[tuple[str, float], ...]:
    """Return the shares of the account by symbol, those that came or went by assignment and exercise among them."""
    held = ((each.symbol, float(n)) for each, n in state.holdings.items() if isinstance(each, Underlying) and n)
    return tuple(sorted(held))


def _number(amount: object) -> float | None:
    return None if amount is None else float(str(amount))


def _session_text(state: State, at: datetime) -> str:
    session = state.session
    if at < session.open:
        return f"opens {clock_text(session.open, at)}"
    half = ", a half day" if session.is_half else ""
    return f"{'closes' if at < session.close else 'closed'} {clock_text(session.close, at)}{half}"


def _has_universe(program: Program, bot: str) -> bool:
    return bot in program.bots and bool(program.bots[bot].members)


def _grown(program: Program, state: State, name: str) -> GrowingQuantity | None:
    """Return what a growing quantity stands at, None for one that does not grow."""
    bot, held = program.bots.get(name), state.bots.get(name)
    return None if bot is None or held is None else grown_by(bot.plan, held.day)


def _bot_line(row: BotRow, at: datetime, *, has_universe: bool, is_paused: bool) -> BotLine:
    return BotLine(
        bot=row.bot,
        doing=row.doing.value,
        since=clock_text(row.since, at),
        position=row.position,
        profit=_number(row.profit),
        waits=row.waits,
        has_universe=has_universe,
        is_paused=is_paused,
    )


def _is_open(position: Position) -> bool:
    return position.state != "closed" and not position.is_flat


def _position_line(program: Program, state: State, position: Position, at: datetime) -> PositionLine:
    now = at.timestamp()
    held = [leg for leg in position.legs if leg.held]
    expiry = min((leg.option.expiry for leg in held if not leg.option.is_share), default=None)
    mark = close_price(position, state.board, now)
    bot, resting = program.governing(position), live_orders(state, position, *RESTING)
    made = profit(position, state.board, now)
    underlyings = tuple(with_beta(each, state.facts.bars) for each in greeks_of(position, state.board, now))
    return PositionLine(
        id=position.id,
        bot=position.bot,
        structure=held_text(position),
        state=position.state,
        since=clock_text(position.opened_at, at),
        dte=None if expiry is None else (expiry - state.session.date).days,
        entry=_number(position.entry_price),
        mark=None if mark is None else round(closing(mark, float(position.entry_price or 0)), 4) + 0.0,
        profit=_number(made),
        underlyings=underlyings,
        exits=exits_text(program, state, position, now),
        max_loss=_number(max_loss(position)),
        at_target=_number(dollars_at(bot, position, ExitKind.TARGET, resting)),
        at_stop=_number(dollars_at(bot, position, ExitKind.STOP, resting)),
        count=open_count(position),
        is_flattening=position.is_flattening,
        waits_to_close=state.waits_to_close(position),
        as_of="" if made is None else instant_text(at),
    )


def order_lines(state: State) -> tuple[OrderLine, ...]:
    """Return a line for each order that may still fill."""
    return tuple(
        OrderLine(
            bot=order.bot,
            words=order.reason if order.purpose.value == order.reason else f"{order.purpose.value} {order.reason}",
            state=order.status.value,
            filled=f"{order.filled} of {order.quantity}",
            price=order_price(order),
            attempt=order.attempt,
        )
        for order in (state.orders[ref] for ref in state.live)
    )
