"""What is made of a listing's strikes is made once, and anew when other strikes are listed."""

from datetime import date
from decimal import Decimal

from engine.evaluate import listings
from engine.evaluate.listings import multiples, options_of
from engine.model.contract import Right

DAY = date(2026, 11, 18)


def strikes(*numbers: int) -> tuple[Decimal, ...]:
    return tuple(Decimal(number) for number in numbers)


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


def test_what_was_made_of_listings_is_made_anew_once_it_is_forgotten() -> None:
    """Options of past days were kept until there were those of 512 listings."""
    listed = strikes(5900, 5905)
    calls = options_of("SPX", "SPXW", DAY, listed, True)
    listings.forget_listings()
    assert not listings._MADE
    again = options_of("SPX", "SPXW", DAY, listed, True)
    assert again == calls
    assert again[0] is not calls[0]
