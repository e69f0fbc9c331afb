"""A source whose sessions several variants read one after the other."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import date

from rulebot.adapters.history.session import DailyBar, Finding, HistoryDay, Source, refused
from rulebot.model.errors import StoreError


class SharedSource:
    """A source whose last session is kept: the next variant reads the same. findings: what was wrong so far."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._days: dict[date, HistoryDay] = {}
        self._bars: dict[tuple[str, date, int], Sequence[DailyBar]] = {}
        self._all = source.dates(date(1950, 1, 1), date(2200, 1, 1))
        self.name, self.is_modelled = source.name, source.is_modelled
        self.findings: dict[Finding, None] = {}

    def dates(self, first: date, last: date) -> Sequence[date]:
        """Return the sessions."""
        return self._all[bisect_left(self._all, first) : bisect_right(self._all, last)]

    def gaps(self, first: date, last: date) -> Sequence[Finding]:
        """Return what is wrong with the range."""
        found = self._source.gaps(first, last)
        self.findings |= dict.fromkeys(found)
        return found

    def day(self, day: date) -> HistoryDay:
        """Return one session, read once in a row."""
        if day not in self._days:
            found = self._source.day(day)
            self.findings |= dict.fromkeys(found.findings)
            self._days.clear()
            self._days[day] = found
        return self._days[day]

    def can_read(self, day: date) -> bool:
        """Say whether a session is not refused; it is read."""
        try:
            self.day(day)
        except StoreError as error:
            self.findings[refused(self.name, 0, f"{day}: {error.whole}")] = None
            return False
        return True

    def daily(self, symbol: str, before: date, count: int) -> Sequence[DailyBar]:
        """Return daily bars, looked up once."""
        key = (symbol, before, count)
        if key not in self._bars:
            self._bars[key] = self._source.daily(symbol, before, count)
        return self._bars[key]

    def implied(self, symbol: str, before: date, count: int) -> Sequence[float]:
        """Return volatilities."""
        return self._source.implied(symbol, before, count)

    def was_split(self, symbol: str, since: date, until: date) -> bool:
        """Say whether shares were split."""
        return self._source.was_split(symbol, since, until)
