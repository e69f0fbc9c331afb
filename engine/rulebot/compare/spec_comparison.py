"""Two texts of a bot, named by files, folders or git revisions, and what each would have done on the same days.

Each simulated day is a run of its own in virtual time, on a store that is gone afterwards; the days are shared among as
many processes as there are cores. Past sessions are walked through one after the other, of many the first text here and
each other one in a process beside this.
"""

import os
import shlex
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from rulebot.adapters.history.session import Finding, SharedSource, Source, data_of
from rulebot.adapters.sources import open_source
from rulebot.backtest.fill_model import NATURAL
from rulebot.backtest.historical_feed import made_by
from rulebot.backtest.report_charts import gravest_first
from rulebot.backtest.simulation import CASH, BacktestSimulation
from rulebot.calendars.calendars import load_calendar
from rulebot.chaos.virtual_loop import run_virtually
from rulebot.compile.build import build_plan
from rulebot.core.program import compile_bot
from rulebot.core.state.state import State
from rulebot.documents.load_bots import LoadedBots, SpecText
from rulebot.live.environments import SimSettings, simulated
from rulebot.live.start import Run, RunOptions, execute
from rulebot.model.errors import MisuseError, StoreError, failing_disk
from rulebot.model.facts import EventCalendar
from rulebot.model.money import ZERO
from rulebot.model.position import Position
from rulebot.model.session import sessions
from rulebot.model.values import dataclass
from rulebot.narrate.day_report import day_outcome, made_today
from rulebot.narrate.positions import ending_text, entry_text, is_unclosed, left_text
from rulebot.process.processes import several
from rulebot.review.change.behaviour import STILL_OPEN, Trade, TriedDay
from rulebot.review.change.compare import read_document
from rulebot.spec.extends import Beside, relative_to
from rulebot.spec.files import SUFFIXES, NoSuchFiles, NotAFile, find_files
from rulebot.spec.load import governing_text, load_text
from rulebot.spec.source import read_bytes

# --- The documents that two arguments name

_LAST = "HEAD"
"""What a file or folder alone is compared with."""


@dataclass(frozen=True, slots=True)
class Text:
    """One document: what it is called where problems are told, its content, and how to read what it extends."""

    label: str
    content: bytes
    beside: Beside | None = None


def texts_of(old: str, new: str) -> tuple[tuple[Text, ...], tuple[Text, ...]]:
    """Return the documents of both sides; a path that only the revision beside it has stands for none.

    Raises: MisuseError for what is neither, StoreError when git fails.
    """
    if (known := _only_in(new, old)) is not None:
        return (), known
    if (known := _only_in(old, new)) is not None:
        return known, ()
    if _is_bare(old, new) and _is_bare(new, old):
        raise MisuseError(
            f"'{old}' and '{new}' are revisions: of which files?", f"name them: '{old}:specs' '{new}:specs'"
        )
    if _is_bare(old, new):
        return _beside(old, new), side_of(new, is_beside_git=True)
    if _is_bare(new, old):
        return side_of(old, is_beside_git=True), _beside(new, old)
    return side_of(old, is_beside_git=_is_in_git(new)), side_of(new, is_beside_git=_is_in_git(old))


def _only_in(revision: str, path: str) -> tuple[Text, ...] | None:
    """Return what a revision, alone or with a path, has of a path that is no longer there; None for anything else."""
    name, colon, _ = revision.partition(":")
    if ":" in path or Path(path).exists() or Path(revision).exists() or not _knows(name) or _knows(path):
        return None
    folder = next(each for each in Path(path).parents if each.is_dir())
    where = f"./{Path(path).relative_to(folder).as_posix()}"
    if _git(["cat-file", "-e", f"{name}:{where}"], folder).returncode:
        return None
    return side_of(revision) if colon else _in_revision(name, where, folder)


def side_of(what: str, *, is_beside_git: bool = False) -> tuple[Text, ...]:
    """Return the documents under a path, or under `revision:path`.

    is_beside_git: the other side is a revision. Raises: MisuseError for a link of the working tree beside one: git has
    no more of it than where it leads, so that no edit of what it says would be one of it.
    """
    if _is_in_git(what):
        revision, _, path = what.partition(":")
        return _in_revision(revision, path, Path())
    files = find_files([what])
    if is_beside_git and (link := next((file for file in files if file.is_symlink()), None)) is not None:
        raise MisuseError(
            f"'{link}' is a link: git keeps where it leads, and not what it says", "compare the file that it leads to"
        )
    return tuple(_read(file) for file in files)


