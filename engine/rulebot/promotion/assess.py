"""`rulebot promote`: a paper store read, its bots judged by what the account document demands, promotions made."""

from datetime import datetime

from rulebot.checks.journal.audit import audit_tape
from rulebot.checks.journal.starts import differing_starts
from rulebot.checks.journal.tape import journal_index
from rulebot.model.errors import StoreError
from rulebot.model.position import Position
from rulebot.model.session import exchange_date, session_from
from rulebot.model.values import dataclass
from rulebot.promotion.figures import Figures, FigureVerdict, compare, figures
from rulebot.promotion.paper import Key, Paper, closed_trades, read_paper
from rulebot.promotion.promotion import Promotion, worn_out
from rulebot.promotion.sessions import Audited, BotSession, audit_faults, days_of, judge
from rulebot.record.record import Kind
from rulebot.spec.nouns.account import AccountDocument
from rulebot.store.place import Place, full_name
from rulebot.store.queries import StoreReader
from rulebot.store.upkeep import differing_tables

UNTOLD = frozenset({Kind.BATCH})
"""Records that say nothing of a session, and outnumber all others on paper; the hash chain covers them all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """A bot under one text: its sessions and trades, what they come to, and each demand. `others`: how many sessions
    of this bot ran under other texts, which show nothing of this one. too_old: why its sessions are, "" while not."""

    bot: str
    digest: str
    sessions: tuple[BotSession, ...]
    trades: tuple[Position, ...]
    figures: Figures
    judged: tuple[FigureVerdict, ...]
    others: int
    too_old: str

    @property
    def is_met(self) -> bool:
        """True when it falls short of nothing, and its sessions are not too old."""
        return not self.too_old and not any(each.short for each in self.judged)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperEvidence:
    """A paper journal as it was read, up to its last record (of `at`), and all that it says of one world."""

    store: Place
    paper: Paper
    audited: Audited
    records: int
    hash: str
    at: datetime | None
    simulated: bool


def read_evidence(path: Place, *, simulated: bool) -> PaperEvidence:
    """Read and audit a paper store. Raises: StoreError, also for one whose journal is not what was written."""
    with StoreReader(path) as reader:
        (number, hash), rows, broken = reader.head(), reader.numbered(without=UNTOLD), reader.verify()
    if broken is not None:
        raise StoreError(
            f"the journal of {path} is not what was written, from number {broken.seq} on ({broken.why})",
            "it proves nothing; 'rulebot store restore' puts a backup in its place",
        )
    tape = journal_index(rows)
    audited = audit_faults(tape, audit_tape(tape, broken, differing_tables(path), differing_starts(path), shown=None))
    paper = read_paper(tape, simulated=simulated)
    at = tape.entries[-1].record.at if tape.entries else None
    return PaperEvidence(
        store=path, paper=paper, audited=audited, records=number, hash=hash, at=at, simulated=simulated
    )


def assess(evidence: PaperEvidence, bot: str, digest: str, document: AccountDocument, at: datetime) -> Assessment:
    """Return how a bot under one text stands at an instant; the document must have `live`."""
    assert document.live is not None
    today = session_from(exchange_date(at)).date
    paper, key = evidence.paper, Key(bot, digest)
    sessions = judge(paper, key, evidence.audited, document.daily_loss)
    trades = tuple(closed_trades(paper, key))
    found = figures(sessions, trades, paper.alarms_of(bot))
    others = {day for of in paper.up if of.bot == bot and of != key for day in days_of(paper, of)}
    return Assessment(
        bot=bot,
        digest=digest,
        sessions=sessions,
        trades=trades,
        figures=found,
        judged=compare(found, document.live.require),
        others=len(others),
        too_old=worn_out(found, document.live.good_for, today),
    )


def promotion(evidence: PaperEvidence, found: Assessment, account: str) -> Promotion:
    """Return the promotion that an assessment without a shortfall earns."""
    return Promotion(
        digest=found.digest,
        account=account,
        simulated=evidence.simulated,
        figures=found.figures,
        paper=tuple(evidence.paper.accounts),
        store=full_name(evidence.store),
        records=evidence.records,
        hash=evidence.hash,
    )
