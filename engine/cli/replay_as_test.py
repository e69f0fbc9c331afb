"""`rulebot replay DAY --as-test HH:MM`: a recorded moment becomes a test of its bot, on a terminal or in a file."""

import os
from collections.abc import Sequence
from datetime import time
from pathlib import Path

import click

from engine.cli.stores import shown_path
from engine.model.errors import MisuseError, StoreError

FAILED = 1


def as_test(files: Sequence[Path], clock: time, bot: str, out: Path | None) -> None:
    """Print the test, or write it. Raises: RulebotError; click's Exit when its market does not lead to the same."""
    from engine.run.replay.as_test import seen_day
    from engine.run.replay.as_test_text import written
    from engine.run.replay.moment import instant_of, recording_at
    from engine.run.resume import spec_texts

    at = instant_of(files, clock).replace(second=0)
    recording = recording_at(files, at)
    texts = {text.name: text for text in spec_texts(recording.head["specs"])}
    if bot and bot not in texts:
        raise MisuseError(f"no bot '{bot}' ran on {recording.day}", f"there ran {', '.join(texts)}")
    if not bot and len(texts) > 1:
        raise MisuseError(f"{len(texts)} bots ran on {recording.day}: a test is of one", f"--bot {' | '.join(texts)}")
    name = bot or next(iter(texts))
    seen = seen_day(recording, name, at)
    text = texts[name]
    found = written(seen, text, _spec_path(text.file, out))
    if out is None:
        click.echo(found.text, nl=False)
    else:
        _write(out, found.text)
        click.echo(f" {shown_path(out)}   rulebot test {shown_path(out)}")
    for note in found.notes if out is not None else ():
        click.echo(f" not carried over: {note}", err=True)
    if found.missed:
        for missed in found.missed:
            click.echo(f" the market of the test does not lead to what was decided then: {missed}", err=True)
        raise click.exceptions.Exit(FAILED)


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
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"cannot write '{file}': {error.strerror or error}") from error
