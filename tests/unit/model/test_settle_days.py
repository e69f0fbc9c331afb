"""When trades settle."""

from datetime import date

import pytest

from engine.model.session import CalendarError
from engine.model.settle_days import is_bank_holiday, settlement_date


@pytest.mark.parametrize(
    ("traded", "settles"),
    [
        (date(2026, 11, 18), date(2026, 11, 19)),
        (date(2026, 11, 20), date(2026, 11, 23)),  # over a weekend
        (date(2026, 11, 25), date(2026, 11, 27)),  # Thanksgiving; the half day after it settles
        (date(2026, 10, 9), date(2026, 10, 13)),  # Friday before Columbus Day
        (date(2026, 10, 12), date(2026, 10, 13)),  # Columbus Day itself is a session
        (date(2026, 11, 10), date(2026, 11, 12)),  # before Veterans Day
        (date(2026, 11, 11), date(2026, 11, 12)),
    ],
)
def test_a_trade_settles_a_day_on_which_banks_are_open(traded: date, settles: date) -> None:
    assert settlement_date(traded) == settles


def test_veterans_day_of_a_sunday_is_kept_on_monday_and_of_a_saturday_not_at_all() -> None:
    assert [day for day in range(1, 31) if is_bank_holiday(date(2018, 11, day))] == [12]
    assert [day for day in range(1, 31) if is_bank_holiday(date(2026, 11, day))] == [11]
    assert not is_bank_holiday(date(2023, 11, 10))
    assert not is_bank_holiday(date(2026, 9, 14))


def test_past_the_table_nobody_knows() -> None:
    with pytest.raises(CalendarError):
        settlement_date(date(2027, 12, 31))
