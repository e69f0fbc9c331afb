"""Facts about the market and the account that come seldom: listings, closes, dividends, the move of the open."""

from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import put_facts
from rulebot.core.state.turn import alarm
from rulebot.model.event import (
    AccountWarning,
    ClosesReport,
    DataTrouble,
    DividendReport,
    OpeningMoveReport,
)
from rulebot.model.values import replace
from rulebot.record.record import DATA_TROUBLE, LATE, OPENING_MOVE, Json, Kind


def on_closes(work: StateBuilder, event: ClosesReport) -> None:
    """Take closes of earlier sessions."""
    facts = work.market.facts
    work.record(Kind.FACTS, symbol=event.symbol, what="closes", value=len(event.closes))
    put_facts(work, replace(facts, closes={**facts.closes, event.symbol: event.closes}))


def on_opening_move(work: StateBuilder, event: OpeningMoveReport) -> None:
    """Take the expected move of the open: fixed for the day, however it was learned first."""
    facts = work.market.facts
    if (event.symbol, event.expiry) in facts.opening_moves:
        return  # fixed for the day, however it was learned first
    moves = {**facts.opening_moves, (event.symbol, event.expiry): event.points}
    work.record(Kind.FACTS, symbol=event.symbol, what=OPENING_MOVE, value=event.points, expiry=event.expiry.isoformat())
    put_facts(work, replace(facts, opening_moves=moves))


def on_dividend(work: StateBuilder, event: DividendReport) -> None:
    """Take the next dividend of an underlying."""
    facts = work.market.facts
    if facts.dividends.get(event.symbol) == event.dividend:
        return
    reported = event.dividend
    work.record(
        Kind.FACTS,
        symbol=event.symbol,
        what="dividend",
        value=str(reported.amount),
        ex_date=reported.ex_date.isoformat(),
    )
    put_facts(work, replace(facts, dividends={**facts.dividends, event.symbol: reported}))


def on_data_trouble(work: StateBuilder, event: DataTrouble) -> None:
    """Record what is wrong with market data; bots that trade on late data alarm."""
    traders = work.program.on_late_data(event.symbol) if event.is_late else ()
    late: dict[str, Json] = {LATE: list(traders)} if event.is_late else {}
    work.record(Kind.FACTS, symbol=event.symbol, what=DATA_TROUBLE, value=event.text, **late)
    for name in traders:
        text = f"{event.symbol or 'market data'} comes 10 to 15 minutes late, and {name} trades on it: delayed_data"
        alarm(work, name, text, key=f"late {event.symbol}")


def on_account_warning(work: StateBuilder, event: AccountWarning) -> None:
    """Alarm of what the broker warns of."""
    alarm(work, "", f"the broker warns of the account: {event.text}")
