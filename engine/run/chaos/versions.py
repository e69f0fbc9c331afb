"""The files of a trial's specs: they change while an engine runs, which is told so, or while none does.

An engine that starts reads them, and a person puts back what it refuses. A trial without such changes has no files.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from engine.model.errors import RulebotError
from engine.model.event import OperatorRequest, Request
from engine.model.values import dataclass
from engine.run.chaos.edits import BREAKS, EDITED, TWIN, Reload, edited
from engine.run.desk import Desk, Sources
from engine.run.inbox import Asked
from engine.run.reload import Reloader
from engine.run.reread import reread
from engine.turn.program import CompiledBot

FOLDER, ACCOUNT = "specs", "account.yaml"


@dataclass(frozen=True, slots=True)
class Told:
    """One request to read the files again. digests: of what they say, by bot; None where they cannot be run."""

    id: str
    digests: tuple[tuple[str, str], ...] | None


@dataclass(frozen=True, slots=True)
class _Step:
    """A change of a file, or its end."""

    at: datetime
    reload: Reload
    is_end: bool = False


class Versions:
    """The files of one trial. `done` has the kinds of the changes that were made, `texts` all that could be run."""

    def __init__(self, desk: Desk, reloads: Sequence[Reload], folder: Path) -> None:
        self._desk = desk
        self._folder = folder
        self._left = sorted(_steps(reloads), key=lambda step: step.at)
        self._texts = {text.name: text.text for text in desk.texts}
        self._good = dict(self._texts)
        self._spoiled: dict[str, str] = {}
        self._sources: Sources | None = None
        self.told: list[Told] = []
        self.done: list[str] = []
        self.texts: dict[str, CompiledBot] = {}
        if self._left and desk.sources is not None:
            account = Path(ACCOUNT) if desk.account_text else None
            self._sources = Sources((FOLDER,), desk.sources.overrides, account, folder.absolute())

    def calm(self) -> None:
        """Let nothing change any more."""
        self._left.clear()

    def desk(self, at: datetime) -> Desk:
        """Return what an engine reads that starts now; of what it refuses a person puts back the last fine files."""
        if self._sources is None:
            return self._desk
        while self._left and self._left[0].at <= at:
            self._take(self._left.pop(0))
        self._write()
        if (found := self._read()) is None:
            self._texts, self._spoiled = dict(self._good), {}
            self._write()
            found = self._read()
        assert found is not None
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
        told = Told(f"reload-{len(self.told) + 1}", None if found is None else tuple(sorted(found.digests.items())))
        self.told.append(told)
        return [OperatorRequest(at, told.id, Request.RELOAD)]

    def _take(self, step: _Step) -> None:
        change = step.reload
        if step.is_end:
            self._spoiled.pop(change.bot, None)
        else:
            self.done.append(change.kind)
            if change.kind == EDITED:
                self._texts[change.bot] = edited(self._texts[change.bot], change.path, change.text)
            else:
                self._spoiled[change.bot] = change.breaks

    def _write(self) -> None:
        """Write the files as they are now."""
        place = self._folder / FOLDER
        place.mkdir(exist_ok=True)
        for file in place.iterdir():
            file.unlink()
        for name, text in self._texts.items():
            for each, content in _written(name, text, self._spoiled.get(name, "")).items():
                (place / f"{each}.yaml").write_text(content, encoding="utf-8")
        if self._desk.account_text:
            (self._folder / ACCOUNT).write_text(self._desk.account_text, encoding="utf-8")

    def _read(self) -> Desk | None:
        """Return what the files say, None where they cannot be run."""
        assert self._sources is not None
        with suppress(RulebotError):
            found = reread(self._sources)
            self.texts |= {bot.plan.digest: bot for bot in found.bots.values()}
            if not self._spoiled:
                self._good = dict(self._texts)
            return found
        return None


def _steps(reloads: Sequence[Reload]) -> list[_Step]:
    begins = [_Step(each.at, each) for each in reloads]
    return begins + [_Step(each.at + timedelta(seconds=each.away), each, is_end=True) for each in reloads if each.away]


def _written(name: str, text: str, breaks: str) -> dict[str, str]:
    """Return what a bot's file says, and one beside it, by name; nothing of one that is gone."""
    if breaks == TWIN:
        return {name: text, f"{name}_too": text}
    if breaks in BREAKS:
        return {name: BREAKS[breaks](text)}
    return {} if breaks else {name: text}
