"""Counts over the source files of the two packages: lines, files, folders, functions, the parts of the state.

Complexity is McCabe's (1976): one, and one more for each decision. Of `and` and `or` each operand but the first counts.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
ENGINE = ROOT / "engine"
PACKAGES = ("rulebot", "twsim")
DECISIONS = (ast.If, ast.IfExp, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.Assert, ast.comprehension)
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Measured:
    """One function. lines: from `def` to its end; complexity: McCabe's."""

    place: str
    lines: int
    complexity: int


def modules(engine: Path = ENGINE) -> list[Path]:
    """Return the source files of the packages, in order."""
    return sorted(file for package in PACKAGES for file in (engine / package).rglob("*.py"))


def complexity(function: Function) -> int:
    """Return the complexity of a function; that of functions inside it is theirs."""
    found = 1
    for node in _own(function):
        if isinstance(node, DECISIONS):
            found += 1 + (len(node.ifs) if isinstance(node, ast.comprehension) else 0)
        elif isinstance(node, ast.BoolOp):
            found += len(node.values) - 1
        elif isinstance(node, ast.match_case):
            found += not (isinstance(node.pattern, ast.MatchAs) and node.pattern.pattern is None)
    return found


def _own(function: Function) -> Iterator[ast.AST]:
    """Yield the nodes of a function without those of functions that it defines."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        yield node
        waiting.extend(ast.iter_child_nodes(node))


def functions(engine: Path = ENGINE) -> Iterator[Measured]:
    """Yield every function of the packages, those inside of others too."""
    for file in modules(engine):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                place = f"{file.relative_to(engine)}:{node.lineno} {node.name}"
                yield Measured(place, (node.end_lineno or node.lineno) - node.lineno + 1, complexity(node))


def modules_by_folder(engine: Path = ENGINE) -> Mapping[str, int]:
    """Return how many modules each folder has, `__init__.py` left out."""
    found: dict[str, int] = {}
    for file in modules(engine):
        if file.name != "__init__.py":
            folder = str(file.parent.relative_to(engine))
            found[folder] = found.get(folder, 0) + 1
    return found


def fields_of(name: str, file: Path) -> int:
    """Return how many fields a class has that are written in its body. Raises: LookupError."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return sum(isinstance(each, ast.AnnAssign) for each in node.body)
    raise LookupError(f"{file} has no class {name}")


def words(files: Iterator[Path]) -> int:
    """Return how many words texts have, by blanks."""
    return sum(len(file.read_text(encoding="utf-8").split()) for file in files)
