"""`rulebot explain`: specs, the account document and words of the language, in plain English."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rulebot.cli.exit_codes import PROBLEMS_FOUND
from rulebot.cli.outputs import PAGE, check_output
from rulebot.cli.say import print_text

if TYPE_CHECKING:
    from rulebot.review.explanation import Explanation
    from rulebot.spec.load import Loaded

DIAGRAMS = ("text", "mermaid", "svg")


@click.command("explain", short_help="Say in words what a spec does, or what a word means.")
@click.argument("what", nargs=-1, required=True, metavar="WHAT...")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Override a parameter of the specs.")
@click.option(
    "--resolved", is_flag=True, help="Print the whole spec as YAML, with what it takes from other files in place."
)
@click.option("--diagram", type=click.Choice(DIAGRAMS), help="Draw the states of a position instead.")
@click.option("--html", "page", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write a page.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="For eyes or machines.")
def explain(
    what: tuple[str, ...],
    settings: tuple[str, ...],
    resolved: bool,
    diagram: str | None,
    page: Path | None,
    form: str,
) -> None:
    """Say what each WHAT is: a spec, an account document or a universe (a file, folder, pattern, or the name of a
    shipped spec), or a word of the language (a measure, a key, a word that a key takes), or a code (RB204).

    Of a spec: when it enters, which legs, how it orders, when it leaves, what it risks, with prices and dollars on one
    example. Neither broker nor store is asked.

    Exit code: 0, 1 when a spec has errors, 2 for what is neither a file nor a word, 3 when a file cannot be read or
    written.
    """
    if diagram is not None and (form != "text" or page is not None):
        raise click.UsageError("--diagram draws for eyes: leave --format and --html away")
    if resolved and (diagram is not None or form != "text" or page is not None or settings):
        raise click.UsageError("--resolved prints specs as they are written: leave the other options away")
    if resolved:
        _print_resolved(what)
        return
    check_output("--html", page, PAGE)
    found = _explained(what, settings)
    if diagram is not None:
        _draw(found, diagram)
    elif page is not None:
        _write(found, page)
    else:
        _show(found, form)


def _explained(what: tuple[str, ...], settings: tuple[str, ...]) -> "list[Explanation]":
    """Return what is said of each argument; when documents have errors, those of all are shown and nothing else."""
    from rulebot.cli.validate import load_all, parse_settings, problems_of_loaded, show_problems

    targets = list(_targets(what))
    files = [target for target in targets if isinstance(target, Path)]
    loaded = dict(zip(files, load_all(files, parse_settings(settings), digested=True), strict=True))
    found, faulty = [], {}
    for target in targets:
        explained = _document(target, loaded[target]) if isinstance(target, Path) else target
        if explained is not None:
            found.append(explained)
        elif isinstance(target, Path):
            faulty[str(target)] = problems_of_loaded(loaded[target])
    if faulty:
        show_problems(faulty, "text", err=True)
        raise click.exceptions.Exit(PROBLEMS_FOUND)
    return found


def _print_resolved(what: tuple[str, ...]) -> None:
    """Print each spec as one text that extends nothing, several as the documents of a stream of YAML.

    Raises: StoreError when a file cannot be read.
    """
    from rulebot.spec.resolved import resolved_text

    faulty, texts = {}, []
    for target in _targets(what):
        if not isinstance(target, Path):
            raise click.UsageError(f"'{target.name}' is no spec: only a spec can be resolved")
        loaded = _loaded(target)
        if loaded.spec is None:
            faulty[str(target)] = loaded.diagnostics
            continue
        texts.append(resolved_text(loaded.source))
    print_text("---\n".join(texts), nl=False)
    if faulty:
        from rulebot.cli.validate import show_problems

        show_problems(faulty, "text", err=True)
        raise click.exceptions.Exit(PROBLEMS_FOUND)


def _targets(what: tuple[str, ...]) -> "Iterator[Explanation | Path]":
    """Yield the page of every word and the files of everything else; a file that is called like a word is a file."""
    from rulebot.review.code_pages import page_of
    from rulebot.review.word_page import word_page
    from rulebot.spec.files import NoSuchFiles, find_files

    for each in what:
        page = None if Path(each).is_file() else page_of(each) or word_page(each)
        if page is not None:
            yield page
            continue
        try:
            yield from find_files([each])
        except NoSuchFiles as error:
            is_there = Path(each).exists() or Path(each).is_symlink()
            raise (error if is_there else _neither(each)) from None


def _neither(word: str) -> click.UsageError:
    from rulebot.review.word_page import did_you_mean
    from rulebot.spec.files import names_near

    written = Path(f"{word}.yaml")
    hint = did_you_mean(word, names_near(word)) or "it takes files, shipped specs, measures and keys"
    if written.is_file():
        hint = f"did you mean '{written}'?"
    return click.UsageError(f"'{word}' is neither a file nor a word of the language; {hint}")


def _document(file: Path, loaded: "Loaded") -> "Explanation | None":
    """Return what one document comes to, None when it has errors."""
    from rulebot.compile.build import build_plan
    from rulebot.review.account import explain_account
    from rulebot.review.explain import explain_bot
    from rulebot.review.members import explain_universe

    if loaded.tests is not None:
        raise click.UsageError(f"{file} holds tests of {loaded.tests.spec}: 'rulebot test' runs them")
    if loaded.account is not None:
        return explain_account(loaded.account)
    if loaded.universe is not None:
        return explain_universe(file.stem, loaded.universe)
    plan = None if loaded.spec is None else build_plan(loaded.spec, with_warnings=False)[0]
    return None if loaded.spec is None or plan is None else explain_bot(loaded.spec, plan)


def _loaded(file: Path) -> "Loaded":
    from rulebot.model.errors import StoreError
    from rulebot.spec.load import load_document

    try:
        return load_document(file)
    except OSError as error:
        raise StoreError(f"cannot read '{error.filename or file}': {error.strerror or error}") from error


# ---------------------------------------------------------------- what is shown


def _show(found: "list[Explanation]", form: str) -> None:
    from rulebot.cli.width import prose_width
    from rulebot.review.document import document_of
    from rulebot.review.text import WIDTH, text_of

    if form == "json":
        print_text(json.dumps({"explained": [document_of(each) for each in found]}, indent=2, allow_nan=False))
        return
    width = prose_width(WIDTH)
    print_text("\n\n".join(text_of(each, width) for each in found))


def _draw(found: "list[Explanation]", diagram: str) -> None:
    """Print the states of each bot; what has none is misuse."""
    from rulebot.review.diagram import mermaid, text_diagram
    from rulebot.review.state_svg import state_svg

    for each in found:
        if each.lifecycle is None:
            raise click.UsageError(f"'{each.name}' has no states: --diagram draws those of a bot")
        if diagram == "text":
            print_text(text_diagram(each.name, each.lifecycle, each.labels))
        else:
            print_text((mermaid if diagram == "mermaid" else state_svg)(each.lifecycle, each.labels))


def _write(found: "list[Explanation]", page: Path) -> None:
    from rulebot.model.errors import StoreError
    from rulebot.review.page import page_of
    from rulebot.spec.whole_file import write_whole

    try:
        write_whole(page, page_of(found).encode())
    except OSError as error:
        raise StoreError(f"cannot write '{page}': {error.strerror or error}") from error
    print_text(f"{page} written: {', '.join(each.name for each in found)}")
