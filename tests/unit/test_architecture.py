"""The taste of the house that a machine can check. Imports are checked by import-linter (pyproject.toml)."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENGINE = ROOT / "engine"
MODULES = sorted(ENGINE.rglob("*.py"))
NAMES = [str(path.relative_to(ROOT)) for path in MODULES]
FORBIDDEN_NAME = re.compile(r"(^|_)(utils?|helpers?|common|base|manager|misc|stuff)($|_)")
CLOCK_FREE = [
    path
    for path in MODULES
    if path.relative_to(ENGINE).parts[0] != "cli" and path.relative_to(ENGINE) != Path("adapters/clock.py")
]
NOW = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today"), ("time", "time")}


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def calls(path: Path) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call))


def attribute_called(call: ast.Call) -> tuple[str, str] | None:
    if not isinstance(call.func, ast.Attribute):
        return None
    owner = call.func.value
    name = owner.attr if isinstance(owner, ast.Attribute) else owner.id if isinstance(owner, ast.Name) else ""
    return name, call.func.attr


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(tree_of(path))


@pytest.mark.parametrize("path", [path for path in MODULES if path.name == "__init__.py"], ids=str)
def test_a_package_file_holds_its_docstring_and_nothing_else(path: Path) -> None:
    assert len(tree_of(path).body) == 1


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_no_file_is_named_for_what_does_not_belong_together(path: Path) -> None:
    assert [part for part in path.relative_to(ENGINE).with_suffix("").parts if FORBIDDEN_NAME.search(part)] == []


def test_time_comes_through_the_clock() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for path in CLOCK_FREE
        for call in calls(path)
        if attribute_called(call) in NOW
    ]
    assert found == []


def test_orders_leave_at_one_place() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for path in MODULES
        if "sim" not in path.relative_to(ENGINE).parts
        for call in calls(path)
        if (attribute_called(call) or ("", ""))[1] == "placeOrder"
    ]
    assert len(found) <= 1, found


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_no_exception_is_caught_without_a_name(path: Path) -> None:
    handlers = (node for node in ast.walk(tree_of(path)) if isinstance(node, ast.ExceptHandler))
    assert [handler.lineno for handler in handlers if handler.type is None] == []
