"""An instant of a recorded day: which of its recordings has it, and what the engine knew then."""

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from pathlib import Path

from rulebot.adapters.recorded.file import instant, span
from rulebot.adapters.recorded.recording import Recording, open_recording
from rulebot.model.errors import MisuseError, RulebotError
from rulebot.model.session import EXCHANGE_ZONE, at_exchange_time, session_on
from rulebot.replay.replay import Replayed, replay


class OtherwiseError(RulebotError):
    """This version decides otherwise before an instant of a recording: what the engine knew then is not known."""

    exit_code = 1


def instant_of(files: Sequence[Path], clock: time | None) -> datetime:
    """Return this time of the day of these recordings, without one the last recorded instant of its session.

    Raises: StoreError.
    """
    recording = open_recording(files[-1])
    if clock is not None:
        return at_exchange_time(recording.day, clock)
    last, session = instant(span(files[-1])[1]), session_on(recording.day)
    return last if session is None else min(last, session.close - timedelta(seconds=1))


def recording_at(files: Sequence[Path], at: datetime) -> Recording:
    """Return the recording of the last run that had begun by then, else the first one. Raises: StoreError."""
    recordings = [open_recording(file) for file in files]
    begun = [each for each in recordings if datetime.fromisoformat(each.head["at"]) <= at]
    return (begun or recordings)[-1 if begun else 0]


def known_until(files: Sequence[Path], at: datetime) -> datetime:
    """Return when the recording of these that has an instant ends. Raises: StoreError."""
    return instant(span(recording_at(files, at).files[-1])[1])


def lived_until(files: Sequence[Path], at: datetime) -> Replayed:
    """Live through the recording of these that has an instant, up to it.

    Raises: MisuseError when nothing was recorded by then; OtherwiseError, StoreError, CodecError.
    """
    recording = recording_at(files, at)
    found = replay(recording, until=at)
    began, asked = (each.astimezone(EXCHANGE_ZONE) for each in (datetime.fromisoformat(recording.head["at"]), at))
    if found.difference is not None:
        since = found.difference.at.astimezone(EXCHANGE_ZONE)
        raise OtherwiseError(
            f"this version of rulebot decides otherwise at {since:%H:%M:%S} of {recording.day}: what stood at "
            f"{asked:%H:%M:%S} it cannot say",
            "'rulebot replay' without --at shows the difference",
        )
    if not found.turns:
        raise MisuseError(
            f"nothing was recorded of {recording.day} by {asked:%H:%M:%S}", f"its recording begins at {began:%H:%M:%S}"
        )
    return found
