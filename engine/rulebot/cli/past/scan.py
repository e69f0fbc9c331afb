"""`rulebot scan`: what each structure of some specs would be now, ranked by their own words; nothing is sent."""

import asyncio
import csv
import io
import json
import logging
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rulebot.adapters.ib.settings import MOST_LINES
from rulebot.cli.options import (
    CLOCK,
    FORMAT,
    SPECS,
    WholeNumber,
    gateway_option,
    is_explicit,
    set_option,
    settings_option,
)
from rulebot.cli.output import lacking, narrowed, print_text
from rulebot.cli.store_options import STORE
from rulebot.compile.plan import Call
from rulebot.measures.registry import VOCABULARY
from rulebot.model.errors import MisuseError
from rulebot.model.session import EXCHANGE_ZONE
from rulebot.model.text import aligned, counted, figure, price
from rulebot.preview.candidate import MARK, WORLD
from rulebot.record.codec import utc_time
from rulebot.scan.scan_row import Scan, ScanRow
from rulebot.wording.number import measured

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from rulebot.live.environments import World
    from rulebot.model.facts import SymbolFacts
    from rulebot.scan.scan import ScanRequest

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
@click.option("--store", type=STORE, metavar="STORE", help="The store with the runs (default: the last run's).")
@click.option("--top", type=WholeNumber(1), metavar="N", help="Show the best N of each bot only.")
@click.option("--all", "all_shown", is_flag=True, help="Show those too for which a condition does not hold, and why.")
@click.option("--sort", metavar="MEASURE", default="", help="Rank by this measure (default: the spec's own rank).")
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
@click.option("--format", "form", type=click.Choice(["text", "json", "csv"]), default="text", help="Output format.")
def scan(**options: Any) -> None:
    """Measure the structure that each symbol of each SPEC (files, folders) would trade now: price, greeks, days to
    expiry, volatility and its rank, volume, open interest, quote width, probability of profit, return on risk,
    crowding; and whether all conditions of the spec are true, or the first that is not, and by how much.

    Rows are ranked by the spec's rank. Rows with a false condition are hidden unless --all is given. Symbols take turns
    on the market data lines. Nothing but requests is sent, from a separate client; results are kept for --history and
    the page.

    With --source cboe the quotes are those that Cboe publishes, DELAYED by 15 minutes and marked so: for looking
    without a gateway, for your own use by its terms. Values that need history or the account are unknown then.

    With --recording the market is that of a recorded day at an instant. What was not streamed then is unknown, and such
    a scan is not kept.

    Exit code: 0, 1 for problems in SPEC, 2 for misuse, 3 when the gateway, Cboe or the disk failed.
    """
    if options["history"] is not None:
        _show_history(options)
        return
    from rulebot.cli.validate import show_problems
    from rulebot.documents.load_bots import ProblemsError
    from rulebot.scan.scan import scan as look_at
    from rulebot.scan.scan import scan_delayed
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
    from rulebot.store.place import data_folder

    if not options["specs"]:
        raise MisuseError("no spec was named", "name files or folders, such as specs/*.yaml; --history needs none")
    if options["live"] and options["sim"]:
        raise MisuseError("--live is an account with real money: --sim does not go with it")
    _check_market(options)
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


def _check_market(options: Mapping[str, Any]) -> None:
    """Refuse options of another market than the one that is asked. Raises: MisuseError."""
    source = "--recording" if options["recording"] is not None else "--source cboe"
    is_offline = options["recording"] is not None or options["source"] == "cboe"
    for flag in ("sim", "live", "address", "lines", "settings"):
        if is_offline and options[flag]:
            named = "gateway" if flag == "address" else flag
            raise MisuseError(f"--{named} needs a gateway: with {source} no gateway is used")
    if options["recording"] is not None and options["source"] == "cboe":
        raise MisuseError("either --recording or --source cboe: one market at a time")
    for flag, named in (("clock", "at"), ("store", "store")):
        if options["recording"] is None and options[flag] is not None:
            raise MisuseError(f"--{named} says where to look in a recording: it goes with --recording DAY")


def _recorded(wanted: "ScanRequest", options: Mapping[str, Any]) -> "Scan":
    from rulebot.replay.recordings import meant, recorded_beside
    from rulebot.replay.replay import instant_of
    from rulebot.scan.scan import scan_recorded
    from rulebot.store.registry import run_store

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
    from rulebot.cli.output import echo, terminal_width
    from rulebot.cli.store_options import print_json
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
    from rulebot.store.finance import as_text

    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False, sort_keys=True) if isinstance(value, dict | list) else as_text(value)


