"""Others act in the account at a gateway: what both sides hold stays protected and is closed."""

import asyncio
import re
from datetime import date, datetime, time
from pathlib import Path

import pytest
from click.testing import CliRunner

from rulebot.checks.against_ledger.books import CheckedDay, compare_books, read_day
from rulebot.cli.main import main
from rulebot.documents.load_bots import load_all_bots
from rulebot.live.environments import attached
from rulebot.live.start import Run, RunOptions, execute
from rulebot.model.event import Request
from rulebot.model.order import OrderType, Purpose
from rulebot.model.session import at_exchange_time
from rulebot.narrate.snapshot_of_store import snapshot_of_store
from rulebot.record.record import Kind
from rulebot.spec.files import shipped
from rulebot.store.queries import StoreReader
from rulebot.web.rest_mapping import positions
from twsim import GatewaySettings, read_faults, start_gateway

DAY = date(2026, 10, 21)
HAND_PUT = Path(__file__).with_name("hand_put.yaml")


def simulated(
    folder: Path, spec: Path, *faults: str, until: time, resume_at: time | None = None, client: int = 1
) -> CheckedDay:
    """Run a spec on a simulated morning with these faults, over TCP; return its books and the broker's ledger."""
    asks = {Request.STOP: at_exchange_time(DAY, until)}
    if resume_at is not None:
        asks[Request.RESUME] = at_exchange_time(DAY, resume_at)
    asked: list[Request] = []

    def watcher(run: Run, at: datetime) -> None:
        for request, when in asks.items():
            if at >= when and request not in asked:
                asked.append(request)
                run.inbox.ask(request)

    async def body() -> CheckedDay:
        plan = read_faults("faults:\n" + "".join(f"  - {{{each}}}\n" for each in faults))
        gateway = await start_gateway(GatewaySettings(first_day=DAY, seed=7, data_seconds=5), faults=plan)
        try:
            desk = load_all_bots([str(spec)], {}, None)
            options = RunOptions(store=folder / "s.db", logs=None, sessions=None, install="f", tapes=folder / "tapes")
            world = attached("127.0.0.1", gateway.port, client, "", lockstep=True)
            await execute(desk, options, world, lambda run: None, watcher)
            assert gateway.ledger is not None
            return read_day(folder / "s.db", gateway.ledger.totals(), {})
        finally:
            await gateway.stop()

    return asyncio.run(body())


def alarms(day: CheckedDay) -> list[str]:
    return [str(record.data["text"]) for record in day.records if record.kind is Kind.ALARM]


def sizes(day: CheckedDay, *purposes: Purpose) -> dict[Purpose, int]:
    """Return for how many contracts the last order of each purpose was at last."""
    return {order.purpose: order.quantity for order in day.orders.values() if order.purpose in purposes}


@pytest.mark.parametrize("client", [1, 0], ids=["nobody tells who", "the broker tells the trade"])
def test_a_person_buys_half_of_the_puts_back(client: int, tmp_path: Path) -> None:
    """The stop for 4 was cancelled, and the other 2 had none; their time exit never came."""
    day = simulated(
        tmp_path, HAND_PUT, 'kind: person_halves, at: "09:36", seconds: 0', until=time(9, 50), client=client
    )
    (position,) = day.positions.values()
    assert sizes(day, Purpose.TARGET, Purpose.STOP) == {Purpose.TARGET: 2, Purpose.STOP: 2}
    (closing,) = [order for order in day.orders.values() if order.purpose is Purpose.EXIT]
    assert (closing.quantity, closing.reason) == (2, "time")
    assert position.common.is_flat
    assert any("a part of" in text or "closes only the rest, -2 " in text for text in alarms(day))


def test_resume_adopts_what_the_account_holds(tmp_path: Path) -> None:
    """It was accepted and did nothing."""
    fault = 'kind: person_halves, at: "09:36", seconds: 0'
    day = simulated(tmp_path, HAND_PUT, fault, until=time(9, 43), resume_at=time(9, 38))
    (position,) = day.positions.values()
    assert (position.state, position.hold, position.legs[0].held) == ("open", None, 2)
    assert sizes(day, Purpose.TARGET, Purpose.STOP) == {Purpose.TARGET: 2, Purpose.STOP: 2}
    assert any("are booked as closed by others at" in text for text in alarms(day))


