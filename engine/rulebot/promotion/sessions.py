"""A bot's paper sessions: whether each was complete and compliant, and its profit.

A session is compliant when it was complete and nothing counts against it. It is excluded when the bot could not trade
by its plan, the engine was away, a condition was unknown in all of its windows, a person held the bot back, or a
commission is missing. It then neither counts nor ends a row of compliant sessions. Any other session ends the row.
Profit and loss count in every session, except of entries that a person asked for.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

from rulebot.checks.journal.audit import InvariantResult
from rulebot.checks.journal.books import JournalIndex
from rulebot.core.program import CompiledBot
from rulebot.core.queries.protection import UNPROTECTED
from rulebot.decide.entry_window import shut
from rulebot.documents.load_bots import compile_text
from rulebot.model.errors import RulebotError
from rulebot.model.money import ZERO, dollars
from rulebot.model.performance import LEAST_SESSIONS, expectancy, sharpe, sharpe_error, win_rate
from rulebot.model.position import BY_A_PERSON, Position
from rulebot.model.session import Session, exchange_date, session_on
from rulebot.model.text import counted, minute
from rulebot.model.values import dataclass
from rulebot.promotion.paper import Key, Paper, SessionSpan, key_of
from rulebot.spec.nouns import Demand, Op, Shown

PATIENCE = timedelta(minutes=5)
"""How long the engine, or its connection, may be away within a session that is whole, all together."""
AT_FIRST = timedelta(minutes=1)
"""Within which of a window's start its first look comes."""
Audited = Mapping[tuple[str, date | None], Sequence[str]]
"""What an audit found, by bot ("": all) and session (None: all)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BotSession:
    """One session of a bot under one spec. missed: why it is excluded. faults: what counts against it."""

    date: date
    profit: Decimal
    closed: int
    missed: str = ""
    faults: tuple[str, ...] = ()

    @property
    def is_compliant(self) -> bool:
        """True for a whole session with nothing against it."""
        return not self.missed and not self.faults


def audit_faults(tape: JournalIndex, results: Iterable[InvariantResult]) -> Audited:
    """Return what an audit found where."""
    bots = {entry.seq: entry.record.bot for entry in tape.entries}
    found: dict[tuple[str, date | None], list[str]] = {}
    for result in results:
        for each in result.first:
            day = None if each.at is None else exchange_date(each.at)
            text = f"audit, number {result.number}: {each.text}"
            found.setdefault((bots.get(each.seq, ""), day), []).append(text)
    return found


def judge(
    paper: Paper,
    key: Key,
    audited: Audited,
    account_loss: Decimal | None = None,
) -> tuple[BotSession, ...]:
    """Return the sessions of a bot under one text, in order.

    account_loss: the account's `daily_loss` as it is now; the one in force then holds, too.
    """
    bot = _compiled(paper, key)
    return tuple(_session(paper, key, bot, day, audited, account_loss) for day in days_of(paper, key))


def days_of(paper: Paper, key: Key) -> list[date]:
    """Return the sessions in which a bot ran under a text, or a position of it made or lost anything."""
    days = {day for id, day in paper.profits if key_of(paper.positions[id]) == key}
    ran = paper.up.get(key, ())
    days |= {day for day, each in paper.sessions.items() if any(span.meets(each.open, each.close) for span in ran)}
    return sorted(days)


def _session(
    paper: Paper,
    key: Key,
    bot: CompiledBot | None,
    day: date,
    audited: Audited,
    account_loss: Decimal | None,
) -> BotSession:
    session = paper.sessions.get(day) or session_on(day)
    own = [position for position in paper.positions.values() if _was_held(position, key, day)]
    faults = [
        *(text for of in (key.bot, "") for on in (day, None) for text in audited.get((of, on), ())),
        *paper.said.get((key.bot, day), ()),
        *_by_hand(paper, own, day),
        *_limits(paper, own, bot, day, account_loss),
    ]
    missed = "no session of the exchange" if session is None else _missed(paper, key, bot, session, own)
    return BotSession(
        date=day,
        profit=paper.profit(key, day),
        closed=sum(_ended(position, day) and not paper.is_by_hand(position) for position in own),
        missed=missed,
        faults=tuple(dict.fromkeys(faults)),
    )


def _was_held(position: Position, key: Key, day: date) -> bool:
    is_over = position.closed_at is not None and exchange_date(position.closed_at) < day
    return key_of(position) == key and position.session <= day and not is_over


def _ended(position: Position, day: date) -> bool:
    if position.state != "closed" or position.closed_at is None or not position.has_fills:
        return False
    return exchange_date(position.closed_at) == day


# ---------------------------------------------------------------- what is held against a session


def _by_hand(paper: Paper, own: Sequence[Position], day: date) -> Iterator[str]:
    contracts = {str(leg.option) for position in own for leg in position.legs}
    yield from (f"by hand: {text}" for contract, text in paper.outside.get(day, ()) if contract in contracts)
    for position in own:
        if _ended(position, day) and position.exit_reason in BY_A_PERSON:
            yield f"{position.id} was closed by hand"
        elif _ended(position, day) and not position.is_flat:
            yield f"{position.id} is over, and something of it is still held"


def _limits(
    paper: Paper, own: Sequence[Position], bot: CompiledBot | None, day: date, account_loss: Decimal | None
) -> Iterator[str]:
    limit = None if bot is None else bot.plan.risk.max_loss_per_trade
    for position in own:
        if not _ended(position, day):
            continue
        if limit is not None and -position.gross > limit:
            yield f"{position.id} lost {dollars(-position.gross)}, max_loss_per_trade is {dollars(limit)}"
        if position.exit_reason == UNPROTECTED:
            yield f"{position.id} was without protection for longer than max_time_without_stop"
    together = sum((made for (_, on), made in paper.profits.items() if on == day), ZERO)
    lost = f"all bots together lost {dollars(-together)}, the account's daily_loss"
    bounds = (("is", account_loss), ("was then", paper.daily_loss(day)))
    reported = [f"{lost} {word} {dollars(most)}" for word, most in bounds if most is not None and -together >= most]
    yield from reported[:1]


# ---------------------------------------------------------------- whether it was whole


def _missed(paper: Paper, key: Key, bot: CompiledBot | None, session: Session, own: Sequence[Position]) -> str:
    if bot is not None and (barred := bot.barred_by(paper.shut.get(session.date, ()))):
        return f"by the broker's hours there was no trading in {', '.join(barred)}"
    start = session.open
    is_held = any(position.session < session.date and position.has_fills for position in own)
    if bot is not None and not is_held:
        windows = bot.windows(session)
        if idle := shut(bot.plan.entry, session, windows):
            return f"there was nothing to do: {idle}"
        start = max(min(begin for begin, end in windows if begin < end), session.open)
    return _absent(paper, key, start, session.close) or _unknown(paper, key.bot, bot, session) or _outstanding(own)


def _absent(paper: Paper, key: Key, start: datetime, end: datetime) -> str:
    if away := _away(paper.up.get(key, ()), start, end):
        return f"not running, or not connected, {away}"
    is_barred = any(span.meets(start, end) for span in paper.barred.get(key.bot, ()))
    return "a person held the bot back (pause or kill)" if is_barred else ""


def _outstanding(own: Sequence[Position]) -> str:
    outstanding = [
        f"{counted(position.commissions_pending, 'fill')} of {position.id}"
        for position in own
        if position.commissions_pending > 0
    ]
    return (
        f"not to be judged yet: the commission of {' and of '.join(outstanding)} is not reported" if outstanding else ""
    )


def _unknown(paper: Paper, name: str, bot: CompiledBot | None, session: Session) -> str:
    """Say which condition could not be decided in all of the time in which it might have entered, "" when none."""
    windows = [(session.open, session.close)] if bot is None else bot.windows(session)
    spans = [(start, min(end, session.close)) for start, end in windows if start < end]
    if not spans:
        return ""
    start, end = min(spans)[0], max(end for _, end in spans)
    found = (rule for rule, span in paper.unknown.get(name, ()) if span.start <= start + AT_FIRST and span.end >= end)
    rule = next(found, "")
    if not rule and bot is not None and (rule := _undecided(paper, bot, start, end)):
        return f"nothing could be entered: {rule} was unknown whenever an alternative was to be chosen"
    if rule:
        return f"nothing could be entered: {rule} was unknown from {minute(start)} to {minute(end)}"
    key = name, session.date
    if key in paper.decided or not (lacked := paper.lacked.get(key, "")):
        return ""
    return f"nothing could be entered: something was unknown whenever it was judged, first {lacked}"


def _undecided(paper: Paper, bot: CompiledBot, start: datetime, end: datetime) -> str:
    known = {look.at: look.truths for look in paper.looks.get(bot.plan.name, ()) if start <= look.at < end}
    ends = [_ends_choice(bot, truths) for truths in known.values()]
    return ends[0] if ends and all(ends) else ""


def _ends_choice(bot: CompiledBot, truths: Mapping[str, bool | None]) -> str:
    """Return the condition that ends a choice since it is unknown: of the first alternative that is not false."""
    for choice in bot.choices:
        found = {compiled.rule.name: truths.get(compiled.rule.name) for compiled in choice.when}
        if False not in found.values():
            return next((name for name, truth in found.items() if truth is None), "")
    return ""


def _away(spans: Iterable[SessionSpan], start: datetime, end: datetime) -> str:
    at, gone = start, timedelta(0)
    for span in (*sorted(each for each in spans if each.meets(start, end)), SessionSpan(end, end)):
        gap = SessionSpan(at, min(span.start, end))
        if gap.end > gap.start:
            gone += gap.end - gap.start
            lasted = f"from {minute(gap.start)} to {minute(gap.end)}"
            if gap.start == start or gap.end == end or gap.end - gap.start > PATIENCE:
                return lasted
            if gone > PATIENCE:
                return f"for {gone.total_seconds() / 60:.0f} minutes in all, the last time {lasted}"
        at = max(at, span.end)
    return ""


def _compiled(paper: Paper, key: Key) -> CompiledBot | None:
    """Return a bot as it ran, None when this version cannot compile its text: then its window is the session."""
    text = paper.texts.get(key.digest)
    try:
        return None if text is None else compile_text(text)
    except RulebotError:
        return None


# --- A bot's record on paper, and its shortfalls

_PLACES = 4
_CENTS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The record of a bot under one spec, over all its sessions; `compliant_sessions` is the last row of them.

    since, last: its first and last session. expectancy_r: over trades with a bounded loss; R is the possible loss at
    expiry when it was opened. net: dollars of closed trades; marked: with open ones. Shares from options count at the
    settlement price. in_shares: trades with such shares. unvalued: trades without a settlement price; outstanding:
    trades without all commissions; profits are unknown while there is one of either. alarms: since the first session of
    the row, None in older promotions.
    """

    sessions: int
    compliant_sessions: int
    since: date | None
    last: date | None
    trades: int
    net: Decimal
    marked: Decimal
    expectancy: Decimal | None
    expectancy_r: Decimal | None
    win_rate: Decimal | None
    sharpe: Decimal | None
    sharpe_error: Decimal | None
    in_shares: int = 0
    unvalued: int = 0
    outstanding: int = 0
    alarms: int | None = None


