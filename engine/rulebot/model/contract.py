"""What is traded: underlyings and options, and the product facts the exchange fixes.

Sources: contract specifications of Cboe (SPX and SPXW; XSP; RUT and RUTW) and Nasdaq (NDX and NDXP): 100 times the
index, European, settled in cash. Ticks are 0.05 below 3.00 and 0.10 from there, of XSP 0.01 at every price. SPX, RUT
and NDX settle at the opening prints of the third Friday and trade last the day before; SPXW, RUTW, NDXP and all of XSP
at the close of their last day, on which they trade to 16:00 ET. Prices of combos: Cboe rule 5.4(b), 0.01 or what the
exchange sets for a class, of SPX 0.05; of RUT and NDX 0.05 is taken, which a grid of 0.01 has too. OCC equity option
specifications (American, physical delivery of 100 shares). Cboe rule 5.4(d), the penny interval program: SPY, QQQ and
IWM 0.01 at every price, others 0.01 below 3.00 and 0.05 from there.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from datetime import date
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from rulebot.model.cause import Name
from rulebot.model.money import TickRule
from rulebot.model.session import CalendarError, is_session, session_before
from rulebot.model.values import KnowsItsHash, dataclass


class Right(Enum):
    """Call or put."""

    CALL = "call"
    PUT = "put"

    __hash__ = object.__hash__  # each is one object; an Enum computes its hash at each call

    @property
    def letter(self) -> str:
        """`C` or `P`."""
        return "C" if self is Right.CALL else "P"


class Kind(Enum):
    """What an underlying is."""

    INDEX = "index"
    ETF = "etf"
    STOCK = "stock"


class Settlement(Enum):
    """How an option ends: cash at the opening prints, cash at the close, or shares."""

    AM_CASH = "am"
    PM_CASH = "pm"
    SHARES = "shares"


_PENNY = TickRule(((Decimal(0), Decimal("0.01")),))
SHARE_TICKS = _PENNY
_INDEX_OPTION = TickRule(((Decimal(0), Decimal("0.05")), (Decimal(3), Decimal("0.10"))))
_EQUITY_OPTION = TickRule(((Decimal(0), Decimal("0.01")), (Decimal(3), Decimal("0.05"))))
_COMBO_INDEX = TickRule(((Decimal(0), Decimal("0.05")),))


@dataclass(frozen=True, slots=True)
class Product:
    """The exchange's facts about one underlying and its options."""

    symbol: str
    kind: Kind
    option_ticks: TickRule
    combo_ticks: TickRule
    same_day_class: str
    """Trading class whose options expire at the close of their last day."""
    opening_class: str = ""
    """Trading class whose options settle at the opening prints of the day after their last one; "" where none do."""
    strike_step: int = 1
    """Points between listed strikes near the money, as markets that are made up list them."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Its trading classes: that of the opening prints first."""
        return tuple(name for name in (self.opening_class, self.same_day_class) if name)

    @property
    def settlement(self) -> Settlement:
        """How options of its same-day class end."""
        return Settlement.PM_CASH if self.kind is Kind.INDEX else Settlement.SHARES

    @property
    def is_tradable(self) -> bool:
        """An index cannot be bought; an ETF or stock can."""
        return self.kind is not Kind.INDEX


INDICES = {
    found.symbol: found
    for found in (
        Product("SPX", Kind.INDEX, _INDEX_OPTION, _COMBO_INDEX, "SPXW", "SPX", 5),
        Product("XSP", Kind.INDEX, _PENNY, _PENNY, "XSP", "", 1),
        Product("NDX", Kind.INDEX, _INDEX_OPTION, _COMBO_INDEX, "NDXP", "NDX", 10),
        Product("RUT", Kind.INDEX, _INDEX_OPTION, _COMBO_INDEX, "RUTW", "RUT", 5),
    )
}
"""The indices whose options are traded here, by symbol."""

UNKNOWN_INDICES = frozenset(
    (
        *("NANOS", "OEX", "XEO", "DJX", "VIX", "SPEQX", "SPESG", "CBTX", "MBTX", "XND", "NQX", "VXN"),
        *("MRUT", "RUI", "RLG", "RLV", "RVX", "MXEA", "MXEF", "MXUSA", "MXWLD", "MXACW"),
    )
)
"""Indices with cash-settled options whose ticks, classes and settlement are not in the table of products.

Sources: lists of index options of Cboe and Nasdaq.
"""

