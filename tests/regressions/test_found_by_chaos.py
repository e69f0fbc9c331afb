"""Trials in which `rulebot chaos` found something: each by what was wrong."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hand_desk import SELLER, Desk, text_of

from rulebot.adapters.ib.contracts import ContractBook
from rulebot.adapters.ib.feed import IbFeed
from rulebot.adapters.ib.settings import IbSettings
from rulebot.chaos import runner as trial
from rulebot.chaos.generator import draw
from rulebot.chaos.invariants import judge
from rulebot.chaos.limits_check import ChaosResult
from rulebot.chaos.runner import run_scenario
from rulebot.chaos.scenario import OperatorAction
from rulebot.checks.against_ledger.findings import more_than_cap
from rulebot.documents.load_bots import load_all_bots
from rulebot.live.environments import DEFAULT_DATE
from rulebot.model.contract import Underlying
from rulebot.model.event import Request
from rulebot.model.market import Board
from rulebot.model.order import Order, OrderStatus, Purpose
from rulebot.model.session import session_from
from rulebot.record.record import Kind
from rulebot.spec.files import shipped
from tests.drawn_then import CHOICE
from tests.e2e.worlds import spec_files


def test_the_socket_is_read_while_the_broker_is_lost_and_marks_are_due(tmp_path: Path) -> None:
    """After 1100 what was due stayed due, and the link returned at once without letting the event loop run."""
    desk = load_all_bots(spec_files(["spy_put_seller"]), {}, None)
    session = session_from(DEFAULT_DATE)
    start = desk.bots["spy_put_seller"].windows(session)[0][0]
    minutes = [start + each * (session.close - session.open) / 390 for each in (0, 6, 4)]
    lost: dict[str, str | int] = {"kind": "lost_connectivity", "at": "09:35:00", "seconds": 90}
    bare = replace(draw(7, desk, CHOICE), day=session.date, market=None, faults=(lost,), crashes=(), acts=())
    storm = replace(bare, begins=minutes[0], calm_at=minutes[1], lockstep=False)
    left = run_scenario(storm, desk, tmp_path)
    assert judge(left, desk) == {}
    assert dict(left.kinds_fired) == {"lost_connectivity 1102": 1}
    assert left.day.entered == {"spy_put_seller"}


def test_what_is_to_be_streamed_when_the_connection_has_just_gone_waits_for_the_next_one() -> None:
    """Lost between its last list and the first `watch`: an exception of ib_async ended the engine."""

    def not_connected() -> int:
        raise ConnectionError("Not connected")

    gone: Any = SimpleNamespace(is_up=False, client=SimpleNamespace(getReqId=not_connected))
    feed = IbFeed(IbSettings(), ContractBook(), Board())
    time: Any = SimpleNamespace(now=datetime(2026, 10, 21, 15, 0, tzinfo=UTC))
    feed.attach(gone, time)
    feed.watch((Underlying("SPY"),))
    asked: list[int] = []
    back: Any = SimpleNamespace(
        is_up=True,
        client=SimpleNamespace(getReqId=lambda: 7),
        quotes=SimpleNamespace(rows={}),
        pace=SimpleNamespace(in_turn=asked.append),
    )
    feed.attach(back, time)
    assert len(asked) == 1


def test_a_length_that_is_no_length_is_noticed_though_the_broker_continues_talking(tmp_path: Path) -> None:
    """Every byte that followed was taken for the rest of one message; since there were bytes, nobody was alarmed."""
    desk = load_all_bots(spec_files(["spy_put_seller"]), {}, None)
    session = session_from(DEFAULT_DATE)
    start = desk.bots["spy_put_seller"].windows(session)[0][0]
    broken: dict[str, str | int] = {"kind": "garbage", "at": "09:33:00", "what": "length"}
    bare = replace(draw(7, desk, CHOICE), day=session.date, market=None, faults=(broken,), crashes=(), acts=())
    storm = replace(bare, begins=start, calm_at=start + timedelta(minutes=6), lockstep=False, delay=0.002)
    left = run_scenario(storm, desk, tmp_path)
    assert judge(left, desk) == {}
    reported = [record for record in left.day.records if record.kind is Kind.LINK]
    assert [record.data["up"] for record in reported] == [True, False, True]
    assert "no answer for" in str(reported[1].data["reason"])


def test_a_commission_that_came_before_its_execution_is_taken_when_it_is_reported_again(tmp_path: Path) -> None:
    """It was heard, counted for nothing, and was passed over as known each time the broker told it again."""
    desk = load_all_bots(spec_files(["dte0_condor"]), {}, None)
    session = session_from(DEFAULT_DATE)
    begins = desk.bots["dte0_condor"].windows(session)[0][0]
    faults: tuple[dict[str, str | int | float], ...] = (
        {"kind": "late_commission", "on": "fill", "number": "each", "seconds": 30},
        {"kind": "late_leg", "on": "fill", "number": 1, "seconds": 60},
    )
    bare = replace(draw(2000362, desk, CHOICE), day=session.date, market=None, faults=faults, crashes=(), acts=())
    storm = replace(bare, begins=begins, calm_at=begins + timedelta(minutes=5), lockstep=True, delay=0.0)
    left = run_scenario(storm, desk, tmp_path)
    assert left.kinds_fired["late_leg"]
    assert judge(left, desk) == {}


def test_a_leg_that_fills_after_its_cancel_keeps_the_partner_that_is_being_sold(tmp_path: Path) -> None:
    """The sale of the long leg went on beside the short one that had filled after all, which stood naked for it."""
    examples = Path(__file__).parents[2] / "examples"
    desk = load_all_bots(
        [str(examples / f"{name}.yaml") for name in ("one_leg_after_the_other", "resting_put")], {}, None
    )
    late: dict[str, str | int] = {"kind": "late_fill", "on": "cancel", "seconds": 0}
    kinds = ("pending_cancel", "late_fill", "reject", "warning", "incomplete", "short_list", "not_subscribed", "cut")
    storm = replace(draw(4000403, desk, (*kinds, "one_leg", "expires")), faults=(late,), crashes=(), acts=())
    left = run_scenario(storm, desk, tmp_path)
    assert dict(left.kinds_fired) == {"late_fill": 1}
    assert judge(left, desk) == {}
    (position,) = (each for each in left.day.positions.values() if each.bot == "one_leg_after_the_other")
    assert position.state == "open"


def test_a_corrected_trade_of_a_person_counts_once_when_books_are_compared(tmp_path: Path) -> None:
    """It was taken out of the ledger's figures as it was told first and as it was corrected: one contract too many."""
    desk = load_all_bots(spec_files(["put_lite"]), {}, None)
    session = session_from(DEFAULT_DATE)
    begins = desk.bots["put_lite"].windows(session)[0][0]
    faults: tuple[dict[str, str | int | float], ...] = (
        {"kind": "correction", "on": "fill", "number": "each", "seconds": 0, "price_by": 0.01},
        {"kind": "person_adds", "on": "fill", "seconds": 5},
    )
    bare = replace(draw(7, desk, CHOICE), day=session.date, market="calm", faults=faults, crashes=(), acts=())
    storm = replace(bare, begins=begins, calm_at=begins + timedelta(minutes=12), lockstep=True)
    left = run_scenario(storm, desk, tmp_path)
    assert judge(left, desk) == {}
    assert {"correction", "person_adds"} <= set(dict(left.kinds_fired))


