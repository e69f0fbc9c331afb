"""`rulebot data`: option data of one's own into sources for backtests; what is in them, and what is wrong with it."""

import json
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rulebot.adapters.history.session import data_of
from rulebot.cli.options import FORMAT
from rulebot.cli.output import print_text
from rulebot.cli.past_options import finding_lines, sessions_bar
from rulebot.model.errors import MisuseError
from rulebot.model.session import sessions
from rulebot.model.text import aligned, counted

if TYPE_CHECKING:
    from rulebot.data.add import Added, Asked
    from rulebot.data.catalogue import AddedFile, Catalogued
    from rulebot.data.check import Checked

PROBLEMS = 1
PATHS = click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path))
LAYOUT = click.option("--as", "layout", metavar="LAYOUT", help="The layout of the files (default: by their header).")
COLUMNS = click.option(
    "--columns",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A YAML file that names the columns (docs/data.md).",
)
SYMBOL = click.option("--symbol", default="", help="The underlying, where no column names it.")


@click.group("data", short_help="Add, check and list option data of your own.")
def data() -> None:
    """Bring option data of your own: 'rulebot data add NAME PATH', then 'rulebot backtest SPEC --data NAME'."""


def _asked(layout: str | None, columns: Path | None, symbol: str) -> "Asked":
    from rulebot.data.add import Asked
    from rulebot.data.layout import layout_named, read_layout

    if layout and columns:
        raise MisuseError("--as and --columns both name the layout", "give one of them")
    found = layout_named(layout) if layout else read_layout(columns) if columns else None
    return Asked(found, symbol.upper())


@data.command("add")
@click.argument("name")
@PATHS
@LAYOUT
@COLUMNS
@SYMBOL
@FORMAT
def add_command(
    name: str, paths: tuple[Path, ...], layout: str | None, columns: Path | None, symbol: str, form: str
) -> None:
    """Read, check and store files as the source NAME.

    A file that the source has already is left out.
    """
    from rulebot.data.add import add

    with sessions_bar(form) as bar:
        found = add(name, paths, _asked(layout, columns, symbol), lambda file, done, size: bar(done, size, file))
    if form == "json":
        print_text(json.dumps(_added_data(name, found), indent=2))
        return
    for line in _added_lines(name, found):
        print_text(line)


def _added_data(name: str, found: "Added") -> dict[str, Any]:
    return {
        "source": name,
        "files": [{"name": each.name, "layout": each.layout, "rows": each.rows} for each in found.files],
        "known": found.known,
        "sessions": {symbol: len(days) for symbol, days in sorted(found.days.items())},
        "daily": sorted(found.daily),
        "findings": [data_of(each) for each in found.findings],
    }


def _added_lines(name: str, found: "Added") -> Iterator[str]:
    yield f" {name}: {counted(len(found.files), 'file')} added" + (
        f", {len(found.known)} known before" if found.known else ""
    )
    for each in found.files:
        yield f"  {each.name}: {', '.join(filter(None, (each.layout, _rows(each))))}"
    for symbol, days in sorted(found.days.items()):
        yield f"  {symbol}: {counted(len(days), 'session')}, {min(days)} to {max(days)}"
    if found.daily:
        yield f"  daily bars of {', '.join(sorted(found.daily))}"
    yield from finding_lines(map(data_of, found.findings))
    if found.days:
        yield f" next: rulebot backtest SPEC --data {name}"


@data.command("check")
@PATHS
@LAYOUT
@COLUMNS
@SYMBOL
@FORMAT
@click.pass_context
def check_command(
    ctx: click.Context, paths: tuple[Path, ...], layout: str | None, columns: Path | None, symbol: str, form: str
) -> None:
    """Say what files hold, lack, and have wrong.

    Nothing is stored. Where columns are missing a columns file is drafted.
    """
    from rulebot.data.check import check

    with sessions_bar(form) as bar:
        found = check(paths, _asked(layout, columns, symbol), lambda file, done, size: bar(done, size, file))
    if form == "json":
        print_text(json.dumps(_checked_data(found), indent=2))
    else:
        for line in _checked_lines(found):
            print_text(line)
    if not found.is_usable:
        ctx.exit(PROBLEMS)