CLASSES_OF_INDICES = {
    name: each.symbol for each in INDICES.values() for name in each.classes if name != each.symbol
} | {"VIXW": "VIX"}
"""Trading classes that are no underlyings, each with the index that its options are on."""

OPENING_CLASSES = frozenset(each.opening_class for each in INDICES.values() if each.opening_class)
"""Trading classes that settle at opening prints; that of an index is named like it."""

_ETFS = ("SPY", "QQQ", "IWM", "XLF", "XLE", "XLV", "SMH")
_PENNY_ETFS = ("SPY", "QQQ", "IWM")


def product(symbol: str) -> Product:
    """Return the product of an underlying symbol; any unknown symbol is a US stock (but see UNKNOWN_INDICES)."""
    if (index := INDICES.get(symbol)) is not None:
        return index
    if symbol in _ETFS:
        ticks = _PENNY if symbol in _PENNY_ETFS else _EQUITY_OPTION
        return Product(symbol, Kind.ETF, ticks, _PENNY, symbol)
    return Product(symbol, Kind.STOCK, _EQUITY_OPTION, _PENNY, class_of_shares(symbol))


def is_known(symbol: str) -> bool:
    """Say whether a symbol is an index or ETF of the tables here; any other is taken for a stock."""
    return symbol in INDICES or symbol in _ETFS


def class_of_shares(symbol: str) -> str:
    """Return the trading class of a stock's options: its symbol without the dot before a share class.

    Source: OCC option symbology, which has letters and digits only; options on BRK.B are of class BRKB.
    """
    return symbol.replace(".", "")


LOT = 100
"""Shares per option contract, and the unit in which a structure's shares trade."""


SHARES_NAME = " shares"
"""Suffix of the symbol of a share leg, in words and in records of fills."""


@dataclass(frozen=True, slots=True)
class Option(KnowsItsHash):
    """One listed option. Identity is class, expiry, strike and right; `con_id` is the broker's number for it.

    Units: `expiry` is the last day it trades (of SPX, NDX and RUT, settled at the open, the day before settlement).
    """

    symbol: Name
    trading_class: Name
    expiry: date
    strike: Decimal
    right: Right
    multiplier: int = 100
    con_id: int = field(default=0, compare=False)

    def __hash__(self) -> int:
        try:
            return self._hash
        except AttributeError:
            known = hash((self.trading_class, self.expiry, self.strike, self.right is Right.CALL))
            object.__setattr__(self, "_hash", known)
            return known

    @property
    def is_share(self) -> bool:
        """True for a share among the legs of a structure (see `share`)."""
        return not self.strike

    @property
    def settles_at_open(self) -> bool:
        """True when it ends at the opening prints of the day after its last session, as SPX's third Friday."""
        found = product(self.symbol)
        return found.kind is Kind.INDEX and not self.is_share and self.trading_class != found.same_day_class

    def price_multiplier(self, ratio: int) -> int:
        """Return what one point of this quantity is worth in a price per share of the structure."""
        return ratio // LOT if self.is_share else ratio

    def __str__(self) -> str:
        if self.is_share:
            return f"{self.symbol}{SHARES_NAME}"
        return f"{self.trading_class} {self.expiry} {self.strike:f}{self.right.letter}"


@dataclass(frozen=True, slots=True)
class Underlying:
    """An index, ETF or stock as the broker lists it; also VIX and its family."""

    symbol: Name
    con_id: int = field(default=0, compare=False)

    def __hash__(self) -> int:
        return hash(self.symbol)

    def __str__(self) -> str:
        return self.symbol


Contract = Option | Underlying


@lru_cache(maxsize=16384)
def listed(symbol: str, trading_class: str, expiry: date, strike: Decimal, is_call: bool) -> Option:
    """Return the option of these terms, the same value each time: what is looked up all day is made once."""
    return Option(symbol, trading_class, expiry, strike, Right.CALL if is_call else Right.PUT)


def share(symbol: str, con_id: int = 0) -> Option:
    """Return a share as a leg: a call at a strike of nothing that never ends, which is worth what the share is.

    So its payoff, cover and ledger are those of any leg; it is counted in shares, one hundred a lot.
    """
    return Option(symbol, symbol, date.max, Decimal(0), Right.CALL, 1, con_id)