def figures(
    sessions: Sequence[BotSession],
    trades: Sequence[Position],
    alarms: Mapping[date, int],
) -> Figures:
    """Return the figures of sessions in order and of closed trades.

    alarms: by day, also of days that are no session of the bot: it was not connected, or ran after hours.
    """
    row = _row(sessions)
    unvalued = sum(trade.unpriced > 0 for trade in trades)
    outstanding = sum(trade.commissions_pending > 0 for trade in trades)
    net, profits = [trade.net for trade in trades], [session.profit for session in sessions]
    made, in_r, daily = ([], [], []) if unvalued or outstanding else (net, _in_r(trades), profits)
    since = row[0].date if row else None
    first = next((session.date for session in row or sessions), date.max)
    return Figures(
        sessions=len(sessions),
        compliant_sessions=len(row),
        since=since,
        last=row[-1].date if row else None,
        trades=len(trades),
        net=sum(net, ZERO),
        marked=sum(profits, ZERO),
        expectancy=_rounded(expectancy(made)),
        expectancy_r=_rounded(expectancy(in_r)),
        win_rate=_rounded(win_rate(made), _PLACES + 2),
        sharpe=_rounded(sharpe(daily)),
        sharpe_error=_rounded(sharpe_error(daily)),
        in_shares=sum(trade.is_in_shares for trade in trades),
        unvalued=unvalued,
        outstanding=outstanding,
        alarms=sum(count for day, count in alarms.items() if day >= first),
    )


