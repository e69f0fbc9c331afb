"""The taste of the house that a machine can check. Imports are checked by import-linter (pyproject.toml)."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from rulebot.adapters.ib import message_codes

ROOT = Path(__file__).parents[2]
ENGINE = ROOT / "engine" / "rulebot"
MODULES = sorted(ENGINE.rglob("*.py"))
FORBIDDEN_NAME = re.compile(r"(^|_)(utils?|helpers?|common|base|manager|misc|stuff)($|_)")
CLOCK_FREE = [
    path
    for path in MODULES
    if path.relative_to(ENGINE).parts[0] != "cli" and path.relative_to(ENGINE) != Path("adapters/clock.py")
]
NOW = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today"), ("time", "time")}
DOCSTRING = re.compile(r'"""\s*[^\s"][^"\\]*"""\n')
BARE = re.compile(r"\bexcept\s*(\\\s*)?:")
NOW_CALLED = re.compile(r"\b(now|utcnow|today|time)\s*\(")


@cache
def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def tree_of(path: Path) -> ast.Module:
    """Return what a file says. All of them take five seconds: asked of those whose text may hold what is looked for."""
    return ast.parse(text_of(path), str(path))


def calls(path: Path) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call))


def shown(path: Path, line: int = 1) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def attribute_called(call: ast.Call) -> tuple[str, str] | None:
    if not isinstance(call.func, ast.Attribute):
        return None
    owner = call.func.value
    name = owner.attr if isinstance(owner, ast.Attribute) else owner.id if isinstance(owner, ast.Name) else ""
    return name, call.func.attr


def test_every_module_says_what_it_is_for() -> None:
    unsure = [path for path in MODULES if not DOCSTRING.match(text_of(path))]
    assert [shown(path) for path in unsure if not ast.get_docstring(tree_of(path))] == []


@pytest.mark.parametrize("room", ["core", "compile/lint"])
def test_every_file_of_these_rooms_has_its_line_in_the_architecture(room: str) -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    files = [file.name for file in (ENGINE / room).glob("*.py") if file.name != "__init__.py"]
    assert files
    assert [name for name in files if f"`{name}`" not in page] == []


def test_every_folder_of_the_engine_is_named_in_the_architecture() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms = [file.parent.name for file in ENGINE.glob("*/__init__.py")]
    assert rooms
    assert [room for room in rooms if f"`{room}/`" not in page] == []


def test_a_package_file_holds_its_docstring_and_nothing_else() -> None:
    packages = [path for path in MODULES if path.name == "__init__.py"]
    assert packages
    assert [shown(path) for path in packages if len(tree_of(path).body) != 1] == []


def test_no_file_is_named_for_what_does_not_belong_together() -> None:
    parts = {path: path.relative_to(ENGINE).with_suffix("").parts for path in MODULES}
    assert [shown(path) for path, names in parts.items() if any(map(FORBIDDEN_NAME.search, names))] == []


WORLD_FOLDERS = frozenset(
    {"adapters", "live", "shadow"}  # the worlds themselves, and who plugs them together
    | {"cli", "doctor", "scan", "capture", "preview", "promotion"}  # what a person chose, by a flag
    | {"process", "operator_requests"}  # whether the gateway or this computer has the clock
    | {"store", "record", "backtest", "narrate"}  # which run wrote a record
    | {"alerts", "web"}  # what a person is told
)
MOST_THAT_ASK = 32
"""Modules that ask which world runs. The number may only fall."""
ASKS_WORLD = re.compile(r"\.(is_simulated|is_lockstep|is_embedded)\b(?!\()|get\(\"(sim|simulated|mode|lockstep)\"\)")


def test_decisions_do_not_depend_on_the_world_that_runs() -> None:
    asking = [path.relative_to(ENGINE) for path in MODULES if ASKS_WORLD.search(text_of(path))]
    assert [str(path) for path in asking if path.parts[0] not in WORLD_FOLDERS] == []
    assert len(asking) <= MOST_THAT_ASK, sorted(map(str, asking))


def test_time_comes_through_the_clock() -> None:
    asking = [path for path in CLOCK_FREE if NOW_CALLED.search(text_of(path))]
    found = [shown(path, call.lineno) for path in asking for call in calls(path) if attribute_called(call) in NOW]
    assert found == []


def test_orders_leave_at_one_place() -> None:
    found = [
        shown(path, call.lineno)
        for path in MODULES
        if "sim" not in path.relative_to(ENGINE).parts and "placeOrder" in text_of(path)
        for call in calls(path)
        if (attribute_called(call) or ("", ""))[1] == "placeOrder"
    ]
    assert len(found) <= 1, found


WORDS_OF_TWS = re.compile(r"TWS|\b(PendingSubmit|PreSubmitted|Submitted|PendingCancel|ApiCancelled|ApiPending)\b")
CODES_OF_TWS = frozenset().union(*message_codes.CODES.values()) - {100}
"""A plain hundred is no code."""
SPLITS = frozenset({"rpartition", "partition", "rsplit", "split"})


def _of_tws(node: ast.AST) -> bool:
    """Say whether a piece of code is a code or a word of TWS, or cuts an execution id as TWS writes it."""
    if isinstance(node, ast.Constant):
        return (type(node.value) is int and node.value in CODES_OF_TWS) or (
            isinstance(node.value, str) and WORDS_OF_TWS.search(node.value) is not None
        )
    if not isinstance(node, ast.Call) or (attribute_called(node) or ("", ""))[1] not in SPLITS:
        return False
    return any(isinstance(each, ast.Constant) and each.value == "." for each in node.args)


def test_the_core_knows_no_word_code_or_execution_id_of_tws() -> None:
    found = []
    for path in sorted((ENGINE / "core").rglob("*.py")):
        tree = tree_of(path)
        docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        nodes = (node for node in ast.walk(tree) if id(node) not in docs and _of_tws(node))
        found += [shown(path, node.lineno) for node in nodes]  # type: ignore[attr-defined]
    assert found == []


@pytest.mark.parametrize("code", ["x = 10147", 'x = "PreSubmitted"', 'x = e.exec_id.rpartition(".")', 'f"in TWS: {x}"'])
def test_a_word_of_tws_in_the_core_would_be_found(code: str) -> None:
    assert any(map(_of_tws, ast.walk(ast.parse(code))))


def test_no_exception_is_caught_without_a_name() -> None:
    found = [
        shown(path, node.lineno)
        for path in MODULES
        if BARE.search(text_of(path))
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ExceptHandler) and node.type is None
    ]
    assert found == []
