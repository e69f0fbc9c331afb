"""The times of day at which the broker acts by itself."""

from datetime import datetime, time, timedelta

from engine.model.session import at_exchange_time, exchange_date, session_from


def next_time(after: datetime, delivery_delay: timedelta) -> datetime:
    """Return the next open, close, delivery or midnight of the exchange strictly after an instant."""
    today = exchange_date(after)
    session = session_from(today)
    times = (
        session.open,
        session.close,
        session.close + delivery_delay,
        at_exchange_time(today + timedelta(days=1), time(0)),
    )
    return min(moment for moment in times if moment > after)


def is_midnight(at: datetime) -> bool:
    """Say whether this is where a calendar date of the exchange begins."""
    return at == at_exchange_time(exchange_date(at), time(0))
