"""A store counted: each number is that of its records, and what was read before is read again when it has changed."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from store_day import CONDOR, SELLER, at, condor, entity, put, small_day

from rulebot.model.contract import share
from rulebot.model.order import Order, OrderLeg, OrderStatus, OrderType, Purpose, Side
from rulebot.record.codec import decode
from rulebot.record.record import Kind
from rulebot.store import queries as tally_module
from rulebot.store.journal import SqlJournal
from rulebot.store.place import Place
from rulebot.store.queries import Known, StoreReader, Tally
from rulebot.store.registry import open_store


def counted(place: Place, known: Known) -> Tally:
    with StoreReader(place) as reader:
        return reader.tally(known)


def write(place: Place, order: Order) -> None:
    journal = SqlJournal(open_store(place))
    journal.append([entity(Kind.ORDER, order.changed_at, order)], durable=True)
    journal.close()


def test_a_day_is_counted(day_place: Place) -> None:
    found = counted(day_place, {})
    assert (found.fills, found.alarms, found.losses) == ({CONDOR: 8}, {SELLER: 1}, 0)
    assert found.net == {CONDOR: Decimal("36.80")}
    assert [(each.bot, each.purpose, each.state, each.slippage) for each in found.orders] == [
        (CONDOR, "entry", "filled", Decimal(5)),
        (CONDOR, "exit", "filled", Decimal(-5)),
        (SELLER, "entry", "filled", None),
        (SELLER, "target", "working", None),
        (SELLER, "stop", "working", None),
    ]
    assert [each.seconds for each in found.orders] == [
        0.0,
        0.0,
        None,
        None,
        None,
    ]  # no execution of the put is recorded


def test_only_what_has_changed_is_read_again(day_place: Place) -> None:
    known: Known = {}
    before = counted(day_place, known)
    kept = dict(known)
    assert counted(day_place, known) == before
    assert all(known[number] is kept[number] for number in known)
    write(day_place, condor("rb-9", 9, Purpose.EXIT, reason="time", prepared_at=at("14:00"), changed_at=at("14:00")))
    found = counted(day_place, known)
    assert (len(found.orders), found.orders[-1].state) == (len(before.orders) + 1, "prepared")
    assert all(known[number] is kept[number] for number in kept)


@pytest.mark.parametrize("fetched", [500, 0])
def test_a_correction_and_an_end_are_seen(day_place: Place, monkeypatch: pytest.MonkeyPatch, fetched: int) -> None:
    monkeypatch.setattr(tally_module, "FETCHED", fetched)
    known: Known = {}
    counted(day_place, known)
    recorded = [decode(Order, dict(each.data)) for each in small_day() if each.kind is Kind.ORDER]
    entry = next(each for each in reversed(recorded) if each.ref == "rb-1")
    stop = next(each for each in recorded if each.ref == "rb-5")
    write(day_place, replace(entry, average_price=Decimal("-0.80")))
    write(day_place, replace(stop, status=OrderStatus.CANCELLED, changed_at=at("15:00")))
    found = counted(day_place, known)
    assert found == counted(day_place, {})
    assert (found.orders[0].slippage, found.orders[-1].state) == (Decimal(10), "cancelled")


def test_slippage_of_one_leg_alone_counts_all_of_a_structure(tmp_path: Path) -> None:
    """Its price is that of one contract, or share: 0.05 worse of two puts is 10.00, of a hundred shares 5.00."""
    when = at("10:00")
    for number, option, ratio in ((1, put(5930), 2), (2, share("SPY"), 100)):
        order = Order(
            ref=f"rb-{number}", number=number, bot=SELLER, position="P9", purpose=Purpose.EXIT, reason="time",
            legs=(OrderLeg("leg", option, Side.SELL, ratio=ratio),), side=Side.SELL, quantity=1,
            kind=OrderType.LIMIT, mid=Decimal("1.10"), average_price=Decimal("1.05"), leg_filled=(ratio,),
            status=OrderStatus.FILLED, prepared_at=when, sent_at=when, changed_at=when,
        )  # fmt: skip
        write(tmp_path / "a.db", order)
    assert [each.slippage for each in counted(tmp_path / "a.db", {}).orders] == [Decimal(10), Decimal(5)]
