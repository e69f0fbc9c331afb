"""A universe document loses symbols, and nothing else of its text."""

import pytest

from rulebot.spec.universe import without_symbols

TEXT = """\
# yaml-language-server: $schema=../schemas/universe.schema.json
rulebot_universe: 1   # version
about: 'Symbols by category.'
categories:
  indexes: [SPX, SPY]
  stocks:
  # large ones
  - AAPL
  - "TWTR"  # gone some day
  - MSFT
"""


def test_a_document_without_losses_stays_as_it_is() -> None:
    assert without_symbols(TEXT, ()) == TEXT


@pytest.mark.parametrize(
    ("gone", "lines"),
    [({"TWTR"}, ['- "TWTR"']), ({"SPX", "TWTR"}, ['- "TWTR"']), ({"SPX", "SPY"}, ["indexes:"])],
)
def test_symbols_go_and_comments_stay(gone: set[str], lines: list[str]) -> None:
    found = without_symbols(TEXT, gone)
    assert all(line not in found for line in lines)
    assert "# yaml-language-server" in found
    assert "# version" in found
    assert "# large ones" in found
    assert "'Symbols by category.'" in found


def test_no_document_is_left_empty() -> None:
    with pytest.raises(ValueError, match="no symbol would be left"):
        without_symbols(TEXT, {"SPX", "SPY", "AAPL", "TWTR", "MSFT"})
