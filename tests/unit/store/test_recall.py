"""What a start reads of a long journal: all that stands, the last weeks, and nothing else."""

from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from engine_day import at, changed, sound_day
from places import run

from rulebot.checks.journal.audit import audit_store, differing_starts
from rulebot.core.state.state import AccountSeen
from rulebot.decide.entry_window import BotDay
from rulebot.model.contract import Option, Right, Underlying, product
from rulebot.model.event import ExecutionReport
from rulebot.model.facts import EventCalendar, Hook
from rulebot.model.market import Board
from rulebot.model.money import TickRule
from rulebot.model.order import FILLS_KEPT, ExecutionId
from rulebot.record.codec import encode, utc_text
from rulebot.record.record import ACCOUNT_SEEN, EXCESS, EXECUTION, TICKS, Json, Kind, Record
from rulebot.recovery.resume import ResumedRun, resume
from rulebot.store.journal import SqlJournal
from rulebot.store.place import Place
from rulebot.store.registry import open_store

NOON = at("12:00")


def moved(record: Record, days: int) -> Record:
    """Return the record as if it were of another day, with names of its own."""
    day = f"{days:03d}"

    def other(value: object) -> object:
        if isinstance(value, dict):
            return {key: other(item) for key, item in value.items()}
        if isinstance(value, list):
            return [other(item) for item in value]
        is_name = isinstance(value, str) and value in names
        return f"{value}{day}" if is_name and isinstance(value, str) else value

    names = {str(record.data.get(key)) for key in ("ref", "id", "position", "exec_id")} | {record.position} - {""}
    data = other(dict(record.data))
    assert isinstance(data, dict)
    if record.kind is Kind.POSITION and data["state"] == "closed":
        data["closed_at"] = utc_text(record.at - timedelta(days=days))
    if "exec_id" in data:
        data["exec_id"] = f"d{day}{record.data['exec_id']}"
    position = f"{record.position}{day}" if record.position else ""
    return Record(record.at - timedelta(days=days), record.kind, record.bot, position, data)


def written(path: Place, *, days: tuple[int, ...] = (), until: int | None = None) -> SqlJournal:
    """Return the journal of the sound day, or its beginning, after the same happenings so many days earlier."""
    journal = SqlJournal(open_store(path))
    for back in days:
        journal.append([moved(r, back) for r in sound_day() if r.kind is not Kind.RUN_STARTED], durable=True)
    journal.append([moved(record, 0) for record in sound_day()][:until], durable=True)
    return journal


def from_all(journal: SqlJournal, at: datetime, board: Board) -> ResumedRun:
    return resume(journal.read(), at, board, EventCalendar())


def from_what_stands(journal: SqlJournal, at: datetime, board: Board) -> ResumedRun:
    found = journal.recall(at)
    return resume(found.records, at, board, EventCalendar(), found.number, found.order_id)


@pytest.mark.parametrize("until", [None, 20, 9, 7])
@pytest.mark.parametrize("later", [0, 1, 4, 40])
def test_the_state_is_that_of_the_whole_journal(later: int, until: int | None, place: Place) -> None:
    journal = written(place, days=(60, 31, 8, 1), until=until)
    when, board = sound_day()[-1].at + timedelta(days=later), Board()
    assert from_what_stands(journal, when, board) == from_all(journal, when, board)
    assert journal.recall(when).number > 0
    journal.close()
    assert differing_starts(place) == []


