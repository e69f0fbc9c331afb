"""Short interest rates by day from a file with a date and a column of percent; without one, a constant."""

from bisect import bisect_left
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from rulebot.adapters.history.finding import refusal, refused
from rulebot.adapters.history.missing import parse_day
from rulebot.adapters.history.table import read_csv
from rulebot.model.errors import StoreError

COLUMNS = ("rate", "gs3m", "dtb3", "tb3ms", "pcredit8")
"""What a column of rates is called: three-month bills, or the primary credit rate."""
USUAL = 0.02


class Rates:
    """Rates, each known from the day after its own."""

    def __init__(self, days: Sequence[date] = (), percent: Sequence[float] = ()) -> None:
        self._days, self._percent = list(days), list(percent)

    @property
    def is_known(self) -> bool:
        """True when there is a file."""
        return bool(self._days)

    def on(self, day: date) -> float:
        """Return the last rate of before a day, an annual fraction; the first one for days before all."""
        if not self._days:
            return USUAL
        return self._percent[max(bisect_left(self._days, day) - 1, 0)] / 100.0


def read_rates(path: Path) -> Rates:
    """Read a file of rates. Raises: StoreError when it has no column of them."""
    if not path.is_file():
        raise StoreError(f"the file of rates {path} does not exist")
    table = read_csv(path)
    name = next((each for each in COLUMNS if each in table.names), None)
    if name is None or "date" not in table.names:
        raise refusal(refused(table.file, 1, f"rates have `date` and one of {', '.join(COLUMNS)}, in percent"))
    codes, texts = table.texts("date")
    try:
        days = [_day(texts[code]) for code in codes.tolist()]
    except ValueError as error:
        raise refusal(refused(table.file, 0, f"a date is like 2019-05-24: {error}")) from error
    known = sorted(
        (day, value) for day, value in zip(days, table.numbers(name).tolist(), strict=True) if value == value
    )
    return Rates([day for day, _ in known], [value for _, value in known])


def _day(text: str) -> date:
    return parse_day(text if "-" in text or "/" in text else f"{text[:4]}-{text[4:6]}-{text[6:8]}")
