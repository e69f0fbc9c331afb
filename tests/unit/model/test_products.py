"""The exchanges' facts about the indices whose options are traded, and what follows from them."""

from datetime import date
from decimal import Decimal

import pytest

from rulebot.measure.listings import is_monthly
from rulebot.model.contract import (
    CLASSES_OF_INDICES,
    INDICES,
    OPENING_CLASSES,
    UNKNOWN_INDICES,
    Kind,
    Option,
    Right,
    Settlement,
    product,
)
from rulebot.model.money import Rounding
from rulebot.review.exits import settles


@pytest.mark.parametrize(
    ("symbol", "classes", "below", "above", "combo"),
    [
        ("SPX", ("SPX", "SPXW"), "0.05", "0.10", "0.05"),
        ("XSP", ("XSP",), "0.01", "0.01", "0.01"),
        ("NDX", ("NDX", "NDXP"), "0.05", "0.10", "0.05"),
        ("RUT", ("RUT", "RUTW"), "0.05", "0.10", "0.05"),
    ],
)
def test_classes_and_ticks_of_an_index(
    symbol: str, classes: tuple[str, ...], below: str, above: str, combo: str
) -> None:
    found = product(symbol)
    assert found.kind is Kind.INDEX
    assert not found.is_tradable
    assert found.classes == classes
    assert found.same_day_class == classes[-1]
    assert [found.option_ticks.tick(Decimal(price)) for price in ("2.99", "3.00")] == [Decimal(below), Decimal(above)]
    assert [found.combo_ticks.tick(Decimal(price)) for price in ("0.40", "12.00")] == [Decimal(combo)] * 2


@pytest.mark.parametrize(
    ("symbol", "kind", "above"), [("SPY", Kind.ETF, "0.01"), ("QQQ", Kind.ETF, "0.01"), ("IWM", Kind.ETF, "0.01"),
                                  ("XLF", Kind.ETF, "0.05"), ("GOOG", Kind.STOCK, "0.05")],
)  # fmt: skip
def test_ticks_of_options_on_shares(symbol: str, kind: Kind, above: str) -> None:
    """The penny interval program: three funds at every price, others below 3.00."""
    found = product(symbol)
    assert found.kind is kind
    assert [found.option_ticks.tick(Decimal(price)) for price in ("2.99", "3.00")] == [Decimal("0.01"), Decimal(above)]


def test_a_price_of_xsp_is_rounded_to_the_cent_and_of_rut_to_its_step() -> None:
    prices = {symbol: product(symbol).option_ticks.round(3.123, Rounding.UP) for symbol in ("XSP", "NDX", "RUT")}
    assert prices == {"XSP": Decimal("3.13"), "NDX": Decimal("3.20"), "RUT": Decimal("3.20")}


@pytest.mark.parametrize(
    ("symbol", "trading_class", "at_open"),
    [
        ("SPX", "SPX", True),
        ("SPX", "SPXW", False),
        ("XSP", "XSP", False),
        ("NDX", "NDX", True),
        ("NDX", "NDXP", False),
        ("RUT", "RUT", True),
        ("RUT", "RUTW", False),
    ],
)
def test_what_settles_at_the_open(symbol: str, trading_class: str, at_open: bool) -> None:
    option = Option(symbol, trading_class, date(2026, 11, 19), Decimal(600), Right.PUT)
    assert option.settles_at_open is at_open
    assert settles(symbol, trading_class) is (Settlement.AM_CASH if at_open else Settlement.PM_CASH)
    assert (trading_class in OPENING_CLASSES) is at_open


@pytest.mark.parametrize("trading_class", ["SPXW", "XSP", "NDXP", "RUTW", "SPX", "NDX", "RUT"])
def test_the_monthly_day_of_a_class(trading_class: str) -> None:
    """November's third Friday is the 20th; what settles at its open trades last on Thursday."""
    last = date(2026, 11, 19 if trading_class in OPENING_CLASSES else 20)
    assert [day for day in range(16, 24) if is_monthly(date(2026, 11, day), trading_class)] == [last.day]


def test_an_index_is_either_known_or_refused() -> None:
    assert set(INDICES) == {"SPX", "XSP", "NDX", "RUT"}
    assert not UNKNOWN_INDICES & set(INDICES)
    assert {"VIX", "XND", "MRUT", "DJX", "OEX"} <= UNKNOWN_INDICES
    assert CLASSES_OF_INDICES == {"SPXW": "SPX", "NDXP": "NDX", "RUTW": "RUT", "VIXW": "VIX"}


def test_options_on_a_class_of_shares_are_of_its_symbol_without_the_dot() -> None:
    assert product("BRK.B").same_day_class == "BRKB"
    assert product("BRK.B").kind is Kind.STOCK
    assert product("AAPL").same_day_class == "AAPL"
