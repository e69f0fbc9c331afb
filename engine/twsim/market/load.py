"""Read a market file: a scenario in YAML, or minute bars in CSV. docs/market-scenarios.md describes both.

Every message names the file, the key and what to do about it.
"""

import csv
import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from importlib.resources import files
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from twsim.market.path import LEAST_VIX, MOST_VIX
from twsim.market.scenario import Distortion, Move, Outage, RecordedLevels, Scenario, ScenarioError, ScenarioSpan
from twsim.market.universe import ASSETS, UNDERLYINGS, highest_level
from twsim.nouns import unread
from twsim.sessions import EXCHANGE_ZONE, FULL_CLOSE, OPEN_TIME

_KINDS = ("calm", "trend", "volatile", "reversal")
_EVENTS = ("drift", "jump", "dislocation", "widen", "glitch", "halt", "stale", "missing")
_KEYS = ("market", "name", "about", "start", "day", "volatility", *_EVENTS)
_DURATION = re.compile(r"(\d+)\s*(s|m)")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")
_MOST_TIMES = 50.0
_COLUMNS = ("time", "open", "high", "low", "close")


def shipped_scenarios() -> tuple[str, ...]:
    """Return the names of the scenarios that come with the program."""
    folder = files("twsim").joinpath("scenarios")
    return tuple(sorted(each.name[:-5] for each in folder.iterdir() if each.name.endswith(".yaml")))


def load_market_file(name_or_path: str | Path) -> Scenario:
    """Return the scenario of a shipped name, a YAML file or a CSV file. Raises: ScenarioError."""
    name = str(name_or_path)
    if name in shipped_scenarios():
        text = files("twsim").joinpath("scenarios", f"{name}.yaml").read_text(encoding="utf-8")
        return read_scenario(text, f"{name}.yaml")
    path = Path(name_or_path)
    if not path.is_file():
        known = ", ".join(shipped_scenarios())
        raise ScenarioError(f"{name}: no such market file; give a .yaml or .csv file, or one of {known}")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        raise ScenarioError(f"{name}: cannot be read: {unread(problem)}") from problem
    if path.suffix.lower() == ".csv":
        return read_bars(text, path.name)
    if path.suffix.lower() in (".yaml", ".yml"):
        return read_scenario(text, path.name)
    raise ScenarioError(f"{name}: the ending is {path.suffix or 'missing'}; use .yaml for a scenario or .csv for bars")


