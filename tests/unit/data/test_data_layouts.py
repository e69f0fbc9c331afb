"""One market, written in every layout, is the same market when it is added and read."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from written_market import DAYS, WRITERS, Quote, market

from rulebot.adapters.history.session import HistoryDay
from rulebot.adapters.sources import open_source
from rulebot.data import catalogue
from rulebot.data.add import Asked, add
from rulebot.data.layout import layouts
from rulebot.model.contract import Right

Writer = Callable[[Path, list[Quote]], Path]
DERIVED = (
    *("alpha_vantage", "cboe_without_levels", "databento", "dolt", "plain"),
    *("thetadata_v2", "thetadata_v3", "thetadata_eod"),
)
"""Layouts without a level, which put-call parity has to find."""


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RULEBOT_DATA", str(tmp_path / "kept"))


def quotes_of(day: HistoryDay) -> set[tuple[date, str, int, float, float]]:
    at = len(day.times) // 2
    found = set()
    for place, option in enumerate(day.options):
        right = "C" if option.right is Right.CALL else "P"
        bid, ask = float(day.bid[at, place]), float(day.ask[at, place])
        found.add((option.expiry, right, int(option.strike), bid if bid == bid else 0.0, ask))
    return found


@pytest.mark.parametrize("write", WRITERS, ids=lambda each: each.__name__)
def test_each_layout_holds_the_same_quotes(write: Writer, tmp_path: Path) -> None:
    quotes = market()
    added = add("mine", [write(tmp_path, quotes)], Asked())
    assert {symbol: sorted(days) for symbol, days in added.days.items()} == {"SPX": list(DAYS)}
    source = open_source(catalogue.source_text("mine"))
    for day in DAYS:
        expected = {(q.expiry, q.right, q.strike, q.bid, q.ask) for q in quotes if q.day == day}
        found = source.day(day)
        assert quotes_of(found) == expected
        level = next(q.level for q in quotes if q.day == day)
        assert found.levels["SPX"][0] == pytest.approx(level, abs=0.3 if write.__name__ in DERIVED else 1e-9)
        assert [each.text for each in found.findings if each.severity.value != "reported"] == []


def test_a_level_that_is_derived_is_reported(tmp_path: Path) -> None:
    (write,) = [each for each in WRITERS if each.__name__ == "plain"]
    added = add("mine", [write(tmp_path, market())], Asked())
    assert [each.text for each in added.findings] == [
        "no column has the level of the underlying: it is derived from put-call parity"
    ]


def test_a_shipped_layout_is_read_by_its_own_name_and_says_where_it_is_documented() -> None:
    assert len({each.name for each in layouts()}) == len(layouts())
    for each in layouts():
        assert each.title
        assert each.name == "generic" or each.source