def _is_in_git(what: str) -> bool:
    """Say whether an argument is a path of a revision."""
    revision, colon, _ = what.partition(":")
    return bool(colon and revision) and not Path(what).exists()


def kept_of(path: str) -> str:
    """Return the revision that a file or folder alone is compared with. Raises: MisuseError where git keeps none."""
    if not _knows(_LAST, _folder(path)):
        raise MisuseError(
            f"'{path}' alone is compared with what git keeps of it, and no commit is there", "name two: OLD and NEW"
        )
    return _LAST


def _folder(path: str) -> Path:
    """Return the folder in which git is asked about a path; this one for what is none."""
    found = Path(path)
    return found if found.is_dir() else found.parent if found.exists() else Path()


def _is_bare(what: str, other: str) -> bool:
    """Say whether an argument is a revision without a path; what exists as a file, or is shipped, is none.

    other: the argument beside it, whose clone may be another one than this folder's.
    """
    if ":" in what:
        return False
    try:
        find_files([what])
    except NotAFile:
        return False  # where the file is read, that is refused
    except NoSuchFiles as missing:
        if not _knows(what, _folder(other)):
            raise MisuseError(f"{missing.message}, and git knows no revision of that name here", missing.help) from None
        return True
    return False


def _read(file: Path) -> Text:
    with failing_disk(f"cannot read '{file}'"):
        return Text(str(file), read_bytes(file), relative_to(file))


# ---------------------------------------------------------------- git


def _knows(revision: str, folder: Path = Path()) -> bool:
    if revision.startswith("-"):
        return False
    try:
        found = _git(["rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"], folder)
    except StoreError:
        return False
    return found.returncode == 0


def _beside(revision: str, path: str) -> tuple[Text, ...]:
    """Return what a revision has of the paths that stand in the working tree, of one that moved where it was then."""
    if ":" in path and not Path(path).exists():
        raise MisuseError(
            f"'{revision}' alone means the paths of the other side, and '{path}' is in a revision too",
            f"name the path: '{revision}:{path.partition(':')[2]}'",
        )
    files = find_files([path])
    if Path(path).is_dir():
        found = _in_revision(revision, "./", Path(path), may_lack=True)
    else:
        found = tuple(
            text for file in files for text in _in_revision(revision, f"./{file.name}", file.parent, may_lack=True)
        )
    return (*found, *_moved(revision, files, Path(path)))


def _moved(revision: str, files: Sequence[Path], path: Path) -> Iterator[Text]:
    """Yield what a revision has of files that it keeps in another folder, of which they are gone: a bot is its name.

    path: what the files are of; all that the revision has there is known already.
    """
    folder, inside = files[0].parent, path.resolve()
    told = _git(["rev-parse", "--show-toplevel"], folder).stdout.decode("utf-8", "replace")
    top = Path(told.strip()).resolve()
    named = _git(["ls-tree", "-r", "-z", "--full-tree", "--name-only", revision], folder).stdout
    known = [Path(name) for name in named.decode("utf-8", "replace").split("\0") if name.endswith(SUFFIXES)]
    for file in files:
        full = file.resolve()
        if not full.is_relative_to(top) or full.relative_to(top) in known:
            continue
        away = (name for name in known if name.name == file.name and not (top / name).is_relative_to(inside))
        gone = [name for name in away if not (top / name).exists()]
        if len(gone) == 1:
            yield _text(f"{revision}:{gone[0].as_posix()}", folder)


def _in_revision(revision: str, path: str, folder: Path, *, may_lack: bool = False) -> tuple[Text, ...]:
    """Return the documents of a file or folder of a revision, seen from `folder`."""
    where = f"{revision}:{path}"
    if revision.startswith("-"):
        raise MisuseError(f"'{revision}' is no revision")
    kind = _git(["cat-file", "-t", where], folder)
    if kind.returncode:
        if may_lack and _knows_in(revision, folder):
            return ()
        raise MisuseError(f"git has no '{where}': {_complaint(kind)}", "a revision and a path, as in main:specs/x.yaml")
    if kind.stdout.strip() == b"blob":
        return (_text(where, folder),)
    listed = _git(["ls-tree", "-r", "-z", "--full-tree", "--name-only", where], folder).stdout.decode(
        "utf-8", "replace"
    )
    names = [name for name in listed.split("\0") if name.endswith(SUFFIXES) and "/." not in f"/{name}"]
    if not names and not may_lack:
        raise MisuseError(f"'{where}' holds no {' or '.join(SUFFIXES)} file")
    inside = where if where.endswith(("/", ":")) else f"{where}/"
    return tuple(_text(f"{inside}{name}", folder) for name in sorted(names))