def _row(sessions: Sequence[BotSession]) -> list[BotSession]:
    row: list[BotSession] = []
    for session in reversed(sessions):
        if session.is_compliant:
            row.append(session)
        elif session.faults:
            break
    return row[::-1]


def _in_r(trades: Sequence[Position]) -> list[Decimal]:
    return [trade.net / risk for trade in trades if (risk := _risked(trade))]


def _risked(trade: Position) -> Decimal | None:
    if not trade.max_risk:
        return None
    return trade.max_risk * min(Decimal(leg.opened) / leg.ratio for leg in trade.legs) or None


def _rounded(value: Decimal | float | None, places: int = _PLACES) -> Decimal | None:
    return None if value is None else round(Decimal(value), places)


# ---------------------------------------------------------------- demands


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureResult:
    """One requirement beside the finding: both in words, and the shortfall, "" when it is met."""

    name: str
    found: str
    demanded: str
    short: str


def compare(found: Figures, require: Iterable[Demand]) -> tuple[FigureResult, ...]:
    """Return each requirement beside its finding, in the document's order."""
    return tuple(_judged(found, demand) for demand in require)


def _judged(found: Figures, demand: Demand) -> FigureResult:
    value = _value(found, demand.shown)
    missing = None if value is None else demand.missed_by(value)
    places = _places(demand.shown, missing)
    op = demand.op.value.replace("_", " ")
    text = "unknown" if value is None else _said(demand.shown, value, places)
    if demand.shown is Shown.COMPLIANT_SESSIONS:
        text += " in a row"
    return FigureResult(
        name=demand.shown.value,
        found=text,
        demanded=f"{op} {_said(demand.shown, demand.bound, places)}",
        short=_unknown_reason(found, demand.shown) if value is None else _short(demand, missing, places),
    )


