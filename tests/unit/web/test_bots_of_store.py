"""What a store alone says of its bots: as a running engine would, as far as it is recorded."""

from contextlib import closing
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from hand_desk import HALF_DAY, bot_of, clock, text_of
from run_day import SPECS, day_program
from store_day import CONDOR, DAY, SELLER, WATCHER, at, entity, position, small_day

from rulebot.cli.main import main
from rulebot.core.entry.manual_entry import ASKED
from rulebot.decide.entry_window import BotDay
from rulebot.documents.load_bots import load_all_bots
from rulebot.model.cause import Halt
from rulebot.model.session import EXCHANGE_ZONE
from rulebot.narrate.snapshot import BotSnapshot, Snapshot
from rulebot.narrate.snapshot_of_store import next_window, snapshot_of_store
from rulebot.record.record import DATA_TROUBLE, LATE, Json, Kind, Record
from rulebot.store.journal import SqlJournal
from rulebot.store.place import Place
from rulebot.store.queries import StoreReader
from rulebot.store.registry import open_store
from rulebot.web import rest_mapping as book

PROGRAM = day_program()


def shown(folder: Path, clock: str, *more: Record) -> Snapshot:
    """Return the picture of the hand-made day up to a time and what is added, while an engine has the store."""
    records = [_of_shipped_texts(record) for record in small_day() if record.at <= at(clock)]
    journal = SqlJournal(open_store(folder / "a.db"))
    journal.append([*records, *more], durable=True)
    try:
        with StoreReader(folder / "a.db") as reader:
            return snapshot_of_store(reader)
    finally:
        journal.close()


RESTS = "; until one does, only what rests at the broker closes"


@pytest.mark.parametrize(
    ("settings", "clock", "notice"),
    [
        ({"mode": "paper"}, "15:00", f"{RESTS} the open position"),
        ({"mode": "paper"}, "10:00", f"{RESTS} the 2 open positions"),
        ({"mode": "paper"}, "09:29", ""),
        ({"mode": "paper", "sim": True, "gateway": "127.0.0.1:4002"}, "15:00", f"{RESTS} the open position"),
        ({"mode": "paper", "sim": True}, "15:00", ""),
        ({"mode": "observe", "gateway": "127.0.0.1:4002"}, "15:00", ""),
        ({"mode": "backtest"}, "10:00", ""),
    ],
)
def test_without_an_engine_it_is_reported_that_exits_are_judged_by_nobody(
    settings: dict[str, object], clock: str, notice: str, tmp_path: Path
) -> None:
    """The levels of a target and a stop stood there as while an engine watched them.

    Of a simulated day, whose broker has ended with it, it was told as well.
    """
    records = [record for record in small_day() if record.at <= at(clock)]
    records[0] = replace(records[0], data={**records[0].data, "settings": settings})
    with closing(SqlJournal(open_store(tmp_path / "a.db"))) as journal:
        journal.append(records, durable=True)
    with StoreReader(tmp_path / "a.db") as reader:
        assert snapshot_of_store(reader).notice == f"no engine runs on this store{notice}"


def _of_shipped_texts(record: Record) -> Record:
    """Return the record with the specs, and the digests of positions, as a real run has them."""
    digests = {name: bot.plan.digest for name, bot in PROGRAM.bots.items()}
    data: dict[str, Json] = dict(record.data)
    if record.kind is Kind.RUN_STARTED:
        texts = {name: (SPECS / f"{name}.yaml").read_text(encoding="utf-8") for name in digests}
        data["specs"] = {n: {"digest": d, "path": f"{n}.yaml", "text": texts[n]} for n, d in digests.items()}
    elif "digest" in data:
        data["digest"] = digests[record.bot]
    return Record(record.at, record.kind, record.bot, record.position, data)


def asked(clock: str, request: str, bot: str = "") -> Record:
    return Record(at(clock), Kind.OPERATOR, bot, "", {"id": f"{clock}-{request}-{bot}", "request": request})


def decided(clock: str, what: str) -> Record:
    return Record(at(clock), Kind.DECISION, WATCHER, "", {"what": what, "reason": "", "values": []})


