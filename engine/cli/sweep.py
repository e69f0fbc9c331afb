"""`rulebot sweep`: many variants of one bot over past sessions, and how much to believe of the best."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.cli.backtest import DAY, asked_cash, asked_fills, cores, day_of, session_range
from engine.model.errors import MisuseError

if TYPE_CHECKING:
    from engine.run.sweep.statistics import Forward
    from engine.run.sweep.variant import Terms, Variant
    from engine.run.sweep.vary import Axis

SORTED = ("sharpe", "net", "expectancy", "win_rate", "max_drawdown")


@click.command("sweep", short_help="Try variants of a bot over past sessions.")
@click.argument("spec", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--data", required=True, metavar="SOURCE", help="The past sessions (docs/history-data.md).")
@click.option(
    "--vary",
    "varied",
    multiple=True,
    required=True,
    metavar="NAME=VALUES",
    help="A parameter, or a place as legs.short_put.delta, and its values: 0.05..0.15/0.01 or 0.05,0.10. Repeatable.",
)
@click.option("--random", "count", type=click.IntRange(1), metavar="N", help="Draw N combinations instead of all.")
@click.option("--seed", type=click.IntRange(0), default=7, show_default=True, help="What --random draws by.")
@click.option("--from", "first", type=DAY, metavar="DAY", help="The first session (default: the data's first).")
@click.option("--to", "last", type=DAY, metavar="DAY", help="The last session (default: the data's last).")
@click.option("--fills", default="natural", show_default=True, metavar="MODEL", help="As in 'rulebot backtest'.")
@click.option("--cash", default="1000000", show_default=True, metavar="DOLLARS", help="What each account begins with.")
@click.option("--lines", type=click.IntRange(1), default=90, show_default=True, help="Market data lines at most.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep each variant in this file (JSON Lines) as it comes; the same command goes on with it.",
)
@click.option("--sort", type=click.Choice(SORTED), default="sharpe", show_default=True, help="What comes first.")
@click.option("--top", type=click.IntRange(1), default=20, show_default=True, help="Variants that are shown.")
@click.option(
    "--walk-forward",
    "forward",
    metavar="CHOSEN/TRIED",
    help="Also choose by stretches of so many sessions, and try the choice in the next: 60/20.",
)
@click.option("--purge", type=click.IntRange(0), help="Sessions left out between them (default: the longest trade's).")
@click.option("--workers", type=click.IntRange(1), help="Processes (default: the cores).")
@click.option("--scheduler", metavar="ADDRESS", help="Run on a dask.distributed scheduler: tcp://HOST:PORT.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="For eyes or machines.")
def sweep(spec: Path, **options: Any) -> None:
    """Run variants of SPEC over past sessions: every combination of the values, each with an account of its own.

    The best of many looks better than it is: the deflated Sharpe ratio is the probability that it has any merit, given
    how many were tried.

    Exit code: 0 when all were tried, 1 when some could not be run, 2 for misuse, 3 when something cannot be read.
    """
    import logging

    from engine.run.sweep.sweep import Kept, in_processes, on_cluster
    from engine.run.sweep.sweep import sweep as run_sweep
    from engine.run.sweep.vary import axis, drawn, grid

    logging.getLogger("rulebot").setLevel(logging.ERROR)
    axes = [axis(text) for text in options["varied"]]
    if len({each.name for each in axes}) < len(axes):
        raise MisuseError("each place is varied once")
    parts = _stretch(options["forward"])
    points = list(grid(axes)) if options["count"] is None else drawn(axes, options["count"], options["seed"])
    terms, texts = _terms(spec, options), _texts(spec, axes, points)
    workers = options["workers"] or cores()
    runs = in_processes(workers) if options["scheduler"] is None else on_cluster(options["scheduler"])
    about = _about(spec, axes, options, terms)
    kept = None if options["out"] is None else Kept(options["out"], about)
    with _progress(options["form"]) as told:
        found = run_sweep(texts, terms, runs, told, kept, workers)
    walked = None if parts is None else _walk(found, *parts, options["purge"])
    _show(found, axes, walked, options)
    if any(each.problem for each in found):
        raise click.exceptions.Exit(1)


def _terms(spec: Path, options: Mapping[str, Any]) -> "Terms":
    from functools import partial

    from engine.adapters.history.open import open_source
    from engine.run.calendars import load_calendar
    from engine.run.sweep.variant import Terms

    opens = partial(open_source, options["data"])
    first, last = session_range(opens(), options["data"], day_of(options["first"]), day_of(options["last"]))
    return Terms(
        opens=opens,
        first=first,
        last=last,
        fills=asked_fills(options["fills"]),
        cash=asked_cash(options["cash"]),
        lines=options["lines"],
        file=str(spec),
        calendar=load_calendar,
    )


def _texts(
    spec: Path, axes: "Sequence[Axis]", points: Sequence[tuple[str, ...]]
) -> list[tuple[int, tuple[str, ...], str]]:
    """Return the text of each variant. Raises: click's Exit for problems in the spec, MisuseError for its places."""
    from engine.cli.validate import problems_in, show_problems, today
    from engine.run.sweep.vary import with_values
    from engine.spec.load import load_document, load_text
    from engine.spec.resolved import governing_text

    problems = problems_in([spec], {}, today())
    if any(each.is_error for found in problems.values() for each in found):
        show_problems(problems, "text", err=True)
        raise click.exceptions.Exit(1)
    source = load_text(governing_text(load_document(spec).source), str(spec)).source
    names = [each.name for each in axes]
    return [
        (number, point, with_values(source, dict(zip(names, point, strict=True))))
        for number, point in enumerate(points)
    ]


