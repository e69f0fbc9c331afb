"""`rulebot replay`: a recorded day through the engine once more, compared with what it led to then."""

import sys
from collections.abc import Iterator, Sequence
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.cli.clock import CLOCK
from engine.cli.stores import print_json, reads_store, shown_path
from engine.model.errors import MisuseError
from engine.store.latest import chosen_store
from engine.store.place import Place

if TYPE_CHECKING:
    from engine.run.replay.replay import Difference, Replayed
    from engine.run.replay.tapes import Tape

BYTES = 1 << 20


@click.command("replay", short_help="Live through a recorded day again.")
@click.argument("what", required=False, default="", metavar="[DAY|FILE]")
@click.option("--list", "lists", is_flag=True, help="List what is recorded.")
@click.option("--verify", is_flag=True, help="Replay everything that is recorded, or all of DAY; one line each.")
@click.option(
    "--at", "clock", type=CLOCK, metavar="HH:MM[:SS]", help="Stop there (New York time), and show what stood."
)
@click.option("--step", is_flag=True, help="Show each thing that was decided; on a terminal, one at a time.")
@click.option("--trim", "days", type=click.IntRange(1), metavar="N", help="Delete all but the last N recorded days.")
@reads_store
def replay(**given: Any) -> None:
    """Live through DAY again (default: the last one recorded), and compare each decision with the one made then.

    A recording has all that the engine knew: texts, limits, calendars, market data and what the broker said, so that it
    leads to the same decisions on any machine. Where it does not, the first difference is shown: another version of
    rulebot decides otherwise.

    Exit code: 0 when all is the same, 1 when something differs, 2 for misuse, 3 when a recording cannot be read.
    """
    asked = [name for name in ("lists", "verify", "clock", "step", "days") if given[name] not in (None, False)]
    if len(asked) > 1:
        raise MisuseError("one of --list, --verify, --at, --step and --trim at a time")
    what, form = str(given["what"]), str(given["form"])
    is_json = form == "json"
    folder = _folder(what, given["store"])
    if given["lists"]:
        _list(folder, is_json=is_json)
    elif given["days"]:
        _trim(folder, int(given["days"]), is_json=is_json)
    elif given["clock"] is not None:
        _at(what, folder, given["clock"], is_json=is_json)
    else:
        _compare(what, folder, verify=given["verify"], step=given["step"], is_json=is_json)


def _folder(what: str, store: Place | None) -> Path:
    from engine.run.replay.tapes import tapes_of

    return Path() if what.endswith(".tape") else tapes_of(chosen_store(store))


# ---------------------------------------------------------------- comparing


def _compare(what: str, folder: Path, *, verify: bool, step: bool, is_json: bool) -> None:
    from engine.run.replay.tapes import listed, meant

    if verify and not what:
        files = [each.file for each in listed(folder) if each.first is not None]
    else:
        files = meant(what, folder)
    told = []
    for file in files:
        found, seconds = _replayed(file, step=step and not is_json)
        told.append(_document(file, found, seconds))
        if not is_json:
            for line in _lines(told[-1], found.difference, short=verify):
                click.echo(line)
    differs = any(each["difference"] for each in told)
    if is_json:
        print_json({"replays": told})
    if differs:
        raise click.exceptions.Exit(1)


def _replayed(file: Path, *, step: bool) -> "tuple[Replayed, float]":
    import time as real

    from engine.adapters.recorded.recording import open_recording
    from engine.model.collector import seldom_collected
    from engine.run.replay.replay import replay as live_through

    recording = open_recording(file)
    began = real.perf_counter()
    with seldom_collected():
        found = live_through(recording, watcher=_Stepper().see) if step else live_through(recording)
    return found, real.perf_counter() - began


class _Stepper:
    """Shows what each turn led to; on a terminal it waits for a key, and q ends it."""

    def __init__(self) -> None:
        self.seen = 0

    def see(self, found: "Replayed", _: datetime) -> bool:
        """Show what is new; True ends the replay."""
        from engine.cli.glance_text import happening_line
        from engine.run.happening import happening

        fresh, self.seen = found.records[self.seen :], len(found.records)
        lines = [told for record in fresh if (told := happening(record, found.state)) is not None]
        for told in lines:
            click.echo(happening_line(told).plain)
        if not lines or not sys.stdin.isatty():
            return False
        return click.getchar(echo=False) in ("q", "\x03")


