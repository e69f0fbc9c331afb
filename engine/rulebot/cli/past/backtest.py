"""`rulebot backtest`: bots over past sessions, with the turn that runs them live."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rulebot.backtest.caveats import SHOWN, bias_words
from rulebot.backtest.entry_funnel import EntryFunnel
from rulebot.backtest.results import (
    ClosedTrade,
    Results,
    TradeSums,
    brought_words,
    figure_words,
    ruined_words,
    sessions_words,
    span_words,
    strained_words,
    undivided_words,
    unfilled_words,
)
from rulebot.cli.options import ACCOUNT, FORMAT, SPECS, is_explicit, set_option
from rulebot.cli.output import print_text, table
from rulebot.cli.past_options import (
    FROM,
    LINES,
    PAGE,
    TO,
    WORKERS,
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
    write_file,
)
from rulebot.model.errors import MisuseError, StoreError
from rulebot.model.money import dollars, signed_dollars
from rulebot.model.text import aligned, clock, counted, figure, signed_price, whole_percent
from rulebot.narrate.trades import InShares, in_shares_lines, kept_lines

if TYPE_CHECKING:
    from rulebot.backtest.run import BacktestOptions, Progress
    from rulebot.backtest.sampling import SamplingOptions
    from rulebot.documents.load_bots import LoadedBots

    Backtests = Sequence[tuple[Path, Mapping[str, Any]]]
    """The files of some backtests, and what came of each."""

PROBLEMS = 1

_KEEPING = {"store": "--store", "resume": "--resume", "out": "--out", "compared": "--compare"}
"""Options that say what is done with the results of a backtest."""
_OF_ONE = {
    "data": "--data",
    "first": "--from",
    "last": "--to",
    "fills": "--fills",
    "cash": "--cash",
    "shares": "--shares",
    "lines": "--lines",
    "account": "--account",
    "overrides": "--set",
    "store": "--store",
    "resume": "--resume",
    "features": "--features",
    "workers": "--workers",
    "check_look_ahead": "--check-look-ahead",
}
"""Options that say how a backtest is run."""


@click.command("backtest", short_help="Run bots over past sessions.")
@click.argument("specs", nargs=-1, type=SPECS)
@click.option("--data", callback=as_source, metavar="SOURCE", help="The past sessions (docs/history-data.md).")
@FROM
@TO
@click.option(
    "--fills",
    default="natural",
    show_default=True,
    metavar="MODEL",
    help="What orders fill at: natural, mid, mid+0.3 (a part of the width), from:STORE (as entries did there), or, of "
    "recordings, recorded (what was answered then to the same order).",
)
@click.option("--cash", default="1000000", show_default=True, metavar="DOLLARS", help="What the account begins with.")
@backtest_shares_option
@LINES
@ACCOUNT
@set_option
@click.option("--store", type=click.Path(dir_okay=False, path_type=Path), help="The store to write.")
@click.option("--resume", is_flag=True, help="Continue with --store where it was interrupted.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write a report, one HTML file.")
@click.option(
    "--compare",
    "compared",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A store or JSON result of an earlier backtest, compared with this one in its --out; may be repeated.",
)
@click.option(
    "--features",
    type=click.Choice(["when", "require"]),
    help="Note what a model there could know at each entry, for 'rulebot train --store'.",
)
@WORKERS
@click.option(
    "--check-look-ahead",
    is_flag=True,
    help="Garble the data after drawn instants instead, and see that nothing changes before them.",
)
@FORMAT
def backtest(specs: tuple[str, ...], **options: Any) -> None:
    """Run the bots of SPECS over past sessions, with the rules, orders and records of a live run.

    Orders fill a second after they were sent, at the quotes valid then. The records are a store like that of a run:
    'rulebot why' explains for any minute why a bot did, or did not, trade.

    Without SPECS, the backtests of several --compare are set side by side in --out.

    Exit code: 0 when all sessions were run, 1 for problems in SPECS or a look ahead, 2 for misuse, 3 when data or store
    cannot be read or written.
    """
    import logging

    from rulebot.backtest.report_page import text_of
    from rulebot.backtest.results import read_results
    from rulebot.backtest.run import run_backtest
    from rulebot.store.registry import remember_store

    _check(specs, options)
    earlier = _earlier(options["compared"])  # hours before the report is written
    if not specs:
        from rulebot.backtest.report_page import comparison_page

        write_file(options["out"], comparison_page(_by_name(earlier)))
        if options["form"] == "text":
            print_text(f" report {options['out']}")
        return
    logging.getLogger("rulebot").setLevel(logging.ERROR)
    desk = load(specs, options["overrides"], options["account"])
    asked = options_of({**options, "sampling": _sampling(options["features"])})
    if options["check_look_ahead"]:
        _check_look_ahead(desk, asked)
        return
    _make_folder(asked.store)
    goes_on = f"the same with --resume --store {shlex.quote(str(asked.store))} continues after the last whole session"
    with stopped_by_hand(goes_on), progress(options["form"]) as reported:
        run_backtest(desk, asked, reported)
    remember_store(asked.store)
    live = None if desk.account is None else desk.account.live
    results = read_results(asked.store, str(asked.store), () if live is None else live.require)
    if options["out"] is not None:
        _write_report(results, asked.store, earlier, options["out"])
    if options["form"] == "json":
        print_text(text_of(results), nl=False)
    else:
        _show(results)
        if options["out"] is not None:
            beside = f", compared with {counted(len(earlier), 'earlier one')}" if earlier else ""
            print_text(f" report {options['out']}{beside}")
    if not results.days:
        raise StoreError("no session could be lived through", "the faults of each are listed above")


def _check(specs: tuple[str, ...], options: dict[str, Any]) -> None:
    """Refuse what does not go together. Raises: MisuseError."""
    if specs and options["data"] is None:
        raise MisuseError("a backtest needs past sessions", "name them with --data (docs/history-data.md)")
    if not specs and (len(options["compared"]) < 2 or options["out"] is None):
        raise MisuseError("no spec was named", "name specs, or several --compare and --out to compare them")
    if not specs and (word := next((word for name, word in _OF_ONE.items() if is_explicit(name)), "")):
        raise MisuseError(f"{word} belongs to a backtest, and no spec was named", "name specs, or leave it out")
    if options["check_look_ahead"]:
        _check_kept(options)
    if options["compared"] and options["out"] is None:
        raise MisuseError("--compare is for a report: name its file with --out")
    check_output("--out", options["out"], PAGE, options["store"])


def _check_kept(options: dict[str, Any]) -> None:
    """Refuse options of a stored backtest. Raises: MisuseError."""
    if options["fills"] == "recorded":
        raise MisuseError("what was recorded does not fit garbled data", "--check-look-ahead with --fills natural")
    for word in (word for name, word in _KEEPING.items() if options[name]):
        raise MisuseError(f"--check-look-ahead keeps and writes nothing: {word} says what to do with a backtest")


def _earlier(files: tuple[Path, ...]) -> "Backtests":
    """Return earlier backtests, each a store or a JSON result. Raises: MisuseError, StoreError."""
    from rulebot.backtest.report_page import document, read_document
    from rulebot.backtest.results import read_results

    return [
        (file, read_document(file) if file.suffix == ".json" else document(read_results(file, str(file))))
        for file in files
    ]


def _by_name(found: "Backtests") -> dict[str, Any]:
    """Return backtests by the names of their files, with their folders where two have the same."""
    are_apart = len({file.stem for file, _ in found}) == len(found)
    return {file.stem if are_apart else str(file): each for file, each in found}


def _write_report(results: "Results", store: Path, earlier: "Backtests", out: Path) -> None:
    """Write the report of a backtest, beside earlier ones where there are any."""
    from rulebot.backtest.report_page import document, reasons_of, report_page

    own = document(results)
    beside = _by_name([(store, own), *earlier]) if earlier else {}
    write_file(out, report_page(own, reasons_of(store, results.trades), beside))


def _check_look_ahead(desk: "LoadedBots", asked: "BacktestOptions") -> None:
    """Say whether anything changed before the instants whose future was garbled. Raises: click's Exit when it did."""
    from rulebot.backtest.look_ahead import check_look_ahead
    from rulebot.backtest.run import simulations_of
    from rulebot.model.session import EXCHANGE_ZONE

    found = check_look_ahead(simulations_of(desk, asked), asked.opens(), asked.first, asked.last)
    print_text(f" {counted(found.draws, 'instant')} drawn, {counted(found.records, 'record')} before compared")
    for leak in found.leaks:
        known = leak.was or leak.now
        assert known is not None
        until = f"{leak.until.astimezone(EXCHANGE_ZONE):%Y-%m-%d %H:%M:%S}"
        at = clock(known.at)
        print_text(f" data after {until} changes what is recorded at {at}: {known.kind.value} {known.bot}")
        for word, record in (("as it is", leak.was), ("garbled", leak.now)):
            print_text(f"   {word}: {dict(record.data) if record is not None else 'nothing'}")
    if found.leaks:
        raise click.exceptions.Exit(PROBLEMS)
    print_text(" none has changed: nothing looks ahead")


