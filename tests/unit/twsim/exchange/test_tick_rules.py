"""The price steps of options on each index, alone and in a combo."""

from dataclasses import replace
from decimal import Decimal

import pytest
from fake_market import P4990, P5000, SPY_P, Desktop

from twsim.exchange.nbbo import combo_tick_rule, on_grid, tick_rule
from twsim.nouns import Instrument


def known(con_id: int) -> Instrument:
    found = Desktop().market.catalogue.by_id(con_id)
    assert found is not None
    return found


def of(symbol: str, con_id: int = P5000) -> Instrument:
    return replace(known(con_id), symbol=symbol)


@pytest.mark.parametrize(
    ("symbol", "prices", "fits"),
    [
        ("XSP", ("0.37", "2.99", "3.07", "12.34"), (True, True, True, True)),
        ("SPX", ("0.37", "2.95", "3.05", "12.30"), (False, True, False, True)),
        ("NDX", ("0.37", "2.95", "3.05", "12.30"), (False, True, False, True)),
        ("RUT", ("0.37", "2.95", "3.05", "12.30"), (False, True, False, True)),
        ("AAPL", ("0.37", "2.95", "3.05", "12.33"), (True, True, True, False)),
        ("GGG", ("0.37", "2.95", "3.05", "12.30"), (False, True, False, True)),
    ],
)
def test_an_option_alone(symbol: str, prices: tuple[str, ...], fits: tuple[bool, ...]) -> None:
    rule = tick_rule(of(symbol))
    assert tuple(on_grid(Decimal(price), rule) for price in prices) == fits


@pytest.mark.parametrize(
    ("symbols", "step"),
    [
        (("SPX", "SPX"), "0.05"),
        (("XSP", "XSP"), "0.01"),
        (("NDX", "NDX"), "0.05"),
        (("RUT", "RUT"), "0.05"),
        (("SPX", "XSP"), "0.01"),
        (("GGG", "GGG"), "0.01"),
    ],
)
def test_the_tick_of_a_combo_is_that_of_its_finest_leg(symbols: tuple[str, str], step: str) -> None:
    rule = combo_tick_rule([of(symbols[0]), of(symbols[1], P4990)])
    assert rule.tick(Decimal("4.00")) == Decimal(step)
    assert combo_tick_rule([known(P5000), known(SPY_P)]).tick(Decimal(4)) == Decimal("0.01")
