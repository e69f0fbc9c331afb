"""`rulebot scan`: what each structure of some specs would be now, ranked by their own words; nothing is sent."""

import asyncio
import csv
import io
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rulebot.adapters.ib.settings import MOST_LINES
from rulebot.cli.clock import CLOCK
from rulebot.cli.numbers import WholeNumber
from rulebot.cli.options import gateway_option, set_option, settings_option
from rulebot.cli.paths import SPECS
from rulebot.cli.say import print_text
from rulebot.cli.stores import STORE
from rulebot.cli.typed import is_explicit
from rulebot.model.errors import MisuseError

if TYPE_CHECKING:
    from rulebot.scan.scan import ScanRequest
    from rulebot.scan.scan_row import Scan, ScanRow

SHOWN_SCANS = 20
"""Earlier scans, or rows of a symbol, that are shown unless --top says otherwise."""


_OF_A_SCAN = {
    **{name: f"--{name}" for name in ("sim", "live", "source", "recording", "store", "sort", "lines", "settings")},
    **{"address": "--gateway", "clock": "--at", "all_shown": "--all", "overrides": "--set"},
}
"""Options that say what is scanned, or which of its rows are shown: earlier scans are what they are."""


@click.command("scan", short_help="Measure and rank what each symbol's trade would be now.")
@click.argument("specs", nargs=-1, metavar="[SPEC]...", type=SPECS)
@click.option("--sim", is_flag=True, help="Look at a simulated market: nothing else is needed.")
@click.option("--live", is_flag=True, help="Look through the gateway of the account with real money.")
@gateway_option
@click.option(
    "--source",
    type=click.Choice(["gateway", "cboe"]),
    default="gateway",
    help="Whose quotes: the broker's, or Cboe's, which are DELAYED by 15 minutes and need no gateway.",
)
@click.option(
    "--recording",
    metavar="DAY|FILE",
    help="Look at a recorded day: what an engine knew then (see 'rulebot replay --list').",
)
@click.option(
    "--at", "clock", type=CLOCK, metavar="HH:MM[:SS]", help="At this time of it, New York (default: at its end)."
)
@click.option("--store", type=STORE, metavar="STORE", help="Of which store's runs (default: the last run's).")
@click.option("--top", type=WholeNumber(1), metavar="N", help="Show the best N of each bot only.")
@click.option("--all", "all_shown", is_flag=True, help="Show those too for which a condition does not hold, and why.")
@click.option("--sort", metavar="MEASURE", default="", help="Go by this measure (default: the spec's own rank).")
@click.option(
    "--lines",
    type=WholeNumber(1, MOST_LINES),
    metavar="N",
    help="Market data lines to use at most (default: the setting, 90; 10 while an engine runs on this machine).",
)
@settings_option
@set_option
@click.option(
    "--history",
    is_flag=False,
    flag_value="",
    metavar="[SYMBOL]",
    help="Show earlier scans, or what they said of a symbol, instead.",
)
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "csv"]), default="text", help="For eyes or machines."
)
def scan(**options: Any) -> None:
    """Measure the structure that each symbol of each SPEC (files, folders) would trade now: price, greeks, days to
    expiry, volatility and its rank, volume, open interest, quote width, probability of profit, return on risk,
    crowding; and whether all conditions of the spec hold, or the first that does not, and by how much.

    Rows are ranked by the spec's rank. Those for which a condition does not hold are left out unless --all is given.
    Symbols take turns on the market data lines. Nothing is sent but questions, as a client of its own; what was
    found is kept for --history and the page.

    With --source cboe the quotes are those that Cboe publishes, DELAYED by 15 minutes and marked so: for looking
    without a gateway, for your own use by its terms. What needs history or the account is unknown then.

    With --recording the market is that of a recorded day at an instant. What was not streamed then is unknown, and
    such a scan is not kept.

    Exit code: 0, 1 for problems in SPEC, 2 for misuse, 3 when the gateway, Cboe or the disk failed.
    """
    if options["history"] is not None:
        _show_history(options)
        return
    from rulebot.cli.validate import show_problems
    from rulebot.documents.load_bots import ProblemsError
    from rulebot.scan.delayed import scan_delayed
    from rulebot.scan.scan import scan as look_at
    from rulebot.scan.scan_row import document, head
    from rulebot.store.scans import keep, scans_file

    wanted = _wanted(options)
    logging.basicConfig(level=logging.CRITICAL, force=True)
    try:
        if options["recording"] is not None:
            found = _recorded(wanted, options)
        else:
            found = asyncio.run(scan_delayed(wanted) if options["source"] == "cboe" else look_at(wanted))
    except ProblemsError as error:
        show_problems(error.found, "text", err=True)
        raise click.exceptions.Exit(error.exit_code) from error
    _show(found, options)
    if options["recording"] is None:
        keep(scans_file(), head(found), [document(row) for row in found.rows])