def _short(demand: Demand, missing: Decimal | None, places: int) -> str:
    if missing is None:
        return ""
    if demand.op is Op.AT_MOST:
        return f"{_said(demand.shown, missing, places)} too many"
    word = "few" if demand.shown in (Shown.COMPLIANT_SESSIONS, Shown.TRADES) else "little"
    return f"{_said(demand.shown, missing, places)} too {word}" if missing else "not more than that"


def _places(shown: Shown, missing: Decimal | None) -> int:
    """Return the decimal places of a figure: the usual, or enough that a shortfall is not shown as 0."""
    usual = 1 if shown is Shown.WIN_RATE else _CENTS
    if not missing:
        return usual
    return next((places for places in range(usual, _PLACES) if round(missing, places)), _PLACES)


def _unknown_reason(found: Figures, shown: Shown) -> str:
    if shown is Shown.ALARMS:
        return "it was promoted before alarms were counted"
    if found.unvalued:
        return f"the settlement price of the shares of {counted(found.unvalued, 'trade')} is not known"
    if found.outstanding:
        return f"the commissions of {counted(found.outstanding, 'trade')} are not reported yet"
    if shown is not Shown.SHARPE:
        return "no trade is closed"
    if found.sessions < LEAST_SESSIONS:
        return f"{LEAST_SESSIONS} sessions are needed, there are {found.sessions}"
    return "all sessions made the same"


def _value(found: Figures, shown: Shown) -> Decimal | None:
    if shown is Shown.WIN_RATE:
        return None if found.win_rate is None else found.win_rate * 100
    values = {
        Shown.COMPLIANT_SESSIONS: Decimal(found.compliant_sessions),
        Shown.TRADES: Decimal(found.trades),
        Shown.EXPECTANCY: found.expectancy,
        Shown.SHARPE: found.sharpe,
        Shown.ALARMS: None if found.alarms is None else Decimal(found.alarms),
    }
    return values[shown]


def _said(shown: Shown, value: Decimal, places: int) -> str:
    if shown is Shown.EXPECTANCY:
        return dollars(value) if places == _CENTS else f"{'-' if value < 0 else ''}${abs(value):,.{places}f}"
    if shown is Shown.WIN_RATE:
        return f"{value:.{places}f} %"
    return f"{value:.{places}f}" if shown is Shown.SHARPE else f"{value:f}"
