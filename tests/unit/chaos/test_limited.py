"""What chaos says where the account document changes: entries and refusals by the one in force, each as it was read."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from rulebot.chaos.limits_check import ChaosResult, documents_taken_up, entries_and_refusals
from rulebot.chaos.spec_files import ReadVersion, RecordedVersion
from rulebot.compile.plan import DayBounds
from rulebot.core.program import AccountLimits
from rulebot.decide.entry_window import BotDay
from rulebot.decide.limits import account_day_problem
from rulebot.documents.load_bots import NO_BOTS, load_all_bots
from rulebot.live.start import UNLIMITED
from rulebot.model.cause import Halt
from rulebot.model.contract import Option, Right
from rulebot.model.order import Order, OrderLeg, OrderStatus, OrderType, Purpose, Side
from rulebot.model.position import Position, PositionLeg
from rulebot.record.codec import encode
from rulebot.record.record import NO_LIMITS_GIVEN, Json, Kind, Record
from rulebot.spec.files import shipped
from rulebot.spec.nouns import Amount, PromotionEvidence, Unit

BOT, ID = "put_lite", "reload-1"
NOON = datetime(2026, 10, 21, 16, 0, tzinfo=UTC)
PUT = Option("SPX", "SPXW", date(2026, 10, 21), Decimal(5900), Right.PUT, con_id=5900)


def at(second: int) -> datetime:
    return NOON + timedelta(seconds=second)


def limits(**named: Any) -> Json:
    return cast(Json, encode(AccountLimits(**named)))


def position(name: str, state: str = "entering", quantity: int = 1, risk: int = 500) -> Position:
    leg = PositionLeg(name="short_put", option=PUT, sign=-1, ratio=1)
    return Position(
        id=name, bot=BOT, digest="d", state=state, session=NOON.date(), quantity=quantity, legs=(leg,),
        entry_mid=None, max_risk=Decimal(risk),
    )  # fmt: skip


def kept(second: int, found: Position) -> Record:
    return Record(at(second), Kind.POSITION, BOT, found.id, cast(Any, encode(found)))


def decides(second: int, what: str, reason: str = "", name: str = "") -> Record:
    return Record(at(second), Kind.DECISION, BOT, name, {"what": what, "reason": reason, "values": []})


def halts(second: int, why: Halt, reason: str) -> Record:
    data: dict[str, Json] = {"what": "halt", "reason": reason, "values": [], "halt": why.value, "rule": ""}
    return Record(at(second), Kind.DECISION, BOT, "", data)


def account_loss(lost: int, bound: int) -> str:
    """Return what is told where the account has lost so many dollars, of so many that it may."""
    found = account_day_problem(Decimal(-lost), DayBounds(loss=Decimal(bound)))
    assert found is not None
    return found.text


def order(second: int, name: str, **changes: Any) -> Record:
    found = Order(
        ref=f"rb:{name}", number=second, bot=BOT, position=name, purpose=Purpose.ENTRY, reason="",
        legs=(OrderLeg("short_put", PUT, Side.SELL),), side=Side.SELL, quantity=1, kind=OrderType.LIMIT,
        status=OrderStatus.SENDING, order_id=second, perm_id=second, prepared_at=at(second), changed_at=at(second),
        sent_at=at(second), **changes,
    )  # fmt: skip
    return Record(at(second), Kind.ORDER, BOT, name, cast(Any, encode(found)))


def entered(second: int, name: str, **changes: Any) -> tuple[Record, ...]:
    found = position(name, **changes)
    return decides(second, "enter", name=name), kept(second, found), order(second, name)


def runs(found: Json, second: int = 0) -> Record:
    return Record(at(second), Kind.RUN_STARTED, data={"limits": found})


def reload(second: int, what: str, **data: Json) -> Record:
    return Record(at(second), Kind.RELOAD, data={"what": what, **({"id": ID} if what == "asked" else {}), **data})


def left_by(
    reads: Sequence[Json], *records: Record, reported: Sequence[RecordedVersion] = (), wrong: Sequence[str] = ()
) -> ChaosResult:
    """Return what a trial left whose engines read these limits, each a minute after the one before."""
    found = tuple(ReadVersion(at(60 * number), each) for number, each in enumerate(reads))
    day = SimpleNamespace(records=records)
    return cast(ChaosResult, SimpleNamespace(day=day, reads=found, reported=reported, wrong=wrong))


def said(found: Json, *records: Record) -> list[str]:
    """Return what is said of entries and refusals under these limits."""
    return list(entries_and_refusals(left_by([found], runs(found), *records), NO_BOTS))


# ---------------------------------------------------------------- entries


@pytest.mark.parametrize(
    ("bound", "fitting", "words"),
    [
        ({"max_open": 1}, {"max_open": 2}, "with 1, max_open is 1"),
        ({"entries_per_day": 1}, {"entries_per_day": 2}, "with 1, entries_per_day is 1"),
        ({"orders_per_minute": 1}, {"orders_per_minute": 2}, "with 1, orders_per_minute is 1"),
        ({"max_contracts_per_order": 1}, {"max_contracts_per_order": 2}, "of 2 contracts"),
        ({"max_notional_per_order": Decimal(1179999)}, {"max_notional_per_order": Decimal(1180000)}, "over $1,180,000"),
        (
            {"worst_case": Amount(Decimal(999), Unit.DOLLARS)},
            {"worst_case": Amount(Decimal(1000), Unit.DOLLARS)},
            "could lose $1,000.00",
        ),
    ],
)
def test_an_entry_that_the_document_forbids_is_seen(bound: dict[str, Any], fitting: dict[str, Any], words: str) -> None:
    first, second = entered(1, "p1"), entered(9, "p2", quantity=2)
    (found,) = said(limits(**bound), *first, *second)
    assert "p2 is entered at" in found
    assert words in found
    assert said(limits(**fitting), *first, *second) == said(None, *first, *second) == []


def test_what_is_over_counts_no_more() -> None:
    first = *entered(1, "p1"), kept(5, position("p1", "closed"))
    assert said(limits(max_open=1), *first, *entered(9, "p2")) == []
    assert said(limits(orders_per_minute=1), *first, *entered(61, "p2")) == []
    shifted = decides(5, "shift", name="p1")
    assert said(limits(entries_per_day=1), *first, shifted, *entered(9, "p2")) == []


def test_a_loss_of_the_day_forbids_entries_and_so_does_a_halt_for_it() -> None:
    lost = BotDay(bot=BOT, date=NOON.date(), realized=Decimal(-50))
    day = Record(at(5), Kind.BOT_DAY, BOT, data=cast(Any, encode(lost)))
    over = *entered(1, "p1"), kept(5, position("p1", "closed")), day
    (found,) = said(limits(daily_loss=Decimal(50)), *over, *entered(9, "p2"))
    assert "$50.00 were lost, daily_loss is $50.00" in found
    assert said(limits(daily_loss=Decimal(51)), *over, *entered(9, "p2")) == []
    assert said(limits(daily_loss=Decimal(50)), *over, *entered(9, "p2"), kept(1, position("p3", "open"))) == [found]
    halt = halts(6, Halt.ACCOUNT_LOSS, account_loss(51, 51))
    (found,) = said(limits(daily_loss=Decimal(51)), halt, *entered(9, "p2"))
    assert "halted for the day" in found
    assert said(limits(daily_loss=Decimal(51)), halts(6, Halt.CONDITION, "day_range 51.5"), *entered(9, "p2")) == []


def test_a_price_out_of_a_band_that_is_a_price_is_seen() -> None:
    far = order(9, "p2", limit_price=Decimal("-1.00"), mid=Decimal("-1.05"))
    first = *entered(1, "p2")[:2], far
    (found,) = said(limits(price_band=Amount(Decimal("0.02"), Unit.NUMBER)), *first)
    assert "price_band is 0.02" in found
    assert said(limits(price_band=Amount(Decimal("0.05"), Unit.NUMBER)), *first) == []
    assert said(limits(price_band=Amount(Decimal(1), Unit.PERCENT)), *first) == []


def test_decisions_of_one_instant_stand_before_the_orders_that_they_send() -> None:
    """The journal has the entities of a turn after all of its decisions."""
    first, second = entered(5, "p1"), entered(5, "p2")
    both = first[0], second[0], *first[1:], *second[1:]
    (found,) = said(limits(max_open=1), *both)
    assert "p2 is entered at" in found
    assert said(limits(max_open=2), *both) == []
    refused = decides(5, "skip", "1 order in the last minute, orders_per_minute is 1")
    assert said(limits(orders_per_minute=1), first[0], refused, *first[1:]) == []
    (found,) = said(limits(orders_per_minute=1), refused, first[0], *first[1:])
    assert "it was 0" in found


def test_the_document_counts_from_when_it_is_taken_up() -> None:
    wide, tight = limits(max_open=2), limits(max_open=1)
    reported = (RecordedVersion(ID, (), tight),)
    asked, applied = reload(3, "asked", limit_changes=["max_open 2 to 1"]), reload(4, "applied", limits=tight)
    early = runs(wide), *entered(1, "p1"), *entered(2, "p2"), asked, applied
    late = runs(wide), *entered(1, "p1"), asked, applied, *entered(5, "p2")
    assert list(entries_and_refusals(left_by([wide], *early, reported=reported), NO_BOTS)) == []
    (found,) = entries_and_refusals(left_by([wide], *late, reported=reported), NO_BOTS)
    assert "with 1, max_open is 1" in found


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("reason", "fine", "other"),
    [
        ("the account has 1 open position, max_open is 1", {"max_open": 1}, {"max_open": 2}),
        ("the account has 2 open positions, max_open is 1", {}, {"max_open": 1}),
        ("all bots together have sent 1 today, entries_per_day is 1", {"entries_per_day": 1}, {}),
        ("1 order in the last minute, orders_per_minute is 1", {"orders_per_minute": 1}, {"orders_per_minute": 12}),
        ("an order of 4 contracts, max_contracts_per_order is 2", {"max_contracts_per_order": 2}, {}),
        (
            "an order over $3,000,000.00, max_notional_per_order is $2,000,000.00",
            {"max_notional_per_order": Decimal(2000000)},
            {"max_notional_per_order": Decimal(3000000)},
        ),
        (account_loss(7, 5), {"daily_loss": Decimal(5)}, {"daily_loss": Decimal(9)}),
    ],
)
def test_a_refusal_by_a_limit_that_is_not_in_force_is_seen(
    reason: str, fine: dict[str, Any], other: dict[str, Any]
) -> None:
    first, refused = entered(1, "p1"), decides(9, "skip", reason)
    assert said(limits(**other), *first, refused) != []
    if fine:
        assert said(limits(**fine), *first, refused) == []


def test_a_refusal_that_repeats_an_earlier_halt_is_judged_by_the_document_of_then() -> None:
    lost, none = limits(daily_loss=Decimal(5)), limits()
    reported = (RecordedVersion(ID, (), none),)
    halted = halts(6, Halt.ACCOUNT_LOSS, account_loss(6, 5))
    refused = decides(60, "skip", f"asked by the operator: halted: {account_loss(6, 5)}")
    changed = reload(20, "asked", limit_changes=["no daily_loss"]), reload(21, "applied", limits=none)
    known = left_by([lost], runs(lost), halted, *changed, refused, reported=reported)
    assert list(entries_and_refusals(known, NO_BOTS)) == []
    unknown = left_by([lost], runs(lost), *changed, refused, reported=reported)
    assert len(list(entries_and_refusals(unknown, NO_BOTS))) == 1


# ---------------------------------------------------------------- what is in force


def taken_up(reads: Sequence[Json], *records: Record, **files: Any) -> list[str]:
    return list(documents_taken_up(left_by(reads, *records, **files), NO_BOTS))


def test_limits_are_those_that_the_files_said() -> None:
    tight, wide = limits(max_open=1), limits(max_open=2)
    reported = (RecordedVersion(ID, (), tight),)
    asked, applied = reload(3, "asked", limit_changes=["max_open 2 to 1"]), reload(4, "applied", limits=tight)
    assert taken_up([wide], runs(wide), asked, applied, reported=reported) == []
    assert len(taken_up([wide], runs(tight))) == 1
    assert len(taken_up([wide], runs(wide), asked, reload(4, "applied", limits=wide), reported=reported)) == 1
    assert len(taken_up([wide], runs(wide), reload(3, "asked", limit_changes=[]), reported=reported)) == 1
    assert taken_up([wide], runs(wide), wrong=["half of it was taken"]) == ["half of it was taken"]


def test_who_starts_without_the_limits_of_before_is_reported() -> None:
    first, then = runs(limits(max_open=1)), runs(None, 60)
    alarm = Record(at(60), Kind.ALARM, data={"text": UNLIMITED, "key": NO_LIMITS_GIVEN})
    reads = [limits(max_open=1), None, None]
    assert taken_up(reads, first, alarm, then, runs(None, 120)) == []
    (found,) = taken_up(reads, first, then)
    assert "there is no alert" in found


def test_a_trial_whose_files_stay_is_judged_by_the_document_that_was_named(tmp_path: Path) -> None:
    account = tmp_path / "account.yaml"
    account.write_text("rulebot_account: 1\nabout: One at most.\naccount: DU1234567\nrisk: {max_open: 1}\n")
    desk = load_all_bots([str(shipped("specs") / "put_lite.yaml")], {}, account)
    in_force = limits(max_open=1, cash_secured_puts=PromotionEvidence.CASH)
    left = left_by([], runs(in_force), *entered(1, "p1"), *entered(2, "p2"))
    assert list(documents_taken_up(left, desk)) == []
    (found,) = entries_and_refusals(left, desk)
    assert "with 1, max_open is 1" in found
