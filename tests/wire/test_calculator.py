"""What an option would be worth, and what volatility a price means, for any level of its underlying."""

from math import erf, log, sqrt

import pytest
from raw_client import RawClient, con_id, contract, gateway, run

YEARS = 6.0 * 3600 / (365 * 86400)
"""From 10:00 to the close, in the broker's calendar years."""


def put(level: float, strike: float, volatility: float) -> float:
    deviation = volatility * sqrt(YEARS)
    d1 = log(level / strike) / deviation + deviation / 2
    below = [(1 - erf(x / sqrt(2))) / 2 for x in (d1 - deviation, d1)]
    return strike * below[0] - level * below[1]


def computed(*questions: tuple[int, float, float]) -> list[tuple[float, float, float]]:
    """Return volatility, price and level of each answer about the put at 5890, at 10:00."""

    async def main():
        async with gateway() as running:
            client = await RawClient.connect(running.port, 1, "v100..178 +LOCKSTEP")
            await client.fence(31 * 60)
            found = []
            for kind, value, level in questions:
                client.send(kind, 3, 5, *contract(con_id(running, 5890)), str(value), str(level), 0, "")
                answer = (await client.until_kind(21))[-1]
                found.append((float(answer[4]), float(answer[6]), float(answer[11])))
            return found

    return run(main)


def test_a_price_far_from_the_market_has_the_volatility_that_black_gives_it():
    (answer,) = computed((54, put(6000, 5890, 0.8), 6000))
    assert answer == pytest.approx((0.8, put(6000, 5890, 0.8), 6000), rel=0.02)


def test_a_volatility_has_the_price_at_the_level_that_is_asked_about():
    answers = computed((55, 0.6, 5800), (55, 0.6, 6000))
    assert [price for _, price, _ in answers] == pytest.approx([put(5800, 5890, 0.6), put(6000, 5890, 0.6)], abs=0.4)
    assert [level for _, _, level in answers] == [5800, 6000]


def test_price_and_volatility_lead_to_each_other():
    ((_, price, _),) = computed((55, 0.3, 5900))
    ((volatility, _, _),) = computed((54, price, 5900))
    assert volatility == pytest.approx(0.3, abs=1e-4)


def test_what_no_volatility_gives_is_not_computed():
    answers = computed((54, 5.0, 5800), (54, 9000.0, 5900), (55, 25.0, 5900), (55, -1.0, 5900))
    assert [answer[0] for answer in answers[:2]] == [-1, -1]
    assert [answer[1] for answer in answers[2:]] == [-1, -1]
