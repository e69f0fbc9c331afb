"""The underlyings of the simulated world: their names, levels and movements."""

from dataclasses import replace
from enum import Enum

from twsim.nouns import Instrument, SecType, dataclass


class StrikeLadder(Enum):
    """Which rule lists an option class's strikes and expiries."""

    INDEX_AM = "monthlies, AM settled"
    INDEX_PM = "dailies, weeklies, monthlies and month ends, PM settled"
    ETF_DAILY = "dailies, weeklies, monthlies, quarter ends"
    STOCK = "weeklies and monthlies"


@dataclass(frozen=True, slots=True)
class Asset:
    """One underlying. Prices are where a default run starts when SPX is 6000.

    Units: `vol` and `own_vol` are annual fractions at VIX 16, at the money and of what SPX does not explain;
    `shares` is the day's usual volume. fine_tick: its options have steps of a cent at every price. in_penny_program:
    else of a cent below 3.00, of an index and outside of the program of five.
    """

    instrument: Instrument
    price: float
    vol: float
    beta: float
    own_vol: float
    shares: int
    dividend: float = 0.0
    has_earnings: bool = False
    fine_tick: bool = False
    in_penny_program: bool = True

    @property
    def symbol(self) -> str:
        """The ticker."""
        return self.instrument.symbol


@dataclass(frozen=True, slots=True)
class OptionClass:
    """One trading class. `number` and `first_step` are part of every contract id for ever: append, never renumber.

    strike_unit: points; every strike is a multiple of it. first_step: where its strikes begin among the steps of its
    number, which two classes with few strikes may share.
    """

    number: int
    name: str
    symbol: str
    ladder: StrikeLadder
    strike_unit: float
    first_step: int = 0


def _index(con_id: int, symbol: str, name: str, exchange: str = "CBOE") -> Instrument:
    return Instrument(con_id, symbol, SecType.INDEX, symbol, symbol, exchange, "", name)


def _stock(con_id: int, symbol: str, listed: str, name: str) -> Instrument:
    local = symbol.replace(".", " ")
    trading_class = "NMS" if listed == "NASDAQ" else local
    return Instrument(con_id, symbol, SecType.STOCK, trading_class, local, "SMART", listed, name)


SPX = _index(416904, "SPX", "S&P 500 Stock Index")
XSP = _index(137851301, "XSP", "Mini SPX Index")
NDX = _index(416843, "NDX", "NASDAQ 100 Stock Index", "NASDAQ")
RUT = _index(416888, "RUT", "Russell 2000 Stock Index", "RUSSELL")
VIX = _index(13455763, "VIX", "CBOE Volatility Index")
VIX9D = _index(109390951, "VIX9D", "CBOE 9-Day Volatility Index")
VIX1D = _index(318987210, "VIX1D", "CBOE 1-Day Volatility Index")
VIX3M = _index(47207310, "VIX3M", "CBOE 3-Month Volatility Index")
SPY = _stock(756733, "SPY", "ARCA", "SPDR S&P 500 ETF TRUST")
QQQ = _stock(320227571, "QQQ", "NASDAQ", "INVESCO QQQ TRUST SERIES 1")
IWM = _stock(9579970, "IWM", "ARCA", "ISHARES RUSSELL 2000 ETF")

VOLATILITY_INDICES = {each.symbol: each for each in (VIX, VIX9D, VIX1D, VIX3M)}

SPX_ASSET = Asset(SPX, 6000.0, 0.137, 1.0, 0.0, 0, 0.0125)
SPY_ASSET = Asset(SPY, 598.8, 0.137, 1.0, 0.0, 60_000_000, 0.0125, fine_tick=True)
QQQ_ASSET = Asset(QQQ, 510.0, 0.175, 1.2, 0.05, 38_000_000, 0.006, fine_tick=True)
XSP_ASSET = Asset(XSP, 600.0, 0.137, 1.0, 0.0, 0, 0.0125, fine_tick=True)
NDX_ASSET = Asset(NDX, 20_961.0, 0.175, 1.2, 0.05, 0, 0.006)
RUT_ASSET = Asset(RUT, 2_300.0, 0.185, 1.15, 0.09, 0, 0.013)
IWM_ASSET = Asset(IWM, 228.85, 0.185, 1.15, 0.09, 30_000_000, 0.013, fine_tick=True)

