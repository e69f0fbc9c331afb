"""When a quote stood: columns of dates and times in the forms that files have them, as epoch seconds."""

from datetime import UTC, datetime, time

import numpy as np

from rulebot.adapters.history.day import Columns
from rulebot.adapters.history.finding import lacks, refusal, refused
from rulebot.adapters.history.table import ArrowTable, Table, flat, pyarrow
from rulebot.model.session import Session, at_exchange_time

_DAY = 86400.0


def instants(table: Table, session: Session) -> Columns:
    """Return the column `time`: instants with a zone, epoch seconds, or the exchange's clock on that date.

    Raises: StoreError when it is missing or in no such form.
    """
    if "time" not in table.names:
        raise refusal(refused(table.file, 0, lacks("time")))
    if isinstance(table, ArrowTable):
        found = _of_arrow(table, session)
        if found is not None:
            if (none := np.flatnonzero(~np.isfinite(found))).size:
                raise refusal(refused(table.file, int(table.rows[none[0]]), "time is missing"))
            return found
    return _of_texts(table, session)


def _of_arrow(table: ArrowTable, session: Session) -> Columns | None:
    """Return such times; what is finer than a microsecond is cut off. None where they are texts."""
    arrow, _ = pyarrow()
    column = table.column("time")
    kind, whole = column.type, arrow.int64()
    if arrow.types.is_timestamp(kind):
        micro = column if kind.unit == "us" else column.cast(arrow.timestamp("us", tz=kind.tz), safe=False)
        seconds = flat(arrow.chunked_array([each.view(whole) for each in micro.chunks], type=whole)) / 1e6
        if kind.tz is not None:
            return np.asarray(seconds, dtype=np.float64)
        day = datetime.combine(session.date, time(), UTC).timestamp()
        return np.asarray(seconds - day + midnight(session), dtype=np.float64)
    if arrow.types.is_time(kind):
        micro = column.cast(arrow.time64("us"), safe=False).cast(whole)
        return np.asarray(flat(micro) / 1e6 + midnight(session), dtype=np.float64)
    if arrow.types.is_integer(kind) or arrow.types.is_floating(kind):
        seconds = table.numbers("time")
        if np.isfinite(seconds).any() and not _is_of(seconds[np.isfinite(seconds)], session):
            text = f"time as a number is seconds since 1970 (UTC), is {seconds[0]:.0f}"
            raise refusal(refused(table.file, int(table.rows[0]), text))
        return seconds
    return None


def _is_of(seconds: Columns, session: Session) -> bool:
    """Say whether epoch seconds can be meant: those of a file with many days lie years apart at most."""
    middle = float(np.median(seconds))
    return abs(middle - session.open.timestamp()) < 40 * 366 * _DAY


def midnight(session: Session) -> float:
    """Return the epoch seconds at which the clock would show 00:00; sessions have no change of the clock."""
    return at_exchange_time(session.date, time(12)).timestamp() - 12 * 3600.0


def _of_texts(table: Table, session: Session) -> Columns:
    codes, texts = table.texts("time")
    known = np.zeros(len(texts))
    for place, text in enumerate(texts):
        try:
            known[place] = _instant(text, session)
        except ValueError:
            row = int(table.rows[np.flatnonzero(codes == place)[0]])
            text = f"a time is like 10:30, or 2026-10-21T14:30:00+00:00, is {text!r}"
            raise refusal(refused(table.file, row, text)) from None
    return known[codes]


def _instant(text: str, session: Session) -> float:
    text = f"0{text}" if text[1:2] == ":" else text  # 9:35
    if len(text) <= len("10:30:00.000000"):
        clock = time.fromisoformat(text)
        if clock.tzinfo is not None:
            return datetime.combine(session.date, clock).timestamp()
        seconds = clock.hour * 3600 + clock.minute * 60 + clock.second + clock.microsecond / 1e6
        return midnight(session) + seconds
    found = datetime.fromisoformat(text)
    if found.tzinfo is not None:
        return found.timestamp()
    return at_exchange_time(found.date(), found.time()).timestamp()
