"""What a trial left, for whoever judges it."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import field

from rulebot.chaos.crash_points import CrashPoints
from rulebot.chaos.scenario import ChaosScenario
from rulebot.chaos.spec_files import ReadVersion, RecordedVersion
from rulebot.checks.against_ledger.books import CheckedDay
from rulebot.checks.against_ledger.findings import LedgerOrders
from rulebot.core.program import CompiledBot
from rulebot.documents.load_bots import LoadedBots
from rulebot.model.position import Position
from rulebot.model.values import dataclass
from rulebot.record.record import Kind
from twsim import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class ChaosResult:
    """The store's day, what is outside of it, and what was seen from without.

    tables: those that differ from their journal. starts: what the next one would know otherwise. untold: commissions
    that the broker kept from us. unheard: orders, executions and commissions of an earlier session that no engine was
    there to hear, and that nobody tells the next day. fired: how often each fault did something, by its place;
    fired_open: while the account held options. deaths: crashes, acts and reloads that happened; done_open: acts with a
    position open. points: where it could have died. troubles: what no engine may do, in words. texts: all that the
    files of specs have said, by digest; told, reads: what the files said at each request,
    and at each start; wrong: what was read and cannot be run. Nothing of files that stayed as they were.
    """

    storm: ChaosScenario
    day: CheckedDay
    outside: LedgerOrders
    tables: tuple[str, ...]
    starts: tuple[str, ...]
    untold: tuple[Row, ...]
    unheard: tuple[Row, ...] = ()
    fired: Mapping[int, int]
    fired_open: Mapping[int, int] = field(default_factory=dict)
    deaths: tuple[str, ...]
    done_open: tuple[str, ...] = ()
    lives: int
    points: CrashPoints
    troubles: tuple[str, ...] = ()
    texts: Mapping[str, CompiledBot] = field(default_factory=dict)
    told: tuple[RecordedVersion, ...] = ()
    reads: tuple[ReadVersion, ...] = ()
    wrong: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Return its seed alone: asyncio prints what the coroutine of a run has returned."""
        return f"<what seed {self.storm.seed} has left>"

    @property
    def trace(self) -> str:
        """A hash over everything that was decided, everything that happened, and all that the broker wrote down."""
        rows = json.dumps([self.day.decisions, *self.outside.rows], sort_keys=True)
        return hashlib.sha256(rows.encode()).hexdigest()

    def governing(self, position: Position, desk: LoadedBots) -> CompiledBot | None:
        """Return the text that a position was opened under; None of a bot that the trial does not know."""
        return self.texts.get(position.digest, desk.bots.get(position.bot))

    @property
    def fills(self) -> int:
        """How many executions are in the books."""
        return sum(record.kind is Kind.FILL for record in self.day.records)

    @property
    def kinds_fired(self) -> Counter[str]:
        """How often each kind of fault did something, crashes too, under the names of their labels."""
        return self._by_label(self.deaths, self.fired)

    @property
    def kinds_fired_open(self) -> Counter[str]:
        """How often each kind did something while a position was open, crashes apart."""
        return self._by_label(self.done_open, self.fired_open)

    def _by_label(self, done: Iterable[str], fired: Mapping[int, int]) -> Counter[str]:
        found: Counter[str] = Counter(done)
        plan = self.storm.plan.faults
        for place, times in fired.items():
            found[plan[place - 1].label] += times
        return found
