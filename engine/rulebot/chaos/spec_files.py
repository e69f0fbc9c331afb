"""The files of a trial: they change while an engine runs, which is told so, or while none does.

They are those of the specs, those that these extend, and the account document. An engine that starts reads them, and a
person puts back what it refuses. A trial without such changes has no files.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from rulebot.chaos.documents import LIMITS, OF_ACCOUNT, OF_EXTENDED, child_of, with_limits
from rulebot.chaos.spec_edits import BREAKS, GONE, TWIN, Reload, edited
from rulebot.core.program import CompiledBot
from rulebot.documents.load_bots import LoadedBots, SpecSources
from rulebot.documents.reload_specs import reread, told_limits
from rulebot.live.reload import Reloader
from rulebot.model.errors import RulebotError
from rulebot.model.event import OperatorRequest, Request
from rulebot.model.values import dataclass
from rulebot.operator.request_inbox import Asked
from rulebot.record.record import Json

FOLDER, ACCOUNT = "specs", "account.yaml"
OWN, PARENT, DOCUMENT = "own", "parent", "account"
"""What is a bot's file, the one that it extends, and the account document."""
MOST_LETTERS = 40
"""Of a name that `extends` can take."""
_BASE, _TOO = "base_", "_too"
"""How the name of a file that another extends begins, and how that of a second one of a bot ends."""


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
    """The files of one trial. `done` has the kinds of the changes that were made, `texts` all that could be run.

    is_named: the account document is named, as by `--account`; else it lies beside the specs. reads: what engines read
    that started. wrong: what they took, or would have taken, that nobody can run.
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
        self.told: list[RecordedVersion] = []
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
        self.reads.append(ReadVersion(at, told_limits(found)))
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
        id, digests = f"reload-{len(self.told) + 1}", None if found is None else tuple(sorted(found.digests.items()))
        told = RecordedVersion(id, digests, None if found is None else told_limits(found))
        self.told.append(told)
        return [OperatorRequest(at, told.id, Request.RELOAD)]

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
        """Return which files are spoiled so that none of all may be run: a bot's own alone may be gone."""
        found = []
        for (file, bot), breaks in self._spoiled.items():
            is_read = file != PARENT or self._spoiled.get((OWN, bot)) != GONE
            is_missed = file == PARENT or (file == DOCUMENT and self._is_named)
            if is_read and (breaks != GONE or is_missed):
                found.append(f"what was read had a file that nobody can run ({file} {bot}, {breaks})")
        return found


def _steps(reloads: Sequence[Reload]) -> list[_Step]:
    begins = [_Step(each.at, each) for each in reloads]
    return begins + [_Step(each.at + timedelta(seconds=each.away), each, is_end=True) for each in reloads if each.away]


def _written(name: str, text: str, breaks: str) -> dict[str, str]:
    """Return what a bot's file says, and one beside it, by name; nothing of one that is gone."""
    if breaks == TWIN:
        return {name: text, f"{name}{_TOO}": text}
    if breaks in BREAKS:
        return {name: BREAKS[breaks](text)}
    return {} if breaks else {name: text}