# --- A structure in a few letters

SHARES = "shares"


class Strike(NamedTuple):
    """One leg as far as its name defines it. `right` is `put`, `call` or `shares`; shares have no strike or expiry.

    sign: +1 bought, -1 sold, 0 where unknown.
    """

    symbol: str
    right: str
    strike: Decimal
    ratio: int
    expiry: str | None = None
    sign: int = 0


_SIGNS = {-1: "-", 0: "", 1: "+"}
UNNAMED = frozenset({"SPX", "SPY"})
"""Underlyings that are recognised by the size of their strikes."""


def structure_text(strikes: Iterable[Strike]) -> str:
    """Return strikes by right, puts first, lowest first, shares before all: `100 SPY 604c`.

    The symbol appears where it is ambiguous, the count where it is above one.
    """
    legs = tuple(strikes)
    if dealt := [leg for leg in legs if leg.right == SHARES]:
        options = structure_text(leg for leg in legs if leg.right != SHARES)
        named = " ".join(f"{leg.ratio} {leg.symbol}" for leg in dealt)
        return f"{named} {options}".rstrip()
    if len({leg.expiry for leg in legs}) > 1:
        return _of_several_expiries(legs)
    symbols = list(dict.fromkeys(leg.symbol for leg in legs))
    if len(symbols) < 2 and UNNAMED.issuperset(symbols):
        return _both_rights(legs)
    return " / ".join(_of_symbol(symbol, [leg for leg in legs if leg.symbol == symbol]) for symbol in symbols)


def _of_several_expiries(legs: Sequence[Strike]) -> str:
    """Return what is sold and what is bought of each expiry; written alike, both would seem bought."""
    groups = sorted({(leg.expiry or "", leg.sign) for leg in legs})
    texts = []
    for expiry, sign in groups:
        text = structure_text(leg for leg in legs if (leg.expiry or "", leg.sign) == (expiry, sign))
        texts.append(f"{_SIGNS[sign]}{text} {expiry}")
    return (" " if all(sign for _, sign in groups) else " + ").join(texts)


