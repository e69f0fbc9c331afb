"""What the commands about past sessions share: days, dollars, shares, fills, processes, a bar, and writing a page."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

import click

from rulebot.backtest.report_charts import gravest_first
from rulebot.cli.options import DAY, WholeNumber
from rulebot.cli.output import print_text
from rulebot.model.contract import product
from rulebot.model.errors import MisuseError, StoreError, as_store_error
from rulebot.model.text import counted

if TYPE_CHECKING:
    from rulebot.adapters.history.session import Finding, Source
    from rulebot.backtest.fill_model import FillModel

FROM = click.option("--from", "first", type=DAY, metavar="DAY", help="The first session (default: the data's first).")
TO = click.option("--to", "last", type=DAY, metavar="DAY", help="The last session (default: the data's last).")
LINES = click.option("--lines", type=WholeNumber(1), default=90, show_default=True, help="Market data lines at most.")
WORKERS = click.option(
    "--workers",
    type=WholeNumber(1),
    help="Processes, where sessions are apart (default: the cores, once they save time).",
)

# --- Output files of commands


class Output(NamedTuple):
    """The kinds of our files, and how each begins, in lower case."""

    words: str
    begins: tuple[bytes, ...]


PAGE = Output("a page", (b"<!doctype html",))
XML = Output("an XML file", (b"<?xml", b"<flexqueryresponse"))
SAMPLES = Output("a table of samples", (b"entered,left,net",))
LEDGER = Output("a ledger", (b'{"kind":',))
MODEL = Output("a model", (b'{\n "rulebot_model"', b'{\r\n "rulebot_model"'))


def check_output(word: str, file: Path | None, what: Output, beside: Path | None = None) -> None:
    """Refuse to overwrite a file of another kind. Raises: MisuseError.

    beside: files of the same command, which need not exist yet.
    """
    if file is None:
        return
    if file == Path():
        raise MisuseError(f"{word} is an empty name", "is a variable of the shell empty?")
    is_other = beside is not None and file.resolve() == beside.resolve()
    with suppress(OSError):  # an unreadable file is reported when it is written
        if file.is_file() and file.stat().st_size:
            with file.open("rb") as there:
                is_other |= not there.read(32).lower().startswith(what.begins)
    if is_other:
        message = f"{word} is {what.words}, and {file} is something else: it would be lost"
        raise MisuseError(message, f"name another {word}")


# --- `--shares SPY=1000`: a simulated account's holdings at the start

F = TypeVar("F", bound=Callable[..., Any])
Shares = tuple[tuple[str, int], ...]
_PAIR = re.compile(r"([A-Z][A-Z0-9.]{0,9})=([1-9][0-9]{0,6})")


def read_shares(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> Shares | None:
    """Read `SYMBOL=COUNT` as often as it is given, None when it is not. Raises: BadParameter."""
    found: dict[str, int] = {}
    for each in value:
        pair = _PAIR.fullmatch(each)
        if pair is None:
            raise click.BadParameter(f"shares are SYMBOL=COUNT, as in SPY=1000, is '{each}'")
        if pair[1] in found:
            raise click.BadParameter(f"the shares of {pair[1]} are given twice")
        found[pair[1]] = int(pair[2])
    return tuple(found.items()) or None


def _option(help_text: str) -> Callable[[F], F]:
    return click.option("--shares", multiple=True, callback=read_shares, metavar="SYMBOL=COUNT", help=help_text)


shares_option = _option("Shares the simulated account starts with, at the previous close, as SPY=1000.")
backtest_shares_option = _option(
    "Shares the account begins with, as SPY=1000: bought at the close before, out of --cash."
)


# --- `--data NAME`: a source that 'rulebot data add' has stored


def as_source(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Return what a source's name stands for, and any other text as it is. Raises: MisuseError."""
    name, _, options = (value or "").partition("?")
    if not name or ":" in name or "/" in name or Path(name).exists():
        return value
    from rulebot.data import catalogue

    return catalogue.source_text(name, options) if catalogue.exists(name) else value


