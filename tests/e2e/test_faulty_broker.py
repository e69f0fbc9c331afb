"""An engine attached to a broker whose reports go wrong: its books are the ledger's all the same."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path

import pytest

from rulebot.checks.against_ledger.books import CheckedDay, compare_books, read_day
from rulebot.checks.against_ledger.findings import offences
from rulebot.documents.load_bots import load_all_bots
from rulebot.live.environments import attached
from rulebot.live.start import Run, RunOptions, execute
from rulebot.model.event import Request
from rulebot.model.order import OrderStatus, Purpose
from rulebot.model.session import at_exchange_time
from rulebot.narrate.why import DayFacts, explanation_lines
from rulebot.record.explain import explain_day
from rulebot.record.record import Kind
from rulebot.store.queries import StoreReader
from tests.e2e.worlds import check_replays, spec_files
from twsim import GatewaySettings, read_faults, start_gateway

DAY = date(2026, 10, 21)
STOP_AT = datetime(2026, 10, 21, 13, 36, tzinfo=UTC)
QUICK_DAY = date(2026, 12, 24)
"""A day on which the condor sells at 09:45, and all four legs can be bought back by 10:11."""
SEED = 7
"""A morning on which the seller sells at once and leaves a resting pair."""


def morning(
    folder: Path,
    *faults: str,
    bot: str = "spy_put_seller",
    text: str = "",
    stop_at: datetime = STOP_AT,
    seed: int = SEED,
    data_seconds: int = 5,
    kill_at: datetime | None = None,
    first_day: date = DAY,
) -> CheckedDay:
    """Run the seller to 09:36 with these faults, each a line of YAML; return its books and the broker's.

    text: a spec to run in place of the shipped one.
    """
    asks = {Request.STOP: stop_at} if kill_at is None else {Request.KILL: kill_at, Request.STOP: stop_at}

    async def body() -> CheckedDay:
        plan = read_faults("faults:\n" + "".join(f"  - {{{each}}}\n" for each in faults))
        settings = GatewaySettings(first_day=first_day, seed=seed, data_seconds=data_seconds)
        gateway = await start_gateway(settings, faults=plan)
        try:
            await _run(gateway.port, folder / "s.db", _spec(folder, bot, text), asks)
            assert gateway.ledger is not None
            return read_day(folder / "s.db", gateway.ledger.totals(), {})
        finally:
            await gateway.stop()

    return asyncio.run(body())


def condor_morning(folder: Path, fault: str, day: date = QUICK_DAY, at: str = "10:10") -> CheckedDay:
    """Run a condor that leaves at 10:10 (`at`) by a ladder to 10:40, quoted every 15 seconds.

    An order of a target keeps its price. Only an exit of another kind changes its order from try to try.
    """
    at_close = '  - time: "15:45"\n    order: market\n'
    shipped = Path(spec_files(["dte0_condor"])[0]).read_text(encoding="utf-8")
    assert at_close in shipped
    text = shipped.replace(at_close, f'  - time: "{at}"\n')
    stop_at = at_exchange_time(day, time(10, 40))
    return morning(folder, fault, bot="dte0_condor", text=text, stop_at=stop_at, data_seconds=15, first_day=day)


def _spec(folder: Path, bot: str, text: str) -> str:
    """Return the path of the shipped spec of a bot, or of this text."""
    if not text:
        return spec_files([bot])[0]
    (folder / f"{bot}.yaml").write_text(text, encoding="utf-8")
    return str(folder / f"{bot}.yaml")


async def _run(port: int, store: Path, spec: str, asks: Mapping[Request, datetime]) -> None:
    asked: list[Request] = []

    def watcher(run: Run, at: datetime) -> None:
        for request, when in asks.items():
            if at >= when and request not in asked:
                asked.append(request)
                run.inbox.ask(request)

    desk = load_all_bots([spec], {}, None)
    tapes = store.with_name("tapes")
    options = RunOptions(store=store, logs=None, sessions=None, install="f", tapes=tapes)
    await execute(desk, options, attached("127.0.0.1", port, 1, "", lockstep=True), lambda run: None, watcher)
    assert check_replays(tapes)


@pytest.mark.parametrize(
    "fault",
    [
        "kind: duplicate, on: order, number: each",
        "kind: execution_first, on: order, number: each",
        "kind: correction, on: fill, number: each, seconds: 40, price_by: -0.01",
        "kind: late_commission, on: fill, number: each, seconds: 90",
        "kind: warning, on: order, number: each, code: 10349",
        "kind: farm_down, on: order, seconds: 20",
    ],
    ids=lambda fault: fault.split(",")[0].removeprefix("kind: "),
)
def test_the_books_are_the_ledgers(fault: str, tmp_path: Path) -> None:
    day = morning(tmp_path, fault)
    assert [position.state for position in day.positions.values()] == ["open"]
    assert compare_books(day) == []
    assert offences(day) == {}
    entries = [order for order in day.orders.values() if order.purpose is Purpose.ENTRY]
    assert [order.status for order in entries] == [OrderStatus.FILLED]
    assert day.ledger.commissions


def test_why_says_that_market_data_did_not_come_and_why(tmp_path: Path) -> None:
    day = morning(tmp_path, 'kind: competing_session, at: "09:29:30"')
    assert day.orders == {}
    with StoreReader(tmp_path / "s.db") as reader:
        reported = reader.data_troubles(DAY)
        lines = explanation_lines(
            "spy_put_seller", DAY, DayFacts(explain_day(reader.day("spy_put_seller", DAY)), without_data=reported)
        )
    assert "another session of this user has the market data (error 10197)" in reported[0][1]
    assert lines[1].endswith(reported[0][1])


@pytest.mark.parametrize(
    ("fault", "orders"),
    [
        ("kind: legs_rewritten, on: order, number: each", ["-0.65", "0.55"]),
        (
            "kind: legs_rewritten, on: order, number: each, changes: refused",
            ["-0.70", "-0.65", "-0.55", "0.50", "0.55", "0.65", "0.70"],
        ),
    ],
    ids=["under the broker's own words", "not at all"],
)
def test_a_ladder_continues_at_a_broker_who_takes_no_change_of_a_combo_as_it_was_sent(
    fault: str, orders: list[str], tmp_path: Path
) -> None:
    """The entry stood at its first price for all its tries, and so did the exit, until the market order after them."""
    day = condor_morning(tmp_path, fault, DAY)
    assert [(each.state, each.exit_reason) for each in day.positions.values()] == [("closed", "time")]
    assert compare_books(day) == []
    assert offences(day) == {}
    sent = sorted(day.orders.values(), key=lambda order: order.number)
    assert [f"{order.limit_price}" for order in sent] == orders
    assert [order.status for order in sent if order.has_fills] == [OrderStatus.FILLED] * 2


@pytest.mark.parametrize("cancels", ["second", "first"])
def test_an_exit_whose_change_came_as_a_second_order_closes_once(cancels: str, tmp_path: Path) -> None:
    """Both work under one id: rulebot cancels both, and the next exit waits until a list has neither."""
    fault = f"kind: change_doubled, on: order, number: 2, reported: at_once, cancels: {cancels}"
    day = condor_morning(tmp_path, fault)
    assert [(each.state, each.exit_reason) for each in day.positions.values()] == [("closed", "time")]
    assert compare_books(day) == []
    assert offences(day) == {}
    assert day.ledger.positions == {}
    exits = [order for order in day.orders.values() if order.purpose is Purpose.EXIT]
    assert [order.status for order in exits] == [OrderStatus.CANCELLED, OrderStatus.FILLED]
    alarms = [str(each.data["text"]) for each in day.records if each.kind is Kind.ALARM]
    assert any("two orders work at the broker" in text and "rulebot cancels both" in text for text in alarms)


def test_an_exit_of_which_nobody_says_that_it_is_two_is_cancelled_once_the_other_fills(tmp_path: Path) -> None:
    fault = "kind: change_doubled, on: order, number: 2, reported: listed"
    day = condor_morning(tmp_path, fault)
    assert [each.state for each in day.positions.values()] == ["closed"]
    assert compare_books(day) == []
    assert offences(day) == {}
    assert day.ledger.positions == {}
    alarms = [str(each.data["text"]) for each in day.records if each.kind is Kind.ALARM]
    assert any("a second order at the broker has filled" in text for text in alarms)


LONG_PUT = """
rulebot: 1
name: long_put
about: Buys a same-day SPX put at 09:45 and sells it again by a ladder.
underlying: SPX
entry: {at: "09:45", for: 5m, per_day: 1}
legs:
  expiry: {dte: 0}
  long_put: {buy: put, strike: {at: spot}}
