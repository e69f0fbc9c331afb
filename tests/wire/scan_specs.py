"""Specs that the tests of the scanner scan."""

from pathlib import Path

ROOT = Path(__file__).parents[2]

OF_ALL = """\
rulebot: 1
name: of_all
about: Sells put spreads of whatever has dear options.
universe:
  file: liquid.yaml
  categories: [indexes, mega_cap_tech, sector_etfs, event_driven]
  require:
    - open_interest: {at_least: 10}
  rank: {by: iv_rank, highest: 3}
entry: {window: {from: open + 5m, to: close - 1h}, per_day: 2, max_open: 4, when: [{move: {above: -5%}}]}
legs:
  expiry: {dte: {between: [20, 45]}}
  short_put: {sell: put, strike: {delta: 0.30}}
  long_put:  {buy: put,  strike: {delta: 0.15}}
order: {start: mid, step: 0.01, wait: 20s, tries: 10, then: cancel}
exits: [{dte: {at_most: 10}}, {target: {profit: 50%}}]
risk: {max_loss_per_trade: $20000}
"""


def example(name: str) -> str:
    """Return the file of a shipped example."""
    return str(ROOT / "examples" / f"{name}.yaml")


def put_of_all(folder: Path, name: str = "of_all", **changes: str) -> str:
    """Write a spec on the 22 symbols of the shipped universe into a folder; return its file."""
    (folder / "liquid.yaml").write_text((ROOT / "examples" / "liquid.yaml").read_text())
    text = OF_ALL.replace("of_all", name)
    for old, new in changes.items():
        text = text.replace(old, new)
    (folder / f"{name}.yaml").write_text(text)
    return str(folder / f"{name}.yaml")
