"""From what a person writes after `--data` to a source: `PATH`, or `parquet:PATH`, with `?daily=FOLDER` behind it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode

from rulebot.adapters.history.chain_file import ChainSource, looks_like_chain, what_to_write
from rulebot.adapters.history.daily import Daily, state_until
from rulebot.adapters.history.end_of_day import (
    STANDS,
    Choice,
    EodSource,
    data_kind_of,
    looks_like_days,
    looks_like_snapshots,
)
from rulebot.adapters.history.lean import LeanDailySource, LeanSource, looks_like_lean
from rulebot.adapters.history.modelled_source import ModelOptions, ModelSource, Rates, read_rates
from rulebot.adapters.history.modelled_surface import MODELLED, SYMBOL
from rulebot.adapters.history.session import Source, has_several_days
from rulebot.adapters.history.table import day_of
from rulebot.adapters.recorded.file import ENDING, SUFFIX
from rulebot.adapters.recorded.source import RecordingSource
from rulebot.model.errors import MisuseError, StoreError

_OF_DATA = (".parquet", ".csv", ".csv.gz", ".zip", SUFFIX)
_DATABASE = b"SQLite format 3\0"


class SourceOptions(NamedTuple):
    """A parsed source text: its kind ("" to be detected), path, and options after `?`."""

    kind: str
    path: Path
    options: Mapping[str, str]


class SourceKind(NamedTuple):
    """A kind of source: its constructor, how a path is recognised, its options beside `daily`, and its files."""

    make: Callable[[SourceOptions, Daily], Source]
    fits: Callable[[Path], bool]
    options: tuple[str, ...] = ()
    files: Callable[[SourceOptions], Iterable[Path]] = lambda asked: _files_of(asked.path)


def open_source(text: str) -> Source:
    """Return the source that a text names. Raises: MisuseError for an unknown text, StoreError for bad data."""
    asked = _known(_asked(text))
    return KINDS[asked.kind].make(asked, Daily(_daily_folders(asked)))


def from_anywhere(text: str) -> str:
    """Return a text that names the same source from any folder. Raises: MisuseError."""
    asked = _asked(text)
    options = dict(asked.options)
    for name in {"daily", "rates"} & options.keys():
        options[name] = ",".join(str(Path(part).expanduser().absolute()) for part in options[name].split(","))
    kind = f"{asked.kind}:" if asked.kind else ""
    behind = f"?{urlencode(options, safe=':/,')}" if options else ""
    return f"{kind}{asked.path.absolute()}{behind}"


def written(text: str, last: date) -> dict[str, list[int]]:
    """Return fingerprints by path of the files that sessions up to a day may read.

    For daily bars: the number of rows up to that day and their checksum, since such a file grows with each session. For
    others: size and modification time (ns), without opening them. Raises: MisuseError and StoreError as `open_source`.
    """
    asked = _known(_asked(text))
    own = KINDS[asked.kind].files(asked)
    daily = {file: file.resolve() for folder in _daily_folders(asked) for file in folder.glob("*.csv")}
    rates = [Path(asked.options["rates"]).expanduser()] if "rates" in asked.options else []
    rows, found = frozenset(daily.values()), {}
    for file in sorted({*own, *daily, *rates}):
        is_of_many = file == asked.path or has_several_days(file.name)  # it is named after its export, or the last one
        day = None if is_of_many else day_of(file)
        if day is None or day <= last:
            with suppress(OSError):  # it is gone, or cannot be read: the source says so
                found[str(file)] = _state(file, last if file.resolve() in rows else None)
    return found


def separate_files(before: Mapping[str, Sequence[int]], now: Mapping[str, Sequence[int]]) -> str:
    """Return which files are others in one of two `written` than in the other, in words, "" where none is."""
    changed = sorted(file for file in {*before, *now} if before.get(file) != now.get(file))
    more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
    return f"{changed[0]}{more}" if changed else ""


def _state(file: Path, last: date | None) -> list[int]:
    """Return the state of a file, with a day that of its rows up to it. Raises: OSError."""
    if last is not None:
        with suppress(StoreError):  # it is no table: the source says so
            return state_until(file, last)
    known = file.stat()
    return [known.st_size, known.st_mtime_ns]


def _files_of(path: Path) -> Iterator[Path]:
    """Yield the data files in a folder; for one file, those beside it whose names begin as its name does."""
    begins = "" if path.is_dir() else path.name.partition(".")[0]
    for file in path.rglob("*") if path.is_dir() else path.parent.iterdir():
        if file.name.startswith(begins) and file.name.endswith(_OF_DATA):
            yield file


def _lean_files(asked: SourceOptions) -> Iterator[Path]:
    """Yield the files of the symbol that was asked for: a whole folder of Lean has those of thousands."""
    symbol = asked.options.get("symbol", "").lower()
    for file in _files_of(asked.path):
        if file.parent.name.startswith(symbol) or file.name.startswith(symbol):
            yield file


def _no_files(asked: SourceOptions) -> tuple[Path, ...]:
    """Return nothing: it is made of daily files alone."""
    return ()


def _known(asked: SourceOptions) -> SourceOptions:
    """Return what was asked for with its kind. Raises: MisuseError at an option that it has not, StoreError."""
    if not asked.path.exists():
        is_kind = not asked.kind and str(asked.path) in KINDS
        raise StoreError(f"{asked.path} does not exist", _OF_A_KIND.format(asked.path) if is_kind else _HELP)
    if asked.kind != "tapes" and _is_database(asked.path):
        beside = asked.path.with_name(f"{asked.path.stem}{ENDING}")
        help = f"recordings of its runs are next to it: tapes:{beside}" if beside.is_dir() else _HELP
        raise StoreError(f"{asked.path} is a database, as a store is, and holds no past sessions", help)
    name = asked.kind or _guessed(asked.path)
    known = ("daily", *KINDS[name].options)
    if unknown := [option for option in asked.options if option not in known]:
        raise MisuseError(f"{name}: has no option {unknown[0]!r}", f"its options are {', '.join(known)}")
    return asked._replace(kind=name)


def _is_database(path: Path) -> bool:
    """Say whether a file is a database, and no recording by its name."""
    with suppress(OSError):
        if path.is_file() and path.suffix != SUFFIX:
            with path.open("rb") as there:
                return there.read(len(_DATABASE)) == _DATABASE
    return False


def _asked(text: str) -> SourceOptions:
    prefix, colon, rest = text.partition(":")
    kind = prefix if colon and prefix in KINDS else ""
    if colon and not kind and len(prefix) > 1 and prefix.isalpha() and not Path(text).exists():
        raise MisuseError(f"there is no kind of data {prefix!r}", _HELP)
    path, _, options = (rest if kind else text).partition("?")
    if not path:
        raise MisuseError(f"{text!r} names no path", _HELP)
    return SourceOptions(kind, Path(path).expanduser(), dict(parse_qsl(options, keep_blank_values=True)))


def _guessed(path: Path) -> str:
    for name, kind in KINDS.items():
        if kind.fits(path):
            return name
    help = what_to_write(path) or "; ".join(filter(None, (data_kind_of(path), _HELP)))
    raise StoreError(f"unrecognised data format: {path}", help)


def _daily_folders(asked: SourceOptions) -> list[Path]:
    """Return the folders with daily bars: those asked for, else the nearest `daily`, at most two folders above."""
    if "daily" in asked.options:
        folders = [Path(part).expanduser() for part in asked.options["daily"].split(",")]
        for folder in folders:
            if not folder.is_dir():
                raise StoreError(f"the folder of daily bars {folder} does not exist")
        return folders
    if asked.kind == "model":
        return [asked.path, *sorted(folder for folder in asked.path.rglob("daily") if folder.is_dir())]
    base = asked.path if asked.path.is_dir() else asked.path.parent
    nearest = (above / "daily" for above in (base, *base.resolve().parents[:2]))
    return [folder for folder in nearest if folder.is_dir()][:1]


def _snapshots(asked: SourceOptions, daily: Daily) -> Source:
    return _one_state(asked, daily, "daily snapshots")


def _one_state(asked: SourceOptions, daily: Daily, words: str) -> Source:
    others = {name: value for name, value in asked.options.items() if name != "symbol"}
    written = f"{asked.kind}:{asked.path}?{urlencode({**others, 'symbol': ''}, safe=':/,')}"
    choice = Choice(asked.options.get("symbol", ""), written)
    at = asked.options.get("at", "")
    return EodSource(asked.path, daily, at=at, stands=_stands(asked), words=words, choice=choice)


def _stands(asked: SourceOptions) -> int:
    return _whole("stands", asked.options.get("stands", str(STANDS)), 0, 390)


def _lean(asked: SourceOptions, daily: Daily) -> Source:
    bars, symbol = asked.options.get("bars", "minute"), asked.options.get("symbol", "")
    if bars == "daily":
        return LeanDailySource(asked.path, daily, symbol, at=asked.options.get("at", ""), stands=_stands(asked))
    if bars != "minute":
        raise MisuseError(f"bars= is minute or daily, is {bars!r}")
    if of_days := sorted({"at", "stands"} & asked.options.keys()):
        raise MisuseError(f"{of_days[0]}= needs bars=daily: a minute has its time")
    return LeanSource(asked.path, daily, symbol)


def _model(asked: SourceOptions, daily: Daily) -> Source:
    given = asked.options
    rates = read_rates(Path(given["rates"]).expanduser()) if "rates" in given else Rates()
    shortest, longest = _dte(given.get("dte", ""))
    symbol = given.get("symbol", SYMBOL).upper()
    if symbol not in MODELLED:
        raise MisuseError(
            f"symbol= is one of {', '.join(MODELLED)}, to whose options the model is fitted, is {symbol!r}"
        )
    options = ModelOptions(
        symbol=symbol,
        step=_whole("step", given.get("step", "5"), 1, 390),
        shortest=shortest,
        longest=longest,
        width=_whole("width", given.get("width", "100"), 0, 1000) / 100.0,
        volatility=_whole("iv", given.get("iv", "100"), 50, 200) / 100.0,
    )
    return ModelSource(asked.path, daily, rates, options)


def _whole(name: str, text: str, least: int, most: int) -> int:
    if not text.isdigit() or not least <= int(text) <= most:
        raise MisuseError(f"{name}= is a whole number from {least} to {most}, is {text!r}")
    return int(text)


def _dte(text: str) -> tuple[int, int]:
    if not text:
        return 0, ModelOptions().longest
    first, _, last = text.partition("..")
    shortest, longest = (_whole("dte", part, 0, 365) for part in (first, last or first))
    if longest < shortest:
        raise MisuseError(f"dte= is a number of days or a range like 0..60, is {text!r}")
    return shortest, longest


def _has_daily(path: Path) -> bool:
    return path.is_dir() and bool({*path.glob("spx_*.csv"), *path.glob("*/spx_*.csv"), *path.glob("*/*/spx_*.csv")})


def _end_of_day(asked: SourceOptions, daily: Daily) -> Source:
    return _one_state(asked, daily, "end-of-day chains")


def _is_recorded(path: Path) -> bool:
    return path.suffix == SUFFIX if path.is_file() else any(path.glob(f"**/*{SUFFIX}"))


KINDS: Mapping[str, SourceKind] = {
    "tapes": SourceKind(lambda asked, daily: RecordingSource(asked.path), _is_recorded),
    "lean": SourceKind(_lean, looks_like_lean, ("symbol", "bars", "at", "stands"), _lean_files),
    "snapshots": SourceKind(_snapshots, looks_like_snapshots, ("symbol", "at", "stands")),
    "parquet": SourceKind(lambda asked, daily: ChainSource(asked.path, daily), looks_like_chain),
    "eod": SourceKind(_end_of_day, looks_like_days, ("symbol", "at", "stands")),
    "model": SourceKind(_model, _has_daily, ("symbol", "rates", "step", "dte", "width", "iv"), _no_files),
}
_OF_A_KIND = "it is a kind of data: write {}:PATH; docs/history-data.md describes it"
_HELP = f"write a path, or one of {', '.join(f'{name}:PATH' for name in KINDS)}; docs/history-data.md describes them"