@pytest.mark.parametrize("change", [{"quantity_by": -1}, {"price_by": -0.05}], ids=["bust", "price"])
def test_a_correction_that_was_not_reported_was_never_heard_of_once_no_order_worked(
    tmp_path: Path, change: dict[str, float]
) -> None:
    """Seed 100099: the fill was found by asking, then nothing was asked any more, and the account said otherwise."""
    desk = load_all_bots(spec_files(["put_lite"]), {}, None)
    session = session_from(DEFAULT_DATE)
    start = desk.bots["put_lite"].windows(session)[0][0]
    minute = (session.close - session.open) / session.minutes
    silent: dict[str, str | int] = {"kind": "lost_execution", "on": "fill", "number": "each", "status": "lost"}
    corrected: dict[str, str | float] = {"kind": "correction", "on": "fill", "number": 1, "seconds": 120, **change}
    quiet = replace(draw(7, desk, CHOICE), day=session.date, market=None, crashes=(), acts=(), lockstep=True)
    storm = replace(quiet, begins=start - minute, calm_at=start + 8 * minute, faults=(silent, corrected))
    left = run_scenario(storm, desk, tmp_path)
    assert judge(left, desk) == {}
    assert left.kinds_fired["correction"] == 1
    assert left.kinds_fired["lost_execution lost"] >= 1