def line(picture: Snapshot, bot: str) -> BotSnapshot:
    (found,) = (each for each in picture.bots if each.bot == bot)
    return found


def test_before_its_window_a_bot_waits_for_it(tmp_path: Path) -> None:
    found = line(shown(tmp_path, "09:30"), WATCHER)
    assert (found.doing, found.waits, found.profit) == ("flat", "its window, 10:30", None)


def test_a_bot_that_watches_names_the_condition_that_does_not_hold(tmp_path: Path) -> None:
    found = line(shown(tmp_path, "11:00", decided("11:00", "watch")), WATCHER)
    assert (found.doing, found.waits) == ("watching", "day_range 28.4, below 0.6 x 46.1 = 27.7 (since 10:30)")


def test_a_bot_that_chooses_among_symbols_is_known_as_one(tmp_path: Path) -> None:
    name = "vertical_switch"
    bot = load_all_bots([str(SPECS / f"{name}.yaml")], {}, None).bots[name]
    text = (SPECS / f"{name}.yaml").read_text(encoding="utf-8")
    specs: Json = {name: {"digest": bot.plan.digest, "path": f"{name}.yaml", "text": text}}
    again = Record(at("11:01"), Kind.RUN_STARTED, "", "", {**small_day()[0].data, "specs": specs})
    assert [(each.bot, each.has_universe) for each in shown(tmp_path, "11:00", again).bots] == [(name, True)]
    assert not any(each.has_universe for each in shown(tmp_path / "b", "11:00").bots)


def test_a_growing_quantity_and_delayed_data_are_shown_and_reported_by_rest(tmp_path: Path) -> None:
    name, file = "growing", SPECS.parent / "examples" / "growing.yaml"
    bot, text = load_all_bots([str(file)], {}, None).bots[name], file.read_text(encoding="utf-8")
    specs: Json = {name: {"digest": bot.plan.digest, "path": "growing.yaml", "text": text}}
    again = Record(at("11:01"), Kind.RUN_STARTED, "", "", {**small_day()[0].data, "specs": specs})
    link = Record(at("11:01"), Kind.LINK, "", "", {"up": True, "reason": "", "account": "DU1", "lockstep": False})
    late = Record(at("11:02"), Kind.FACTS, "", "", {"symbol": "SPX", "what": DATA_TROUBLE, "value": "x", LATE: [name]})
    day = BotDay(bot=name, date=at("11:02").date(), compliant=21, row_of=bot.plan.digest)
    found = shown(tmp_path, "11:00", again, link, late, entity(Kind.BOT_DAY, at("11:02"), day))
    grown = line(found, name).grown
    assert grown is not None
    assert grown.words == ("quantity 2 of at most 3: 21 compliant sessions in a row before this one, 19 more make it 3")
    assert [(each.symbol, each.bots) for each in found.late] == [("SPX", (name,))]
    with StoreReader(tmp_path / "a.db") as reader:
        reported = book.status(reader, found)
    assert [(each.quantity, each.compliant_sessions) for each in reported.bots] == [(2, 21)]
    assert [(each.symbol, each.bots) for each in reported.delayed_data] == [("SPX", [name])]
    said = CliRunner().invoke(main, ["status", "--store", str(tmp_path / "a.db")]).output
    assert f" growing {grown.words}\n" in said
    assert "SPX is 10 to 15 minutes late. growing trades on it (delayed_data: allow)\n" in said


def test_of_a_wing_that_is_left_to_expire_nothing_is_said_to_close_it(tmp_path: Path) -> None:
    """`rulebot top` said 'target: closing' for hours, and the page of its engine what is left."""
    whole = position("exiting", entries=True, exits=True, opened_at=at("09:52"), exit_reason="target")
    left = replace(
        whole, digest=PROGRAM.bots[CONDOR].plan.digest, legs=(*whole.legs[:-1], replace(whole.legs[-1], closed=0))
    )
    found = line(shown(tmp_path, "13:10", entity(Kind.POSITION, at("13:10"), left)), CONDOR)
    assert (found.doing, found.waits) == ("exiting", "target: the rest is long and has no bid")