# --- What the commands about past sessions share

FIRST, LAST = date(1980, 1, 1), date(2100, 1, 1)
MOST_CASH = Decimal(10**12)


def session_range(source: "Source", name: str, first: date | None, last: date | None) -> tuple[date, date]:
    """Return the first and last session meant: those of the data where none is named. Raises: MisuseError."""
    if first and last and last < first:
        raise MisuseError(f"--to {last} is before --from {first}")
    days = source.dates(first or FIRST, last or LAST)
    if not days:
        raise _no_session(source, name, source.gaps(first or FIRST, last or LAST))
    return first or days[0], last or days[-1]


def _no_session(source: "Source", name: str, gaps: "Sequence[Finding]") -> MisuseError:
    """Return why data has no session in a time. gaps: what is wrong with its days."""
    if odd := next((each.text for each in gaps if each.severity.value == "refused"), ""):
        return MisuseError(f"{name} has no session in that time", odd)
    if known := source.dates(FIRST, LAST):
        reported = f"its sessions are those of {known[0]} to {known[-1]}"
        return MisuseError(f"{name} has no session in that time", reported)
    return MisuseError(f"{name} has no session", "docs/history-data.md says what has to lie there")


def asked_fills(text: str, *, recorded: bool = False) -> "FillModel":
    """Return the fill model of the words, or of the entries that a store holds.

    recorded: what a recording answered can be asked for, too. Raises: MisuseError, StoreError.
    """
    from rulebot.backtest.fill_model import RECORDED, WORDS, fill_model

    if recorded and text == RECORDED.name:
        return RECORDED
    kind, _, store = text.partition(":")
    if kind != "from" or not store:
        return fill_model(text, (*WORDS, "from:STORE", *([RECORDED.name] if recorded else [])))
    from rulebot.backtest.fill_model import calibrated
    from rulebot.store.place import place_of
    from rulebot.store.registry import is_there

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
    """Return the shares of an account at the start. Raises: MisuseError for a symbol without shares."""
    for symbol, _ in shares:
        if not product(symbol).is_tradable:
            raise MisuseError(f"{symbol} is an index: it has no shares to trade", "--shares takes stocks and ETFs")
    return shares


def cores() -> int:
    """Return how many processors this machine has."""
    import os

    return os.cpu_count() or 1


def write_file(file: Path, text: str) -> None:
    """Write a text, into a new folder if need be: hours may have led to it. Raises: StoreError."""
    from rulebot.spec.files import write_whole

    with as_store_error(f"cannot write '{file}'"):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, text.encode())


class Bar(Protocol):
    """Callback: how many sessions are done, of how many."""

    def __call__(self, done: int, count: int, what: str = "sessions") -> None:
        """Show the progress. what: its label."""


@contextmanager
def stopped_by_hand(how: str) -> Iterator[None]:
    """Say how to continue after Ctrl+C."""
    try:
        yield
    except KeyboardInterrupt:
        print_text(f" stopped: {how}", err=True)
        raise


@contextmanager
def sessions_bar(form: str) -> Iterator[Bar]:
    """Yield the progress callback: a bar on a terminal, none in a pipe or with JSON."""
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


# --- What is said of past data for eyes

SHOWN_FINDINGS = 20


def named(source: str, is_modelled: bool) -> str:
    """Return the name of a source, which says when its prices are modelled."""
    return f"{source}; its option prices are MODELLED, never quoted" if is_modelled else source


def finding_lines(findings: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what was wrong with the data, by file and row."""
    found = gravest_first(findings)
    yield f" the data: {counted(sum(1 + each.more for each in found), 'finding')}"
    for alike in found[:SHOWN_FINDINGS]:
        yield f"  {alike.line}"
    rest = sum(1 + each.more for each in found[SHOWN_FINDINGS:])
    if rest:
        yield f"  and {rest} more; --format json has them all"
    elif any(each.more for each in found):
        yield "  --format json has them all"
