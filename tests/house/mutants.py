"""Change random lines of the core, one at a time, and see whether the core's own tests notice.

    python -m tests.house.mutants [--count 500] [--seed 1] [--under core]

A mutant changes one expression or drops one statement of one function (Offutt et al., 1996: relational, logical and
arithmetic operators, constants, negated conditions, dropped calls). It is put into the running function, so nothing is
imported anew. Which tests run a line is found by coverage of all of them once; the tests of a mutant are those of its
line, the ones that run the fewest lines first. Survivors are printed: a person says which of them change no behaviour.
"""

import argparse
import ast
import copy
import importlib
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType
from typing import NamedTuple

import coverage
import pytest

ROOT = Path(__file__).parents[2]
ENGINE = ROOT / "engine"
QUIET = ("-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-o", "addopts=")
MOST_TESTS = 60
"""So many tests of a line are run in a first round; all of them where those notice nothing."""
PATIENCE = 120
"""Seconds after which a mutant that still runs counts as noticed: it goes round in a circle."""
SWAPPED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
}  # fmt: skip


class Mutant(NamedTuple):
    """One change: of the node so many steps into its function, in this way."""

    file: Path
    function: str
    line: int
    node: int
    how: str


def mutants_of(file: Path) -> Iterator[Mutant]:
    """Yield every mutant of the functions of a file."""
    for name, function in _functions(ast.parse(file.read_text(encoding="utf-8"))):
        for number, node in enumerate(_nodes(function)):
            for how in _ways(node):
                yield Mutant(file, name, getattr(node, "lineno", function.lineno), number, how)


def _functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from ((f"{node.name}.{each.name}", each) for each in node.body if isinstance(each, ast.FunctionDef))


def _nodes(function: ast.FunctionDef) -> list[ast.AST]:
    """Return the nodes of a function's body, text of messages left out."""
    found: list[ast.AST] = []
    waiting: list[ast.AST] = list(reversed(function.body))
    while waiting:
        node = waiting.pop()
        found.append(node)
        if not isinstance(node, ast.JoinedStr):
            waiting.extend(reversed(list(ast.iter_child_nodes(node))))
    return found


def _ways(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPPED:
        return ["compare"]
    if isinstance(node, ast.BoolOp):
        return ["bool"]
    if isinstance(node, ast.BinOp) and type(node.op) in SWAPPED:
        return ["arithmetic"]
    if isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float):
        return ["constant"]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return ["not"]
    if isinstance(node, ast.If | ast.IfExp):
        return ["negate"]
    is_call = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    return ["drop"] if is_call or isinstance(node, ast.Continue) else []


def mutated(mutant: Mutant) -> CodeType:
    """Return the code of the function with its change. Raises: LookupError."""
    tree = ast.parse(mutant.file.read_text(encoding="utf-8"), str(mutant.file))
    function = next(each for name, each in _functions(tree) if name == mutant.function)
    target = _nodes(function)[mutant.node]
    _Change(target, mutant.how).visit(function)
    code = compile(ast.fix_missing_locations(tree), str(mutant.file), "exec")
    return _code_named(code, mutant.function.rpartition(".")[2], function.lineno)


def _code_named(code: CodeType, name: str, line: int) -> CodeType:
    for each in code.co_consts:
        if isinstance(each, CodeType):
            if each.co_name == name and abs(each.co_firstlineno - line) <= 5:
                return each
            try:
                return _code_named(each, name, line)
            except LookupError:
                continue
    raise LookupError(name)


class _Change(ast.NodeTransformer):
    def __init__(self, target: ast.AST, how: str) -> None:
        self.target, self.how = target, how

    def visit(self, node: ast.AST) -> ast.AST:
        return super().generic_visit(node) if node is not self.target else self._changed(node)

    def _changed(self, node: ast.AST) -> ast.AST:
        new = copy.copy(node)
        if isinstance(new, ast.Compare):
            new.ops = [SWAPPED[type(new.ops[0])](), *new.ops[1:]]  # type: ignore[list-item]
        elif isinstance(new, ast.BoolOp | ast.BinOp):
            new.op = SWAPPED[type(new.op)]()  # type: ignore[assignment]
        elif isinstance(new, ast.Constant):
            new.value = not new.value if isinstance(new.value, bool) else new.value + 1  # type: ignore[operator]
        elif isinstance(new, ast.UnaryOp):
            return new.operand
        elif isinstance(new, ast.If | ast.IfExp):
            new.test = ast.UnaryOp(ast.Not(), new.test)
        else:
            new = ast.Pass()
        return ast.copy_location(new, node)