def _about(spec: Path, axes: "Sequence[Axis]", options: Mapping[str, Any], terms: "Terms") -> dict[str, Any]:
    """Return what makes this sweep another one."""
    import hashlib

    text = hashlib.sha256(spec.read_bytes()).hexdigest()
    named = {name: options[name] for name in ("data", "cash", "lines", "count", "seed")}
    sessions = {"from": terms.first.isoformat(), "to": terms.last.isoformat(), "fills": terms.fills.name}
    return {**named, **sessions, "spec": spec.stem, "text": text, "vary": [[each.name, *each.values] for each in axes]}


def _stretch(text: str | None) -> tuple[int, int] | None:
    """Return the sessions of `60/20`. Raises: MisuseError."""
    if text is None:
        return None
    chosen, slash, tried = text.partition("/")
    if not slash or not chosen.isdigit() or not tried.isdigit() or int(chosen) < 20 or int(tried) < 1:
        raise MisuseError(f"--walk-forward is CHOSEN/TRIED sessions, as 60/20, 20 chosen at least, is '{text}'")
    return int(chosen), int(tried)


def _walk(found: "Sequence[Variant]", chosen: int, tried: int, purged: int | None) -> "Forward":
    from engine.run.sweep.statistics import stretches, walk_forward

    fine = [each for each in found if not each.problem]
    if not fine:
        raise MisuseError("no variant could be run")
    gap = max(each.longest for each in fine) if purged is None else purged
    parts = stretches(len(fine[0].profits), chosen, tried, gap)
    return walk_forward({each.number: each.profits for each in fine}, parts)


def _show(
    found: "Sequence[Variant]", axes: "Sequence[Axis]", walked: "Forward | None", options: Mapping[str, Any]
) -> None:
    from engine.cli.sweep_text import document_of, sweep_lines

    if options["form"] == "json":
        click.echo(document_of(found, axes, walked, options["sort"]), nl=False)
        return
    for line in sweep_lines(found, axes, walked, options["sort"], options["top"]):
        click.echo(line)
    if options["out"] is not None:
        click.echo(f"\n kept in {options['out']}")


@contextmanager
def _progress(form: str) -> Iterator[Callable[[int, int], None]]:
    """Yield who is told how far it is: a bar on a terminal, nobody in a pipe."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal or form != "text":
        yield lambda done, count: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("variants", total=None)
        yield lambda done, count: bar.update(task, completed=done, total=count)