FOLLOWERS: dict[str, tuple[str, float]] = {"XSP": ("SPX", 0.1), "NDX": ("QQQ", 41.1), "IWM": ("RUT", 0.0995)}
"""Underlyings that are always a fixed multiple of another one, to the cent.

Source of XSP's tenth: Cboe's specification.
"""


def _company(
    con_id: int, symbol: str, listed: str, name: str, price: float, vol: float, beta: float, shares: int, pays: float
) -> Asset:
    own = (max(vol * vol * 0.7 - (beta * 0.09) ** 2, 0.0025)) ** 0.5
    return Asset(_stock(con_id, symbol, listed, name), price, vol, beta, own, shares, pays, has_earnings=True)


def _sector(con_id: int, symbol: str, name: str, price: float, vol: float, beta: float, shares: int) -> Asset:
    own = (max(vol * vol * 0.7 - (beta * 0.09) ** 2, 0.0025)) ** 0.5
    listed = "NASDAQ" if symbol == "SMH" else "ARCA"
    return Asset(_stock(con_id, symbol, listed, name), price, vol, beta, own, shares, 0.015)


ASSETS: dict[str, Asset] = {
    asset.symbol: asset
    for asset in (
        SPX_ASSET,
        SPY_ASSET,
        QQQ_ASSET,
        _company(265598, "AAPL", "NASDAQ", "APPLE INC", 235.0, 0.24, 1.1, 48_000_000, 0.004),
        _company(272093, "MSFT", "NASDAQ", "MICROSOFT CORP", 430.0, 0.21, 1.0, 20_000_000, 0.008),
        _company(4815747, "NVDA", "NASDAQ", "NVIDIA CORP", 138.0, 0.42, 1.8, 220_000_000, 0.0),
        _company(76792991, "TSLA", "NASDAQ", "TESLA INC", 330.0, 0.52, 1.9, 90_000_000, 0.0),
        _company(3691937, "AMZN", "NASDAQ", "AMAZON.COM INC", 205.0, 0.29, 1.3, 38_000_000, 0.0),
        _company(107113386, "META", "NASDAQ", "META PLATFORMS INC-CLASS A", 585.0, 0.31, 1.3, 13_000_000, 0.003),
        _company(208813719, "GOOGL", "NASDAQ", "ALPHABET INC-CL A", 178.0, 0.28, 1.1, 28_000_000, 0.004),
        _sector(4215220, "XLF", "FINANCIAL SELECT SECTOR SPDR", 49.0, 0.165, 0.9, 38_000_000),
        _sector(4215217, "XLE", "ENERGY SELECT SECTOR SPDR", 90.0, 0.23, 0.7, 15_000_000),
        _sector(4215227, "XLV", "HEALTH CARE SELECT SECTOR", 140.0, 0.145, 0.6, 9_000_000),
        _sector(229725622, "SMH", "VANECK SEMICONDUCTOR ETF", 245.0, 0.33, 1.6, 7_000_000),
        _company(4391, "AMD", "NASDAQ", "ADVANCED MICRO DEVICES", 140.0, 0.47, 1.7, 45_000_000, 0.0),
        _company(15124833, "NFLX", "NASDAQ", "NETFLIX INC", 880.0, 0.34, 1.2, 3_500_000, 0.0),
        _company(195014116, "SHOP", "NASDAQ", "SHOPIFY INC - CLASS A", 105.0, 0.52, 1.7, 9_000_000, 0.0),
        _company(4762, "BA", "NYSE", "BOEING CO/THE", 178.0, 0.34, 1.1, 7_500_000, 0.0),
        _company(28812380, "CRM", "NYSE", "SALESFORCE INC", 330.0, 0.30, 1.1, 6_000_000, 0.005),
        _company(272800, "ORCL", "NYSE", "ORACLE CORP", 180.0, 0.34, 1.1, 8_500_000, 0.01),
        _company(272997, "COST", "NASDAQ", "COSTCO WHOLESALE CORP", 940.0, 0.20, 0.8, 1_900_000, 0.005),
        _company(13824, "WMT", "NASDAQ", "WALMART INC", 90.0, 0.19, 0.6, 16_000_000, 0.01),
        _company(72063691, "BRK.B", "NYSE", "BERKSHIRE HATHAWAY INC-CL B", 480.0, 0.17, 0.7, 4_000_000, 0.0),
        XSP_ASSET,
        NDX_ASSET,
        RUT_ASSET,
        IWM_ASSET,
        replace(_company(268710, "GGG", "NYSE", "GRACO INC", 85.0, 0.23, 1.0, 900_000, 0.013), in_penny_program=False),
    )
}