def _text(where: str, folder: Path) -> Text:
    """Return a file of a revision; what it extends is read from the same folder of the same revision."""
    head, slash, _ = where.rpartition("/")
    inside = f"{head}/" if slash else f"{where.partition(':')[0]}:"

    def read(name: str) -> bytes:
        if _git(["cat-file", "-e", f"{inside}{name}"], folder).returncode:
            raise FileNotFoundError(name)
        return _shown(f"{inside}{name}", folder)

    return Text(where, _shown(where, folder), read)


def _knows_in(revision: str, folder: Path) -> bool:
    return not _git(["rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}"], folder).returncode


def _shown(where: str, folder: Path) -> bytes:
    shown = _git(["show", "--end-of-options", where], folder)
    if shown.returncode:
        raise StoreError(f"git cannot show '{where}': {_complaint(shown)}")
    return shown.stdout


def _complaint(done: subprocess.CompletedProcess[bytes]) -> str:
    lines = done.stderr.decode("utf-8", "replace").strip().split("\n")
    return lines[0].removeprefix("fatal: ") or f"it ended with {done.returncode}"


def _git(words: Sequence[str], folder: Path) -> subprocess.CompletedProcess[bytes]:
    """Run git in a folder. Raises: StoreError when there is none to run."""
    try:
        return subprocess.run(["git", *words], cwd=folder, capture_output=True, check=False)
    except FileNotFoundError as error:
        if not folder.is_dir():
            raise StoreError(f"there is no folder '{folder}'") from error
        raise StoreError("git is not installed, and a revision was named", "compare two files instead") from error
    except OSError as error:
        raise StoreError(f"git cannot be run: {error.strerror or error}") from error


# --- `git diff` that speaks of meaning

ATTRIBUTES = "specs/*.yaml diff=rulebot"
_KEY = "diff.rulebot.command"


@dataclass(frozen=True, slots=True)
class Setup:
    """What stands in a clone. `folder` is its top; `command` what its configuration runs, "" for nothing."""

    folder: Path
    command: str
    has_line: bool

    @property
    def attributes(self) -> Path:
        """The file that says which files are specs."""
        return self.folder / ".gitattributes"


def driver_command() -> str:
    """Return what git runs for each spec: this very program, not one that a folder might hide it with."""
    return f"{shlex.quote(Path(sys.executable).as_posix())} -P -m rulebot.cli.main diff --git-driver"


def setup_of(folder: Path) -> Setup:
    """Return what stands in the clone around a folder. Raises: StoreError outside of one, or without git."""
    top = Path(_run_git(folder, "rev-parse", "--show-toplevel").strip())
    command = _run_git(top, "config", "--local", "--default", "", "--get", _KEY).strip()
    return Setup(top, command, ATTRIBUTES in _lines(top / ".gitattributes"))


def install(found: Setup) -> None:
    """Write what is missing. Raises: StoreError."""
    _run_git(found.folder, "config", "--local", _KEY, driver_command())
    if not found.has_line:
        _write(found.attributes, [*_lines(found.attributes), ATTRIBUTES])


def uninstall(found: Setup) -> None:
    """Take away what `install` wrote, and nothing else. Raises: StoreError."""
    if found.command:
        _run_git(found.folder, "config", "--local", "--remove-section", _KEY.rpartition(".")[0])
    if found.has_line:
        _write(found.attributes, [line for line in _lines(found.attributes) if line != ATTRIBUTES])


def _lines(file: Path) -> list[str]:
    with failing_disk(f"cannot read '{file}'"):
        return file.read_text(encoding="utf-8").splitlines() if file.is_file() else []


def _write(file: Path, lines: Sequence[str]) -> None:
    """Write the lines; a file that would be empty goes."""
    with failing_disk(f"cannot write '{file}'"):
        if lines:
            file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        else:
            file.unlink()


def _run_git(folder: Path, *words: str) -> str:
    with failing_disk("git cannot be run", "install git first"):
        done = subprocess.run(["git", *words], cwd=folder, capture_output=True, check=False)
    if done.returncode:
        raise StoreError(f"git {words[0]}: {done.stderr.decode('utf-8', 'replace').strip()}", "go into a clone first")
    return done.stdout.decode("utf-8", "replace")


