"""When trades settle."""

from datetime import date

import pytest

from rulebot.model.session import CalendarError, is_bank_holiday, settlement_date


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
    assert settlement_date(traded, is_share=False) == settles
    assert settlement_date(traded, is_share=True) == settles


@pytest.mark.parametrize(
    ("traded", "option", "shares"),
    [
        (date(2017, 9, 1), date(2017, 9, 5), date(2017, 9, 7)),  # the last day of T+3, over Labor Day
        (date(2017, 9, 5), date(2017, 9, 6), date(2017, 9, 7)),  # the first of T+2 settles beside it
        (date(2017, 10, 6), date(2017, 10, 10), date(2017, 10, 11)),  # over Columbus Day
        (date(2017, 10, 9), date(2017, 10, 10), date(2017, 10, 11)),  # on it: a session
        (date(2016, 11, 9), date(2016, 11, 10), date(2016, 11, 15)),  # T+3 over Veterans Day and a weekend
        (date(2024, 5, 24), date(2024, 5, 28), date(2024, 5, 29)),  # the last day of T+2, over Memorial Day
        (date(2024, 5, 28), date(2024, 5, 29), date(2024, 5, 29)),  # the first of T+1
    ],
)
def test_shares_settled_later_than_options_in_earlier_years(traded: date, option: date, shares: date) -> None:
    assert settlement_date(traded, is_share=False) == option
    assert settlement_date(traded, is_share=True) == shares


def test_veterans_day_of_a_sunday_is_kept_on_monday_and_of_a_saturday_not_at_all() -> None:
    assert [day for day in range(1, 31) if is_bank_holiday(date(2018, 11, day))] == [12]
    assert [day for day in range(1, 31) if is_bank_holiday(date(2026, 11, day))] == [11]
    assert not is_bank_holiday(date(2023, 11, 10))
    assert not is_bank_holiday(date(2026, 9, 14))


def test_past_the_table_nobody_knows() -> None:
    with pytest.raises(CalendarError):
        settlement_date(date(2028, 12, 29), is_share=False)
