"""Nobody is connected for hours, or from one day to the next: what filled meanwhile is in the books afterwards."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner
from ib_async import StartupFetchNONE
from plain_client import plain_client

from rulebot.checks.against_ledger.books import CheckedDay, compare_books, read_day
from rulebot.checks.journal.audit import audit_store
from rulebot.cli.main import main as rulebot
from rulebot.documents.load_bots import load_all_bots
from rulebot.live.environments import attached
from rulebot.live.start import Run, RunOptions, execute
from rulebot.model.event import Request
from rulebot.model.order import OrderStatus, Purpose
from rulebot.model.position import Position
from rulebot.record.codec import decode
from rulebot.record.record import Kind
from rulebot.store.queries import StoreReader
from tests.e2e.test_restart import new_york
from tests.e2e.worlds import spec_files
from twsim import GatewaySettings, RunningGateway, start_gateway

DAY = date(2026, 10, 21)
SELLER = "spy_put_seller"


class Died(Exception):
    """The engine is gone, as after `kill -9`: nothing of it is cleaned up."""


async def run(
    gateway: RunningGateway, store: Path, ends: Callable[[Run, datetime], None], spec: Path | None = None
) -> None:
    """Run a spec, or the seller, attached to the gateway; `ends` asks it to stop, or dies."""
    desk = (
        load_all_bots([str(spec)], {}, None)
        if spec
        else load_all_bots(spec_files([SELLER]), {"stop_loss": "10%"}, None)
    )
    options = RunOptions(store=store, logs=None, sessions=None, install="")
    world = attached("127.0.0.1", gateway.port, 1, "", lockstep=True)
    try:
        await execute(desk, options, world, lambda run: None, ends)
    except Died:
        return


def stop_at(at: datetime) -> Callable[[Run, datetime], None]:
    def ends(run: Run, now: datetime) -> None:
        if now >= at:
            run.inbox.ask(Request.STOP)

    return ends


async def live_on(gateway: RunningGateway, until: datetime) -> None:
    """Let the broker's time go on with no engine; another client holds its clock."""
    ib = await plain_client(gateway.port, 77, fetchFields=StartupFetchNONE)
    while await ib.reqCurrentTimeAsync() < until:
        pass
    ib.disconnect()


def over_a_night(
    tmp_path: Path, ends: Callable[[Run, datetime], None], market: str | None = None
) -> tuple[CheckedDay, RunningGateway]:
    """Run on the first day until `ends`, be away until the next morning, and run then until 09:40."""
    store = tmp_path / "s.db"
    kept: list[RunningGateway] = []

    async def body() -> CheckedDay:
        gateway = await start_gateway(
            GatewaySettings(first_day=DAY, days=2, seed=7, market_file=market, data_seconds=15)
        )
        kept.append(gateway)
        try:
            await run(gateway, store, ends)
            await live_on(gateway, new_york(9, 15, 22))
            await run(gateway, store, stop_at(new_york(9, 30, 22)))
            assert gateway.ledger is not None
            return read_day(store, gateway.ledger.totals(), {})
        finally:
            await gateway.stop()

    return asyncio.run(body()), kept[0]


def cash(day: CheckedDay) -> Decimal:
    """Return what our books have received less what they paid, commissions included."""
    return sum((found.cash - found.commissions for found in day.positions.values()), Decimal(0))


def alarms(day: CheckedDay) -> list[str]:
    return [str(record.data["text"]) for record in day.records if record.kind is Kind.ALARM]


def test_an_entry_that_filled_after_the_engine_had_died_is_a_protected_position_in_the_morning(tmp_path: Path) -> None:
    def ends(run: Run, now: datetime) -> None:
        if any(order.purpose is Purpose.ENTRY for order in run.loop.state.orders.by_ref.values()):
            raise Died

    day, _ = over_a_night(tmp_path, ends)
    first = min(day.positions.values(), key=lambda found: found.session)
    assert first.session == DAY
    assert first.state == "open"
    held = {leg.option.con_id: Decimal(leg.signed_held) for found in day.positions.values() for leg in found.legs}
    assert held == {key: count for key, count in day.ledger.positions.items() if count}
    flow = sum(day.ledger.cash_flow.values(), Decimal(0)) - sum(day.ledger.commissions.values(), Decimal(0))
    assert abs(cash(day) - flow) < Decimal("0.01")
    live = [order for order in day.orders.values() if order.status is OrderStatus.WORKING]
    assert {order.purpose for order in live if order.position == first.id} == {Purpose.TARGET, Purpose.STOP}
    assert any("filled while no engine was connected" in text for text in alarms(day))
    _correct_it(tmp_path / "s.db", first)