def _wanted(options: Mapping[str, Any]) -> "ScanRequest":
    from rulebot.cli.run import gateway_address
    from rulebot.cli.validate import parse_settings
    from rulebot.scan.scan import ScanRequest
    from rulebot.store.folders import data_folder

    if not options["specs"]:
        raise MisuseError("no spec was named", "name files or folders, such as specs/*.yaml; --history needs none")
    if options["live"] and options["sim"]:
        raise MisuseError("--live is an account with real money: --sim does not go with it")
    source = "--recording" if options["recording"] is not None else "--source cboe"
    is_offline = options["recording"] is not None or options["source"] == "cboe"
    for flag in ("sim", "live", "address", "lines", "settings"):
        if is_offline and options[flag]:
            named = "gateway" if flag == "address" else flag
            raise MisuseError(f"--{named} is of a gateway: with {source} none is asked")
    if options["recording"] is not None and options["source"] == "cboe":
        raise MisuseError("either --recording or --source cboe: one market at a time")
    for flag, named in (("clock", "at"), ("store", "store")):
        if options["recording"] is None and options[flag] is not None:
            raise MisuseError(f"--{named} says where to look in a recording: it goes with --recording DAY")
    host, port = gateway_address(options["address"])
    return ScanRequest(
        specs=options["specs"],
        overrides=parse_settings(options["overrides"]),
        settings=options["settings"],
        flags={"host": host, "live_port" if options["live"] else "port": port},
        live=options["live"],
        sim=options["sim"],
        sort=options["sort"],
        lines=options["lines"],
        data=data_folder(),
    )


def _recorded(wanted: "ScanRequest", options: Mapping[str, Any]) -> "Scan":
    from rulebot.replay.instant import instant_of
    from rulebot.replay.recordings import meant, recorded_beside
    from rulebot.scan.recorded import scan_recorded
    from rulebot.store.latest import run_store

    what = options["recording"]
    files = meant(what, Path() if what.endswith(".tape") else recorded_beside(run_store(options["store"])))
    return scan_recorded(wanted, files, instant_of(files, options["clock"]))


def _chosen(found: "Scan", options: Mapping[str, Any]) -> "list[ScanRow]":
    """Return the rows that are shown: the best of each bot."""
    top = options["top"]
    rows = []
    for name in found.bots:
        of_bot = [row for row in found.rows if row.bot == name and (options["all_shown"] or row.holds is True)]
        rows += of_bot[:top]
    return rows


def _show(found: "Scan", options: Mapping[str, Any]) -> None:
    from rulebot.cli.scan_text import next_lines, scan_lines
    from rulebot.cli.stores import print_json
    from rulebot.cli.width import echo, terminal_width
    from rulebot.scan.scan_row import COLUMNS, document, head

    rows = _chosen(found, options)
    if options["form"] == "json":
        print_json({"scan": head(found), "rows": [document(row) for row in rows]})
    elif options["form"] == "csv":
        print_text(_csv(COLUMNS, [document(row) for row in rows]), nl=False)
    else:
        for line in scan_lines(found, rows, all_shown=options["all_shown"], width=terminal_width()):
            echo(line)
        for line in next_lines(found, _flags(options, found)) if options["recording"] is None else ():
            echo(line)


def _flags(options: Mapping[str, Any], found: "Scan") -> list[str]:
    """Return the options of a run on the market of this scan; real money is for a person to type."""
    where = [] if options["address"] is None or options["live"] else ["--gateway", options["address"]]
    sets = [word for each in options["overrides"] for word in ("--set", each)]
    return [*(["--sim"] if found.world == "simulated" and not options["live"] else []), *where, *sets]


def _csv(names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(names)
    table.writerows([[_cell(row[name]) for name in names] for row in rows])
    return text.getvalue()


def _cell(value: Any) -> Any:
    """Return a value as a cell of CSV: lists and objects as JSON."""
    from rulebot.store.finance.sheet import as_text

    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False, sort_keys=True) if isinstance(value, dict | list) else as_text(value)


def _show_history(options: Mapping[str, Any]) -> None:
    """Show earlier scans, or the rows of a symbol. Raises: MisuseError, StoreError."""
    from rulebot.cli.scan_text import history_lines, symbol_lines
    from rulebot.cli.stores import print_json
    from rulebot.cli.width import echo
    from rulebot.store.scans import OF_A_ROW, OF_A_SCAN, rows_about, scans, scans_file

    if options["specs"]:
        raise MisuseError("--history shows earlier scans: leave SPEC out", "as in 'rulebot scan --history SPY'")
    for name, flag in _OF_A_SCAN.items():
        if is_explicit(name):
            raise MisuseError(f"--history shows earlier scans: leave {flag} out", "--top and --format go with it")
    symbol, many = options["history"], options["top"] or SHOWN_SCANS
    rows = rows_about(scans_file(), symbol, many) if symbol else scans(scans_file(), many)
    if options["form"] == "json":
        print_json({"rows" if symbol else "scans": rows})
    elif options["form"] == "csv":
        names = ("at", "world", *OF_A_ROW) if symbol else ("id", *OF_A_SCAN, "rows", "held")
        print_text(_csv(names, rows), nl=False)
    elif not rows:
        print_text(f"no scan has seen {symbol} yet" if symbol else "nothing was scanned yet")
    else:
        for line in symbol_lines(rows) if symbol else history_lines(rows):
            echo(line)
