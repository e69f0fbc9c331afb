"""The recordings beside a store: which exist, and which one a person means."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from stat import S_ISREG
from typing import Any, NamedTuple, get_type_hints

from rulebot.adapters.history.chain_file import write_day
from rulebot.adapters.history.session import DailyBar, HistoryDay
from rulebot.adapters.recorded.file import ENDING, SUFFIX, day_of, instant, named_day, read_head, span
from rulebot.adapters.recorded.recording import STATE, Recording, RequestsExchanged, open_recording, play_reported
from rulebot.adapters.recorded.source import RecordingSource
from rulebot.core.program import Program
from rulebot.core.state.state import State
from rulebot.documents.load_bots import LoadedBots, SpecText, account_of, compile_text, desk_as_json, text_as_json
from rulebot.model.errors import MisuseError, StoreError, as_store_error
from rulebot.model.facts import EventCalendar
from rulebot.model.market import Board
from rulebot.model.session import session_from
from rulebot.model.values import dataclass
from rulebot.process.processes import code_digest
from rulebot.record.codec import CodecError, decode, decode_as, encode, encode_as, line, record_of, utc_text, utc_time
from rulebot.record.record import Json
from rulebot.recovery.resume import resume, spec_texts
from rulebot.spec.files import write_whole
from rulebot.spec.load import load_text
from rulebot.spec.spec import Spec
from rulebot.store.place import Place, beside, data_folder, shown_path
from rulebot.store.recall import StartupRecords
from rulebot.store.registry import is_there

EMPTY = "nothing was written before its run ended"
"""What is said of a file without a frame: it is whole, and has nothing to replay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingFile:
    """One file: a day, or a part of it, of one run. entries: rows of market data. problem: why it cannot be read.

    goes_on: it does not list its bots, and continues the file of the day before. Otherwise one without bots is of a run
    that watched exits only.
    """

    file: Path
    day: date
    first: datetime | None = None
    last: datetime | None = None
    entries: int = 0
    size: int = 0
    bots: tuple[str, ...] = ()
    goes_on: bool = False
    problem: str = ""


def tapes_of(store: Place) -> Path:
    """Return the folder of the recordings of a store's runs."""
    return beside(store, data_folder(), ENDING)


def listed(folder: Path, day: date | None = None) -> list[RecordingFile]:
    """Return what is recorded there, or of one day, oldest first; what cannot be read is listed with the reason."""
    files = folder.glob(f"*/{'*' if day is None else day.isoformat()}{SUFFIX}")
    named = [(file, its) for file in files if (its := named_day(file)) is not None]
    return sorted((_tape(file, its) for file, its in named), key=lambda each: (each.day, each.file))


def tapes_of_day(folder: Path, day: date) -> list[Path]:
    """Return the recordings of a day without opening them."""
    return sorted(folder.glob(f"*/{day.isoformat()}{SUFFIX}"))


def recorded_beside(store: Place) -> Path:
    """Return the folder of a store's recordings. Raises: StoreError when there is neither store nor recording."""
    folder = tapes_of(store)
    if not folder.is_dir() and not is_there(store):
        raise StoreError(f"there is no store {store}, and no recordings next to it", "name one with --store")
    return folder


def sizes_of(file: Path) -> tuple[int, ...]:
    """Return the bytes of each file of a recording; not of one that a recorder puts away at this moment."""
    found = []
    for each in sorted(file.parent.glob(f"{file.name}*")):
        with suppress(OSError):
            status = each.stat()
            if S_ISREG(status.st_mode):
                found.append(status.st_size)
    return tuple(found)


def _tape(file: Path, day: date) -> RecordingFile:
    size = sum(sizes_of(file))
    try:
        head = read_head(file)
        first, last, entries, frames = span(file)
    except StoreError as error:
        return RecordingFile(file=file, day=day, size=size, problem=error.whole)
    if not frames:
        return RecordingFile(file=file, day=day, size=size, problem=EMPTY)
    return RecordingFile(
        file=file,
        day=day,
        first=instant(first),
        last=instant(last),
        entries=entries,
        size=size,
        bots=tuple(head.get("specs") or ()),
        goes_on="specs" not in head,
    )


