"""The files of a trial: they change while an engine runs, which is told to reload, or while none does.

They are those of the specs, those that these extend, and the account document. A starting engine reads them, and a
person restores what it refuses. A trial without such changes has no files.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from random import Random

from rulebot.core.program import CompiledBot
from rulebot.documents.load_bots import LoadedBots, SpecSources, limits_as_json, reread
from rulebot.live.reload import Reloader
from rulebot.model.errors import RulebotError
from rulebot.model.event import OperatorRequest, Request
from rulebot.model.session import EXCHANGE_ZONE
from rulebot.model.values import dataclass
from rulebot.operator_requests.requests import Asked
from rulebot.record.record import Json
from rulebot.spec.conditions import mapping, sequence
from rulebot.spec.layout import text_of
from rulebot.spec.load import load_text
from rulebot.spec.nouns import Path as SpecPath
from rulebot.spec.source import Plain, Source

# --- Files of specs that change while a trial lasts

EDITED, BROKEN, REMOVED = RELOADS = ("reload", "reload_broken", "reload_removed")
BREAKS: Mapping[str, Callable[[str], str]] = {
    "half": lambda text: f"{text[: len(text) // 2]}\n  - {{",
    "empty": lambda text: "",
    "unknown": lambda text: f"{text}\nexitss: 1\n",
}
"""Invalid contents of a file: half written, empty, or with an unknown key."""
DUPLICATE = "twin"
"""A second file has the same bot."""
GONE = "gone"
"""The file is not there."""
AWAY = (10, 60, 200)
"""Seconds after which such a file is as it was before, and one that was taken away is back."""
MINUTES = (-5, 2, 10, 30)
"""Minutes from the edit to a time of day that is written into it."""
SHIFTS = (-30, -10, 10, 30)
"""Minutes by which one is moved."""
FACTORS = (Decimal("0.5"), Decimal("0.8"), Decimal("1.25"), Decimal(2))
"""By what a number is multiplied."""
WHOLE = 100
"""Percent below which no target falls: a profit of a whole credit can rest nowhere."""

_TIME = re.compile(r'"(\d\d):(\d\d)"')
_OFFSET = re.compile(r"(open|close) ([+-]) (\d+)m")
_NUMBER = re.compile(r"(\$?)(\d+(?:\.\d+)?)(%|x?(?: [a-z]+)?)")
_PARAMETER = re.compile(r"\$([A-Za-z_]\w*)")
_LEFT_ALONE = frozenset(("order", "confirm", "name", "legs", "expr", "close", "unknown", "roll"))
"""Keys of an exit that say no threshold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reload:
    """One change of a file that a running engine must reload: of a bot's, or of another that it reads.

    bot: "" for the account document. path, text: of a value, and its replacement. limits: of the account document from
    then on, those that are drawn. breaks: another damage of the file, for `away` seconds.
    """

    kind: str
    bot: str
    at: datetime
    path: SpecPath = ()
    text: str = ""
    limits: tuple[tuple[str, Plain], ...] = ()
    breaks: str = ""
    away: int = 0

    def __str__(self) -> str:
        """Return the change in words."""
        edit = f"{'.'.join(map(str, self.path))}: {self.text}" if self.path else ""
        said = ", ".join(f"{name}: {value}" for name, value in self.limits)
        what = edit or said or f"{self.breaks} for {self.away} s"
        whose = f"{self.bot}, " if self.bot else ""
        return f"{self.kind}: at {self.at.astimezone(EXCHANGE_ZONE):%H:%M:%S}, {whose}{what}"


def drawn(chance: Random, kind: str, texts: Mapping[str, str], at: datetime) -> Reload | None:
    """Return a change at an instant; None for a spec without a value that can change."""
    bot = chance.choice(sorted(texts))
    if kind == BROKEN:
        return Reload(kind=kind, bot=bot, at=at, breaks=chance.choice((*BREAKS, DUPLICATE)), away=chance.choice(AWAY))
    if kind == REMOVED:
        return Reload(kind=kind, bot=bot, at=at, breaks=GONE, away=chance.choice(AWAY))
    if not (known := places(texts[bot])):
        return None
    path, written = chance.choice(known)
    return Reload(kind=kind, bot=bot, at=at, path=path, text=otherwise(chance, written, at))


