"""Files nested thousands deep, or with a number of thousands of digits: refused by name, not the end of the program."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from rulebot.backtest.report_page import read_document
from rulebot.calendars.calendars import read_calendar
from rulebot.capture.chain import read_chain
from rulebot.model.errors import RulebotError
from twsim.exchange.exchange import load_positions
from twsim.exchange.ledger import read_ledger
from twsim.faults.plan import load_faults
from twsim.market.load import read_scenario
from twsim.market.market import SimMarket

DEEP, LONG = "[\n" * 100_000, '{"a": ' + "9" * 5000 + "}"
READERS: dict[str, Callable[[Path], object]] = {
    "results of a backtest": read_document,
    "a captured chain": lambda path: read_chain(path.read_text(encoding="utf-8"), path.name),
    "a ledger": read_ledger,
    "positions": lambda path: load_positions(path, SimMarket(seed=1, date=date(2026, 10, 21)).catalogue),
    "faults": load_faults,
    "a scenario": lambda path: read_scenario(path.read_text(encoding="utf-8"), path.name),
}


@pytest.mark.parametrize("text", [DEEP, LONG], ids=["deep", "long"])
@pytest.mark.parametrize("reader", READERS)
def test_what_nobody_can_read_is_refused_by_name(tmp_path: Path, reader: str, text: str) -> None:
    path = tmp_path / "given.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises((RulebotError, ValueError), match=r"given\.json"):
        READERS[reader](path)


@pytest.mark.parametrize("text", [DEEP, LONG], ids=["deep", "long"])
def test_a_calendar_that_nobody_can_read_has_a_problem_at_its_place(text: str) -> None:
    assert [problem.file for problem in read_calendar(text.encode(), "own.json").problems][:1] == ["own.json"]
