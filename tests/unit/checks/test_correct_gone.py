"""`rulebot store correct` of what the account has no more, of positions on hold that nothing else would ever end."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hand_desk import Desk, bot_of, kept, text_of

from rulebot.checks.journal.audit import audit_store
from rulebot.model.contract import Option, Underlying, share
from rulebot.model.errors import MisuseError
from rulebot.model.event import ExecutionReport, PositionReport
from rulebot.model.position import Position
from rulebot.model.session import session_after
from rulebot.record.codec import decode
from rulebot.record.record import Kind, Record
from rulebot.statement.correct_fill import correct
from rulebot.store.queries import StoreReader

SPY = Underlying("SPY")
WRITER = text_of(
    "writer",
    underlying="SPY",
    entry='{at: "10:00", max_open: 1}',
    legs="\n  expiry: {dte: {nearest: 90}}\n  stock: {buy: shares}\n  short_put: {sell: put, strike: {otm: 10 pts}}\n",
    exits="\n  - dte: {at_most: 5}\n",
    risk="{undefined_risk: allow}",
)


@pytest.fixture
def desk() -> Desk:
    """Return 100 shares and a short put that stand open, before the next session."""
    found = Desk((WRITER,), linked=False)
    text = {"digest": bot_of(WRITER).plan.digest, "path": "writer.yaml", "text": WRITER, "overrides": {}}
    started = Record(found.now, Kind.RUN_STARTED, data={"specs": {"writer": text}, "install": "abc123"})
    found.records.insert(0, started)
    found.quote(share("SPY"), 599.99, 600.01)
    found.link(positions=[])
    found.opened()
    found.until("16:30")
    found.now = session_after(found.day).open - timedelta(hours=3)
    return found


def shares(desk: Desk, count: int, cost: str) -> None:
    desk.send(PositionReport(desk.now, SPY, Decimal(count), Decimal(cost)))
    for _ in range(8):
        desk.tick(5)


def last(store: Path) -> Position:
    with StoreReader(store) as reader:
        return decode(Position, dict(reader.records([Kind.POSITION])[-1].data))


@pytest.mark.parametrize(("is_split", "price"), [(True, "605.20"), (False, "601.50")])
def test_what_a_person_has_sold_is_booked_at_what_it_brought(
    desk: Desk, price: str, tmp_path: Path, *, is_split: bool
) -> None:
    """Shares never expire: their position stayed on hold, and counted as open, for ever."""
    name, put = desk.position.id, desk.position.legs[1].option
    if is_split:
        shares(desk, 400, "150.0025")
        assert desk.position.is_split
    shares(desk, 0, "0")
    desk.holds(put, 0)
    for _ in range(8):
        desk.tick(5)
    assert desk.position.on_hold
    store, at = kept(desk, tmp_path), desk.now + timedelta(minutes=5)
    with pytest.raises(MisuseError, match=f"which leg of {name} is meant is not clear"):
        correct(store, name, Decimal(price), at=at)
    with pytest.raises(MisuseError, match="of that its price and commission can be corrected alone"):
        correct(store, name, Decimal(price), leg="stock", contracts=50, at=at)
    said = correct(store, name, Decimal(price), leg="stock", at=at)
    assert said == f"{name} stock: 100 missing contracts at {price}"
    assert last(store).state == "open"
    correct(store, name, Decimal("0.40"), leg="short_put", commission=Decimal("1.05"), at=at)
    after = last(store)
    assert (after.state, after.exit_reason, after.account_missing) == ("closed", "closed_by_hand", ())
    paid = sum(leg.entry_cash for leg in after.legs)
    assert after.cash == paid + 100 * Decimal(price) - 40
    correct(store, name, Decimal("0.35"), leg="short_put", at=at)
    assert last(store).cash == after.cash + 5
    assert [each.first for each in audit_store(store) if not each.holds] == []


@pytest.mark.parametrize("count", [400, 50])
def test_of_split_shares_all_must_be_gone(desk: Desk, count: int, tmp_path: Path) -> None:
    """Fewer are there after a reverse split, too, and none was sold."""
    shares(desk, count, f"{60001 / count:.4f}")
    assert desk.position.is_split
    with pytest.raises(MisuseError, match="no fill of 'writer-20261118-1' was taken up from the account"):
        correct(kept(desk, tmp_path), desk.position.id, Decimal(600), leg="stock", at=desk.now)


def test_what_goes_part_by_part_is_booked_at_a_price_for_each(desk: Desk, tmp_path: Path) -> None:
    """The price of the second part took the place of the first one's, and the second part was never booked."""
    name = desk.position.id
    shares(desk, 60, "600.01")
    first = kept(desk, tmp_path / "first")
    correct(first, name, Decimal(601), leg="stock", at=desk.now)
    assert (last(first).hold, last(first).legs[0].held) == (None, 60)
    with StoreReader(first) as reader:
        desk.records = list(reader.records(list(Kind)))
    desk.start_again()
    desk.link()
    assert not any("opened it anew" in text for text in desk.alarms)
    shares(desk, 0, "0")
    store = kept(desk, tmp_path / "then")
    assert correct(store, name, Decimal(602), at=desk.now) == f"{name} stock: 60 missing contracts at 602"
    assert correct(store, name, Decimal(603), at=desk.now) == f"{name} stock: 60 at 603 instead of 602"
    stock, _ = last(store).legs
    assert (stock.held, stock.exit_cash) == (0, Decimal(40 * 601 + 60 * 603))
    assert [each.first for each in audit_store(store) if not each.holds] == []


@pytest.mark.parametrize("is_reported", [False, True])
def test_shares_that_were_split_stay_so_when_the_option_beside_them_is_closed(
    desk: Desk, tmp_path: Path, *, is_reported: bool
) -> None:
    """Their worth counted again: the old number of them at the new price."""
    option = desk.position.legs[1].option
    shares(desk, 400, "150.0025")
    if is_reported:
        desk.now += timedelta(hours=4)
        desk.send(by_others(desk, option))
    desk.holds(option, 0)
    for _ in range(8):
        desk.tick(5)
    assert desk.position.is_split
    if not is_reported:
        store = kept(desk, tmp_path)
        correct(store, desk.position.id, Decimal("0.40"), leg="short_put", at=desk.now)
        assert last(store).is_split


def by_others(desk: Desk, option: Option) -> ExecutionReport:
    order = desk.submitted[0]
    reported = desk.execution(order, order.legs[1], 1, "0.40")
    return replace(reported, ref="", order_id=0, perm_id=77, client_id=0, option=option, is_buy=True)
