"""Which bars that rules read are not recorded, in the words in which a backtest tells what is wrong with its data."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from engine.adapters.history.day import DailyBar, HistoryDay, Source, ToldBars
from engine.compile.series import DAY, Series, name_of
from engine.evaluate.measure_bars import last_end
from engine.model.session import EXCHANGE_ZONE, Session


def lacking(day: HistoryDay, session: Session, needed: Mapping[Series, int], source: Source) -> Iterator[str]:
    """Yield what a broker did not tell of the bars that rules read, and what stands for it."""
    told = day.bars or {}
    for (symbol, seconds), count in sorted(needed.items()):
        what = f"{name_of(seconds)} bars of {symbol}"
        if seconds == DAY:
            yield from _daily(what, count, source.daily(symbol, session.date, count))
        elif found := told.get((symbol, seconds)):
            yield from _partly(what, found, count, seconds, day, session)
        elif symbol in day.levels:
            yield f"{what} are not recorded: they are made of the levels that were streamed, without volumes"
        else:
            yield f"{what} are not recorded, nor is its level"


def _daily(what: str, count: int, bars: Sequence[DailyBar]) -> Iterator[str]:
    whole = sum(bar.high > bar.low for bar in bars)
    if whole < count:
        others = ", others have a close alone" if len(bars) > whole else ""
        yield f"of {count} {what} {whole} are recorded{others}"


def _partly(what: str, told: ToldBars, count: int, seconds: int, day: HistoryDay, session: Session) -> Iterator[str]:
    earlier = max(sum(bar.at < session.open.timestamp() for bar in known.bars) for _, known in told)
    if earlier < count:
        yield f"of {count} {what} of earlier sessions {earlier} are recorded"
    until = told[-1][1].known_until
    if len(day.times) and until < last_end(session, seconds, float(day.times[-1])) - seconds:
        yield f"{what} are recorded until {datetime.fromtimestamp(until, UTC).astimezone(EXCHANGE_ZONE):%H:%M:%S} only"