def _correct_it(store: Path, position: Position) -> None:
    """Put the price of the statement in, by hand: the books follow, and the audit holds."""
    with StoreReader(store) as reader:
        fills = reader.records([Kind.FILL])
    guess = next(record for record in fills if str(record.data["exec_id"]).startswith("unseen:"))
    ref, option = str(guess.data["ref"]), position.legs[0].option
    asked = ["store", "correct", ref, "4.20", "--commission", "1.04", "--store", str(store)]
    done = CliRunner().invoke(rulebot, asked)
    assert done.exit_code == 0, done.output
    assert done.output.startswith(f"{ref} short_put: 1 at 4.20 instead of ")
    with StoreReader(store) as reader:
        after = decode(Position, dict(reader.records([Kind.POSITION])[-1].data))
    assert after.id == position.id
    assert after.entry_price == Decimal("4.20")
    assert after.commissions == Decimal("1.04")
    assert after.cash == Decimal("4.20") * option.multiplier
    assert after.max_risk == (option.strike - Decimal("4.20")) * option.multiplier, "at the price it was entered at"
    assert replace(after, legs=position.legs, max_risk=position.max_risk) == position
    assert all(evaluation.holds for evaluation in audit_store(store))
    again = CliRunner().invoke(rulebot, [*asked[:3], "4.25", *asked[4:]])
    assert (again.exit_code, "at 4.25 instead of 4.20" in again.output) == (0, True)
    assert all(evaluation.holds for evaluation in audit_store(store))
    strange = CliRunner().invoke(rulebot, [*asked[:2], "rb:none:1", *asked[3:]])
    assert strange.exit_code == 2
    assert f"fills that happened without a report: {ref}" in strange.output + strange.stderr


@pytest.mark.long
def test_ci_a_stop_that_was_hit_while_nobody_listened_closes_the_books(tmp_path: Path) -> None:
    day, gateway = over_a_night(tmp_path, stop_at(new_york(9, 40)), market="trend_down")
    first = min(day.positions.values(), key=lambda found: found.session)
    ours = {order.perm_id for order in day.orders.values() if order.position == first.id}
    assert not [view for view in gateway.exchange.open_orders() if view.perm_id in ours]
    assert (first.state, first.exit_reason) == ("closed", "stop")
    assert not first.on_hold
    assert any("at the stop price it had" in text for text in alarms(day))
    held = {leg.option.con_id: leg.signed_held for found in day.positions.values() for leg in found.legs if leg.held}
    assert held == {key: int(count) for key, count in day.ledger.positions.items() if count}


@pytest.mark.long
def test_ci_a_protective_stop_acts_without_the_engine_and_the_rest_is_closed_when_it_is_back(tmp_path: Path) -> None:
    """The engine is away from 10:30 to 15:00 while the market falls through the short put."""
    text = (Path(__file__).parents[2] / "examples" / "protected_condor.yaml").read_text(encoding="utf-8")
    spec = tmp_path / "protected_condor.yaml"
    spec.write_text(text.replace("cost: 4x credit", "cost: 1.3x credit"), encoding="utf-8")
    store = tmp_path / "s.db"

    async def body() -> CheckedDay:
        gateway = await start_gateway(GatewaySettings(first_day=DAY, seed=7, market_file="trend_down", data_seconds=15))
        try:
            await run(gateway, store, stop_at(new_york(10, 30)), spec)
            (resting,) = {view.ticket.order_type for view in gateway.exchange.open_orders()}
            assert resting == "STP"
            await live_on(gateway, new_york(15, 0))
            await run(gateway, store, stop_at(new_york(15, 20)), spec)
            assert gateway.ledger is not None
            return read_day(store, gateway.ledger.totals(), {})
        finally:
            await gateway.stop()

    day = asyncio.run(body())
    (position,) = day.positions.values()
    assert position.exit_reason == "protect"
    assert position.state == "closed" or all(leg.sign > 0 for leg in position.legs if leg.held)
    assert compare_books(day) == []
    hit = [order for order in day.orders.values() if order.purpose is Purpose.PROTECT]
    assert sorted(order.status.value for order in hit) == ["cancelled", "filled"]
