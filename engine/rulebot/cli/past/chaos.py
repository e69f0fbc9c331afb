"""`rulebot chaos`: bots under faults and crashes drawn from seeds, and whether what must always hold did hold."""

import shlex
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rulebot.cli.options import FORMAT, SEED, SPECS, WholeNumber, set_option
from rulebot.cli.output import echo
from rulebot.cli.store_options import print_json
from rulebot.model.text import counted

if TYPE_CHECKING:
    from collections import Counter

    from rulebot.chaos.seeds import ChaosOptions, SeedResult, SeedTally, SmallestScenario, Workers

SHOWN = 3
"""Seeds that are shown of each invariant that is broken."""


@click.command("chaos", short_help="try bots under faults and crashes")
@click.argument("specs", nargs=-1, required=True, metavar="SPEC...", type=SPECS)
@click.option("--seeds", "count", type=WholeNumber(1), default=20, show_default=True, help="How many seeds to try.")
@click.option("--seed", "first", type=SEED, default=1, show_default=True, help="The first seed.")
@click.option("--faults", "kinds", metavar="KIND,...", help="Only these kinds (docs/faults.md; crash, power_cut).")
@click.option("--whole-day", is_flag=True, help="Whole sessions instead of the time around an entry window.")
@click.option("--overnight", is_flag=True, help="From an evening to the next morning: expiry, assignment, a new day.")
@click.option("--scramble-texts", is_flag=True, help="Try each seed twice: texts for people must decide nothing.")
@click.option("--account", type=click.Path(path_type=Path), help="The account document: limits over all bots.")
@set_option
@FORMAT
@click.pass_context
def chaos(
    ctx: click.Context,
    specs: tuple[str, ...],
    count: int,
    first: int,
    kinds: str | None,
    whole_day: bool,
    overnight: bool,
    scramble_texts: bool,
    account: Path | None,
    overrides: tuple[str, ...],
    form: str,
) -> None:
    """Try the bots of SPECS while everything goes wrong, and say which invariants held.

    Each seed draws a market, some faults of the gateway and some crashes of the engine. The real engine trades through
    them against the simulated gateway; then its store is compared with the broker's own ledger. A seed that fails is
    made as small as it can be, and is the same again with --seeds 1 --seed N.

    Exit code: 0 when all invariants held for all seeds, 1 when one was broken or SPECS have problems, 2 for misuse, 3
    when files cannot be read or written.
    """
    from rulebot.chaos.generator import chosen_kinds
    from rulebot.chaos.seeds import ChaosOptions, SeedTally, workers, worth_shrinking
    from rulebot.cli.validate import parse_settings, show_problems
    from rulebot.documents.load_bots import ProblemsError, check_overrides

    settings = parse_settings(overrides)
    asked = ChaosOptions(
        specs=specs,
        overrides=settings,
        kinds=chosen_kinds(kinds),
        account=account,
        whole_day=whole_day,
        overnight=overnight,
        scrambles=scramble_texts,
    )
    try:
        desk = asked.desk()
        check_overrides(desk, settings)
    except ProblemsError as error:
        show_problems(error.found, "text", err=True)
        raise click.exceptions.Exit(error.exit_code) from error
    began = time.monotonic()
    with workers(asked, count) as found:
        tried = tuple(_shown(found.tries(range(first, first + count)), count))
        smallest = tuple(_smallest(found, worth_shrinking(tried)))
    tally = SeedTally(tried, smallest)
    if form == "json":
        print_json(_document(tally, asked, tuple(desk.bots)))
    else:
        again = _command(asked, kinds, overrides)
        for line in _lines(tally, asked.kinds, tuple(desk.bots), again, time.monotonic() - began):
            echo(line)
    ctx.exit(0 if tally.holds else 1)


# ---------------------------------------------------------------- progress


def _shown(tried: "Iterator[SeedResult]", count: int) -> "Iterator[SeedResult]":
    """Yield what came of each seed; a terminal sees how far it is."""
    broken = 0
    for number, each in enumerate(tried, 1):
        broken += bool(each.violations)
        _progress(f"{number} of {count} seeds" + (f", {broken} broken" if broken else ""))
        yield each
    _progress("")


