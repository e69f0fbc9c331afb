"""Which recordings beside a store are to go: those of older days, unless a replay of one that stays needs them."""

from collections.abc import Sequence
from pathlib import Path

from rulebot.adapters.recorded.recording import open_recording
from rulebot.model.errors import StoreError
from rulebot.model.market import Board
from rulebot.record.codec import CodecError
from rulebot.replay.recording_header import begun
from rulebot.replay.recordings import RecordingFile, listed


def trimmed(folder: Path, days: int) -> Sequence[RecordingFile]:
    """Return the files that are not of the last so many recorded days, nor needed to replay one of those."""
    known = listed(folder)
    kept = set(sorted({each.day for each in known})[-days:])
    needed = {file for each in known if each.day in kept for file in _needed(each.file)}
    return [each for each in known if each.file not in needed]


def _needed(file: Path) -> tuple[Path, ...]:
    """Return the files that a replay of one reads: those of its run before it too, where another version wrote it."""
    try:
        return begun(open_recording(file), Board())[0].files
    except (StoreError, CodecError):
        return (file,)
