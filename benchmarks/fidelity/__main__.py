"""Measure fidelity: `python -m benchmarks.fidelity [FOLDER]`, else RULEBOT_MARKET_DATA; writes docs/fidelity.md."""

import os
import sys
from pathlib import Path

from benchmarks.fidelity import chains, fund, indices, model
from benchmarks.fidelity.figure import table
from benchmarks.fidelity.page import curves, page

DOCS = Path(__file__).parents[2] / "docs"


def main(arguments: list[str]) -> int:
    """Measure everything; 1 when something does not hold, 2 without data."""
    folder = arguments[0] if arguments else os.environ.get("RULEBOT_MARKET_DATA", "")
    if not folder or not Path(folder).is_dir():
        print("name the folder of market data, or set RULEBOT_MARKET_DATA", file=sys.stderr)
        return 2
    data = Path(folder).resolve()
    rates = data / "limited" / "benchmarks" / "cboe_strategy_indices_monthly.csv"
    of_chains = chains.measure(data)
    print(table(of_chains), flush=True)
    of_model = [*model.measure(data, rates), *fund.measure(data)]
    print(table(of_model), flush=True)
    replicas = indices.measure(data, rates)
    of_indices = [each.figure() for each in replicas]
    print(table(of_indices), flush=True)
    text = page(of_chains, of_model, replicas, chains.findings(data))
    (DOCS / "fidelity.md").write_text(text, encoding="utf-8")
    (DOCS / "fidelity.svg").write_text(curves(replicas), encoding="utf-8")
    return 0 if all(each.holds is not False for each in (*of_chains, *of_model, *of_indices)) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