def _show(results: "Results") -> None:
    from rulebot.cli.output import echo, terminal_width

    for line in result_lines(results, width=terminal_width()):
        echo(line)


def load(specs: tuple[str, ...], settings: tuple[str, ...], account: Path | None) -> "LoadedBots":
    """Return the compiled bots. Raises: click's Exit for problems in them."""
    from rulebot.cli.validate import parse_settings, show_problems
    from rulebot.documents.load_bots import ProblemsError, check_overrides, load_all_bots

    overrides = parse_settings(settings)
    try:
        desk = load_all_bots(specs, overrides, account)
    except ProblemsError as error:
        show_problems(error.found, "text", err=True)
        raise click.exceptions.Exit(error.exit_code) from error
    check_overrides(desk, overrides)
    return desk


def options_of(options: dict[str, Any]) -> "BacktestOptions":
    """Return the options. Raises: MisuseError, StoreError."""
    from rulebot.adapters.clock import WallClock
    from rulebot.adapters.sources import open_source, written
    from rulebot.backtest.run import BacktestOptions

    opens = partial(open_source, options["data"])
    first, last = session_range(opens(), options["data"], options["first"], options["last"])
    if options["resume"] and options["store"] is None:
        raise MisuseError("--resume continues a store: name it with --store")
    return BacktestOptions(
        opens=opens,
        data=options["data"],
        first=first,
        last=last,
        store=options["store"] or _new_store(first, last),
        fills=asked_fills(options["fills"], recorded=True),
        cash=asked_cash(options["cash"]),
        lines=options["lines"],
        workers=options["workers"] or cores(),
        elapsed=None if options["workers"] else WallClock().elapsed,
        resumes=options["resume"],
        sampling=options["sampling"],
        files=partial(written, options["data"]),
        shares=asked_shares(options.get("shares") or ()),
    )