def contexts_of(tests: Path, under: Path) -> dict[tuple[str, int], list[str]]:
    """Return which tests run each line below a folder, the test that runs the fewest lines first."""
    with tempfile.TemporaryDirectory() as folder:
        data = str(Path(folder) / "coverage")
        if (child := os.fork()) == 0:
            counted = coverage.Coverage(data_file=data, source=[str(under)], config_file=False)
            counted.start()
            code = pytest.main([*QUIET, str(tests)], plugins=[_Names(counted)])
            counted.stop()
            counted.save()
            os._exit(int(code))
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
            raise SystemExit("the tests fail without a change")
        found = coverage.CoverageData(data)
        found.read()
        lines: dict[tuple[str, int], list[str]] = {}
        weight: dict[str, int] = {}
        for file in found.measured_files():
            for line, names in found.contexts_by_lineno(file).items():
                lines[file, line] = [name for name in names if name]
                for name in names:
                    weight[name] = weight.get(name, 0) + 1
    return {place: sorted(names, key=weight.__getitem__) for place, names in lines.items()}


class _Names:
    """Tell coverage which test runs."""

    def __init__(self, counted: coverage.Coverage) -> None:
        self.counted = counted

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        self.counted.switch_context(item.nodeid)


def is_noticed(mutant: Mutant, tests: list[str]) -> bool:
    """Say whether any of these tests fails on the mutant, in a process of its own."""
    if (child := os.fork()) == 0:
        signal.alarm(PATIENCE)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        module = importlib.import_module(".".join(mutant.file.relative_to(ENGINE).with_suffix("").parts))
        holder, _, name = mutant.function.rpartition(".")
        function = vars(getattr(module, holder) if holder else module)[name]
        function = getattr(function, "fget", function)
        function = getattr(function, "__wrapped__", function)
        assert isinstance(function, FunctionType)
        function.__code__ = mutated(mutant)
        os._exit(int(pytest.main([*QUIET, "-x", *tests])))
    return os.waitpid(child, 0)[1] != 0


def main() -> None:
    """Print each survivor, and at the end how many of the mutants were noticed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--under", default="core", help="a folder of engine/rulebot, and of tests/unit")
    chosen = parser.parse_args()
    os.chdir(ROOT)
    under = ENGINE / "rulebot" / chosen.under
    every = [mutant for file in sorted(under.rglob("*.py")) for mutant in mutants_of(file)]
    sample = random.Random(chosen.seed).sample(every, min(chosen.count, len(every)))
    lines = contexts_of(ROOT / "tests" / "unit" / chosen.under, under)
    for file in sorted(under.rglob("*.py")):
        importlib.import_module(".".join(file.relative_to(ENGINE).with_suffix("").parts).removesuffix(".__init__"))
    noticed, began = 0, time.monotonic()
    for number, mutant in enumerate(sample, 1):
        tests = lines.get((str(mutant.file), mutant.line), [])
        seen = bool(tests) and is_noticed(mutant, tests[:MOST_TESTS])
        if not seen and len(tests) > MOST_TESTS:
            seen = is_noticed(mutant, tests[MOST_TESTS:])
        noticed += seen
        if not seen:
            place = f"{mutant.file.relative_to(ENGINE)}:{mutant.line}"
            print(f"{place} {mutant.function}: {mutant.how} ({len(tests)} tests)", flush=True)
        if number % 50 == 0:
            print(f"{number} of {len(sample)}: {noticed} noticed, {time.monotonic() - began:.0f} s", file=sys.stderr)
    print(f"{noticed} of {len(sample)} mutants noticed, {noticed / len(sample):.1%}; {len(every)} possible")


if __name__ == "__main__":
    main()