def _document(file: Path, found: "Replayed", seconds: float) -> dict[str, Any]:
    from engine.adapters.recorded.recording import open_recording
    from engine.run.start import release

    differs = found.difference
    return {
        "file": shown_path(file),
        "until": found.at.isoformat(),
        "turns": found.turns,
        "decisions": found.decisions,
        "seconds": round(seconds, 2),
        "recorded_by": open_recording(file).head["version"],
        "replayed_by": release(),
        "difference": None
        if differs is None
        else {"at": differs.at.isoformat(), "then": list(differs.then), "now": list(differs.now)},
    }


def _lines(told: dict[str, Any], differs: "Difference | None", *, short: bool) -> Iterator[str]:
    from engine.run.why_text import clock

    counts = f"{told['decisions']} records of {told['turns']} turns"
    until = clock(datetime.fromisoformat(told["until"]))
    if differs is None:
        yield f" {told['file']}: the same, {counts} until {until}, in {told['seconds']:.1f} s"
        return
    yield f" {told['file']}: DIFFERENT at {clock(differs.at)}, after {counts}"
    if told["recorded_by"] != told["replayed_by"]:
        yield f"   recorded by rulebot {told['recorded_by']}, replayed by {told['replayed_by']}"
    if not short:
        yield from _lines_of("then", differs.then, differs.now)
        yield from _lines_of("now", differs.now, differs.then)


def _lines_of(name: str, these: Sequence[str], others: Sequence[str]) -> Iterator[str]:
    told = [line for line in these if line not in others]
    yield f"   {name}: " + (told[0] if told else "nothing" if not these else "the same, in another order")
    yield from (f"         {line}" for line in told[1:])


# ---------------------------------------------------------------- one instant


def _at(what: str, folder: Path, clock: time, *, is_json: bool) -> None:
    from engine.adapters.recorded.recording import open_recording
    from engine.model.session import at_exchange_time
    from engine.run.replay.replay import replay as live_through
    from engine.run.replay.tapes import meant
    from engine.run.replay.view import view_document, view_lines

    files = meant(what, folder)
    recordings = [open_recording(file) for file in files]
    at = at_exchange_time(recordings[0].day, clock)
    begun = [each for each in recordings if datetime.fromisoformat(each.head["at"]) <= at] or recordings[:1]
    found = live_through(begun[-1], until=at)
    if is_json:
        print_json(view_document(found, at))
        return
    from engine.cli.glance_text import glance_lines
    from engine.run.glance import glance

    shown = glance(found.program, found.state, at, at - timedelta(days=1), None)
    for line in (*(each.plain.rstrip() for each in glance_lines(shown, 100)), *view_lines(found, at)):
        click.echo(line)


# ---------------------------------------------------------------- files


def _list(folder: Path, *, is_json: bool) -> None:
    from engine.run.replay.tapes import listed

    known = listed(folder)
    if is_json:
        print_json({"folder": shown_path(folder), "recordings": [_tape_document(each) for each in known]})
        return
    if not known:
        click.echo(f"nothing is recorded in {shown_path(folder)}")
    for each in known:
        click.echo(_tape_line(each))


def _tape_document(tape: "Tape") -> dict[str, Any]:
    return {
        "file": shown_path(tape.file),
        "day": tape.day.isoformat(),
        "first": None if tape.first is None else tape.first.isoformat(),
        "last": None if tape.last is None else tape.last.isoformat(),
        "entries": tape.entries,
        "bytes": tape.size,
        "bots": list(tape.bots),
        "problem": tape.problem,
    }


def _tape_line(tape: "Tape") -> str:
    from engine.run.why_text import clock

    size = f"{tape.size / BYTES:.1f} MB"
    if tape.first is None or tape.last is None:
        return f" {tape.day}  {tape.problem}  {shown_path(tape.file)}"
    span = f"{clock(tape.first, seconds=False)} to {clock(tape.last, seconds=False)}"
    bots = ", ".join(tape.bots) if tape.bots else "goes on from the day before"
    return f" {tape.day}  {span}  {tape.entries:>9,} quotes  {size:>9}  {bots}  {shown_path(tape.file)}"


def _trim(folder: Path, days: int, *, is_json: bool) -> None:
    from engine.run.replay.tapes import trimmed

    gone = list(trimmed(folder, days))
    for tape in gone:
        for file in tape.file.parent.glob(f"{tape.file.name}*"):
            file.unlink(missing_ok=True)
    for parent in {tape.file.parent for tape in gone}:
        if not any(parent.iterdir()):
            parent.rmdir()
    if is_json:
        print_json({"deleted": [_tape_document(each) for each in gone]})
        return
    size = sum(tape.size for tape in gone) / BYTES
    click.echo(f" {len(gone)} deleted, {size:.1f} MB" if gone else " nothing is older than that")
