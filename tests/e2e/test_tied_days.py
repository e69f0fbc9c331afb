"""Simulated days against the broker's own statement of them, written from its ledger: to the cent, and not else."""

import asyncio
import csv
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rulebot.cli.main import main
from rulebot.documents.load_bots import load_all_bots
from rulebot.live.environments import SimSettings, attached, simulated
from rulebot.live.start import Run, RunOptions, execute
from rulebot.model.event import Request
from rulebot.model.money import ZERO
from rulebot.model.order import Purpose
from rulebot.statement.reconcile import DifferenceKind, Reconciliation, reconcile_file
from tests.e2e.test_overnight import Died, over_a_night
from tests.e2e.worlds import spec_files
from twsim import GatewaySettings, Row, read_faults, start_gateway
from twsim.exchange.flex import flex_statement

DAY = date(2026, 10, 21)
STOP_AT = datetime(2026, 10, 21, 13, 36, tzinfo=UTC)
SETTLES = """\
rulebot: 1
name: settles_spread
about: Sells a same-day put spread around the money and lets it settle.
underlying: SPX
quantity: 2
entry: {at: "12:00"}
legs:
  expiry: {dte: 0}
  short_put: {sell: put, strike: {at: spot, round_to: 5}}
  long_put: {buy: put, strike: {below: short_put, by: 100 pts}}
order: {start: mid, step: 0.05, wait: 10s, tries: 12, then: cancel}
exits:
  - at_expiry: settle
risk: {daily_loss: $100000}
"""
BUY_WRITE = """\
rulebot: 1
name: buy_write
about: Buys shares, sells calls on them, and is too late to leave.
underlying: SPY
quantity: 2
entry: {at: "12:00"}
legs:
  expiry: {dte: 0}
  stock: {buy: shares}
  short_call: {sell: call, strike: {at: spot, round_to: 1}}
order: {start: mid, step: 0.01, wait: 10s, tries: 8, then: cancel}
exits:
  - sessions_in_trade: {at_least: 9}
risk: {daily_loss: $100000}
"""


def tied(store: Path, rows: list[Row]) -> Reconciliation:
    """Return what came of a store and the statement of these rows."""
    path = store.with_suffix(".xml")
    path.write_text(flex_statement(rows), encoding="utf-8")
    return reconcile_file(store, path)


def morning(folder: Path, *faults: str) -> Reconciliation:
    """Run the seller to 09:36 while this goes wrong, and tie what came of it."""

    async def body() -> Reconciliation:
        plan = read_faults("faults:\n" + "".join(f"  - {{{each}}}\n" for each in faults))
        gateway = await start_gateway(GatewaySettings(first_day=DAY, seed=7), faults=plan)
        try:
            options = RunOptions(store=folder / "s.db", logs=None, sessions=None, install="f")
            desk = load_all_bots(spec_files(["spy_put_seller"]), {}, None)
            world = attached("127.0.0.1", gateway.port, 1, "", lockstep=True)
            await execute(desk, options, world, lambda run: None, _stop)
            assert gateway.ledger is not None
            return tied(folder / "s.db", gateway.ledger.rows)
        finally:
            await gateway.stop()

    return asyncio.run(body())


def _stop(run: Run, at: datetime) -> None:
    if at >= STOP_AT:
        run.inbox.ask(Request.STOP)


def test_a_corrected_trade_and_other_people_in_the_account(tmp_path: Path) -> None:
    found = morning(
        tmp_path,
        "kind: correction, on: fill, seconds: 40, price_by: -0.01",
        'kind: person_adds, at: "09:34"',
    )
    assert found.differences == ()
    assert found.executions == 1
    assert [reported.ref for reported in found.strangers] == [""]


def test_a_trade_that_is_cancelled_leaves_its_commission(tmp_path: Path) -> None:
    found = morning(tmp_path, "kind: correction, on: fill, seconds: 40, quantity_by: -1")
    assert found.differences == ()
    assert [each.ours for each in found.sums] == [0, 0, Decimal("1.0534"), Decimal("-1.0534")]


def test_an_early_assignment_is_in_the_store_as_in_the_statement(tmp_path: Path) -> None:
    found = morning(tmp_path, 'kind: assignment, at: "09:34"')
    assert (found.differences, found.endings) == ((), 1)