_FIRST_CLASS_NUMBER = 5
_ROOM_ABOVE = 1.15
"""How far above the level strikes reach at least, as a factor of it."""
_HALF = 2048
"""Steps of a number that the first of two classes has."""

OPTION_CLASSES: dict[str, OptionClass] = {
    "SPX": OptionClass(_FIRST_CLASS_NUMBER, "SPX", "SPX", StrikeLadder.INDEX_AM, 5.0),
    "SPXW": OptionClass(_FIRST_CLASS_NUMBER + 1, "SPXW", "SPX", StrikeLadder.INDEX_PM, 5.0),
    "SPY": OptionClass(_FIRST_CLASS_NUMBER + 2, "SPY", "SPY", StrikeLadder.ETF_DAILY, 0.5),
    "QQQ": OptionClass(_FIRST_CLASS_NUMBER + 3, "QQQ", "QQQ", StrikeLadder.ETF_DAILY, 0.5),
} | {
    symbol: OptionClass(_FIRST_CLASS_NUMBER + 4 + position, symbol, symbol, StrikeLadder.STOCK, 0.5)
    for position, symbol in enumerate(
        (
            *("AAPL", "MSFT", "NVDA", "TSLA", "AMZN", "META", "GOOGL", "XLF", "XLE", "XLV", "SMH"),
            *("AMD", "NFLX", "SHOP", "BA", "CRM", "ORCL", "COST", "WMT"),
        )
    )
}
OPTION_CLASSES |= {
    each.name: each
    for each in (
        OptionClass(27, "BRKB", "BRK.B", StrikeLadder.STOCK, 0.5, _HALF),
        OptionClass(28, "XSP", "XSP", StrikeLadder.INDEX_PM, 1.0),
        OptionClass(28, "RUTW", "RUT", StrikeLadder.INDEX_PM, 5.0, _HALF),
        OptionClass(29, "NDX", "NDX", StrikeLadder.INDEX_AM, 25.0),
        OptionClass(29, "RUT", "RUT", StrikeLadder.INDEX_AM, 5.0, _HALF),
        OptionClass(30, "NDXP", "NDX", StrikeLadder.INDEX_PM, 10.0),
        OptionClass(16, "GGG", "GGG", StrikeLadder.STOCK, 0.5, _HALF),
    )
}
LAST_NUMBER = max(each.number for each in OPTION_CLASSES.values())
_ALL_STEPS = 4096


def last_step(option_class: OptionClass) -> int:
    """Return the largest multiple of its strike unit that a class has a contract id for."""
    number, first = option_class.number, option_class.first_step
    others = [each.first_step for each in OPTION_CLASSES.values() if each.number == number]
    return min([each for each in others if each > first], default=_ALL_STEPS) - first - 1


def class_of_step(number: int, step: int) -> OptionClass | None:
    found = [each for each in OPTION_CLASSES.values() if each.number == number and each.first_step <= step]
    return max(found, key=lambda each: each.first_step, default=None)


CLASSES_OF: dict[str, tuple[OptionClass, ...]] = {
    symbol: tuple(each for each in OPTION_CLASSES.values() if each.symbol == symbol) for symbol in ASSETS
}
UNDERLYINGS: dict[str, Instrument] = {
    **{symbol: asset.instrument for symbol, asset in ASSETS.items()},
    **VOLATILITY_INDICES,
}
UNDERLYING_BY_ID = {each.con_id: each for each in UNDERLYINGS.values()}


def highest_level(symbol: str) -> float:
    """Return the level up to which an underlying has strikes on both sides of it; infinity if nothing ends them."""
    ends = (last_step(each) * each.strike_unit for each in CLASSES_OF.get(symbol, ()))
    return min((end / _ROOM_ABOVE // 100 * 100 for end in ends), default=float("inf"))