def meant(what: str, folder: Path) -> list[Path]:
    """Return the files that a person means, also damaged ones: a file, a day, or "" for the last day.

    Raises: MisuseError, StoreError.
    """
    if what.endswith(SUFFIX):
        if _tape(Path(what), date.min).problem == EMPTY:
            raise StoreError(f"nothing of {what} can be replayed: {EMPTY}")
        return [Path(what)]
    known = sorted({day for file in folder.glob(f"*/*{SUFFIX}") if (day := named_day(file)) is not None})
    days = [_day_named(what)] if what and known else known[::-1]
    for day in days:  # the heads of other days, which may be hundreds, are not read
        if found := [each.file for each in listed(folder, day) if each.problem != EMPTY]:
            return found
    if known and days[0] in known:
        raise StoreError(f"nothing of {days[0]} can be replayed: {EMPTY}")
    if known:
        last = f" to {known[-1]}" if len(known) > 1 else ""
        raise StoreError(f"nothing is recorded of {days[0]}", f"in {shown_path(folder)} is {known[0]}{last}")
    raise StoreError(
        f"nothing is recorded in {shown_path(folder)}",
        "'rulebot run' records by default; a backtest records none",
    )


def _day_named(what: str) -> date:
    try:
        return date.fromisoformat(what)
    except ValueError:
        is_file = Path(what).is_file()
        help = (
            f"a store is named by --store {what}" if is_file else "or name a .tape file; without a day it is the last"
        )
        raise MisuseError(f"a day is written 2026-10-21, is '{what}'", help) from None


# --- A recorded day as Parquet files of chains, one folder for each underlying, which any program and `backtest`
#     read

DAILY = "daily"
SESSIONS = 400
"""Finished sessions before the day that are written at most."""
_COLUMNS = ("date", "open", "high", "low", "close")
_BY_OPTION = ("bid", "ask", "bid_size", "ask_size", "iv", "delta", "gamma", "vega", "theta", "volume", "open_interest")


def export(tapes: Sequence[Path], folder: Path) -> list[tuple[Path, int, int]]:
    """Write a day from its recordings, the first run's first; return each chain's file, instants and options.

    Instants are those of the session, which is all that a source of chains has. Levels of everything streamed are
    beside each, with the broker's other data; daily bars in `daily`. Raises: MisuseError for an existing file, or daily
    bars that no export wrote; StoreError when nothing was quoted, at the disk, or without pyarrow.
    """
    source = RecordingSource(*tapes)
    day = _within_session(source.day(day_of(tapes[0])))
    symbols = sorted({option.symbol for option in day.options})
    if not symbols:
        raise StoreError(f"no option was streamed on {day.date}", "a chain needs options")
    found = [(symbol, folder / symbol / f"{day.date}.parquet") for symbol in symbols]
    if there := [file for _, file in found if file.exists()]:
        raise MisuseError(f"{there[0]} is there already", "name another folder: nothing is written over")
    if not len(day.times):
        raise StoreError(f"nothing is recorded of {day.date} within its session", "a chain has quotes of regular hours")
    reported = sorted(day.levels.keys() | source.reported_of(day.date))
    daily = {symbol: folder / DAILY / f"{symbol.lower()}_daily.csv" for symbol in reported}
    known = {symbol: _known(file) for symbol, file in daily.items()}
    implied = {each: source.implied(each, day.date, SESSIONS) for each in day.levels}
    written = []
    for symbol, file in found:
        part = of_symbol(day, symbol)
        write_day(part, file, implied)
        written.append((file, len(part.times), len(part.options)))
    for symbol, file in daily.items():
        _write_daily(file, source.daily(symbol, day.date, SESSIONS), known[symbol])
    return written


def _known(file: Path) -> dict[str, list[str]]:
    """Return the rows of a daily file that an export of another day wrote, by day; of one that is not there none.

    Raises: MisuseError for any other file, whose columns would be taken for others; StoreError.
    """
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            head, *rows = csv.reader(stream)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise StoreError(f"{file} cannot be read: {error.strerror or error}") from error
    except (ValueError, csv.Error):  # empty, or no text
        head, rows = [], []
    if head != [*_COLUMNS] or any(len(row) != len(_COLUMNS) for row in rows):
        text = f"{file} was not written by an export: its columns are not {', '.join(_COLUMNS)} alone"
        raise MisuseError(text, "name another folder: daily bars are added to those of exports only")
    return {row[0]: row for row in rows}


def _write_daily(file: Path, bars: Sequence[DailyBar], known: Mapping[str, list[str]]) -> None:
    """Write the broker's finished sessions, with those known from other days, by day.

    A known whole bar of a session stays if this day has only its close.
    """
    if not bars:
        return
    with as_store_error(f"{file} cannot be written"):
        reported = {
            str(bar.date): [str(bar.date), *map(repr, (bar.open, bar.high, bar.low, bar.close))] for bar in bars
        }
        both = {**known, **{day: row for day, row in reported.items() if day not in known or _is_whole(row)}}
        file.parent.mkdir(parents=True, exist_ok=True)
        rows = (_COLUMNS, *(both[day] for day in sorted(both)))
        write_whole(file, "".join(f"{','.join(row)}\n" for row in rows).encode())