# --- Two texts of a bot on the same days

LINES = 90
MANY = 60
"""Sessions from which on another process is begun for each text."""
WITHOUT_DATA = "there is no data of it, and nothing was held"


@dataclass(frozen=True, slots=True)
class Task:
    """One text on one day."""

    text: Text
    seed: int


def simulate(texts: Sequence[Text], seeds: int) -> tuple[tuple[TriedDay, ...], ...]:
    """Return what each text did on the days of seeds 1 to `seeds`. Raises: RulebotError when a run fails."""
    tasks = [Task(text, seed) for text in map(whole, texts) for seed in range(1, seeds + 1)]
    processes = min(os.cpu_count() or 1, len(tasks))
    with several(processes, help=None) as pool:
        days = list(pool.map(live_through, tasks))
    return tuple(tuple(days[at : at + seeds]) for at in range(0, len(days), seeds))


@dataclass(frozen=True, slots=True)
class PastTask:
    """One text, with parameters that were set, on past sessions; `data` is what `--data` of a backtest names."""

    text: Text
    data: str
    days: tuple[date, ...]
    overrides: tuple[tuple[str, str], ...] = ()


class Side(NamedTuple):
    """The days of one text, without those that were refused, and what was wrong."""

    days: tuple[TriedDay, ...]
    flaws: tuple[Finding, ...]


class Relived(NamedTuple):
    """What each text did on the sessions that could be lived through, and in words what was wrong with the data."""

    sides: tuple[tuple[TriedDay, ...], ...]
    flaws: tuple[str, ...]


def relive(
    texts: Sequence[Text], data: str, days: Sequence[date], overrides: Sequence[Mapping[str, str]] = ()
) -> Relived:
    """Return what each text would have done on these sessions; `overrides` of each, none where that is empty.

    Raises: RulebotError, also when not one of them could be lived through.
    """
    return relive_each([texts], data, days, [overrides or [{}] * len(texts)])[0]


def relive_each(
    bots: Sequence[Sequence[Text]], data: str, days: Sequence[date], overrides: Sequence[Sequence[Mapping[str, str]]]
) -> list[Relived]:
    """Return the same of several bots, each with texts of its own, on sessions that are read once. Raises: likewise."""
    tasks = [
        [PastTask(whole(text), data, tuple(days), tuple(given.items())) for text, given in zip(*each, strict=True)]
        for each in zip(bots, overrides, strict=True)
    ]
    sides = iter(_relive([*chain.from_iterable(tasks)]))
    return [_relived([next(sides) for _ in each]) for each in tasks]


def _relived(sides: Sequence[Side]) -> Relived:
    flaws = flaws_of([side.flaws for side in sides])
    if not all(side.days for side in sides):
        raise StoreError("no session could be lived through", flaws[0] if flaws else None)
    return Relived(aligned([side.days for side in sides]), flaws)


def _relive(tasks: Sequence[PastTask]) -> list[Side]:
    """Walk each text through its sessions; to begin a process takes a second, in which many are lived through."""
    beside = min(os.cpu_count() or 1, len(tasks)) - 1
    if not beside or len(tasks[0].days) < MANY:
        return relived_together(tasks)
    with several(beside, help=None) as pool:
        others = [pool.submit(relived, task) for task in tasks[1:]]
        return [relived(tasks[0]), *(each.result() for each in others)]


def flaws_of(sides: Iterable[Iterable[Finding]]) -> tuple[str, ...]:
    """Return what was wrong in words, what refused a day first; what comes again day by day is told once.

    What several texts met in the same data counts as often as the one of them that met it most.
    """
    met: Counter[Finding] = Counter()
    for side in sides:
        met |= Counter(side)
    return tuple(alike.line for alike in gravest_first(map(data_of, met.elements())))


def relived(task: PastTask) -> Side:
    """Walk one text through past sessions."""
    return relived_together([task])[0]


def relived_together(tasks: Sequence[PastTask]) -> list[Side]:
    """Walk texts through the same past sessions, each of which is read once."""
    source, days = SharedSource(open_source(tasks[0].data)), tasks[0].days
    calendar = load_calendar()
    walkers = [_Walker(task, source, calendar) for task in tasks]
    for session in sessions(days[0], days[-1]):
        for walker in walkers:
            walker.lives_through(session.date)
    return [Side(tuple(walker.days), tuple(walker.flaws)) for walker in walkers]


