"""The page about what was measured: docs/benchmarks.md."""

from collections.abc import Iterable, Sequence

from benchmarks.measured import Measured

NAMED = 1000
"""Where goals without a number stand: behind those that have one."""

OPENING = """# Benchmarks

How fast rulebot is beside other programs on the same machine in the same minutes. `python -m benchmarks` measures all
of it, or parts: `commands`, `turns`, `growth`, `gateway`, `day`, `past`, `modelled`, `peers`, `push`, `recordings`,
`restart`, `safety`, `sweeps`, `weeks`. `benchmarks/measured.json` keeps figures with their dates, earlier ones, remarks
and how each was measured; this page is written from it (`--print` only prints). What is compared with is installed
into `benchmarks/.anchors` at the first run.

**How.** Runs of both sides alternate in one script, in at least five rounds; a ratio is the median of the rounds'
ratios. Read ratios, not milliseconds: a shared machine differs twofold between minutes. F is the floor that must be
met, S the goal.
"""
CLOSING = """
## The task

The task sells a same-day iron condor (window, VIX range, strikes by delta, wings, least credit) and closes it at a
cost, a delta, a target or a time. The program by hand and the engine get the same quotes, judge after each one and
fill at its natural prices. Their trades must be equal (minutes, reason, credit, cost), or the run fails. One checked
difference is allowed: a long wing without a bid is left to expire by the engine, and booked at 0 by hand.

The engine also does what the program by hand does not: orders, fills by leg with commissions, limits, reasons, a trace
of verdicts, snapshots of positions, and the choice of what to stream.

- Goals 4 and 5: the p99 is of turns that ask the broker or judge an exit; with 50 bots more turns do.
- Goals 7 and 8 depend on the machine: the same code took 4.0 to 5.6 times the program by hand in one week.
- Goals 8 and 9: nautilus_trader gets the deltas with its quotes; backtrader gets bid, ask and delta as 240 feeds.
- Goals 13 and 14 are processor time, since gateway and client take turns in lockstep.
- *day*, 90 lines: the bot judges eight strikes at every change all day, the worst case of one bot.
"""


def table(rows: Iterable[Measured]) -> str:
    """Return what was measured as a Markdown table."""
    lines = ["| goal | what | figure | F | S | |", "|---|---|---|---|---|---|"]
    for row in rows:
        goal = row.goal
        bound = "<=" if goal.at_most else ">="
        floor = "" if goal.floor is None else f"{bound} {goal.floor:g}{_space(goal.unit)}"
        if goal.least is not None:
            floor = f"{goal.least:g} to {goal.floor:g}"
        stretch = "" if goal.stretch is None else f"{bound} {goal.stretch:g}{_space(goal.unit)}"
        figure = "SKIPPED" if goal.figure is None else f"{_number(goal.figure)}{_space(goal.unit)}"
        met = {None: "", True: "met", False: "**missed**"}[goal.is_met]
        cells = (goal.number, goal.what, figure, floor, stretch, met)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _number(figure: float) -> str:
    return f"{figure:,.0f}" if abs(figure) >= 1000 else f"{figure:.3g}"


def _space(unit: str) -> str:
    return unit if unit in ("", "x") else f" {unit}"


def page(measured: Sequence[Measured], facts: list[str]) -> str:
    """Return the whole page, of all goals by their numbers, on a machine of which these are the facts."""
    rows = sorted(measured, key=lambda each: int(each.goal.number) if each.goal.number.isdigit() else NAMED)
    machine = "; ".join(facts)
    return f"{OPENING}\n**Where.** {machine}.\n\n{table(rows)}\n{CLOSING}"
