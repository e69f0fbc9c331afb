"""The code speaks the field's words: no name has a word of the former private dialect, texts have ever fewer."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.house.figures import ROOT

ENGINE = ROOT / "engine"
PRIVATE = re.compile(
    r"(?:^|_)(told|tells?|telling|teller|untold|owed|owes?|verdicts?|nobody|somebody|whoever|torn|twins?|doubt(?:ed|s|ful)?"
    r"|lived|heard|hears?|wish(?:es|ed)?|dear|anew)(?:_|$)"
)
STORED = {"NOBODY", "NOBODY_ANSWERS", "VERDICT", "tell", "heard"}
"""Names of what stores, recordings and people's files hold already."""
IN_TEXTS = re.compile(
    r"\b(told|untold|owed|nobody|somebody|whoever|anew|verdicts?|torn|taken back|at work|goes on|let be|stands|lies)\b"
)
MOST = 207
"""Such words in docstrings and messages, counted; the number may only fall."""


@cache
def trees() -> tuple[tuple[Path, ast.Module], ...]:
    return tuple((file, ast.parse(file.read_text(encoding="utf-8"))) for file in sorted(ENGINE.rglob("*.py")))


def names_of(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr


def is_private(name: str) -> bool:
    """Say whether a name, split at its capitals, has a word of the dialect."""
    return name not in STORED and bool(PRIVATE.search(re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()))


def test_a_private_word_is_found_in_a_name() -> None:
    assert [name for name in ("is_told", "ToldBars", "_owed", "retold", "bestow", "tell") if is_private(name)] == [
        "is_told", "ToldBars", "_owed"
    ]  # fmt: skip


def test_no_name_has_a_private_word() -> None:
    found = {
        f"{file.relative_to(ENGINE)}: {name}" for file, tree in trees() for name in names_of(tree) if is_private(name)
    }
    assert found == set()


def test_texts_have_ever_fewer_private_words() -> None:
    texts = (
        node.value
        for _, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value
    )
    assert sum(len(IN_TEXTS.findall(text)) for text in texts) <= MOST