@pytest.mark.parametrize("days", [0, 9, 11])
def test_what_the_account_was_seen_to_hold_is_known_for_some_days(days: int, place: Place) -> None:
    journal, when, board = written(place, until=20), sound_day()[-1].at + timedelta(days=days), Board()
    counts = ({Underlying("SPY"): Decimal(200)}, {Underlying("SPY"): Decimal(300)})
    for seen in (AccountSeen(each, {"SPY": Decimal(590)}) for each in counts):
        data: dict[str, Json] = {"symbol": "", "what": ACCOUNT_SEEN, "value": encode(seen)}
        journal.append([Record(NOON, Kind.FACTS, data=data)], durable=True)
    ended = Record(NOON + timedelta(hours=1), Kind.RUN_ENDED, data={"reason": "", "is_clean": True, "is_linked": True})
    journal.append([ended], durable=True)
    found = from_what_stands(journal, when, board)
    assert found == from_all(journal, when, board)
    known = (counts[1], ended.at) if days < 10 else ({}, None)
    assert (found.state.account.holdings, found.state.account.seen_at) == known


@pytest.mark.parametrize("minutes", [0, 3, 5, 8, 10, 11, 600])
def test_the_cash_of_the_last_minutes_and_of_before_is_known_again(minutes: int, place: Place) -> None:
    """What shares that have just gone have brought is held to the cash of before them."""
    journal = written(place)
    begins = sound_day()[-1].at
    reported: tuple[tuple[int, str | None], ...] = ((1, "100.00"), (2, "100.00"), (4, None), (5, "250.00"), (6, None))
    for after, cash in reported:
        data: dict[str, Json] = {"net_liquidation": str(after), "cash": cash, "buying_power": None}
        journal.append([Record(begins + timedelta(minutes=after), Kind.ACCOUNT, data=data)], durable=True)
    when, board = begins + timedelta(minutes=6 + minutes), Board()
    found = from_what_stands(journal, when, board)
    assert found == from_all(journal, when, board)
    known = [str(cash) for _, cash in found.state.account.cashes]
    assert known == (["100.00", "250.00"] if minutes < 4 else ["250.00"])


def test_a_run_that_was_never_connected_takes_nothing_from_what_is_known_of_the_account(place: Place) -> None:
    """A start after it took the account for unseen since the last change of what it holds."""
    journal = written(place, until=20)
    seen = encode(AccountSeen({Underlying("SPY"): Decimal(200)}))
    data: dict[str, Json] = {"symbol": "", "what": ACCOUNT_SEEN, "value": seen}
    journal.append([Record(NOON, Kind.FACTS, data=data)], durable=True)
    ends = [
        Record(NOON + timedelta(hours=hours), Kind.RUN_ENDED, data={"reason": "", "is_clean": True, "is_linked": known})
        for hours, known in ((5, True), (6, False))
    ]
    journal.append(ends, durable=True)
    when, board = NOON + timedelta(days=1), Board()
    found = from_what_stands(journal, when, board)
    assert found == from_all(journal, when, board)
    assert found.state.account.seen_at == ends[0].at
    journal.close()


def test_what_was_closed_on_a_day_off_is_of_the_session_after_it(place: Place) -> None:
    """Of a short call that was assigned over a weekend a start before the session knew nothing."""
    journal = SqlJournal(open_store(place))
    saturday = [moved(record, -3) for record in sound_day()]
    journal.append(saturday, durable=True)
    board = Board()
    for days, is_of_it in ((4, True), (5, True), (6, False)):
        when = NOON + timedelta(days=days)
        found = from_what_stands(journal, when, board)
        assert found == from_all(journal, when, board)
        assert (saturday[-2].position in found.state.positions.by_id) is is_of_it
    journal.close()


@pytest.mark.parametrize("back", [5, 25])
def test_a_fill_of_a_closed_position_is_known_by_its_own_record(back: int, place: Place) -> None:
    """Its order is not read any more: the time it was sent at, and the multiplier, are of no help."""
    executed_at, sent_at = (at(clock) - timedelta(days=back) for clock in ("9:59:40", "10:00:02"))
    reported = changed(sound_day(), lambda r: r.kind is Kind.FILL, 0, executed_at=executed_at.isoformat())
    reported = changed(reported, lambda r: r.kind is Kind.ORDER and r.data["number"] == 1, 2, sent_at=utc_text(sent_at))
    journal = SqlJournal(open_store(place))
    journal.append([moved(record, back) for record in reported], durable=True)
    when, board = NOON, Board()
    found = from_what_stands(journal, when, board)
    assert found == from_all(journal, when, board)
    assert len(found.state.positions.executions) == 2
    journal.close()