def _is_whole(row: Sequence[str]) -> bool:
    """Say whether a row of a daily file has more than one price."""
    return len(set(row[1:])) > 1


def _within_session(day: HistoryDay) -> HistoryDay:
    """Return a day without what was streamed before the open."""
    session = session_from(day.date)
    kept = (day.times >= session.open.timestamp()) & (day.times <= session.close.timestamp())
    if kept.all():
        return day
    columns: dict[str, Any] = {name: getattr(day, name) for name in _BY_OPTION}
    reported = day.reported or {}
    return replace(
        day,
        times=day.times[kept],
        levels={symbol: level[kept] for symbol, level in day.levels.items()},
        reported={symbol: {name: column[kept] for name, column in of.items()} for symbol, of in reported.items()},
        **{name: values[kept] for name, values in columns.items() if values is not None},
    )


def of_symbol(day: HistoryDay, symbol: str) -> HistoryDay:
    """Return a day with the options of one underlying, and all levels."""
    places = [place for place, option in enumerate(day.options) if option.symbol == symbol]
    columns: dict[str, Any] = {name: getattr(day, name) for name in _BY_OPTION}
    taken = {name: values[..., places] for name, values in columns.items() if values is not None}
    settled = {of: level for of, level in day.settled.items() if of[0] == symbol}
    return replace(day, options=tuple(day.options[place] for place in places), settled=settled, **taken)


# --- The texts of a recorded day


class SpecVersionSpan(NamedTuple):
    """From when on these texts ran, by bot: until those of the next reign took over."""

    since: datetime
    texts: Mapping[str, SpecText]


def reigns(recording: Recording) -> list[SpecVersionSpan]:
    """Return the texts of a recording, one reign after the other. Raises: StoreError."""
    began = RequestsExchanged(utc_time(recording.head["at"]), recording.head)
    taken_over = (step for step in play_reported(recording.files) if isinstance(step, RequestsExchanged))
    return [
        SpecVersionSpan(each.at, {text.name: text for text in spec_texts(each.data["specs"])})
        for each in (began, *taken_over)
    ]


def known_texts(found: list[SpecVersionSpan]) -> dict[str, list[tuple[datetime, SpecText]]]:
    """Return for each bot that ran its texts, each with the instant from which on it was that one."""
    known: dict[str, list[tuple[datetime, SpecText]]] = {}
    for since, texts in found:
        for name, text in texts.items():
            mine = known.setdefault(name, [])
            if not mine or mine[-1][1].digest != text.digest:
                mine.append((since, text))
    return known


def set_alike(was: SpecText, now: Spec) -> tuple[dict[str, str], list[str]]:
    """Return which parameters of a new spec to set as for the recorded one, and the notes on each.

    Not those for which the new spec itself says something else, or nothing: that is to be tried.
    """
    spec = load_text(was.text).spec
    then = {} if spec is None else {each.name: each.text for each in spec.parameters}
    here = {each.name: each.text for each in now.parameters}
    given, said = {}, []
    for name, value in was.overrides.items():
        if name not in here:
            said.append(f"{name} was set to {value} then; the new text has none")
        elif here[name] != then.get(name):
            said.append(f"{name} was set to {value} then; the new text has its own {here[name]}")
        else:
            given[name] = value
            said.append(f"{name} is {value} in both, as it was set then")
    return given, said


# --- The state from which a day of a long run continues

PARTS = get_type_hints(State)
FIELDS = {
    part: {name: hint for name, hint in get_type_hints(of_part).items() if name != "board"}
    for part, of_part in PARTS.items()
}
"""The type of each field of each part of the state. The board is excluded: a recording has it separately."""


def state_as_json(state: State) -> dict[str, Json]:
    """Return a state by part and field. Raises: CodecError where it has no JSON."""
    return {
        part: {name: encode_as(hint, getattr(getattr(state, part), name)) for name, hint in hints.items()}
        for part, hints in FIELDS.items()
    }


def state_of(reported: Mapping[str, Any], board: Board) -> State:
    """Return the state that `state_as_json` wrote, on a board. Raises: CodecError."""
    if {part: known.keys() for part, known in reported.items()} != {
        part: known.keys() for part, known in FIELDS.items()
    }:
        raise CodecError("another version's state")
    parts = {
        part: {name: decode_as(hint, reported[part][name]) for name, hint in hints.items()}
        for part, hints in FIELDS.items()
    }
    parts["market"]["board"] = board
    return State(**{part: PARTS[part](**fields) for part, fields in parts.items()})