@lru_cache(maxsize=256)
def places(text: str) -> Sequence[tuple[SpecPath, str]]:
    """Return what a spec says of when it may enter and when it leaves, as it is written, with the place of each."""
    source = load_text(text).source
    found = [(path, source.written(path)) for path in source.values if _is_reported(path)]
    named = {match[1] for _, written in found if (match := _PARAMETER.fullmatch(written))}
    found += [
        (path, source.written(path)) for path in source.values if path[:1] == ("parameters",) and path[-1] in named
    ]
    return tuple((path, written) for path, written in found if any(way.fullmatch(written) for way in _WAYS))


_WAYS = (_TIME, _OFFSET, _NUMBER)


def _is_reported(path: SpecPath) -> bool:
    is_of_entry = path[:1] == ("entry",) and len(path) > 1 and path[1] in ("window", "at")
    return is_of_entry or (path[:1] == ("exits",) and not _LEFT_ALONE.intersection(path))


def otherwise(chance: Random, written: str, at: datetime) -> str:
    """Return another time than is written, often one near that of the edit, or another number of the same unit."""
    if match := _TIME.fullmatch(written):
        now = at.astimezone(EXCHANGE_ZONE)
        said = now.replace(hour=int(match[1]), minute=int(match[2]))
        moved = f'"{said + timedelta(minutes=chance.choice(SHIFTS)):%H:%M}"'
        near = f'"{now + timedelta(minutes=chance.choice(MINUTES)):%H:%M}"'
        return moved if near == written or chance.random() < 0.5 else near
    if match := _OFFSET.fullmatch(written):
        return f"{match[1]} {match[2]} {int(match[3]) + chance.choice((1, 5, 20))}m"
    match = _NUMBER.fullmatch(written)
    assert match is not None
    number = Decimal(match[2])
    other = (number * chance.choice(FACTORS)).quantize(number)
    if other in (0, number) or (match[3] == "%" and number < WHOLE <= other):
        other = number - 1 if number > 1 else number + 1
    return f"{match[1]}{other}{match[3]}"


def edited(text: str, path: SpecPath, instead: str) -> str:
    """Return a text with another value at a path; one that has none there as it is."""
    source: Source = load_text(text).source
    span = source.values.get(path)
    if span is None:
        return text
    lines = list(source.lines)
    line = lines[span.line - 1]
    lines[span.line - 1] = f"{line[: span.col - 1]}{instead}{line[span.end_col - 1 :]}"
    return "\n".join(lines)


# --- Changing files beside the specs in a trial

LIMITS, LIMITS_BROKEN, LIMITS_GONE = OF_ACCOUNT = ("account_limits", "account_broken", "account_removed")
EXTENDED, EXTENDED_BROKEN = OF_EXTENDED = ("extended", "extended_broken")
DOCUMENTS = (*OF_ACCOUNT, *OF_EXTENDED)
WORST, LOSS, AT_LOSS = "worst_case", "daily_loss", "at_daily_loss"
DRAWN: Mapping[str, tuple[Plain, ...]] = {
    "max_open": (1, 1, 2, 3),
    "entries_per_day": (1, 2, 3, 5),
    "orders_per_minute": (1, 2, 4),
    "max_contracts_per_order": (1, 2, 4, 8),
    "max_notional_per_order": ("$60000", "$1000000", "$3000000"),
    LOSS: ("$5", "$100", "$1000"),
    AT_LOSS: ("all", "all", "none"),
    "daily_profit": ("$5", "$100", "$1000"),
    "price_band": (Decimal("0.02"), Decimal("0.25"), "1%", "25%"),
    WORST: ("$100", "$600", "$3000"),
}
"""Limits by name, with what each may be. The least keep most entries out, the largest few."""
FIRST = "rulebot_account: 1\nabout: Limits that a trial has drawn.\naccount: DU1234567\nrisk: {max_open: 3}\n"
"""The document where none was named."""