def test_a_fill_says_when_it_was_dealt_and_how_many_it_counts_for(place: Place) -> None:
    dealt = at("9:58")
    reported = changed(sound_day(), lambda r: r.kind is Kind.FILL, 0, dealt_at=dealt.isoformat(), multiplier=10)
    journal = SqlJournal(open_store(place))
    journal.append(reported, durable=True)
    for later in (timedelta(0), timedelta(days=4)):
        booked = from_what_stands(journal, NOON + later, Board()).state.positions.executions["e.1"]
        assert (booked.dealt_at, booked.cash) == (dealt, Decimal("24.00"))
    journal.close()


@pytest.mark.parametrize("hours", [-20, -1, 0, 1, 20])
def test_a_clock_that_was_set_back_takes_no_fill_from_a_start(hours: int, place: Place) -> None:
    """A fill counts by the time it was dealt at, which may lie after that of its record."""
    when, since = NOON, at("0:00") - FILLS_KEPT
    journal = SqlJournal(open_store(place))
    records = [moved(record, 40) for record in sound_day()]
    dealt = since + timedelta(minutes=1)
    for number, record in enumerate(records):
        if record.kind in (Kind.FILL, Kind.COMMISSION):
            data = record.data | ({"dealt_at": dealt.isoformat()} if record.kind is Kind.FILL else {})
            records[number] = Record(since + timedelta(hours=hours), record.kind, record.bot, record.position, data)
    journal.append(records, durable=True)
    found = from_what_stands(journal, when, Board())
    assert found.state.positions.executions == from_all(journal, when, Board()).state.positions.executions
    assert [each.is_paid for each in found.state.positions.executions.values()] == [True, True]
    journal.close()


@pytest.mark.parametrize("minutes", [0, 3, 6, 9, 12, 15, 600])
def test_the_cash_is_known_by_its_time_where_a_clock_was_set_back(minutes: int, place: Place) -> None:
    journal = written(place)
    begins = sound_day()[-1].at
    for after, cash in ((12, "100.00"), (1, "250.00"), (14, "100.00"), (3, "400.00")):
        data: dict[str, Json] = {"net_liquidation": "1", "cash": cash, "buying_power": None}
        journal.append([Record(begins + timedelta(minutes=after), Kind.ACCOUNT, data=data)], durable=True)
    when, board = begins + timedelta(minutes=minutes), Board()
    found = from_what_stands(journal, when, board)
    assert found == from_all(journal, when, board)
    journal.close()


def test_what_is_over_is_not_read(place: Place) -> None:
    journal = written(place, days=(90, 60))
    when = sound_day()[-1].at + timedelta(days=50)
    recalled = journal.recall(when)
    assert {record.kind for record in recalled.records} == {Kind.RUN_STARTED, Kind.LINK}
    assert (recalled.number, recalled.order_id) == (3, 3)
    board = Board()
    assert from_what_stands(journal, when, board) == from_all(journal, when, board)
    assert not from_all(journal, when, Board()).state.positions.executions
    assert len(from_all(journal, NOON, Board()).state.positions.executions) == 2
    journal.close()


def test_a_store_without_records_is_a_fresh_start(place: Place) -> None:
    journal = SqlJournal(open_store(place))
    found = journal.recall(NOON)
    assert (found.records, found.number, found.order_id) == ((), 0, 0)
    journal.close()
    assert differing_starts(place) == []


def test_the_audit_finds_a_table_that_would_mislead_a_start(place: Place) -> None:
    journal = SqlJournal(open_store(place))
    journal.append(sound_day(), durable=True)
    journal.close()
    assert [each.number for each in audit_store(place) if not each.holds] == []
    closed = "UPDATE trade_rows SET state = 'closed', exit_time = '2020-01-01T00:00:00.000000Z'"
    assert run(place, closed, "UPDATE order_rows SET state = 'filled'") > 0
    offences = {each.number: each.first for each in audit_store(place) if not each.holds}
    assert any("would know other positions" in each.text for each in offences[22])


