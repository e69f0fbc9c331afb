"""Short calls before a dividend: whoever holds such a call may exercise it the evening before, to be paid the dividend.

An assigned short call delivers the shares, and owes the dividend with them. Nothing is traded for it: a person is told,
from two sessions before (faults.md row 72).
"""

from decimal import Decimal

from rulebot.core.state.builder import StateBuilder
from rulebot.model.contract import Option, Right, Settlement, product
from rulebot.model.market import level_of
from rulebot.model.session import session_after


def warn_of_dividends(work: StateBuilder) -> None:
    """Say which short calls are in the money while a dividend is due within two sessions."""
    dividends = work.market.facts.dividends
    if not dividends:
        return
    today = work.schedule.session.date
    last = session_after(session_after(today).date).date
    for position in work.active_positions():
        for leg in position.legs:
            found = dividends.get(leg.option.symbol)
            if leg.signed_held >= 0 or found is None or not today < found.ex_date <= last:
                continue
            if found.ex_date <= leg.option.expiry and _is_in_the_money(work, leg.option):
                text = f"short {leg.option} is in the money and {leg.option.symbol} pays {found.amount} from"
                text = f"{text} {found.ex_date} on: it may be assigned the evening before, and then owes the dividend"
                work.alarm(position.bot, text, position.id)


def _is_in_the_money(work: StateBuilder, option: Option) -> bool:
    if option.right is not Right.CALL or option.is_share or product(option.symbol).settlement is not Settlement.SHARES:
        return False
    spot = level_of(work.market.board, option.symbol, work.now)
    return spot is not None and Decimal(f"{spot:.4f}") > option.strike