# ---------------------------------------------------------------- an order that the broker has not, and that arrives


def test_an_exit_waits_for_a_stop_that_the_broker_has_not_while_it_may_be_on_its_way(tmp_path: Path) -> None:
    """Seed 100324: a stop and its cancel were on their way for 40 s; "not found" was the answer to a question asked at
    once, the exit was sent, and the stop came to life beside it."""
    desk = load_all_bots(spec_files(["spy_put_seller"]), {}, None)
    session = session_from(DEFAULT_DATE)
    faults: tuple[dict[str, str | int], ...] = (
        {"kind": "slow", "on": "order", "seconds": 40, "lasts": 60},
        {"kind": "late_order", "on": "order", "number": 3, "seconds": 20},
    )
    bare = replace(draw(100324, desk, CHOICE), day=session.date, market=None, faults=faults, crashes=(), delay=0.0)
    flatten = OperatorAction(kind="flatten", at=session.open + timedelta(minutes=2, seconds=9))
    begins, calm_at = session.open - timedelta(minutes=1), session.open + timedelta(minutes=11)
    storm = replace(bare, begins=begins, calm_at=calm_at, lockstep=False, acts=(flatten,))
    left = run_scenario(storm, desk, tmp_path)
    assert judge(left, desk) == {}
    assert dict(left.kinds_fired) == {"slow": 1, "late_order": 1, "flatten": 1}
    statuses = {order.purpose: order.status for order in left.day.orders.values()}
    assert statuses[Purpose.STOP] is OrderStatus.CANCELLED
    assert statuses[Purpose.EXIT] is OrderStatus.FILLED


def flattened_before_its_stop_was_heard_of() -> tuple[Desk, Order]:
    """Return a seller whose target works and whose stop nobody has heard of, when it is to be closed; and the stop."""
    desk = Desk((text_of("seller", **SELLER),), at="10:00")
    desk.opened("10:01")
    target, stop = (next(o for o in desk.live if o.purpose is kind) for kind in (Purpose.TARGET, Purpose.STOP))
    desk.ack(target)
    desk.ask(Request.FLATTEN)
    desk.tick(1)
    desk.cancelled(desk.order(target.ref))
    return desk, stop


def test_what_the_broker_has_not_yet_is_asked_for_again_before_it_is_given_up() -> None:
    desk, stop = flattened_before_its_stop_was_heard_of()
    for _ in range(4):
        desk.message(stop, 10147, "not found")
        assert desk.order(stop.ref).status is OrderStatus.CANCELLING
        desk.tick(10)
    assert desk.last.purpose is not Purpose.EXIT
    assert any("may still be on its way" in text for text in desk.alarms)
    assert not any("no answer to the cancel" in text and stop.ref in text for text in desk.alarms)
    desk.message(stop, 10147, "not found")
    assert desk.order(stop.ref).status is OrderStatus.LOST
    assert desk.last.purpose is Purpose.EXIT, "an exit is done all the same"


