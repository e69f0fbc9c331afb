"""Options on XSP, NDX and RUT over the wire: condors that settle in cash, at the close and at the next day's open."""

import csv
import json
from datetime import date, time
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from rulebot.adapters.recorded.recording import open_recording
from rulebot.checks.against_ledger.books import CheckedDay, compare_books
from rulebot.cli.main import main
from rulebot.model.session import session_on
from rulebot.record.record import Kind
from rulebot.replay.recordings import listed
from tests.e2e.test_four_worlds import Lived, check_worlds
from tests.e2e.worlds import check_replays, run_days
from twsim.market.market import SimMarket
from twsim.market.universe import UNDERLYINGS

CONDOR = """\
rulebot: 1
name: {name}
about: Sells an iron condor at noon and lets it settle.
underlying: {symbol}
quantity: {quantity}
entry: {{at: "12:00", max_open: 1{days}}}
legs:
  expiry: {{{expiry}}}
  short_put: {{sell: put, strike: {{delta: {delta}}}}}
  long_put: {{buy: put, strike: {{below: short_put, by: {width} pts}}}}
  short_call: {{sell: call, strike: {{delta: {delta}}}}}
  long_call: {{buy: call, strike: {{above: short_call, by: {width} pts}}}}
order: {{start: mid, step: {step}, wait: 10s, tries: 20, then: cancel}}
exits:
  - at_expiry: settle
risk: {{max_loss_per_trade: $20000}}
"""
SAME_DAY = {
    "xsp": {"symbol": "XSP", "quantity": 10, "width": 2, "step": "0.01"},
    "ndx": {"symbol": "NDX", "quantity": 1, "width": 50, "step": "0.05"},
    "rut": {"symbol": "RUT", "quantity": 2, "width": 10, "step": "0.05"},
}
WEDNESDAY, FRIDAY = date(2026, 10, 14), date(2026, 10, 16)
"""Options of the class NDX that settle on Friday trade last on Thursday."""


def written(folder: Path, name: str, expiry: str, delta: str, days: str = "", **given: object) -> str:
    path = folder / f"{name}.yaml"
    path.write_text(CONDOR.format(name=name, expiry=expiry, delta=delta, days=days, **given), encoding="utf-8")
    return str(path)


def level(symbol: str, day: date, at: str, first_day: date) -> Decimal:
    """Return the open or close of an index on a day of the run of seed 7 that began on `first_day`."""
    market = SimMarket(seed=7, date=first_day)
    session = session_on(day)
    assert session is not None
    market.advance(session.close)
    stats = market.stats(UNDERLYINGS[symbol].con_id)
    return Decimal(str(stats.open if at == "open" else stats.last))


def due(simulated: CheckedDay, bot: str, settled_at: Decimal) -> Decimal:
    """Return what the structure of a bot owes per share at a level."""
    (position,) = [each for each in simulated.positions.values() if each.bot == bot]
    outstanding = Decimal(0)
    for leg in position.legs:
        strike = leg.option.strike
        worth = strike - settled_at if leg.option.right.letter == "P" else settled_at - strike
        outstanding -= leg.sign * max(worth, Decimal(0))
    return outstanding


@pytest.mark.long
def test_ci_condors_on_three_indices_settle_in_cash_at_the_close(tmp_path: Path) -> None:
    tapes = tmp_path / "tapes"
    specs = [written(tmp_path, name, "dte: 0", "0.20", **given) for name, given in SAME_DAY.items()]
    simulated = run_days(tmp_path, specs, seed=7, data_seconds=15, tapes=tapes)
    records = list(simulated.records)
    assert [each.data["text"] for each in records if each.kind is Kind.ALARM] == []
    (day,) = {each.session for each in simulated.positions.values()}
    positions = {each.bot: each for each in simulated.positions.values()}
    assert set(positions) == set(SAME_DAY)
    classes = {name: {leg.option.trading_class for leg in each.legs} for name, each in positions.items()}
    assert classes == {"xsp": {"XSP"}, "ndx": {"NDXP"}, "rut": {"RUTW"}}
    close = level("XSP", day, "close", day)
    assert abs(close * 10 - level("SPX", day, "close", day)) <= Decimal("0.05")
    for name, position in positions.items():
        settled_at = level(str(SAME_DAY[name]["symbol"]), day, "close", day)
        outstanding = due(simulated, name, settled_at)
        assert position.exit_price == -outstanding
        assert position.exit_reason == ("settled" if outstanding else "expired_worthless")
    assert any(each.exit_reason == "settled" for each in positions.values())
    prices = {name: [each.limit_price for each in simulated.orders.values() if each.bot == name] for name in SAME_DAY}
    for name, sent in prices.items():
        assert all(price is not None and price % Decimal(str(SAME_DAY[name]["step"])) == 0 for price in sent)
    assert any(price is not None and price % Decimal("0.05") for price in prices["xsp"]), "between two nickels"
    assert compare_books(simulated) == []
    assert check_replays(tapes) >= 3
    assert check_worlds(Lived(open_recording(listed(tapes)[0].file), records)) == []