def test_an_assignment_that_the_store_does_not_know_is_found(tmp_path: Path) -> None:
    (found,) = morning(tmp_path, 'kind: assignment, at: "09:35:45"').differences
    assert (found.what, found.contract) == (DifferenceKind.ENDING, "SPY   270115P00546000")
    assert (found.ours, found.theirs) == ("+0 ended", "+1 assigned")


def test_an_estimate_is_corrected_by_the_statement(tmp_path: Path) -> None:
    """The engine dies once its order is out; what filled is taken up from the account in the morning."""

    def ends(run: Run, now: datetime) -> None:
        if any(order.purpose is Purpose.ENTRY for order in run.loop.state.orders.by_ref.values()):
            raise Died

    _, gateway = over_a_night(tmp_path, ends)
    assert gateway.ledger is not None
    found = tied(tmp_path / "s.db", gateway.ledger.rows)
    assert {each.what for each in found.differences} == {DifferenceKind.ESTIMATE}
    (mend,) = {each.mend for each in found.differences}
    done = CliRunner().invoke(main, [*mend.split()[1:], "--store", str(tmp_path / "s.db")])
    assert done.exit_code == 0, done.output
    assert tied(tmp_path / "s.db", gateway.ledger.rows).differences == ()


def held_to_the_end(folder: Path, market: str, spec: str) -> Reconciliation:
    """Run a day of one spec and tie it."""
    (folder / "buy_write.yaml").write_text(spec)
    rows: list[list[Row]] = []

    def note(run: Run, at: datetime) -> None:
        ledger = None if run.world.gateway is None else run.world.gateway.ledger
        if ledger is not None and run.last is not None and at >= run.last:
            rows.append(list(ledger.rows))

    options = RunOptions(store=folder / "day.db", logs=None, sessions=1, install="s7")
    desk = load_all_bots([str(folder / "buy_write.yaml")], {}, None)
    asyncio.run(
        execute(desk, options, simulated(SimSettings(data_seconds=15, market=market), 1), lambda run: None, note)
    )
    return tied(folder / "day.db", rows[-1])


@pytest.mark.long
def test_shares_that_are_called_away(tmp_path: Path) -> None:
    found = held_to_the_end(tmp_path, "trend_up", BUY_WRITE)
    assert found.differences == ()
    assert (found.executions, found.endings) == (2, 2)
    path = tmp_path / "day.xml"
    path.write_text(
        path.read_text().replace('transactionType="Sell" quantity="-200"', 'transactionType="Sell" quantity="-100"')
    )
    (difference,) = reconcile_file(tmp_path / "day.db", path).differences
    assert (difference.contract, difference.name) == ("SPY", "shares delivered")


@dataclass(frozen=True)
class Day:
    """A day of all shipped bots, and one more whose spread settles for cash."""

    store: Path
    statement: str

    def tie(self, text: str | None = None) -> Result:
        path = self.store.with_name("told.xml")
        path.write_text(self.statement if text is None else text, encoding="utf-8")
        return CliRunner().invoke(main, ["store", "tie", str(path), "--store", str(self.store)])


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory, slow_market: None) -> Day:
    folder = tmp_path_factory.mktemp("tie")
    (folder / "settles_spread.yaml").write_text(SETTLES)
    runner = CliRunner(env={"RULEBOT_DATA": str(folder / "data")})
    store, ledger, statement = folder / "day.db", folder / "day.jsonl", folder / "day.xml"
    run = ["run", "--paper", "--sim", "--seed", "7", "--speed", "max", "--store", str(store), "--ledger", str(ledger)]
    specs = [*spec_files(), str(folder / "settles_spread.yaml")]
    assert runner.invoke(main, [*run, *specs]).exit_code == 0
    assert runner.invoke(main, ["gateway", "--ledger", str(ledger), "--flex", str(statement)]).exit_code == 0
    return Day(store, statement.read_text(encoding="utf-8"))


def first_trade(text: str) -> str:
    found = re.search(r'<Trade [^>]*transactionType="ExchTrade"[^>]*/>', text)
    assert found is not None
    return found[0]


