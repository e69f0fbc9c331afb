"""docs/glossary.md: each word has one row, and its home is in the code. docs/architecture.md names files that exist."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (?!word \|)([^|-][^|]*) \| ([^|]+) \| `([^`]+):(\w+)` \|$", PAGE, re.MULTILINE)
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`([a-z_]+(?:/[a-z_]+)*/[a-z_.]+\.(?:py|json|md))(?::\w+)?`", ARCHITECTURE)))
FIELD = """
assignment, bar, bid-ask spread, bracket, cancel, cash settlement, combo, commission, corporate action, cost basis,
covered call, credit, day P&L, debit, duplicate order, early assignment, execution report, exercise, expected move,
expiry, fill, greeks, half day, implied volatility, kill switch, leg, limit order, liquidation, lot, margin, mark,
max risk, mid, natural, OCA, order, order lifecycle, order reference, order report, overfill, partial fill, position,
price ladder, protective stop, quote, realised volatility, reconciliation, reject, resting order, roll, session,
settlement, slippage, snapshot, statement, subscription, tick, time in force, trailing stop, underlying, what-if,
working order
"""


@cache
def symbols_of(path: Path) -> frozenset[str]:
    """Return the classes, functions and constants that a module defines at its top."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    named = {node.name for node in body if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)}
    targets = [target for node in body if isinstance(node, ast.Assign) for target in node.targets]
    targets += [node.target for node in body if isinstance(node, ast.AnnAssign)]
    return frozenset(named | {target.id for target in targets if isinstance(target, ast.Name)})


def homes_of(symbol: str) -> list[str]:
    """Return where a symbol is defined now, for the message of a home that moved."""
    files = sorted((ROOT / "engine").rglob("*.py"))
    found = [file for file in files if symbol in file.read_text(encoding="utf-8") and symbol in symbols_of(file)]
    return [file.relative_to(ROOT).as_posix() for file in found]


@pytest.mark.parametrize(("word", "path", "symbol"), [(word, path, symbol) for word, _, path, symbol in ROWS])
def test_the_home_of_a_word_defines_its_symbol(word: str, path: str, symbol: str) -> None:
    file = ROOT / path
    is_home = file.is_file() and symbol in symbols_of(file)
    assert is_home, f"{word}: {path} does not define {symbol}; it is defined in {homes_of(symbol)}"


def test_each_word_has_one_row() -> None:
    words = [word for word, *_ in ROWS]
    assert sorted({word for word in words if words.count(word) > 1}) == []


def test_every_row_of_the_page_has_a_home() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| word |")]
    assert len(rows) == len(ROWS)


def test_the_words_of_the_field_stand_in_it() -> None:
    words = {" ".join(each.split()) for each in FIELD.split(",")}
    assert sorted(words - {word for word, *_ in ROWS}) == []


def test_a_meaning_is_one_sentence_or_two_short_ones() -> None:
    assert [word for word, meaning, *_ in ROWS if len(meaning.split()) > 25 or not meaning.endswith(".")] == []


@pytest.mark.parametrize("path", NAMED)
def test_a_file_that_the_architecture_names_exists(path: str) -> None:
    assert any((ROOT / start / path).is_file() for start in ("", "engine/rulebot", "engine/rulebot/web"))