Limits = tuple[tuple[str, Plain], ...]


def limits_said(text: str) -> Limits:
    """Return which limits of those that are drawn a document has, and what they are."""
    risk = mapping(_tree(text)["risk"]) if text else {}
    plain = {name: value for name, value in risk.items() if name in DRAWN}
    if AT_LOSS in plain:
        plain[AT_LOSS] = mapping(plain[AT_LOSS])["close"]
    for each in filter(_is_worst, sequence(risk.get("require"))):
        plain[WORST] = mapping(mapping(each)[WORST])["at_most"]
    return tuple(plain.items())


def with_limits(text: str, limits: Limits) -> str:
    """Return a document that says these limits of those that are drawn, and all else as it did; "" is none yet."""
    tree = _tree(text or FIRST)
    before = mapping(tree["risk"])
    risk = {name: value for name, value in before.items() if name not in DRAWN and name != "require"}
    risk |= {name: {"close": value} if name == AT_LOSS else value for name, value in limits if name != WORST}
    require: list[Plain] = [each for each in sequence(before.get("require")) if not _is_worst(each)]
    require += [{WORST: {"at_most": value}} for name, value in limits if name == WORST]
    if require:
        risk["require"] = require
    return text_of({**tree, "risk": risk})


def drawn_limits(chance: Random, before: Limits) -> Limits:
    """Return other limits than these: some are tighter, wider, gone or new."""
    found = dict(before)
    for _ in range(chance.choice((1, 1, 2, 3))):
        name = chance.choice(tuple(DRAWN))
        found[name] = chance.choice((*DRAWN[name], None))
        if name == AT_LOSS and found.get(LOSS) is None:
            found[LOSS] = chance.choice(DRAWN[LOSS])
    if found.get(LOSS) is None:
        found.pop(AT_LOSS, None)
    kept = tuple((name, value) for name, value in found.items() if value is not None)
    return kept if kept not in ((), before) else (("max_open", 3 if before != (("max_open", 3),) else 2),)


def of_account(chance: Random, kinds: Sequence[str], text: str, instants: Sequence[datetime]) -> list[Reload]:
    """Return changes of the account document at these instants, in their order; what is not there yet appears first."""
    limits, is_there = limits_said(text), bool(text)
    found: list[Reload] = []
    for at in sorted(instants):
        kind = chance.choice(kinds)
        if kind == LIMITS or not (is_there or LIMITS not in kinds):
            limits, is_there = drawn_limits(chance, limits), True
            found.append(Reload(kind=LIMITS, bot="", at=at, limits=limits))
        else:
            breaks = GONE if kind == LIMITS_GONE else chance.choice(tuple(BREAKS))
            found.append(Reload(kind=kind, bot="", at=at, breaks=breaks, away=chance.choice(AWAY)))
    return found


def of_extended(
    chance: Random, kinds: Sequence[str], texts: Mapping[str, str], instants: Sequence[datetime]
) -> list[Reload]:
    """Return changes of what a bot's file extends; of a spec in which nothing could be said otherwise it is broken."""
    found: list[Reload] = []
    for at in sorted(instants):
        kind, bot = chance.choice(kinds), chance.choice(sorted(texts))
        known = places(texts[bot])
        if kind == EXTENDED and known:
            path, written = chance.choice(known)
            text = otherwise(chance, written, at)
            found.append(Reload(kind=kind, bot=bot, at=at, path=path, text=text))
        elif EXTENDED_BROKEN in kinds:
            breaks, away = chance.choice((*BREAKS, GONE)), chance.choice(AWAY)
            found.append(Reload(kind=EXTENDED_BROKEN, bot=bot, at=at, breaks=breaks, away=away))
    return found