def _smallest(found: "Workers", seeds: Sequence[int]) -> "Iterator[SmallestScenario]":
    if seeds:
        _progress(f"making seed {', '.join(map(str, seeds))} smaller")
    yield from found.smallest(seeds)
    _progress("")


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K {text}" if text else "\r\x1b[K", err=True, nl=False)


# ---------------------------------------------------------------- for eyes


def _lines(tally: "SeedTally", kinds: Sequence[str], bots: Sequence[str], again: str, seconds: float) -> Iterator[str]:
    yield from _held_lines(tally)
    for each in {each.seed: each for each in tally.smallest}.values():
        yield f"\n seed {each.seed}, again with: {again.format(seed=each.seed)}"
        yield from (f"   {number}: {text}" for number, said in each.violations.items() for text in said[:1])
        yield "   the least that breaks it:"
        yield from (f"     {line}" for line in each.plan.splitlines())
    yield from _reworded(tally)
    yield from _fired_lines(tally, kinds)
    if idle := tally.never_opened(bots):
        yield f" what never opened a position ({counted(len(idle), 'bot')}): {', '.join(idle)}"
    yield f" {_totals(tally)} in {seconds:.0f} s"


def _held_lines(tally: "SeedTally") -> Iterator[str]:
    """Yield each invariant, with the first seeds that broke it."""
    from rulebot.chaos.invariants import INVARIANTS

    count = len(tally.tried)
    for each in INVARIANTS:
        breakers = tally.breakers(each.number)
        word = "BROKEN" if breakers else "holds "
        yield f" {each.number:>2}  {word} {count - len(breakers):>5} of {count}  {each.says}"
        for one in breakers[:SHOWN]:
            yield from (f"       seed {one.seed}: {text}" for text in one.violations[each.number][:1])
        if more := breakers[SHOWN:]:
            yield f"       and {len(more)} more: {_some(more)}"


def _fired_lines(tally: "SeedTally", kinds: Sequence[str]) -> Iterator[str]:
    """Yield which faults fired, and which never did."""
    from collections import Counter

    from rulebot.chaos.generator import labels_of
    from rulebot.chaos.scenario import WHILE_OPEN

    fired = +tally.fired
    counts = f"{counted(len(fired), 'kind')}, {counted(tally.fired.total(), 'time')}"
    yield f"\n what fired ({counts}): {_counts(fired) or 'nothing'}"
    if beside := +Counter({kind: tally.fired_open[kind] for kind in labels_of(WHILE_OPEN)}):
        yield f" of these while a position was open: {_counts(beside)}"
    if never := tally.never_fired(kinds):
        yield f" what never fired ({counted(len(never), 'kind')}): {', '.join(never)}"


def _reworded(tally: "SeedTally") -> Iterator[str]:
    """Yield the results with scrambled texts for people, where that was tried."""
    tried = [each for each in tally.tried if each.reworded is not None]
    if not tried:
        return
    others = [each for each in tried if each.reworded]
    yield f" texts scrambled between two starts: the same orders in {len(tried) - len(others)} of {len(tried)} seeds"
    yield from (f"       seed {each.seed}: {text}" for each in others[:SHOWN] for text in each.reworded or ())


def _some(tried: "Sequence[SeedResult]") -> str:
    named = ", ".join(str(each.seed) for each in tried[:12])
    return named if len(tried) <= 12 else f"{named}, ..."


def _counts(fired: "Counter[str]") -> str:
    return ", ".join(f"{kind} {fired[kind]}" for kind in sorted(fired, key=lambda kind: (-fired[kind], kind)))


def _totals(tally: "SeedTally") -> str:
    parts = {
        "seeds": len(tally.tried),
        "starts": sum(each.starts for each in tally.tried),
        "orders": sum(each.orders for each in tally.tried),
        "executions": sum(each.fills for each in tally.tried),
    }
    return ", ".join(f"{number} {name if number != 1 else name.removesuffix('s')}" for name, number in parts.items())


def _command(asked: "ChaosOptions", kinds: str | None, overrides: Sequence[str]) -> str:
    """Return the command that repeats one seed, with {seed} in its place."""
    words = ["rulebot", "chaos", "--seeds", "1", "--seed", "SEED"]
    words += ["--faults", kinds] if kinds is not None else []
    words += ["--whole-day"] if asked.whole_day else []
    words += ["--overnight"] if asked.overnight else []
    words += ["--scramble-texts"] if asked.scrambles else []
    words += ["--account", str(asked.account)] if asked.account is not None else []
    words += [word for each in overrides for word in ("--set", each)]
    text = shlex.join([*words, *asked.specs]).replace("{", "{{").replace("}", "}}")
    return text.replace("SEED", "{seed}", 1)


# ---------------------------------------------------------------- for machines


def _document(tally: "SeedTally", asked: "ChaosOptions", bots: Sequence[str]) -> dict[str, Any]:
    from rulebot.chaos.invariants import INVARIANTS

    return {
        "holds": tally.holds,
        "kinds": list(asked.kinds),
        "invariants": [
            {
                "number": each.number,
                "invariant": each.says,
                "held": len(tally.tried) - len(tally.breakers(each.number)),
                "broken_by": [one.seed for one in tally.breakers(each.number)],
            }
            for each in INVARIANTS
        ],
        "seeds": [_seed_document(each) for each in tally.tried],
        "smallest": [
            {"seed": each.seed, "plan": each.plan, "violations": _said(each.violations)} for each in tally.smallest
        ],
        "fired": dict(tally.fired),
        "fired_open": dict(tally.fired_open),
        "never_fired": tally.never_fired(asked.kinds),
        "never_opened": tally.never_opened(bots),
    }


def _seed_document(tried: "SeedResult") -> dict[str, Any]:
    return {
        "seed": tried.seed,
        "trace": tried.trace,
        "violations": _said(tried.violations),
        "fired": dict(tried.fired),
        "fired_open": dict(tried.fired_open),
        "starts": tried.starts,
        "orders": tried.orders,
        "executions": tried.fills,
        "opened": sorted(tried.opened),
        **({} if tried.reworded is None else {"reworded": list(tried.reworded)}),
        "plan": tried.drawn,
    }


def _said(violations: Mapping[int, Sequence[str]]) -> dict[str, list[str]]:
    return {str(number): list(said) for number, said in violations.items()}