def test_an_answer_that_comes_late_is_that_to_the_question_that_was_asked_first() -> None:
    """Four cancels left while the stop may have been on its way; all are answered when the grace is over."""
    desk, stop = flattened_before_its_stop_was_heard_of()
    for _ in range(4):
        desk.tick(10)
    assert len([found for found in desk.cancels if found.ref == stop.ref]) == 5
    for _ in range(4):
        desk.message(stop, 10147, "not found")
    assert desk.order(stop.ref).status is OrderStatus.CANCELLING
    desk.ack(stop)
    desk.cancelled(desk.order(stop.ref))
    assert desk.last.purpose is Purpose.EXIT


def test_an_exit_is_cancelled_when_a_stop_that_was_given_up_fills_beside_it() -> None:
    """It stayed at work although nothing was held any more, and would have bought a second time."""
    desk, stop = flattened_before_its_stop_was_heard_of()
    for _ in range(4):
        desk.tick(10)
    for _ in range(5):
        desk.message(stop, 10147, "not found")
    exit_order = desk.last
    assert exit_order.purpose is Purpose.EXIT
    desk.ack(exit_order)
    desk.ack(stop)
    assert desk.order(stop.ref).status is OrderStatus.CANCELLING
    desk.fill(stop)
    assert desk.order(exit_order.ref).status is OrderStatus.CANCELLING
    desk.cancelled(desk.order(exit_order.ref))
    assert desk.position.is_flat
    assert desk.position.state == "closed"


def test_a_not_found_that_is_reported_twice_gives_up_nothing_that_may_be_on_its_way() -> None:
    """The second was taken for the answer to a cancel not yet sent, and the exit went out beside the order."""
    desk = Desk((text_of("seller", **SELLER),))
    desk.enter("10:01")
    desk.fill(desk.last)
    stop = next(order for order in desk.live if order.purpose is Purpose.STOP)
    desk.ask(Request.FLATTEN)
    desk.tick(0.5)
    for _ in range(2):
        desk.message(stop, 10147, "not found")
    assert desk.order(stop.ref).status is OrderStatus.CANCELLING
    assert not [order for order in desk.submitted if order.purpose is Purpose.EXIT]


def test_a_try_that_fills_when_the_next_one_has_is_reported_and_ends_the_day(tmp_path: Path) -> None:
    """A pause between two tries: the first, which the broker had called cancelled, filled beside the second."""
    desk = load_all_bots([str(shipped("examples/exit_orders.yaml"))], {}, None)
    storm = draw(2002922, desk, CHOICE)
    late: dict[str, str | int] = {"kind": "late_fill", "on": "cancel", "number": "each", "seconds": 60}
    left = run_scenario(replace(storm, faults=(late,), crashes=(), acts=()), desk, tmp_path)
    assert dict(left.kinds_fired) == {"late_fill": 1}
    (position,) = left.day.positions.values()
    assert [leg.opened for leg in position.legs] == [2, 2]
    assert judge(left, desk) == {}
    reported = [record.data["text"] for record in left.day.records if record.kind is Kind.ALARM]
    assert len(reported) == 1
    assert "enters nothing more today: a person must look" in reported[0]
    unreported = [record for record in left.day.records if record.kind is not Kind.ALARM]
    assert list(more_than_cap(replace(left.day, records=tuple(unreported)), left.outside.rows, {}))


AGAIN_AT_ONCE = """rulebot: 1
name: again_at_once
about: Buys a call, and tries again as soon as an entry has come to nothing.
underlying: SPY
entry: {window: {from: "10:02", to: "10:22"}, per_day: 1, max_open: 2, again: {after: [unfilled], wait: 0s}}
legs:
  expiry: {dte: 0}
  long_call: {buy: call, strike: {at: spot, round_to: 5}}
order: {start: mid, step: 0.05, wait: 10s, tries: 4, then: cancel}
exits: [{time: "15:45"}]
risk: {max_loss_per_trade: $20000}
"""