def child_of(name: str, parent: str) -> str:
    """Return the file of a bot that takes all it is from the one whose file has this name."""
    return f"rulebot: 1\nname: {name}\nabout: What it extends says all of it.\nextends: {parent}\n"


def _tree(text: str) -> dict[str, Plain]:
    return mapping(load_text(text).source.tree)


def _is_worst(condition: Plain) -> bool:
    """Say whether a condition is the plain limit, in dollars or a part of the account; one with a name is not."""
    return set(mapping(condition)) == {WORST}


# --- The files of a trial

FOLDER, ACCOUNT = "specs", "account.yaml"
OWN, PARENT, DOCUMENT = "own", "parent", "account"
"""What is a bot's file, the one that it extends, and the account document."""
MOST_LETTERS = 40
"""Of a name that `extends` can take."""
_BASE, _TOO = "base_", "_too"
"""Prefix of the name of an extended file, and suffix of a bot's second file."""


@dataclass(frozen=True, slots=True)
class RecordedVersion:
    """One request to read the files again. digests: of what they say, by bot; None where they cannot be run.

    limits: of the account document, None where there is none.
    """

    id: str
    digests: tuple[tuple[str, str], ...] | None
    limits: Json = None


@dataclass(frozen=True, slots=True)
class ReadVersion:
    """What an engine read that started then: the limits of the account document, None where there was none."""

    at: datetime
    limits: Json


@dataclass(frozen=True, slots=True)
class _Step:
    """A change of a file, or its end."""

    at: datetime
    reload: Reload
    is_end: bool = False