def test_what_is_unknown_says_why(tmp_path: Path) -> None:
    found = line(shown(tmp_path, "11:16", decided("11:17", "watch")), WATCHER)
    assert found.waits == "vix unknown, in 12 to 22, VIX: no price for 42 s (since 11:15)"


def test_of_many_verdicts_the_last_ones_are_read(day_place: Place) -> None:
    with StoreReader(day_place) as reader:
        every = reader.day(WATCHER, DAY, (Kind.VERDICT,))
        assert len(every) > 5
        assert reader.day(WATCHER, DAY, (Kind.VERDICT,), last=3) == every[-3:]


def test_after_its_window_a_bot_says_that_it_is_over(tmp_path: Path) -> None:
    watched = (decided("13:30", "watch"), decided("13:31", "stop watching"))
    found = line(shown(tmp_path, "13:30", *watched), WATCHER)
    assert (found.doing, found.waits) == ("flat", "its window is over")


def test_open_positions_say_their_exits_by_the_text_that_governs_them(tmp_path: Path) -> None:
    picture = shown(tmp_path, "11:00")
    condor = line(picture, CONDOR)
    assert (condor.doing, condor.profit) == ("open", 10.0)
    assert condor.waits.startswith("target 0.42; stop 1.70; time 15:45; breach")
    assert line(picture, SELLER).waits.startswith("resting: target 2.03, stop 15.21")
    (position,) = (each for each in picture.positions if each.bot == CONDOR)
    assert position.at_target == pytest.approx(42.5)
    assert position.at_stop == pytest.approx(-85)


@pytest.mark.parametrize(
    ("requests", "trading", "doing", "is_paused"),
    [
        ((), "active", "flat", False),
        ((("pause", WATCHER),), "active", "paused", True),
        ((("pause", WATCHER), ("resume", WATCHER)), "active", "flat", False),
        ((("flatten", WATCHER),), "active", "paused", True),  # the other bots continue
        ((("pause", ""),), "reducing", "paused", False),  # its own resume would change nothing
        ((("pause", ""), ("resume", WATCHER)), "reducing", "paused", False),
        ((("pause", WATCHER), ("flatten", "")), "reducing", "paused", True),
        ((("pause", WATCHER), ("flatten", ""), ("resume", "")), "active", "flat", False),
        ((("reload", ""),), "active", "flat", False),
    ],
)
def test_what_operators_left_standing_is_shown(
    tmp_path: Path, requests: tuple[tuple[str, str], ...], trading: str, doing: str, is_paused: bool
) -> None:
    records = [asked(f"11:0{number}", *each) for number, each in enumerate(requests)]
    picture = shown(tmp_path, "11:00", *records)
    found = line(picture, WATCHER)
    assert (picture.trading, found.doing, found.is_paused) == (trading, doing, is_paused)
    assert bool(picture.notice) is (trading != "active")


@pytest.mark.parametrize(
    ("clock", "decision", "waits"),
    [
        ("11:02", None, "to enter, as asked"),
        (
            "11:02",
            ("skip", "asked by the operator: the market is closed"),
            "asked by the operator: the market is closed",
        ),
        ("11:02", ("skip", "an entry of it is working"), "to enter, as asked"),
        ("11:02", ("unfilled", "its tries are over"), "not filled: its tries are over"),
        ("11:20", ("unfilled", "its tries are over"), "its window is open until 13:30"),
    ],
)
def test_what_became_of_an_entry_by_hand_is_said_for_a_while(
    tmp_path: Path, clock: str, decision: tuple[str, str] | None, waits: str
) -> None:
    records = [asked("11:01", "enter", WATCHER)]
    if decision is not None:
        what, reason = decision
        data: dict[str, Json] = {"what": what, "reason": reason, "values": []}
        if reason.startswith(ASKED):
            data["by_hand"] = True
        records.append(Record(at("11:01"), Kind.DECISION, WATCHER, "", data))
    picture = shown(tmp_path, "11:00", *records, Record(at(clock), Kind.ALARM, "", "", {"text": "later"}))
    assert line(picture, WATCHER).waits == waits