def test_lines_that_a_killed_run_owes_are_added_from_what_is_recent(place: Place, tmp_path: Path) -> None:
    written(place, days=(60,)).close()
    SqlJournal(open_store(place), logs=tmp_path / "logs").close()
    files = {file: file.read_text() for file in sorted((tmp_path / "logs").rglob("*.jsonl"))}
    assert files
    for file, text in files.items():
        lines = text.splitlines(keepends=True)
        file.write_text("".join(lines[:-1]))
    SqlJournal(open_store(place), logs=tmp_path / "logs").close()
    assert {file: sorted(file.read_text().splitlines()) for file in files} == {
        file: sorted(text.splitlines()) for file, text in files.items()
    }


def test_the_text_of_an_open_position_may_have_come_with_a_reload(place: Place) -> None:
    def spec(digest: str, file: str) -> dict[str, object]:
        return {"seller": {"digest": digest, "path": file, "text": f"# {digest}", "overrides": {}}}

    day = sound_day()[:13]
    text = Record(day[0].at, Kind.RELOAD, data={"what": "applied", "changes": [], "specs": spec("d1", "old.yaml")})
    later = day[-1].at + timedelta(minutes=1)
    reported = Record(later, Kind.RELOAD, "seller", data={"what": "changed", "was": "d1", "now": "d2"})
    newer = Record(later, Kind.RELOAD, data={"what": "applied", "changes": [], "specs": spec("d2", "new.yaml")})
    journal = SqlJournal(open_store(place))
    journal.append([day[0], text, *day[1:], reported, newer], durable=True)
    when, board = later + timedelta(hours=1), Board()
    found = from_what_stands(journal, when, board)
    assert found == from_all(journal, when, board)
    assert [(each.digest, each.file) for each in found.texts] == [("d1", "old.yaml")]
    journal.close()


def test_web_hooks_of_today_are_known_again_and_those_before_are_not_read(place: Place) -> None:
    def hook(when: datetime, number: int, says: str) -> Record:
        data = {"id": f"h{number}", "name": "trend", "says": says, "came": utc_text(when)}
        return Record(when, Kind.WEBHOOK, data=data)

    journal = written(place)
    yesterday, today = NOON - timedelta(days=1), NOON - timedelta(hours=1)
    hooks = [hook(yesterday, 1, "down"), hook(today, 2, "up"), hook(today + timedelta(minutes=1), 3, "down")]
    journal.append(hooks, durable=True)
    board = Board()
    found = from_what_stands(journal, NOON, board)
    assert found == from_all(journal, NOON, board)
    assert found.state.requests.hook_ids == {"h2", "h3"}
    assert found.state.market.facts.hooks == {"trend": Hook((today + timedelta(minutes=1)).timestamp(), "down")}
    assert [r.data["id"] for r in journal.recall(NOON).records if r.kind is Kind.WEBHOOK] == ["h2", "h3"]
    journal.close()


def test_executions_of_others_are_known_again_for_as_long_as_fills_are(place: Place) -> None:
    def reported(days: int) -> Record:
        when = NOON - timedelta(days=days)
        option = Option("SPX", "SPXW", NOON.date(), Decimal(5945), Right.PUT, 5945)
        report = ExecutionReport(
            at=when,
            exec_id=ExecutionId(f"0009.{days:04d}"),
            ref="",
            order_id=0,
            perm_id=77,
            client_id=0,
            option=option,
            is_combo=False,
            is_buy=True,
            quantity=Decimal(1),
            price=Decimal("7.40"),
            executed_at=when,
        )
        return Record(when, Kind.ALARM, data={"text": "external", "contract": str(option), EXECUTION: encode(report)})

    journal = written(place)
    another = Record(NOON - timedelta(days=2), Kind.ALARM, data={"text": "another"})
    journal.append([reported(40), reported(2), reported(0), another], durable=True)
    board = Board()
    found = from_what_stands(journal, NOON, board)
    assert found == from_all(journal, NOON, board)
    assert [base for base, each in found.state.positions.executions.items() if each.foreign] == [
        "0009.0002",
        "0009.0000",
    ]
    assert sum(r.kind is Kind.ALARM for r in journal.recall(NOON).records) == 2
    journal.close()


