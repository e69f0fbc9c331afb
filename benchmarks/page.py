"""The page about what was measured: docs/benchmarks.md."""

from collections.abc import Iterable, Sequence

from benchmarks.measure import Goal
from benchmarks.measured import Measured

EARLIER = 5
NAMED = 1000
"""Where goals without a number stand: behind those that have one."""

OPENING = """# Benchmarks

How fast rulebot is, beside others on the same machine in the same minutes. Run `python -m benchmarks` to measure
anew, or a part of it, as `python -m benchmarks turns`: `commands`, `turns`, `growth`, `gateway`, `day`, `past`,
`modelled`, `peers`, `push`, `recordings`, `restart`, `safety`, `sweeps`, `weeks`. It keeps what it finds in
`benchmarks/measured.json` and writes this page from it; with `--print` it only prints. What is compared with is
installed into `benchmarks/.anchors` at the first run; what could not be measured keeps its last figure here.

**How.** Own and other runs alternate in one script, at least five rounds, nine for commands (three for growth); a
ratio is the median of the rounds' ratios. Read ratios, not milliseconds: on a shared machine the same figure moves
twofold between minutes. F is the floor that is owed, S where we are going. *Before* are up to five figures of earlier
runs, the newest first, of slower and faster machines and of older code; `measured.json` has all of them.
"""
CLOSING = """
## What differs in the task

The task sells a same-day iron condor: window, VIX in a range, strikes by delta, wings, a least credit; it is closed at
a cost, at a delta, at a target or at a time. The program by hand and the engine get the same quotes, judge after every
one and fill at the natural prices of that quote. The trades must be equal, bot by bot (minutes of entry and exit,
reason, credit, cost), or the run fails; one difference is allowed, and checked: when nobody bids for a long wing any
more, the engine closes the rest at a time of its own and leaves the wing to expire, and the program by hand books it
at 0.

The engine does what the program by hand does not: orders, fills by leg with commissions, limits, reasons, a trace of
every verdict that changed, snapshots of positions every minute, and the choice of what to stream every five seconds.

The other engines of goals 8 and 9 get what the task needs in the way that is fastest there. nautilus_trader matches
every quote and keeps an account; it is handed the deltas, which its quotes lack, and its four orders fill one by one.
backtrader knows no options: it is handed bid, ask and delta as lines of 240 feeds, and its trades are told by them.

Goals 4 and 5: one turn in a hundred is one that asks the broker, or judges an exit, and the p99 is of those. With 50
bots more turns are, so goal 5's p99 rises as that of one bot falls.

Goals 7 and 8 hang on the machine: what reads Parquet, which the program by hand does above all, and what counts in
Python are not slow in the same proportion on each. The same code in the same week took from 4.0 to 5.6 times the
program by hand.

Goal 8 asks for more than goal 7 does: where both were set nautilus_trader took 386 times as long as a program by hand,
and on these machines, beside that of goal 7, some 210 to 240 times. Sixty times faster than it is 3.5 to 4 times the
program by hand, which goal 7 may take five times.

Goals 13 and 14 are told by processor time, not by a client that a stream keeps busy: in lockstep gateway and client
take turns, so neither is ever fully busy by the clock. The day with 90 lines streams more than its bot asks for, and
the bot judges eight strikes at every change all day long: it is the worst case of one bot, not a usual one.
"""


def table(rows: Iterable[Measured]) -> str:
    """Return what was measured as a Markdown table."""
    lines = ["| goal | what | figure | F | S | | on | before | remarks |", "|---|---|---|---|---|---|---|---|---|"]
    for row in rows:
        goal = row.goal
        bound = "<=" if goal.at_most else ">="
        floor = "" if goal.floor is None else f"{bound} {goal.floor:g}{_space(goal.unit)}"
        if goal.least is not None:
            floor = f"{goal.least:g} to {goal.floor:g}"
        stretch = "" if goal.stretch is None else f"{bound} {goal.stretch:g}{_space(goal.unit)}"
        figure = "SKIPPED" if goal.figure is None else f"{_number(goal.figure)}{_space(goal.unit)}"
        met = {None: "", True: "met", False: "**missed**"}[goal.is_met]
        before = ", ".join(_number(figure) for _, figure in reversed(row.before[-EARLIER:]))
        cells = (goal.number, goal.what, figure, floor, stretch, met, row.on, before, goal.note)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _number(figure: float) -> str:
    return f"{figure:,.0f}" if abs(figure) >= 1000 else f"{figure:.3g}"


def _space(unit: str) -> str:
    return unit if unit in ("", "x") else f" {unit}"


def page(measured: Sequence[Measured], facts: list[str]) -> str:
    """Return the whole page, of all goals by their numbers, on a machine of which these are the facts."""
    rows = sorted(measured, key=lambda each: int(each.goal.number) if each.goal.number.isdigit() else NAMED)
    hows = "\n".join(f"- {numbers}: {how}." for how, numbers in _by_how([each.goal for each in rows]).items())
    machine = "; ".join(facts)
    return f"{OPENING}\n**Where.** {machine}.\n\n{table(rows)}\n\n## How each was measured\n\n{hows}\n{CLOSING}"


def _by_how(goals: list[Goal]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for goal in goals:
        found.setdefault(goal.how, []).append(f"{goal.number} ({goal.what})")
    return {how: "; ".join(numbers) for how, numbers in found.items()}