def test_an_entry_that_fills_when_the_next_one_has_is_reported_and_ends_the_day(tmp_path: Path) -> None:
    """The first was inactive and taken back; the broker called it cancelled, and filled it beside the second."""
    file = tmp_path / "again_at_once.yaml"
    file.write_text(AGAIN_AT_ONCE, encoding="utf-8")
    desk = load_all_bots([str(file)], {}, None)
    inactive: dict[str, str | int] = {"kind": "inactive", "on": "order", "seconds": 90}
    late: dict[str, str | int] = {"kind": "late_fill", "on": "cancel", "number": "each", "seconds": 60}
    storm = replace(draw(17701, desk, CHOICE), faults=(inactive, late), crashes=(), acts=(), reloads=())
    left = run_scenario(storm, desk, tmp_path)
    assert [position.state for position in left.day.positions.values()] == ["open", "open"]
    assert judge(left, desk) == {}
    reported = [record.data["text"] for record in left.day.records if record.kind is Kind.ALARM]
    assert reported[-1].endswith("1 of 1 a day without it. again_at_once enters nothing more today: a person must look")
    unreported = replace(left.day, records=tuple(each for each in left.day.records if each.kind is not Kind.ALARM))
    assert list(more_than_cap(unreported, left.outside.rows, {"again_at_once": 1}))


def told_late(tmp_path: Path, seed: int, faults: list[dict[str, str | int | float]], *examples: str) -> ChaosResult:
    """Live through a seed's market with these faults; nothing may be wrong, and nothing be taken for torn."""
    desk = load_all_bots([str(shipped(each)) for each in examples], {}, None)
    left = run_scenario(replace(draw(seed, desk, CHOICE), faults=tuple(faults), crashes=(), acts=()), desk, tmp_path)
    assert judge(left, desk) == {}
    assert not [record for record in left.day.records if record.data.get("what") == "unwind"]
    return left


def test_a_leg_that_is_not_reported_counts_where_another_order_owes_the_same_contract(tmp_path: Path) -> None:
    """Two bots in one contract, one entering, one leaving, legs told a minute late: the entry was taken for torn."""
    late: dict[str, str | int | float] = {"kind": "late_leg", "on": "fill", "number": "each", "seconds": 60}
    bots = ("examples/bot_limits.yaml", "examples/cool_down.yaml")
    left = told_late(tmp_path, 2003421, [late | {"action": "BUY"}], *bots)
    assert left.kinds_fired["late_leg"] == 2
    fills = [record.data for record in left.day.records if record.kind is Kind.FILL and record.data["quantity"]]
    guessed = {(each["ref"], each["leg"]): each["price"] for each in fills if "unseen" in str(each["exec_id"])}
    reported = {(each["ref"], each["leg"]): each["price"] for each in fills if "unseen" not in str(each["exec_id"])}
    assert len(guessed) == 2
    assert (
        guessed.items() <= reported.items()
    )  # what is left of the average price, not nothing: no exit may act on that
    assert {position.state for position in left.day.positions.values()} == {"open"}


def test_a_leg_that_is_not_reported_counts_where_a_person_trades_the_same_contract(tmp_path: Path) -> None:
    """The account did not say whose it was: a person was to look, and the leg was sold once more all the same."""
    late: dict[str, str | int | float] = {"kind": "late_leg", "on": "fill", "chance": 0.5, "seconds": 60}
    adds: dict[str, str | int | float] = {"kind": "person_adds", "at": "10:38:04", "seconds": 0}
    text = shipped("specs/put_lite.yaml").read_text(encoding="utf-8")
    for now, then in (
        ("delta: 0.10", "delta: 0.08"),
        ("by: 10 pts", "by: 5 pts"),
        ("at_least: 0.40", "at_least: 0.20"),
        (", OPEC", ""),
    ):
        text = text.replace(now, then)
    (spec := tmp_path / "put_lite.yaml").write_text(text, encoding="utf-8")
    left = told_late(tmp_path, 20220, [late, adds], str(spec))
    assert dict(left.kinds_fired) == {"late_leg": 2, "person_adds": 1}
    (position,) = left.day.positions.values()
    assert (position.state, position.exit_reason) == ("closed", "target")
    assert [leg.closed for leg in position.legs] == [1, 1]


