"""Python and the packages it finds: versions, what is too old or too new, which extras are there."""

import importlib.metadata as installed
import re
import sys
from collections.abc import Iterator
from typing import NamedTuple

from rulebot.doctor.finding import Finding, Group, fault, fine, unchecked
from rulebot.store.place import Place, Server

OLDEST = (3, 11)
NAME = "rulebot"
OF_WORK = frozenset(("gates", "test"))
"""Extras for who works on rulebot; the others are for who trades with it."""
_REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(\[[^]]*\])?\s*(?P<versions>[^;\[]*)(;(?P<marker>.*))?$")
_LEAST, _BELOW = (re.compile(rf"(?:^|,)\s*{sign}\s*([0-9][0-9.]*)") for sign in (">=", "<"))
_EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")


class Requirement(NamedTuple):
    """A package that is asked for. least: its oldest version, below: the first that is too new; "" for any.

    extra: which extra asks for it.
    """

    name: str
    least: str
    extra: str
    below: str = ""


def python_and_packages(store: Place | None) -> Iterator[Finding]:
    """Yield what is installed; a `store` on a server needs its extra."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < OLDEST:
        yield fault(Group.PYTHON, "python", f"Python {version}, 3.11 is needed", "install Python 3.11 or newer")
    else:
        yield fine(Group.PYTHON, "python", f"Python {version}")
    try:
        asked = requirements(installed.requires(NAME) or [], sys.platform)
        own = installed.version(NAME)
    except installed.PackageNotFoundError:
        yield unchecked(Group.PYTHON, NAME, "not installed: it runs from a checkout", "pip install -e .")
        return
    yield fine(Group.PYTHON, NAME, f"rulebot {own}")
    yield from _core([each for each in asked if not each.extra])
    for extra in sorted({each.extra for each in asked} - OF_WORK - {""}):
        parts = [each for each in asked if each.extra == extra]
        yield _extra(extra, parts, is_needed=extra == "postgres" and isinstance(store, Server))


def requirements(lines: list[str], platform: str) -> list[Requirement]:
    """Return what the metadata of a package asks for on this platform."""
    found = []
    for line in (each.replace('"', "'") for each in lines):
        match = _REQUIREMENT.match(line)
        if match is None:
            continue
        marker = match["marker"] or ""
        if ("== 'win32'" in marker) if platform != "win32" else ("!= 'win32'" in marker):
            continue
        extra, versions = _EXTRA.search(marker), match["versions"]
        least, below = (bound[1] if (bound := sign.search(versions)) else "" for sign in (_LEAST, _BELOW))
        found.append(Requirement(match["name"], least, extra[1] if extra else "", below))
    return found


def problem_with(asked: Requirement) -> str:
    """Return what is wrong with a package, "" when it is there and neither too old nor too new."""
    try:
        found = installed.version(asked.name)
    except installed.PackageNotFoundError:
        return f"{asked.name} is not installed"
    if asked.least and _numbers(found) < _numbers(asked.least):
        return f"{asked.name} {found} is too old, {asked.least} is needed"
    if asked.below and _numbers(found) >= _numbers(asked.below):
        return f"{asked.name} {found} is too new, one below {asked.below} is needed"
    return ""


def _numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of a version without zeros at its end, so that 8.2 is not below 8.2.0."""
    head = re.match(r"[0-9.]*", version.partition("+")[0])
    numbers = [int(part) for part in (head[0] if head else "").split(".") if part]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def _core(asked: list[Requirement]) -> Iterator[Finding]:
    problems = [problem for each in asked if (problem := problem_with(each))]
    for problem in problems:
        yield fault(Group.PYTHON, "packages", problem, "pip install rulebot, in the same venv")
    if not problems:
        listed = ", ".join(f"{each.name} {installed.version(each.name)}" for each in sorted(asked))
        yield fine(Group.PYTHON, "packages", listed)


def _extra(extra: str, asked: list[Requirement], *, is_needed: bool) -> Finding:
    name, mend = f"extra {extra}", f'pip install "rulebot[{extra}]"'
    problems = [problem for each in asked if (problem := problem_with(each))]
    if not problems:
        return fine(Group.PYTHON, name, "installed")
    text = f"missing: {'; '.join(problems)}"
    if is_needed:
        return fault(Group.PYTHON, name, f"{text}; the store of the settings needs it", mend)
    return fine(Group.PYTHON, name, f"{text}; nothing that is asked for here needs it: {mend}")