def _show_history(options: Mapping[str, Any]) -> None:
    """Show earlier scans, or the rows of a symbol. Raises: MisuseError, StoreError."""
    from rulebot.cli.output import echo
    from rulebot.cli.store_options import print_json
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


# --- A scan for eyes

_HEADS = (
    *("dte", "price", "delta", "gamma", "theta", "vega", "iv", "rank", "pctl"),
    *("vol", "oi", "width", "prob", "itm", "ror", "crowd"),
)
_OWN = {
    "dte": "dte",
    "iv": "iv",
    "iv_rank": "rank",
    "iv_percentile": "pctl",
    "volume": "vol",
    "open_interest": "oi",
    "quote_width": "width",
    "crowding": "crowd",
    "probability_of_profit": "prob",
    "return_on_risk": "ror",
}
"""Measures that a table has in any case, so that being ranked by one adds no column, and their columns."""
_FIRST_TO_GO = ("gamma", "vega", "theta", "pctl", "itm", "oi", "vol", "width", "crowd", "delta", "rank", "dte", "ror")
"""Columns that a narrow terminal does without, in this order."""
_NAMED = 3
"""Columns that identify the trade of a row; of the others those with any known value."""
Row = Mapping[str, Any]


def scan_lines(scan: Scan, rows: Sequence[ScanRow], *, all_shown: bool, width: int | None = None) -> Iterator[str]:
    """Yield the whole for eyes; `rows` are those that are shown. width: of the terminal, None where none is."""
    if scan.world == WORLD:
        yield f"{MARK}: Cboe's quotes as of {clock(scan.at)}. They are for looking: no bot trades on them."
    for name in scan.bots:
        of_bot = [row for row in scan.rows if row.bot == name]
        yield _title(name, of_bot)
        yield from _table([row for row in rows if row.bot == name], width, all_shown=all_shown)
        yield ""
    if scan.world != WORLD and any(row.data == "delayed" for row in scan.rows):
        yield "(delayed) what is not subscribed came 10 to 15 minutes late: see 'delayed_data' of specs"
    yield taken(scan)
    yield from (f"note: {note}" for note in scan.notes)


def _title(name: str, rows: Sequence[ScanRow]) -> str:
    held = sum(row.holds is True for row in rows)
    text = f"{name}: all conditions hold for {held} of {len(rows)}"
    if rows and rows[0].by:
        text += f"; by {rows[0].by}"
    entered = [row.symbol for row in rows if row.taken]
    return f"{text}; * it would enter {', '.join(entered)}" if entered else text


def _table(rows: Sequence[ScanRow], width: int | None, *, all_shown: bool) -> list[str]:
    if not rows:
        return [" none: --all shows what each lacks"]
    by = rows[0].by
    extra = [by] if by and by not in _OWN else []
    heads = ["", "symbol", "trade", *extra, *_HEADS]
    cells = [_cells(row, bool(extra)) for row in rows]
    known = _with_something(heads, cells, _NAMED, "-")
    whole = [[row[at] for at in known] for row in (heads, *cells)]
    going = [whole[0].index(name) for name in _FIRST_TO_GO if name in whole[0] and name != _OWN.get(by)]
    (head, *lines), left_out = narrowed(whole, width, going, right=frozenset(range(_NAMED, len(known))))
    for line, row in zip(lines, rows, strict=True):
        head += f"\n{line}" + (f"\n      lacks {row.why}" if all_shown and row.why else "")
    return [*head.splitlines(), *lacking(left_out, width, "--format csv")]


def _with_something(heads: Sequence[str], rows: Sequence[Sequence[str]], always: int, nothing: str) -> list[int]:
    """Return the places of the columns that are shown: the first `always`, and those in which a row has something."""
    return [at for at in range(len(heads)) if at < always or any(row[at] != nothing for row in rows)]


def _cells(row: ScanRow, has_by: bool) -> list[str]:
    place = f"{row.place or '-'}{'*' if row.taken else ''}"
    name = " ".join(filter(None, (row.symbol, row.alternative, "(delayed)" if row.data == "delayed" else "")))
    by = [value_text(row.by, row.value)] if has_by else []
    return [place, name, trade_text(_as_dict(row)), *by, *_numbers(row)]


def _as_dict(row: ScanRow) -> Row:
    return {"structure": row.structure, "price": row.price, "symbol": row.symbol}


def _numbers(row: ScanRow) -> Iterator[str]:
    yield figure(row.dte, "d")
    yield price(row.price)
    yield from (_figure(greek) for greek in (row.delta, row.gamma, row.theta, row.vega))
    yield figure(row.iv, ".1f", "%")
    yield from (figure(each, ".0f") for each in (row.iv_rank, row.iv_percentile))
    yield from (figure(each, ",.0f") for each in (row.volume, row.open_interest))
    yield figure(row.quote_width, ".2f")
    yield from map(_share, (row.probability_of_profit, row.probability_in_the_money, row.return_on_risk))
    yield figure(row.crowding, ".0f")


