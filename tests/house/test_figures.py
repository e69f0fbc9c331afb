"""The counting itself; what the figures are is printed, not tested."""

import ast
from pathlib import Path

import pytest

from tests.house.__main__ import rows
from tests.house.figures import complexity, fields_of, functions, modules_by_folder


def function(text: str) -> ast.FunctionDef:
    found = ast.parse(text).body[0]
    assert isinstance(found, ast.FunctionDef)
    return found


@pytest.mark.parametrize(
    ("body", "count"),
    [
        ("return 1", 1),
        ("return a if b else c", 2),
        ("return a and b or c", 3),
        ("return [x for x in a if x]", 3),
        ("for x in a:\n    if x:\n        pass", 3),
        ("match a:\n    case 1: pass\n    case 2: pass\n    case _: pass", 3),
        ("def inner():\n    if a: pass\nreturn inner", 1),
    ],
)
def test_each_decision_adds_one_to_the_complexity(body: str, count: int) -> None:
    lines = "\n".join(f"    {line}" for line in body.split("\n"))
    assert complexity(function(f"def f():\n{lines}\n")) == count


def test_modules_and_functions_are_counted_where_they_stand(tmp_path: Path) -> None:
    folder = tmp_path / "rulebot" / "core"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text('"""Core."""\n')
    (folder / "a.py").write_text("class State:\n    x: int\n    y: int\n\n\ndef f():\n    return 1\n")
    assert modules_by_folder(tmp_path) == {str(Path("rulebot", "core")): 1}
    assert [(each.lines, each.complexity) for each in functions(tmp_path)] == [(2, 1)]
    assert fields_of("State", folder / "a.py") == 2
    with pytest.raises(LookupError, match="no class Other"):
        fields_of("Other", folder / "a.py")


def test_every_figure_can_be_read() -> None:
    assert all(found for _, found, _ in rows())