order: {start: natural, wait: 10s, tries: 3, then: cancel}
exits:
  - time: "10:04"
    order: {start: mid, step: 0.05, wait: 35s, tries: 20, then: again}
risk: {max_loss_per_trade: $5000}
"""
"""A change that reaches the bid fills at once, before the first order. At 10:04 the bid moves up to both of them."""
DOUBLED = "kind: change_doubled, on: order, number: 2, reported: listed"


def test_a_put_that_two_changes_of_an_exit_have_sold_twice_is_bought_back(tmp_path: Path) -> None:
    """Both orders fill on one quote before rulebot knows of two: the account was short a put without cover."""
    stop_at = at_exchange_time(QUICK_DAY, time(10, 13))
    day = morning(
        tmp_path, DOUBLED, bot="long_put", text=LONG_PUT, stop_at=stop_at, data_seconds=15, first_day=QUICK_DAY
    )
    assert [(order.reason, order.counts) for order in day.orders.values()][1:] == [("time", (2,)), ("reversed", (1,))]
    assert [(each.state, each.exit_reason) for each in day.positions.values()] == [("closed", "time")]
    assert day.ledger.positions == {}
    assert compare_books(day) == []
    assert offences(day) == {}


def test_a_condor_that_two_changes_of_an_exit_have_closed_twice_is_left_to_a_person(tmp_path: Path) -> None:
    """It is a bought condor then, whose short wings are covered."""
    day = condor_morning(tmp_path, DOUBLED, at="10:01")
    (position,) = day.positions.values()
    assert {leg.held for leg in position.legs} == {-1}
    assert len(day.ledger.positions) == 4
    alarms = [str(each.data["text"]) for each in day.records if each.kind is Kind.ALARM]
    assert any("more was closed of" in text and "enters nothing more today" in text for text in alarms)
    assert compare_books(day) == []
    assert offences(day) == {}


def test_an_entry_that_is_refused_without_a_status_is_not_held(tmp_path: Path) -> None:
    day = morning(tmp_path, "kind: reject, on: order, status: none")
    assert compare_books(day) == []
    assert offences(day) == {}
    first = min(day.orders.values(), key=lambda order: order.number)
    assert first.status is OrderStatus.REJECTED


def test_an_entry_that_never_arrived_ends_and_leaves_nothing(tmp_path: Path) -> None:
    day = morning(tmp_path, "kind: swallow_order, on: order")
    assert compare_books(day) == []
    assert offences(day) == {}
    assert [order.status for order in day.orders.values()] == [OrderStatus.LOST]
    assert day.ledger.positions == {}


def test_an_entry_whose_answer_was_lost_is_adopted_by_asking(tmp_path: Path) -> None:
    day = morning(tmp_path, "kind: lose_ack, on: order")
    assert compare_books(day) == []
    assert offences(day) == {}
    (entry,) = (order for order in day.orders.values() if order.purpose is Purpose.ENTRY)
    assert entry.status is OrderStatus.FILLED
    assert [position.state for position in day.positions.values()] == ["open"]


def test_a_fill_after_the_cancel_opens_the_position_again(tmp_path: Path) -> None:
    """A kill takes the entry back; the fill had won, and gets its resting pair."""
    kill_at = datetime(2026, 10, 21, 13, 31, 3, tzinfo=UTC)
    day = morning(tmp_path, "kind: late_fill, on: cancel", seed=8, kill_at=kill_at)
    assert [position.state for position in day.positions.values()] == ["open"]
    assert compare_books(day) == []
    assert offences(day) == {}
    live = {order.purpose for order in day.orders.values() if order.status is OrderStatus.WORKING}
    assert live == {Purpose.TARGET, Purpose.STOP}


def test_a_bust_closes_the_books_and_takes_the_resting_pair_back(tmp_path: Path) -> None:
    day = morning(tmp_path, "kind: correction, on: fill, seconds: 20, quantity_by: -1")
    (position,) = day.positions.values()
    assert (position.state, position.exit_reason) == ("closed", "busted")
    assert compare_books(day) == []
    resting = [order for order in day.orders.values() if order.purpose in (Purpose.TARGET, Purpose.STOP)]
    assert resting
    assert not any(order.status.is_live for order in resting)


def test_fills_while_the_broker_is_lost_are_counted_after(tmp_path: Path) -> None:
    day = morning(tmp_path, 'kind: lost_connectivity, at: "09:31:20", seconds: 60, restored: 1102')
    assert compare_books(day) == []
    assert offences(day) == {}
    entries = [order for order in day.orders.values() if order.purpose is Purpose.ENTRY]
    assert len(entries) == 1
