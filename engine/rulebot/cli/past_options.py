"""What the commands about past sessions share: days, dollars, shares, fills, processes, a bar, and writing a page."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from rulebot.cli.say import print_text
from rulebot.cli.shares import Shares
from rulebot.model.contract import product
from rulebot.model.errors import MisuseError, StoreError

if TYPE_CHECKING:
    from rulebot.adapters.history.day import Source
    from rulebot.backtest.fills import FillModel

FIRST, LAST = date(1980, 1, 1), date(2100, 1, 1)
MOST_CASH = Decimal(10**12)


def session_range(source: "Source", name: str, first: date | None, last: date | None) -> tuple[date, date]:
    """Return the first and last session meant: those of the data where none is named. Raises: MisuseError."""
    if first and last and last < first:
        raise MisuseError(f"--to {last} is before --from {first}")
    days = source.dates(first or FIRST, last or LAST)
    if not days:
        gaps = source.gaps(first or FIRST, last or LAST)
        odd = next((each.text for each in gaps if each.severity.value == "refused"), None)
        known = source.dates(FIRST, LAST)
        if not odd and known:
            odd = f"its sessions are those of {known[0]} to {known[-1]}"
        if not odd:
            raise MisuseError(f"{name} has no session at all", "docs/history-data.md says what has to lie there")
        raise MisuseError(f"{name} has no session in that time", odd)
    return first or days[0], last or days[-1]


def asked_fills(text: str, *, recorded: bool = False) -> "FillModel":
    """Return the fill model of the words, or of the entries that a store holds.

    recorded: what a recording answered can be asked for, too. Raises: MisuseError, StoreError.
    """
    from rulebot.backtest.fills import RECORDED, WORDS, fill_model

    if recorded and text == RECORDED.name:
        return RECORDED
    kind, _, store = text.partition(":")
    if kind != "from" or not store:
        return fill_model(text, (*WORDS, "from:STORE", *([RECORDED.name] if recorded else [])))
    from rulebot.backtest.fill_calibration import calibrated
    from rulebot.store.open import is_there
    from rulebot.store.place import place_of

    place = place_of(store)
    if not is_there(place):
        raise StoreError(f"there is no store {place}, from which --fills is to be taken", "write from:STORE of a run")
    return calibrated(place, str(place))


def asked_cash(text: str) -> Decimal:
    """Return an amount of dollars. Raises: MisuseError."""
    try:
        found = Decimal(text.replace(",", "").removeprefix("$"))
    except InvalidOperation as error:
        raise MisuseError(f"--cash is an amount of dollars, is '{text}'") from error
    if not found.is_finite() or found <= 0:
        raise MisuseError(f"--cash is an amount of dollars above 0, is '{text}'")
    if found > MOST_CASH:
        raise MisuseError(f"--cash is ${MOST_CASH:,} at most, is '{text}'")
    return found


def asked_shares(shares: Shares) -> Shares:
    """Return the shares that an account begins with. Raises: MisuseError for what has none."""
    for symbol, _ in shares:
        if not product(symbol).is_tradable:
            raise MisuseError(f"{symbol} is an index: nobody holds shares of it", "--shares takes stocks and ETFs")
    return shares


def cores() -> int:
    """Return how many processors this machine has."""
    import os

    return os.cpu_count() or 1


def write_file(file: Path, text: str) -> None:
    """Write a text, into a new folder if need be: hours may have led to it. Raises: StoreError."""
    from rulebot.spec.whole_file import write_whole

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, text.encode())
    except OSError as error:
        raise StoreError(f"cannot write '{file}': {error.strerror or error}") from error


class Bar(Protocol):
    """Is told how many sessions are done, and how many there are."""

    def __call__(self, done: int, count: int, what: str = "sessions") -> None:
        """Show it. what: stands before it."""


@contextmanager
def stopped_by_hand(how: str) -> Iterator[None]:
    """Say how to go on when Ctrl+C ends what is done here."""
    try:
        yield
    except KeyboardInterrupt:
        print_text(f" stopped: {how}", err=True)
        raise


@contextmanager
def sessions_bar(form: str) -> Iterator[Bar]:
    """Yield who is told how far it is: a bar on a terminal, nobody in a pipe or where JSON is wanted."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal or form != "text":
        yield lambda done, count, what="": None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("sessions", total=None)
        yield lambda done, count, what="sessions": bar.update(task, completed=done, total=count, description=what)
