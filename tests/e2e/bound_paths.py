"""Trades on random small markets, each held against the bound of what it can lose.

    python -m tests.e2e.bound_paths --count 20000

Each path is one random spec (`bound_specs`) on one random market (`bound_markets`), through the engine core and the
simulated broker of a backtest: entries and exits fill in parts, sides and legs close apart, and the broker liquidates
single legs. The command fails when a trade lost more than its bound. One number is one path.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from multiprocessing import get_context
from random import Random

from rulebot.backtest.fill_model import fill_model
from rulebot.backtest.historical_market import DayMarket
from rulebot.backtest.simulated_broker import SimulatedBroker, WorkingOrder
from rulebot.backtest.simulation import BacktestSimulation
from rulebot.compile.build import build_plan
from rulebot.core.program import AccountLimits, CompiledBot, Program, compile_bot
from rulebot.core.queries.close_plan import is_balanced
from rulebot.model.commission import max_commission
from rulebot.model.contract import Option, Underlying
from rulebot.model.event import CommissionReport, Event, ExecutionReport
from rulebot.model.facts import EventCalendar
from rulebot.model.loss_bound import min_close_cost, shortfall, trade_bound
from rulebot.model.money import ZERO
from rulebot.model.order import ExecutionId, Order, Purpose
from rulebot.model.payoff import intrinsic
from rulebot.model.position import Position, PositionLeg
from rulebot.model.session import Session
from rulebot.spec.load import load_text
from tests.e2e.bound_markets import BLOCK, FIRST, SmallMarket
from tests.e2e.bound_specs import spec_of, symbol_of

SPECS = 600
"""Different specs: path after path takes the next one."""
CAUSES = (
    "the broker liquidated a leg",
    "a protective stop closed a leg",
    "a spread wider than the bound counts",
)
SESSIONS = timedelta(days=3)
CASH = Decimal(100_000_000)
FILLS = ("natural", "mid+0.2", "mid")
NOT_COVERED = ("RB209", "RB234")
"""Codes of specs whose exits would leave short options, or shares sold, without their cover."""
LIQUIDATED = 0.2
"""The part of the paths on which the broker liquidates legs."""


@dataclass(frozen=True)
class Path:
    """What came of one path. Units: dollars. bound: None where none exists, and where nothing was opened.

    cause: what of the path the bound does not answer for, of `CAUSES`, "" where it answers for all. left_out: what the
    bound leaves out then (docs/language.md, what a trade can lose): `LeftOutBroker` measures it.
    """

    number: int
    kind: str
    opened: int = 0
    lost: Decimal = ZERO
    bound: Decimal | None = None
    left_out: Decimal = ZERO
    cause: str = ""
    is_closed: bool = False
    is_in_parts: bool = False
    is_partly_filled: bool = False
    is_liquidated: bool = False
    trouble: str = ""

    @property
    def share(self) -> float:
        """The part of its bound that the trade lost."""
        return float(self.lost / self.bound) if self.bound else 0.0


@dataclass
class LeftOutBroker(SimulatedBroker):
    """A broker that measures in dollars what the bound leaves out.

    It is what bid-ask spreads took of legs that closed without others of their group, what the market moved legs while
    they waited for their fill after others of their group had closed, and what a structure of several expiries, or with
    shares, brought less than the bound counts. positions: those of the engine, as they are now.
    """

    positions: Callable[[], Mapping[str, Position]]
    spreads: Decimal = field(default=ZERO, kw_only=True)
    moved: Decimal = field(default=ZERO, kw_only=True)
    below: Decimal = field(default=ZERO, kw_only=True)
    parted: dict[str, dict[Option, Decimal]] = field(default_factory=dict, kw_only=True)
    """By group, the mids of its legs at the moment at which the first of them closed without the others."""

    @property
    def left_out(self) -> Decimal:
        """The dollars that the bound leaves out."""
        return self.spreads + max(self.moved, ZERO) + self.below

    def _filled(self, found: WorkingOrder, count: int, net: Decimal, at: datetime) -> Iterator[Event]:
        order = found.order
        if order.purpose is not Purpose.ENTRY:
            legs = self.positions()[order.position].legs
            self._note_spread(order, legs, count, net)
            self._note_moves(legs, {leg.name: leg.ratio * count for leg in order.legs})
            self._note_below(order, count, net)
        yield from super()._filled(found, count, net, at)

    def _note_spread(self, order: Order, legs: Sequence[PositionLeg], count: int, net: Decimal) -> None:
        dealt = {leg.name for leg in order.legs}
        groups = {leg.group for leg in legs if leg.name in dealt}
        others = [leg for leg in legs if leg.group in groups and leg.name not in dealt]
        if not others:
            return
        mid = sum((-order.side_of(leg).sign * leg.ratio * self._mid(leg.option) for leg in order.legs), ZERO)
        unbid = sum((leg.ratio * self._unbid(leg) for leg in others if leg.sign > 0 and leg.held), ZERO)
        self.spreads += (max(mid - net, ZERO) + unbid) * count * 100

    def _note_moves(self, legs: Sequence[PositionLeg], dealt: Mapping[str, int]) -> None:
        """Note how far legs were moved since others of their group closed. dealt: contracts that close now, by leg."""
        for group in {leg.group for leg in legs if leg.name in dealt}:
            own = [leg for leg in legs if leg.group == group]
            if is_balanced(own):
                self.parted[group] = {leg.option: self._marked(leg) for leg in own}
            first = self.parted.get(group, {})
            for leg in own:
                if leg.name in dealt and leg.option in first:
                    since = first[leg.option] - self._mid(leg.option)
                    self.moved += leg.sign * since * dealt[leg.name] * leg.option.multiplier

    def settle(self, option: Option, level: Decimal, at: datetime) -> Iterator[Event]:
        """Note how far a leg was moved that expires after others of its group have closed, and settle it."""
        for position in self.positions().values():
            for leg in position.legs:
                if leg.option == option and leg.held:
                    self._note_end(position.legs, leg, intrinsic(option, level))
        yield from super().settle(option, level, at)

    def _note_end(self, legs: Sequence[PositionLeg], leg: PositionLeg, worth: Decimal) -> None:
        if is_balanced([each for each in legs if each.group == leg.group]):
            self.parted.pop(leg.group, None)
        first = self.parted.get(leg.group, {}).get(leg.option, worth)
        self.moved += leg.sign * (first - worth) * leg.held * leg.option.multiplier

    def _note_below(self, order: Order, count: int, net: Decimal) -> None:
        """Note how much less than the bound counts a structure brings that no exchange holds to its exercise value."""
        parts = [(leg.option, -order.side_of(leg).sign * leg.ratio) for leg in order.legs]
        least = min_close_cost(parts) if shortfall(parts) else None
        if least is not None:
            self.below += max(least - net, ZERO) * count * 100

    def _marked(self, leg: PositionLeg) -> Decimal:
        """Return the mid of a leg; nothing for a long one that nobody bids for, whose ask counts as a spread."""
        return ZERO if leg.sign > 0 and self._unbid(leg) else self._mid(leg.option)

    def _unbid(self, leg: PositionLeg) -> Decimal:
        """Return what a leg is asked for that nobody bids for."""
        row = self.board.rows[leg.option]
        return ZERO if self.board.bid[row] > 0 else Decimal(f"{self.board.ask[row]:.4f}")

    def liquidated(self, position: Position, leg: PositionLeg, count: int, at: datetime) -> Iterator[Event]:
        """Yield that the broker has closed so many contracts (- sold) of a leg at what is quoted."""
        option = leg.option
        self._note_moves(position.legs, {leg.name: abs(count)})
        row, is_buy = self.board.rows[option], count > 0
        price = Decimal(f"{(self.board.ask if is_buy else self.board.bid)[row]:.2f}")
        self.spreads += abs(price - self._mid(option)) * abs(count) * option.multiplier
        self.executions += 1
        exec_id = ExecutionId(f"{self.session.date:%Y%m%d}.{self.executions:06d}")
        commission = max_commission(option, abs(count))
        yield ExecutionReport(
            at=at, exec_id=exec_id, ref="", order_id=0, perm_id=77, client_id=0, option=option, is_combo=False,
            is_buy=is_buy, quantity=Decimal(abs(count)), price=price, executed_at=at, is_liquidation=True,
        )  # fmt: skip
        yield CommissionReport(at, exec_id, commission)
        yield from self._moved(
            Underlying(option.symbol) if option.is_share else option,
            count,
            price * count * option.multiplier + commission,
            at,
        )


@dataclass
class BoundWalk(BacktestSimulation):
    """A walk on which the broker may liquidate a leg of what is open, as soon as quotes have just come."""

    chance: Random = field(default_factory=Random)
    liquidates: bool = False
    is_liquidated: bool = False

    def broker_of(self, session: Session, cash: Decimal) -> SimulatedBroker:
        """Return a broker that measures what the bound leaves out."""
        return LeftOutBroker(self.board, "BOUND", self.fills, session, lambda: self._positions, cash=cash)

    @property
    def _positions(self) -> Mapping[str, Position]:
        assert self.state is not None
        return self.state.positions.by_id

    def _step(self, session: Session, market: DayMarket, place: int) -> None:
        has_moved = place != market.place and self.now.minute % BLOCK == 0
        super()._step(session, market, place)
        if self.liquidates and has_moved and self.chance.random() < 0.25:
            self._liquidate()

    def _liquidate(self) -> None:
        assert self.state is not None
        assert isinstance(self.broker, LeftOutBroker)
        for name in self.state.positions.active:
            position = self.state.positions.by_id[name]
            held = [leg for leg in position.legs if leg.held and self._is_quoted(leg)]
            if position.state == "open" and len(held) > 1:
                leg = self.chance.choice(held)
                count = -leg.sign * self.chance.choice((leg.held, max(leg.held // 2, 1)))
                self.is_liquidated, self.liquidates = True, False
                for event in self.broker.liquidated(position, leg, count, self.now):
                    self._receive(event)
                return

    def _is_quoted(self, leg: PositionLeg) -> bool:
        row = self.board.rows.get(leg.option, -1)
        return row >= 0 and self.board.bid[row] > 0


@lru_cache(maxsize=SPECS)
def bot_of(number: int) -> tuple[str, CompiledBot | None, str]:
    """Return the kind of a random structure, its bot, and why there is none: its spec is refused."""
    kind, text = spec_of(number)
    loaded = load_text(text)
    if loaded.spec is None:
        return kind, None, str(loaded.diagnostics[0].message)
    plan, problems = build_plan(loaded.spec, loaded.source, with_warnings=False)
    if plan is None:
        return kind, None, f"{problems[0].code} {problems[0].message}"
    return kind, compile_bot(plan), ""


def path_of(number: int) -> Path:
    """Return what comes of one path."""
    kind, bot, trouble = bot_of(number % SPECS)
    if bot is None:
        is_meant = trouble.startswith(NOT_COVERED)
        return Path(number, kind, trouble="" if is_meant else f"the spec is refused: {trouble}")
    bots = {bot.plan.name: bot}
    program = Program(bots=bots, pinned={bot.plan.digest: bot}, limits=AccountLimits(), install="bound")
    chance = Random(f"path {number}")
    walk = BoundWalk(
        program, SmallMarket(number, symbol_of(number % SPECS)), EventCalendar(), fill_model(chance.choice(FILLS)),
        CASH, chance=chance, liquidates=chance.random() < LIQUIDATED,
    )  # fmt: skip
    for _ in walk.through(FIRST, FIRST + SESSIONS):
        if walk.state is not None and not walk.state.positions.active and walk.state.positions.by_id:
            break
    assert walk.state is not None
    found = [each for each in walk.state.positions.by_id.values() if any(leg.opened for leg in each.legs)]
    if not found:
        return Path(number, kind)
    return _held_against(walk, number, kind, found[0])


def _held_against(walk: BoundWalk, number: int, kind: str, position: Position) -> Path:
    """Return the path of a trade that was opened."""
    assert isinstance(walk.broker, LeftOutBroker)
    opened = max(-(-leg.opened // leg.ratio) for leg in position.legs)
    net = _entry(position, opened)
    bound = trade_bound(position.legs, net, opened)
    has_groups = len({leg.group for leg in position.legs}) < len(position.legs)
    cause = _cause(walk, position, walk.broker) if has_groups else ""
    return Path(
        number,
        kind,
        opened=opened,
        lost=-position.net,
        bound=bound,
        left_out=walk.broker.left_out if cause else ZERO,
        cause=cause,
        is_closed=position.is_flat,
        is_in_parts=_closed_in_parts(walk, position),
        is_partly_filled=opened < position.quantity,  # of its entry
        is_liquidated=walk.is_liquidated,
    )


def _cause(walk: BoundWalk, position: Position, broker: LeftOutBroker) -> str:
    """Return what the bound does not answer for on this path, of `CAUSES`."""
    assert walk.state is not None
    orders = (each for each in walk.state.orders.by_ref.values() if each.position == position.id)
    if walk.is_liquidated:
        return CAUSES[0]
    if any(each.purpose is Purpose.PROTECT and each.has_fills for each in orders):
        return CAUSES[1]
    return CAUSES[2] if broker.below else ""


def _entry(position: Position, opened: int) -> Decimal:
    """Return the net price per share at which the structures were opened."""
    cash = sum((leg.entry_cash for leg in position.legs), ZERO)
    return cash / (100 * opened)


def _closed_in_parts(walk: BoundWalk, position: Position) -> bool:
    assert walk.state is not None
    exits = [each for each in walk.state.orders.by_ref.values() if each.position == position.id]
    return sum(1 for each in exits if each.purpose is not Purpose.ENTRY and each.has_fills) > 1


# ---------------------------------------------------------------- many


@dataclass
class Found:
    """What came of many paths, and what is wrong with them."""

    paths: list[Path]

    @property
    def opened(self) -> list[Path]:
        """Paths on which something was opened and closed, with a bound."""
        return [each for each in self.paths if each.opened and each.is_closed and each.bound is not None]

    @property
    def beyond(self) -> list[Path]:
        """Paths that lost more than their bound, and than what it leaves out where it does not answer for all."""
        return [each for each in self.opened if each.bound is not None and each.lost > each.bound + each.left_out]

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong: losses beyond their bound, and counts that say that little was tried."""
        count, opened = len(self.paths), self.opened
        reported = [
            f"path {each.number} ({each.kind}) lost {each.lost:.2f}, bound {each.bound:.2f}" for each in self.beyond
        ]
        reported += [f"path {each.number}: {each.trouble}" for each in self.paths if each.trouble]
        wanted = (
            ("were opened and closed", len(opened), 0.5),
            ("closed in parts", sum(each.is_in_parts for each in opened), 0.15),
            ("were filled in part", sum(each.is_partly_filled for each in opened), 0.01),
            ("had a leg liquidated", sum(each.is_liquidated for each in opened), 0.02),
            ("lost more than 90 % of their bound", sum(each.share > 0.9 for each in opened), 0.01),
            ("have no bound", sum(each.opened > 0 and each.bound is None for each in self.paths), 0.02),
        )
        reported += [f"only {found} of {count} paths {what}" for what, found, part in wanted if found < part * count]
        nearest = max((each.share for each in opened), default=0.0)
        if nearest < 0.97:
            reported.append(f"no trade came near its bound: {nearest:.1%} at most")
        return tuple(reported)

    def lines(self) -> Iterator[str]:
        """Yield what came of it."""
        opened = self.opened
        yield f"{len(self.paths):,} paths: {len(opened):,} trades with a bound, {len(self.beyond)} lost more than it"
        for cause in CAUSES:
            yield self._excluded([each for each in opened if each.cause == cause], cause)
        yield f"{sum(each.is_in_parts for each in opened):,} closed in parts, " + (
            f"{sum(each.is_partly_filled for each in opened):,} filled in part, "
            f"{sum(each.is_liquidated for each in opened):,} with a leg liquidated"
        )
        yield f"{sum(each.opened > 0 and each.bound is None for each in self.paths):,} trades without a bound"
        for kind in sorted({each.kind for each in opened}):
            shares = [each.share for each in opened if each.kind == kind]
            yield f"{kind:16} {len(shares):6,} trades, at most {max(shares):7.2%} of the bound"

    def _excluded(self, paths: Sequence[Path], cause: str) -> str:
        """Say how many of the paths that the bound does not answer for lost more than it, and how much at most."""
        more = [each.lost - each.bound for each in paths if each.bound is not None and each.lost > each.bound]
        most = f", ${max(more):,.0f} at most" if more else ""
        return f"{len(paths):,} on which {cause}: {len(more):,} lost more than the bound{most}"


def tried(numbers: Sequence[int], workers: int = 1) -> Found:
    """Return what came of these paths."""
    if workers == 1:
        return Found([path_of(number) for number in numbers])
    with ProcessPoolExecutor(workers, mp_context=get_context("fork")) as pool:
        return Found(list(pool.map(path_of, numbers, chunksize=50)))


def main(arguments: Sequence[str]) -> int:
    """Try so many paths and print what came of them; 1 when something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    asked = parser.parse_args(arguments)
    found = tried(range(asked.first, asked.first + asked.count), asked.workers)
    for line in found.lines():
        print(line)
    for line in found.problems[:50]:
        print(line, file=sys.stderr)
    return 1 if found.problems else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