def _figure(number: float | None) -> str:
    """Return three figures of a greek: 721, 17.0, -2.97, 0.034."""
    if number is None:
        return "-"
    places = 0 if abs(number) >= 100 else 1 if abs(number) >= 10 else 2 if abs(number) >= 1 else 3
    return f"{number:,.{places}f}"


def trade_text(row: Row) -> str:
    """Return `sell 46/51p`, without the symbol."""
    structure, net = str(row["structure"]), row["price"]
    if not structure:
        return "-"
    own = structure.removeprefix(f"{row['symbol']} ")
    return own if net is None else f"{'sell' if net > 0 else 'buy'} {own}"


def value_text(measure: str, value: float | None) -> str:
    """Return a value as its measure is written."""
    if value is None:
        return "-"
    found = VOCABULARY.get(measure)
    return f"{value:g}" if found is None else measured(value, Call(measure, (), found.quantity))


def taken(scan: Scan) -> str:
    """Return what a scan took: time, lines, turns."""
    many, turns = counted(scan.structures, "structure"), counted(scan.turns, "turn")
    if not scan.line_limit:
        return f"{scan.world}, {clock(scan.at)}: {many} in {scan.seconds:.0f} s; no market data line was taken"
    delayed = sum(row.data == "delayed" for row in scan.rows)
    lines = f"at most {scan.lines} of {scan.line_limit} market data lines"
    return (
        f"{scan.world}, {clock(scan.at)}: {many} in {scan.seconds:.0f} s of the market's clock, {lines}, {turns}; "
        f"{scan.lines_taken} lines taken, {scan.lines_evicted} evicted for the next"
        + (f"; {delayed} on delayed data" if delayed else "")
    )


def next_lines(scan: Scan, flags: Sequence[str]) -> Iterator[str]:
    """Yield what to type next: the best bot in words, then the run that enters it."""
    held = [row for row in scan.rows if row.holds is True]
    best = next((row for row in held if row.taken), held[0] if held else None)
    if best is None:
        return
    file = scan.bots[best.bot]
    yield f"next: rulebot explain {shlex.quote(file)}"
    yield f"      rulebot run --paper {shlex.join([*flags, file])}"


def clock(at: datetime | str) -> str:
    """Return `2026-10-21 10:30:18` in New York."""
    moment = utc_time(at) if isinstance(at, str) else at
    return f"{moment.astimezone(EXCHANGE_ZONE):%Y-%m-%d %H:%M:%S}"


# ---------------------------------------------------------------- earlier scans


def history_lines(scans: Iterable[Row]) -> list[str]:
    """Return a line for each earlier scan."""
    heads = ("", "at (New York)", "market", "rows", "hold", "seconds", "lines", "specs")
    rows = [
        (str(each["id"]), clock(each["at"]), each["world"], str(each["rows"]), str(each["held"]),
         f"{each['seconds']:.0f}", str(each["lines"]), " ".join(each["specs"]))
        for each in scans
    ]  # fmt: skip
    return aligned([heads, *rows], right=frozenset((0, 3, 4, 5, 6)))


_OF_TRADE = 5
"""How many columns of an earlier row say which trade it was."""


def symbol_lines(rows: Iterable[Row]) -> list[str]:
    """Return a line for each earlier row of a symbol, with the columns that have a value."""
    heads = ("at (New York)", "market", "bot", "trade", "price", "iv", "rank", "prob", "ror", "by", "value", "lacks")
    found = [
        (clock(each["at"]), f"{each['world']}{' delayed' if each['data'] == 'delayed' else ''}", each["bot"],
         trade_text(each), price(each["price"]), figure(each["iv"], ".1f", "%"),
         figure(each["iv_rank"], ".0f"), _share(each["probability_of_profit"]), _share(each["return_on_risk"]),
         each["by"], value_text(each["by"], each["value"]) if each["by"] else "", each["why"])
        for each in rows
    ]  # fmt: skip
    kept = _with_something(heads, found, _OF_TRADE, "")
    shown = [[row[at] for at in kept] for row in (heads, *found)]
    return aligned(shown, right=frozenset(place for place, at in enumerate(kept) if at in (4, 5, 6, 7, 8, 10)))


def _share(part: float | None) -> str:
    return figure(None if part is None else part * 100, ".1f", "%")


# --- `rulebot symbols`: the symbols of universe documents and bots, checked against the broker

NOT_ALL_FINE = 1


