"""`rulebot replay`: a recorded day through the engine again, compared with its recorded results."""

import os
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rulebot.cli.options import CLOCK, WholeNumber
from rulebot.cli.output import LEAST, echo, print_text, terminal_width
from rulebot.cli.past.replay_text import (
    BYTES,
    compared_document,
    drift_lines,
    named_problem,
    next_line,
    replay_document,
    replay_lines,
    tape_document,
    tape_line,
    there_ran,
)
from rulebot.cli.store_options import print_json, reads_store
from rulebot.model.errors import MisuseError, StoreError, as_store_error
from rulebot.model.text import clock, short_clock
from rulebot.spec.files import write_whole
from rulebot.store.place import Place, shown_path
from rulebot.store.registry import run_store

if TYPE_CHECKING:
    from rulebot.adapters.recorded.recording import Recording
    from rulebot.compare.git_revisions import Text
    from rulebot.documents.load_bots import SpecText
    from rulebot.narrate.happenings import EventLine
    from rulebot.replay.recordings import SpecVersionSpan
    from rulebot.replay.replay import Replayed
    from rulebot.spec.spec import Spec

ELSEWHERE = 100
"""How wide the table of bots is where no terminal shows it."""


@click.command("replay", short_help="Live through a recorded day again.")
@click.argument("what", nargs=-1, metavar="[DAY|FILE] [SPEC]...")
@click.option("--list", "lists", is_flag=True, help="List what is recorded.")
@click.option("--verify", is_flag=True, help="Replay everything that is recorded, or all of DAY; one line each.")
@click.option("--at", "clock", type=CLOCK, metavar="HH:MM[:SS]", help="Stop there (New York time), and show the state.")
@click.option("--step", is_flag=True, help="Show each thing that was decided; on a terminal, one at a time.")
@click.option("--drift", is_flag=True, help="Compare what was done with what the specs would have done, and say why.")
@click.option(
    "--as-test", "moment", type=CLOCK, metavar="HH:MM", help="Write that moment of a bot as a 'rulebot test'."
)
@click.option("--bot", default="", metavar="BOT", help="The bot of the test, where several ran.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Where the test goes (default: printed).")
@click.option(
    "--export",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Write the market data of DAY as Parquet chains.",
)
@click.option("--trim", "days", type=WholeNumber(1), metavar="N", help="Delete all but the last N recorded days.")
@reads_store
def replay(**given: Any) -> None:
    """Run DAY again (default: the last recorded one), and compare each decision with the recorded one.

    A recording has all that the engine knew: specs, limits, calendars, market data and the broker's messages, so that
    it leads to the same decisions on any machine. Otherwise the first difference is shown: another version of rulebot
    decides differently.

    With SPEC, files of bots that ran on DAY: what each recorded spec and its new one would have done on that day's
    market, both by the same fill model. Strikes that were not streamed are missing.

    With --as-test a moment becomes a 'rulebot test': the market that the bot saw, as far as a test can express it, and
    what it did. The test is run at once; acts that its market does not lead to are listed.

    Exit code: 0 when all is the same, 1 when something differs (with --drift a trade, by more than its price), 2 for
    misuse, 3 when a recording cannot be read.
    """
    names = ("lists", "verify", "clock", "step", "drift", "moment", "export", "days")
    asked = [name for name in names if given[name] not in (None, False)]
    what, specs = _split(given["what"])
    _check(what, asked, given)
    folder, is_json = _folder(what, given["store"]), given["form"] == "json"
    if specs:
        if asked:
            raise MisuseError(
                "SPEC is held against the text that ran on that day, and no other question goes with it",
                "leave out the option, or SPEC",
            )
        _against(what, folder, specs, is_json=is_json)
        return
    answers: dict[str, Callable[[], None]] = {
        "lists": lambda: _list(folder, is_json=is_json),
        "days": lambda: _trim(folder, int(given["days"]), is_json=is_json),
        "drift": lambda: _drift(what, folder, is_json=is_json),
        "export": lambda: _export(what, folder, given["export"], is_json=is_json),
        "moment": lambda: _as_test(what, folder, given),
        "clock": lambda: _at(what, folder, given["clock"], is_json=is_json),
    }
    compare = partial(_compare, what, folder, verify=given["verify"], step=given["step"], is_json=is_json)
    answers.get(asked[0] if asked else "", compare)()


