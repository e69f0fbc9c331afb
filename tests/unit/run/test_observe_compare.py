"""`summary --compare`: a trade that the two left on a later day than they entered it, and none at all."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any, cast

from engine.cli.compare import _lines
from engine.model.session import exchange_date
from engine.record.record import Kind, Record
from engine.run.observe.compare import compare
from engine.store.queries import StoreReader

BOT, POSITION = "swing", "swing-1"
DAYS = (date(2026, 10, 21), date(2026, 10, 22))
LEG = {"symbol": "SPX", "right": "put", "strike": "5870", "ratio": 1}


def at(day: date, hour: int, minute: int) -> datetime:
    return datetime(day.year, day.month, day.day, hour + 4, minute, tzinfo=UTC)


def of_rule(when: datetime, *, value: float, truth: bool) -> Record:
    said = {"rule": "stop", "place": "exit", "truth": truth, "value": value, "text": "at least 200%"}
    return Record(when, Kind.VERDICT, BOT, POSITION, data=said)


class Told:
    """A store in which one trade is entered on the first day, and left on the second at `left`."""

    def __init__(self, left: datetime, verdicts: Sequence[Record]) -> None:
        sessions = [Record(at(day, 9, 30), Kind.SESSION, data={"date": day.isoformat()}) for day in DAYS]
        entered = Record(at(DAYS[0], 10, 0), Kind.DECISION, BOT, POSITION, data={"what": "enter"})
        exit = Record(left, Kind.DECISION, BOT, POSITION, data={"what": "exit", "reason": "stop"})
        self._records = sorted([*sessions, entered, *verdicts, exit], key=lambda record: record.at)
        clock = f"{left.hour - 4:02}:{left.minute:02}:40"
        row = {"position": POSITION, "state": "closed", "status": "CLOSED", "quantity": 1, "legs": json.dumps([LEG])}
        row |= {"entry_time": f"{DAYS[0]} 10:00:05", "exit_time": f"{DAYS[1]} {clock}", "exit_name": "stop"}
        row |= {"expiration": "2026-10-28", "entry_price": 3.2, "entry_mid": 3.4, "exit_price": 9.9}
        self._trade = row | {"expected_exit_price": 9.7, "commissions": 5.0, "final_pnl": -675.0}

    def run(self) -> Any:
        return SimpleNamespace(specs={})

    def view(self, name: str, **_: str) -> list[dict[str, Any]]:
        return [self._trade]

    def records(self, kinds: Sequence[Kind]) -> list[Record]:
        return [record for record in self._records if record.kind in kinds]

    def day(self, bot: str, day: date) -> list[Record]:
        return [record for record in self._records if record.bot == bot and exchange_date(record.at) == day]


class Nothing(Told):
    """A store in which nothing was traded in both sessions."""

    def __init__(self) -> None:
        super().__init__(at(DAYS[1], 10, 27), [])

    def view(self, name: str, **_: str) -> list[dict[str, Any]]:
        return []


def test_an_exit_on_a_later_day_has_its_own_date_and_the_reason() -> None:
    soon, late = at(DAYS[1], 10, 24), at(DAYS[1], 10, 27)
    held = of_rule(at(DAYS[1], 9, 30), value=143.4, truth=False)
    live, shadow = Told(late, [held]), Told(soon, [of_rule(soon, value=201.0, truth=True)])
    (found,) = compare(cast(StoreReader, live), cast(StoreReader, shadow), [BOT], None)
    (differed,) = found.differences
    assert (differed.date, differed.clock, differed.what) == (DAYS[1], "10:24:00", "exit")
    assert (differed.live, differed.shadow) == ("stop 10:27:00", "stop 10:24:00")
    assert differed.why == "the live one's: 143.4 at least 200% (so since 09:30:00)"


def test_where_nothing_is_closed_money_is_dollars_too() -> None:
    late = at(DAYS[1], 10, 27)
    live, shadow = Told(late, []), Told(late, [])
    (found,) = compare(cast(StoreReader, live), cast(StoreReader, shadow), [BOT], None)
    (none,) = compare(cast(StoreReader, Nothing()), cast(StoreReader, Nothing()), [BOT], None)
    assert (found.live.net, none.live.net) == (-675.0, 0.0)
    cells = [line.split()[-1] for line in _lines(none) if line.split()[:1] in (["commissions"], ["net"])]
    assert cells == ["$0.00", "$0.00"]


class FromTheSecondDay(Nothing):
    """A store that begins on the second day, and in which nothing was traded."""

    def records(self, kinds: Sequence[Kind]) -> list[Record]:
        return [record for record in super().records(kinds) if exchange_date(record.at) == DAYS[1]]


def test_a_trade_that_was_held_before_the_shadow_began_is_no_part_of_what_is_compared() -> None:
    live, shadow = Told(at(DAYS[1], 10, 27), []), FromTheSecondDay()
    (found,) = compare(cast(StoreReader, live), cast(StoreReader, shadow), [BOT], None)
    assert found.sessions == DAYS[1:]
    assert (found.live.closed, found.live.net, found.live.average, found.live.month) == (0, 0.0, None, 0.0)
    assert (found.live.entered_alone, found.shadow.entered_alone) == (1, 0)
    assert next(line.split() for line in _lines(found) if "ran alone" in line)[-2:] == ["1", "0"]


def test_of_the_last_sessions_a_trade_counts_that_was_entered_before_them() -> None:
    live, shadow = Told(at(DAYS[1], 10, 27), []), Nothing()
    (found,) = compare(cast(StoreReader, live), cast(StoreReader, shadow), [BOT], 1)
    assert (found.sessions, found.live.closed, found.live.net) == (DAYS[1:], 1, -675.0)
    assert not [line for line in _lines(found) if "ran alone" in line]
