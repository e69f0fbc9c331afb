"""`rulebot sweep`: many variants of one bot over past sessions, and how much to believe of the best."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from rulebot.adapters.history.session import data_of
from rulebot.cli.options import FORMAT, SEED, SPECS, WholeNumber
from rulebot.cli.output import print_text, table
from rulebot.cli.past_options import (
    FROM,
    LINES,
    PAGE,
    TO,
    as_source,
    asked_cash,
    asked_fills,
    asked_shares,
    backtest_shares_option,
    check_output,
    cores,
    finding_lines,
    named,
    session_range,
    sessions_bar,
    stopped_by_hand,
)
from rulebot.model.errors import MisuseError, StoreError
from rulebot.model.money import dollars, signed_dollars
from rulebot.model.text import aligned, counted, figure, whole_percent
from rulebot.sweep.parameters import Axis, Point
from rulebot.sweep.sweep import findings_of
from rulebot.sweep.variant import (
    CELLS,
    FALLING,
    Forward,
    Variant,
    alarm_lines,
    apart_lines,
    expected_best_of,
    few_lines,
    in_map,
    map_words,
    merit,
    not_run_lines,
    sessions_of,
    strained_lines,
    turned,
)

if TYPE_CHECKING:
    from rulebot.documents.load_bots import LoadedBots
    from rulebot.sweep.executors import Runs
    from rulebot.sweep.sweep import Progress, Search, StoredVariants
    from rulebot.sweep.variant import VariantTerms

# --- The result of a sweep for eyes and machines

_FIGURES = ("trades", "won", "net", "average", "drawdown", "Sharpe", "deflated")
_STRAINED = "strained"
"""A figure that is there where any variant has such sessions."""
_SORTED_BY = {"win_rate": "won", "expectancy": "average", "max_drawdown": "drawdown"}
_FIRST_TO_GO = ("average", "won", "drawdown", "trades")
"""Figures that a narrow terminal does without, in this order, unless the variants are sorted by one."""
REASONS = 6
"""Number of reasons listed for sessions that ran turn by turn, the most frequent ones."""
WIDEST = 16
"""Values of a place up to which a map is drawn."""


def ordered(found: Sequence[Variant], by: str) -> list[Variant]:
    """Return the variants that were run, the best first; such without the figure come last."""
    fine = [each for each in found if not each.problem]
    sign = 1.0 if by in FALLING else -1.0

    def key(each: Variant) -> tuple[bool, float, int]:
        value = each.figure(by)
        return value is None, 0.0 if value is None else sign * value, each.number

    return sorted(fine, key=key)


class SweepData(NamedTuple):
    """The sessions of a sweep, and its fill model. span: where the data ends before the requested day."""

    bot: str
    first: date
    last: date
    source: str
    is_modelled: bool
    fills: str
    span: str = ""

    def lines(self) -> list[str]:
        """Return it in words."""
        source = named(self.source, self.is_modelled)
        span = [f" {self.span}"] if self.span else []
        return [f" {self.bot}, {self.first} to {self.last} of {source}", *span, f" fills {self.fills}"]


def sweep_lines(
    found: Sequence[Variant], axes: Sequence[Axis], walked: Forward | None, by: str, top: int, width: int | None = None
) -> Iterator[str]:
    """Yield the table, the map, what came of walking forward, and what could not be run. width: of the terminal."""
    best = ordered(found, by)
    yield from _table(best, axes, by, top, width)
    sessions = len(best[0].profits) if best else 0
    yield f" {len(best)} of {counted(len(found), 'variant')}, {counted(sessions, 'session')}, by {by}"
    if len(best) > top:
        yield f" shown are the first {top}: --top {len(best)} shows all, --format json has them too"
    yield from _ways(best, sessions)
    yield from (
        f" {words}" for words in (*apart_lines(best), *strained_lines(best), *few_lines(best), *alarm_lines(best))
    )
    if len(axes) == 2:
        yield ""
        if max(len(each.values) for each in axes) <= WIDEST:
            yield from _map(found, axes, by)
        else:
            is_drawn = len(axes[0].values) * len(axes[1].values) <= CELLS
            yield f" no map: a place has more than {WIDEST} values{'; --html draws it' if is_drawn else ''}"
    if walked is not None:
        yield ""
        yield from _walked(walked, found, width)
    yield from (f" {words}" for words in not_run_lines(found))
    if findings := findings_of(found):
        yield ""
        yield from finding_lines([data_of(each) for each in findings])


def _ways(best: Sequence[Variant], sessions: int) -> Iterator[str]:
    """Yield how many sessions went by arrays, and what kept the others from it."""
    arrays, every, why = sum(each.by_arrays for each in best), len(best) * sessions, turned(best)
    if not arrays and not why:  # as --every-turn asks for
        return
    if len(why) == 1 and not arrays:
        yield f" all turn by turn: {next(iter(why))}"
    else:
        others = "" if arrays == every else ", the others turn by turn"
        yield f" {arrays:,} of {counted(every, 'session')} by arrays{others}"
        reported = list(why.items())
        yield from (f"   {number:,}: {reason}" for reason, number in reported[:REASONS])
        if more := reported[REASONS:]:
            yield f"   {sum(number for _, number in more):,}: {counted(len(more), 'other reason')}, in --format json"
    if why:
        yield " variants by arrays are many times as fast: docs/backtest.md"


def _table(best: Sequence[Variant], axes: Sequence[Axis], by: str, top: int, width: int | None) -> Iterator[str]:
    """Yield a row for each variant; in a narrow table, places have the last part of their names, listed below."""
    by_chance = expected_best_of(each.profits for each in best)
    is_strained = any(each.strained for each in best)
    rows = [(*_row(each, by_chance), *[f"{each.strained}"] * is_strained) for each in best[:top]]
    names, figures = [each.name for each in axes], (*_FIGURES, *[_STRAINED] * is_strained)
    right = frozenset(range(len(names) + len(figures)))
    going = [len(names) + _FIGURES.index(name) for name in _FIRST_TO_GO if name != _SORTED_BY.get(by)]
    whole = aligned([(*names, *figures), *rows], right=right)
    if width is None or max(map(len, whole)) <= width:
        yield from whole
        return
    short = [name.rpartition(".")[2] for name in names]
    short = [
        one if short.count(one) == 1 and one not in figures else name for one, name in zip(short, names, strict=True)
    ]
    yield from table([(*short, *figures), *rows], width, going, right=right, whole="--format json")
    yield from (f" {one}: {name}" for one, name in zip(short, names, strict=True) if one != name)


def _row(each: Variant, by_chance: float) -> tuple[str, ...]:
    return (
        *each.point,
        str(each.trades),
        whole_percent(each.win_rate),
        signed_dollars(each.net),
        signed_dollars(each.expectancy),
        dollars(each.max_drawdown),
        figure(each.sharpe),
        figure(merit(each.profits, each.trades, by_chance)),
    )


def _map(found: Sequence[Variant], axes: Sequence[Axis], by: str) -> Iterator[str]:
    """Yield the figure for each pair of values: the first place from top to bottom, the second from left to right."""
    by_point = {each.point: each.figure(by) for each in found if not each.problem}
    yield f" {by} by {axes[0].name} (down) and {axes[1].name} (across)"
    shown = {point: in_map(value) for point, value in by_point.items()}
    rows = [(down, *(shown.get((down, across), "") for across in axes[1].values)) for down in axes[0].values]
    yield from aligned([("", *axes[1].values), *rows], right=frozenset(range(len(axes[1].values) + 1)))
    if words := map_words([cell for _, *cells in rows for cell in cells]):
        yield f" {words}"


def _walked(walked: Forward, found: Sequence[Variant], width: int | None) -> Iterator[str]:
    made, sharpe = signed_dollars(sum(walked.profits)), figure(walked.sharpe)
    sessions = counted(len(walked.profits), "session")
    yield f" walking forward: {made} in {sessions}, each after those that its variant was chosen by, Sharpe {sharpe}"
    points, days = {each.number: each.point for each in found}, sessions_of(found)
    by_day, by_number = (
        aligned(
            [("sessions", "tried", "variant", "Sharpe then", "made"), *_steps(walked, points, named)],
            right=frozenset((3, 4)),
        )
        for named in (days, ())
    )
    yield from by_number if width is not None and max(map(len, by_day)) > width else by_day


def _steps(walked: Forward, points: Mapping[int, Point], days: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for step in walked.steps:
        then = figure(step.chosen_for)
        yield (*step.stretch.words(days), step.words(points), then, signed_dollars(step.made))


def document_of(
    found: Sequence[Variant], axes: Sequence[Axis], walked: Forward | None, by: str, data: SweepData
) -> str:
    """Return all of it as JSON, the variants in order."""
    best = ordered(found, by)
    by_chance = expected_best_of(each.profits for each in best)
    names = [each.name for each in axes]
    variants: list[dict[str, Any]] = []
    for each in (*best, *(one for one in found if one.problem)):
        reported = asdict(each)
        del reported["findings"], reported["sessions"]
        reported["point"] = dict(zip(names, each.point, strict=True))
        reported["deflated"] = None if each.problem else merit(each.profits, each.trades, by_chance)
        variants.append(reported)
    sessions = sessions_of(found)
    forward = None if walked is None else {**asdict(walked), "sharpe": walked.sharpe}
    document = {
        "sort": by,
        "places": names,
        "variants": variants,
        "walk_forward": forward,
        "sessions": sessions,
        "data": {**data._asdict(), "first": str(data.first), "last": str(data.last)},
        "findings": [data_of(each) for each in findings_of(found)],
    }
    return json.dumps(document, indent=1, sort_keys=True, allow_nan=False) + "\n"


# --- `rulebot sweep`: many variants of one bot over past sessions, and how much to believe of the best

SORTED = ("sharpe", "net", "expectancy", "win_rate", "max_drawdown")
GOALS = SORTED[:-1]
"""What may be searched for: a bot that never trades has the smallest drawdown."""


@click.command("sweep", short_help="Try variants of a bot over past sessions.")
@click.argument("spec", type=SPECS)
@click.option(
    "--data", required=True, callback=as_source, metavar="SOURCE", help="The past sessions (docs/history-data.md)."
)
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
@FROM
@TO
@click.option("--fills", default="natural", show_default=True, metavar="MODEL", help="As in 'rulebot backtest'.")
@click.option("--cash", default="1000000", show_default=True, metavar="DOLLARS", help="What each account begins with.")
@backtest_shares_option
@LINES
@click.option("--account", type=click.Path(path_type=Path), help="The account document, as in 'rulebot backtest'.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep each variant in this file (JSON Lines) as it finishes; the same command continues it.",
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
@FORMAT
def sweep(spec: str, **options: Any) -> None:
    """Run variants of SPEC over past sessions: every combination of the values, each with a separate account.

    --random tries some of them, --bayes searches among them.

    The best of many looks better than it is: the deflated Sharpe ratio is the probability that it has any merit, given
    the number tried.

    Exit code: 0 when all were tried, 1 when some could not run, 2 for misuse, 3 when something cannot be read.
    """
    import logging

    from rulebot.adapters.sources import from_anywhere
    from rulebot.cli.past.backtest import load
    from rulebot.sweep.parameters import axis

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
    _check_stretches(parts, terms, options["purge"])
    variants = _tried(desk, axes, search, terms, options)
    options["sort"] = options["sort"] or (search.goal if search else "sharpe")
    walked, misfit = _walk_or_misfit(variants, parts, options["purge"])
    data = _data(file, terms)
    unwritten = _unwritten_page(variants, axes, walked, search, data, options)
    _show(variants, axes, walked, search, data, options)
    if unwritten is not None:
        raise unwritten
    if options["html"] is not None and options["form"] == "text":
        print_text(f" page {options['html']}")
    if misfit is not None:
        raise misfit
    _check_tried(variants)


def _check_tried(variants: Sequence[Variant]) -> None:
    """End with the exit code of variants that could not be run. Raises: StoreError where none could."""
    if not any(each.profits or each.problem for each in variants):
        raise StoreError("no session could be lived through", "the faults of each are listed above")
    if any(each.problem for each in variants):
        raise click.exceptions.Exit(1)


def _check_stretches(parts: tuple[int, int] | None, terms: "VariantTerms", purge: int | None) -> None:
    """Refuse a walk that the sessions are too few for. Raises: MisuseError."""
    from rulebot.sweep.variant import stretches

    if parts is not None:
        stretches(len(terms.opens().dates(terms.first, terms.last)), *parts, purge or 0)


def _tried(
    desk: "LoadedBots",
    axes: "Sequence[Axis]",
    search: "Search | None",
    terms: "VariantTerms",
    options: Mapping[str, Any],
) -> list[Variant]:
    """Run the variants here or on a cluster."""
    from rulebot.adapters.clock import WallClock
    from rulebot.sweep.executors import in_processes, on_cluster, same_as_here
    from rulebot.sweep.sweep import StoredVariants

    found = _finder(desk, axes, search, terms, options)
    workers, out = options["workers"] or cores(), options["out"]
    kept = None if out is None else StoredVariants(out, _about(desk, axes, search, options, terms))
    goes_on = "--out FILE keeps finished variants, so that the same command continues"
    if kept is not None:
        goes_on = f"the same command continues from {kept.file}"
    if options["scheduler"] is None:
        places = in_processes(workers, None if options["workers"] else WallClock().elapsed)
    else:
        places = on_cluster(options["scheduler"], same_as_here(options["data"], terms.last), goes_on)
    with stopped_by_hand(goes_on), sessions_bar(options["form"]) as reported, places as runs:
        return found(runs, reported, kept, workers)


def _walk_or_misfit(
    variants: Sequence[Variant], parts: tuple[int, int] | None, purge: int | None
) -> "tuple[Forward | None, MisuseError | None]":
    """Return the walk, or why there is none: what was tried is shown all the same."""
    if parts is None:
        return None, None
    try:
        return _walk(variants, *parts, purge), None
    except MisuseError as error:
        return None, error


def _search(options: Mapping[str, Any]) -> "Search | None":
    """Return what --bayes asks for. Raises: MisuseError for what does not go with it, StoreError without Optuna."""
    from rulebot.sweep.sweep import BATCH, MOST_TRIALS, Search, require_optuna

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
) -> "Callable[[Runs, Progress, StoredVariants | None, int], list[Variant]]":
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
        raise MisuseError(f"a sweep has one bot, and {spec} holds {len(files)} files")
    return files[0]


def _terms(desk: "LoadedBots", options: Mapping[str, Any]) -> "VariantTerms":
    from functools import partial

    from rulebot.adapters.sources import open_source
    from rulebot.calendars.calendars import load_calendar
    from rulebot.sweep.variant import VariantTerms

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
    """Return what makes this sweep a different one.

    The number of trials of a search does not: it continues with more.
    """
    from hashlib import sha256

    from rulebot.adapters.sources import written
    from rulebot.calendars.calendars import imported_states
    from rulebot.process.processes import code_digest, release
    from rulebot.store.place import data_folder
    from rulebot.sweep.sweep import FILES
    from rulebot.sweep.variant import reads_events

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
    from rulebot.sweep.variant import stretches, walk_forward

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
    from rulebot.cli.output import echo, terminal_width

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


def _unwritten_page(
    found: "Sequence[Variant]",
    axes: "Sequence[Axis]",
    walked: "Forward | None",
    search: "Search | None",
    data: "SweepData",
    options: Mapping[str, Any],
) -> StoreError | None:
    """Write the page where one is asked for; return why it could not be written."""
    from rulebot.cli.past_options import write_file
    from rulebot.sweep.page import sweep_page

    if options["html"] is None:
        return None
    best = ordered(found, options["sort"])
    by_chance = expected_best_of(each.profits for each in best)
    merits = {each.number: merit(each.profits, each.trades, by_chance) for each in best}
    title = f"{data.bot}: {counted(len(found), 'variant')}"
    flaws = [data_of(each) for each in findings_of(found)]
    warning = [] if search is None else [search.warning]
    words = [*data.lines(), *warning, *not_run_lines(found)]
    page = sweep_page(title, best, axes, options["sort"], merits, walked, words, flaws)
    try:
        write_file(options["html"], page)
    except StoreError as error:
        return error
    return None
