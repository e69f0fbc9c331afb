"""`rulebot store correct` of what another client has closed at an unknown price."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner
from hand_desk import DAY, SELLER, Desk, kept, put, text_of

from rulebot.checks.journal.books import journal_index, positions_follow_fills
from rulebot.cli.why import why
from rulebot.model.errors import MisuseError
from rulebot.model.event import MarketDataUpdated
from rulebot.model.order import Order
from rulebot.model.position import Position
from rulebot.model.session import session_after
from rulebot.model.values import replace
from rulebot.record.codec import decode
from rulebot.record.record import Kind
from rulebot.statement.correct_fill import correct
from rulebot.store.journal import SqlJournal
from rulebot.store.queries import StoreReader
from rulebot.store.registry import open_store

AT = datetime(2026, 11, 19, 14, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Return the store of a day on which another client has closed a position, and it was booked at an estimate."""
    desk = Desk((text_of(exits="\n  - at_expiry: settle\n"),))
    desk.opened()
    for option in (put(5935), put(5945)):
        desk.holds(option, 0)
    for _ in range(7):
        desk.tick(5)
    desk.until("16:00:30", step=60)
    for option in (put(5935), put(5945)):
        desk.holds(option, 0)
    assert desk.position.exit_reason == "closed_by_hand_estimated"
    return kept(desk, tmp_path)


def last(store: Path) -> Position:
    journal = SqlJournal(open_store(store))
    try:
        return decode(Position, dict(journal.read((Kind.POSITION,))[-1].data))
    finally:
        journal.close()


def test_its_legs_are_corrected_one_by_one_with_what_they_cost(store: Path) -> None:
    before = last(store)
    correct(store, before.id, Decimal("4.80"), leg="long_put", commission=Decimal("1.63"), at=AT)
    assert last(store).exit_reason == "closed_by_hand_estimated"
    said = correct(store, before.id, Decimal("7.40"), leg="short_put", at=AT)
    assert said.startswith(f"{before.id} short_put: 1 at 7.40 instead of ")
    entry = sum(leg.entry_cash for leg in before.legs)
    after = last(store)
    assert (after.exit_reason, after.cash) == ("closed_by_hand", entry + 480 - 740)
    assert after.commissions == before.commissions + Decimal("1.63")
    correct(store, before.id, Decimal("4.80"), leg="long_put", commission=Decimal("1.70"), at=AT)
    assert last(store).commissions == before.commissions + Decimal("1.70")
    journal = SqlJournal(open_store(store))
    assert list(positions_follow_fills(journal_index(tuple(enumerate(journal.read(), 1))))) == []
    journal.close()


def test_a_price_that_was_typed_wrong_is_corrected_once_more_also_on_a_later_day(store: Path) -> None:
    before = last(store)
    correct(store, before.id, Decimal("4.70"), leg="long_put", at=AT)
    correct(store, before.id, Decimal("4.80"), leg="long_put", at=AT + timedelta(days=1))
    estimated = next(leg.exit_cash for leg in before.legs if leg.name == "long_put")
    assert last(store).cash == before.cash - estimated + 480


def test_the_last_day_of_a_bot_is_the_one_on_which_it_did_something(store: Path) -> None:
    """Asked without a date, `why` told of the day of the correction."""
    name = last(store).id
    correct(store, name, Decimal("4.70"), leg="long_put", at=AT)
    correct(store, name, Decimal("7.40"), leg="short_put", at=AT + timedelta(days=1))
    with StoreReader(store) as reader:
        assert (reader.last_day("spread"), reader.last_day()) == (DAY, DAY + timedelta(days=2))
        activity = reader.last_activity("spread")
        assert activity is not None
        assert activity.date() == DAY, "as `rulebot list` has it"
    reported = CliRunner().invoke(why, ["spread", "--store", str(store)]).output
    assert str(DAY) in reported.splitlines()[0]


def taken_up() -> tuple[Desk, Order]:
    """Return a day after one on which an exit had filled while no engine was connected."""
    sections = {"exits": '\n  - time: "15:00"\n', "exit_order": "{start: mid, wait: 600s, tries: 9, then: market}"}
    desk = Desk((text_of("seller", **{**SELLER, **sections}),), at="10:00")
    desk.opened("10:01")
    desk.until("15:00")
    order = desk.last
    desk.ack(order)
    desk.unlink()
    desk.day = session_after(desk.day).date
    desk.now = session_after(desk.now.date()).open - timedelta(minutes=30)
    desk.freshen()
    desk.send(MarketDataUpdated(desk.now, ()))
    desk.link([], {})
    assert desk.position.state == "closed"
    return desk, order


def test_so_is_one_of_an_order_of_ours(tmp_path: Path) -> None:
    """It was refused: its position was closed before the fill was taken up, it said."""
    desk, order = taken_up()
    path = kept(desk, tmp_path)
    for days, price in enumerate(("2.40", "2.50"), 1):
        said = correct(path, order.ref, Decimal(price), at=desk.now + timedelta(days=days))
        assert f" at {price} instead of " in said
    assert [-leg.exit_cash for leg in last(path).legs] == [250]


def test_what_was_reported_after_all_is_no_estimate_any_more(tmp_path: Path) -> None:
    desk, order = taken_up()
    for execution in desk.executions_of(order, 1):
        desk.send(replace(execution, price=Decimal("2.45")))
    assert [-leg.exit_cash for leg in desk.position.legs] == [245]
    with pytest.raises(MisuseError, match="was taken up from the account") as raised:
        correct(kept(desk, tmp_path), order.ref, Decimal("2.40"), at=desk.now)
    assert raised.value.help == "fills that happened without a report: none"


def test_a_leg_must_be_named_where_several_are_meant(store: Path) -> None:
    with pytest.raises(MisuseError, match="which leg of"):
        correct(store, last(store).id, Decimal("4.80"), at=AT)


def test_a_part_that_a_person_closed_is_corrected_by_the_command_that_its_alarm_names(tmp_path: Path) -> None:
    """The rest of its leg expires: by the position alone it is not clear which of them is meant."""
    desk = Desk((text_of(exits="\n  - at_expiry: settle\n", quantity="2", risk="{max_loss_per_trade: $5000}"),))
    desk.opened()
    desk.holds(put(5945), -1)
    for _ in range(7):
        desk.tick(5)
    desk.until("16:00:30", step=60)
    for option in (put(5935), put(5945)):
        desk.holds(option, 0)
    assert [(leg.closed, leg.settled) for leg in desk.position.legs] == [(2, 1), (2, 2)]
    (said,) = [text for text in desk.alarms if "store correct" in text]
    ref = said.partition("store correct ")[2].partition(" PRICE'")[0]
    store, name = kept(desk, tmp_path), desk.position.id
    with pytest.raises(MisuseError, match="a part of short_put"):
        correct(store, name, Decimal("2.00"), leg="short_put", at=AT)
    done = correct(store, ref, Decimal("2.00"), at=AT)
    assert done.startswith(f"{name} short_put: 1 at 2.00 instead of ")
    assert [(leg.closed, leg.settled) for leg in last(store).legs] == [(2, 1), (2, 2)]
