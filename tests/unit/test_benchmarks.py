"""What the benchmarks run must stay in the language."""

from pathlib import Path

from engine.run.desk import load_desk

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_its_bots_are_fine() -> None:
    desk = load_desk([str(BENCHMARKS / "wide_bot.yaml")], {}, None)
    assert set(desk.bots) == {"wide_bot"}