@click.command("symbols", short_help="Ask the broker which symbols are gone or have no options.")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=SPECS)
@click.option("--gateway", "address", metavar="HOST:PORT", help="Where IB Gateway or TWS of a paper login listens.")
@click.option("--client-id", type=WholeNumber(0, 2**31 - 1), metavar="N", help="The API client id (default 71).")
@settings_option
@click.option("--sim", is_flag=True, help="Ask the simulated broker: nothing else is needed.")
@click.option("--refresh", is_flag=True, help="Remove from the universe documents in PATH what bots cannot trade.")
@FORMAT
def symbols(
    paths: tuple[str, ...],
    address: str | None,
    client_id: int | None,
    settings: Path | None,
    sim: bool,
    refresh: bool,
    form: str,
) -> None:
    """Ask the broker of every symbol in PATH (universe documents and bots; files, folders, patterns): whether there is
    such an index, stock or fund, just one, where it is listed, and which options on it.

    Nothing is traded. An engine may run meanwhile: this is another client. No file is changed without --refresh, which
    removes the symbols that bots cannot trade from universe documents, and keeps their comments. A symbol that is
    ambiguous stays: a person must choose.

    Exit code: 0 when bots can trade them all, 1 when not (or for errors in PATH), 2 for misuse, 3 when the gateway
    failed.
    """
    from rulebot.cli.validate import show_problems
    from rulebot.documents.load_bots import ProblemsError
    from rulebot.model.errors import MisuseError
    from rulebot.scan.scan import ask_symbols, symbols_in
    from rulebot.spec.files import find_files

    if sim and (address or client_id is not None):
        raise MisuseError("--sim has its own market: omit --gateway and --client-id")
    files = find_files(paths)
    try:
        named = symbols_in(files)
    except ProblemsError as error:
        show_problems(error.found, "text", err=True)
        raise click.exceptions.Exit(error.exit_code) from error
    for name in ("ib_async", "ib_async.wrapper", "ib_async.client", "ib_async.ib"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    found = asyncio.run(ask_symbols(_world(address, client_id, settings, sim=sim), named))
    troubled = _show_symbols(found, form)
    if refresh:
        from rulebot.scan.scan import refresh_universes

        for file, gone in refresh_universes(files, found):
            print_text(f"{file}: removed {', '.join(gone)}", err=True)
    if troubled:
        raise click.exceptions.Exit(NOT_ALL_FINE)


def _world(
    address: str | None, client_id: int | None, file: Path | None, *, sim: bool
) -> "AbstractAsyncContextManager[World]":
    from rulebot.cli.run import gateway_address
    from rulebot.live.environments import SimSettings, attached, simulated
    from rulebot.process.settings import read_settings
    from rulebot.scan.scan import SYMBOLS_CLIENT_ID
    from rulebot.store.place import data_folder

    number = SYMBOLS_CLIENT_ID if client_id is None else client_id
    if sim:
        return simulated(SimSettings(), number)
    host, port = gateway_address(address)
    settings = read_settings(file, Path(), data_folder(), flags={"host": host, "port": port})
    return attached(settings.host, settings.port, number, settings.account, lockstep=False)


def _show_symbols(found: "tuple[SymbolFacts, ...]", form: str) -> int:
    """Print what the broker has, and return how many symbols bots cannot trade."""
    from rulebot.cli.store_options import print_json
    from rulebot.scan.scan import trouble_with

    troubles = {facts.symbol: trouble for facts in found if (trouble := trouble_with(facts))}
    if form == "json":
        print_json({"symbols": [_row(facts, troubles.get(facts.symbol, "")) for facts in found]})
        return len(troubles)
    for line in aligned([_words(facts, troubles.get(facts.symbol, "")) for facts in found]):
        print_text(line)
    many = counted(len(found), "symbol")
    print_text(f"{many}: {len(found) - len(troubles)} fine" + (f", {len(troubles)} not" if troubles else ""))
    return len(troubles)


def _words(facts: "SymbolFacts", trouble: str) -> tuple[str, ...]:
    if trouble:
        return (facts.symbol, "-", "-", trouble)
    (contract,) = facts.contracts
    days = sorted(day for listed in facts.expiries.values() for day in listed)
    options = f"options {', '.join(facts.expiries)} to {days[-1]}"
    return (facts.symbol, "index" if contract.is_index else "stock", contract.exchange, f"{contract.name}; {options}")


def _row(facts: "SymbolFacts", trouble: str) -> dict[str, object]:
    return {
        "symbol": facts.symbol,
        "trouble": trouble,
        "contracts": [
            {"con_id": each.con_id, "is_index": each.is_index, "exchange": each.exchange, "name": each.name}
            for each in facts.contracts
        ],
        "options": {name: [str(day) for day in days] for name, days in facts.expiries.items()},
    }