def _sampling(place: str | None) -> "SamplingOptions | None":
    from rulebot.backtest.sampling import sampling

    return None if place is None else sampling(place)


def _new_store(first: date, last: date) -> Path:
    """Return a path that is not taken yet: `runs/backtest-2025-01-02-2025-06-30.db`, then with a number."""
    name, count = f"backtest-{first}-{last}", 1
    path = Path("runs") / f"{name}.db"
    while path.exists():
        count += 1
        path = Path("runs") / f"{name}-{count}.db"
    return path


def _make_folder(store: Path) -> None:
    try:
        store.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"the folder {store.parent} cannot be made: {error.strerror}") from error


@contextmanager
def progress(form: str) -> "Iterator[Progress]":
    """Yield the progress callback: a bar on a terminal, none in a pipe or with JSON."""
    with sessions_bar(form) as bar:
        yield lambda done, number, count: bar(number, count, f"{done.date}")


# --- The results of a backtest for eyes

SHOWN_RULES = 8
_RIGHT = frozenset(range(1, 9))
_SUMS_GO, _TRADES_GO = (7, 4, 8), (5, 3, 1)
"""Columns that a narrow terminal does without: factor, average, commissions; of trades their prices, and the bot."""
_WHOLE = "--format json"


def result_lines(results: Results, *, width: int | None = None) -> Iterator[str]:
    """Yield all of it. width: of the terminal, None where none is."""
    yield from _head(results)
    yield ""
    yield from _sums(results, width)
    if results.trades:
        yield ""
        yield from _trades(results, width)
    for funnel in results.funnels:
        yield ""
        yield from _funnel(funnel)
        if words := unfilled_words(funnel.tried, funnel.entered, str(results.settings["fills"])):
            yield f"  {words}"
    if results.alarms:
        yield ""
        yield from _alarms(results.alarms)
    if results.findings:
        yield ""
        yield from finding_lines(results.findings)
    yield ""
    yield f" store {results.shown}: 'rulebot why', 'summary' and 'web' read it"


