"""A promotion: the record that one text of a bot may trade one account with real money, and what that rests on.

It is a record in the journal of the live store, written by the store's one writer, so the hash chain covers it. It is
bound to the digest of the text, the live account, and the world it was earned in: sessions at a simulated gateway
promote for a simulated account only. It carries the head of the paper journal that it was judged by.
"""

from collections.abc import Iterable
from contextlib import closing
from datetime import date, datetime

from rulebot.model.errors import StoreError
from rulebot.model.session import session_after
from rulebot.model.values import dataclass
from rulebot.promotion.figures import Figures
from rulebot.promotion.paper import LIVE, is_simulated, mode_of
from rulebot.record.codec import CodecError, decode, encode
from rulebot.record.record import Json, Kind, Record
from rulebot.store.journal import SqlJournal
from rulebot.store.open import is_in_use, is_there, open_store
from rulebot.store.place import Place
from rulebot.store.queries import OBSERVE, StoreReader

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


def good_until(last: date, sessions: int) -> date:
    """Return the last session at which a promotion is good, so many sessions after the last one it counts."""
    day = last
    for _ in range(sessions):
        day = session_after(day).date
    return day


def worn_out(found: Figures, good_for: int, today: date) -> str:
    """Return that figures are too old to promote by in the session `today`, "" while they are not."""
    if found.last is None or (until := good_until(found.last, good_for)) >= today:
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
            "stop it ('rulebot stop'), promote, and start it again: what is open goes on from there",
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
    if not is_there(path):
        return
    with StoreReader(path) as reader:
        records = reader.records((Kind.PROMOTION, Kind.RUN_STARTED))
    if any(record.kind is Kind.PROMOTION or mode_of(record) == LIVE for record in records):
        raise StoreError(
            f"{path} is the store of live runs", "name another with --store; paper and live are kept apart"
        )
    if any(mode_of(record) == OBSERVE for record in records):
        raise StoreError(f"{path} is the store of runs that observe: its trades never were", _APART)


def refuse_traded_store(path: Place) -> None:
    """Refuse to observe on a store that holds runs which traded, or a backtest. Raises: StoreError."""
    if not is_there(path):
        return
    with StoreReader(path) as reader:
        records = reader.records((Kind.PROMOTION, Kind.RUN_STARTED))
    if any(record.kind is Kind.PROMOTION or mode_of(record) != OBSERVE for record in records):
        raise StoreError(f"{path} holds runs that did not only observe", _APART)


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
