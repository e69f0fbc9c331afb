"""What is made of a listing's strikes is made once, and anew when other strikes are listed."""

from datetime import date
from decimal import Decimal

import pytest

from rulebot.measure import listings
from rulebot.measure.listings import multiples, options_of, place_among_listed, place_of
from rulebot.model.contract import Right

DAY = date(2026, 11, 18)


def strikes(*numbers: int) -> tuple[Decimal, ...]:
    return tuple(Decimal(number) for number in numbers)


@pytest.mark.parametrize("step", ["0.5", "1", "2.5", "0.625", "0.0001"])
def test_the_place_among_listed_strikes_is_that_among_any(step: str) -> None:
    """At a strike, beside it by less than a ten-thousandth, and by more; of strikes that a split has made odd, too."""
    listed = tuple(Decimal("597.3333") + at * Decimal(step) for at in range(40))
    for strike in listed:
        for away in (0.0, 0.00002, 0.00005, 0.00006, 0.0001, 0.3, 7.0):
            for level in (float(strike) - away, float(strike) + away):
                assert place_among_listed(listed, level) == place_of(listed, level)


def test_options_stand_in_the_order_of_their_strikes() -> None:
    listed = strikes(5900, 5905, 5910)
    calls = options_of("SPX", "SPXW", DAY, listed, True)
    assert [(option.strike, option.right) for option in calls] == [(strike, Right.CALL) for strike in listed]
    assert options_of("SPX", "SPXW", DAY, listed, True) is calls
    assert {option.right for option in options_of("SPX", "SPXW", DAY, listed, False)} == {Right.PUT}
    assert {option.trading_class for option in options_of("SPX", "SPX", DAY, listed, True)} == {"SPX"}


def test_only_multiples_are_left_where_a_step_is_asked_for() -> None:
    listed = strikes(5900, 5905, 5910, 5925, 5950)
    assert multiples(listed, None) is listed
    assert multiples(listed, Decimal(25)) == strikes(5900, 5925, 5950)
    assert multiples(listed, Decimal(10)) == strikes(5900, 5910, 5950)


def test_another_listing_of_the_same_class_is_another_one() -> None:
    found = [options_of("SPX", "SPXW", DAY, strikes(first, first + 5), True) for first in range(5000, 8000, 5)]
    assert [options[0].strike for options in found] == [Decimal(first) for first in range(5000, 8000, 5)]
    assert len(listings._MADE) <= listings._MOST


def test_what_was_made_of_listings_is_made_again_once_it_is_forgotten() -> None:
    """Options of past days were kept until there were those of 512 listings."""
    listed = strikes(5900, 5905)
    calls = options_of("SPX", "SPXW", DAY, listed, True)
    listings.forget_listings()
    assert not listings._MADE
    again = options_of("SPX", "SPXW", DAY, listed, True)
    assert again == calls
    assert again[0] is not calls[0]
