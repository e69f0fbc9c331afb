"""The documents that two arguments name: files, folders, or what git keeps of them in a revision.

`main:specs/x.yaml` is a file of a revision, `main:specs` a folder of it, and `HEAD~3` alone the same paths in that
revision as the other argument names in the working tree."""

import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rulebot.model.errors import MisuseError, StoreError, as_store_error
from rulebot.model.values import dataclass
from rulebot.spec.extends import ReadSibling, relative_to
from rulebot.spec.files import SUFFIXES, NoSuchFiles, NotAFile, find_files
from rulebot.spec.source import read_bytes

_LAST = "HEAD"
"""What a file or folder alone is compared with."""
ATTRIBUTES = "specs/*.yaml diff=rulebot"
_KEY = "diff.rulebot.command"


@dataclass(frozen=True, slots=True)
class Text:
    """One document: its name in messages, its content, and how to read what it extends."""

    label: str
    content: bytes
    beside: ReadSibling | None = None


def texts_of(old: str, new: str) -> tuple[tuple[Text, ...], tuple[Text, ...]]:
    """Return the documents of both sides; a path that only the other revision has means no document.

    Raises: MisuseError for what is neither, StoreError when git fails.
    """
    if (known := _only_in(new, old)) is not None:
        return (), known
    if (known := _only_in(old, new)) is not None:
        return known, ()
    if _is_bare(old, new) and _is_bare(new, old):
        raise MisuseError(
            f"'{old}' and '{new}' are revisions, and no file is named", f"name them: '{old}:specs' '{new}:specs'"
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

    is_beside_git: the other side is a revision. Raises: MisuseError for a link of the working tree beside one: git
    stores only where it leads, so edits of its target would be invisible.
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
    """Say whether an argument is a revision without a path; an existing or shipped file is none.

    other: the other argument, whose clone may differ from this folder's.
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
    with as_store_error(f"cannot read '{file}'"):
        return Text(str(file), read_bytes(file), relative_to(file))


def _knows(revision: str, folder: Path = Path()) -> bool:
    if revision.startswith("-"):
        return False
    try:
        found = _git(["rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"], folder)
    except StoreError:
        return False
    return found.returncode == 0


def _beside(revision: str, path: str) -> tuple[Text, ...]:
    """Return a revision's versions of the paths in the working tree; a moved one where it was then."""
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
    """Yield a revision's versions of files that it keeps in another folder and that are gone here: a bot is its name.

    path: of the present files; what the revision has there is known already.
    """
    folder, inside = files[0].parent, path.resolve()
    reported = _git(["rev-parse", "--show-toplevel"], folder).stdout.decode("utf-8", "replace")
    top = Path(reported.strip()).resolve()
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


@dataclass(frozen=True, slots=True)
class Setup:
    """A clone's state. `folder` is its top; `command` the configured one, "" for none."""

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
    """Return the state of the clone around a folder. Raises: StoreError outside of one, or without git."""
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
    with as_store_error(f"cannot read '{file}'"):
        return file.read_text(encoding="utf-8").splitlines() if file.is_file() else []


def _write(file: Path, lines: Sequence[str]) -> None:
    """Write the lines; a file that would be empty goes."""
    with as_store_error(f"cannot write '{file}'"):
        if lines:
            file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        else:
            file.unlink()


def _run_git(folder: Path, *words: str) -> str:
    with as_store_error("git cannot be run", "install git first"):
        done = subprocess.run(["git", *words], cwd=folder, capture_output=True, check=False)
    if done.returncode:
        raise StoreError(f"git {words[0]}: {done.stderr.decode('utf-8', 'replace').strip()}", "go into a clone first")
    return done.stdout.decode("utf-8", "replace")