def _check(what: str, asked: Sequence[str], given: Mapping[str, Any]) -> None:
    """Refuse options that do not go together. Raises: MisuseError."""
    if len(asked) > 1:
        raise MisuseError("one of --list, --verify, --at, --step, --drift, --as-test, --export and --trim at a time")
    if given["moment"] is None and (given["bot"] or given["out"] is not None):
        raise MisuseError("--bot and --out need --as-test HH:MM")
    if given["step"] and given["form"] == "json":
        raise MisuseError("--step is for eyes: --format json does not go with it")
    if what and (given["lists"] or given["days"]):
        raise MisuseError(f"--list and --trim take all recordings next to a store, not '{what}'")


def _split(words: Sequence[str]) -> tuple[str, Sequence[str]]:
    """Return the day or recording that is meant, "" for the last one, and the specs behind it."""
    if words and words[0].lower().endswith((".yaml", ".yml")):
        return "", words
    return (words[0], words[1:]) if words else ("", ())


def _folder(what: str, store: Place | None) -> Path:
    from rulebot.replay.recordings import recorded_beside

    return Path() if what.endswith(".tape") else recorded_beside(run_store(store))


# ---------------------------------------------------------------- comparing


def _compare(what: str, folder: Path, *, verify: bool, step: bool, is_json: bool) -> None:
    from rulebot.replay.recordings import EMPTY

    files, empty = _to_compare(what, folder, verify=verify)
    reported, unread = [], []
    for file in files:
        try:
            reported.append(_compare_one(file, short=verify, step=step, is_json=is_json))
        except StoreError as error:
            if not verify:
                raise
            unread.append({"file": shown_path(file), "problem": error.whole})
            if not is_json:
                echo(f" NOT REPLAYED: {named_problem(file, error.whole)}")
    if is_json:
        print_json({"replays": reported, **({"unread": unread} if verify else {})})
    else:
        _echo_all(f" {shown_path(file)}: {EMPTY}" for file in empty)
    if unread:
        raise click.exceptions.Exit(StoreError.exit_code)
    if any(each["difference"] for each in reported):
        raise click.exceptions.Exit(1)


def _echo_all(lines: Iterable[str]) -> None:
    for line in lines:
        echo(line)


def _to_compare(what: str, folder: Path, *, verify: bool) -> tuple[Sequence[Path], Sequence[Path]]:
    """Return the recordings that are meant, and those in which nothing is."""
    from rulebot.replay.recordings import EMPTY, listed, meant

    if not verify or what:
        return meant(what, folder), ()
    known = listed(folder)
    empty = [each.file for each in known if each.problem == EMPTY]
    return [each.file for each in known if each.problem != EMPTY], empty


def _compare_one(file: Path, *, short: bool, step: bool, is_json: bool) -> dict[str, Any]:
    """Replay a recording and print what came of it; return the same as plain data. Raises: StoreError."""
    from rulebot.adapters.recorded.recording import open_recording

    recording = open_recording(file)
    found, seconds = _replayed(recording, step=step and not is_json)
    reported = replay_document(recording, found, seconds)
    if not is_json:
        _echo_all(replay_lines(reported, found.difference, short=short))
    return reported


def _replayed(recording: "Recording", *, step: bool) -> "tuple[Replayed, float]":
    import time as real

    from rulebot.model.collector import with_rare_collection
    from rulebot.replay.replay import replay as live_through

    began = real.perf_counter()
    with with_rare_collection():
        stepper = _Stepper() if step else None
        found = live_through(recording) if stepper is None else live_through(recording, watcher=stepper.see)
        if stepper is not None:
            stepper.end(found)
    return found, real.perf_counter() - began


