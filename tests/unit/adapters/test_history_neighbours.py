"""A quote that the strikes beside it contradict is left out; sound quotes stay, whatever the market does."""

from math import erf, exp, log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from rulebot.adapters.history.parity import PairTerms
from rulebot.adapters.history.quote_checks import odd_quotes, out_of_step, overpriced_asks

SPOT = 5100.0


def black(strike: float, iv: float, years: float, is_call: bool) -> float:
    deviation = iv * sqrt(years)
    d1 = log(SPOT / strike) / deviation + deviation / 2
    sign = 1.0 if is_call else -1.0
    below, below2 = ((1 + erf(sign * d / sqrt(2))) / 2 for d in (d1, d1 - deviation))
    return sign * (SPOT * below - strike * below2)


def chain(iv: float = 0.2, years: float = 5 / 365, step: float = 5.0, count: int = 21) -> tuple[PairTerms, np.ndarray]:
    """Return puts, then calls, around the money, and their mids. Shape: (1, 2 x count)."""
    strikes = SPOT + step * (np.arange(count) - count // 2)
    smile = [iv * exp(-1.5 * log(strike / SPOT)) for strike in strikes]
    mids = [black(k, vol, years, is_call) for is_call in (False, True) for k, vol in zip(strikes, smile, strict=True)]
    is_call = np.repeat([False, True], count)
    return PairTerms(np.tile(strikes, 2), is_call, np.zeros(2 * count, dtype=np.int64)), np.array([mids])


def quotes(mids: np.ndarray, width: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    bid = np.floor((mids - width / 2) * 20) / 20
    return np.where(bid > 0, bid, np.nan), np.ceil((mids + width / 2) * 20) / 20


@pytest.mark.parametrize("place", [3, 10, 17, 24, 31, 38])
@pytest.mark.parametrize("factor", [0.1, 0.5, 1.5, 2.0, 4.0])
def test_a_single_odd_quote_is_found(place: int, factor: float) -> None:
    terms, mids = chain()
    mids[0, place] *= factor
    (found,) = odd_quotes(terms, *quotes(mids))
    assert (found.instant, found.option) == (0, place)


@pytest.mark.parametrize("place", [3, 5, 8])
def test_a_cheap_offer_that_nobody_bids_for_stays(place: int) -> None:
    """Whoever offers a put at 0.05 between those at 1.40 and 1.90 can be bought from."""
    terms, mids = chain()
    bid, ask = quotes(mids)
    bid[0, place], ask[0, place] = np.nan, 0.05
    assert list(odd_quotes(terms, bid, ask)) == []


def test_each_of_two_odd_quotes_apart_is_found() -> None:
    terms, mids = chain()
    mids[0, 5] *= 3.0
    mids[0, 30] *= 0.2
    assert {each.option for each in odd_quotes(terms, *quotes(mids))} == {5, 30}


def test_the_order_of_options_does_not_matter() -> None:
    terms, mids = chain()
    mids[0, 10] *= 2.0
    mixed = np.random.default_rng(1).permutation(len(terms.strike))
    shuffled = PairTerms(*(column[mixed] for column in terms))
    (found,) = odd_quotes(shuffled, *quotes(mids[:, mixed]))
    assert mixed[found.option] == 10


def test_an_instant_among_many_is_found() -> None:
    terms, mids = chain()
    many = np.repeat(mids, 200, axis=0)
    many[130, 7] *= 3.0
    (found,) = odd_quotes(terms, *quotes(many))
    assert (found.instant, found.option) == (130, 7)


def test_nothing_is_left_out_where_nobody_can_say_which_is_odd() -> None:
    terms, mids = chain(count=3)
    mids[0, 1] *= 3.0
    assert not [*odd_quotes(terms, *quotes(mids))]


@given(some.floats(0.05, 1.5), some.floats(0.0005, 1.0), some.sampled_from([1.0, 5.0, 25.0]), some.floats(0.05, 5.0))
def test_sound_quotes_stay(iv: float, years: float, step: float, width: float) -> None:
    terms, mids = chain(iv, years, step)
    assert not [*odd_quotes(terms, *quotes(mids, width))]


@pytest.mark.parametrize(
    ("place", "factor"), [(0, 5.0), (0, 20.0), (20, 3.0), (20, 0.2), (21, 3.0), (21, 0.2), (41, 5.0), (41, 20.0)]
)
def test_the_first_and_the_last_strike_of_a_row_are_judged_too(place: int, factor: float) -> None:
    terms, mids = chain()
    mids[0, place] *= factor
    (found,) = out_of_step(terms, *quotes(mids))
    assert (found.instant, found.option) == (0, place)
    assert sum(each != each for each in found.mids) == 1


@pytest.mark.parametrize("place", [1, 2, 39, 40])
def test_a_dear_quote_among_options_that_nobody_bids_for_is_found(place: int) -> None:
    terms, mids = chain(iv=0.02)
    mids[0, place] = 12.5
    bid, ask = quotes(mids)
    assert np.isnan(bid[0, [place - 1, place + 1]]).all()
    assert [each.option for each in out_of_step(terms, bid, ask)] == [place]


def test_of_two_strikes_alone_nobody_can_say_which_is_odd() -> None:
    terms, mids = chain(count=2)
    mids[0, 0] *= 9.0
    assert not [*out_of_step(terms, *quotes(mids))]


@pytest.mark.parametrize("place", [3, 5, 8])
def test_a_cheap_offer_without_a_bid_stays_beside_dearer_strikes(place: int) -> None:
    terms, mids = chain()
    bid, ask = quotes(mids)
    bid[0, place], ask[0, place] = np.nan, 0.05
    assert list(out_of_step(terms, bid, ask)) == []


@given(some.floats(0.05, 1.5), some.floats(0.0005, 1.0), some.sampled_from([1.0, 5.0, 25.0]), some.floats(0.05, 5.0))
def test_sound_quotes_are_in_step(iv: float, years: float, step: float, width: float) -> None:
    terms, mids = chain(iv, years, step)
    assert not [*out_of_step(terms, *quotes(mids, width))]


@pytest.mark.parametrize("place", [0, 3, 8, 24, 31, 41])
def test_an_absurd_ask_without_a_bid_is_found(place: int) -> None:
    """Offered at 12 between puts at 1.40 and 1.90 and bid for by nobody, its mid would be 6."""
    terms, mids = chain()
    bid, ask = quotes(mids)
    bid[0, place], ask[0, place] = np.nan, 5 * ask[0, place] + 12.0
    (found,) = overpriced_asks(terms, bid, ask)
    assert (found.option, found.mids[1]) == (place, pytest.approx(ask[0, place] / 2))


@pytest.mark.parametrize("ask_of_all", [0.05, 0.10, 4.80])
def test_a_tail_that_nobody_bids_for_stays(ask_of_all: float) -> None:
    """Far out of the money all are offered at one tick, or wide, and bid for by nobody."""
    terms, mids = chain(iv=0.08, years=1 / 365)
    bid, ask = quotes(mids)
    ask = np.where(np.isnan(bid), ask_of_all, ask)
    assert list(overpriced_asks(terms, bid, ask)) == []


def test_a_sound_ask_beside_one_that_is_too_cheap_stays() -> None:
    terms, mids = chain()
    bid, ask = quotes(mids)
    bid[0, 3] = bid[0, 4] = np.nan
    ask[0, 4] = 0.05
    assert list(overpriced_asks(terms, bid, ask)) == []


@given(some.floats(0.05, 1.5), some.floats(0.5 / 365, 60 / 365), some.sampled_from([1.0, 5.0, 25.0]), some.floats(0, 2))
def test_sound_quotes_have_no_dear_offer(iv: float, years: float, step: float, width: float) -> None:
    terms, mids = chain(iv, years, step)
    assert list(overpriced_asks(terms, *quotes(mids, width))) == []
