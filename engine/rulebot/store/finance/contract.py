"""How the clearing house and a tax form call a contract."""

from rulebot.model.contract import Kind, Option, product
from rulebot.model.session import trading_day_after

_ROOT = 6
SHARE_TYPE, OPTION_TYPE = "STK", "OPT"


def occ_symbol(option: Option) -> str:
    """Return the 21 signs of the OCC (OSI), `SPXW  261118P05930000`; of a share its ticker.

    Of an option that settles at the opening the date is the day it settles, one session after its last one.
    Source: OCC Options Symbology Initiative.
    """
    if option.is_share:
        return option.symbol
    day = trading_day_after(option.expiry) if option.settles_at_open else option.expiry
    return f"{option.trading_class:<{_ROOT}}{day:%y%m%d}{option.right.letter}{int(option.strike * 1000):08d}"


def security_type(option: Option) -> str:
    """Return the broker's word for what it is: OPT or STK."""
    return SHARE_TYPE if option.is_share else OPTION_TYPE


def is_section_1256(option: Option) -> bool:
    """Say whether gains are 60 % long term and 40 % short term, however long it was held.

    Source: Internal Revenue Code, section 1256(b)(1)(C) and (g)(3): options on a broad-based index (SPX, XSP,
    NDX, RUT).
    """
    return not option.is_share and product(option.symbol).kind is Kind.INDEX