class _Keys:
    """One mapping of the file: each key is taken once, and a remaining one is an error."""

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, Mapping):
            raise ScenarioError(f"{where}: is {value!r}; write a mapping, such as {{key: value}}")
        self._left: dict[str, Any] = {str(key): each for key, each in value.items()}
        self.where = where

    def at(self, key: str) -> str:
        return f"{self.where}: {key}" if self.where.endswith((".yaml", ".yml")) else f"{self.where}.{key}"

    def take(self, key: str) -> Any:
        return self._left.pop(key, None)

    def done(self, known: Iterable[str]) -> None:
        for key in self._left:
            raise ScenarioError(f"{self.at(key)}: is not known here; use {', '.join(known)}")

    def number(
        self, key: str, default: float | None = None, *, least: float | None = None, most: float | None = None
    ) -> float | None:
        value = self.take(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e9:
            raise ScenarioError(f"{self.at(key)}: is {value!r}; write a number")
        if least is not None and value < least:
            raise ScenarioError(f"{self.at(key)}: is {value}; write {least:g} or more")
        if most is not None and value > most:
            raise ScenarioError(f"{self.at(key)}: is {value}; write {most:g} or less")
        return float(value)

    def needed(self, key: str) -> float:
        value = self.number(key)
        if value is None:
            raise ScenarioError(f"{self.at(key)}: is missing; write a number")
        return value

    def text(self, key: str, default: str = "", *, choice: Iterable[str] = ()) -> str:
        value = self.take(key)
        if value is None:
            return default
        options = tuple(choice)
        if options and value not in options:
            raise ScenarioError(f"{self.at(key)}: is {value!r}; use one of {', '.join(options)}")
        return str(value)

    def symbol(self, *, optionable: bool = False, every: bool = False) -> str:
        known = tuple(ASSETS) if optionable else tuple(UNDERLYINGS)
        found = self.text("symbol", choice=(*known, "all") if every else known)
        if not found:
            raise ScenarioError(f"{self.at('symbol')}: is missing; use one of {', '.join(known)}")
        return "*" if found == "all" else found

    def clock(self, key: str) -> time:
        value = self.take(key)
        match = _CLOCK.fullmatch(str(value))
        if match is None:
            raise ScenarioError(f'{self.at(key)}: is {value!r}; write exchange time, such as "10:30" or "10:30:05"')
        try:
            found = time(int(match[1]), int(match[2]), int(match[3] or 0))
        except ValueError:
            raise ScenarioError(f"{self.at(key)}: is {value!r}; there is no such time of day") from None
        if not OPEN_TIME <= found <= FULL_CLOSE:
            raise ScenarioError(f"{self.at(key)}: is {value!r}; the session is 09:30 to 16:00")
        return found

    def duration(self, key: str, default: int) -> int:
        value = self.take(key)
        if value is None:
            return default
        match = _DURATION.fullmatch(str(value))
        if match is None:
            raise ScenarioError(f"{self.at(key)}: is {value!r}; write a duration, such as 30s or 2m")
        return int(match[1]) * (60 if match[2] == "m" else 1)

    def session(self) -> int:
        value = self.take("session")
        if value is None:
            return 1
        if value == "each":
            return 0
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ScenarioError(f"{self.at('session')}: is {value!r}; write 1 for the first session, 2, ..., or each")
        return value

    def span(self) -> ScenarioSpan:
        first, last = self.clock("from"), self.clock("until")
        if last <= first:
            raise ScenarioError(f"{self.at('until')}: is {last:%H:%M:%S}; write a time after `from`, {first:%H:%M:%S}")
        return ScenarioSpan(first, last, self.session())

    def moment(self, length_key: str, default: int) -> ScenarioSpan:
        first, length = self.clock("at"), self.duration(length_key, default)
        total = min(_second_of_day(first) + max(length, 1), _second_of_day(FULL_CLOSE))
        last = time(total // 3600, total // 60 % 60, total % 60)
        return ScenarioSpan(first, last, self.session())


def _second_of_day(at: time) -> int:
    return at.hour * 3600 + at.minute * 60 + at.second


def read_scenario(text: str, name: str) -> Scenario:
    """Return the scenario of a YAML text; `name` is for messages. Raises: ScenarioError."""
    try:
        loaded = YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError) as problem:
        first = str(problem).replace("\n", " ")
        raise ScenarioError(f"{name}: is not YAML: {first}") from problem
    except RecursionError as problem:
        raise ScenarioError(f"{name}: is nested too deep") from problem
    keys = _Keys(loaded, name)
    if keys.take("market") != 1:
        raise ScenarioError(f"{name}: market: is missing or unknown; begin the file with `market: 1`")
    start = _Keys(keys.take("start") or {}, f"{name}: start")
    volatility = _Keys(keys.take("volatility") or {}, f"{name}: volatility")
    spx = start.number("spx", least=100.0, most=highest_level("SPX"))
    gap = start.number("gap", least=-0.5 * (spx or 6000.0))
    scenario = Scenario(
        name=keys.text("name", name.rsplit(".", 1)[0]),
        about=keys.text("about"),
        previous_spx=spx,
        previous_vix=start.number("vix", least=LEAST_VIX, most=MOST_VIX),
        first_gap=gap,
        realised=volatility.number("realised", 1.0, least=0.0, most=_MOST_TIMES) or 0.0,
        implied=volatility.number("implied", 1.0, least=0.05, most=_MOST_TIMES) or 1.0,
        character=keys.text("day", choice=_KINDS),
        moves=(*_each(keys, "drift", _drift), *_each(keys, "jump", _jump)),
        distortions=(
            *_each(keys, "dislocation", _dislocation),
            *_each(keys, "widen", _widening),
            *_each(keys, "glitch", _glitch),
        ),
        halts=tuple(_each(keys, "halt", _outage)),
        stale=tuple(_each(keys, "stale", _outage)),
        missing=tuple(_each(keys, "missing", _outage)),
    )
    start.done(("spx", "vix", "gap"))
    volatility.done(("realised", "implied"))
    keys.done(_KEYS)
    return scenario


def _each(keys: _Keys, key: str, read: Any) -> list[Any]:
    value = keys.take(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise ScenarioError(f"{keys.at(key)}: is {value!r}; write a list, each line with a dash")
    return [read(_Keys(item, f"{keys.at(key)}[{number}]")) for number, item in enumerate(value, 1)]


def _drift(keys: _Keys) -> Move:
    symbol, span, speed = keys.symbol(), keys.span(), keys.needed("per_minute")
    keys.done(("symbol", "from", "until", "per_minute", "session"))
    first, last = span.first, span.last
    minutes = (last.hour - first.hour) * 60 + last.minute - first.minute + (last.second - first.second) / 60.0
    return Move(symbol, span, speed * minutes)


def _jump(keys: _Keys) -> Move:
    found = Move(keys.symbol(), keys.moment("over", 1), keys.needed("points"))
    keys.done(("symbol", "at", "over", "points", "session"))
    return found


def _right(keys: _Keys) -> str:
    return {"call": "C", "put": "P"}.get(keys.text("right", choice=("call", "put")), "")


def _otm(keys: _Keys) -> tuple[float, float] | None:
    value = keys.take("otm")
    if value is None:
        return None
    is_pair = isinstance(value, list) and len(value) == 2 and all(isinstance(each, int | float) for each in value)
    if not is_pair or not value[0] <= value[1]:
        raise ScenarioError(f"{keys.at('otm')}: is {value!r}; write points out of the money as [least, most]")
    return float(value[0]), float(value[1])


def _dislocation(keys: _Keys) -> Distortion:
    found = Distortion(
        keys.symbol(optionable=True), keys.span(), _right(keys), _otm(keys), richer=keys.needed("richer")
    )
    keys.done(("symbol", "from", "until", "right", "otm", "richer", "session"))
    return found


def _widening(keys: _Keys) -> Distortion:
    found = Distortion(keys.symbol(optionable=True), keys.span(), _right(keys), _otm(keys), widen=keys.needed("times"))
    keys.done(("symbol", "from", "until", "right", "otm", "times", "session"))
    if found.widen <= 0.0:
        raise ScenarioError(f"{keys.at('times')}: is {found.widen:g}; write a number above 0")
    return found


def _glitch(keys: _Keys) -> Distortion:
    found = Distortion(
        keys.symbol(optionable=True),
        keys.moment("for", 1),
        _right(keys),
        _otm(keys),
        bid=keys.number("bid", least=0.0),
        ask=keys.number("ask", least=0.01),
    )
    keys.done(("symbol", "at", "for", "right", "otm", "bid", "ask", "session"))
    if found.bid is None and found.ask is None:
        raise ScenarioError(f"{keys.where}: has neither bid nor ask; write the broken price")
    return found


def _outage(keys: _Keys) -> Outage:
    found = Outage(keys.symbol(every=True), keys.span())
    keys.done(("symbol", "from", "until", "session"))
    return found


MinuteBar = tuple[int, float, float, float, float]
"""Minute of the session, open, high, low, close."""


def read_bars(text: str, name: str) -> Scenario:
    """Return a scenario that follows minute bars: columns time, open, high, low, close and, if wanted, symbol.

    Raises: ScenarioError.
    """
    rows = csv.DictReader(text.splitlines())
    try:
        header, found = {(each or "").strip().lower(): each for each in rows.fieldnames or ()}, list(rows)
    except csv.Error as problem:
        raise ScenarioError(f"{name}: is no CSV: {problem}; look for a quote that nothing closes") from problem
    for column in _COLUMNS:
        if column not in header:
            raise ScenarioError(f"{name}:1: {column}: no such column; the first line names {', '.join(_COLUMNS)}")
    bars = _bars_by_symbol(found, header, name)
    if "SPX" not in bars:
        raise ScenarioError(f"{name}: no bars of SPX; every other underlying is derived from it, so add them")
    for symbol, each in bars.items():
        if [bar[0] for bar in each] != sorted({bar[0] for bar in each}):
            raise ScenarioError(f"{name}: time: the bars of {symbol} are not in order, one a minute; sort them")
    tapes = {
        symbol: RecordedLevels(*(tuple(column) for column in zip(*each, strict=True))) for symbol, each in bars.items()
    }
    return Scenario(name=name.rsplit(".", 1)[0], about=f"follows the bars of {name}", first_gap=0.0, tapes=tapes)


def _bars_by_symbol(found: Iterable[dict[str, str]], header: dict[str, str], name: str) -> dict[str, list[MinuteBar]]:
    """Return the bars of each symbol, in the order of the file. Raises: ScenarioError."""
    bars: dict[str, list[MinuteBar]] = {}
    days: set[date] = set()
    for line, row in enumerate(found, 2):
        cells = {column: (row[original] or "").strip() for column, original in header.items()}
        symbol = cells.get("symbol", "") or "SPX"
        if symbol not in UNDERLYINGS:
            raise ScenarioError(f"{name}:{line}: symbol: is {symbol!r}; use one of {', '.join(UNDERLYINGS)}")
        day, minute = _start_of_bar(cells["time"], f"{name}:{line}: time")
        days |= set() if day is None else {day}
        if len(days) > 1:
            reported = " and ".join(f"{each}" for each in sorted(days))
            raise ScenarioError(f"{name}:{line}: time: the bars have the dates {reported}; write those of one session")
        bars.setdefault(symbol, []).append((minute, *_prices(cells, symbol, f"{name}:{line}")))
    return bars


def _start_of_bar(stamp: str, where: str) -> tuple[date | None, int]:
    """Return the day, if given, and the minute of the session; a date and time with a zone is converted to ours."""
    try:
        at = datetime.fromisoformat(stamp) if len(stamp) > 8 else None
        clock = time.fromisoformat(stamp.rjust(5, "0")) if at is None else at.time()
    except ValueError:
        raise ScenarioError(f'{where}: is {stamp!r}; write exchange time, such as "09:31"') from None
    if at is not None and at.tzinfo is not None:
        at = at.astimezone(EXCHANGE_ZONE)
        clock = at.time()
    minute = clock.hour * 60 + clock.minute - (OPEN_TIME.hour * 60 + OPEN_TIME.minute)
    if clock.tzinfo is not None or not 0 <= minute < 390:
        raise ScenarioError(f"{where}: is {stamp!r}; bars start at 09:30 to 15:59 exchange time")
    return None if at is None else at.date(), minute


def _prices(cells: dict[str, str], symbol: str, where: str) -> tuple[float, float, float, float]:
    """Return open, high, low and close of a bar."""
    try:
        opened, high, low, close = (float(cells[each]) for each in _COLUMNS[1:])
    except ValueError:
        raise ScenarioError(f"{where}: a price is missing or is no number; write open, high, low, close") from None
    if not 0.0 < low <= min(opened, close) <= max(opened, close) <= high < float("inf"):
        raise ScenarioError(
            f"{where}: open {opened:g} and close {close:g} are not within low {low:g} and high {high:g}"
        )
    if high > (most := highest_level(symbol)):
        raise ScenarioError(f"{where}: high: is {high:g}; options of {symbol} have strikes for levels up to {most:g}")
    return opened, high, low, close
