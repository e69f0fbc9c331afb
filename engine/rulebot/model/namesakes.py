"""Symbols that name a future or an index, and are the ticker of something else on a US exchange.

Options on them are options on that stock or fund, never on the future. Sources: product lists of CME Group (CME, CBOT,
NYMEX, COMEX), ICE Futures and Cboe; index symbols of Deutsche Boerse, Euronext, Nasdaq and S&P Dow Jones; listings of
NYSE, NYSE Arca, NYSE American and Nasdaq of 2025. A name of "" is a root that no listed share has.
"""

from collections.abc import Mapping

from rulebot.model.values import dataclass


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