class _Walker:
    """One text on its way through past sessions: its days so far, and what was wrong."""

    def __init__(self, task: PastTask, source: Source, calendar: EventCalendar) -> None:
        desk = desk_of(task.text, dict(task.overrides))
        (self._bot,) = desk.bots
        self._walk = BacktestSimulation(desk.program("past", {}, LINES), source, calendar, NATURAL, CASH)
        self.days: list[TriedDay] = []
        self.flaws: list[Finding] = []
        self._before: dict[str, Decimal] = {}
        """What each position had made by the end of the last session."""

    def lives_through(self, day: date) -> None:
        """Go on with a session, if there is something of it, or something is held."""
        walk = self._walk
        for done in walk.through(day, day):
            self.flaws += done.findings
            if done.records and walk.state is not None:
                made = _made(walk, self._before)
                today = {position: now - self._before.get(position, ZERO) for position, now in made.items()}
                self.days.append(tried_day(walk.state, self._bot, 0, day, today))
                self._before = made


def _made(walk: BacktestSimulation, before: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Return what each position has made since it began, as the account counts it at the end of a session."""
    assert walk.state is not None
    found = {name: made_by(position, walk.marks) for name, position in walk.state.positions.by_id.items()}
    return {name: before.get(name, ZERO) if made is None else made for name, made in found.items()}


def aligned(sides: Sequence[Sequence[TriedDay]]) -> tuple[tuple[TriedDay, ...], ...]:
    """Return the sides with the same days: without data a session is lived through by whoever holds something alone."""
    found = [{day.day: day for day in side} for side in sides]
    dates = sorted({day for side in found for day in side if day is not None})
    return tuple(tuple(side.get(day, TriedDay(0, (), WITHOUT_DATA, day)) for day in dates) for side in found)


def whole(text: Text) -> Text:
    """Return a sound text that extends nothing, and so says the same in another process."""
    source = read_document(text.content, text.label, text.beside).source
    return Text(text.label, governing_text(source).encode())


def live_through(task: Task) -> TriedDay:
    """Run one text through one day."""
    desk = desk_of(task.text)
    (name,) = desk.bots
    with tempfile.TemporaryDirectory(prefix="rulebot-diff-", ignore_cleanup_errors=True) as folder:
        options = RunOptions(store=Path(folder) / "day.db", logs=None, sessions=1, install=f"s{task.seed}")
        world = simulated(SimSettings(seed=task.seed), 1)
        run: Run = run_virtually(lambda loop: execute(desk, options, world, lambda run: None, lambda run, at: None))
    return tried_day(run.loop.state, name, task.seed)


def desk_of(text: Text, overrides: Mapping[str, str] | None = None) -> LoadedBots:
    """Return the one bot of a sound text as a desk; limits over all bots are not part of what is compared."""
    loaded = (
        load_text(text.content.decode(), f"{text.label} ", dict(overrides))  # its file may be called anything
        if overrides
        else read_document(text.content, text.label)
    )
    spec = loaded.spec
    assert spec is not None
    plan, _ = build_plan(spec, loaded.source)
    assert plan is not None
    return LoadedBots(
        {plan.name: compile_bot(plan)},
        (SpecText(plan.name, plan.digest, text.label, loaded.source.text, {}),),
        None,
        (),
    )


def tried_day(
    state: State, bot: str, seed: int, day: date | None = None, today: Mapping[str, Decimal] | None = None
) -> TriedDay:
    """Return what a bot did on a day. today: what each position has made in it, None: as the engine saw it last."""
    own = [each for each in state.positions.by_id.values() if each.bot == bot and each.opened_at is not None]
    made = {each.id: made_today(state, each, None) or ZERO if today is None else today[each.id] for each in own}
    trades = tuple(_trade(state, each, made[each.id]) for each in own)
    if trades:
        return TriedDay(seed, trades, day=day)
    (outcome,) = day_outcome(state, None).bots
    return TriedDay(seed, (), "; ".join(part for line in outcome.lines for part in line.parts), day)


def _trade(state: State, position: Position, made: Decimal) -> Trade:
    is_over, is_carried = position.state == "closed", position.session < state.schedule.session.date
    since = f"held since {position.session}, " if is_carried else ""
    return Trade(
        f"{since}{entry_text(position)}" + (f", {ending_text(state, position)}" if is_over else ""),
        position.exit_reason if is_over else "",
        made,
        is_carried,
        left_text(position) if is_unclosed(state, position) else STILL_OPEN,
    )