def changed(name: str, value: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        line = first_trade(text)
        return text.replace(line, re.sub(rf' {name}="[^"]*"', f' {name}="{value}"', line))

    return change


def added(ref: str) -> Callable[[str], str]:
    def add(text: str) -> str:
        line = re.sub(r' ibExecID="[^"]*"', ' ibExecID="0000e0dc.0000ffff.01.01"', first_trade(text))
        line = re.sub(r' ibOrderID="[^"]*"', ' ibOrderID="1"', line)
        return text.replace(
            "<Trades>", "<Trades>" + re.sub(r' orderReference="[^"]*"', f' orderReference="{ref}"', line)
        )

    return add


def without_ending(text: str) -> str:
    return re.sub(r"<OptionEAE [^>]*Expiration[^>]*/>", "", text, count=1)


TAMPERED: dict[str, tuple[Callable[[str], str], str]] = {
    "price": (changed("tradePrice", "4.73"), " DIFFERS  spy_put_seller  "),
    "commission": (changed("ibCommission", "-1.06"), "commission: ours 1.0534, the statement's 1.06"),
    "proceeds": (changed("proceeds", "464.01"), "proceeds: ours 464.00, the statement's 464.01"),
    "quantity": (changed("quantity", "-2"), "quantity: ours -1, the statement's -2"),
    "missing": (lambda text: text.replace(first_trade(text), ""), " NOT IN THE STATEMENT  spy_put_seller  "),
    "added": (added("rb:s7:000001"), " NOT IN THE STORE  0000e0dc.0000ffff.01.01"),
    "doubled": (lambda text: text.replace(first_trade(text), first_trade(text) * 2), " DOUBLED IN THE STATEMENT  "),
    "ending": (without_ending, " ENDED OTHERWISE  "),
    "cash of an ending": (
        lambda text: re.sub(r'(Cash Settlement"[^>]*proceeds="-?)', r"\g<1>1", text, count=1),
        " ENDED OTHERWISE  ",
    ),
}


@pytest.mark.long
def test_ci_a_day_of_several_bots_ties_to_the_cent(day: Day) -> None:
    found = day.tie()
    assert found.exit_code == 0, found.output
    lines = found.stdout.splitlines()
    assert " ties to the cent" in lines
    assert "external" not in found.stdout
    assert 'transactionType="Cash Settlement"' in day.statement
    assert len(set(re.findall(r'orderReference="(rb:[^"]+)"', day.statement))) >= 6
    for name, (tamper, says) in TAMPERED.items():
        reported = day.tie(tamper(day.statement))
        assert (reported.exit_code, says in reported.stdout) == (1, True), f"{name}\n{reported.output}"
    strange = day.tie(added("somebody")(day.statement))
    assert strange.exit_code == 0
    assert " on 2026-10-21, order reference 'somebody'" in strange.stdout


@pytest.mark.long
def test_ci_the_sheets_of_that_day_are_its_views(day: Day) -> None:
    folder = day.store.parent / "out"
    assert CliRunner().invoke(main, ["store", "export", "--to", str(folder), "--store", str(day.store)]).exit_code == 0
    rows = {path.stem: list(csv.DictReader(path.open(newline=""))) for path in folder.glob("*.csv")}
    closed = {row["position"]: row for row in rows["trades"] if row["status"] == "CLOSED"}
    assert len(closed) >= 3
    for position, trade in closed.items():
        gain, cash, paid = (
            sum((Decimal(row[column]) for row in rows[sheet] if row["position"] == position), ZERO)
            for sheet, column in (("tax_lots", "gain"), ("settlements", "cash"), ("executions", "commission"))
        )
        dealt = sum((Decimal(row["proceeds"]) for row in rows["executions"] if row["position"] == position), ZERO)
        assert (gain, dealt + cash, paid) == tuple(
            Decimal(trade[column]) for column in ("final_pnl", "realized_pnl", "commissions")
        )
    total = sum((Decimal(row["gain"]) for row in rows["tax_lots"] if row["position"] in closed), ZERO)
    assert total == Decimal(rows["daily_summary"][0]["net_pnl"])
    assert {row["ended"] for row in rows["tax_lots"]} >= {"closed", "expired", "cash settled"}
