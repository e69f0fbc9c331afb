"""The hand-made day of `store_day` as a running engine knows it: a state, its program, a market beside it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from store_day import CONDOR, DAY, LEGS, SELLER, WATCHER, at, put, small_day

from rulebot.core.program import AccountLimits, CompiledBot, Program
from rulebot.core.state.state import BotState, State
from rulebot.decide.entry_window import BotDay
from rulebot.documents.load_bots import load_all_bots
from rulebot.model.contract import Option, Underlying
from rulebot.model.facts import EventCalendar
from rulebot.model.market import Board
from rulebot.record.record import Kind
from rulebot.recovery.resume import resume

BOTS = (WATCHER, CONDOR, SELLER)
SPECS = Path(__file__).parent.parent / "specs"


def day_program() -> Program:
    """Return the three bots of the day; their shipped texts govern its positions."""
    bots = _shipped_bots()
    return Program(bots={**bots}, pinned={"d1": bots[CONDOR], "d2": bots[SELLER]}, limits=AccountLimits(), install="t")


@cache
def _shipped_bots() -> Mapping[str, CompiledBot]:
    return load_all_bots([str(SPECS / f"{name}.yaml") for name in BOTS], {}, None).bots


def day_state(clock: str) -> State:
    """Return what the engine knew at that New York time of the day."""
    now = at(clock)
    records = [record for record in small_day() if record.at <= now and record.kind is not Kind.RUN_STARTED]
    state = resume(records, now, market(now), EventCalendar()).state
    bots = {name: state.bots.by_name.get(name) or BotState(day=BotDay(bot=name, date=DAY)) for name in BOTS}
    waits = "day_range 29.8 pts   below 27.7 (the open's expected move): 2.1 too much"
    bots[WATCHER] = replace(bots[WATCHER], is_watching=now < at("13:30"), since=at("10:30"), status_text=waits)
    return state._replace(connection=replace(state.connection, is_linked=True), bots=replace(state.bots, by_name=bots))


def run_at(clock: str) -> Any:
    """Return the hand-made day as a run at that New York time."""
    loop = SimpleNamespace(state=day_state(clock), program=day_program())
    link = SimpleNamespace(is_simulated=True, account="DU0000007")
    world = SimpleNamespace(ib=SimpleNamespace(link=link))
    options = SimpleNamespace(settings={"mode": "paper"})
    return SimpleNamespace(loop=loop, world=world, options=options, first=at("09:25"), last=at("16:05"))


def market(now: datetime) -> Board:
    """Return quotes: the condor costs 0.54 to close, the put 5.00."""
    board = Board()
    for name, price in (("SPX", 6004.12), ("SPY", 599.93), ("VIX", 16.8)):
        row = board.add(Underlying(name))
        board.last[row], board.last_at[row] = price, now.timestamp()
    for (_, option, *_), mid in zip(LEGS, (0.40, 0.16, 0.50, 0.20), strict=True):
        _quote(board, option, mid, now)
    _quote(board, put(547, "SPY", "SPY", date(2027, 2, 19)), 5.00, now)
    board.alive_at = now.timestamp()
    return board


def _quote(board: Board, option: Option, mid: float, now: datetime) -> None:
    row = board.add(option)
    board.bid[row], board.ask[row], board.quote_at[row] = mid - 0.02, mid + 0.02, now.timestamp()
