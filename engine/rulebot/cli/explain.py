"""`rulebot explain`: specs, the account document and words of the language, in plain English."""

import json
import sys
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rulebot.calendars.calendars import import_calendar, import_feed, load_calendar
from rulebot.cli.exit_codes import PROBLEMS_FOUND
from rulebot.cli.options import DAY, FORMAT
from rulebot.cli.output import echo, print_text
from rulebot.cli.past_options import PAGE, check_output
from rulebot.model.economic_calendar import events_between, expiry_warnings, has_no_time
from rulebot.model.errors import RulebotError, SpecError, as_store_error
from rulebot.model.facts import EventCalendar, EventDay, Moment
from rulebot.model.session import EXCHANGE_ZONE
from rulebot.model.text import minute
from rulebot.spec.source import MAX_BYTES
from rulebot.store.place import data_folder

if TYPE_CHECKING:
    from rulebot.review.explanation import Explanation
    from rulebot.spec.load import Loaded

DIAGRAMS = ("text", "mermaid", "svg")


@click.command("explain", short_help="Say in words what a spec does, or what a word means.")
@click.argument("what", nargs=-1, required=True, metavar="WHAT...")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Override a parameter of the specs.")
@click.option(
    "--resolved", is_flag=True, help="Print the whole spec as YAML, with what it takes from other files in place."
)
@click.option("--diagram", type=click.Choice(DIAGRAMS), help="Draw the states of a position instead.")
@click.option("--html", "page", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write a page.")
@FORMAT
def explain(
    what: tuple[str, ...],
    settings: tuple[str, ...],
    resolved: bool,
    diagram: str | None,
    page: Path | None,
    form: str,
) -> None:
    """Explain each WHAT: a spec, an account document or a universe (a file, folder, pattern, or the name of a shipped
    spec), or a word of the language (a measure, a key, a value of a key), or a code (RB204).

    For a spec: when it enters, which legs, how it orders, when it exits, what it risks, with prices and dollars on one
    example. No broker or store is needed.

    Exit code: 0, 1 when a spec has errors, 2 for what is neither a file nor a word, 3 when a file cannot be read or
    written.
    """
    if diagram is not None and (form != "text" or page is not None):
        raise click.UsageError("--diagram draws for eyes: leave --format and --html away")
    if resolved and (diagram is not None or form != "text" or page is not None or settings):
        raise click.UsageError("--resolved prints specs as they are written: leave the other options away")
    if resolved:
        _print_resolved(what)
        return
    check_output("--html", page, PAGE)
    found = _explained(what, settings)
    if diagram is not None:
        _draw(found, diagram)
    elif page is not None:
        _write(found, page)
    else:
        _show(found, form)


def _explained(what: tuple[str, ...], settings: tuple[str, ...]) -> "list[Explanation]":
    """Return what is said of each argument; when documents have errors, those of all are shown and nothing else."""
    from rulebot.cli.validate import load_all, parse_settings, problems_of_loaded, show_problems

    targets = list(_targets(what))
    files = [target for target in targets if isinstance(target, Path)]
    loaded = dict(zip(files, load_all(files, parse_settings(settings), digested=True), strict=True))
    found, faulty = [], {}
    for target in targets:
        explained = _document(target, loaded[target]) if isinstance(target, Path) else target
        if explained is not None:
            found.append(explained)
        elif isinstance(target, Path):
            faulty[str(target)] = problems_of_loaded(loaded[target])
    if faulty:
        show_problems(faulty, "text", err=True)
        raise click.exceptions.Exit(PROBLEMS_FOUND)
    return found


def _print_resolved(what: tuple[str, ...]) -> None:
    """Print each spec as one text that extends nothing, several as the documents of a stream of YAML.

    Raises: StoreError when a file cannot be read.
    """
    from rulebot.spec.load import resolved_text

    faulty, texts = {}, []
    for target in _targets(what):
        if not isinstance(target, Path):
            raise click.UsageError(f"'{target.name}' is no spec: only a spec can be resolved")
        loaded = _loaded(target)
        if loaded.spec is None:
            faulty[str(target)] = loaded.diagnostics
            continue
        texts.append(resolved_text(loaded.source))
    print_text("---\n".join(texts), nl=False)
    if faulty:
        from rulebot.cli.validate import show_problems

        show_problems(faulty, "text", err=True)
        raise click.exceptions.Exit(PROBLEMS_FOUND)


def _targets(what: tuple[str, ...]) -> "Iterator[Explanation | Path]":
    """Yield the page of every word and the files of everything else; a file that is called like a word is a file."""
    from rulebot.review.word_pages import page_of, word_page
    from rulebot.spec.files import NoSuchFiles, find_files

    for each in what:
        page = None if Path(each).is_file() else page_of(each) or word_page(each)
        if page is not None:
            yield page
            continue
        try:
            yield from find_files([each])
        except NoSuchFiles as error:
            is_there = Path(each).exists() or Path(each).is_symlink()
            raise (error if is_there else _neither(each)) from None


def _neither(word: str) -> click.UsageError:
    from rulebot.review.word_pages import did_you_mean
    from rulebot.spec.files import names_near

    written = Path(f"{word}.yaml")
    hint = did_you_mean(word, names_near(word)) or "it takes files, shipped specs, measures and keys"
    if written.is_file():
        hint = f"did you mean '{written}'?"
    return click.UsageError(f"'{word}' is not a file or a word of the language; {hint}")


def _document(file: Path, loaded: "Loaded") -> "Explanation | None":
    """Return the explanation of one document, None when it has errors."""
    from rulebot.compile.build import build_plan
    from rulebot.review.account import explain_account
    from rulebot.review.entry import explain_universe
    from rulebot.review.explain import explain_bot

    if loaded.tests is not None:
        raise click.UsageError(f"{file} holds tests of {loaded.tests.spec}: 'rulebot test' runs them")
    if loaded.account is not None:
        return explain_account(loaded.account)
    if loaded.universe is not None:
        return explain_universe(file.stem, loaded.universe)
    plan = None if loaded.spec is None else build_plan(loaded.spec, with_warnings=False)[0]
    return None if loaded.spec is None or plan is None else explain_bot(loaded.spec, plan)


def _loaded(file: Path) -> "Loaded":
    from rulebot.model.errors import StoreError
    from rulebot.spec.load import load_document

    try:
        return load_document(file)
    except OSError as error:
        raise StoreError(f"cannot read '{error.filename or file}': {error.strerror or error}") from error


# ---------------------------------------------------------------- what is shown


def _show(found: "list[Explanation]", form: str) -> None:
    from rulebot.cli.output import prose_width
    from rulebot.review.explanation import WIDTH, document_of, text_of

    if form == "json":
        print_text(json.dumps({"explained": [document_of(each) for each in found]}, indent=2, allow_nan=False))
        return
    width = prose_width(WIDTH)
    print_text("\n\n".join(text_of(each, width) for each in found))


def _draw(found: "list[Explanation]", diagram: str) -> None:
    """Print the states of each bot; what has none is misuse."""
    from rulebot.review.states import mermaid, state_svg, text_diagram

    for each in found:
        if each.lifecycle is None:
            raise click.UsageError(f"'{each.name}' has no states: --diagram draws those of a bot")
        if diagram == "text":
            print_text(text_diagram(each.name, each.lifecycle, each.labels))
        elif diagram == "svg":
            print_text(state_svg(each.lifecycle, each.labels, is_alone=True))
        else:
            print_text(mermaid(each.lifecycle, each.labels))


def _write(found: "list[Explanation]", page: Path) -> None:
    from rulebot.review.explain import page_of
    from rulebot.spec.files import write_whole

    with as_store_error(f"cannot write '{page}'"):
        write_whole(page, page_of(found).encode())
    print_text(f"{page} written: {', '.join(each.name for each in found)}")


# --- `rulebot events`: the days on which scheduled news falls, and how to bring new dates

SHOWN_DAYS = 60
_WHEN = {None: "all day", Moment.BEFORE_OPEN: "bmo", Moment.AFTER_CLOSE: "amc"}


@click.group("events", short_help="list and import event calendars (CPI, FOMC, NFP, ...)")
def events() -> None:
    """List and import the calendars behind `no_event` and `event`."""


@events.command("list", short_help="Show events, published and projected.")
@click.option("--from", "first", type=DAY, metavar="DAY", help="First day (default: today in New York).")
@click.option("--to", "last", type=DAY, metavar="DAY", help=f"Last day (default: {SHOWN_DAYS} days after the first).")
@FORMAT
def list_events(first: date | None, last: date | None, form: str) -> None:
    """Show the events from one day to another, published and projected."""
    today = datetime.now(EXCHANGE_ZONE).date()
    start = first or today
    end = start + min(timedelta(days=SHOWN_DAYS), date.max - start) if last is None else last
    if end < start:
        raise click.UsageError(f"--to {end} is before --from {start}")
    calendar = _or_exit(data_folder())
    if form == "json":
        print_text(json.dumps(_events_document(calendar, start, end), indent=2))
        return
    _show_events(calendar, start, end)
    for warning in expiry_warnings(calendar, today):
        echo(f"warning: {warning}", err=True)


@events.command("import", short_help="Check a calendar in JSON, and keep a copy.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
def import_events(file: Path) -> None:
    """Check FILE, a calendar in JSON, and keep a copy of it; its dates replace projected ones.

    FILE - reads what another program writes, a feed: it is kept under the name of its event.
    """
    try:
        is_feed = str(file) == "-"
        done = (
            import_feed(sys.stdin.buffer.read(MAX_BYTES + 1), data_folder())
            if is_feed
            else import_calendar(file, data_folder())
        )
    except RulebotError as error:
        raise _leave(error) from error
    for line in done.changes or ("nothing changed: these dates were known",):
        echo(line)
    echo(f"kept as {done.path}")


def _or_exit(data: Path) -> EventCalendar:
    try:
        return load_calendar(data)
    except RulebotError as error:
        raise _leave(error) from error


def _leave(error: RulebotError) -> click.exceptions.Exit:
    echo(error.message if isinstance(error, SpecError) else f"error: {error.message}", err=True)
    if error.help:
        echo(f"   = help: {error.help}", err=True)
    return click.exceptions.Exit(error.exit_code)


def _show_events(calendar: EventCalendar, first: date, last: date) -> None:
    for event in events_between(calendar, first, last):
        echo(_line(event))
    for name, until in sorted(calendar.published_until.items()):
        known = calendar.known_until[name]
        then = f"; projected until {known}" if known > until else "; unknown after that"
        echo(f"{name} is published until {until}{then}")


def _line(event: EventDay) -> str:
    clock = _WHEN[event.moment] if event.at is None else minute(event.at)
    clock = "time?" if has_no_time(event) else clock
    return f"{event.day:%Y-%m-%d %a}  {clock:7}  {event.name:12}{'  projected' if event.projected else ''}".rstrip()


def _events_document(calendar: EventCalendar, first: date, last: date) -> dict[str, object]:
    return {
        "from": str(first),
        "to": str(last),
        "events": [
            {
                "name": event.name,
                "day": str(event.day),
                "at": None if event.at is None else event.at.isoformat(),
                "when": None if event.moment is None else event.moment.value,
                "projected": event.projected,
            }
            for event in events_between(calendar, first, last)
        ],
        "published_until": {name: str(day) for name, day in sorted(calendar.published_until.items())},
        "known_until": {name: str(day) for name, day in sorted(calendar.known_until.items())},
    }
