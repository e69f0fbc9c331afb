"""The broker's time beside a computer's wrong clock, as a store tells it."""

from datetime import timedelta
from pathlib import Path

from store_day import at, small_day

from rulebot.alerts.find import Grade, find_alerts
from rulebot.process.connection_state import connected
from rulebot.record.record import COMPUTER_AHEAD, Kind, Record
from rulebot.store.journal import SqlJournal
from rulebot.store.queries import StoreReader, broker_now
from rulebot.store.registry import open_store

AHEAD = timedelta(hours=6)


def test_ages_and_the_end_of_the_day_go_by_the_broker(tmp_path: Path) -> None:
    """A computer that is six hours ahead reported a quiet engine and told the digest of a day that had just begun."""
    started, noon = small_day()[0], at("12:00")
    journal = SqlJournal(open_store(tmp_path / "a.db"))
    session = {"date": "2026-11-18", "open": "2026-11-18T14:30:00Z", "close": "2026-11-18T21:00:00Z", "half": False}
    first = Record(started.at, Kind.RUN_STARTED, data={**started.data, "lockstep": False, "simulated": False})
    journal.append([first, Record(at("09:30"), Kind.SESSION, data=session)], durable=True)
    journal.append([Record(at("09:31"), Kind.LINK, data={"up": True, "account": "DU1"})], durable=True)
    journal.append([Record(noon, Kind.PRICES, data={"prices": {"SPX": 5900.0}})], durable=True)
    computer = noon + AHEAD + timedelta(seconds=20)
    with StoreReader(tmp_path / "a.db") as reader:
        assert broker_now(reader, computer) == computer, "nothing is known of the clocks"
        assert [each.grade for each in find_alerts(reader, 0, computer).alerts] == [Grade.DIGEST]
    reported = {"text": "this computer's clock is ahead", COMPUTER_AHEAD: AHEAD.total_seconds()}
    journal.append([Record(noon, Kind.ALARM, data=reported)], durable=True)
    with StoreReader(tmp_path / "a.db") as reader:
        assert broker_now(reader, computer) == noon + timedelta(seconds=20)
        assert connected(reader, reader.run(), broker_now(reader, computer)).words == ""
        assert [each.grade for each in find_alerts(reader, 0, computer).alerts] == [Grade.GRAVE], (
            "the alarm, and no digest"
        )
    journal.append([Record(noon, Kind.RUN_STARTED, data=first.data)], durable=True)
    with StoreReader(tmp_path / "a.db") as reader:
        assert broker_now(reader, computer) == computer, "another run has not told of the clocks yet"
    journal.close()
