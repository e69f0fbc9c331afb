"""docs/cookbook.md: every piece of YAML, laid over the bot at its top, is a bot without an error or a warning."""

import re
from datetime import date
from pathlib import Path

import pytest

from rulebot.compile.build import build_plan, check
from rulebot.compile.lint.lint_context import LintEnvironment
from rulebot.model.facts import EventCalendar
from rulebot.model.session import half_days
from rulebot.review.example import example_of
from rulebot.spec.load import Loaded, load_text

PAGE = (Path(__file__).parents[2] / "docs" / "cookbook.md").read_text(encoding="utf-8")
BASE, *PIECES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
SAID = re.findall(r"^\*\*\"(.*?)\"\*\*", PAGE, re.MULTILINE | re.DOTALL)
TODAY = date(2026, 11, 2)
EVENTS = ("CPI", "FOMC", "NFP", "earnings.AAPL")
CALENDAR = EventCalendar(
    published_until=dict.fromkeys(EVENTS, date(2027, 12, 31)), known_until=dict.fromkeys(EVENTS, date(2027, 12, 31))
)
OUTSIDE = LintEnvironment(TODAY, half_days(TODAY, date(2027, 11, 2)), lambda: CALENDAR)


def sections(text: str) -> dict[str, str]:
    """Return the parts of a text that begin at its left edge, by their key."""
    parts = re.split(r"^(?=[a-z])", text, flags=re.MULTILINE)
    return {part.partition(":")[0]: part for part in parts if part.strip()}


def bot(piece: str) -> Loaded:
    return load_text("".join({**sections(BASE), **sections(piece)}.values()), "cookbook.yaml")


def problems(piece: str) -> list[str]:
    loaded = bot(piece)
    return [f"{each.code} {each.message}" for each in (*loaded.diagnostics, *check(loaded, OUTSIDE))]


def test_the_bot_at_the_top_is_fine() -> None:
    assert problems("") == []


@pytest.mark.parametrize(("said", "piece"), list(zip(SAID, PIECES, strict=True)), ids=lambda each: str(each)[:40])
def test_a_piece_is_fine(said: str, piece: str) -> None:
    assert problems(piece) == []


@pytest.mark.parametrize(("said", "piece"), list(zip(SAID, PIECES, strict=True)), ids=lambda each: str(each)[:40])
def test_a_piece_can_enter_at_the_prices_of_the_example(said: str, piece: str) -> None:
    """Neither `require` nor `max_loss_per_trade` refuses what explain shows."""
    spec = bot(piece).spec
    assert spec is not None
    plan, _ = build_plan(spec)
    assert plan is not None
    example = example_of(plan)
    assert example is not None
    assert example.missed == ()


def test_a_limit_that_refuses_the_example_is_named() -> None:
    """Each side can be lost by itself, so that 25 + 25 points count."""
    piece = next(each for said, each in zip(SAID, PIECES, strict=True) if said.startswith("Each side is stopped"))
    spec = bot(piece.replace("$20000", "$12000")).spec
    assert spec is not None
    (plan, found) = build_plan(spec)
    assert plan is not None
    example = example_of(plan)
    assert example is not None
    assert example.missed == ("max_loss_per_trade",)
    assert [each.code for each in found] == ["RB361"]


def test_it_says_at_least_twenty_things() -> None:
    assert len(SAID) >= 20


def test_the_words_of_the_table_are_words_of_the_language() -> None:
    known = set(re.findall(r"\w+", (Path(__file__).parents[2] / "docs" / "language.md").read_text(encoding="utf-8")))
    rows = [line.split("|")[3] for line in PAGE.splitlines() if line.startswith("| ")][1:]
    ours = {word for row in rows for code in re.findall(r"`(.*?)`", row) for word in re.findall(r"[a-z_]{3,}", code)}
    assert len(rows) >= 20
    assert ours - known == set()