class SpecVersions:
    """The files of one trial. `done` has the kinds of the changes made, `texts` all valid contents.

    is_named: the account document is named, as by `--account`; else it is beside the specs. reads: what starting
    engines read. wrong: invalid contents that they took, or would have taken.
    """

    def __init__(self, desk: LoadedBots, reloads: Sequence[Reload], folder: Path, *, is_named: bool = True) -> None:
        self._desk = desk
        self._folder = folder
        self._left = sorted(_steps(reloads), key=lambda step: step.at)
        self._texts = {text.name: text.text for text in desk.texts}
        self._account = desk.account_text
        self._good = dict(self._texts), self._account
        self._spoiled: dict[tuple[str, str], str] = {}
        self._children = {each.bot for each in reloads if each.kind in OF_EXTENDED}
        self._is_named = is_named and bool(desk.account_text)
        self._sources: SpecSources | None = None
        self.reported: list[RecordedVersion] = []
        self.reads: list[ReadVersion] = []
        self.wrong: list[str] = []
        self.done: list[str] = []
        self.texts: dict[str, CompiledBot] = {}
        if self._left and desk.sources is not None:
            account = Path(ACCOUNT) if self._is_named else None
            self._sources = SpecSources(self._paths(), desk.sources.overrides, account, folder.absolute())

    def _paths(self) -> tuple[str, ...]:
        """Return what a run is given: the folder, or its files, where those that others extend shall not trade."""
        if not self._children:
            return (FOLDER,)
        return tuple(f"{FOLDER}/{name}{more}.yaml" for name in self._texts for more in ("", _TOO))

    def calm(self) -> None:
        """Let nothing change any more."""
        self._left.clear()

    def desk(self, at: datetime) -> LoadedBots:
        """Return what an engine reads that starts now; of what it refuses a person puts back the last fine files."""
        if self._sources is None:
            return self._desk
        while self._left and self._left[0].at <= at:
            self._take(self._left.pop(0))
        self._write()
        if (found := self._read()) is None:
            self._texts, self._account = dict(self._good[0]), self._good[1]
            self._spoiled.clear()
            self._write()
            found = self._read()
        assert found is not None
        self.reads.append(ReadVersion(at, limits_as_json(found)))
        return found

    def attend(self, reloader: Reloader) -> None:
        """Let an engine find the requests of the trial among its own. Its account is made up."""
        if self._sources is not None:
            own, reloader.any_account = reloader.inbox, True
            reloader.inbox = lambda at: [*own(at), *self._asked(at)]

    def _asked(self, at: datetime) -> list[Asked]:
        """Return the request that is due, one at a time: who reads the files finds them as they are then."""
        if not self._left or self._left[0].at > at:
            return []
        self._take(self._left.pop(0))
        self._write()
        found = self._read()
        id, digests = (
            f"reload-{len(self.reported) + 1}",
            None if found is None else tuple(sorted(found.digests.items())),
        )
        reported = RecordedVersion(id, digests, None if found is None else limits_as_json(found))
        self.reported.append(reported)
        return [OperatorRequest(at, reported.id, Request.RELOAD)]

    def _take(self, step: _Step) -> None:
        change = step.reload
        file = DOCUMENT if change.kind in OF_ACCOUNT else PARENT if change.kind in OF_EXTENDED else OWN
        if step.is_end:
            self._spoiled.pop((file, change.bot), None)
            return
        self.done.append(change.kind)
        if change.breaks:
            self._spoiled[(file, change.bot)] = change.breaks
        elif change.kind == LIMITS:
            self._account = with_limits(self._account, change.limits)
        else:
            self._texts[change.bot] = edited(self._texts[change.bot], change.path, change.text)

    def _write(self) -> None:
        """Write the files as they are now."""
        place = self._folder / FOLDER
        place.mkdir(exist_ok=True)
        for file in place.iterdir():
            file.unlink()
        for name, text in self._texts.items():
            for each, content in self._files_of(name, text).items():
                (place / f"{each}.yaml").write_text(content, encoding="utf-8")
        (self._folder / ACCOUNT).unlink(missing_ok=True)
        breaks = self._spoiled.get((DOCUMENT, ""), "")
        if breaks in BREAKS or (self._account and not breaks):
            content = BREAKS[breaks](self._account) if breaks else self._account
            (self._folder / ACCOUNT).write_text(content, encoding="utf-8")

    def _files_of(self, name: str, text: str) -> dict[str, str]:
        """Return what the files of a bot say, by their names without suffix."""
        breaks = self._spoiled.get((OWN, name), "")
        if name not in self._children:
            return _written(name, text, breaks)
        base = f"{_BASE}{name}"[:MOST_LETTERS]
        above = _written(base, text, self._spoiled.get((PARENT, name), ""))
        return above | _written(name, child_of(name, base), breaks)

    def _read(self) -> LoadedBots | None:
        """Return what the files say, None where they cannot be run."""
        assert self._sources is not None
        with suppress(RulebotError):
            found = reread(self._sources)
            self.texts |= {bot.plan.digest: bot for bot in found.bots.values()}
            self.wrong += self._cannot_be_run()
            if not self._spoiled:
                self._good = dict(self._texts), self._account
            return found
        return None

    def _cannot_be_run(self) -> list[str]:
        """Return which files are spoiled so that none may run: only a bot's own may be missing."""
        found = []
        for (file, bot), breaks in self._spoiled.items():
            is_read = file != PARENT or self._spoiled.get((OWN, bot)) != GONE
            is_missed = file == PARENT or (file == DOCUMENT and self._is_named)
            if is_read and (breaks != GONE or is_missed):
                found.append(f"what was read had a file that cannot be run ({file} {bot}, {breaks})")
        return found


def _steps(reloads: Sequence[Reload]) -> list[_Step]:
    begins = [_Step(each.at, each) for each in reloads]
    return begins + [_Step(each.at + timedelta(seconds=each.away), each, is_end=True) for each in reloads if each.away]


def _written(name: str, text: str, breaks: str) -> dict[str, str]:
    """Return the contents of a bot's file, and one beside it, by name; nothing for a missing one."""
    if breaks == DUPLICATE:
        return {name: text, f"{name}{_TOO}": text}
    if breaks in BREAKS:
        return {name: BREAKS[breaks](text)}
    return {} if breaks else {name: text}
