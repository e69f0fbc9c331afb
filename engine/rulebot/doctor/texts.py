"""The specs: whether each can be run, and what is legal in it and hardly meant."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rulebot.doctor.finding import Finding, Group, Level, fault, fine, outage, unchecked, warning
from rulebot.documents.load_bots import LoadedBots, ProblemsError, check_overrides, load_desk
from rulebot.documents.parameter_overrides import with_kept
from rulebot.documents.reload_specs import is_named
from rulebot.model.caps import BUILT_IN_WORDS
from rulebot.model.errors import RulebotError, SpecError, StoreError
from rulebot.spec.diagnostic import Diagnostic
from rulebot.store.place import Place

EMPTY = LoadedBots({}, (), None, ())


def found_desk(
    paths: Sequence[str], overrides: Mapping[str, str], account: Path | None
) -> tuple[LoadedBots, list[Finding]]:
    """Return the bots that can be run, also when others cannot, and what is said of every document.

    Raises: MisuseError when nothing is there under a path.
    """
    if not paths:
        text = "no spec was named: what bots need was not looked at"
        return EMPTY, [unchecked(Group.SPECS, "specs", text, "rulebot doctor specs/*.yaml")]
    try:
        desk = load_desk(paths, overrides, account)
        check_overrides(desk, overrides)
    except ProblemsError as error:
        return _rest_of(error.found, overrides, account)
    except (SpecError, StoreError) as error:
        said = outage if isinstance(error, StoreError) else _unfit
        return EMPTY, [said(Group.SPECS, "specs", error)]
    return desk, [*_warnings(desk.warnings), *_fine(desk)]


def found_for_exits(paths: Sequence[str], account: Path | None) -> tuple[LoadedBots, list[Finding]]:
    """Return what counts of specs of which nothing is entered: their account document, and what a start is refused for.

    Those that are not there are not missed. Raises: as `found_desk`.
    """
    desk, said = found_desk([path for path in paths if is_named(path)], {}, account)
    text = "nothing is entered: what bots need was not looked at"
    kept = replace(desk, bots={}, texts=(), warnings=())
    faults = [each for each in said if each.level is Level.FAULT]
    return kept, faults or [unchecked(Group.SPECS, "specs", text, "")]


def with_set(desk: LoadedBots, store: Place) -> tuple[LoadedBots, list[Finding]]:
    """Return the bots as a run on a store would have them, with what operators have set there, and what that is.

    A store that cannot be read says so where it is looked at: here the bots stay as their files have them.
    """
    try:
        found = with_kept(desk, store)
    except StoreError:
        return desk, []
    except SpecError as error:
        return desk, [_unfit(Group.SPECS, "set by an operator", error)]
    before = {text.name: text.overrides for text in desk.texts}
    changed = {text.name: sorted(text.overrides.items() - before[text.name].items()) for text in found.texts}
    return found, [
        warning(Group.SPECS, name, f"an operator has set {', '.join(map(' '.join, values))}")
        for name, values in changed.items()
        if values
    ]


def _rest_of(
    found: Mapping[str, tuple[Diagnostic, ...]], overrides: Mapping[str, str], account: Path | None
) -> tuple[LoadedBots, list[Finding]]:
    """Return the desk of the documents without an error, after what is wrong with the others."""
    wrong = {file: problems for file, problems in found.items() if any(each.is_error for each in problems)}
    said = [
        fault(Group.SPECS, file, _place(each), each.help or f"rulebot validate {file}")
        for file, problems in wrong.items()
        for each in problems
        if each.is_error
    ]
    rest = [file for file in found if file not in wrong]
    try:
        desk = load_desk(rest, overrides, account) if rest else EMPTY
    except RulebotError as error:  # nothing but the account document is left, say: what is wrong has been said
        return EMPTY, [*said, unchecked(Group.SPECS, "specs", f"the others: {error.message}")]
    return desk, [*said, *_warnings(desk.warnings), *_fine(desk)]


def _unfit(group: Group, name: str, error: RulebotError) -> Finding:
    return fault(group, name, error.message.splitlines()[0], error.help or "")


def _warnings(problems: Iterable[Diagnostic]) -> list[Finding]:
    return [warning(Group.SPECS, each.file, _place(each), each.help or "") for each in problems]


def _place(problem: Diagnostic) -> str:
    return f"line {problem.line}: {problem.code}: {problem.message}"


def _fine(desk: LoadedBots) -> list[Finding]:
    said = [fine(Group.SPECS, text.name, f"can be run ({text.file})") for text in desk.texts]
    if desk.account is None:
        text = f"no account document: {BUILT_IN_WORDS}"
        mend = "specs/account.yaml is one to copy"
        return [*said, warning(Group.SPECS, "account document", text, mend)]
    return [*said, fine(Group.SPECS, "account document", "its limits hold for all bots together")]
