"""`rulebot events`: the days on which scheduled news falls, and how to bring new dates."""

import json
import sys
from datetime import date, datetime, timedelta
from pathlib import Path

import click

from rulebot.calendars.calendars import import_calendar, import_feed, load_calendar
from rulebot.cli.clock import DAY
from rulebot.cli.say import print_text
from rulebot.cli.width import echo
from rulebot.model.errors import RulebotError, SpecError
from rulebot.model.events import events_between, expiry_warnings, lacks_time
from rulebot.model.facts import EventCalendar, EventDay, Moment
from rulebot.model.session import EXCHANGE_ZONE
from rulebot.spec.text import MAX_BYTES
from rulebot.store.folders import data_folder

SHOWN_DAYS = 60
_WHEN = {None: "all day", Moment.BEFORE_OPEN: "bmo", Moment.AFTER_CLOSE: "amc"}


@click.group("events", short_help="list and import event calendars (CPI, FOMC, NFP, ...)")
def events() -> None:
    """List and import the calendars behind `no_event` and `event`."""


@events.command("list", short_help="Show events, published and projected.")
@click.option("--from", "first", type=DAY, metavar="DAY", help="First day (default: today in New York).")
@click.option("--to", "last", type=DAY, metavar="DAY", help=f"Last day (default: {SHOWN_DAYS} days after the first).")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="For eyes or machines.")
def list_events(first: date | None, last: date | None, form: str) -> None:
    """Show the events from one day to another, published and projected."""
    today = datetime.now(EXCHANGE_ZONE).date()
    start = first or today
    end = start + min(timedelta(days=SHOWN_DAYS), date.max - start) if last is None else last
    if end < start:
        raise click.UsageError(f"--to {end} is before --from {start}")
    calendar = _or_exit(data_folder())
    if form == "json":
        print_text(json.dumps(_document(calendar, start, end), indent=2))
        return
    _show(calendar, start, end)
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


def _show(calendar: EventCalendar, first: date, last: date) -> None:
    for event in events_between(calendar, first, last):
        echo(_line(event))
    for name, until in sorted(calendar.published_until.items()):
        known = calendar.known_until[name]
        then = f"; projected until {known}" if known > until else "; unknown after that"
        echo(f"{name} is published until {until}{then}")


def _line(event: EventDay) -> str:
    clock = _WHEN[event.moment] if event.at is None else event.at.astimezone(EXCHANGE_ZONE).strftime("%H:%M")
    clock = "time?" if lacks_time(event) else clock
    return f"{event.day:%Y-%m-%d %a}  {clock:7}  {event.name:12}{'  projected' if event.projected else ''}".rstrip()


def _document(calendar: EventCalendar, first: date, last: date) -> dict[str, object]:
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