def test_what_was_reported_today_of_the_account_is_known_again(place: Place) -> None:
    def reported(days: int) -> Record:
        option = Option("SPX", "SPXW", NOON.date(), Decimal(5900 + days), Right.PUT)
        beyond: list[Json] = [[encode(option), -1]]
        return Record(NOON - timedelta(days=days), Kind.ALARM, data={"text": "the account holds it", EXCESS: beyond})

    journal = written(place)
    journal.append([reported(1), reported(0)], durable=True)
    board = Board()
    found = from_what_stands(journal, NOON, board)
    assert found == from_all(journal, NOON, board)
    assert [(option.strike, each.reported) for option, each in found.state.account.excess.items()] == [(5900, -1)]
    journal.append([reported(-3)], durable=True)  # on a Saturday: that is of Monday's session, on a Sunday too
    for days, known in ((4, [5897]), (5, [5897]), (6, [])):
        found = from_what_stands(journal, NOON + timedelta(days=days), board)
        assert found == from_all(journal, NOON + timedelta(days=days), board)
        assert [option.strike for option in found.state.account.excess] == known
    journal.close()


def test_the_expected_move_of_the_open_is_known_again_and_those_before_are_not_read(place: Place) -> None:
    def noted(when: datetime, points: float, what: str = "opening_move") -> Record:
        data = {"symbol": "SPX", "what": what, "value": points, "expiry": "2026-11-18"}
        return Record(when, Kind.FACTS, "put_lite", data=data)

    journal = written(place)
    journal.append(
        [noted(NOON - timedelta(days=1), 31.5), noted(NOON, 42.25), noted(NOON, 7.0, "closes")], durable=True
    )
    board = Board()
    found = from_what_stands(journal, NOON, board)
    assert found == from_all(journal, NOON, board)
    assert list(found.state.market.facts.opening_moves.values()) == [42.25]
    assert [r.data["value"] for r in journal.recall(NOON).records if r.kind is Kind.FACTS] == [42.25]
    journal.close()


def test_the_last_price_grid_of_these_days_is_known_again(place: Place) -> None:
    journal = written(place, days=(7,))
    reported = {
        at("10:00"): (("GGG", "0 0.01"),),
        at("11:00"): (("GGG", "0 0.05 3 0.10"), ("SPY", "0 0.05")),
        at("10:00") - timedelta(days=9): (("XYZ", "0 0.05"), ("SPY", "0 0.01")),
        at("10:00") - timedelta(days=12): (("OLD", "0 0.05"),),
    }
    for when, rows in sorted(reported.items()):
        for name, steps in rows:
            data: dict[str, Json] = {"symbol": name, "what": TICKS, "value": encode(TickRule.of(steps.split()))}
            journal.append([Record(when, Kind.FACTS, data={**data, "trading_class": name})], durable=True)
    nickels = TickRule.of(("0", "0.05"))
    for found in (from_all(journal, NOON, Board()), from_what_stands(journal, NOON, Board())):
        assert found.state.market.facts.ticks == {"GGG": product("SPX").option_ticks, "SPY": nickels, "XYZ": nickels}
    journal.close()