def _head(results: Results) -> Iterator[str]:
    reported = results.settings
    sessions = sessions_words(
        [day.has_data for day in results.days], named(reported["source"], reported["is_modelled"])
    )
    bias = () if results.bias is None else bias_words(**asdict(results.bias))
    figures = ", ".join(f"{name} {value}" for name, value in figure_words(results.figures))
    days = [day.date for day in results.days]
    short = ruined_words({f"{day.date}": day.equity for day in results.days}) or strained_words(
        [f"{day.date}" for day in results.days if day.is_strained]
    )
    still = sum(trade.left is None for trade in results.trades)
    at_last = f"open at the end: {counted(still, 'position')}, which the account counts at the last mid"
    lines = [
        f"{reported['from']} to {reported['to']}, {sessions}",
        span_words(reported, days),
        *bias,
        _account_words(results),
        figures,
        short,
        brought_words(reported),
        undivided_words(holds_shares=results.holds_shares),
        at_last if still else "",
        *kept_lines(results.kept, is_named=len(results.by_bot) > 1),
        *in_shares_lines([_in_shares(each) for each in results.trades if each.in_shares]),
    ]
    yield from (f" {words}" for words in lines if words)


def _account_words(results: Results) -> str:
    sharpe = "-" if results.sharpe is None else f"{results.sharpe:.2f} +/- {results.sharpe_error or 0.0:.2f}"
    drawdown, profit = dollars(results.max_drawdown), signed_dollars(results.profit)
    return f"fills {results.settings['fills']}; account {profit}, drawdown {drawdown}, Sharpe {sharpe}"


def _in_shares(trade: ClosedTrade) -> InShares:
    return InShares(trade.name, None if trade.left is None else trade.net, trade.worth)


def _sums(results: Results, width: int | None) -> Iterator[str]:
    head = ("", "trades", "won", "net", "average", "best", "worst", "factor", "commissions")
    groups: list[tuple[str, Mapping[str, TradeSums]]] = [
        ("by exit", results.by_reason),
        ("by VIX at the open", results.by_vix),
        ("by hour of entry", results.by_hour),
    ]
    bots = results.by_bot if len(results.by_bot) > 1 else {}
    rows = [head, *(_row(name, each) for name, each in bots.items()), _row("all", results.all)]
    for title, group in groups:
        if group:
            rows += [(title,), *(_row(f"  {name}", each) for name, each in group.items())]
    yield from table(rows, width, _SUMS_GO, right=_RIGHT, whole=_WHOLE)


def _row(name: str, each: TradeSums) -> tuple[str, ...]:
    shown = map(signed_dollars, (each.net, each.expectancy, each.best, each.worst))
    made = (whole_percent(each.win_rate), *shown, figure(each.profit_factor))
    return (name, str(each.trades), *made, dollars(each.commissions))


def _trades(results: Results, width: int | None) -> Iterator[str]:
    rows: list[tuple[str, ...]] = [("entered", "bot", "", "price", "left", "price", "exit", "net")]
    for trade in results.trades:
        net = "" if trade.left is None else signed_dollars(trade.net)
        ends = (_left(trade), signed_price(trade.exit), trade.exits, net)
        rows.append((trade.entered[:16], trade.bot, trade.filled, signed_price(trade.entry), *ends))
    yield from table(rows, width, _TRADES_GO, right=frozenset((3, 5, 7)), whole=_WHOLE)


def _left(trade: ClosedTrade) -> str:
    """Return when a trade was left, with its date where that is another one than it was entered on."""
    if trade.left is None:
        return "-"
    return trade.left[11:16] if trade.left[:10] == trade.entered[:10] else trade.left[:16]


def _funnel(found: EntryFunnel) -> Iterator[str]:
    counts = f"watched in {found.watched:,}, tried in {found.tried:,}, entered in {found.entered:,}"
    yield f" {found.bot}: {counted(found.sessions, 'session')}, {counts}"
    rules = [each for each in found.stopped if each.sessions or each.false >= 0.5 or each.unknown >= 0.5]
    rows: list[tuple[str, ...]] = [("  kept out by", "sessions", "minutes false", "unknown")]
    rows += [
        (f"  {each.rule}", str(each.sessions), f"{each.false:.0f}", f"{each.unknown:.0f}")
        for each in rules[:SHOWN_RULES]
    ]
    if rules:
        yield from aligned(rows, right=frozenset((1, 2, 3)))
    if len(rules) > SHOWN_RULES:
        yield f"   and {counted(len(rules) - SHOWN_RULES, 'other')}; {_WHOLE} has all"


def _alarms(alarms: Mapping[str, int]) -> Iterator[str]:
    yield f" alarms: {sum(alarms.values())}"
    for text, count in list(alarms.items())[:SHOWN]:
        yield f"  {count} x {text}"
    if len(alarms) > SHOWN:
        yield f"  and {counted(len(alarms) - SHOWN, 'other kind')}"
