"""`rulebot sweep`: many variants of one bot over past sessions, and how much to believe of the best."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rulebot.cli.clock import DAY
from rulebot.cli.numbers import SEED, WholeNumber
from rulebot.cli.outputs import PAGE, check_output
from rulebot.cli.past_options import (
    asked_cash,
    asked_fills,
    asked_shares,
    cores,
    session_range,
    sessions_bar,
    stopped_by_hand,
)
from rulebot.cli.paths import SPECS
from rulebot.cli.say import print_text
from rulebot.cli.shares import backtest_shares_option
from rulebot.model.counted import counted
from rulebot.model.errors import MisuseError, StoreError

if TYPE_CHECKING:
    from rulebot.cli.sweep_text import SweepData
    from rulebot.documents.load_bots import LoadedBots
    from rulebot.sweep.compiling import VariantTerms
    from rulebot.sweep.executors import Runs
    from rulebot.sweep.parameters import Axis, Point
    from rulebot.sweep.search import Search
    from rulebot.sweep.statistics import Forward
    from rulebot.sweep.sweep import StoredVariants, Told
    from rulebot.sweep.variant import Variant

SORTED = ("sharpe", "net", "expectancy", "win_rate", "max_drawdown")
GOALS = SORTED[:-1]
"""What may be searched for: a bot that never trades has the smallest drawdown."""


@click.command("sweep", short_help="Try variants of a bot over past sessions.")
@click.argument("spec", type=SPECS)
@click.option("--data", required=True, metavar="SOURCE", help="The past sessions (docs/history-data.md).")
@click.option(
    "--vary",
    "varied",
    multiple=True,
    required=True,
    metavar="NAME=VALUES",
    help="A parameter, or a place as legs.short_put.delta, and its values: 0.05..0.15/0.01 or 0.05,0.10. Repeatable.",
)
@click.option("--random", "count", type=WholeNumber(1), metavar="N", help="Draw N combinations instead of all.")
@click.option(
    "--bayes",
    "trials",
    type=WholeNumber(1),
    metavar="N",
    help="Search with N trials instead: each batch by what came of those before it.",
)
@click.option("--for", "goal", type=click.Choice(GOALS), help="What --bayes searches for (default: sharpe).")
@click.option("--batch", type=WholeNumber(1), help="Trials that --bayes asks for at once (default: 10).")
@click.option("--seed", type=SEED, default=7, show_default=True, help="What chance draws by.")
@click.option("--from", "first", type=DAY, metavar="DAY", help="The first session (default: the data's first).")
@click.option("--to", "last", type=DAY, metavar="DAY", help="The last session (default: the data's last).")
@click.option("--fills", default="natural", show_default=True, metavar="MODEL", help="As in 'rulebot backtest'.")
@click.option("--cash", default="1000000", show_default=True, metavar="DOLLARS", help="What each account begins with.")
@backtest_shares_option
@click.option("--lines", type=WholeNumber(1), default=90, show_default=True, help="Market data lines at most.")
@click.option("--account", type=click.Path(path_type=Path), help="The account document, as in 'rulebot backtest'.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep each variant in this file (JSON Lines) as it comes; the same command goes on with it.",
)
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a page with heat maps.")
@click.option("--sort", type=click.Choice(SORTED), help="What comes first (default: what --for says, or sharpe).")
@click.option("--top", type=WholeNumber(1), default=20, show_default=True, help="Variants that are shown.")
@click.option(
    "--walk-forward",
    "forward",
    metavar="CHOSEN/TRIED",
    help="Also choose by stretches of so many sessions, and try the choice in the next: 60/20.",
)
@click.option("--purge", type=WholeNumber(0), help="Sessions left out between them (default: the longest trade's).")
@click.option("--workers", type=WholeNumber(1), help="Processes (default: the cores, once they save time).")
@click.option("--scheduler", metavar="ADDRESS", help="Run on a dask.distributed scheduler: tcp://HOST:PORT.")
@click.option("--every-turn", is_flag=True, help="Live through every session turn by turn, also the plain ones.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="For eyes or machines.")
def sweep(spec: str, **options: Any) -> None:
    """Run variants of SPEC over past sessions: every combination of the values, each with an account of its own.

    --random tries some of them, --bayes searches among them.

    The best of many looks better than it is: the deflated Sharpe ratio is the probability that it has any merit, given
    how many were tried.

    Exit code: 0 when all were tried, 1 when some could not be run, 2 for misuse, 3 when something cannot be read.
    """
    import logging

    from rulebot.adapters.clock import WallClock
    from rulebot.adapters.sources import from_anywhere
    from rulebot.cli.backtest import load
    from rulebot.sweep.cluster import on_cluster, same_as_here
    from rulebot.sweep.executors import in_processes
    from rulebot.sweep.parameters import axis
    from rulebot.sweep.statistics import stretches
    from rulebot.sweep.sweep import StoredVariants

    logging.getLogger("rulebot").setLevel(logging.ERROR)
    axes = [axis(text) for text in options["varied"]]
    if len({each.name for each in axes}) < len(axes):
        raise MisuseError("each place is varied once")
    parts, search = _stretch(options["forward"]), _search(options)
    if parts is None and options["purge"] is not None:
        raise MisuseError("--purge says how many sessions --walk-forward leaves out", "give --walk-forward 60/20 too")
    check_output("--html", options["html"], PAGE, options["out"])
    file = _one(spec)
    desk = load((str(file),), (), options["account"])
    options["data"] = from_anywhere(options["data"])
    terms = _terms(desk, options)
    if parts is not None:
        stretches(len(terms.opens().dates(terms.first, terms.last)), *parts, options["purge"] or 0)
    found = _finder(desk, axes, search, terms, options)
    workers = options["workers"] or cores()
    elapsed = None if options["workers"] else WallClock().elapsed
    kept = (
        None if options["out"] is None else StoredVariants(options["out"], _about(desk, axes, search, options, terms))
    )
    goes_on = "--out FILE keeps what is done, for the same command to go on with"
    if kept is not None:
        goes_on = f"the same command goes on with what {kept.file} keeps"
    if options["scheduler"] is None:
        places = in_processes(workers, elapsed)
    else:
        places = on_cluster(options["scheduler"], same_as_here(options["data"], terms.last), goes_on)
    with stopped_by_hand(goes_on), sessions_bar(options["form"]) as told, places as runs:
        variants = found(runs, told, kept, workers)
    options["sort"] = options["sort"] or (search.goal if search else "sharpe")
    walked, misfit, unwritten = None, None, None
    if parts is not None:
        try:
            walked = _walk(variants, *parts, options["purge"])
        except MisuseError as error:  # what was tried is shown all the same
            misfit = error
    data = _data(file, terms)
    if options["html"] is not None:
        try:
            _write_page(variants, axes, walked, search, data, options)
        except StoreError as error:
            unwritten = error
    _show(variants, axes, walked, search, data, options)
    if unwritten is not None:
        raise unwritten
    if options["html"] is not None and options["form"] == "text":
        print_text(f" page {options['html']}")
    if misfit is not None:
        raise misfit
    if not any(each.profits or each.problem for each in variants):
        raise StoreError("no session could be lived through", "what was wrong with each is told above")
    if any(each.problem for each in variants):
        raise click.exceptions.Exit(1)


def _search(options: Mapping[str, Any]) -> "Search | None":
    """Return what --bayes asks for. Raises: MisuseError for what does not go with it, StoreError without Optuna."""
    from rulebot.sweep.search import BATCH, MOST_TRIALS, Search, require_optuna

    if options["trials"] is None:
        for name, word in (("goal", "--for"), ("batch", "--batch")):
            if options[name] is not None:
                raise MisuseError(f"{word} goes with --bayes N")
        return None
    if options["count"] is not None:
        raise MisuseError("--random and --bayes each choose the combinations", "name one of them")
    if options["forward"] is not None:
        raise MisuseError(
            "--walk-forward does not go with --bayes: the search has seen the sessions that a choice would be tried in",
            "walk forward over a grid or --random; or search with --to, and backtest the best on the sessions after it",
        )
    if options["trials"] > MOST_TRIALS:
        raise MisuseError(f"--bayes is {MOST_TRIALS:,} trials at most, is {options['trials']:,}")
    require_optuna()
    goal, batch = options["goal"] or "sharpe", options["batch"] or BATCH
    return Search(trials=options["trials"], goal=goal, batch=batch, seed=options["seed"])


def _finder(
    desk: "LoadedBots",
    axes: "Sequence[Axis]",
    search: "Search | None",
    terms: "VariantTerms",
    options: Mapping[str, Any],
) -> "Callable[[Runs, Told, StoredVariants | None, int], list[Variant]]":
    """Return what tries the combinations, when it is given where. Raises: MisuseError for what cannot be tried."""
    from functools import partial

    from rulebot.model.performance import LEAST_SESSIONS
    from rulebot.sweep.parameters import drawn, grid
    from rulebot.sweep.sweep import search_for
    from rulebot.sweep.sweep import sweep as run_sweep

    text_of = _texts(desk, axes)
    if search is None:
        points = list(grid(axes)) if options["count"] is None else drawn(axes, options["count"], options["seed"])
        return partial(run_sweep, [(number, point, text_of(point)) for number, point in enumerate(points)], terms)
    text_of(tuple(each.values[0] for each in axes))
    sessions = len(terms.opens().dates(terms.first, terms.last))
    if search.goal == "sharpe" and sessions < LEAST_SESSIONS:
        raise MisuseError(f"a Sharpe ratio is of {LEAST_SESSIONS} sessions at least, is of {sessions}", "--for net")
    return partial(search_for, search, axes, text_of, terms)


def _one(spec: str) -> Path:
    """Return the one file that is meant. Raises: NoSuchFiles, MisuseError."""
    from rulebot.spec.files import find_files

    files = find_files([spec])
    if len(files) > 1:
        raise MisuseError(f"a sweep is of one bot, and {spec} holds {len(files)} files")
    return files[0]


def _terms(desk: "LoadedBots", options: Mapping[str, Any]) -> "VariantTerms":
    from functools import partial

    from rulebot.adapters.sources import open_source
    from rulebot.calendars.calendars import load_calendar
    from rulebot.sweep.compiling import VariantTerms

    opens = partial(open_source, options["data"])
    first, last = session_range(opens(), options["data"], options["first"], options["last"])
    return VariantTerms(
        opens=opens,
        first=first,
        last=last,
        fills=asked_fills(options["fills"]),
        cash=asked_cash(options["cash"]),
        lines=options["lines"],
        file=desk.texts[0].file,
        calendar=load_calendar(),
        limits=desk.limits(),
        require=desk.require,
        shares=asked_shares(options["shares"] or ()),
        every_turn=options["every_turn"],
    )


def _texts(desk: "LoadedBots", axes: "Sequence[Axis]") -> "Callable[[Point], str]":
    """Return what makes the text of a variant.

    Raises: MisuseError for places and values that do not go together, or that the spec has not.
    """
    from rulebot.spec.load import load_text
    from rulebot.sweep.parameters import check_axes, with_values

    (bot,) = desk.texts
    source = load_text(bot.text, bot.file).source
    check_axes(source, axes)
    names = [each.name for each in axes]
    return lambda point: with_values(source, dict(zip(names, point, strict=True)))


def _about(
    desk: "LoadedBots",
    axes: "Sequence[Axis]",
    search: "Search | None",
    options: Mapping[str, Any],
    terms: "VariantTerms",
) -> dict[str, Any]:
    """Return what makes this sweep another one. How many trials a search has does not: it goes on with more."""
    from hashlib import sha256

    from rulebot.adapters.sources import written
    from rulebot.calendars.calendars import imported_states
    from rulebot.process.version import code_digest, release
    from rulebot.store.folders import data_folder
    from rulebot.sweep.compiling import reads_events
    from rulebot.sweep.sweep import FILES

    (bot,) = desk.texts
    named = {name: options[name] for name in ("data", "cash", "lines", "count", "seed")}
    sessions = {"from": terms.first.isoformat(), "to": terms.last.isoformat(), "fills": terms.fills.name}
    events = imported_states(data_folder()) if reads_events(bot.text, terms) else {}
    state = {"version": release(), "code": code_digest(), FILES: written(options["data"], terms.last) | events}
    about = {
        **named,
        **sessions,
        **state,
        "spec": Path(bot.file).stem,
        "text": sha256(bot.text.encode()).hexdigest(),
        "account": sha256(desk.account_text.encode()).hexdigest(),
        "shares": ", ".join(f"{symbol}={count}" for symbol, count in terms.shares) or None,
        "vary": [[each.name, *each.values] for each in axes],
    }
    return about if search is None else {**about, "bayes": {"for": search.goal, "batch": search.batch}}


def _stretch(text: str | None) -> tuple[int, int] | None:
    """Return the sessions of `60/20`. Raises: MisuseError."""
    if text is None:
        return None
    chosen, slash, tried = text.partition("/")
    if not slash or not chosen.isdecimal() or not tried.isdecimal() or int(chosen) < 20 or int(tried) < 1:
        raise MisuseError(f"--walk-forward is CHOSEN/TRIED sessions, as 60/20, 20 chosen at least, is '{text}'")
    return int(chosen), int(tried)


def _walk(found: "Sequence[Variant]", chosen: int, tried: int, purged: int | None) -> "Forward | None":
    """Return the walk, None where no variant could be run. Raises: MisuseError when no stretch fits."""
    from rulebot.sweep.statistics import stretches, walk_forward

    fine = [each for each in found if not each.problem]
    if not fine:
        return None
    longest = max(fine, key=lambda each: each.longest)
    gap = longest.longest if purged is None else purged
    try:
        parts = stretches(len(fine[0].profits), chosen, tried, gap)
    except MisuseError as error:
        if purged is not None or not longest.in_shares:
            raise
        why = f"a trade is held as long as its shares are, as with {', '.join(longest.point)}"
        how = "an exit before the expiry leaves no shares; with --purge N their profits count in both stretches"
        raise MisuseError(f"{error.message}: {why}", how) from error
    return walk_forward({each.number: each.profits for each in fine}, parts)


def _data(spec: Path, terms: "VariantTerms") -> "SweepData":
    from rulebot.backtest.results import span_words
    from rulebot.cli.sweep_text import SweepData

    source = terms.opens()
    settings = {"from": terms.first, "to": terms.last}
    span = span_words(settings, source.dates(terms.first, terms.last))
    return SweepData(spec.stem, terms.first, terms.last, source.name, source.is_modelled, terms.fills.name, span)


def _show(
    found: "Sequence[Variant]",
    axes: "Sequence[Axis]",
    walked: "Forward | None",
    search: "Search | None",
    data: "SweepData",
    options: Mapping[str, Any],
) -> None:
    from rulebot.cli.sweep_text import document_of, sweep_lines
    from rulebot.cli.width import echo, terminal_width

    if options["form"] == "json":
        print_text(document_of(found, axes, walked, options["sort"], data), nl=False)
        return
    lines = sweep_lines(found, axes, walked, options["sort"], options["top"], terminal_width())
    for line in (*data.lines(), "", *lines):
        echo(line)
    if search is not None:
        print_text("")
        echo(f" {search.warning}")
    if options["out"] is not None:
        print_text(f"\n kept in {options['out']}")


def _write_page(
    found: "Sequence[Variant]",
    axes: "Sequence[Axis]",
    walked: "Forward | None",
    search: "Search | None",
    data: "SweepData",
    options: Mapping[str, Any],
) -> None:
    from rulebot.adapters.history.finding import data_of
    from rulebot.cli.past_options import write_file
    from rulebot.cli.sweep_text import ordered
    from rulebot.sweep.page import sweep_page
    from rulebot.sweep.statistics import expected_best_of, merit
    from rulebot.sweep.sweep import findings_of
    from rulebot.sweep.variant import not_run_lines

    best = ordered(found, options["sort"])
    by_chance = expected_best_of(each.profits for each in best)
    merits = {each.number: merit(each.profits, each.trades, by_chance) for each in best}
    title = f"{data.bot}: {counted(len(found), 'variant')}"
    flaws = [data_of(each) for each in findings_of(found)]
    warning = [] if search is None else [search.warning]
    words = [*data.lines(), *warning, *not_run_lines(found)]
    page = sweep_page(title, best, axes, options["sort"], merits, walked, words, flaws)
    write_file(options["html"], page)
