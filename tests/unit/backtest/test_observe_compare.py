"""`summary --compare`: a trade that the two left on a later day than they entered it, and none at all."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from past_days import PastDays, fallen
from plain_specs import ASSIGNED

from rulebot.backtest.fill_model import fill_model
from rulebot.backtest.run import BacktestOptions, run_backtest
from rulebot.cli.summary import _lines
from rulebot.compare.shadow_comparison import compare
from rulebot.documents.load_bots import load_all_bots
from rulebot.model.economic_calendar import event_calendar
from rulebot.model.session import exchange_date
from rulebot.record.record import Kind, Record
from rulebot.store.queries import StoreReader

BOT, POSITION = "swing", "swing-1"
DAYS = (date(2026, 10, 21), date(2026, 10, 22))
ENTRY = {"purpose": "entry", "reason": "", "fill_time": f"{DAYS[0]} 10:00:05"}
LEG = {"symbol": "SPX", "right": "put", "strike": "5870", "ratio": 1, "sign": -1, "settled": 0}


def at(day: date, hour: int, minute: int) -> datetime:
    return datetime(day.year, day.month, day.day, hour + 4, minute, tzinfo=UTC)


def of_rule(when: datetime, *, value: float, truth: bool) -> Record:
    said = {"rule": "stop", "place": "exit", "truth": truth, "value": value, "text": "at least 200%"}
    return Record(when, Kind.VERDICT, BOT, POSITION, data=said)


def started(day: date, digest: str = "c" * 64, fills: str = "natural") -> Record:
    """Return the record of a run that begins before the open with the bot under this text, "" without the bot."""
    specs = {BOT: {"digest": digest}} if digest else {}
    return Record(at(day, 8, 0), Kind.RUN_STARTED, data={"specs": specs, "settings": {"fills": fills}})


class Reported:
    """A store in which one trade is entered on the first day, and left on the second at `left`."""

    def __init__(self, left: datetime, results: Sequence[Record]) -> None:
        sessions = [Record(at(day, 9, 30), Kind.SESSION, data={"date": day.isoformat()}) for day in DAYS]
        entered = Record(at(DAYS[0], 10, 0), Kind.DECISION, BOT, POSITION, data={"what": "enter"})
        exit = Record(left, Kind.DECISION, BOT, POSITION, data={"what": "exit", "reason": "stop"})
        reported = [started(DAYS[0]), *sessions, entered, *results, exit]
        self._records = sorted(reported, key=lambda record: record.at)
        clock = f"{left.hour - 4:02}:{left.minute:02}:40"
        row = {"position": POSITION, "state": "closed", "status": "CLOSED", "quantity": 1, "legs": json.dumps([LEG])}
        row |= {"entry_time": f"{DAYS[0]} 10:00:05", "exit_time": f"{DAYS[1]} {clock}", "exit_name": "stop"}
        row |= {"expiration": "2026-10-28", "entry_price": 3.2, "entry_mid": 3.4, "exit_price": 9.9}
        row |= {"exit_reason": "STOP_LOSS"}
        self._trade = row | {"expected_exit_price": 9.7, "commissions": 5.0, "final_pnl": -675.0}

    def run(self) -> Any:
        return SimpleNamespace(specs={})

    def outstanding(self) -> dict[str, int]:
        return {}

    def estimated(self, bot: str) -> list[str]:
        return []

    def view(self, name: str, **_: str) -> list[dict[str, Any]]:
        return [self._trade] if name == "trades" else [ENTRY]

    def records(self, kinds: Sequence[Kind]) -> list[Record]:
        return [record for record in self._records if record.kind in kinds]

    def day(self, bot: str, day: date) -> list[Record]:
        return [record for record in self._records if record.bot == bot and exchange_date(record.at) == day]


class WithWing(Reported):
    """A store whose trade is left on the first day, the same minute as `left`; its long leg expires on the second."""

    def __init__(self, left: datetime, expires: date) -> None:
        super().__init__(left, [])
        self._order = {
            "purpose": "exit",
            "reason": "stop",
            "fill_time": f"{DAYS[0]} {left.hour - 4:02}:{left.minute:02}:10",
        }
        wing = {**LEG, "strike": "5860", "sign": 1, "settled": 1}
        self._trade |= {"legs": json.dumps([LEG, wing]), "exit_time": f"{expires} 16:05:00"}

    def view(self, name: str, **_: str) -> list[dict[str, Any]]:
        return [ENTRY, self._order] if name == "orders" else super().view(name)


class Nothing(Reported):
    """A store in which nothing was traded in both sessions."""

    def __init__(self) -> None:
        super().__init__(at(DAYS[1], 10, 27), [])

    def view(self, name: str, **_: str) -> list[dict[str, Any]]:
        return []


class Rolled(Reported):
    """A store whose trade came of a roll: the order that opened it is one of the position before."""

    def view(self, name: str, **_: str) -> list[dict[str, Any]]:
        return [] if name == "orders" else super().view(name)


def test_what_was_rolled_into_is_no_entry_against_the_mid() -> None:
    """What the roll gave up stood in it: the shadow that rolled looked worse at entering than it is."""
    live, shadow = Reported(at(DAYS[1], 10, 27), []), Rolled(at(DAYS[1], 10, 27), [])
    (found,) = compare(cast(StoreReader, live), cast(StoreReader, shadow), [BOT], None)
    assert (found.live.entry_to_mid, found.shadow.entry_to_mid) == (-0.2, None)


def test_an_exit_on_a_later_day_has_its_own_date_and_the_reason() -> None:
    soon, late = at(DAYS[1], 10, 24), at(DAYS[1], 10, 27)
    held = of_rule(at(DAYS[1], 9, 30), value=143.4, truth=False)
    live, shadow = Reported(late, [held]), Reported(soon, [of_rule(soon, value=201.0, truth=True)])
    (found,) = compare(cast(StoreReader, live), cast(StoreReader, shadow), [BOT], None)
    (differed,) = found.differences
    assert (differed.date, differed.clock, differed.what) == (DAYS[1], "10:24:00", "exit")
    assert (differed.live, differed.shadow) == ("stop 10:27:00", "stop 10:24:00")
    assert differed.why == "the live one's: 143.4 at least 200% (so since 09:30:00)"


def test_a_wing_that_expires_on_a_later_day_is_no_other_exit() -> None:
    left = at(DAYS[0], 12, 0)
    sides = [cast(StoreReader, WithWing(left, expires)) for expires in reversed(DAYS)]
    assert compare(*sides, [BOT], None)[0].differences == ()


def test_where_nothing_is_closed_money_is_dollars_too() -> None:
    late = at(DAYS[1], 10, 27)
    live, shadow = Reported(late, []), Reported(late, [])
    (found,) = compare(cast(StoreReader, live), cast(StoreReader, shadow), [BOT], None)
    (none,) = compare(cast(StoreReader, Nothing()), cast(StoreReader, Nothing()), [BOT], None)
    assert (found.live.net, none.live.net) == (-675.0, 0.0)
    cells = [line.split()[-1] for line in _lines(none) if line.split()[:1] in (["commissions"], ["net"])]
    assert cells == ["$0.00", "$0.00"]


class Unsettled(Reported):
    """A store whose trade owes commissions, and was taken up from the account at a price that nobody told."""

    def outstanding(self) -> dict[str, int]:
        return {POSITION: 2}

    def estimated(self, bot: str) -> list[str]:
        return [POSITION]


def rows_of(live: StoreReader, shadow: StoreReader, bot: str) -> dict[str, list[str]]:
    """Return the two cells of each row of the table, by its words."""
    (found,) = compare(live, shadow, [bot], None)
    lines = [line.rsplit(maxsplit=2) for line in _lines(found)]
    return {words.strip(): cells for words, *cells in (line for line in lines if len(line) == 3)}


def test_a_profit_that_may_still_change_is_reported() -> None:
    late = at(DAYS[1], 10, 27)
    table = rows_of(cast(StoreReader, Unsettled(late, [])), cast(StoreReader, Reported(late, [])), BOT)
    assert table["without all commissions"] == table["at an unknown price"] == ["1", "0"]
    assert "that ended in shares" not in table


def test_trades_that_ended_in_shares_count_with_them(tmp_path: Path) -> None:
    """An assigned put of a fallen share is no win."""
    file, store, day = tmp_path / "assigned.yaml", tmp_path / "x.db", date(2026, 9, 1)
    file.write_text(ASSIGNED, encoding="utf-8")
    source = PastDays(strikes=25, every=5, symbol="SPY", trading_class="SPY", change=fallen)
    options = BacktestOptions(
        opens=lambda: source,
        data="made up",
        first=day,
        last=day,
        store=store,
        fills=fill_model("mid"),
        calendar=lambda: event_calendar([]),
    )
    desk = load_all_bots([str(file)], {}, None)
    run_backtest(desk, options, lambda done, number, count: None)
    with StoreReader(store) as reader:
        table = rows_of(reader, reader, *desk.bots)
    assert (table["won"], table["that ended in shares"]) == (["0", "0"], ["1", "1"])
    assert table["net"][0].startswith("-$")
    lost = table["of that, made by shares"][0]
    assert lost.startswith("-$")
    assert float(lost.removeprefix("-$").replace(",", "")) > 1000


class FromTheSecondDay(Nothing):
    """A store that begins on the second day, and in which nothing was traded."""

    def __init__(self) -> None:
        super().__init__()
        self._records = [started(DAYS[1]), *(each for each in self._records if exchange_date(each.at) == DAYS[1])]


def test_a_trade_that_was_held_before_the_shadow_began_is_no_part_of_what_is_compared() -> None:
    live, shadow = Reported(at(DAYS[1], 10, 27), []), FromTheSecondDay()
    (found,) = compare(cast(StoreReader, live), cast(StoreReader, shadow), [BOT], None)
    assert found.sessions == DAYS[1:]
    assert (found.live.closed, found.live.net, found.live.average, found.live.month) == (0, 0.0, None, 0.0)
    assert (found.live.entered_alone, found.shadow.entered_alone) == (1, 0)
    assert next(line.split() for line in _lines(found) if "ran alone" in line)[-2:] == ["1", "0"]


def test_a_session_over_when_the_shadow_began_is_none_of_both() -> None:
    """The trade of that day was one that the shadow did not make, and counted for the other."""
    evening = Record(at(DAYS[0], 16, 30), Kind.SESSION, data={"date": DAYS[0].isoformat()})
    live, shadow = Reported(at(DAYS[1], 10, 27), []), Nothing()
    shadow._records = [
        started(DAYS[0]),
        evening,
        Record(at(DAYS[1], 9, 30), Kind.SESSION, data={"date": DAYS[1].isoformat()}),
    ]
    live._records = sorted([*live._records, evening], key=lambda each: each.at)
    (found,) = compare(cast(StoreReader, live), cast(StoreReader, shadow), [BOT], None)
    assert (found.sessions, found.differences) == (DAYS[1:], ())
    assert (found.live.closed, found.live.entered_alone) == (0, 1)


def test_of_the_last_sessions_a_trade_counts_that_was_entered_before_them() -> None:
    live, shadow = Reported(at(DAYS[1], 10, 27), []), Nothing()
    (found,) = compare(cast(StoreReader, live), cast(StoreReader, shadow), [BOT], 1)
    assert (found.sessions, found.live.closed, found.live.net) == (DAYS[1:], 1, -675.0)
    assert not [line for line in _lines(found) if "ran alone" in line]


class Ran(Nothing):
    """A store whose bot ran each session under these texts, one after the other; nothing was traded."""

    def __init__(self, *days: Sequence[str]) -> None:
        super().__init__()
        for day, digests in zip(DAYS, days, strict=True):
            specs = [{"specs": {BOT: {"digest": digest}}} for digest in digests]
            self._records.append(Record(at(day, 8, 0), Kind.RUN_STARTED, data=specs[0]))
            self._records += [
                Record(at(day, 11, 0), Kind.RELOAD, data={"what": "applied", **each}) for each in specs[1:]
            ]
        self._records.sort(key=lambda record: record.at)


def reported_of(live: Nothing, shadow: Nothing) -> tuple[bool, list[str]]:
    """Return whether both ran the same text, and the lines about texts."""
    (found,) = compare(cast(StoreReader, live), cast(StoreReader, shadow), [BOT], None)
    lines = [" ".join(line.split()) for line in _lines(found)]
    return found.is_same_text, [line for line in lines if "aaaaaaaa" in line or "figures cover all" in line]


def test_texts_that_changed_places_in_between_are_reported() -> None:
    old, new = "a" * 64, "b" * 64
    assert reported_of(Ran([old], [old]), Ran([new], [new])) == (False, [])
    assert reported_of(Ran([old], [old]), Ran([old], [old])) == (True, [])
    is_same, lines = reported_of(Ran([old], [new]), Ran([new], [old]))
    assert not is_same
    assert lines[1:] == ["2026-10-21 aaaaaaaa bbbbbbbb", "2026-10-22 bbbbbbbb aaaaaaaa the two changed places"]


def test_a_text_that_was_taken_up_within_a_session_is_reported() -> None:
    old, new = "a" * 64, "b" * 64
    is_same, lines = reported_of(Ran([old], [old, new]), Ran([new], [new]))
    assert not is_same
    assert lines[1:] == ["2026-10-21 aaaaaaaa bbbbbbbb", "2026-10-22 aaaaaaaa, then bbbbbbbb bbbbbbbb"]


def test_a_text_of_a_run_that_began_after_the_close_ran_in_the_next_session() -> None:
    old, new = "a" * 64, "b" * 64
    live = Ran([old], [new])
    specs = {"specs": {BOT: {"digest": new}}}
    evening = Record(at(DAYS[0], 16, 30), Kind.SESSION, data={"date": DAYS[0].isoformat()})
    live._records = sorted(
        [*live._records, Record(at(DAYS[0], 16, 30), Kind.RUN_STARTED, data=specs), evening], key=lambda each: each.at
    )
    assert reported_of(live, Ran([new], [old]))[1][1:] == [
        "2026-10-21 aaaaaaaa bbbbbbbb",
        "2026-10-22 bbbbbbbb aaaaaaaa the two changed places",
    ]


def test_the_same_text_on_both_sides_at_the_end_is_not_the_same_all_along() -> None:
    old, new = "a" * 64, "b" * 64
    assert not reported_of(Ran([old], [new]), Ran([new], [new]))[0]


class Apart(Reported):
    """A store whose bot ran on these days only, others on all."""

    def __init__(self, left: datetime, *days: date) -> None:
        super().__init__(left, [])
        runs = [started(day, "c" * 64 if day in days else "") for day in DAYS]
        self._records = sorted([*runs, *self._records[1:]], key=lambda record: record.at)


def test_a_session_in_which_the_shadow_of_another_bot_ran_is_none_of_this_one() -> None:
    late = at(DAYS[1], 10, 27)
    live, shadow = cast(StoreReader, Reported(late, [])), cast(StoreReader, Apart(late, DAYS[1]))
    (found,) = compare(live, shadow, [BOT], None)
    assert (found.sessions, len(found.texts)) == (DAYS[1:], 1)
    assert (found.live.entries, found.live.closed, found.live.entered_alone) == (0, 0, 1)


def test_what_is_left_once_one_side_runs_alone_is_open_at_the_end_of_what_is_compared() -> None:
    late = at(DAYS[1], 10, 27)
    live, shadow = cast(StoreReader, Reported(late, [])), cast(StoreReader, Apart(late, DAYS[0]))
    (found,) = compare(live, shadow, [BOT], None)
    assert (found.sessions, found.live.entries, found.live.closed, found.live.still_open) == (DAYS[:1], 1, 0, 1)


def test_without_a_session_of_both_nothing_is_said_of_their_texts() -> None:
    late = at(DAYS[1], 10, 27)
    (found,) = compare(cast(StoreReader, Reported(late, [])), cast(StoreReader, Apart(late)), [BOT], None)
    assert next(_lines(found)) == " swing over 0 sessions of both yet"


def test_that_orders_of_the_shadow_filled_by_another_model_in_between_is_reported() -> None:
    shadow = Nothing()
    shadow._records = sorted([*shadow._records, started(DAYS[1], fills="mid")], key=lambda record: record.at)
    for count, fills in ((None, ("natural", "mid")), (1, ("mid",))):
        (found,) = compare(cast(StoreReader, Nothing()), cast(StoreReader, shadow), [BOT], count)
        assert found.fills == fills
        assert any("filled by natural, then mid" in line for line in _lines(found)) is (count is None)


class Without(Nothing):
    """A store in which the trade of 10:00 was not made, and what its bot recorded instead."""

    def __init__(self, *records: Record) -> None:
        super().__init__()
        sessions = self.records((Kind.RUN_STARTED, Kind.SESSION))
        self._records = sorted([*sessions, *records], key=lambda record: record.at)


def decision(when: datetime, what: str, reason: str, position: str = "") -> Record:
    return Record(when, Kind.DECISION, BOT, position, data={"what": what, "reason": reason, "values": []})


def says(when: datetime, *, truth: bool) -> Record:
    said = {"rule": "vix", "place": "when", "truth": truth, "value": 15.0, "text": "below 20"}
    return Record(when, Kind.VERDICT, BOT, data=said)


HALTED = [
    decision(at(DAYS[0], 15, 30), "halt", "vix_spike"),
    Record(at(DAYS[0], 15, 30), Kind.BOT_DAY, BOT, data={"halted": "vix_spike"}),
]
OPEN = [decision(at(DAYS[0], 9, 45), "watch", "its window is open"), says(at(DAYS[0], 9, 45), truth=True)]


@pytest.mark.parametrize(
    ("records", "rule", "why"),
    [
        ([*OPEN, decision(at(DAYS[0], 10, 0), "skip", "held the other way round")], "", "held the other way round"),
        ([*OPEN, says(at(DAYS[0], 9, 50), truth=False)], "vix", "15 below 20 (so since 09:50:00)"),
        (
            [
                *OPEN,
                says(at(DAYS[0], 9, 50), truth=False),
                decision(at(DAYS[0], 9, 55), "stop watching", "its window is over"),
            ],
            "",
            "its window is over",
        ),
        ([Record(at(DAYS[0], 9, 40), Kind.BOT_DAY, BOT, data={"halted": "move"}), *OPEN], "", "halted: move"),
        (
            [
                *OPEN,
                decision(at(DAYS[0], 9, 58), "enter", "all conditions hold", "swing-0"),
                decision(at(DAYS[0], 9, 59), "unfilled", "its tries are used up", "swing-0"),
            ],
            "order",
            "not filled: its tries are used up",
        ),
        (
            [
                decision(at(DAYS[0], 13, 0), "enter", "all conditions hold", "swing-0"),
                decision(at(DAYS[0], 13, 1), "unfilled", "its tries are used up", "swing-0"),
            ],
            "",
            "it did not run, or judged nothing",
        ),
    ],
)
def test_what_held_one_back_is_what_it_said_by_then(records: list[Record], rule: str, why: str) -> None:
    """What it met hours later was told as the cause: a halt in the afternoon, or another order that was not filled."""
    live, shadow = Reported(at(DAYS[1], 10, 27), []), Without(*records, *HALTED)
    (found,) = compare(cast(StoreReader, live), cast(StoreReader, shadow), [BOT], None)
    (differed,) = found.differences
    assert (differed.clock, differed.what, differed.shadow) == ("10:00:00", "entry", "none")
    assert (differed.rule, differed.why) == (rule, why)
