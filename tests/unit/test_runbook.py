"""docs/runbook.md says what to do at each alarm: every text that the engine can raise one with is found there."""

import ast
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from rulebot.process.connection_state import WORDS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
RUNBOOK = " ".join(PAGE.split())
SHORTEST = 12
"""Signs that a part of a text has at the least to be looked for, when another part of it has as many."""
RAISES = {
    "alarm": 2,
    "alarm_of_price": 2,
    "raise_alarm": 2,
    "halt_on_mismatch": 2,
    "pause_exits": 3,
    "close_position": 3,
    "CloseWanted": 2,
    "notify": 0,
    "_alarm_of_external": 2,
}
"""Functions that raise an alarm, by where its text stands among their arguments."""
FILLED_IN = "\0"
QUOTED = re.compile(r"\*\*(.+?)\*\*")


class Scope(NamedTuple):
    """Where a text is made: a function of a file, and what stands outside of all functions there."""

    file: Path
    function: ast.AST
    outside: list[ast.stmt]

    def given(self, name: str) -> Iterator[ast.expr]:
        """Yield what a name is given, but for what is made of itself."""
        for node in (*ast.walk(self.function), *self.outside):
            if isinstance(node, ast.Assign) and _uses(name, node.targets) and not _uses(name, [node.value]):
                yield node.value


def _uses(name: str, nodes: Sequence[ast.expr]) -> bool:
    return any(isinstance(each, ast.Name) and each.id == name for node in nodes for each in ast.walk(node))


@cache
def scopes() -> tuple[Scope, ...]:
    files = [
        file
        for room in ("core", "live", "recovery", "process", "narrate", "operator", "documents", "calendars")
        for file in sorted((ROOT / "engine" / "rulebot" / room).rglob("*.py"))
    ]
    trees = [(file, ast.parse(file.read_text(encoding="utf-8"))) for file in files]
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return tuple(
        Scope(file, node, [*tree.body, *_imported(tree)])
        for file, tree in trees
        for node in ast.walk(tree)
        if isinstance(node, functions)
    )


def _imported(tree: ast.Module) -> Iterator[ast.stmt]:
    """Yield where names that a file imports from the engine are given what they are."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(("rulebot.", "twsim.")):
            names = {each.name for each in node.names}
            for given in _module(node.module or ""):
                if isinstance(given, ast.Assign) and any(_uses(name, given.targets) for name in names):
                    yield given


@cache
def _module(name: str) -> list[ast.stmt]:
    """Return what stands in a module of the engine outside of functions, nothing of a package."""
    file = ROOT.joinpath("engine", *name.split(".")).with_suffix(".py")
    return ast.parse(file.read_text(encoding="utf-8")).body if file.exists() else []


@cache
def makers(name: str) -> list[ast.Return]:
    """Return where functions of that name return what they make."""
    named = [scope.function for scope in scopes() if getattr(scope.function, "name", "") == name]
    return [node for function in named for node in ast.walk(function) if isinstance(node, ast.Return)]


def texts(node: ast.AST, scope: Scope) -> list[str]:
    """Return what a text can be, with a mark around all that is filled in; names are followed within the file."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.JoinedStr():
            found = [""]
            for part in node.values:
                found = [start + way for start in found for way in texts(part, scope)]
            return found
        case ast.FormattedValue(value=ast.Name() as name):
            return [f"{FILLED_IN}{way}{FILLED_IN}" for way in texts(name, scope)]
        case ast.IfExp():
            return texts(node.body, scope) + texts(node.orelse, scope)
        case ast.BinOp(op=ast.Add()):
            ways = texts(node.right, scope)
            return [f"{one}{FILLED_IN}{two}" for one in texts(node.left, scope) for two in ways]
        case ast.Call(func=ast.Name(id=name)):
            return [way for each in makers(name) for way in texts(each.value or each, scope)] or [FILLED_IN]
        case ast.Name(id=name):
            return [way for value in scope.given(name) for way in texts(value, scope)] or [FILLED_IN]
    return [FILLED_IN]


def text_of(call: ast.Call) -> ast.expr | None:
    """Return the text of an alarm that a call raises, None when it raises none."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name in RAISES and len(call.args) > RAISES[name]:
        found = call.args[RAISES[name]]
        return found if name != "notify" or isinstance(found, ast.JoinedStr) else None
    if name not in ("record", "Record") or not any(ast.unparse(each) == "Kind.ALARM" for each in call.args):
        return None
    reported = {each.arg: each.value for each in call.keywords}
    data = reported.get("data")
    return data.values[0] if isinstance(data, ast.Dict) else reported["text"]


@cache
def alarms() -> list[tuple[str, str]]:
    """Return every text that an alarm can have, with the place that raises it."""
    found = {
        (f"{scope.file.name}:{node.lineno}", re.sub(f"{FILLED_IN}+", FILLED_IN, text))
        for scope in scopes()
        for node in ast.walk(scope.function)
        if isinstance(node, ast.Call) and (reported := text_of(node)) is not None
        for text in texts(reported, scope)
    }
    return sorted(found | {("crash_loop.py", WORDS)})


def parts(text: str) -> list[str]:
    """Return the parts of a text that are always the same, those that are long enough if there are such."""
    found = [each.strip(" ,;:.()'") for each in text.split(FILLED_IN)]
    return [part for part in found if len(part) >= SHORTEST] or [part for part in found if len(part) > SHORTEST / 2]


@pytest.mark.parametrize(("place", "text"), alarms(), ids=lambda each: each.replace(FILLED_IN, "...")[:60])
def test_every_alarm_is_in_the_runbook(place: str, text: str) -> None:
    assert [part for part in parts(text) if part not in RUNBOOK] == [], place


def test_alarms_are_found_where_they_are_raised() -> None:
    found = alarms()
    assert len({place for place, _ in found}) >= 60
    handed_on = {place.partition(":")[0] for place, text in found if not parts(text)}
    assert handed_on == {"executions.py", "pipeline.py", "start.py", "turn.py"}, (
        "each gives on a text that another place has made"
    )
    reported = [parts(text) for _, text in found]
    assert ["no answer about order"] in reported
    assert [
        "this computer's clock is",
        "the broker's",
        "Entries and exits use the broker's time. Set the clock (NTP",
    ] in reported
    assert ["the engine was suspended for", "s: was the computer asleep or overloaded, or its disk slow?"] in reported


def test_what_the_runbook_says_of_alarms_can_be_raised() -> None:
    known = sorted({part for _, text in alarms() for part in parts(text)}, key=len, reverse=True)
    section = PAGE.partition("## When an alarm comes")[2]
    rows = re.findall(r"^\| (.+?) \|", section, re.MULTILINE)
    said = [text for row in rows for text in QUOTED.findall(row)]
    assert len(said) >= 60
    for part in known:
        said = [text.replace(part, "...") for text in said]
    left = [each.strip(" ,;:.()'") for text in said for each in text.split("...")]
    assert [each for each in left if len(each) > SHORTEST] == []