def test_status_page_and_resume_report_what_the_account_holds(tmp_path: Path) -> None:
    """They told four puts, of which the account held two. What `resume` makes of that only the engine told."""
    simulated(tmp_path, HAND_PUT, 'kind: person_halves, at: "09:36", seconds: 0', until=time(9, 38))
    store = str(tmp_path / "s.db")
    shown = CliRunner().invoke(main, ["status", "--store", store]).output
    assert re.search(r"hand_put +2 of 4 x \d+p +open", shown)
    assert re.search(r"on hold: hand_put 2 of 4 x \d+p: the account holds less", shown)
    with StoreReader(tmp_path / "s.db") as reader:
        picture = snapshot_of_store(reader)
        (line,), (position,) = picture.positions, positions(reader, picture)
    assert line.structure.startswith("2 of 4 x ")
    assert (position.structure, "the account holds less" in position.on_hold) == (line.structure, True)
    said = CliRunner().invoke(main, ["resume", "hand_put", "--store", store]).output
    assert "its books adopt the account's quantity; closed by others: 2 SPY" in said


def test_status_and_page_report_what_is_unprotected(tmp_path: Path) -> None:
    condor = shipped("specs") / "dte0_condor.yaml"
    fault = 'kind: person_closes_leg, at: "11:03", seconds: 0'
    simulated(tmp_path, condor, fault, until=time(11, 3, 40))
    shown = CliRunner().invoke(main, ["status", "--store", str(tmp_path / "s.db")]).output
    assert re.search(r"unprotected: dte0_condor .*no protection since 11:03:0\d: -1 SPXW", shown)
    with StoreReader(tmp_path / "s.db") as reader:
        (position,) = positions(reader, snapshot_of_store(reader))
    assert "-1 SPXW" in position.unprotected


def test_everything_that_a_person_cancels_is_sent_again_within_a_second(tmp_path: Path) -> None:
    day = simulated(tmp_path, HAND_PUT, 'kind: person_cancels_all, at: "09:36", seconds: 0', until=time(9, 43))
    (position,) = day.positions.values()
    assert position.state == "open"
    sent = [order.sent_at for order in day.orders.values() if order.purpose is Purpose.STOP]
    lost = at_exchange_time(DAY, time(9, 36))
    assert len(sent) == 2
    assert sent[-1] is not None
    assert 0 <= (sent[-1] - lost).total_seconds() <= 1
    assert any("work at the broker again" in text for text in alarms(day))
    assert compare_books(day) == []


FLY = """\
rulebot: 1
name: fly
about: Sells a same-day SPX iron fly at 10:00, and stops each side separately.
underlying: SPX
entry: {at: "10:00", for: 5m, per_day: 1}
legs:
  expiry: {dte: 0}
  short_put: {sell: put, strike: {at: spot}}
  short_call: {sell: call, strike: {at: short_put}}
  long_put: {buy: put, strike: {below: short_put, by: 30 pts}}
  long_call: {buy: call, strike: {above: short_call, by: 30 pts}}
order: {start: natural, tries: 3}
exits:
  - time: "15:00"
  - stop: {loss: 60%, of: each_side}
risk: {max_loss_per_trade: $5000}
"""


def test_the_alarm_names_the_legs_that_a_liquidation_has_rulebot_close(tmp_path: Path) -> None:
    """The puts lost their short leg. The calls have exits of their own: the alarm said that they are closed too."""
    (spec := tmp_path / "fly.yaml").write_text(FLY, encoding="utf-8")
    day = simulated(tmp_path, spec, 'kind: liquidation, at: "10:20", seconds: 0', until=time(10, 25))
    (position,) = day.positions.values()
    assert {leg.name: leg.held for leg in position.legs} == {
        "short_put": 0, "long_put": 0, "short_call": 1, "long_call": 1,
    }  # fmt: skip
    (text,) = [text for text in alarms(day) if "has liquidated a part" in text]
    assert re.search(
        r"without partners, \+1 SPXW \S+ 5945P\. Its exits continue with -1 SPXW \S+ 5975C, \+1 SPXW \S+ 6005C\.", text
    )


def test_a_short_leg_whose_long_leg_the_broker_liquidates_is_closed(tmp_path: Path) -> None:
    """The short leg kept no exit. What was to close with the liquidated leg is closed at market at once."""
    condor = shipped("specs") / "dte0_condor.yaml"
    day = simulated(tmp_path, condor, 'kind: liquidation, at: "11:01", seconds: 0', until=time(11, 10))
    (position,) = day.positions.values()
    held = {leg.name: leg.held for leg in position.legs}
    assert held == {"short_put": 0, "long_put": 0, "short_call": 0, "long_call": 0}
    assert position.state == "closed"
    closing = [order for order in day.orders.values() if order.purpose is Purpose.EXIT]
    assert {(order.reason, order.kind) for order in closing} == {("liquidation", OrderType.MARKET)}
    assert "short_put" in {leg.name for order in closing for leg in order.legs}
    assert compare_books(day) == []
