"""A promotion: the record that one spec of a bot may trade one account with real money, and its reasons.

It is in the journal of the live store, so the hash chain covers it. It is bound to the digest of the spec, the live
account and the world of its sessions: simulated sessions promote for a simulated account only. It names the head of the
paper journal that was judged.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import date, datetime

from rulebot.adapters.ib.connection_errors import is_paper
from rulebot.adapters.ib.handshake import Greeting
from rulebot.checks.journal.audit import audit_tape, differing_starts
from rulebot.checks.journal.books import journal_index
from rulebot.model.errors import RulebotError, StoreError
from rulebot.model.position import Position
from rulebot.model.session import exchange_date, session_after, session_from
from rulebot.model.values import dataclass
from rulebot.promotion.paper import LIVE, Key, Paper, closed_trades, is_simulated, mode_of, read_paper
from rulebot.promotion.sessions import (
    Audited,
    BotSession,
    FigureResult,
    Figures,
    audit_faults,
    compare,
    days_of,
    figures,
    judge,
)
from rulebot.record.codec import CodecError, decode, encode
from rulebot.record.record import Json, Kind, Record
from rulebot.spec.nouns import AccountDocument, LiveRules
from rulebot.store.journal import SqlJournal
from rulebot.store.maintenance import differing_tables
from rulebot.store.place import Place, full_name
from rulebot.store.queries import OBSERVE, StoreReader
from rulebot.store.registry import is_in_use, is_there, open_store

_APART = "name another with --store; what was only observed is kept apart"


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """`paper` are the accounts of its sessions; `store`, `records` and `hash` the paper journal when it was read."""

    digest: str
    account: str
    simulated: bool
    figures: Figures
    paper: tuple[str, ...]
    store: str
    records: int
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveStore:
    """What a live run must know of its store before it opens it: promotions by bot, newest last, and what is wrong.

    held: positions open in it, which no engine watches; of a store of other runs none, since live ones are not theirs.
    """

    promotions: dict[str, tuple[Promotion, ...]]
    problem: str = ""
    held: int = 0


def valid_until(last: date, sessions: int) -> date:
    """Return the last session at which a promotion is valid, this many sessions after the last one it counts."""
    day = last
    for _ in range(sessions):
        day = session_after(day).date
    return day


def worn_out(found: Figures, good_for: int, today: date) -> str:
    """Return that figures are too old to promote by in the session `today`, "" while they are not."""
    if found.last is None or (until := valid_until(found.last, good_for)) >= today:
        return ""
    return f"its last session on paper was {found.last}, which is good for {good_for} sessions, until {until}"


def read_live_store(path: Place, account: str, *, simulated: bool, verifies: bool = True) -> LiveStore:
    """Return what a live store holds, an empty one where there is none yet; `verifies` the hash chain.

    Raises: StoreError.
    """
    if not is_there(path):
        return LiveStore(promotions={})
    with StoreReader(path) as reader:
        broken = reader.verify() if verifies else None
        if broken is not None:
            text = f"the journal of {path} is not what was written, from number {broken.seq} on ({broken.why})"
            return LiveStore(promotions={}, problem=f"{text}: its promotions prove nothing")
        records = reader.records((Kind.PROMOTION, Kind.RUN_STARTED))
        is_of_live = all(mode_of(each) == LIVE for each in records if each.kind is Kind.RUN_STARTED)
        held = len(reader.view("open_positions")) if is_of_live else 0
    problem = _foreign(records, path, account, simulated)
    return LiveStore(promotions=_promotions(records), problem=problem, held=held)


def keep(path: Place, at: datetime, promotions: dict[str, Promotion]) -> None:
    """Write promotions into a live store, which is made when it is not there.

    Raises: StoreError, also while an engine runs on it or when it is no live store of this account.
    """
    if is_in_use(path):
        raise StoreError(
            f"an engine runs on {path}, which is where promotions are kept",
            "stop it ('rulebot stop'), promote, and start it again: open positions continue from there",
        )
    for promotion in promotions.values():
        found = read_live_store(path, promotion.account, simulated=promotion.simulated)
        if found.problem:
            raise StoreError(found.problem, "name another store with --live-store")
    with closing(SqlJournal(open_store(path))) as journal:
        records = [Record(at, Kind.PROMOTION, bot, data=_data(each)) for bot, each in sorted(promotions.items())]
        journal.append(records, durable=True)


def refuse_live_store(path: Place) -> None:
    """Refuse to trade paper on the store of live runs. Raises: StoreError."""
    records = _promotions_and_runs(path)
    if any(record.kind is Kind.PROMOTION or mode_of(record) == LIVE for record in records):
        raise StoreError(
            f"{path} is the store of live runs", "name another with --store; paper and live are kept apart"
        )
    if any(mode_of(record) == OBSERVE for record in records):
        raise StoreError(f"{path} is the store of runs that observe: its trades never were", _APART)


def refuse_traded_store(path: Place) -> None:
    """Refuse to observe on a store that holds runs which traded, or a backtest. Raises: StoreError."""
    records = _promotions_and_runs(path)
    if any(record.kind is Kind.PROMOTION or mode_of(record) != OBSERVE for record in records):
        raise StoreError(f"{path} holds runs that did not only observe", _APART)


def _promotions_and_runs(path: Place) -> Sequence[Record]:
    if not is_there(path):
        return ()
    with StoreReader(path) as reader:
        return reader.records((Kind.PROMOTION, Kind.RUN_STARTED))


def _foreign(records: Iterable[Record], path: Place, account: str, simulated: bool) -> str:
    for record in records:
        if record.kind is Kind.PROMOTION:
            continue
        if mode_of(record) == OBSERVE:
            return f"{path} is the store of runs that observe; live runs have a store of their own"
        if mode_of(record) != LIVE:
            return f"{path} holds runs on paper; live runs have a store of their own"
        if record.data.get("account") != account:
            return f"{path} holds runs of account {record.data.get('account')}, not {account}"
        if is_simulated(record) is not simulated:
            words = ("a real", "a simulated") if simulated else ("a simulated", "a real")
            return f"{path} holds runs at {words[0]} gateway, this is {words[1]} one"
    return ""


def _promotions(records: Iterable[Record]) -> dict[str, tuple[Promotion, ...]]:
    found: dict[str, tuple[Promotion, ...]] = {}
    for record in records:
        if record.kind is Kind.PROMOTION:
            try:
                each = decode(Promotion, dict(record.data))
            except CodecError as error:
                raise StoreError(f"a promotion of {record.bot} cannot be read: {error}") from error
            found[record.bot] = (*found.get(record.bot, ()), each)
    return found


def _data(promotion: Promotion) -> dict[str, Json]:
    data = encode(promotion)
    assert isinstance(data, dict)
    return data


# --- `rulebot run --live`: everything that a run with real money must have, and what of it is missing, all at once

SHOWN_DIGITS = 8


class NotAdmittedError(RulebotError):
    """A run that may not trade real money in its present form."""

    exit_code = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionRequest:
    """The request of a live run. digests: of its bots by name, none with --exits-only. today: its first session.

    document: None without one. offered: None when `unreachable` says why no gateway answered. confirmed: the value of
    `--yes-i-mean`, None when a person will be asked, "" when none can be.
    """

    digests: Mapping[str, str]
    document: AccountDocument | None
    where: str
    offered: Greeting | None
    unreachable: str
    store: LiveStore
    today: date
    confirmed: str | None


def missing(asked: AdmissionRequest) -> list[str]:
    """Return what is missing, a sentence each; nothing when the run may trade once it is confirmed."""
    document = asked.document
    live = None if document is None else document.live
    if live is None:
        no_rules = "no account document was found" if document is None else "the account document has no 'live'"
        rules = f"{no_rules}: 'live' names the account with real money, and what a bot must show on paper before"
        unknown = (_never(bot) for bot in sorted(asked.digests) if bot not in asked.store.promotions)
        return [rules, *_unreachable(asked), *_paper_only(asked), *unknown, *_unconfirmed(asked, "")]
    return [
        *_unreachable(asked),
        *_not_offered(asked, live.account),
        *((asked.store.problem,) if asked.store.problem else ()),
        *unpromoted(asked.digests, live, asked.store, asked.today, simulated=_is_simulated(asked)),
        *_unconfirmed(asked, live.account),
    ]


def refusal(found: Sequence[str], store: object, held: int) -> NotAdmittedError:
    """Return the error that says all that is missing. held: open positions in the live store."""
    count = "1 thing is" if len(found) == 1 else f"{len(found)} things are"
    lines = [f"--live is refused, {count} missing:", *(f"  - {text}" for text in found)]
    if held:
        positions = "1 position is" if held == 1 else f"{held} positions are"
        lines += [
            f"  {positions} open in {store}, and no exit of it is watched while no engine runs:",
            "  --exits-only watches them without promotions, 'rulebot kill --flatten' closes them without any of this",
        ]
    return NotAdmittedError("\n".join(lines), "docs/live.md has the way from paper to real money")


def _unreachable(asked: AdmissionRequest) -> Iterator[str]:
    if asked.unreachable:
        yield asked.unreachable


def _paper_only(asked: AdmissionRequest) -> Iterator[str]:
    if asked.offered is not None and all(is_paper(account) for account in asked.offered.accounts):
        yield f"{asked.where} has no account with real money, only {', '.join(asked.offered.accounts)}: of paper"


def _not_offered(asked: AdmissionRequest, account: str) -> Iterator[str]:
    if asked.offered is None or account in asked.offered.accounts:
        return
    if all(is_paper(each) for each in asked.offered.accounts):
        yield from _paper_only(asked)
    else:
        yield f"account {account} is not behind {asked.where}; there is {', '.join(asked.offered.accounts)}"


def _is_simulated(asked: AdmissionRequest) -> bool:
    return asked.offered is not None and asked.offered.is_simulated


def unpromoted(
    digests: Mapping[str, str], live: LiveRules, store: LiveStore, today: date, *, simulated: bool
) -> list[str]:
    """Return what the promotions in a live store lack for bots under these texts, a sentence each."""
    if store.problem:
        return []
    found = (_lacks(bot, digest, live, store, today, simulated) for bot, digest in sorted(digests.items()))
    return [text for each in found for text in each]


def _lacks(bot: str, digest: str, live: LiveRules, store: LiveStore, today: date, is_simulated: bool) -> Iterator[str]:
    all_of_bot = store.promotions.get(bot, ())
    of_world = [each for each in all_of_bot if each.simulated is is_simulated and each.account == live.account]
    of_text = [each for each in of_world if each.digest == digest]
    if of_text:
        yield from _worn_out(bot, live, today, of_text[-1])
    elif of_world:
        yield (
            f"{bot} was promoted with another text ({_short(of_world[-1].digest)}, this one is {_short(digest)}): "
            "a changed spec must run on paper and be promoted again"
        )
    elif all_of_bot and all_of_bot[-1].simulated is not is_simulated:
        worlds = (
            "real money needs sessions at a real gateway" if not is_simulated else "this gateway is a simulated one"
        )
        earned = "a simulated" if all_of_bot[-1].simulated else "a real"
        yield f"{bot} was promoted by sessions at {earned} gateway: {worlds}"
    elif all_of_bot:
        yield f"{bot} was promoted for account {all_of_bot[-1].account}, not for {live.account}"
    else:
        yield _never(bot)


def _never(bot: str) -> str:
    return f"{bot} is not promoted: 'rulebot promote {bot}' judges its sessions on paper"


def _worn_out(bot: str, live: LiveRules, today: date, found: Promotion) -> Iterator[str]:
    if since := worn_out(found.figures, live.good_for, today):
        yield f"the promotion of {bot} is too old: {since}"
    for each in compare(found.figures, live.require):
        if each.short:
            yield (
                f"{bot} was promoted with {each.name} {each.found}, and {each.demanded} is demanded now: {each.short}"
            )


def _unconfirmed(asked: AdmissionRequest, account: str) -> Iterator[str]:
    if asked.confirmed == "":
        yield "no terminal to confirm at: add --yes-i-mean " + (account or "ACCOUNT")
    elif asked.confirmed is not None and account and asked.confirmed != account:
        yield f"--yes-i-mean says {asked.confirmed}, the account document {account}"


def _short(digest: str) -> str:
    return digest[:SHOWN_DIGITS]


# --- `rulebot promote`: a paper store read, its bots judged by what the account document demands, promotions made


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """A bot under one spec: its sessions and trades, their sums, and each requirement.

    `others`: how many sessions of this bot ran under other specs, which prove nothing of this one. too_old: why its
    sessions are, "" while not.
    """

    bot: str
    digest: str
    sessions: tuple[BotSession, ...]
    trades: tuple[Position, ...]
    figures: Figures
    judged: tuple[FigureResult, ...]
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
        (number, hash), rows, broken = reader.head(), reader.numbered(), reader.verify()
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
    """Return the standing of a bot under one spec at an instant; the document must have `live`."""
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
