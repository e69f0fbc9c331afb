"""`rulebot replay DAY --as-test HH:MM`: a recorded moment becomes a test of its bot, on a terminal or in a file."""

import os
import shlex
from collections.abc import Sequence
from datetime import datetime, time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rulebot.cli.replay_text import there_ran
from rulebot.cli.say import print_text
from rulebot.model.errors import MisuseError, StoreError
from rulebot.spec.whole_file import write_whole
from rulebot.store.place import shown_path

if TYPE_CHECKING:
    from rulebot.adapters.recorded.recording import Recording
    from rulebot.documents.load_bots import SpecText
    from rulebot.replay.spec_versions import SpecVersionSpan

FAILED = 1


def as_test(files: Sequence[Path], clock: time, bot: str, out: Path | None) -> None:
    """Print the test, or write it. Raises: RulebotError; click's Exit when its market does not lead to the same."""
    from rulebot.adapters.recorded.recording import open_recording
    from rulebot.replay.as_test import seen_day
    from rulebot.replay.as_test_text import written
    from rulebot.replay.instant import instant_of, recording_at
    from rulebot.replay.spec_versions import known_texts, reigns

    at = instant_of(files, clock).replace(second=0)
    recording = recording_at(files, at)
    known = reigns(recording)
    texts = known_texts(known)
    if not texts or (bot and bot not in texts):
        raise _not_there(bot, at, [open_recording(file) for file in files])
    if not bot and len(texts) > 1:
        raise MisuseError(f"{len(texts)} bots ran on {recording.day}: a test is of one", f"--bot {' | '.join(texts)}")
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
    from rulebot.narrate.text_table import clock

    day, ran = recordings[-1].day, sorted({name for each in recordings for name in each.head["specs"]})
    if bot in ran:
        told = f"another run of {day} had it: 'rulebot replay --list' shows from when to when"
        return MisuseError(f"the bot {bot} did not run at {clock(at, seconds=False)}", told)
    if not bot and ran:
        return MisuseError(f"no bot ran at {clock(at, seconds=False)}: exits alone were watched", there_ran(ran))
    return MisuseError(f"no bot{bot and f' {bot!r}'} ran on {day}", there_ran(ran))


def _text_at(known: "Sequence[SpecVersionSpan]", name: str, at: datetime) -> "SpecText":
    """Return the text that a bot had at a moment. Raises: MisuseError when it did not run then."""
    from rulebot.narrate.text_table import clock

    reign = ([each for each in known if each.since <= at] or known)[-1 if known[0].since <= at else 0]
    if name in reign.texts:
        return reign.texts[name]
    later = [each.since for each in known if each.since > at and name in each.texts]
    told = f"it ran from {clock(later[0])} on" if later else f"it ran until {clock(reign.since)} at the latest"
    raise MisuseError(f"the bot {name} did not run at {clock(at, seconds=False)}", told)


def _spec_path(file: str, out: Path | None) -> str:
    """Return the path of a spec seen from the test; without a file as the test would stand in `tests` beside it."""
    spec = Path(file)
    if out is None:
        return f"../{spec.name}"
    return Path(os.path.relpath(spec.absolute(), out.absolute().parent)).as_posix()


def _write(file: Path, text: str) -> None:
    if file.exists():
        raise MisuseError(f"{shown_path(file)} is there already", "name another file: no test is written over")
    try:
        write_whole(file, text.encode())
    except OSError as error:
        raise StoreError(f"cannot write '{file}': {error.strerror or error}") from error
