"""`rulebot new`: a spec to begin with, sound as it is."""

import json
import os
import re
import shlex
from codecs import BOM_UTF8
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path

import click

from rulebot.cli.exit_codes import PROBLEMS_FOUND
from rulebot.cli.options import SPECS
from rulebot.cli.output import print_text
from rulebot.model.collector import without_collection
from rulebot.model.errors import InvariantError, MisuseError, as_store_error
from rulebot.model.text import counted
from rulebot.spec.files import find_files, write_whole

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


@click.command("new", short_help="Begin a spec that is sound from its first line on.")
@click.argument("name")
@click.option("--like", type=SPECS, metavar="SPEC", help="Begin with a copy of this one: a file, or a shipped name.")
def new(name: str, like: str | None) -> None:
    """Write a spec called NAME into specs/, or here when there is no such folder; NAME may be a path, too.

    It is a small put spread with a comment on every part, or a copy of SPEC under the new name. Nothing that is there
    is overwritten. Exit code: 0 when it was written, 1 when SPEC has errors, 2 for a name that is taken or none, 3 when
    the file cannot be written.
    """
    file = _file(name)
    text = _text(file, like)
    _prove(file, text)
    with as_store_error(f"cannot write '{file}'"):
        write_whole(file, text.encode())
    print_text(f"wrote {file}{f', a copy of {like}' if like else ''}\n")
    print_text(f" say what it is for   the line 'about' in {file}")
    typed = shlex.quote(str(file))
    print_text(f" check it             rulebot validate {typed}")
    print_text(f" see it trade         rulebot run --paper --sim {typed}")
    if not text.startswith("# yaml-language-server:"):
        print_text(" let an editor help   rulebot schema --help")


def _file(name: str) -> Path:
    """Return where a new spec goes. Raises: MisuseError."""
    from rulebot.spec.files import SUFFIXES

    path = Path(name)
    if name.endswith(("/", os.sep)):
        raise MisuseError(f"'{name}' is a folder", f"name the spec, too, as in '{path / 'my_condor'}'")
    if path.suffix in SUFFIXES:
        path = path.with_suffix("")
    if not _NAME.fullmatch(path.name):
        likely = re.sub(r"[^a-z0-9_]+", "_", path.name.lower()).strip("_")[:40]
        help = f"write '{likely}'" if _NAME.fullmatch(likely) else "as in 'my_condor'"
        raise MisuseError(f"a name is at most 40 lower-case letters, digits and _, is '{path.name}'", help)
    folder = path.parent
    if name == path.name and Path("specs").is_dir():
        folder = Path("specs")
    if not folder.is_dir():
        raise MisuseError(f"there is no folder '{folder}'", "make it first")
    for suffix in SUFFIXES:
        if (folder / f"{path.name}{suffix}").exists():
            raise MisuseError(f"'{folder / path.name}{suffix}' is there already", "take another name")
    return folder / f"{path.name}.yaml"


def _text(file: Path, like: str | None) -> str:
    from rulebot.spec.edit import copied_spec_text, template_text
    from rulebot.spec.files import find_files
    from rulebot.spec.load import load_document

    if like is None:
        return template_text(file)
    found = find_files([like])
    if len(found) > 1:
        raise MisuseError(f"'{like}' names {len(found)} specs", "name one")
    _refuse_errors(found[0])
    loaded = load_document(found[0], digested=False)
    if loaded.spec is None:
        raise MisuseError(f"'{like}' is no bot: it is another kind of document", "copy it by hand")
    return copied_spec_text(loaded.source, file)


def _refuse_errors(like: Path) -> None:
    from rulebot.cli.validate import problems_of, show_problems

    problems = [problem for problem in problems_of(like) if problem.is_error]
    if problems:
        show_problems({str(like): problems}, "text", err=True)
        raise click.exceptions.Exit(PROBLEMS_FOUND)


def _prove(file: Path, text: str) -> None:
    """Prove that a new spec has no error. Raises: InvariantError."""
    from rulebot.compile.build import check
    from rulebot.spec.diagnostic import headline
    from rulebot.spec.extends import relative_to
    from rulebot.spec.load import load_text

    loaded = load_text(text, str(file), read=relative_to(file))
    for found in (*loaded.diagnostics, *check(loaded)):
        if found.is_error:
            raise InvariantError(f"the new spec would not be sound: {headline(found)}", "nothing was written")


# --- `rulebot fmt`: documents in the layout that all have, so that a diff shows what was meant

CHANGES_REQUIRED = 1


