"""The broker's time for those who look at a store: its records bear that time, and a computer's clock may be wrong."""

from datetime import datetime, timedelta

from rulebot.record.record import COMPUTER_AHEAD, Kind
from rulebot.store.queries import StoreReader


def broker_now(reader: StoreReader, now: datetime) -> datetime:
    """Return the broker's time at `now` of this computer's clock, as far as the last run has told how they differ."""
    told, began = reader.last_record(Kind.ALARM, field=COMPUTER_AHEAD), reader.last_record(Kind.RUN_STARTED)
    if told is None or began is None or told[0] < began[0]:
        return now
    return now - timedelta(seconds=float(str(told[1].data[COMPUTER_AHEAD])))
