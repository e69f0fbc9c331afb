"""A recorded day as a test: the market that a bot read (`as_test_market.py`), what it did, and what no test carries."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta

from engine.adapters.recorded.recording import Recording
from engine.compile.plan import Plan
from engine.model.counted import counted
from engine.model.errors import MisuseError
from engine.model.session import EXCHANGE_ZONE, Session, session_on
from engine.model.values import dataclass
from engine.run.replay.as_test_market import MINUTE, MarketSeen, Watch, markets
from engine.run.replay.replay import Replayed, replay
from engine.run.trial.day import Lived
from engine.run.trial.outcome import Happening, Outcome
from engine.turn.program import CompiledBot

AFTER = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class DaySeen:
    """A recorded session of one bot. orders: when it sent any; state: what it was in when the moment's minute ended.

    markets: what a test may say of its market, each made when it is asked for, that which should come nearest first.
    truths: what its entry conditions said at the moment, those that were known while it watched.
    """

    session: Session
    at: datetime
    bot: CompiledBot
    markets: tuple[Callable[[], MarketSeen], ...]
    outcome: Outcome
    orders: tuple[datetime, ...]
    state: str
    truths: Mapping[str, bool]
    notes: tuple[str, ...]

    @property
    def happenings(self) -> tuple[Happening, ...]:
        """What a test can expect of the bot, in order."""
        return self.outcome.happenings


def seen_day(recording: Recording, name: str, at: datetime) -> DaySeen:
    """Return what a bot saw and did on the last day of a recording. Raises: MisuseError, StoreError, CodecError."""
    session = session_on(recording.day)
    if session is None or not session.open <= at < session.close:
        clock = at.astimezone(EXCHANGE_ZONE)
        raise MisuseError(f"a test is of a session, and {clock:%H:%M} of {recording.day} is outside of it")
    minutes = [session.open + MINUTE * number for number in range(int((session.close - session.open) / MINUTE) + 1)]
    plan = _plan_of(recording, name)
    symbols = tuple(dict.fromkeys((*plan.needs.symbols, *plan.needs.indices)))
    watch = Watch(name, at, symbols)
    found = replay(recording, until=session.close + AFTER, marks=deque(minutes), glimpse=watch.see)
    if not watch.board:
        raise MisuseError(
            f"nothing is recorded of {recording.day} at that time", "'rulebot replay --list' shows what is"
        )
    bot = found.program.bots[name]
    records = tuple(each for each in found.records if each.bot == name and each.at >= session.open - timedelta(hours=1))
    lived = Lived(session, session.open, session.close, records, (), (), found.state, None, ())
    outcome = Outcome(lived)
    orders = tuple(each.at for each in records if each.kind.value == "order" and each.data["status"] == "sending")
    return DaySeen(
        session=session,
        at=at,
        bot=bot,
        markets=tuple(markets(found, watch, plan, session)),
        outcome=outcome,
        orders=orders,
        state=watch.state,
        truths=watch.truths,
        notes=tuple(_notes(found, watch, plan, session)),
    )


def _plan_of(recording: Recording, name: str) -> Plan:
    from engine.run.replay.head import desk_of

    plan = desk_of(recording.head).bots[name].plan
    if plan.members:
        raise MisuseError(
            f"{name} chooses among the symbols of a universe",
            "such a bot's day is too wide for one test: write it by hand",
        )
    return plan


# ---------------------------------------------------------------- what is not carried over


def _notes(found: Replayed, watch: Watch, plan: Plan, session: Session) -> Iterator[str]:
    yield "levels are those of each full minute: a high or low between two of them is not there"
    if any(levels and levels[0] != levels[0] for levels in watch.levels.values()):
        yield "a level that was not known at the open stands where it was first known"
    if plan.needs.daily:
        yield "realised volatility is scaled, so that it stands to the volatility of options as it did"
    if plan.needs.bars:
        yield "bars of earlier days and within the day are those of a test, not those of then"
    if plan.needs.events:
        yield "event dates are those that came with this version of rulebot"
    if plan.needs.bots:
        yield "other bots do not run in a test"
    if plan.overwrite is not None:
        yield "shares that the account held are not there: add 'account: {shares: ...}'"
    earlier = [
        each for each in found.state.positions.values() if each.bot == watch.bot and each.session != session.date
    ]
    if earlier:
        yield f"what was open from earlier sessions is not in the test: {counted(len(earlier), 'position')}"
    if found.difference is not None:
        yield "this version of rulebot decides otherwise than the recording does; what follows that is not in the test"