class _Stepper:
    """Shows what each turn led to; on a terminal it waits for a key, and q ends it."""

    def __init__(self) -> None:
        from rulebot.replay.as_test import ReplayText

        self.resending = ReplayText()
        self.is_over = False

    def see(self, found: "Replayed", at: datetime) -> bool:
        """Show what is new; True ends the replay."""
        lines = self.resending.fresh(found, at)
        _show(lines)
        if lines and sys.stdin.isatty():
            self.is_over = click.getchar(echo=False) in ("q", "\x03")
        return self.is_over

    def end(self, found: "Replayed") -> None:
        """Show what the end of the recording left to be shown."""
        _show([] if self.is_over else self.resending.rest(found))


def _show(lines: "Sequence[EventLine]") -> None:
    from rulebot.cli.report import happening_line

    for reported in lines:
        echo(happening_line(reported).plain)


# ---------------------------------------------------------------- other texts


def _against(what: str, folder: Path, specs: Sequence[str], *, is_json: bool) -> None:
    from rulebot.adapters.recorded.recording import open_recording
    from rulebot.compare.git_revisions import Text
    from rulebot.compare.spec_comparison import relive_each
    from rulebot.replay.recordings import known_texts, meant, reigns
    from rulebot.review.change.behaviour import behaviour_lines, flaw_lines
    from rulebot.review.change.text import days_document

    files = meant(what, folder)
    recordings = [open_recording(file) for file in files]
    day, then = recordings[-1].day, known_texts([each for recording in recordings for each in reigns(recording)])
    texts = _new_texts(specs)
    pairs, overrides = [], []
    for name, (text, spec) in texts.items():
        if name not in then:
            raise MisuseError(f"no bot {name} ran on {day}", there_ran(then))
        was = then[name][-1][1]
        pairs.append((Text(f"{name} as recorded", was.text.encode()), text))
        overrides.append((was.overrides, _set_as_then(name, text, spec, then[name])))
    print_text(f"{', '.join(texts)}: walking twice through {day} ...", err=True)
    market = f"tapes:{files[0] if what.endswith('.tape') else folder}"
    reported = dict(zip(texts, relive_each(pairs, market, (day,), overrides), strict=True))
    if is_json:
        documents = {name: days_document(each.sides[0], each.sides[1], each.flaws) for name, each in reported.items()}
        print_json({"compared": documents})
    else:
        for name, found in reported.items():
            print_text(name)
            _echo_all((*behaviour_lines(*found.sides, is_all=True), *flaw_lines(found.flaws)))
    if any(old[0].trades != new[0].trades for old, new in (found.sides for found in reported.values())):
        raise click.exceptions.Exit(1)


def _new_texts(specs: Sequence[str]) -> "dict[str, tuple[Text, Spec]]":
    """Return the texts by the bot that each is. Raises: MisuseError where two are the same bot."""
    from rulebot.compare.git_revisions import side_of

    texts: dict[str, tuple[Text, Spec]] = {}
    for text in (each for spec in specs for each in side_of(spec)):
        found = _spec_of(text)
        if found.name in texts:
            both = f"{texts[found.name][0].label} and {text.label}"
            raise MisuseError(f"{both} are both the bot {found.name}", "compare one at a time")
        texts[found.name] = text, found
    return texts


def _set_as_then(
    name: str, text: "Text", spec: "Spec", then: "Sequence[tuple[datetime, SpecText]]"
) -> "Mapping[str, str]":
    """Return the parameters of the new text, set as those of the last one that ran. Raises: MisuseError."""
    from rulebot.cli.diff import refuse_problems
    from rulebot.compare.spec_comparison import whole
    from rulebot.replay.recordings import set_alike
    from rulebot.spec.load import load_text

    since, was = then[-1]
    given, said = set_alike(was, spec)
    several = f"{len(then)} texts of it ran that day; compared is the last, since {clock(since)}"
    for words in (*([several] if len(then) > 1 else []), *said):
        print_text(f"{name}: {words}", err=True)
    refuse_problems([load_text(whole(text).content.decode(), f"{text.label} ", given)])
    return given


