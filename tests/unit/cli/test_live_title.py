"""What nobody may overlook of a live run: above all lines, and above the table."""

from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from engine.cli.live_table import LiveTable
from engine.cli.screen import live_title

REAL = "LIVE: REAL MONEY in account U1234567"
PLAYED = "LIVE, SIMULATED: account U1234567 is played by a simulated gateway, no real money"
SEEN = "OBSERVING: nothing is sent, orders fill by a model (mid)"


def run(mode: str, *, simulated: bool) -> Any:
    """Return what the title is made of."""
    link = SimpleNamespace(account="U1234567", is_simulated=simulated)
    options = SimpleNamespace(settings={"mode": mode, "fills": "mid"})
    return SimpleNamespace(options=options, world=SimpleNamespace(ib=SimpleNamespace(link=link)))


@pytest.mark.parametrize(
    ("mode", "simulated", "title"),
    [("live", False, REAL), ("live", True, PLAYED), ("paper", False, ""), ("", True, ""), ("observe", False, SEEN)],
)
def test_title(mode: str, simulated: bool, title: str) -> None:
    assert live_title(run(mode, simulated=simulated)) == title


@pytest.mark.parametrize("width", [30, 120])
def test_the_table_bears_it_cut_to_the_width(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.cli.live_table.glance_lines", lambda shown, width: [])
    table = LiveTable(Console(width=width, height=20))
    assert [line.plain for line in table._lines(None)] == [""]  # type: ignore[arg-type]
    table.title = REAL
    first, title = table._lines(SimpleNamespace(notice=""))  # type: ignore[arg-type]
    assert (first.plain, title.style) == ("", "bold white on red")
    assert len(title.plain) < width
    assert title.plain.startswith(" LIVE: REAL MONEY")
