"""The page about what was measured: docs/benchmarks.md."""

from benchmarks.measure import Goal

OPENING = """# Benchmarks

How fast rulebot is, beside others on the same machine in the same minutes. Run `python -m benchmarks` to measure
anew; it writes this page. `python -m benchmarks turns` measures one part and only prints it: `commands`, `turns`,
`growth`, `gateway`, `day`, `past`, `modelled`, `peers`, `push`, `recordings`, `restart`, `safety`, `sweeps`, `weeks`.
What is compared with is installed into `benchmarks/.anchors` at the first run; without it those rows say so.

**How.** Own and other runs alternate in one script, at least five rounds, nine for commands (three for growth); a
ratio is the median of the rounds' ratios. Read ratios, not milliseconds: on a shared machine the same figure moves
twofold between minutes. F is the floor that is owed, S where we are going.
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

Goals 13 and 14 are told by processor time, not by a client that a stream keeps busy: in lockstep gateway and client
take turns, so neither is ever fully busy by the clock. The day with 90 lines streams more than its bot asks for, and
the bot judges eight strikes at every change all day long: it is the worst case of one bot, not a usual one.
"""


def table(goals: list[Goal]) -> str:
    """Return the goals as a Markdown table."""
    lines = ["| goal | what | figure | F | S | | remarks |", "|---|---|---|---|---|---|---|"]
    for goal in goals:
        bound = "<=" if goal.at_most else ">="
        floor = "" if goal.floor is None else f"{bound} {goal.floor:g}{_space(goal.unit)}"
        if goal.least is not None:
            floor = f"{goal.least:g} to {goal.floor:g}"
        stretch = "" if goal.stretch is None else f"{bound} {goal.stretch:g}{_space(goal.unit)}"
        figure = "SKIPPED" if goal.figure is None else f"{_number(goal.figure)}{_space(goal.unit)}"
        met = {None: "", True: "met", False: "**missed**"}[goal.is_met]
        lines.append(f"| {goal.number} | {goal.what} | {figure} | {floor} | {stretch} | {met} | {goal.note} |")
    return "\n".join(lines)


def _number(figure: float) -> str:
    return f"{figure:,.0f}" if abs(figure) >= 1000 else f"{figure:.3g}"


def _space(unit: str) -> str:
    return unit if unit in ("", "x") else f" {unit}"


def page(goals: list[Goal], facts: list[str]) -> str:
    """Return the whole page."""
    hows = "\n".join(f"- {numbers}: {how}." for how, numbers in _by_how(goals).items())
    machine = "; ".join(facts)
    return f"{OPENING}\n**Where.** {machine}.\n\n{table(goals)}\n\n## How each was measured\n\n{hows}\n{CLOSING}"


def _by_how(goals: list[Goal]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for goal in goals:
        found.setdefault(goal.how, []).append(f"{goal.number} ({goal.what})")
    return {how: "; ".join(numbers) for how, numbers in found.items()}
