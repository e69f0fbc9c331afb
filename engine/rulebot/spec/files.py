"""The documents that paths of a command line name: files, folders with all below them, patterns."""

import os
import re
from collections.abc import Iterable, Iterator
from glob import glob, has_magic
from pathlib import Path as File
from shutil import copymode

import rulebot
from rulebot.model.errors import RulebotError, StoreError
from rulebot.spec.diagnostic import did_you_mean
from rulebot.spec.source import other_kind

# --- Atomic writes


def write_whole(file: File, content: bytes) -> None:
    """Write or replace a file; keep its rights, and a link stays a link. Raises: OSError.

    Then, and when it is interrupted, nothing has changed. What is no file of a disk (/dev/stdout) is written straight.
    """
    if file.exists() and not file.is_file():  # a pipe has no name that could be resolved
        file.write_bytes(content)
        return
    goal = file.resolve()
    partial = goal.with_name(f".{goal.name}.{os.getpid()}")
    try:
        with partial.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        if goal.exists():
            copymode(goal, partial)
        partial.replace(goal)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


# --- The files that come with the engine


def shipped(folder: str) -> File:
    """Return the folder `schemas` or `specs`: inside the package of a wheel, else of the checkout."""
    package = File(rulebot.__file__).resolve().parent
    inside = package / folder
    return inside if inside.is_dir() else package.parents[1] / folder


def is_packaged(folder: File) -> bool:
    """Return whether a folder is inside the package of a wheel, which is not for user files."""
    return folder.resolve().is_relative_to(File(rulebot.__file__).resolve().parent)


# --- The documents that paths of a command line name

SUFFIXES = (".yaml", ".yml")
TEST_SUFFIXES = (".test.yaml", ".test.yml")
_PLAIN = re.compile(r"[a-z][a-z0-9_]*")


class NoSuchFiles(RulebotError):
    """A path that names no document: misuse."""

    exit_code = 2


class NotAFile(NoSuchFiles):
    """A path of a pipe, a device, or a link that leads out of its folder."""


def find_files(paths: Iterable[str | File], *, tests: bool = False) -> list[File]:
    """Return the documents under `paths`, each once: a file as it is, a folder's by name, a pattern expanded.

    Pipes, devices and links that lead out of their folder are refused. Patterns are expanded here too because not every
    shell does it. The bare name of a shipped spec names it where no
    such file is: a wheel installed elsewhere has no `specs/` folder. Of folders and patterns test documents
    (`*.test.yaml`) are left out unless `tests`. Raises: NoSuchFiles; StoreError for a folder that cannot be read.
    """
    found: dict[File, File] = {}
    for path in paths:
        try:
            for file in _under(str(path), tests):
                found.setdefault(file.absolute(), file)
        except OSError as error:
            raise StoreError(f"{error.filename or path} cannot be read: {error.strerror}") from error
    return list(found.values())


def account_files_near(specs: Iterable[str | File], name: str, *, or_among: bool = False) -> File:
    """Return the file of this name in or above the folders of these specs; if there is none, where it would be.

    Seen from any folder it is the same one. or_among: one in these folders counts as well.
    Raises: NoSuchFiles when there are two.
    """
    homes = _homes(specs)
    folders = (*(home.parent for home in homes), *(homes if or_among else ()))
    places = list(dict.fromkeys(folder / name for folder in folders))
    there = [place for place in places if place.is_file()] or places[:1]
    if len(there) > 1:
        raise NoSuchFiles(
            f"{there[0]} and {there[1]} both apply to these specs", "name the one that counts, or run them separately"
        )
    return _shown(there[0])


def _homes(specs: Iterable[str | File]) -> list[File]:
    """Return the folders of specs; those of the installed package count as if they were in `specs` here."""
    found = dict.fromkeys(File(os.path.abspath(each)).parent for each in specs)
    return list(dict.fromkeys(File.cwd() / "specs" if is_packaged(home) else home for home in found))


def _shown(file: File) -> File:
    """Return a path as it is seen from here, where that is shorter."""
    here = File.cwd()
    return file.relative_to(here) if file.is_relative_to(here) else file


def _under_folder(path: str, tests: bool) -> list[File]:
    all_below = sorted(_in_folder(File(path)))
    below = [each for each in all_below if tests or not is_test(each)]
    if not below and all_below:
        raise NoSuchFiles(f"the folder '{path}' holds nothing but tests of bots", "'rulebot test' runs them")
    if not below:
        raise NoSuchFiles(f"the folder '{path}' holds no {' or '.join(SUFFIXES)} file")
    return _checked(below, File(path))


def _under(path: str, tests: bool) -> list[File]:
    file = File(path)
    if not path:
        raise NoSuchFiles("an empty path names no file", "is a variable of the shell empty? '.' is this folder")
    if file.is_dir():
        return _under_folder(path, tests)
    if file.exists():
        return _checked([file], file.parent)
    if has_magic(path) and (matches := [each for each in _matches(path) if tests or not is_test(File(each))]):
        return [found for match in matches for found in _under(match, tests)]
    if (came_along := shipped("specs") / f"{path}.yaml").is_file() and _PLAIN.fullmatch(path):
        return [came_along]
    if file.is_symlink():
        raise NoSuchFiles(f"'{path}' is a link to what is not there", f"it leads to '{os.readlink(path)}'")
    raise NoSuchFiles(f"there is no '{path}'", _instead_of(path))


def _instead_of(path: str) -> str:
    """Return which file may have been meant, or all that are shipped."""
    return did_you_mean(path, names_near(path)) or f"shipped with rulebot: {', '.join(shipped_names())}"


def names_near(path: str) -> list[str]:
    """Return similar names for a path that does not exist: from its folder and the shipped specs."""
    siblings = (str(each) for each in File(path).parent.glob("*") if each.suffix in SUFFIXES)
    return [*shipped_names(), *siblings]


def _matches(pattern: str) -> list[str]:
    """Return what a pattern matches. Unlike `glob`, raise for a folder that cannot be read."""
    folder = File(pattern).parent
    above = next(each for each in (folder, *folder.parents) if not has_magic(str(each)))
    for _ in os.walk(above, onerror=_unless_gone):
        if above == folder:
            break
    return sorted(glob(pattern, recursive=True))


def _checked(found: list[File], folder: File) -> list[File]:
    """Return files of a folder, or that are named. Raises: NoSuchFiles for a non-file or a link out of the folder."""
    home = folder.resolve()
    for each in found:
        if each.exists() and (what := other_kind(each.stat().st_mode)):
            raise NotAFile(f"'{each}' is a {what}, not a file", "write the document to a file, and name that")
        if each.is_symlink() and not (target := each.resolve()).is_relative_to(home):
            raise NotAFile(f"'{each}' is a link to outside its folder", f"name the file itself: '{target}'")
    return found


def _unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error


def is_test(file: File) -> bool:
    """Return whether a file is a test document, by its name."""
    return file.name.endswith(TEST_SUFFIXES)


def shipped_names() -> list[str]:
    """Return the names of the specs that come with the program."""
    return sorted(file.stem for file in shipped("specs").glob("*.yaml") if file.name != "account.yaml")


def _in_folder(folder: File) -> Iterator[File]:
    for place, folders, names in os.walk(folder, onerror=_unless_gone):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (File(place, name) for name in names if name.endswith(SUFFIXES) and not name.startswith("."))
