"""A recorded day as a test: the market that a bot read (`as_test_market.py`), what it did, and what no test carries."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from rulebot.adapters.recorded.recording import Recording
from rulebot.compile.plan import Plan
from rulebot.documents.load_bots import SpecText, compile_text
from rulebot.model.counted import counted
from rulebot.model.errors import MisuseError
from rulebot.model.session import Session, session_on
from rulebot.model.values import dataclass
from rulebot.narrate.text_table import clock
from rulebot.record.codec import utc_time
from rulebot.replay.as_test_market import MINUTE, MarketSeen, Watch, markets
from rulebot.replay.replay import Replayed, replay
from rulebot.spec_tests.day import SimulatedTest
from rulebot.spec_tests.outcome import Outcome, OutcomeEvent

AFTER = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedMoment:
    """A recorded session of one bot. orders: when it sent any; state: what it was in when the moment's minute ended.

    markets: what a test may say of its market, each made when it is asked for, that which should come nearest first.
    truths: what its entry conditions said at the moment, those that were known while it watched.
    """

    session: Session
    at: datetime
    markets: tuple[Callable[[], MarketSeen], ...]
    outcome: Outcome
    orders: tuple[datetime, ...]
    state: str
    truths: Mapping[str, bool]
    notes: tuple[str, ...]

    @property
    def happenings(self) -> tuple[OutcomeEvent, ...]:
        """What a test can expect of the bot, in order."""
        return self.outcome.happenings


def seen_day(recording: Recording, text: SpecText, at: datetime, others: Sequence[datetime] = ()) -> RecordedMoment:
    """Return what a bot saw and did on the last day of a recording; `text` is the one that it had at the moment.

    others: when other texts of it began to govern it. Raises: MisuseError, StoreError, CodecError.
    """
    session = session_on(recording.day)
    if session is None or not session.is_on(at):
        asked = clock(at, seconds=False)
        raise MisuseError(f"a test is of a session, and {asked} of {recording.day} is outside of it")
    minutes = [session.open + MINUTE * number for number in range(int((session.close - session.open) / MINUTE) + 1)]
    name, plan = text.name, _plan_of(text)
    symbols = tuple(dict.fromkeys((*plan.needs.symbols, *plan.needs.indices)))
    watch = Watch(name, at, symbols)
    found = replay(recording, until=session.close + AFTER, marks=deque(minutes), glimpse=watch.see, watcher=watch.act)
    if not watch.board:
        raise MisuseError(
            f"nothing is recorded of {recording.day} at that time", "'rulebot replay --list' shows what is"
        )
    records = tuple(each for each in found.records if each.bot == name and each.at >= session.open - timedelta(hours=1))
    lived = SimulatedTest(session, session.open, session.close, records, (), (), found.state, None, ())
    outcome = Outcome(lived)
    orders = tuple(each.at for each in records if each.is_leaving)
    return RecordedMoment(
        session=session,
        at=at,
        markets=tuple(markets(found, watch, plan, session)),
        outcome=outcome,
        orders=orders,
        state=watch.state_after(found),
        truths=watch.truths,
        notes=(*_of_the_day(recording, session, others), *_notes(found, watch, plan, session)),
    )


def _plan_of(text: SpecText) -> Plan:
    plan = compile_text(text).plan
    if plan.members:
        raise MisuseError(
            f"{text.name} chooses among the symbols of a universe",
            "such a bot's day is too wide for one test: write it by hand",
        )
    return plan


# ---------------------------------------------------------------- what is not carried over


def _of_the_day(recording: Recording, session: Session, others: Sequence[datetime]) -> Iterator[str]:
    began = utc_time(recording.head["at"])
    if began > session.open:
        yield f"the recording begins at {clock(began)}: what the bot saw and did before is not in the test"
    for since in others:
        yield f"another text of the bot ran from {clock(since)} on: the test is of the one that it had at the moment"


def _notes(found: Replayed, watch: Watch, plan: Plan, session: Session) -> Iterator[str]:
    yield "levels are those of each full minute, or of when the bot acted within it: a high or low between is not there"
    if any(levels and levels[0] != levels[0] for levels in watch.levels.values()):
        yield "a level that was not known at the open stands where it was first known"
    if plan.needs.realised:
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