def test_a_position_that_was_not_valued_yet_has_no_profit(tmp_path: Path) -> None:
    assert line(shown(tmp_path, "09:52"), CONDOR).profit is None


def test_a_position_that_was_closed_today_is_reported_by_its_end(tmp_path: Path) -> None:
    found = line(shown(tmp_path, "13:30"), CONDOR)
    assert (found.doing, found.position, found.profit) == ("flat", "closed: target", pytest.approx(36.8))


def test_a_pause_of_an_earlier_run_still_stands(tmp_path: Path) -> None:
    first = small_day()[0]
    later = {**_of_shipped_texts(first).data, "session": (DAY + timedelta(days=1)).isoformat()}
    again = Record(at("15:00"), Kind.RUN_STARTED, "", "", later)
    session = next(record for record in small_day() if record.kind is Kind.SESSION)
    hours = Record(at("15:00"), Kind.SESSION, "", "", session.data)
    picture = shown(tmp_path, "11:00", asked("11:01", "pause"), again, hours)
    assert (picture.engine, picture.trading) == ("running", "reducing")


def test_what_only_reduces_though_no_person_asked_says_why(tmp_path: Path) -> None:
    data: dict[str, Json] = {"id": "1", "request": "kill", "bot": "", "reason": "3 starts in 10 minutes"}
    picture = shown(tmp_path, "11:00", Record(at("11:01"), Kind.OPERATOR, data=data))
    assert picture.notice.startswith("3 starts in 10 minutes: nothing is opened, exits continue")


def test_of_a_position_that_is_closed_in_part_what_is_left_is_shown(tmp_path: Path) -> None:
    """A snapshot is of one structure: two of four are held, and only these have greeks and something to lose."""
    whole = position("open", entries=True, exits=False, opened_at=at("09:52"))
    legs = tuple(replace(leg, opened=4, closed=2, entry_cash=4 * leg.entry_cash) for leg in whole.legs)
    part = entity(Kind.POSITION, at("10:30"), replace(whole, quantity=4, legs=legs))
    greeks: dict[str, Json] = {"delta": 0.03, "gamma": -0.001, "theta": 3.0, "vega": -0.5}
    worth: dict[str, Json] = {"bid": "-0.6", "ask": "-0.5", "mid": "-0.55", "spot": "6001", "profit": "50", "iv": 0.2}
    mark = Record(at("10:31"), Kind.MARK, CONDOR, "P1", {**greeks, **worth, "quantity": 2})
    picture = shown(tmp_path, "10:00", _of_shipped_texts(part), mark)
    (found,) = (each for each in picture.positions if each.bot == CONDOR)
    assert found.greeks["delta"] == pytest.approx(0.03 * 2 * 100)
    assert found.greeks["theta"] == pytest.approx(3 * 2 * 100)
    assert found.max_loss == 1677.14, "2000 - 4 x 85, 4.10 paid in commissions, 13.04 to close the other two"
    with StoreReader(tmp_path / "a.db") as reader:
        reported, risk = book.greeks(reader, picture), book.risk(reader, picture)
        (open_now,) = (each for each in book.positions(reader, picture) if each.strategy_id == CONDOR)
    assert [each.delta for each in reported.positions if each.strategy_id == CONDOR] == [found.greeks["delta"]]
    assert [each.worst_case for each in risk.positions if each.strategy_id == CONDOR] == [1677.14]
    assert (open_now.quantity, open_now.open_quantity) == (4, 2)
    assert open_now.structure == found.structure == "2 of 4 x 5920/5930p 6065/6075c"


def test_today_is_what_was_made_since_the_session_began(tmp_path: Path) -> None:
    """What a position had made by the evening before is not counted: 22.00 less the 7.00 of then."""
    worth: dict[str, Json] = {"bid": "-4.87", "ask": "-4.83", "mid": "-4.85", "spot": "601.0", "profit": "22.00"}
    mark = Record(at("10:00", DAY + timedelta(days=1)), Kind.MARK, SELLER, "P2", worth)
    picture = shown(tmp_path, "16:05", mark)
    assert (picture.realized, picture.unrealized, picture.today) == (0.0, 15.0, 15.0)
    assert line(picture, SELLER).profit == 15.0
    (found,) = picture.positions
    assert found.profit == 22.0, "since it was opened"
    with StoreReader(tmp_path / "a.db") as reader:
        assert (book.profit(reader, picture).total_pnl, book.performance(reader, picture).total_pnl) == (15.0, 15.0)


