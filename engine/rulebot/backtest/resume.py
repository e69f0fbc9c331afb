"""A backtest goes on after an interruption: the engine starts as it does after any end, the broker from its books."""

from datetime import date, timedelta
from decimal import Decimal
from itertools import takewhile

from rulebot.backtest.average_costs import costs_on_record
from rulebot.backtest.broker import BacktestBroker, paid_so_far
from rulebot.backtest.notes import HELD, SPLIT
from rulebot.backtest.session_close import empty_day, keep_marks
from rulebot.backtest.simulated_broker import WorkingOrder
from rulebot.backtest.simulation import BEFORE_OPEN, BacktestSimulation
from rulebot.documents.load_bots import compile_text
from rulebot.model.contract import Contract, Option, Underlying
from rulebot.model.errors import StoreError
from rulebot.model.money import ZERO
from rulebot.model.order import OrderStatus
from rulebot.model.session import Session, session_from, session_on, sessions_before
from rulebot.record.record import Kind
from rulebot.recovery.resume import resume_from
from rulebot.store.journal import SqlJournal


def resume_backtest(walk: BacktestSimulation, journal: SqlJournal, first: date, last: date) -> None:
    """Start a walk where the store ends, before the first session up to `last` that it will live through.

    Raises: StoreError.
    """
    session = session_from(first)
    _take_up(walk, journal, session)
    if not walk.holds_something():  # then sessions without data are passed by
        days = walk.source.dates(first, last)
        lived = next((day for day in days if _can_read(walk, day)), None)
        if lived != session.date:
            _take_up(walk, journal, None if lived is None else session_on(lived))
    if walk.state is not None and walk.broker is not None:
        walk.begin(walk.state, walk.broker, walk.now)
        walk.is_taken_up = True


def _can_read(walk: BacktestSimulation, day: date) -> bool:
    try:
        walk.source.day(day)
    except StoreError:
        return False
    return True


def _take_up(walk: BacktestSimulation, journal: SqlJournal, session: Session | None) -> None:
    """Give a walk what engine and broker had at the end of the store, as of shortly before a session; None: nothing."""
    if session is None:
        walk.state, walk.broker = None, None
        return
    walk.now = at = session.open - BEFORE_OPEN
    found = resume_from(journal.recall(at), at, walk.board, walk.calendar)
    walk.go_on_with({text.digest: compile_text(text) for text in found.texts})
    broker = walk.broker_of(session, _cash(journal))
    shares, broker.costs = _shares(journal)
    broker.holdings = dict(shares.items())
    walk.shares = {share.symbol: (count, broker.costs.get(share, ZERO)) for share, count in shares.items()}
    walk.splits = _splits(journal)
    for position in found.state.positions.values():
        for leg in position.legs:
            if leg.held and not leg.option.is_share:
                broker.holdings[leg.option] = broker.holdings.get(leg.option, 0) + leg.signed_held
    broker.costs |= costs_on_record(journal, (each for each in broker.holdings if isinstance(each, Option)))
    for ref in found.state.live:
        order = found.state.orders[ref]
        if order.status is not OrderStatus.WORKING:
            raise StoreError(f"the order {ref} was neither working nor over at the end of its session")
        broker.working[ref] = WorkingOrder(order, at, order.filled, is_resting=True, average=order.average_price)
    broker.paid = paid_so_far(found.state)
    walk.marks = _marks(walk, broker, _begun(journal), session.date)
    walk.state, walk.broker = found.state, broker


def _cash(journal: SqlJournal) -> Decimal:
    told = [record.data["cash"] for record in journal.read((Kind.ACCOUNT,))]
    if not told:
        raise StoreError("the store does not say what the account had")
    return Decimal(str(told[-1]))


def _shares(journal: SqlJournal) -> tuple[dict[Underlying, int], dict[Contract, Decimal]]:
    """Return the shares that the account held at the end of the last session, and what one has cost in dollars."""
    found: dict[Underlying, int] = {}
    costs: dict[Contract, Decimal] = {}
    for record in journal.read((Kind.FACTS,)):
        if record.data["what"] == HELD:
            share = Underlying(str(record.data["symbol"]))
            found[share] = int(str(record.data["value"]))
            costs[share] = Decimal(str(record.data.get("cost", 0)))
    held = {share: count for share, count in found.items() if count}
    return held, {share: costs[share] for share in held if costs[share]}


def _splits(journal: SqlJournal) -> dict[str, tuple[date, ...]]:
    """Return the sessions from which on shares that were held are those of after a split."""
    found: dict[str, tuple[date, ...]] = {}
    for record in journal.read((Kind.FACTS,)):
        if record.data["what"] == SPLIT:
            symbol = str(record.data["symbol"])
            found[symbol] = (*found.get(symbol, ()), date.fromisoformat(str(record.data["value"])))
    return found


def _begun(journal: SqlJournal) -> date:
    """Return the first session that was lived through."""
    return date.fromisoformat(str(next(iter(journal.read((Kind.SESSION,)))).data["date"]))


def _marks(walk: BacktestSimulation, broker: BacktestBroker, begun: date, first: date) -> dict[Contract, float]:
    """Return what is held was worth last, each by the last session before this one that has a price of it.

    Shares that never had one are worth what they were bought at. begun: the first session.
    """
    found: dict[Contract, float] = {}
    left = {contract: count for contract, count in broker.holdings.items() if count}
    if not left:
        return found
    there = frozenset(walk.source.dates(begun, first - timedelta(days=1)))
    for session in takewhile(lambda each: each.date >= begun, sessions_before(first)):
        try:
            day = walk.source.day(session.date) if session.date in there else empty_day(session)
        except StoreError:  # a session that was refused
            day = empty_day(session)
        keep_marks(found, left, session, day, walk.source, walk.far)
        left = {contract: count for contract, count in left.items() if contract not in found}
        if not left:
            break
    costs = {share: broker.costs[share] for share in left if share in broker.costs}
    return found | {share: float(cost) for share, cost in costs.items()}