def _spec_of(text: "Text") -> "Spec":
    """Return the bot that a text is. Raises: MisuseError for a text with problems."""
    from rulebot.cli.diff import refuse_problems
    from rulebot.review.change.compare import read_document

    loaded = read_document(text.content, text.label, text.beside)
    refuse_problems([loaded])
    if loaded.spec is None:
        raise MisuseError(f"{text.label} is no bot", "a bot's document has the key 'rulebot: 1'")
    return loaded.spec


# ---------------------------------------------------------------- drift


def _drift(what: str, folder: Path, *, is_json: bool) -> None:
    from rulebot.adapters.recorded.recording import open_recording
    from rulebot.replay.drift import compared
    from rulebot.replay.recordings import meant

    files = meant(what, folder)
    found = []
    for file in files:
        recording = open_recording(file)
        started = partial(_report_start, recording.day)
        found.append(compared(recording, started))
        if not is_json:
            if len(files) > 1:
                echo(f" {shown_path(file)}")
            for line in drift_lines(found[-1]):
                echo(line)
    if is_json:
        *earlier, last = map(compared_document, found)
        print_json({**last, "earlier": earlier})
    if any(trade.differs for each in found for trade in each.trades):
        raise click.exceptions.Exit(1)


def _report_start(day: date, words: str) -> None:
    print_text(f"{day}: {words} ...", err=True)


# ---------------------------------------------------------------- one instant


def _as_test(what: str, folder: Path, given: dict[str, Any]) -> None:
    from rulebot.replay.recordings import meant

    if given["form"] == "json":
        raise MisuseError("a test is YAML: --format json does not go with --as-test")
    as_test(meant(what, folder), given["moment"], given["bot"], given["out"])


def _at(what: str, folder: Path, asked: time, *, is_json: bool) -> None:
    from rulebot.replay.recordings import meant
    from rulebot.replay.replay import instant_of, known_until, replayed_until, view_document, view_lines

    files = meant(what, folder)
    at = instant_of(files, asked)
    found, ends = replayed_until(files, at), known_until(files, at)
    stands = min(at, ends)
    if is_json:
        print_json(view_document(found, at, stands))
        return
    from rulebot.cli.report import glance_lines
    from rulebot.narrate.snapshot_of_state import summary_of

    shown = summary_of(found.program, found.state, stands, stands - timedelta(days=1), None)
    width = max(terminal_width() or ELSEWHERE, LEAST)
    for line in (*(each.plain.rstrip() for each in glance_lines(shown, width)), *view_lines(found, stands)):
        echo(line)
    if at > ends:
        stood = f" its recording ends at {clock(ends)}, and this was the state then"
        echo(f"{stood}: later data is unknown")


# ---------------------------------------------------------------- files


def _export(what: str, folder: Path, target: Path, *, is_json: bool) -> None:
    from rulebot.replay.recordings import export, meant

    written = export(meant(what, folder), target)
    if is_json:
        rows = [{"file": shown_path(file), "instants": many, "options": wide} for file, many, wide in written]
        print_json({"written": rows})
        return
    for file, many, wide in written:
        print_text(f" {shown_path(file)}  {many:,} instants of {wide} options")
    echo(next_line(written))


def _list(folder: Path, *, is_json: bool) -> None:
    from rulebot.replay.recordings import listed

    known = listed(folder)
    if is_json:
        print_json({"folder": shown_path(folder), "recordings": [tape_document(each) for each in known]})
        return
    if not known:
        print_text(f"nothing is recorded in {shown_path(folder)}")
    for each in known:
        echo(tape_line(each))


def _trim(folder: Path, days: int, *, is_json: bool) -> None:
    from rulebot.replay.recordings import trimmed

    gone = list(trimmed(folder, days))
    for tape in gone:
        for file in tape.file.parent.glob(f"{tape.file.name}*"):
            _delete(file)
    for parent in {tape.file.parent for tape in gone}:
        if not any(parent.iterdir()):
            parent.rmdir()
    if is_json:
        print_json({"deleted": [tape_document(each) for each in gone]})
        return
    size = sum(tape.size for tape in gone) / BYTES
    print_text(f" {len(gone)} deleted, {size:.1f} MB" if gone else " nothing is older than that")