def test_the_partner_of_what_a_person_cancels_is_not_cancelled_and_fills_nothing_late(tmp_path: Path) -> None:
    """Two targets filled after the broker had called them cancelled: the next pair was sent for -1 contracts.

    The engine cancelled the second one, since its partner was gone. Now it rests on.
    """
    desk = load_all_bots([str(shipped("examples/resting_put.yaml"))], {}, None)
    late: dict[str, str | int | float] = {"kind": "late_fill", "on": "cancel", "number": "each", "seconds": 1}
    cancels: dict[str, str | int | float] = {"kind": "person_cancels", "at": "10:03:40"}
    storm = replace(draw(61700, desk, CHOICE), faults=(late, cancels), crashes=(), acts=())
    left = run_scenario(storm, desk, tmp_path)
    (position,) = left.day.positions.values()
    assert [leg.held for leg in position.legs] == [1]
    assert judge(left, desk) == {}
    assert min(order.quantity for order in left.day.orders.values()) == 1


TOO_EXPENSIVE: dict[str, str | int | float] = {"kind": "worse_fill", "on": "order", "action": "BUY", "price_by": 0.1}
SOLD_TWICE: dict[str, str | int | float] = {"kind": "overfill", "on": "fill", "number": 2, "seconds": 0}


@pytest.mark.parametrize(("seed", "faults"), [(61830, ()), (61853, (TOO_EXPENSIVE, SOLD_TWICE))])
def test_a_broker_that_closes_more_than_it_was_asked_leaves_what_nobody_can_prevent(
    tmp_path: Path, seed: int, faults: tuple[dict[str, str | int | float], ...]
) -> None:
    """The long leg was sold twice by one order: a person is told, and the checks lay it to nobody else."""
    desk = load_all_bots([str(shipped("examples/one_leg_after_the_other.yaml"))], {}, None)
    storm = draw(seed, desk, CHOICE)
    if faults:
        storm = replace(storm, faults=faults, crashes=(), acts=())
    left = run_scenario(storm, desk, tmp_path)
    assert left.kinds_fired["overfill"] == 1
    assert judge(left, desk) == {}
    assert any("than was held" in str(r.data.get("text")) for r in left.day.records if r.kind is Kind.ALARM)


def test_what_a_person_paid_is_taken_out_of_the_books_once_though_the_broker_never_reported_of_it(
    tmp_path: Path,
) -> None:
    """The check took a stranger's commission out of the ledger's twice: as a stranger's, and as one kept from us."""
    desk = load_all_bots(
        [str(shipped(f"examples/{name}.yaml")) for name in ("last_resort_market", "breakeven")], {}, None
    )
    faults: tuple[dict[str, str | int], ...] = (
        {"kind": "no_commission", "on": "fill", "number": 3},
        {"kind": "person_closes_part", "at": "10:16:15", "seconds": 5},
    )
    left = run_scenario(replace(draw(82868, desk, CHOICE), faults=faults, crashes=(), acts=()), desk, tmp_path)
    assert [str(row["exec_id"]) for row in left.unreported] == ["0001248a.00000003.01.01"]
    assert judge(left, desk) == {}