def test_what_was_learned_today_to_be_of_an_earlier_day_is_known_again(place: Place) -> None:
    journal = written(place)
    name = next(iter(from_all(journal, NOON, Board()).state.positions.by_id))
    data = {"symbol": "", "what": "base", "value": "-250.15"}
    noted = [Record(when, Kind.FACTS, "put_lite", name, data) for when in (NOON - timedelta(days=1), NOON)]
    journal.append(noted, durable=True)
    board = Board()
    found = from_what_stands(journal, NOON, board)
    assert found == from_all(journal, NOON, board)
    assert found.state.positions.pnl_at_open[name] == Decimal("-250.15")
    assert sum(r.data.get("what") == "base" for r in journal.recall(NOON).records) == 1
    journal.append(
        [Record(NOON + timedelta(days=days), Kind.FACTS, "put_lite", name, data) for days in (2, 3)], durable=True
    )
    recalled = journal.recall(NOON + timedelta(days=5)).records  # on Monday: that of Saturday, and not of Friday
    assert [r.at for r in recalled if r.data.get("what") == "base"] == [NOON + timedelta(days=3)]
    journal.close()


def test_the_grid_of_a_watch_that_was_cut_is_known_again(place: Place) -> None:
    def reported(minute: int, what: str, **more: str) -> Record:
        data = {"what": what, "reason": "", "values": [], **more}
        return Record(NOON + timedelta(minutes=minute), Kind.DECISION, "spread", data=data)

    journal = SqlJournal(open_store(place))
    said = encode(BotDay(bot="spread", date=NOON.date(), entries=1))
    assert isinstance(said, dict)
    known: list[datetime | None] = []
    for each in (
        reported(-3000, "watch"),
        Record(NOON, Kind.BOT_DAY, "spread", data=said),
        reported(0, "watch"),
        reported(2, "watch", since=utc_text(NOON)),
        reported(3, "stop watching"),
        reported(4, "watch"),
        reported(5, "enter"),
    ):
        journal.append([each], durable=True)
        board = Board()
        found = from_what_stands(journal, NOON + timedelta(minutes=9), board)
        assert found == from_all(journal, NOON + timedelta(minutes=9), board)
        known += [bot.grid_since for bot in found.state.bots.by_name.values()]
    assert known == [None, NOON, NOON, None, NOON + timedelta(minutes=4), None]
    journal.close()


def test_what_an_operator_had_entered_is_known_again(place: Place) -> None:
    journal = SqlJournal(open_store(place))
    day = sound_day()[:9]
    entered = next(record for record in day if record.kind is Kind.DECISION and record.data["what"] == "enter")
    by_hand = Record(entered.at, entered.kind, entered.bot, entered.position, {**entered.data, "by_hand": True})
    said = encode(BotDay(bot=entered.bot, date=entered.at.date(), entries=1))
    assert isinstance(said, dict)
    journal.append([by_hand if record is entered else record for record in day], durable=True)
    journal.append([Record(entered.at, Kind.BOT_DAY, entered.bot, data=said)], durable=True)
    board = Board()
    found = from_what_stands(journal, NOON, board)
    assert found == from_all(journal, NOON, board)
    assert found.state.bots.by_name[entered.bot].manual_position == entered.position
    journal.close()


def test_an_entry_by_hand_whose_position_is_over_hides_none_that_stands(place: Place) -> None:
    """The audit found that a start would know another state."""
    journal = SqlJournal(open_store(place))
    day = [
        Record(each.at, each.kind, each.bot, each.position, {**each.data, "by_hand": True})
        if each.data.get("what") == "enter"
        else each
        for each in sound_day()
    ]
    stands, over = [moved(each, 2) for each in day[:13]], [moved(each, 1) for each in day]
    said = encode(BotDay(bot="seller", date=NOON.date(), entries=1))
    assert isinstance(said, dict)
    journal.append([*stands, *over, Record(day[0].at, Kind.BOT_DAY, "seller", data=said)], durable=True)
    board = Board()
    found = from_what_stands(journal, NOON, board)
    assert found == from_all(journal, NOON, board)
    assert found.state.bots.by_name["seller"].manual_position == stands[-1].position
    journal.close()