def _delete(file: Path) -> None:
    with as_store_error(
        f"{shown_path(file)} cannot be deleted", "older files have been deleted; mend that, and trim again"
    ):
        file.unlink(missing_ok=True)


# --- `rulebot replay DAY --as-test HH:MM`: a recorded moment becomes a test of its bot, on a terminal or in a file

FAILED = 1


def as_test(files: Sequence[Path], clock: time, bot: str, out: Path | None) -> None:
    """Print the test, or write it. Raises: RulebotError; click's Exit when its market does not lead to the same."""
    from rulebot.adapters.recorded.recording import open_recording
    from rulebot.replay.as_test import seen_day, written
    from rulebot.replay.recordings import known_texts, reigns
    from rulebot.replay.replay import instant_of, recording_at

    at = instant_of(files, clock).replace(second=0)
    recording = recording_at(files, at)
    known = reigns(recording)
    texts = known_texts(known)
    if not texts or (bot and bot not in texts):
        raise _not_there(bot, at, [open_recording(file) for file in files])
    if not bot and len(texts) > 1:
        raise MisuseError(f"{len(texts)} bots ran on {recording.day}: a test has one", f"--bot {' | '.join(texts)}")
    name = bot or next(iter(texts))
    text = _text_at(known, name, at)
    others = [since for since, each in texts[name] if each.digest != text.digest]
    seen = seen_day(recording, text, at, others)
    found = written(seen, text, _spec_path(text.file, out))
    if out is None:
        print_text(found.text, nl=False)
    else:
        _write(out, found.text)
        print_text(f" {shown_path(out)}   rulebot test {shlex.quote(shown_path(out))}")
    for note in found.notes if out is not None else ():
        print_text(f" not carried over: {note}", err=True)
    if found.missed:
        for missed in found.missed:
            print_text(f" the market of the test does not lead to what was decided then: {missed}", err=True)
        raise click.exceptions.Exit(FAILED)


def _not_there(bot: str, at: datetime, recordings: "Sequence[Recording]") -> MisuseError:
    """Return that the run of a moment had no such bot, or none at all; another run of the day may have had it."""

    day, ran = recordings[-1].day, sorted({name for each in recordings for name in each.head["specs"]})
    if bot in ran:
        reported = f"another run of {day} had it: 'rulebot replay --list' shows from when to when"
        return MisuseError(f"the bot {bot} did not run at {short_clock(at)}", reported)
    if not bot and ran:
        return MisuseError(f"no bot ran at {short_clock(at)}: exits alone were watched", there_ran(ran))
    return MisuseError(f"no bot{bot and f' {bot!r}'} ran on {day}", there_ran(ran))


def _text_at(known: "Sequence[SpecVersionSpan]", name: str, at: datetime) -> "SpecText":
    """Return the text that a bot had at a moment. Raises: MisuseError when it did not run then."""

    reign = ([each for each in known if each.since <= at] or known)[-1 if known[0].since <= at else 0]
    if name in reign.texts:
        return reign.texts[name]
    later = [each.since for each in known if each.since > at and name in each.texts]
    reported = f"it ran from {clock(later[0])} on" if later else f"it ran until {clock(reign.since)} at the latest"
    raise MisuseError(f"the bot {name} did not run at {short_clock(at)}", reported)


def _spec_path(file: str, out: Path | None) -> str:
    """Return the path of a spec relative to the test; a test without a file would be in `tests` beside it."""
    spec = Path(file)
    if out is None:
        return f"../{spec.name}"
    return Path(os.path.relpath(spec.absolute(), out.absolute().parent)).as_posix()


def _write(file: Path, text: str) -> None:
    if file.exists():
        raise MisuseError(f"{shown_path(file)} is there already", "name another file: no test is written over")
    with as_store_error(f"cannot write '{file}'"):
        write_whole(file, text.encode())