@pytest.mark.long
def test_ci_monthlies_settle_at_the_open_of_the_third_friday(tmp_path: Path) -> None:
    wednesday = ", days: [wed]"
    specs = [
        written(
            tmp_path, "ndx", "dte: 1, class: NDX", "0.35", wednesday, symbol="NDX", quantity=1, width=100, step=0.05
        ),
        written(
            tmp_path, "rut", "dte: 1, class: RUT", "0.35", wednesday, symbol="RUT", quantity=1, width=10, step=0.05
        ),
    ]
    tapes = tmp_path / "tapes"
    simulated = run_days(tmp_path, specs, seed=7, days=3, first_day=WEDNESDAY, data_seconds=15, tapes=tapes)
    assert [each.data["text"] for each in simulated.records if each.kind is Kind.ALARM] == []
    for name, symbol in (("ndx", "NDX"), ("rut", "RUT")):
        (position,) = [each for each in simulated.positions.values() if each.bot == name]
        assert {(leg.option.trading_class, leg.option.expiry) for leg in position.legs} == {
            (symbol, date(2026, 10, 15))
        }
        opened, closed = (level(symbol, FRIDAY, at, WEDNESDAY) for at in ("open", "close"))
        assert position.exit_price == -due(simulated, name, opened)
        assert opened != closed
        ended = next(
            each.at
            for each in simulated.records
            if each.kind is Kind.POSITION and each.position == position.id and each.data["exit_reason"]
        )
        session = session_on(FRIDAY)
        assert session is not None
        assert ended == session.at(time(10, 0))
    assert compare_books(simulated) == []
    assert check_replays(tapes) >= 2


@pytest.mark.long
def test_ci_a_condor_on_xsp_over_modelled_sessions_as_a_backtest_and_in_a_sweep(tmp_path: Path) -> None:
    """What is settled is the tenth of the index's bar; a sweep, by its arrays, comes to the same dollars."""
    folder = Path(__file__).parents[2] / "examples" / "data" / "daily"
    past = [
        "--data",
        f"model:{folder}?symbol=XSP&dte=0",
        "--from",
        "2018-03-01",
        "--to",
        "2018-03-16",
        "--fills",
        "mid",
    ]
    given = [*past, "--format", "json"]
    spec = written(tmp_path, "xsp", "dte: 0", "0.35", symbol="XSP", quantity=1, width=1, step="0.01")
    runner = CliRunner(env={"RULEBOT_DATA": str(tmp_path / "data")})
    found = runner.invoke(main, ["backtest", *given, spec, "--store", str(tmp_path / "past.db")])
    assert found.exit_code == 0, found.output
    reported = json.loads(found.stdout)
    assert {each["reason"] for each in reported["trades"]} == {"settled", "expired_worthless"}
    variants = runner.invoke(main, ["sweep", *given, spec, "--vary", "legs.short_put.strike.delta=0.35,0.15"])
    assert variants.exit_code == 0, variants.output
    first = json.loads(variants.stdout)["variants"][0]
    assert (first["net"], first["trades"], first["by_arrays"]) == (reported["all"]["net"], len(reported["trades"]), 12)


@pytest.mark.long
@pytest.mark.usefixtures("slow_market")
def test_ci_the_statement_of_a_day_ties_and_its_tax_sheet_is_of_section_1256(tmp_path: Path) -> None:
    runner = CliRunner(env={"RULEBOT_DATA": str(tmp_path / "data")})
    specs = [written(tmp_path, name, "dte: 0", "0.20", **given) for name, given in SAME_DAY.items()]
    store, ledger, statement = (str(tmp_path / name) for name in ("day.db", "day.jsonl", "day.xml"))
    run = ["run", "--paper", "--sim", "--seed", "7", "--speed", "max", "--store", store, "--ledger", ledger]
    assert runner.invoke(main, [*run, *specs]).exit_code == 0
    assert runner.invoke(main, ["gateway", "--ledger", ledger, "--flex", statement]).exit_code == 0
    tied = runner.invoke(main, ["store", "tie", statement, "--store", store])
    assert tied.exit_code == 0, tied.output
    reported = Path(statement).read_text(encoding="utf-8")
    assert all(f'underlyingSymbol="{given["symbol"]}"' in reported for given in SAME_DAY.values())
    assert 'underlyingSymbol="NDXP"' not in reported
    out = tmp_path / "sheets"
    sheets = runner.invoke(main, ["store", "export", "--store", store, "--to", str(out)])
    assert sheets.exit_code == 0, sheets.output
    with next(out.glob("*lots*.csv")).open(encoding="utf-8", newline="") as file:
        lots = list(csv.DictReader(file))
    assert len(lots) >= 4 * len(SAME_DAY)
    assert {lot["section_1256"] for lot in lots} == {"yes"}
