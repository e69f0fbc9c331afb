from datetime import timedelta
from decimal import Decimal

import pytest

from rulebot.model.session import Anchor, DayTime
from rulebot.spec.nouns import Amount, Unit, Word
from rulebot.spec.scalar import amount, day_time, operand, parameter_name, seconds


@pytest.mark.parametrize(
    ("text", "value", "unit", "of"),
    [
        ("10 pts", "10", Unit.POINTS, None),
        ("$500", "500", Unit.DOLLARS, None),
        ("50%", "50", Unit.PERCENT, None),
        ("2x credit", "2", Unit.MULTIPLE, "credit"),
        ("1.2x", "1.2", Unit.MULTIPLE, None),
        ("15s", "15", Unit.SECONDS, None),
        ("5m", "300", Unit.SECONDS, None),
        ("2h", "7200", Unit.SECONDS, None),
        ("3d", "3", Unit.SESSIONS, None),
        ("3R", "3", Unit.R, None),
        ("-0.25 pts", "-0.25", Unit.POINTS, None),
    ],
)
def test_amount_with_its_unit(text: str, value: str, unit: Unit, of: str | None) -> None:
    assert amount(text) == Amount(Decimal(value), unit, of)


def test_a_bare_number_is_exact() -> None:
    assert amount(Decimal("0.10")) == Amount(Decimal("0.1"), Unit.NUMBER)
    assert amount(14) == Amount(Decimal(14), Unit.NUMBER)


@pytest.mark.parametrize(
    "text", ["010 pts", "1e3%", "1_0 pts", ".5x", "5", "pts", "$", "$$5", "5 %", "", "10 pts ", "1d2"]
)
def test_what_is_no_amount(text: str) -> None:
    assert amount(text) is None


@pytest.mark.parametrize("value", [True, None, [], {}])
def test_what_is_no_scalar_is_no_amount(value: object) -> None:
    assert amount(value) is None  # type: ignore[arg-type]


def test_seconds_only_of_durations() -> None:
    assert seconds("1.5m") == 90.0
    assert seconds("3d") is None


def test_no_duration_leads_out_of_the_calendar() -> None:
    assert seconds("999999h") == 3_599_996_400.0
    assert seconds("1000000h") is None


@pytest.mark.parametrize(
    ("text", "anchor", "minutes"),
    [
        ("10:30", Anchor.CLOCK, 630),
        ("open", Anchor.OPEN, 0),
        ("open + 15m", Anchor.OPEN, 15),
        ("close - 2h", Anchor.CLOSE, -120),
    ],
)
def test_times_of_day(text: str, anchor: Anchor, minutes: int) -> None:
    assert day_time(text) == DayTime(anchor, timedelta(minutes=minutes))


def test_a_time_of_another_clock() -> None:
    assert day_time("15:31 Europe/Berlin") == DayTime(Anchor.CLOCK, timedelta(minutes=931), "Europe/Berlin")


@pytest.mark.parametrize(
    "text",
    [
        "15:31 Europe/Berln",
        "15:31 berlin",
        "open Europe/Berlin",
        "9:30",
        "24:00",
        "10:60",
        "close-30m",
        "open +15m",
        "open + 3d",
        "open + 1000000h",
    ],
)
def test_what_is_no_time(text: str) -> None:
    assert day_time(text) is None


def test_an_operand_is_a_word_or_a_multiple_of_one() -> None:
    assert operand("vix9d") == Word("vix9d")
    assert operand("0.6x day_move") == Amount(Decimal("0.6"), Unit.MULTIPLE, "day_move")
    assert operand("SPX") is None


def test_a_parameter_name_follows_a_dollar_sign() -> None:
    assert parameter_name("$delta") == "delta"
    assert parameter_name("$500") is None
    assert parameter_name("0.6x $delta") is None