def test_an_exit_that_the_broker_overfills_is_not_more_at_work_than_is_held(tmp_path: Path) -> None:
    """Nothing of it worked any more, and less than nothing was held: the audit called the one more than the other."""
    desk = load_all_bots([str(shipped("examples/each_side.yaml"))], {}, None)
    faults: tuple[dict[str, str | int], ...] = (
        {"kind": "late_leg", "on": "fill", "number": "each", "action": "BUY", "seconds": 60},
        {"kind": "swallow_order", "on": "order", "number": 2},
        {"kind": "overfill", "on": "fill", "number": 2, "seconds": 1},
    )
    left = run_scenario(replace(draw(86248, desk, CHOICE), faults=faults, crashes=(), acts=()), desk, tmp_path)
    assert "overfill" in {kind.partition(" ")[0] for kind in left.kinds_fired}
    assert judge(left, desk) == {}


def test_a_trial_does_not_wait_for_a_position_that_is_on_hold(tmp_path: Path) -> None:
    """It waited until its very last instant, at which the bot's next window opened and an order had just been sent."""
    desk = load_all_bots([str(shipped("examples/rich_volatility.yaml"))], {}, None)
    every: dict[str, str | int] = {
        "kind": "correction",
        "on": "fill",
        "number": "each",
        "seconds": 5,
        "quantity_by": -1,
    }
    storm = replace(draw(1309201, desk, CHOICE, overnight=True), faults=(every,), crashes=(), acts=())
    left = run_scenario(storm, desk, tmp_path)
    (position,) = left.day.positions.values()
    assert (position.state, bool(position.on_hold)) == ("exiting", True)
    assert left.outside.last - storm.calm_at == trial.QUIET
    assert judge(left, desk) == {}


def test_a_trial_does_not_end_before_the_answer_to_what_was_sent_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its longest time may be over at the very instant of an entry: of that order nobody could know anything yet."""
    desk = load_all_bots(spec_files(["spy_put_seller"]), {}, None)
    start = desk.bots["spy_put_seller"].windows(session_from(DEFAULT_DATE))[0][0]
    bare = replace(draw(7, desk, CHOICE), day=DEFAULT_DATE, market=None, faults=(), crashes=(), acts=(), lockstep=True)
    monkeypatch.setattr(trial, "QUIET", timedelta(0))
    monkeypatch.setattr(trial, "LONGEST_QUIET", timedelta(0))
    left = run_scenario(replace(bare, begins=start - timedelta(minutes=6), calm_at=start), desk, tmp_path)
    assert [order.status for order in left.day.orders.values()] != [OrderStatus.SENDING]
    assert judge(left, desk) == {}


SIZED = """rulebot: 1
name: sized
about: As many condors as may lose 1,000 dollars.
underlying: SPX
quantity: {max_loss: $1000, at_most: 10}
entry: {window: {from: "09:45", to: "11:00"}, per_day: 1}
legs:
  expiry: {dte: 0}
  short_put: {sell: put, strike: {delta: 0.06}}
  long_put: {buy: put, strike: {below: short_put, by: 10 pts}}
order: {start: mid, step: 0.05, wait: 5s, tries: 8, then: cancel}
exits: [{time: "15:30"}]
risk: {max_loss_per_trade: $1000}
"""


def test_what_fills_worse_than_its_limit_is_reported_and_no_fault_of_how_many_were_asked_for(tmp_path: Path) -> None:
    """A worst case counts at the price of the fill: then the broker alone has made it more than the budget."""
    (spec := tmp_path / "sized.yaml").write_text(SIZED)
    desk = load_all_bots([str(spec)], {}, None)
    session = session_from(DEFAULT_DATE)
    start = desk.bots["sized"].windows(session)[0][0]
    worse: dict[str, str | float] = {"kind": "worse_fill", "on": "order", "price_by": 0.5}
    bare = replace(draw(7, desk, CHOICE), day=session.date, market=None, faults=(worse,), crashes=(), acts=())
    left = run_scenario(replace(bare, begins=start, calm_at=start + timedelta(minutes=5)), desk, tmp_path)
    assert judge(left, desk) == {}
    (position,) = left.day.positions.values()
    assert position.max_risk is not None
    assert position.max_risk > 1000
    assert "worse than its limit" in next(str(r.data["text"]) for r in left.day.records if r.kind is Kind.ALARM)
