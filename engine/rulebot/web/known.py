"""What a journal says beyond the views: what operators have left standing, exits of what is open, coming windows."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import date, datetime
from typing import Any

from rulebot.core.pnl_at_exits import open_count
from rulebot.core.program import AccountLimits, CompiledBot, Program
from rulebot.core.state import State
from rulebot.decide.bot_day import BotDay
from rulebot.decide.opportunity import Span, is_spent
from rulebot.documents.load_bots import compile_text
from rulebot.documents.recorded_bots import bot_of
from rulebot.model.errors import RulebotError
from rulebot.model.max_loss import max_loss
from rulebot.model.money import ZERO
from rulebot.model.position import Position
from rulebot.model.session import exchange_date, session_after, session_from
from rulebot.model.values import dataclass
from rulebot.narrate.day_pnl import open_as_marked, realized_by, realized_today
from rulebot.record.codec import decode
from rulebot.record.record import Kind
from rulebot.recovery.resume import resume_from
from rulebot.store.queries import Row, Run, StoreReader

SESSIONS_AHEAD = 15
"""How far ahead the next entry window of a bot is looked for."""


@dataclass(frozen=True, slots=True)
class StoreState:
    """The state that the journal leads to, without any market, and the texts that govern what is open."""

    state: State
    program: Program

    def governing(self, position: str) -> CompiledBot | None:
        """Return what governs a position, None when this version cannot read its text any more."""
        found = self.state.positions.get(position)
        return None if found is None or found.digest not in self.program.pinned else self.program.governing(found)

    @property
    def realized(self) -> float:
        """Dollars that closing positions, or parts of them, has made since the session began."""
        return float(realized_today(self.state))

    def realized_of(self, bot: str) -> float:
        """Return the same of the positions of a bot that are closed."""
        closed = (each for each in self.state.positions.values() if each.bot == bot and each.state == "closed")
        return float(realized_by(self.state, closed))

    def open_today(self, rows: Sequence[Row]) -> float | None:
        """Return dollars that what is open, rows of `open_positions`, has made since the session began.

        It is None while one of them has no mark yet.
        """
        if any(row["unrealized_pnl"] is None for row in rows):
            return None
        return float(open_as_marked(self.state, rows))

    def today(self, position: str, made: float | None) -> float | None:
        """Return dollars made since the session began by a position that has made so much since it was opened."""
        return None if made is None else made - float(self.state.bases.get(position, ZERO))


def store_state(reader: StoreReader, at: datetime) -> StoreState:
    """Return what a start at `at` would know."""
    found = resume_from(reader.recall(at), at)
    texts: dict[str, CompiledBot] = {}
    for text in found.texts:
        with suppress(RulebotError):  # of a version that cannot be read any more
            texts[text.digest] = compile_text(text)
    return StoreState(found.state, Program(bots={}, pinned=texts, limits=AccountLimits(), install=found.install))


def held_of(row: Row, position: Position | None) -> tuple[int, float | None]:
    """Return how many structures of an open trade are held, and dollars that it can lose, None without bound.

    position: as the journal has it, None when that is not known: then all that was opened counts.
    """
    if position is None:
        return row["quantity"], None if row["max_risk"] is None else row["max_risk"] * row["quantity"]
    worst = max_loss(position)
    return open_count(position), None if worst is None else float(worst)


def expiry_of(row: Row, position: Position | None) -> date | None:
    """Return the nearest expiry of what is held of an open trade: its row names only one that all legs have."""
    held = () if position is None else (leg.option for leg in position.legs if leg.held and not leg.option.is_share)
    nearest = min((option.expiry for option in held), default=None)
    return nearest or (date.fromisoformat(row["expiration"]) if row["expiration"] else None)


def standby_bots(run: Run) -> dict[str, str]:
    """Return what stands on each page of a run: the world it trades in, and the mark of one that sends nothing."""
    data: Any = {} if run.started is None else run.started.data
    words = ("simulated" if data.get("simulated") else "", str((data.get("settings") or {}).get("mode") or ""))
    return {"its_world": " ".join(filter(None, words)), "mark": run.mark}


def next_window(reader: StoreReader, run: Run, name: str, at: datetime | None) -> Span | None:
    """Return a bot's entry window that is open at `at` and not used up, else the next one; None when none is near."""
    bot = None if at is None else bot_of(run, name)
    if at is None or bot is None:
        return None
    session = session_from(exchange_date(at))
    day = _day_of(reader, name, session.date)
    for _ in range(SESSIONS_AHEAD):
        for start, end in bot.windows(session):
            is_open = start <= at
            if at < end and start < end and not (is_open and is_spent(bot.plan.entry, day)):
                return start, end
        session = session_after(session.date)
    return None


def _day_of(reader: StoreReader, bot: str, day: date) -> BotDay:
    """Return what a bot has used up of a day, as it was recorded last."""
    records = reader.day(bot, day, (Kind.BOT_DAY,))
    return decode(BotDay, dict(records[-1].data)) if records else BotDay(bot=bot, date=day)