def _checked_data(found: "Checked") -> dict[str, Any]:
    files = [
        {
            "name": each.name,
            "layout": each.layout.name,
            "columns": dict(each.columns),
            "lacking": list(each.lacking),
            "unread": list(each.unread),
        }
        for each in found.files
    ]
    return {"files": files, "findings": [data_of(each) for each in found.findings]}


def _checked_lines(found: "Checked") -> Iterator[str]:
    from rulebot.data.check import draft

    for each in found.files:
        yield f" {each.name}: {each.layout.title}"
        named = (ours if ours == name else f"{ours} from {name}" for ours, name in each.columns.items())
        yield f"  columns: {', '.join(named)}"
        if each.unread:
            yield f"  not read: {', '.join(each.unread)}"
    if found.added is not None:
        for symbol, days in sorted(found.added.days.items()):
            yield f" {symbol}: {counted(len(days), 'session')}, {min(days)} to {max(days)}"
    yield from finding_lines(map(data_of, found.findings))
    lacking = next((each for each in found.files if each.lacking), None)
    if lacking is not None:
        yield ""
        yield from draft(lacking).splitlines()


@data.command("list")
@FORMAT
def list_command(form: str) -> None:
    """List the sources."""
    from rulebot.data import catalogue

    found = [catalogue.read(name) for name in catalogue.names()]
    if form == "json":
        print_text(json.dumps([_source_data(each) for each in found], indent=2))
        return
    if not found:
        print_text(" no source yet: 'rulebot data add NAME PATH' adds one")
        return
    rows = [("source", "underlying", "sessions", "first", "last", "daily bars")]
    for each in found:
        for symbol, days in sorted(each.days.items()) or [("", [])]:
            first, last = (str(days[0]), str(days[-1])) if days else ("", "")
            rows.append((each.name, symbol, str(len(days)), first, last, ", ".join(each.daily)))
    for line in aligned(rows, right=frozenset({2})):
        print_text(line)


def _source_data(source: "Catalogued") -> dict[str, Any]:
    return {
        "source": source.name,
        "folder": str(source.folder),
        "files": [
            {"name": each.name, "layout": each.layout, "rows": each.rows, "sha256": each.digest}
            for each in source.files
        ],
        "sessions": {symbol: [day.isoformat() for day in days] for symbol, days in source.days.items()},
        "daily": source.daily,
    }


@data.command("show")
@click.argument("name")
@FORMAT
def show_command(name: str, form: str) -> None:
    """Show files, sessions and findings of a source."""
    from rulebot.data import catalogue

    source = catalogue.read(name)
    if form == "json":
        print_text(json.dumps({**_source_data(source), "findings": list(map(data_of, source.findings))}, indent=2))
        return
    print_text(f" {name}, in {source.folder}")
    for line in aligned([(each.name, each.layout, _rows(each)) for each in source.files], indent="  "):
        print_text(line)
    for symbol, days in sorted(source.days.items()):
        print_text(f" {symbol}: {counted(len(days), 'session')}, {days[0]} to {days[-1]}")
        for line in _coverage(days):
            print_text(f"  {line}")
    if source.daily:
        print_text(f" daily bars of {', '.join(source.daily)}")
    for line in finding_lines(map(data_of, source.findings)):
        print_text(line)


def _rows(file: "AddedFile") -> str:
    """Return how many quotes are stored of a file; "" of one of daily bars."""
    return f"{file.rows:,} rows" if file.rows else ""


def _coverage(days: Sequence[date]) -> Iterator[str]:
    """Yield a line for each month: # is a session that is stored, . one that is missing."""
    have = set(days)
    for month, of_month in groupby(sessions(days[0], days[-1]), key=lambda each: f"{each.date:%Y-%m}"):
        yield f"{month}  {''.join('#' if each.date in have else '.' for each in of_month)}"


@data.command("remove")
@click.argument("name")
def remove_command(name: str) -> None:
    """Delete a source, not the files it was made of."""
    from rulebot.data import catalogue

    catalogue.remove(name)
    print_text(f" {name} is removed")