@click.command("fmt", short_help="Lay specs out alike; meaning and comments stay.")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=SPECS)
@click.option("--check", is_flag=True, help="Write nothing; end with 1 when a file would change.")
@click.option("--diff", is_flag=True, help="Write nothing; show what would change.")
def fmt(paths: tuple[str, ...], check: bool, diff: bool) -> None:
    """Put the documents in PATH (files, folders with all below them, patterns) into the usual layout.

    Keys come in the order of the language, short values on one line, legs in columns, times in quotes. Comments, blank
    lines, names and the order of lists stay. The meaning of a document never changes: its digest is the same. A file
    with errors is unchanged.

    Exit code: 0 when all is laid out, 1 when a file has errors or, with --check, would change; 2 when PATH names
    nothing, 3 when a file cannot be read or written.
    """
    counts = {"laid out": 0, "as it was": 0, "with errors": 0}
    with without_collection():
        for file in find_files(paths):
            counts[_one(file, writes=not (check or diff), shows=diff)] += 1
    print_text(_summary(counts, would=check or diff), err=diff)
    if counts["with errors"] or (check and counts["laid out"]):
        raise click.exceptions.Exit(CHANGES_REQUIRED)


def _one(file: Path, *, writes: bool, shows: bool) -> str:
    """Lay out one file, or show how, and return what became of it."""
    from rulebot.cli.validate import problems_of

    if errors := sum(problem.is_error for problem in problems_of(file)):
        said = counted(errors, "error")
        print_text(f"{file}: left as it is, with {said} ('rulebot validate {file}' shows them)", err=True)
        return "with errors"
    with as_store_error(f"cannot write '{file}'", "it is as it was"):
        before, after = _laid_out(file)
        if before == after:
            return "as it was"
        if writes:
            from rulebot.spec.files import write_whole

            write_whole(file, after)
    print_text("".join(_diff(file, before, after)) if shows else f"{file}: {'laid out' if writes else 'would change'}")
    return "laid out"


def _laid_out(file: Path) -> tuple[bytes, bytes]:
    """Return the content of a file without errors, and what it should be; with the line ends that it has."""
    from rulebot.spec.layout import formatted
    from rulebot.spec.source import kind_of_document, read_bytes
    from rulebot.spec.yaml import read_source

    content = read_bytes(file)
    source = read_source(content, str(file))
    kind, _ = kind_of_document(source)
    assert kind is not None
    text = formatted(source.text, str(file), kind)
    return content, text.replace("\n", "\r\n" if b"\r\n" in content else "\n").encode()


def _diff(file: Path, before: bytes, after: bytes) -> Iterator[str]:
    for line in unified_diff(_lines(before), _lines(after), f"{file}", f"{file}, laid out"):
        yield line if line.endswith("\n") else f"{line}\n"


def _lines(content: bytes) -> list[str]:
    """Return the lines as a diff shows them: line ends do not change, and a byte order mark, which goes, is seen."""
    mark = "<byte order mark>" if content.startswith(BOM_UTF8) else ""
    return (mark + content.decode("utf-8-sig")).replace("\r\n", "\n").splitlines(keepends=True)


def _summary(counts: dict[str, int], *, would: bool) -> str:
    """Return `8 files: 1 laid out, 6 as they were, 1 left with errors`."""
    total = sum(counts.values())
    words = {"laid out": "would change" if would else "laid out", "with errors": "left with errors"}
    words["as it was"] = "as it was" if counts["as it was"] == 1 else "as they were"
    parts = [f"{count} {words[what]}" for what, count in counts.items() if count]
    return f"{counted(total, 'file')}: {', '.join(parts)}"


# --- `rulebot schema`: the JSON Schema of a kind of document, for editors

KINDS = ("strategy", "account", "universe", "test")


@click.command("schema", short_help="Print the schema that editors complete from.")
@click.argument("kind", type=click.Choice(KINDS), default="strategy")
@click.option("--path", is_flag=True, help="Print the path of the schema instead.")
@click.option("--extending", is_flag=True, help="For a bot that extends another: it needs only its own keys.")
def schema(kind: str, path: bool, extending: bool) -> None:
    """Print the JSON Schema of bots (strategy, the default) or of the account document (account), of a universe
    in a file (universe), or of tests of a bot (test).

    Keep it beside your specs, and begin each of them with a line that names it; docs/editors.md has the rest:

    \b
        rulebot schema > schemas/strategy.schema.json
        # yaml-language-server: $schema=../schemas/strategy.schema.json
    """
    from rulebot.spec.files import shipped

    if extending:
        if path or kind != "strategy":
            raise click.UsageError("--extending is for the schema of bots, and that one is printed, not kept")
        from rulebot.spec.extends import partial_schema

        print_text(json.dumps(partial_schema(), indent=2, ensure_ascii=False))
        return
    file = shipped("schemas") / f"{kind}.schema.json"
    print_text(str(file) if path else file.read_text(encoding="utf-8"), nl=path)
