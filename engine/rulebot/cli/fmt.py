"""`rulebot fmt`: documents in the layout that all have, so that a diff shows what was meant."""

from codecs import BOM_UTF8
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path

import click

from rulebot.cli.paths import SPECS
from rulebot.cli.say import print_text
from rulebot.model.collector import no_collection
from rulebot.model.counted import counted
from rulebot.model.errors import StoreError
from rulebot.spec.files import find_files

CHANGES_OWED = 1


@click.command("fmt", short_help="Lay specs out alike; meaning and comments stay.")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=SPECS)
@click.option("--check", is_flag=True, help="Write nothing; end with 1 when a file would change.")
@click.option("--diff", is_flag=True, help="Write nothing; show what would change.")
def fmt(paths: tuple[str, ...], check: bool, diff: bool) -> None:
    """Put the documents in PATH (files, folders with all below them, patterns) into the usual layout.

    Keys come in the order of the language, what fits on a line stands on one, legs stand in columns, times in quotes.
    Comments, blank lines, names and the order of lists stay. What a document says never changes: its digest is the
    same. A file with errors is left as it is.

    Exit code: 0 when all is laid out, 1 when a file has errors or, with --check, would change; 2 when PATH names
    nothing, 3 when a file cannot be read or written.
    """
    counts = {"laid out": 0, "as it was": 0, "with errors": 0}
    with no_collection():
        for file in find_files(paths):
            counts[_one(file, writes=not (check or diff), shows=diff)] += 1
    print_text(_summary(counts, would=check or diff), err=diff)
    if counts["with errors"] or (check and counts["laid out"]):
        raise click.exceptions.Exit(CHANGES_OWED)


def _one(file: Path, *, writes: bool, shows: bool) -> str:
    """Lay out one file, or show how, and return what became of it."""
    from rulebot.cli.validate import problems_of

    if errors := sum(problem.is_error for problem in problems_of(file)):
        said = counted(errors, "error")
        print_text(f"{file}: left as it is, with {said} ('rulebot validate {file}' shows them)", err=True)
        return "with errors"
    try:
        before, after = _laid_out(file)
        if before == after:
            return "as it was"
        if writes:
            from rulebot.spec.whole_file import write_whole

            write_whole(file, after)
    except OSError as error:
        raise StoreError(f"cannot write '{file}': {error.strerror or error}", "it is as it was") from error
    print_text("".join(_diff(file, before, after)) if shows else f"{file}: {'laid out' if writes else 'would change'}")
    return "laid out"


def _laid_out(file: Path) -> tuple[bytes, bytes]:
    """Return the content of a file without errors, and what it should be; with the line ends that it has."""
    from rulebot.spec.kind import kind_of_document
    from rulebot.spec.layout.format import formatted
    from rulebot.spec.text import read_bytes
    from rulebot.spec.walk import read_source

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
