"""Which market is given to the simulated gateway: a recording by file or day, or a captured chain."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from rulebot.capture.captured import still_day
from rulebot.capture.chain import CapturedChain, read_chain
from rulebot.capture.recorded import recorded_day, streamed
from rulebot.model.counted import counted
from rulebot.model.errors import StoreError, unread
from rulebot.model.session import EXCHANGE_ZONE
from rulebot.model.values import dataclass
from rulebot.replay.recordings import meant, recorded_beside
from rulebot.store.latest import run_store
from rulebot.store.place import Place
from twsim.market.given import ReplayedDay

DATA_SECONDS = 5
"""Seconds between moves of the simulated gateway's market, unless it is told otherwise."""


def files_of(recording: str, store: Place | None) -> list[Path]:
    """Return the files of a recording by name or day; a day's are those beside a store, the last run's by default.

    Raises: MisuseError, StoreError.
    """
    folder = Path() if recording.endswith(".tape") else recorded_beside(run_store(store))
    return meant(recording, folder)


def chain_of(file: Path) -> CapturedChain:
    """Return the captured chain of a file. Raises: SpecError when it is none, StoreError when it cannot be read."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{file} cannot be read: {unread(error)}") from error
    return read_chain(text, str(file))


@dataclass(frozen=True, slots=True)
class CapturedMarket:
    """A market that is given, and what it is in words. cash, account: those of its source, where it has them."""

    market: ReplayedDay
    about: str
    cash: Decimal | None = None
    account: str = ""


def recorded(recording: str, store: Place | None = None, data_seconds: int = DATA_SECONDS) -> CapturedMarket:
    """Return the market of a recording. Raises: MisuseError, StoreError."""
    day = recorded_day(files_of(recording, store), data_seconds)
    levels, options = streamed(day)
    known = f"{counted(levels, 'underlying')} and {counted(options, 'option')}"
    return CapturedMarket(day, f"what was recorded of {known} on {day.day}")


def captured(files: Sequence[Path]) -> CapturedMarket:
    """Return the market in which captured chains stand still, and the account that they tell of.

    All that the account is worth is cash, since what it holds is not captured. Raises: SpecError, MisuseError,
    StoreError.
    """
    chains = [chain_of(file) for file in files]
    last = max(chains, key=lambda each: each.at)
    options = counted(sum(len(each.options) for each in chains), "option")
    words = f"{options} on {', '.join(each.symbol for each in chains)} as at {_clock(last.at)}; nothing moves"
    return CapturedMarket(still_day(chains), words, last.account.net_liquidation, last.account.id)


def _clock(at: datetime) -> str:
    return f"{at.astimezone(EXCHANGE_ZONE):%Y-%m-%d %H:%M:%S}"