def test_of_two_underlyings_and_expiries_the_first_and_the_nearest_are_shown(tmp_path: Path) -> None:
    whole = position("open", entries=True, exits=False, opened_at=at("09:52"))
    first, second, *_ = whole.legs
    later = replace(first.option, symbol="SPY", trading_class="SPY", expiry=DAY + timedelta(days=9))
    legs = (replace(first, option=replace(first.option, expiry=DAY + timedelta(days=2))), replace(second, option=later))
    pair = entity(Kind.POSITION, at("10:30"), replace(whole, legs=legs))
    worth: dict[str, Json] = {"bid": "-0.6", "ask": "-0.5", "mid": "-0.55", "spot": "6001.5", "profit": "50"}
    mark = Record(at("10:31"), Kind.MARK, CONDOR, "P1", worth)
    picture = shown(tmp_path, "10:00", _of_shipped_texts(pair), mark)
    assert dict(picture.levels) == {"SPX": 6001.5}
    assert [each.dte for each in picture.positions if each.bot == CONDOR] == [2]
    with StoreReader(tmp_path / "a.db") as reader:
        assert [each.dte for each in book.positions(reader, picture) if each.strategy_id == CONDOR] == [2]


@pytest.mark.parametrize(
    ("entry", "now", "opens"),
    [
        ('{window: {from: "13:30", to: "14:30"}}', clock("09:00", HALF_DAY), clock("13:30", date(2026, 11, 30))),
        ('{window: {from: "10:00", to: "11:00"}, days: [tue]}', clock("12:00"), clock("10:00", date(2026, 11, 24))),
    ],
)
def test_no_window_is_reported_that_is_empty_on_its_day(entry: str, now: datetime, opens: datetime) -> None:
    """After an early close, or on a day of the week on which the bot does not enter: the close was told for it."""
    text = text_of(entry=entry)
    reported: Any = SimpleNamespace(
        specs={"spread": {"digest": bot_of(text).plan.digest, "path": "spread.yaml", "text": text}}
    )
    found = next_window(NOTHING_DONE, reported, "spread", now)
    assert found is not None
    assert found[0] == opens


NOTHING_DONE: Any = SimpleNamespace(day=lambda bot, day, kinds: ())


@pytest.mark.parametrize(
    ("now", "used", "opens"),
    [
        ("09:59", {}, "2026-11-18 10:00"),
        ("10:00", {}, "2026-11-18 10:00"),
        ("10:30", {}, "2026-11-18 10:00"),
        ("10:30", {"entries": 1, "opened": 1}, "2026-11-19 10:00"),
        ("10:30", {"halt": Halt.CONDITION, "halt_rule": "vix", "halted": "vix 31"}, "2026-11-19 10:00"),
        ("11:00", {}, "2026-11-19 10:00"),
    ],
)
def test_a_window_that_is_open_and_not_used_up_is_the_next(now: str, used: dict[str, Any], opens: str) -> None:
    """Within its window a bot that may still enter had its next one tomorrow."""
    text = text_of(entry='{window: {from: "10:00", to: "11:00"}}')
    reported: Any = SimpleNamespace(
        specs={"spread": {"digest": bot_of(text).plan.digest, "path": "spread.yaml", "text": text}}
    )
    day = entity(Kind.BOT_DAY, at("09:30"), BotDay(bot="spread", date=date(2026, 11, 18), **used))
    reader: Any = SimpleNamespace(day=lambda bot, on, kinds: (day,))
    found = next_window(reader, reported, "spread", at(now))
    assert found is not None
    assert f"{found[0].astimezone(EXCHANGE_ZONE):%Y-%m-%d %H:%M}" == opens
