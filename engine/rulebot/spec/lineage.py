"""`extends:`: from a document to the one it extends, and on, to one that extends nothing.

A parent is a bot's document beside the one that names it, by its name: no path can be written, and no link leads out of
the folder. A chain is short, and all its texts together are no longer than one document may be.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path as File
from pathlib import PurePath

from rulebot.spec.diagnostic import Diagnostic
from rulebot.spec.kind import Kind, kind_of_document
from rulebot.spec.source import Source
from rulebot.spec.suggest import did_you_mean
from rulebot.spec.text import MAX_BYTES, read_bytes
from rulebot.spec.walk import MAX_NODES, read_source

EXTENDS = "extends"
MAX_PARENTS = 8

Beside = Callable[[str], bytes]
"""The content of the file of that name beside a document. Raises: FileNotFoundError, OutsideError, other OSError."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


class OutsideError(Exception):
    """A file beside a document that is a link to somewhere else."""


def relative_to(file: File) -> Beside:
    """Return how to read what stands in the folder of `file`, and nowhere else."""
    folder = file.parent

    def read(name: str) -> bytes:
        found = folder / name
        if not found.is_file():
            raise FileNotFoundError(name)
        homes = (folder.resolve(), file.resolve().parent)
        if not any(found.resolve().is_relative_to(home) for home in homes):
            raise OutsideError(name)
        return read_bytes(found)

    return read


def parents_of(source: Source, read: Beside | None) -> tuple[tuple[Source, ...], tuple[Diagnostic, ...]]:
    """Return the documents above one, the nearest first; or why they cannot be had, at the place of the `extends`."""
    chain = [source]
    while isinstance(chain[-1].tree, dict) and EXTENDS in chain[-1].tree:
        problem = _refused(chain, read)
        if problem is not None:
            return (), (problem,)
        parent = _parent(chain[-1], read)
        if not isinstance(parent, Source):
            return (), (parent,)
        chain.append(parent)
        if unusable := tuple(_unusable(chain)):
            return (), unusable
    return tuple(chain[1:]), ()


def _refused(chain: list[Source], read: Beside | None) -> Diagnostic | None:
    """Return why the `extends` of the last of a chain is not followed."""
    last = chain[-1]
    assert isinstance(last.tree, dict)
    name = last.tree[EXTENDS]
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        is_what = f"names a bot, is '{last.written((EXTENDS,))}'" if name is not None else "has no value"
        help = "the name of the other bot alone, as in 'extends: put_lite'; its file stands beside this one"
        return last.diagnostic("RB124", (EXTENDS,), f"'extends' {is_what}", help, at_key=name is None)
    names = [PurePath(each.file).stem for each in chain]
    if name in names:
        circle = " extends ".join([*names[names.index(name) :], name])
        return _problem(last, f"this leads in a circle: {circle}", "one of them must stand on its own")
    if len(chain) > MAX_PARENTS:
        return _problem(last, f"more than {MAX_PARENTS} documents extend one another", "write some of them out")
    if read is None:
        return _problem(last, "a text without a file cannot extend another", "put it in a file beside the other")
    return None


def _parent(child: Source, read: Beside | None) -> Source | Diagnostic:
    assert isinstance(child.tree, dict)
    assert read is not None
    name = f"{child.tree[EXTENDS]}"
    file = PurePath(child.file)
    suffix = file.suffix if file.suffix in (".yaml", ".yml") else ".yaml"
    try:
        content = read(name + suffix)
    except FileNotFoundError:
        return _problem(child, f"there is no '{name}{suffix}' beside this file", _neighbour(child, name, suffix))
    except OutsideError:
        return _problem(child, f"'{name}{suffix}' is a link to outside its folder", "put the file itself there")
    return read_source(content, str(file.with_name(name + suffix)))


def _neighbour(child: Source, name: str, suffix: str) -> str:
    known = [file.stem for file in File(child.file).parent.glob(f"*{suffix}") if file.stem != File(child.file).stem]
    return did_you_mean(name, known) or "a bot extends one whose file stands in the same folder"


def _unusable(chain: list[Source]) -> Iterator[Diagnostic]:
    """Yield what keeps the last of a chain from being laid under the others."""
    child, parent = chain[-2:]
    kind, problems = (None, ()) if parent.is_cut_short else kind_of_document(parent)
    if kind is None:
        yield from (*parent.problems, *problems)
    elif kind is not Kind.STRATEGY:
        yield _problem(child, f"'{PurePath(parent.file).stem}' is no bot: it has no 'rulebot: 1'")
    elif sum(len(each.text.encode()) for each in chain) > MAX_BYTES:
        yield _problem(child, f"with it these documents are larger than {MAX_BYTES // 1024} KiB", code="RB109")
    elif sum(len(each.values) for each in chain) > MAX_NODES:
        yield _problem(child, f"with it these documents have more than {MAX_NODES} values", code="RB109")


def _problem(source: Source, message: str, help: str | None = None, code: str = "RB124") -> Diagnostic:
    return source.diagnostic(code, (EXTENDS,), message, help)
