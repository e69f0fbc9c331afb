"""What a bot's record on paper comes to, and what it falls short of."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal

from rulebot.model.money import ZERO, dollars
from rulebot.model.performance import LEAST_SESSIONS, expectancy, sharpe, sharpe_error, win_rate
from rulebot.model.position import Position
from rulebot.model.text import counted
from rulebot.model.values import dataclass
from rulebot.promotion.sessions import BotSession
from rulebot.spec.nouns import Demand, Op, Shown

_PLACES = 4
_CENTS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The record of a bot under one text, made of all its sessions; only `compliant_sessions` is of a row of them.

    compliant_sessions: in a row up to the last, those left out passed over. since, last: the first and last of them.
    R of a trade is what it could lose at expiry when it was opened; expectancy_r is over trades for which it has a
    bound. net, marked: dollars of closed trades, and of all sessions with what is open; shares that options became
    count at the settlement price (`Position.gross`). in_shares: trades of which shares came or went. unvalued: those
    whose settlement price is not known; owed: trades of which the broker has not told all commissions; while there is
    one of either, nothing that is made of profits is known. sharpe: see model/performance. alarms: raised since the
    first session of the row,
    None in promotions of before they counted.
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
    owed: int = 0
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
    owed = sum(trade.owed > 0 for trade in trades)
    net = [trade.net for trade in trades]
    in_r = [each / risk for each, trade in zip(net, trades, strict=True) if (risk := _risked(trade))]
    made, in_r, profits = ([], [], []) if unvalued or owed else (net, in_r, [session.profit for session in sessions])
    since = row[0].date if row else None
    first = next((session.date for session in row or sessions), date.max)
    return Figures(
        sessions=len(sessions),
        compliant_sessions=len(row),
        since=since,
        last=row[-1].date if row else None,
        trades=len(trades),
        net=sum(net, ZERO),
        marked=sum((session.profit for session in sessions), ZERO),
        expectancy=_rounded(expectancy(made)),
        expectancy_r=_rounded(expectancy(in_r)),
        win_rate=_rounded(win_rate(made), _PLACES + 2),
        sharpe=_rounded(sharpe(profits)),
        sharpe_error=_rounded(sharpe_error(profits)),
        in_shares=sum(trade.is_in_shares for trade in trades),
        unvalued=unvalued,
        owed=owed,
        alarms=sum(count for day, count in alarms.items() if day >= first),
    )


def _row(sessions: Sequence[BotSession]) -> list[BotSession]:
    """Return the compliant sessions in a row up to the last, in order; those left out are passed over."""
    row: list[BotSession] = []
    for session in reversed(sessions):
        if session.is_compliant:
            row.append(session)
        elif session.faults:
            break
    return row[::-1]


def _risked(trade: Position) -> Decimal | None:
    """Return what a trade could lose at expiry when it was opened, in dollars; None without a bound."""
    if not trade.max_risk:
        return None
    return trade.max_risk * min(Decimal(leg.opened) / leg.ratio for leg in trade.legs) or None


def _rounded(value: Decimal | float | None, places: int = _PLACES) -> Decimal | None:
    return None if value is None else round(Decimal(value), places)


# ---------------------------------------------------------------- demands


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureVerdict:
    """One demand beside what was found: both in words, and by how much it falls short, "" when it is met."""

    name: str
    found: str
    demanded: str
    short: str


def compare(found: Figures, require: Iterable[Demand]) -> tuple[FigureVerdict, ...]:
    """Return each demand beside what was found, in the document's order."""
    return tuple(_judged(found, demand) for demand in require)


def _judged(found: Figures, demand: Demand) -> FigureVerdict:
    value = _value(found, demand.shown)
    missing = None if value is None else demand.missed_by(value)
    places = _places(demand.shown, missing)
    op = demand.op.value.replace("_", " ")
    text = "unknown" if value is None else _said(demand.shown, value, places)
    if demand.shown is Shown.COMPLIANT_SESSIONS:
        text += " in a row"
    return FigureVerdict(
        name=demand.shown.value,
        found=text,
        demanded=f"{op} {_said(demand.shown, demand.bound, places)}",
        short=_why_unknown(found, demand.shown) if value is None else _short(demand, missing, places),
    )


def _short(demand: Demand, missing: Decimal | None, places: int) -> str:
    if missing is None:
        return ""
    if demand.op is Op.AT_MOST:
        return f"{_said(demand.shown, missing, places)} too many"
    word = "few" if demand.shown in (Shown.COMPLIANT_SESSIONS, Shown.TRADES) else "little"
    return f"{_said(demand.shown, missing, places)} too {word}" if missing else "not more than that"


def _places(shown: Shown, missing: Decimal | None) -> int:
    """Return to how many places a figure is told: as ever, or so many that what is missing is not told as 0."""
    usual = 1 if shown is Shown.WIN_RATE else _CENTS
    if not missing:
        return usual
    return next((places for places in range(usual, _PLACES) if round(missing, places)), _PLACES)


def _why_unknown(found: Figures, shown: Shown) -> str:
    if shown is Shown.ALARMS:
        return "it was promoted before alarms were counted"
    if found.unvalued:
        return f"the settlement price of the shares of {counted(found.unvalued, 'trade')} is not known"
    if found.owed:
        return f"the commissions of {counted(found.owed, 'trade')} are not told yet"
    if shown is not Shown.SHARPE:
        return "no trade is closed"
    if found.sessions < LEAST_SESSIONS:
        return f"{LEAST_SESSIONS} sessions are needed, there are {found.sessions}"
    return "all sessions made the same"


def _value(found: Figures, shown: Shown) -> Decimal | None:
    """Return what was found in the unit of the demand."""
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
