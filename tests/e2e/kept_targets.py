"""Whether every trade that a target closed kept what the target promises, on simulated days and on modelled years.

`python -m tests.e2e.kept_targets` runs 30 simulated days of two seeds and the modelled years 2016 to 2019 with three
ways to fill. It prints a line for each bot and target, and ends with 1 if a trade kept less than it was promised.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from click.testing import CliRunner

from rulebot.cli.main import main as rulebot
from rulebot.model.money import signed_dollars
from rulebot.narrate.trades import TargetResult, read_profit_kept
from rulebot.store.queries import StoreReader
from tests.e2e.worlds import run_days, spec_files

ROOT = Path(__file__).parents[2]
CONDORS = ("put_lite", "dte0_condor", "calm_tape_condor")
BY_DAYS = (*CONDORS, "spy_put_seller", "vertical_switch")
"""Shipped bots with a target that trade on simulated days."""
FLY = """
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
order: {start: mid, step: 0.10, wait: 10s, tries: 6, then: cancel}
exits:
  - time: "15:00"
  - stop: {loss: 100%, of: each_side}
    confirm: 2 quotes
  - target: {profit: 25%}
risk: {max_loss_per_trade: $8000}
"""


class Row(NamedTuple):
    """One target of a bot in one run. orders: sent for it; not_profit: trades that are not booked TAKE_PROFIT."""

    run: str
    kept: TargetResult
    orders: int
    not_profit: int

    @property
    def is_short(self) -> bool:
        """Say whether a trade kept less than was promised, or was booked as something else than a profit."""
        return bool(self.kept.missed or self.not_profit)


def rows_of(run: str, store: Path) -> list[Row]:
    """Return a row for each target of a store."""
    with StoreReader(store) as reader:
        found = [each for each in read_profit_kept(reader) if each.promised is not None]
        trades = [row for row in reader.view("trades", status="CLOSED") if row["target_dollars"] is not None]
        orders = [row for row in reader.view("orders") if row["purpose"] in ("exit", "target")]
    rows = []
    for kept in found:
        own = [row for row in trades if (row["strategy_id"], row["exit_name"]) == (kept.bot, kept.exit)]
        sent = [row for row in orders if (row["strategy_id"], row["reason"]) == (kept.bot, kept.exit)]
        rows.append(Row(run, kept, len(sent), sum(row["exit_reason"] != "TAKE_PROFIT" for row in own)))
    return rows


def simulated(folder: Path, specs: Sequence[str], *, seed: int, days: int) -> list[Row]:
    """Return the rows of so many simulated days, quoted every 15 seconds."""
    (own := folder / f"seed{seed}").mkdir()
    run_days(own, specs, seed=seed, days=days, data_seconds=15)
    (store,) = own.glob("*.db")
    return rows_of(f"{days} days, seed {seed}", store)


def modelled(folder: Path, specs: Iterable[str], first: str, last: str, fills: str) -> list[Row]:
    """Return the rows of a backtest of modelled sessions."""
    store = folder / f"{fills}.db"
    source = f"model:{ROOT / 'examples' / 'data'}"
    words = ["--data", source, "--from", first, "--to", last, "--fills", fills, "--store", str(store)]
    ran = CliRunner().invoke(rulebot, ["backtest", *specs, *words])
    assert ran.exit_code == 0, ran.output
    return rows_of(f"{first} to {last}, {fills}", store)


def fly(folder: Path) -> str:
    """Write the fly and return its path."""
    (spec := folder / "fly.yaml").write_text(FLY, encoding="utf-8")
    return str(spec)


def lines_of(rows: Iterable[Row]) -> Iterator[str]:
    """Yield the table."""
    yield f"{'run':38}{'bot':18}{'target':>8}{'n':>5}{'least kept':>12}{'kept':>10}{'missed':>8}{'orders':>8}"
    for run, kept, orders, _ in rows:
        promised, least, mean = (_amount(*pair) for pair in _amounts(kept))
        numbers = f"{promised:>8}{kept.trades:>5}{least:>12}{mean:>10}{kept.missed:>8}{orders / kept.trades:>8.1f}"
        yield f"{run:38}{kept.bot:18}{numbers}"


def _amounts(kept: TargetResult) -> list[tuple[Decimal | None, Decimal | None]]:
    shares = (kept.promised_share, kept.least_share, kept.kept_share)
    return list(zip(shares, (kept.promised, kept.least, kept.kept), strict=True))


def _amount(share: Decimal | None, dollars: Decimal | None) -> str:
    if share is not None:
        return f"{share * 100:.1f} %"
    return "" if dollars is None else signed_dollars(dollars)


def main(words: Sequence[str] | None = None) -> int:
    """Print the table of all runs asked for; return 1 if a trade kept less than it was promised."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.kept_targets", description=__doc__)
    parser.add_argument("--days", type=int, default=30, help="simulated days, 0 for none")
    parser.add_argument("--seeds", default="101,11")
    parser.add_argument("--from", dest="first", default="2016-01-04", help="first modelled session")
    parser.add_argument("--to", dest="last", default="2019-12-31", help="last modelled session")
    parser.add_argument("--fills", default="mid,natural,mid+0.3", help="ways to fill, '' for no modelled session")
    asked = parser.parse_args(words)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for seed in asked.seeds.split(",") if asked.days else ():
            rows += simulated(folder, spec_files(BY_DAYS), seed=int(seed), days=asked.days)
        for fills in filter(None, asked.fills.split(",")):
            rows += modelled(folder, [fly(folder), *spec_files(CONDORS)], asked.first, asked.last, fills)
    print("\n".join(lines_of(rows)))
    return int(any(row.is_short for row in rows))


if __name__ == "__main__":
    sys.exit(main())
