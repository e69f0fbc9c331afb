"""Days, times, symbols and contracts as other people write them."""

from datetime import date

import pytest

from rulebot.data.values import (
    ClockUnit,
    ContractName,
    DateOrder,
    Moment,
    date_order,
    is_adjusted,
    parse_clock,
    parse_contract,
    parse_date,
    parse_moment,
    parse_symbol,
)

DAY = date(2024, 1, 5)
HALF_PAST_NINE = (9 * 60 + 30) * 60 * 1_000_000


@pytest.mark.parametrize(
    "text",
    [
        *(
            "2024-01-05",
            "2024/1/5",
            "20240105",
            "5-Jan-2024",
            "05JAN24",
            "Jan 5, 2024",
            "January 5 2024",
            "05 Jan 2024",
        ),
        *("2024-01-05T00:00:00.000Z", "2024-01-05 00:00:00-05:00"),
    ],
)
def test_a_day_that_has_one_meaning_is_read(text: str) -> None:
    assert parse_date(text, None) == DAY


def test_a_day_with_two_meanings_needs_the_order() -> None:
    assert parse_date("01/05/2024", None) is None
    assert parse_date("01/05/2024", DateOrder.MONTH_FIRST) == DAY
    assert parse_date("05.01.2024", DateOrder.DAY_FIRST) == DAY
    assert parse_date("1/5/24", DateOrder.MONTH_FIRST) == DAY
    assert parse_date("31/12/2024", DateOrder.MONTH_FIRST) is None


def test_the_order_is_that_of_any_day_above_the_twelfth() -> None:
    assert date_order(["01/05/2024", "01/18/2024"]) == {DateOrder.MONTH_FIRST}
    assert date_order(["05/01/2024", "18/01/2024"]) == {DateOrder.DAY_FIRST}
    assert date_order(["05.01.2024"]) == {DateOrder.DAY_FIRST}
    assert date_order(["01/05/2024"]) == set()
    assert len(date_order(["01/18/2024", "18/01/2024"])) == 2


@pytest.mark.parametrize("text", ["9:30", "09:30", "09:30:00", "09:30:00.000000", "9:30 AM", "0930", "930", "093000"])
def test_a_time_of_day_is_read(text: str) -> None:
    assert parse_clock(text) == HALF_PAST_NINE


def test_a_time_of_day_as_a_number_is_in_its_unit() -> None:
    assert parse_clock("9.5", ClockUnit.HOURS) == HALF_PAST_NINE
    assert parse_clock("34200000", ClockUnit.MILLISECONDS) == HALF_PAST_NINE
    assert parse_clock("34200", ClockUnit.SECONDS) == HALF_PAST_NINE
    assert [parse_clock(text) for text in ("24:00", "9:60", "noon", "13:00 PM")] == [None] * 4


@pytest.mark.parametrize(
    "text",
    [
        *("2024-01-05 09:30", "2024-01-05T09:30:00", "2024-01-05T14:30:00Z", "2024-01-05 08:30:00-06:00"),
        *("1704465000", "1704465000000", "1704465000000000", "1704465000000000000", "Jan 5, 2024 9:30 AM"),
    ],
)
def test_an_instant_is_by_the_clock_of_new_york(text: str) -> None:
    assert parse_moment(text, None) == Moment(DAY, HALF_PAST_NINE)


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        *((text, "SPX") for text in ("SPX", "$SPX", "I:SPX", "^GSPC", "^SPX", "SPXW", ".SPX", "spx ", "SPX.X")),
        *((text, "BRK.B") for text in ("BRK/B", "BRK-B", "BRK.B", "BRK B")),
        *(("^VIX", "VIX"), ("VIXCLS", "VIX"), ("AAPL.US", "AAPL"), ("RUTW", "RUT")),
    ],
)
def test_a_symbol_is_that_of_the_underlying(text: str, symbol: str) -> None:
    assert parse_symbol(text) == symbol


@pytest.mark.parametrize(
    "text",
    [
        "SPXW  240105C04700000",
        "SPXW240105C04700000",
        "O:SPXW240105C04700000",
        ".SPXW240105C4700",
        "SPXW_240105C04700000",
    ],
)
def test_the_name_of_a_contract_says_all_of_it(text: str) -> None:
    assert parse_contract(text) == ContractName("SPXW", DAY, "C", 4700.0)


def test_what_is_no_contract_says_nothing() -> None:
    assert [parse_contract(text) for text in ("", "SPX", "SPXW241305C04700000", "4700C")] == [None] * 4
    assert is_adjusted("AAPL7")
    assert not is_adjusted("AAPL")