def _of_symbol(symbol: str, legs: Sequence[Strike]) -> str:
    common = min(leg.ratio for leg in legs)
    if any(leg.ratio % common for leg in legs):
        common = 1
    each = [leg._replace(ratio=leg.ratio // common) for leg in legs]
    return f"{common} {symbol} {_both_rights(each)}" if common > 1 else f"{symbol} {_both_rights(each)}"


def _both_rights(legs: Sequence[Strike]) -> str:
    return " ".join(text for right in ("put", "call") if (text := _one_right(legs, right)))


def _one_right(legs: Sequence[Strike], right: str) -> str:
    found = sorted((leg.strike, leg.ratio) for leg in legs if leg.right == right)
    texts = [(f"{ratio}x" if ratio != 1 else "") + _number(strike) for strike, ratio in found]
    return "/".join(texts) + right[0] if texts else ""


def _number(strike: Decimal) -> str:
    text = f"{strike:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def strike_of(option: Option, ratio: int, sign: int = 0) -> Strike:
    """Return a leg as far as its name goes. sign: +1 bought, -1 sold."""
    if option.is_share:
        return Strike(option.symbol, SHARES, option.strike, ratio, None, sign)
    return Strike(option.symbol, option.right.value, option.strike, ratio, option.expiry.isoformat(), sign)


# --- Symbols that name a future or an index, and are the ticker of something else on a US exchange


@dataclass(frozen=True, slots=True)
class Namesake:
    """One symbol: whose shares it is the ticker of, and the future or index that may have been meant.

    instead: what is traded here for that market, "" where nothing is.
    """

    company: str
    other: str
    instead: str = ""


NAMESAKES: Mapping[str, Namesake] = {
    "ES": Namesake("Eversource", "the E-mini S&P 500 future", "SPX or SPY"),
    "NQ": Namesake("", "the E-mini Nasdaq-100 future", "NDX or QQQ"),
    "YM": Namesake("", "the E-mini Dow future", "DIA"),
    "RTY": Namesake("", "the E-mini Russell 2000 future", "RUT or IWM"),
    "MES": Namesake("", "the Micro E-mini S&P 500 future", "XSP or SPY"),
    "MNQ": Namesake("", "the Micro E-mini Nasdaq-100 future", "QQQ"),
    "MYM": Namesake("", "the Micro E-mini Dow future", "DIA"),
    "M2K": Namesake("", "the Micro E-mini Russell 2000 future", "RUT or IWM"),
    "NKD": Namesake("", "the Nikkei 225 future", "EWJ"),
    "EMD": Namesake("Western Asset Emerging Markets Debt Fund", "the E-mini S&P MidCap 400 future", "MDY"),
    "CL": Namesake("Colgate-Palmolive", "the WTI crude oil future", "USO"),
    "BZ": Namesake("Kanzhun", "the Brent crude oil future", "BNO"),
    "NG": Namesake("NovaGold Resources", "the natural gas future", "UNG"),
    "GC": Namesake("", "the gold future", "GLD"),
    "MGC": Namesake("Vanguard Mega Cap ETF", "the micro gold future", "GLD"),
    "MCL": Namesake("", "the Micro WTI crude oil future", "USO"),
    "SI": Namesake("Shoulder Innovations", "the silver future", "SLV"),
    "HG": Namesake("Hamilton Insurance Group", "the copper future", "CPER"),
    "PL": Namesake("Planet Labs", "the platinum future", "PPLT"),
    "ZB": Namesake("", "the Treasury bond future", "TLT"),
    "ZN": Namesake("", "the 10-year Treasury note future", "IEF"),
    "ZS": Namesake("Zscaler", "the soybean future", "SOYB"),
    "ZM": Namesake("Zoom Communications", "the soybean meal future"),
    "ZC": Namesake("", "the corn future", "CORN"),
    "ZW": Namesake("", "the wheat future", "WEAT"),
    "LE": Namesake("Lands' End", "the live cattle future"),
    "HE": Namesake("Hawaiian Electric", "the lean hog future"),
    "GF": Namesake("New Germany Fund", "the feeder cattle future"),
    "KC": Namesake("Kingsoft Cloud", "the coffee future"),
    "SB": Namesake("Safe Bulkers", "the sugar future", "CANE"),
    "CC": Namesake("Chemours", "the cocoa future"),
    "DX": Namesake("Dynex Capital", "the U.S. dollar index future", "UUP"),
    "BTC": Namesake("Grayscale Bitcoin Mini Trust", "the bitcoin future", "IBIT"),
    "ETH": Namesake("Grayscale Ethereum Mini Trust", "the ether future", "ETHA"),
    "Z": Namesake("Zillow", "the FTSE 100 future", "EWU"),
    "VX": Namesake("", "the VIX future"),
    "DAX": Namesake("Global X DAX Germany ETF", "the DAX index", "EWG"),
    "CAC": Namesake("Camden National", "the CAC 40 index", "EWQ"),
    "COMP": Namesake("Compass", "the Nasdaq Composite index", "QQQ"),
    "DOW": Namesake("Dow, the chemical company", "the Dow Jones Industrial Average", "DIA"),
    "DJIA": Namesake("Global X Dow 30 Covered Call ETF", "the Dow Jones Industrial Average", "DIA"),
    "MID": Namesake("American Century Mid Cap Growth Impact ETF", "the S&P MidCap 400 index", "MDY"),
}
"""By symbol."""


# --- The day in an option's name, and the last one on which it trades


def is_morning_settled(symbol: str, trading_class: str) -> bool:
    """Say whether options of a class stop trading the session before the day in their name."""
    facts = product(symbol)
    return facts.settlement is Settlement.PM_CASH and trading_class != facts.same_day_class


@lru_cache(maxsize=4096)
def last_day(symbol: str, trading_class: str, expires: date) -> date:
    """Return the last day an option trades whose name has the day `expires`.

    That is the session before a Saturday or holiday (names had the Saturday until 2015), and one more before it for
    classes that settle at the open.
    """
    try:
        day = expires if is_session(expires) else session_before(expires).date
        return session_before(day).date if is_morning_settled(symbol, trading_class) else day
    except CalendarError:
        return date.fromordinal(expires.toordinal() - is_morning_settled(symbol, trading_class))
