"""One instant of a recorded day as its page shows it: bots, positions, conditions, and all that was streamed."""

from collections.abc import Iterator
from datetime import datetime

from rulebot.core.program import CompiledBot
from rulebot.core.rule_evaluation import first_missing
from rulebot.evaluate.wording import describe
from rulebot.model.contract import Underlying
from rulebot.model.market import Board
from rulebot.model.values import dataclass
from rulebot.narrate.run_snapshot import run_snapshot
from rulebot.narrate.text_table import one_line
from rulebot.replay.bot_view import conditions, known_number
from rulebot.replay.replay import Replayed
from rulebot.web.picture import BotLine, OrderLine, PositionLine
from rulebot.web.picture_of_run import bot_lines, order_lines, position_lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What one entry condition of a bot said. truth: None is unknown; words: value and bound, or what was missing."""

    bot: str
    rule: str
    truth: bool | None
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """One line that was streamed. age: seconds since its newest price; is_live: False for what was frozen or halted."""

    name: str
    is_level: bool
    bid: float | None = None
    ask: float | None = None
    last: float | None = None
    iv: float | None = None
    delta: float | None = None
    age: float | None = None
    is_live: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySnapshot:
    """What the engine knew and did at an instant. Money in dollars.

    ran: the bots that might enter then: others may hold something. conditions: what they would enter by.
    """

    at: datetime
    realized: float
    unrealized: float
    net_liquidation: float | None
    is_linked: bool
    notice: str
    ran: tuple[str, ...]
    bots: tuple[BotLine, ...]
    positions: tuple[PositionLine, ...]
    orders: tuple[OrderLine, ...]
    conditions: tuple[Condition, ...]
    quotes: tuple[Quote, ...]

    @property
    def today(self) -> float:
        """Realised and open profit since the session began."""
        return self.realized + self.unrealized


def replay_snapshot(found: Replayed, at: datetime) -> ReplaySnapshot:
    """Return what stands in a replay that has come to an instant."""
    program, state = found.program, found.state
    seen = run_snapshot(program, state, at, state.session.open, None)
    worth = seen.net_liquidation
    return ReplaySnapshot(
        at=at,
        realized=float(seen.realized),
        unrealized=float(seen.open_profit),
        net_liquidation=None if worth is None else float(worth),
        is_linked=state.is_linked,
        notice=seen.notice,
        ran=tuple(program.bots),
        bots=bot_lines(program, state, seen, at),
        positions=position_lines(program, state, at),
        orders=order_lines(state),
        conditions=tuple(each for bot in program.bots.values() for each in _conditions(found, bot, at)),
        quotes=tuple(_quotes(state.board, at.timestamp())),
    )


def _conditions(found: Replayed, bot: CompiledBot, at: datetime) -> Iterator[Condition]:
    """Yield what the entry conditions of a bot say."""
    for called, rule, verdict in conditions(found, bot, at):
        words = one_line(first_missing(verdict) or describe(rule.rule, verdict))
        yield Condition(bot=bot.plan.name, rule=called, truth=verdict.truth, words=words)


def _quotes(board: Board, now: float) -> Iterator[Quote]:
    """Yield what is streamed: levels, then options by expiry, right and strike."""
    known = sorted(board.rows.items(), key=lambda each: (not isinstance(each[0], Underlying), str(each[0])))
    for contract, row in known:
        numbers = {name: known_number(board, name, row) for name in ("bid", "ask", "last", "iv", "delta")}
        newest = [at for at in (board.quote_at[row], board.last_at[row]) if at == at]
        is_live = row not in board.frozen and row not in board.halted
        age = now - max(newest) if newest else None
        yield Quote(name=str(contract), is_level=isinstance(contract, Underlying), age=age, is_live=is_live, **numbers)