# --- The begin of a replay


def tape_folder(tapes: Path, at: datetime) -> Path:
    """Return the folder of the recordings of a run that begins at an instant."""
    name = f"{at:%Y-%m-%dT%H%M%S}Z"
    taken = sorted(tapes.glob(f"{name}*")) if tapes.is_dir() else []
    return tapes / (f"{name}-{len(taken) + 1}" if taken else name)


def head_as_json(
    desk: LoadedBots, recalled: StartupRecords, program: Program, state: State, at: datetime, version: str
) -> dict[str, Json]:
    """Return all that the first turn of a run follows from, besides what is recorded of it."""
    return {
        **_program_as_json(desk, program, at, version),
        "events": encode(state.market.facts.events),
        "records": [line(record) for record in recalled.records],
        "number": recalled.number,
        "order_id": recalled.order_id,
        "takes_hooks": state.market.facts.hooks is not None,
    }


def _program_as_json(desk: LoadedBots, program: Program, at: datetime, version: str) -> dict[str, Json]:
    return {
        "version": version,
        "code": code_digest(),
        "at": utc_text(at),
        "install": program.install,
        "line_limit": program.line_limit,
        **desk_as_json(desk),
    }


def standing_as_json(
    desk: LoadedBots, texts: Mapping[str, SpecText], program: Program, state: State, at: datetime, version: str
) -> dict[str, Json]:
    """Return a run's state before a turn, for a replay that begins with this turn.

    desk: the running bots. texts: by digest, all that have run or governed positions. Raises: CodecError.
    """
    if unknown := program.pinned.keys() - texts.keys():
        raise CodecError(f"no text has the digest {sorted(unknown)[0]}")
    return {
        **_program_as_json(desk, program, at, version),
        "pinned": [[texts[digest].name, text_as_json(texts[digest])] for digest in program.pinned],
        STATE: state_as_json(state),
    }


class Beginning(NamedTuple):
    """What a recorded run began with; digests of its texts by bot."""

    state: State
    program: Program
    digests: Mapping[str, str]


def started(recording: Recording, board: Board) -> tuple[Recording, Beginning]:
    """Return a recording and the state before its first turn.

    It is that of the whole run when another version wrote the later state. Raises: CodecError, StoreError.
    """
    try:
        return recording, beginning(recording.head, board)
    except CodecError:
        if STATE not in recording.head:
            raise
    whole = open_recording(recording.files[-1], whole=True)
    return whole, beginning(whole.head, board)


def beginning(head: Mapping[str, Any], board: Board) -> Beginning:
    """Return what the first turn of a recording follows from. Raises: CodecError, StoreError."""
    if STATE in head:
        earlier = [text for name, reported in head["pinned"] for text in spec_texts({name: reported})]
        return _compiled(head, earlier, state_of(head[STATE], board))
    records = [record_of(text) for text in head["records"]]
    events = decode(EventCalendar, head["events"])
    numbers = int(head["number"]), int(head["order_id"])
    resumed = resume(records, utc_time(head["at"]), board, events, *numbers, takes_hooks=bool(head["takes_hooks"]))
    return _compiled(head, resumed.texts, resumed.state)


def _compiled(head: Mapping[str, Any], earlier: Iterable[SpecText], state: State) -> Beginning:
    pinned = {text.digest: compile_text(text) for text in earlier}
    desk = desk_of(head)
    program = desk.program(str(head["install"]), pinned, int(head["line_limit"]))
    return Beginning(state, program, desk.digests)


def desk_of(reported: Mapping[str, Any]) -> LoadedBots:
    """Return the bots and limits that `desk_as_json` wrote.

    Raises: StoreError when this version can no longer read one of the specs.
    """
    found = tuple(spec_texts(reported["specs"]))
    bots = {text.name: compile_text(text) for text in found}
    account = str(reported["account"])
    return LoadedBots(bots, found, account_of(account), (), account_text=account)


# --- Recordings beside a store that may be deleted


def trimmed(folder: Path, days: int) -> Sequence[RecordingFile]:
    """Return the files that are not of the last recorded days, nor needed to replay one of those."""
    known = listed(folder)
    kept = set(sorted({each.day for each in known})[-days:])
    needed = {file for each in known if each.day in kept for file in _needed(each.file)}
    return [each for each in known if each.file not in needed]


def _needed(file: Path) -> tuple[Path, ...]:
    """Return the files that a replay of one reads: those of its run before it too, where another version wrote it."""
    try:
        return started(open_recording(file), Board())[0].files
    except (StoreError, CodecError):
        return (file,)
